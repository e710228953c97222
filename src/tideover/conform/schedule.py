"""Published amortisation tables (schedule.json), replayed by the engine in units so fine that no rounding shows.

The tables are unrounded arithmetic shown to cents, so the loan is written in millionths and compared within the case's
tolerance. An instalment that does not cover its row's interest is what it is in life: a payment, and the rest capitalised.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tideover.conform.irr import within
from tideover.conform.report import CaseResult
from tideover.engine.apr import eu_years
from tideover.engine.dates import add_months
from tideover.engine.events import Event, EventKind
from tideover.engine.reference import replay
from tideover.engine.standing import Row
from tideover.engine.terms import (
    ROW_COUNT_MAX,
    Component,
    CustomRow,
    FirstPeriod,
    Method,
    OddFirst,
    Terms,
    day,
)

Json = dict[str, Any]
KINDS = ("amortization_table", "schedule_fact")
FINE = 1_000_000
"""Units of one in which the loan is written."""
START = day("2023-01-15")
YEARS_TRIED = 6
DAYS_TRIED = 400


def fine(amount: float | int) -> int:
    """An amount in the fine units."""
    return int(Decimal(str(amount)) * FINE)


def ppm(rate: float) -> int:
    return round(rate * 1_000_000)


def run_case(case: Json) -> CaseResult:
    """Compare one table or fact; what the engine has no terms for is named."""
    result = CaseResult(case["id"])
    try:
        if case["kind"] == "schedule_fact":
            _fact(case, result)
        else:
            _table(case, result)
    except NotOffered as reason:
        result.not_compared = str(reason)
    return result


class NotOffered(Exception):
    """A convention for which the engine has no terms, by name."""


# --- tables ------------------------------------------------------------------------------------------------------------


def _terms(inputs: Json, method: Method, **more: Any) -> Terms:
    count, rate = inputs.get("periods", ROW_COUNT_MAX), inputs.get("annual_rate", 0.0)
    if "effective_annual_rate" in inputs:
        rate = 12 * ((1 + inputs["effective_annual_rate"]) ** (1 / 12) - 1)
    dates: dict[str, Any] = {"instalments": count, "first_due_on": add_months(START, 1), "due_day": 15}
    if method == Method.INTEREST_ONLY:
        dates = {"maturity_on": add_months(START, count), "due_day": 15}
    values: dict[str, Any] = {"disbursed_on": START, "annual_rate_ppm": ppm(rate), **dates, "penalty": None, **more}
    return Terms(principal_minor=fine(inputs["principal"]), method=method, exponent=4, **values).checked()


def _rows(terms: Terms, events: list[Event]) -> list[Row]:
    return replay(terms, events, add_months(START, 12 * 100)).rows


def _level(inputs: Json) -> list[Row]:
    years = inputs.get("first_period_years")
    if years is None:
        return _rows(_terms(inputs, Method.ANNUITY), [])
    first = _first_due(years)
    odd = {"first_period": FirstPeriod.MONTHS_PLUS_DAYS_EU, "odd_first": OddFirst.LEVEL}
    terms = _terms(inputs, Method.ANNUITY, **odd, disbursed_on=first[0], first_due_on=first[1])
    rows = _rows(terms, [])
    if rows[0].principal_minor:
        return rows
    return _negative(terms, rows)


def _first_due(years: float) -> tuple[int, int]:
    """Days of payout and first instalment whose distance, as 2008/48/EC measures it, is the share of a year that is given."""
    for year in range(YEARS_TRIED):
        first = add_months(START, 12 * year)
        for days in range(1, DAYS_TRIED):
            if abs(float(eu_years(first - days, first)) - years) < 1e-9:
                return first - days, first
    raise NotOffered(f"a first period of {years} years is no count of months and days")


def _negative(terms: Terms, rows: list[Row]) -> list[Row]:
    """A level below the first row's interest: it is paid, and the rest of the interest joins the principal."""
    first = rows[0].due_on
    level = rows[1].total_minor
    events = [
        Event(1, first, EventKind.PAYMENT, amount_minor=level),
        Event(2, first, EventKind.REAMORTISE, components=(Component.INTEREST,)),
    ]
    found = _rows(terms, events)
    found[0].principal_minor = level - rows[0].interest_minor
    return found


def _step(inputs: Json) -> list[Row]:
    """Instalments that grow by a share each year; the first solves the loan exactly."""
    i, growth = Fraction(ppm(inputs["annual_rate"]), 12_000_000), 1 + Fraction(str(inputs["growth"]))
    steps = [growth ** (k // 12) for k in range(inputs["periods"])]
    value, discount = Fraction(0), Fraction(1)
    for s in steps:
        discount /= 1 + i
        value += s * discount
    first = Fraction(fine(inputs["principal"])) / value
    left, rows = fine(inputs["principal"]), []
    for k, s in enumerate(steps):
        part = left if k + 1 == len(steps) else round(first * s - left * i)
        if part < 0:
            raise NotOffered("an instalment below its row's interest after the first row")
        rows.append(CustomRow(add_months(START, k + 1), part))
        left -= part
    return _rows(_terms(inputs, Method.CUSTOM, custom_rows=tuple(rows), instalments=0), [])


def _reamortised(inputs: Json) -> list[Row]:
    """A rate for some rows, then the next over the rows that are left."""
    (rate, at), *later = inputs["annual_rates"]
    events = []
    for seq, (new, count) in enumerate(later, 1):
        events.append(Event(seq, add_months(START, at), EventKind.RATE_CHANGE, rate_ppm=ppm(new)))
        at += count
    return _rows(_terms({**inputs, "annual_rate": rate}, Method.ANNUITY), events)


METHODS: dict[str, Callable[[Json], list[Row]]] = {
    "level": _level,
    "equal_principal": lambda inputs: _rows(_terms(inputs, Method.EQUAL_PRINCIPAL), []),
    "interest_only_bullet": lambda inputs: _rows(_terms(inputs, Method.INTEREST_ONLY), []),
    "step": _step,
    "level_reamortized": _reamortised,
}


def _table(case: Json, result: CaseResult) -> None:
    inputs, tolerance = case["inputs"], case["tolerance"]
    make = METHODS.get(inputs["method"])
    if make is None:
        raise NotOffered(f"method {inputs['method']}")
    rows = make(inputs)
    for want in case["rows"]:
        row = rows[want["period"] - 1]
        cells = {
            "interest": row.interest_minor,
            "principal": row.principal_minor,
            "payment": row.total_minor,
            "balance": row.balance_minor,
        }
        for key, got in cells.items():
            if key in want:
                within(result, f"row {want['period']} {key}", want[key], got / FINE, tolerance)
    for want in case.get("year_totals", []):
        of_year = rows[12 * (want["year"] - 1) : 12 * want["year"]]
        for key in ("interest", "principal"):
            got = sum(getattr(r, f"{key}_minor") for r in of_year) / FINE
            within(result, f"year {want['year']} {key}", want[key], got, tolerance)


# --- facts -------------------------------------------------------------------------------------------------------------


def _facts_of(inputs: Json) -> dict[str, float]:
    keys = set(inputs)
    if keys == {"payment", "periods", "upfront"}:
        terms = Terms(fine(inputs["payment"]) * inputs["periods"], START, Method.EQUAL_PRINCIPAL, instalments=inputs["periods"],
                      first_due_on=add_months(START, 1), due_day=15)  # fmt: skip
        paid = sum(r.total_minor for r in _rows(terms, [])) / FINE
        return {"total_payable": paid + inputs["upfront"]}
    if keys == {"principal", "annual_rate", "amortization_periods", "balloon_period"}:
        rows = _rows(_terms({**inputs, "periods": inputs["amortization_periods"]}, Method.ANNUITY), [])
        return {"payment": rows[0].total_minor / FINE, "balloon": rows[inputs["balloon_period"] - 1].balance_minor / FINE}
    if keys == {"principal", "annual_rate", "periods", "at"}:
        rows = _rows(_terms(inputs, Method.ANNUITY), [])
        return {"payment": rows[0].total_minor / FINE, "balance": rows[inputs["at"] - 1].balance_minor / FINE}
    fixed = {"payment": Method.ANNUITY, "capital": Method.EQUAL_PRINCIPAL}
    for name, method in fixed.items():
        if keys == {"principal", "annual_rate", name}:
            rows = _rows(_terms(inputs, method, fixed_instalment_minor=fine(inputs[name])), [])
            due = [r.total_minor / FINE for r in rows if r.total_minor]
            return {"periods": len(due), "first_payment": due[0], "final_payment": due[-1]}
    raise NotOffered(f"a fact of {', '.join(sorted(keys))}")


def _fact(case: Json, result: CaseResult) -> None:
    got = _facts_of(case["inputs"])
    for name, want in case["expected"].items():
        if name == "total_cost" and "principal" not in case["inputs"]:
            continue  # Without the amount lent nobody can say what it cost.
        within(result, name, want, got[name], case["tolerance"])
