"""Known answers and refusals of rates and day counts that need no file of cases."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tideover.engine.apr import actuarial_apr
from tideover.engine.daycount import CONVENTIONS, day_count, year_fraction
from tideover.engine.irr import NoRate, irr, mirr, rate, roots
from tideover.engine.terms import day


def test_irr_of_a_year_at_ten_percent() -> None:
    assert irr([-100, 110]) == pytest.approx(0.10, abs=1e-12)


def test_of_several_roots_the_nearest_to_zero_is_given() -> None:
    flows = [-100.0, 230.0, -132.0]
    assert roots([0, 1, 2], flows) == pytest.approx([0.1, 0.2], abs=1e-9)
    assert irr(flows) == pytest.approx(0.1, abs=1e-9)


@pytest.mark.parametrize("flows", [[100.0, 10.0], [-1.0], [1.0, -2.0, 2.0]])
def test_flows_without_a_rate_are_refused(flows: list[float]) -> None:
    with pytest.raises(NoRate):
        irr(flows)


def test_lengths_must_agree_and_mirr_needs_both_signs() -> None:
    with pytest.raises(ValueError, match="2 times but 1 amounts"):
        rate([0, 1], [1.0])
    with pytest.raises(NoRate):
        mirr([1.0, 2.0], 0.1, 0.1)


def test_actuarial_apr_of_twelve_payments_and_its_refusal() -> None:
    level = [(0, 0.0, 1000.0), *((k, 0.0, -88.85) for k in range(1, 13))]
    assert actuarial_apr(level, 12) == pytest.approx(0.12, abs=1e-4)
    for flows in ([(0, 0.0, 1000.0), (1, 0.0, -900.0)], [(0, 0.0, 1.0), (1, 0.0, -1000.0)]):
        with pytest.raises(ValueError, match="no rate"):
            actuarial_apr(flows, 12)


@pytest.mark.parametrize("name", sorted(set(CONVENTIONS) - {"ACT/ACT ICMA", "ACT/365L"}))
def test_no_time_is_no_year(name: str) -> None:
    on = day("2024-02-29")
    assert day_count(name, on, on) == 0 and year_fraction(name, on, on) == 0


def test_a_leap_year_by_convention() -> None:
    start, end = day("2024-01-01"), day("2025-01-01")
    said = {n: year_fraction(n, start, end) for n in ("ACT/360", "ACT/365F", "ACT/ACT ISDA", "NL/365", "30E/360")}
    assert said == {"ACT/360": Fraction(366, 360), "ACT/365F": Fraction(366, 365), "ACT/ACT ISDA": 1, "NL/365": 1, "30E/360": 1}


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="no day count named 'ACT/366'"):
        day_count("ACT/366", 0, 1)
    with pytest.raises(ValueError, match="lies before"):
        day_count("ACT/360", 1, 0)
