"""The cut-off (DESIGN §2): writers stamp `recorded_at` under a shared lock; a close takes the lock exclusively for an instant.

Without it a transaction that stamps first and commits after the close has read would appear below a cut-off already used. On
PostgreSQL an advisory lock, held to the end of the transaction, serves; on SQLite every writing transaction is exclusive from
its first statement (BEGIN IMMEDIATE), so there is nothing to take.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from tideover.core.business_time import now
from tideover.core.sql import Asked, answers, lock_until_commit, rows_read, to_read
from tideover.lending.models import BookClock

LOCK_ID = 7002
TICK = timedelta(microseconds=1)


def writing() -> datetime | None:
    """Join the writers until this transaction ends; the last cut-off, which cannot move until then (None before the first).

    Call it before any row is locked, so that locks have one order.
    """
    return writing_and()[0]


def writing_and(*asked: Asked) -> tuple[datetime | None, list[list[tuple[Any, ...]]]]:
    """`writing`, and the answers to statements (among them those that lock rows) that go to the database with it."""
    join = [Asked("SELECT pg_advisory_xact_lock_shared(%s)", [LOCK_ID])] if connection.vendor == "postgresql" else []
    found = answers(*join, to_read(BookClock, ("cut_off",), "id = 1"), *asked)[len(join) :]
    return next((at for (at,) in found[0]), None), found[1:]


def cut_off() -> datetime | None:
    """The last cut-off taken; None before the first close."""
    return next((at for (at,) in rows_read(BookClock, ("cut_off",), "id = 1")), None)


def above(cut: datetime | None, after: datetime | None = None) -> datetime:
    """`stamp` where the cut-off is known from `writing`."""
    at = now()
    if cut is not None and at <= cut:
        at = cut + TICK
    return at if after is None else max(at, after)


def stamp(after: datetime | None = None, *, joined: bool = False) -> datetime:
    """The `recorded_at` of what is about to be written: above every cut-off taken so far and never before `after`.

    Call it inside the writing transaction and under the row lock of what is written, so that stamps of one loan follow its
    `seq`. Both promises hold also when the wall clock goes backwards. `joined`: this transaction has called `writing` already.
    """
    return above(cut_off() if joined else writing(), after)


def cut_off_take() -> datetime:
    """Fix a new cut-off: everything stamped by this machine's clock is at or below it, every later stamp above it."""
    with transaction.atomic():
        lock_until_commit(LOCK_ID)
        clock, _ = BookClock.objects.select_for_update().get_or_create(pk=1, defaults={"cut_off": now()})
        clock.cut_off = max(now(), clock.cut_off)
        clock.save()
        return clock.cut_off
