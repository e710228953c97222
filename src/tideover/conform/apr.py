"""Cases of yearly cost (apr.json): Reg Z Appendix J unit periods, and the EU and UK equation in years."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tideover.conform.irr import number, within
from tideover.conform.report import CaseResult
from tideover.engine.apr import UnitFlow, actuarial_apr
from tideover.engine.irr import rate
from tideover.engine.terms import day

Json = dict[str, Any]
Flows = list[tuple[float, float]]
KINDS = ("us_actuarial_apr", "eu_apr", "uk_apr", "uk_apr_single_payment", "eu_uk_apr_dates")


def run_case(case: Json) -> CaseResult:
    """Compare the rate of one case in percent, within its tolerance; time fractions alone are not compared."""
    result = CaseResult(case["id"])
    kind = case["kind"]
    if kind not in KINDS:
        result.not_compared = f"kind {kind}"
        return result
    if kind == "us_actuarial_apr":
        got = _appendix_j(case)
    else:
        flows = {"eu_apr": _months, "uk_apr": _level, "uk_apr_single_payment": _single, "eu_uk_apr_dates": _dated}[kind](case)
        got = rate([t for t, _ in flows], [a for _, a in flows]) * 100
    within(result, "apr_pct", case["expected_apr_pct"], got, case["tolerance_pct"])
    return result


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
