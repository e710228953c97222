"""One run of posting at a time: a running run has an owner with a lease; a dead owner's run is taken over as it stands."""

from __future__ import annotations

import os
import socket
from datetime import date, datetime, timedelta
from uuid import uuid4

from django.db import connection, transaction

from tideover.accounting.models import BookRun
from tideover.core.business_time import now
from tideover.core.problems import refuse

LEASE = timedelta(seconds=60)
LOCK_ID = 7004
"""Held by whoever begins a run, books entries or closes a period, until the transaction ends."""


def owner_new() -> str:
    """A name for one run's owner: host, process, and a token of its own."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid4().hex[:8]}"


def books_lock() -> None:
    """Keep others from booking and closing until this transaction ends (on SQLite every writer is alone)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_ID])


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
            if run.lease_until and run.lease_until > now() and run.owner != owner and not _is_dead(run.owner):
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


def _is_dead(owner: str) -> bool:
    """Whether the owner was a process of this machine that is no more."""
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
