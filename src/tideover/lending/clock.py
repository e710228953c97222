"""The cut-off (DESIGN §2): writers stamp `recorded_at` under a shared lock; a close takes the lock exclusively for an instant.

On SQLite every writing transaction is already exclusive (BEGIN IMMEDIATE); on PostgreSQL an advisory lock serves.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction

from tideover.core.business_time import now
from tideover.lending.models import BookClock

LOCK_ID = 7002
TICK = timedelta(microseconds=1)


def stamp() -> datetime:
    """The `recorded_at` of an event about to be written; call inside the writing transaction, before anything is read.

    Later than every cut-off taken so far, also when the wall clock goes backwards.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [LOCK_ID])
    at, cut = now(), BookClock.objects.filter(pk=1).values_list("cut_off", flat=True).first()
    return at if cut is None or at > cut else cut + TICK


def cut_off_take() -> datetime:
    """Fix a new cut-off: every event stamped by now is at or below it, every later one above it."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_ID])
        clock, _ = BookClock.objects.select_for_update().get_or_create(pk=1, defaults={"cut_off": now()})
        clock.cut_off = max(now(), clock.cut_off)
        clock.save()
        return clock.cut_off
