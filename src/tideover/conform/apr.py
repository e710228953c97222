"""Cases of yearly cost (apr.json): Reg Z Appendix J unit periods, and the EU and UK equation in years."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tideover.conform.irr import number, within
from tideover.conform.report import CaseResult
from tideover.engine.apr import UnitFlow, actuarial_apr, eu_parts, eu_years, uk_parts, unit_periods
from tideover.engine.irr import rate
from tideover.engine.terms import day

Json = dict[str, Any]
Flows = list[tuple[float, float]]
RATES = ("us_actuarial_apr", "eu_apr", "uk_apr", "uk_apr_single_payment", "eu_uk_apr_dates")


def run_case(case: Json) -> CaseResult:
    """Compare the rate of one case in percent within its tolerance, or how it measures time."""
    result = CaseResult(case["id"])
    kind = case["kind"]
    if kind in TIMES:
        try:
            TIMES[kind](case, result)
        except ValueError as error:
            result.not_compared = f"{kind}: {error}"
        return result
    if kind not in RATES:
        result.not_compared = f"kind {kind}"
        return result
    if kind == "us_actuarial_apr":
        got = _appendix_j(case)
    else:
        flows = {"eu_apr": _months, "uk_apr": _level, "uk_apr_single_payment": _single, "eu_uk_apr_dates": _dated}[kind](case)
        got = rate([t for t, _ in flows], [a for _, a in flows]) * 100
    within(result, "apr_pct", case["expected_apr_pct"], got, case["tolerance_pct"])
    return result


def _unit_periods(case: Json, result: CaseResult) -> None:
    full, odd, divisor = unit_periods(day(case["start"]), day(case["end"]), case["unit_period"])
    result.check("full_periods", case["expected_full_periods"], full)
    result.check("odd_days", case["expected_odd_days"], odd)
    result.check("odd_day_divisor", case["odd_day_divisor"], divisor)


def _eu_time(case: Json, result: CaseResult) -> None:
    start, end = day(case["start"]), day(case["end"])
    months, days, year = eu_parts(start, end)
    result.check("months", case["expected_months"], months)
    result.check("days", case["expected_days"], days)
    if case.get("days_in_year") is not None:
        result.check("days_in_year", case["days_in_year"], year)
    within(result, "years", case["expected_years"], float(eu_years(start, end)), case["tolerance"])


def _uk_time(case: Json, result: CaseResult) -> None:
    parts = uk_parts(day(case["start"]), day(case["end"]), case["unit"])
    result.check("parts", case["parts"], [list(p) for p in parts])
    within(result, "years", case["expected_years"], sum(n / d for n, d in parts), case["tolerance"])


TIMES: dict[str, Callable[[Json, CaseResult], None]] = {
    "us_unit_period_fraction": _unit_periods,
    "eu_time_fraction": _eu_time,
    "uk_time_fraction": _uk_time,
}
KINDS = (*RATES, *TIMES)


def _appendix_j(case: Json) -> float:
    flows: list[UnitFlow] = []
    for sign, side in ((1, "advances"), (-1, "payments")):
        for row in case[side]:
            for k in range(row.get("count", 1)):
                flows.append((row["t"] + k * row.get("step", 1), float(Fraction(row["f"])), sign * row["amount"]))
    return actuarial_apr(flows, float(Fraction(case["unit_periods_per_year"]))) * 100


def _months(case: Json) -> Flows:
    flows: Flows = [(float(a["t_years"]), float(a["amount"])) for a in case["advances"]]
    for p in case["payments"]:
        if "t_years" in p:
            flows.append((p["t_years"], -p["amount"]))
            continue
        odd = p.get("plus_days", 0) / p.get("days_in_year", 365)
        amounts = p.get("amounts") or [p["amount"]] * p.get("count", 1)
        first, step = p.get("month", p.get("first_month", 0)), p.get("step_months", 1)
        flows += [((first + k * step) / 12 + odd, -a) for k, a in enumerate(amounts)]
    return flows


def _level(case: Json) -> Flows:
    return [(0.0, case["advance"])] + [(k / 12, -case["payment"]) for k in range(1, case["count"] + 1)]


def _single(case: Json) -> Flows:
    return [(0.0, case["advance"]), (number(case["days"]) / case["year_days"], -case["payment"])]


def _dated(case: Json) -> Flows:
    start = day(case["advance"]["date"])
    return [(0.0, case["advance"]["amount"])] + [((day(p["date"]) - start) / 365, -p["amount"]) for p in case["payments"]]
