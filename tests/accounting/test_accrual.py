"""Boundary tables: the day on which interest stops being income, and the day after which it is taxed only when received."""

from __future__ import annotations

import numpy as np
import pytest

from tideover.accounting.law import nonaccrual_on, vat_on
from tideover.accounting.rules.accrual import NO, Looks, NonAccrual, nonaccrual_read, nonaccrual_since
from tideover.accounting.rules.tax import limit_day, tax_in, taxable, vat_read
from tideover.engine.terms import date_of, day

RULE = NonAccrual(90)
D = day("2026-01-01")


def since(looks: list[tuple[int, int, int]], rule: NonAccrual = RULE, before: int = NO) -> list[int]:
    """looks: (day after D, days past due, overdue)."""
    n = len(looks)
    given = Looks(np.zeros(n, np.int64), *(np.array(x) for x in zip(*[(D + d, p, o) for d, p, o in looks], strict=True)))
    return [s if s == NO else s - D for s in nonaccrual_since(given, rule, np.full(n, before)).tolist()]


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(0, 0, 0)], [NO]),
        ([(0, 90, 100)], [NO]),
        ([(0, 91, 100)], [0]),
        ([(0, 90, 100), (1, 91, 100), (2, 92, 100)], [NO, 1, 1]),
        ([(0, 85, 1), (20, 105, 1)], [NO, 6]),
        ([(0, 91, 1), (1, 30, 1), (2, 0, 0)], [0, 0, NO]),
        ([(0, 91, 1), (1, 0, 5)], [0, 0]),
        ([(0, 91, 1), (1, 0, 0), (90, 88, 1), (95, 93, 1)], [0, NO, NO, 93]),
    ],
)
def test_day_90_day_91_and_the_cure(looks: list[tuple[int, int, int]], expected: list[int]) -> None:
    assert since(looks) == expected


def test_who_was_on_non_accrual_before_stays_until_all_arrears_are_paid() -> None:
    assert since([(0, 20, 100), (1, 0, 0), (2, 0, 0)], before=D - 7) == [-7, NO, NO]


def test_a_rule_may_let_a_loan_go_as_soon_as_its_days_fall() -> None:
    assert since([(0, 91, 1), (1, 90, 1)], NonAccrual(90, "days")) == [0, NO]


@pytest.mark.parametrize("values", [{}, {"over_days": -1}, {"over_days": True}, {"over_days": 90, "leaves": "never"}])
def test_a_bad_rule_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        nonaccrual_read(values, "r")


def test_the_packs_say_90_and_89() -> None:
    on = date_of(D)
    assert nonaccrual_on("cn", "bank", on).over_days == 90 and nonaccrual_on("us", "bank", on).over_days == 89
    assert [vat_on("cn", kind, on).rate_ppm for kind in ("bank", "micro_lender", "private")] == [60_000, 30_000, 0]
    assert vat_on("cn", "bank", date_of(day("2016-04-30"))).rate_ppm == 0
    assert vat_on("us", "bank", on).rate_ppm == 0


def test_tax_is_taken_out_of_the_price_and_rounded_half_up() -> None:
    assert tax_in(np.array([106, 10_600, 53, -106, 0]), 60_000).tolist() == [6, 600, 3, -6, 0]
    assert tax_in(np.array([10**15]), 60_000).tolist() == [round(10**15 * 6 / 106)]
    assert tax_in(np.array([100]), 0).tolist() == [0]


@pytest.mark.parametrize(
    ("settled", "claimed", "after", "expected"),
    [
        (0, 1000, 0, 1000),  # within 90 days: all of it
        (0, 1300, 300, 1000),  # 300 arose after day 90: not yet
        (1000, 300, 300, 1000),  # the oldest was paid, and had been taxed: nothing more
        (1200, 100, 300, 1200),  # 200 of the deferred came: taxed now
        (1300, 0, 300, 1300),  # all came
        (0, 200, 500, 0),  # what was waived is not taxed
    ],
)
def test_interest_after_day_90_is_taxed_when_it_comes(settled: int, claimed: int, after: int, expected: int) -> None:
    assert taxable(np.array([settled]), np.array([claimed]), np.array([after])).tolist() == [expected]


def test_the_limit_is_90_days_after_the_settlement_day() -> None:
    rule = vat_read({"rate_ppm": 60_000})
    assert limit_day(np.array([NO, D]), rule).tolist() == [NO, D + 90]
    with pytest.raises(ValueError):
        vat_read({"rate_ppm": 6.0})
