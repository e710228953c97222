"""One close at a time: who closes holds a lease that runs out, so that a killed close keeps nobody waiting."""

from __future__ import annotations

import os
import socket
from datetime import date, timedelta
from uuid import uuid4

from django.db import connection, transaction

from tideover.core.business_time import now
from tideover.core.problems import refuse
from tideover.daily.models import CloseRun
from tideover.lending.clock import cut_off_take

LEASE = timedelta(seconds=60)
LOCK_ID = 7003


def owner_new() -> str:
    """A name for one close: host, process, and a token of its own."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid4().hex[:8]}"


def claim(as_of: date, owner: str) -> CloseRun:
    """The run of a day, claimed; its cut-off is taken the first time and kept. A run that is done is returned unclaimed.

    Raises Refused while another close, of whichever day, holds a lease.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_ID])
        run = CloseRun.objects.filter(as_of=as_of).first()
        if run is not None and run.state == "done":
            return run
        for other in CloseRun.objects.filter(state="running", lease_until__gt=now()).exclude(owner=owner):
            if not _is_dead(other.owner):
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


def _is_dead(owner: str) -> bool:
    """Whether the owner was a process of this machine that is no more; of another machine only the lease can tell."""
    host, _, rest = owner.partition(":")
    pid = rest.split(":")[0]
    if host != socket.gethostname()[:40] or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
