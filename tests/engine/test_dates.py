"""Dates of contracts: conventions, months and generated schedules, on dates worked out by hand."""

from __future__ import annotations

import pytest

from tideover.engine import dates as D
from tideover.engine.terms import Calendar, date_of, day

WEEKENDS = Calendar("weekends", weekend=frozenset({5, 6}))


def iso(days: tuple[int, ...]) -> list[str]:
    return [date_of(d).isoformat() for d in days]


@pytest.mark.parametrize(
    ("convention", "to"),
    [
        ("Unadjusted", "2026-01-31"),
        ("Following", "2026-02-02"),
        ("ModifiedFollowing", "2026-01-30"),
        ("Preceding", "2026-01-30"),
        ("Nearest", "2026-01-30"),
    ],
)
def test_a_saturday_at_the_month_end(convention: str, to: str) -> None:
    assert D.adjust(day("2026-01-31"), convention, WEEKENDS) == day(to)


def test_an_unknown_convention_names_those_that_exist() -> None:
    with pytest.raises(ValueError, match="known: None, Unadjusted, Following"):
        D.adjust(0, "Sideways", WEEKENDS)


def test_months_are_clamped_and_month_ends_kept_only_when_asked() -> None:
    assert D.add_months(day("2026-01-31"), 1) == day("2026-02-28")
    assert D.add_months(day("2026-02-28"), 1) == day("2026-03-28")
    assert D.add_months(day("2026-02-28"), 1, "LAST_DAY") == day("2026-03-31")


def test_a_schedule_with_a_short_first_period() -> None:
    periods = D.Periods(day("2026-01-20"), day("2026-04-10"), months=1, stub="SHORT_INITIAL", convention="Following")
    made = D.generate(periods, WEEKENDS)
    assert iso(made.unadjusted) == ["2026-01-20", "2026-02-10", "2026-03-10", "2026-04-10"]
    with pytest.raises(ValueError, match="no stub is allowed"):
        D.generate(D.Periods(day("2026-01-20"), day("2026-04-10"), months=1, stub="STUB_NONE"), WEEKENDS)
