"""Figures that pages show: exception rows of a role home, and the book by bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Min, Q, Sum
from django.urls import reverse

from tideover.core.models import User
from tideover.engine.classify import BAD_CLASSES
from tideover.lending.models import Debit, HelpRequest, Promise, Receipt, StandingRow
from tideover.lending.selectors import BUCKET_ORDER, contracts_visible


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """One line of a role home: what, how many, the oldest, how much, where to work it (empty: nowhere yet)."""

    label: str
    count: int
    oldest: date | None
    amount_minor: int | None
    address: str


def exception_rows(user: User, as_of: date) -> list[ExceptionRow]:
    """What needs somebody today, in the user's scope."""
    visible = contracts_visible(user, as_of)
    rows = StandingRow.objects.filter(contract__in=visible)
    loans = reverse("loan-list")
    new = rows.filter(days_past_due__range=(1, 7))
    bad = rows.filter(bucket__in=("d91_180", "d180p"))
    soon = rows.filter(next_due_on__range=(as_of, as_of + timedelta(days=7)))
    promises = Promise.objects.filter(contract__in=visible, withdrawn_at=None, due_on__lte=as_of)
    helps = HelpRequest.objects.filter(contract__in=visible, closed_at=None)
    debits = Debit.objects.filter(contract__in=visible, state__in=("unknown", "in_flight"))
    held = Receipt.objects.filter(unapplied_minor__gt=0, reversed_at=None, party__contracts__in=visible).distinct()
    return [
        _row("Help requests without an answer", helps, "opened_at", None, f"{loans}?show=help"),
        _row("Promises due by today", promises, "due_on", "amount_minor", f"{loans}?show=promise"),
        _row(
            "Newly late (up to 7 days)",
            new,
            "oldest_due_on",
            "overdue_minor",
            f"{loans}?show=new",
        ),
        _row("Due within 7 days", soon, "next_due_on", "next_due_minor", f"{loans}?show=soon"),
        _row(
            "Over 90 days late",
            bad,
            "oldest_due_on",
            "overdue_minor",
            f"{loans}?show=bad",
        ),
        _row("Debits with an unknown result", debits, "sent_at", "amount_minor", f"{loans}?show=debit"),
        _row("Receipts with money not yet placed", held, "received_on", "unapplied_minor", ""),
    ]


def _row(label: str, rows: Any, oldest: str, amount: str | None, address: str) -> ExceptionRow:
    wanted = {"n": Count("pk"), "first": Min(oldest), **({"total": Sum(amount)} if amount else {})}
    found = rows.aggregate(**wanted)
    first = found["first"]
    on = first.date() if hasattr(first, "date") else first
    return ExceptionRow(label, found["n"], on, found.get("total"), address if found["n"] else "")


def shown(rows: Any, show: str, as_of: date) -> Any:
    """The standings that an exception row counts."""
    filters = {
        "help": Q(contract__helprequests__closed_at=None, contract__helprequests__isnull=False),
        "promise": Q(contract__promises__withdrawn_at=None, contract__promises__due_on__lte=as_of),
        "new": Q(days_past_due__range=(1, 7)),
        "soon": Q(next_due_on__range=(as_of, as_of + timedelta(days=7))),
        "bad": Q(bucket__in=("d91_180", "d180p")),
        "debit": Q(contract__debits__state__in=("unknown", "in_flight")),
    }
    return rows.filter(filters[show]).distinct() if show in filters else rows


@dataclass(frozen=True, slots=True)
class BookFigures:
    """The book in figures: rows by bucket, totals, and the bad-debt ratio's two amounts (minor units)."""

    buckets: list[dict[str, Any]]
    loans: int
    balance_minor: int
    overdue_loans: int
    overdue_minor: int
    bad_minor: int
    as_of: date | None


def book_figures(user: User, as_of: date) -> BookFigures:
    """The visible book by bucket. Balance is unpaid principal; written-off loans are outside of balance and bad debt."""
    rows = StandingRow.objects.filter(contract__in=contracts_visible(user, as_of))
    grouped = {
        r["bucket"]: r
        for r in rows.values("bucket").annotate(n=Count("pk"), principal=Sum("principal_minor"), overdue=Sum("overdue_minor"))
    }
    buckets = [grouped.get(code, {"bucket": code, "n": 0, "principal": 0, "overdue": 0}) for code in BUCKET_ORDER]
    live = [b for b in buckets if b["bucket"] not in ("closed", "written_off")]
    late = [b for b in live if b["bucket"] != "current"]
    bad = (
        rows.filter(five_category__in=BAD_CLASSES)
        .exclude(bucket__in=("closed", "written_off"))
        .aggregate(s=Sum("principal_minor"))
    )
    return BookFigures(
        buckets,
        sum(b["n"] for b in live),
        sum(b["principal"] for b in live),
        sum(b["n"] for b in late),
        sum(b["overdue"] for b in late),
        bad["s"] or 0,
        rows.aggregate(d=Min("as_of"))["d"],
    )
