"""The cut-off (DESIGN §2): writers stamp `recorded_at` under a shared lock; a close takes the lock exclusively for an instant.

Without it a transaction that stamps first and commits after the close has read would appear below a cut-off already used. On
PostgreSQL an advisory lock, held to the end of the transaction, serves; on SQLite every writing transaction is exclusive from
its first statement (BEGIN IMMEDIATE), so there is nothing to take.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction

from tideover.core.business_time import now
from tideover.core.sql import lock_until_commit, rows_read
from tideover.lending.models import BookClock

LOCK_ID = 7002
TICK = timedelta(microseconds=1)


def writing() -> None:
    """Join the writers until this transaction ends. Call it before any row is locked, so that locks have one order."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [LOCK_ID])


def cut_off() -> datetime | None:
    """The last cut-off taken; None before the first close."""
    found = next(rows_read(BookClock, ("cut_off",), "id = 1"), None)
    return None if found is None else found[0]


def stamp(after: datetime | None = None, *, joined: bool = False) -> datetime:
    """The `recorded_at` of what is about to be written: above every cut-off taken so far and never before `after`.

    Call it inside the writing transaction and under the row lock of what is written, so that stamps of one loan follow its
    `seq`. Both promises hold also when the wall clock goes backwards. `joined`: this transaction has called `writing` already.
    """
    if not joined:
        writing()
    at, cut = now(), cut_off()
    if cut is not None and at <= cut:
        at = cut + TICK
    return at if after is None else max(at, after)


def cut_off_take() -> datetime:
    """Fix a new cut-off: everything stamped by this machine's clock is at or below it, every later stamp above it."""
    with transaction.atomic():
        lock_until_commit(LOCK_ID)
        clock, _ = BookClock.objects.select_for_update().get_or_create(pk=1, defaults={"cut_off": now()})
        clock.cut_off = max(now(), clock.cut_off)
        clock.save()
        return clock.cut_off
