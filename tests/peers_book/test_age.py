"""Fineract FINERACT-2234: no row a day is written, so reading and closing an old loan costs what a young one costs."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import House
from tideover.daily.close import close_day
from tideover.lending.models import LoanEvent, StandingRow
from tideover.lending.selectors import loan_standing


def queries(house: House, on: date) -> int:
    with CaptureQueriesContext(connection) as seen:
        loan_standing(house.loan, on)
    return len(seen)


def seconds(house: House, on: date) -> float:
    best = 9.0
    for _ in range(7):
        started = perf_counter()
        loan_standing(house.loan, on)
        best = min(best, perf_counter() - started)
    return best


def test_the_standing_of_day_700_costs_what_day_1_costs(house: House) -> None:
    start = house.loan.disbursed_on
    assert queries(house, start + timedelta(days=1)) == queries(house, start + timedelta(days=700)) <= 2
    assert seconds(house, start + timedelta(days=700)) < 3 * seconds(house, start + timedelta(days=1))


def test_closing_days_writes_tapes_and_nothing_into_the_journal(house: House, settings: Any, tmp_path: Path) -> None:
    settings.TAPE_DIR = tmp_path
    counts = []
    for n in range(1, 6):
        with CaptureQueriesContext(connection) as seen:
            close_day(house.loan.disbursed_on + timedelta(days=n), today=date(2026, 12, 1))
        counts.append(len(seen))
    assert LoanEvent.objects.count() == 0 and StandingRow.objects.count() == 3
    assert max(counts[1:]) - min(counts[1:]) <= 1
