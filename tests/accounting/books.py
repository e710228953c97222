"""What the tests of posting share: the ledger as plain sums, a day's end as an instant, one loan with a life."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tideover.accounting.models import Entry, LoanPosition
from tideover.accounting.posting import Posted, books_post
from tideover.core.business_time import micros
from tideover.engine.events import EventKind
from tideover.engine.terms import day
from tideover.lending.imports.bulk import BulkEvent, append
from tideover.lending.models import Contract


def end_of(on: date) -> datetime:
    """An instant after everything of a business day (the house's time zone is ahead of UTC)."""
    return datetime(on.year, on.month, on.day, 23, tzinfo=UTC)


def post(on: date, known: datetime | None = None, first: date | None = None) -> Posted | None:
    return books_post(on, cut_off=known or end_of(on), first=first)


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def ledger() -> dict[tuple[int, str], int]:
    """Debit less credit by (entity, account); zero left out."""
    out: dict[tuple[int, str], int] = defaultdict(int)
    for e in Entry.objects.all():
        out[e.entity_id, e.debit] += e.amount_minor
        out[e.entity_id, e.credit] -= e.amount_minor
    return {k: v for k, v in out.items() if v}


def sub_ledger() -> dict[str, dict[str, int]]:
    return {p.contract.number: p.amounts for p in LoanPosition.objects.select_related("contract")}


def happen(c: Contract, seq: int, kind: EventKind, on: date, amount: int = 0, known: date | None = None, **extra: Any) -> None:
    """Append an event to a loan, recorded on the evening of `known` (its own day when None)."""
    at = micros(end_of(known or on) - timedelta(hours=12))
    append([(c.pk, [BulkEvent(kind, day(on), amount, f"t:{c.number}:{seq}", extra or None, at)])], "test")
