"""The cash of a till by its moves, and the numbers of slips and tills without gaps. Call these inside a transaction."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Sum

from tideover.lending.models import Branch, CounterSeries, Slip, Till, TillMove
from tideover.lending.rules.counter import number_of

PREFIX = {"slip": "SJ", "till": "TL"}
"""How numbers of a series start: 收据 (shōujù), till."""


def move(till: Till, kind: str, amount_minor: int, *, at: datetime, actor: str, slip: Slip | None = None) -> None:
    """Write down that cash came into a till (positive) or left it; nothing is written for nothing."""
    if amount_minor:
        TillMove.objects.create(till=till, kind=kind, amount_minor=amount_minor, slip=slip, at=at, actor=actor)


def expected_minor(till: Till) -> int:
    """What a till should hold (minor units): its float, what came in, less what went out."""
    return till.moves.aggregate(sum=Sum("amount_minor"))["sum"] or 0


def till_locked(till: Till) -> Till:
    """The till's row, locked to the end of the transaction."""
    return Till.objects.select_for_update(of=("self",), no_key=True).select_related("branch__entity", "teller").get(pk=till.pk)


def slip_locked(number: str) -> Slip:
    """A slip's row, locked to the end of the transaction."""
    rows = Slip.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("till__branch__entity", "till__teller", "party__branch__entity", "receipt").get(number=number)


def series_locked(branch: Branch, kind: str, year: int) -> CounterSeries:
    """The series of a branch and year, locked to the end of the transaction: a number that is rolled back leaves no gap."""
    CounterSeries.objects.bulk_create([CounterSeries(branch=branch, kind=kind, year=year)], ignore_conflicts=True)
    return CounterSeries.objects.select_for_update(of=("self",)).select_related("branch").get(branch=branch, kind=kind, year=year)


def number_next(series: CounterSeries) -> tuple[str, int]:
    """The next number of a locked series, and its place in it."""
    series.last += 1
    series.save(update_fields=["last"])
    return number_of(PREFIX[series.kind], series.branch.code, series.year, series.last), series.last
