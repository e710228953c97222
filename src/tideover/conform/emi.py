"""Cases of equal instalments (fineract_emi.json): each row's instalment, interest, principal and balance after its tranches."""

from __future__ import annotations

from typing import Any

from tideover.conform.fineract_cells import number, plain, text
from tideover.conform.fineract_terms import ROUNDINGS, UNITS, cents, day_count_of, ppm_of_percent
from tideover.conform.report import CaseResult
from tideover.engine import terms as T
from tideover.engine.reference_level import Course, lay_out, levels_of
from tideover.engine.reference_schedule import PlanRow, later, planned_interest
from tideover.engine.terms import Terms, date_of, day

Json = dict[str, Any]


def terms_of(case: Json) -> Terms:
    """The conventions of a case; principal and dates are those of its first tranche."""
    t, first = case["terms"], case["steps"][0]
    multiple = t.get("installment_multiple_of")
    return Terms(
        principal_minor=cents(first["amount"]),
        disbursed_on=day(first["date"]),
        method=T.Method.ANNUITY,
        annual_rate_ppm=ppm_of_percent(t["annual_rate"]),
        day_count=day_count_of(t["day_count_year"], t["day_count_month"]),
        part_period=T.PartPeriod.PROPORTION,
        instalments=t["repayments"],
        every=t["every"],
        unit=UNITS[t["unit"]],
        first_due_on=day(case["periods"][0]["date"]),
        rounding=ROUNDINGS[t["rounding"]],
        round_where=T.RoundWhere.PER_PIECE,
        instalment_multiple_minor=cents(multiple) if multiple else 1,
        level_rate=T.LevelRate.EACH_ROW,
        penalty=None,
    )


def run_case(case: Json) -> CaseResult:
    """Compare every row after each step that something is expected after."""
    result, terms = CaseResult(case["id"]), terms_of(case)
    for want in case["expect"]:
        steps = [s for s in case["steps"] if s["n"] <= want["after"]]
        tranches = sorted((day(s["date"]), cents(s["amount"])) for s in steps if s["type"] == "disburse")
        rows = rows_of(case, terms)
        lay_out(rows, levels_of(rows, tranches, terms), Course(tranches), terms)
        for expected, row in zip(want["rows"], rows, strict=True):
            for key, got in _cells(row, rows, tranches, terms).items():
                result.check(f"after {want['after']} row {row.nr} {key}", plain(expected[key]), got)
    return result


def rows_of(case: Json, terms: Terms) -> list[PlanRow]:
    """Rows whose interest runs until the next one starts (the last: one period), whatever day they are due on."""
    starts = [day(p["from"]) for p in case["periods"]]
    dues = [day(p["date"]) for p in case["periods"]]
    ends = [*starts[1:], later(terms, starts[-1], 1)]
    return [PlanRow(k, a, b, due, due) for k, (a, b, due) in enumerate(zip(starts, ends, dues, strict=True), 1)]


def _cells(row: PlanRow, rows: list[PlanRow], tranches: list[tuple[int, int]], terms: Terms) -> Json:
    interest = planned_interest(row, terms)
    paid_out = sum(amount for on, amount in tranches if on <= row.due_on)
    return {
        "nr": number(row.nr),
        "from": date_of(row.start).isoformat(),
        "date": date_of(row.due_on).isoformat(),
        "emi": text(row.principal + interest),
        "interest": text(interest),
        "principal": text(row.principal),
        "balance": text(paid_out - sum(r.principal for r in rows[: row.nr])),
    }
