"""Cases of internal rates and the time value of money (irr.json), compared within each case's tolerance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tideover.conform.report import CaseResult, Difference
from tideover.engine import irr as I
from tideover.engine.daycount import year_fraction
from tideover.engine.terms import day

Json = dict[str, Any]
FUNCTIONS: dict[str, Callable[..., float]] = {
    "PMT": I.pmt,
    "IPMT": I.ipmt,
    "PPMT": I.ppmt,
    "CUMIPMT": I.cumipmt,
    "CUMPRINC": I.cumprinc,
    "FV": I.fv,
    "PV": I.pv,
    "NPER": I.nper,
    "RATE": I.tvm_rate,
    "EFFECT": I.effect,
    "NPV(start 1, Excel)": lambda r, amounts: I.npv(r, amounts, 1),
}
KINDS = ("irr", "xirr", "xnpv", "mirr", "tvm")


def number(value: Any) -> Any:
    """A number that may be written as a quotient or a percentage ("6%/12"); lists pass through."""
    if not isinstance(value, str):
        return value
    top, _, bottom = value.partition("/")
    percent = top.endswith("%")
    return float(top.rstrip("%")) / (100 if percent else 1) / (float(bottom) if bottom else 1)


def within(result: CaseResult, cell: str, expected: float, got: float, tolerance: float) -> None:
    """Compare one number within `tolerance`."""
    result.compared_cells += 1
    if not abs(got - expected) <= tolerance:
        result.differences.append(Difference(result.id, cell, str(expected), str(got)))


def run_case(case: Json) -> CaseResult:
    """Compare the one figure of a case; any listed root is right where flows have several."""
    result = CaseResult(case["id"])
    kind = case["kind"]
    if kind == "tvm":
        function = FUNCTIONS.get(case["function"])
        if function is None:
            result.not_compared = f"function {case['function']}"
        else:
            got = function(*[number(a) for a in case["args"]])
            within(result, case["function"], case["expected"], got, case["tolerance"])
    elif kind == "mirr":
        got = I.mirr(case["cashflows"], case["finance_rate"], case["reinvest_rate"])
        within(result, "mirr", case["expected"], got, case["tolerance"])
    elif kind == "xnpv":
        within(result, "xnpv", case["expected"], I.xnpv(case["rate"], _years(case), case["amounts"]), case["tolerance"])
    elif kind in ("irr", "xirr"):
        _root(case, result)
    else:
        result.not_compared = f"kind {kind}"
    return result


def _years(case: Json) -> list[float]:
    days = [day(d) for d in case["dates"]]
    basis = case.get("year_basis", "ACT/365F")
    first = min(days)
    return [float(year_fraction(basis, first, d)) for d in days]


def _root(case: Json, result: CaseResult) -> None:
    times = [float(k) for k in range(len(case["cashflows"]))] if case["kind"] == "irr" else _years(case)
    amounts = case["cashflows"] if case["kind"] == "irr" else case["amounts"]
    try:
        got = I.rate(times, amounts)
    except I.NoRate:
        result.check(case["kind"], case["expected"], None)
        return
    if case["expected"] is None:
        result.check(case["kind"], None, got)
        return
    right = [case["expected"], *case.get("all_real_roots_found", [])]
    nearest = min(right, key=lambda r: abs(r - got))
    within(result, case["kind"], nearest, got, case["tolerance"])
