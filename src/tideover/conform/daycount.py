"""Cases of day counts (daycount.json): the year fraction within the case's tolerance, the days exactly."""

from __future__ import annotations

from typing import Any

from tideover.conform.irr import within
from tideover.conform.report import CaseResult
from tideover.engine.daycount import CONVENTIONS, Period, day_count, year_fraction
from tideover.engine.terms import NO_DAY, day

Json = dict[str, Any]
KINDS = ("daycount",)
PER_YEAR = {"P12M": 1, "P6M": 2, "P3M": 4, "P1M": 12}


def run_case(case: Json) -> CaseResult:
    """Compare one case; a convention or kind that is not offered is named."""
    result = CaseResult(case["id"])
    if case["kind"] not in KINDS:
        result.not_compared = f"kind {case['kind']}"
        return result
    name = case["convention"]
    if name not in CONVENTIONS:
        result.not_compared = f"day count {name}"
        return result
    period = Period(
        maturity=day(case["maturity_date"]) if case.get("maturity_date") else NO_DAY,
        end_of_month=bool(case.get("end_of_month_flag")),
        end=day(case["period_end"]) if case.get("period_end") else NO_DAY,
        per_year=PER_YEAR[case["frequency"]] if case.get("frequency") else 1,
        parts=tuple((p["days"], p["period_days"], p["periods_per_year"]) for p in case.get("quasi_coupon_parts", [])),
    )
    start, end = day(case["start"]), day(case["end"])
    within(result, "fraction", case["expected_fraction"], float(year_fraction(name, start, end, period)), case["tolerance"])
    if case.get("expected_days") is not None:
        result.check("days", case["expected_days"], day_count(name, start, end, period))
    return result
