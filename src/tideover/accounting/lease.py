"""One run of posting at a time: a running run has an owner with a lease; a dead owner's run is taken over as it stands."""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction

from tideover.accounting.models import BookRun
from tideover.core.business_time import now
from tideover.core.lease import LEASE, is_dead
from tideover.core.problems import refuse
from tideover.core.sql import lock_until_commit

LOCK_ID = 7004
"""Held by whoever begins a run, books entries or closes a period, until the transaction ends."""


def books_lock() -> None:
    """Keep others from booking and closing until this transaction ends (on SQLite every writer is alone)."""
    lock_until_commit(LOCK_ID)


def running() -> BookRun | None:
    """The run that is not finished, if any."""
    return BookRun.objects.filter(state="running").first()


def claim(first: date, last: date, cut_off: datetime, owner: str) -> BookRun:
    """The run to work on: the unfinished one with its own days and knowledge, else a new one.

    Raises Refused while somebody who is alive holds it.
    """
    with transaction.atomic():
        books_lock()
        run = BookRun.objects.select_for_update(no_key=True).filter(state="running").first()
        if run is not None:
            if run.lease_until and run.lease_until > now() and run.owner != owner and not is_dead(run.owner):
                ends = f"{run.lease_until:%H:%M:%S} UTC"
                raise refuse("posting_running", f"{run.owner} is posting {run.last_day}; its lease ends at {ends}")
        else:
            run = BookRun(first_day=first, last_day=last, cut_off=cut_off, started_at=now())
        run.owner, run.lease_until = owner, now() + LEASE
        run.save()
    return run


def renew(run: BookRun) -> None:
    """Hold on for another LEASE. Raises Refused when somebody else has taken over; call it inside the transaction that writes."""
    if not BookRun.objects.filter(pk=run.pk, owner=run.owner, state="running").update(lease_until=now() + LEASE):
        raise refuse("lease_lost", f"another process has taken over the posting of {run.last_day}; this one stops")
