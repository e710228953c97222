"""One close at a time: who closes holds a lease that runs out, so that a killed close keeps nobody waiting."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from tideover.core.business_time import now
from tideover.core.lease import LEASE, is_dead
from tideover.core.problems import refuse
from tideover.core.sql import lock_until_commit
from tideover.daily.models import CloseRun
from tideover.lending.clock import cut_off_take

LOCK_ID = 7003


def claim(as_of: date, owner: str) -> CloseRun:
    """The run of a day, claimed; its cut-off is taken the first time and kept. A run that is done is returned unclaimed.

    Raises Refused while another close, of whichever day, holds a lease.
    """
    with transaction.atomic():
        lock_until_commit(LOCK_ID)
        run = CloseRun.objects.filter(as_of=as_of).first()
        if run is not None and run.state == "done":
            return run
        for other in CloseRun.objects.filter(state="running", lease_until__gt=now()).exclude(owner=owner):
            if not is_dead(other.owner):
                ends = f"{other.lease_until:%H:%M:%S} UTC"
                raise refuse("close_running", f"{other.owner} is closing {other.as_of}; its lease ends at {ends}")
        if run is None:
            run = CloseRun(as_of=as_of, cut_off=cut_off_take(), started_at=now())
        run.owner, run.lease_until = owner, now() + LEASE
        run.save()
    return run


def renew(run: CloseRun) -> None:
    """Hold on for another LEASE. Raises Refused when another close has taken over."""
    if not CloseRun.objects.filter(pk=run.pk, owner=run.owner).update(lease_until=now() + LEASE):
        raise refuse("lease_lost", f"another close of {run.as_of} has taken over; this one stops")


def release(run: CloseRun) -> None:
    """Let go, so that the next close need not wait."""
    CloseRun.objects.filter(pk=run.pk, owner=run.owner).update(lease_until=None)
