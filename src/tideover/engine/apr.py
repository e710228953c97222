"""Yearly cost of a loan from its flows: the internal rate by period, nominal, effective and simple.

Source of the Chinese definitions: PBC 公告〔2021〕第3号 (all direct costs over the principal actually outstanding).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

from tideover.engine.dates import add_months
from tideover.engine.terms import date_of, day

SIX_PLACES = Decimal("0.000001")
UNIT_RATE_MAX = 10.0
"""Highest rate a unit period that is looked for: 1000 %."""
UnitFlow = tuple[int, float, float]
"""Whole unit periods, odd fraction of one, amount (money to the borrower is positive)."""


@dataclass(frozen=True, slots=True)
class AnnualCost:
    """Ratios as Decimal, six places half up; `charges_minor`: everything paid less what was received."""

    periodic: Decimal
    nominal: Decimal
    effective: Decimal
    simple: Decimal
    charges_minor: int


def annual_cost(flows: Sequence[tuple[int, int, int]], periods_per_year: int) -> AnnualCost:
    """The cost of `flows` = (period, amount_minor, principal_minor); money to the borrower is positive.

    Raises ValueError when the flows have no rate (no sign change).
    """
    with localcontext() as ctx:
        ctx.prec = 40
        amounts = [(n, Decimal(a)) for n, a, _ in flows]
        i = periodic_rate(amounts)
        charges = -sum(a for _, a, _ in flows)
        principal = sum(p for _, _, p in flows)
        outstanding, total = principal, 0
        last = max(n for n, _, _ in flows)
        repaid = {n: p for n, _, p in flows}
        for n in range(1, last + 1):
            total += outstanding
            outstanding -= repaid.get(n, 0)
        simple = Decimal(charges) / (Decimal(total) / periods_per_year)

        def six(x: Decimal) -> Decimal:
            return x.quantize(SIX_PLACES, ROUND_HALF_UP)

        return AnnualCost(six(i), six(i * periods_per_year), six((1 + i) ** periods_per_year - 1), six(simple), charges)


def periodic_rate(amounts: Sequence[tuple[int, Decimal]]) -> Decimal:
    """i with sum(amount / (1+i)^period) = 0, to 30 digits: bisection narrowed by Newton inside a bracket from -99 % up."""
    if not (any(a > 0 for _, a in amounts) and any(a < 0 for _, a in amounts)):
        raise ValueError("the flows never change sign: they have no rate")

    def value(i: Decimal) -> Decimal:
        return sum((a / (1 + i) ** n for n, a in amounts), Decimal(0))

    def slope(i: Decimal) -> Decimal:
        return sum((-n * a / (1 + i) ** (n + 1) for n, a in amounts), Decimal(0))

    low, high = Decimal("-0.99"), Decimal(1)
    while value(low) * value(high) > 0:
        high *= 2
        if high > 10**9:
            raise ValueError("the flows have no rate between -99 % and 10^9 a period")
    i = Decimal("0.01") if low < Decimal("0.01") < high else (low + high) / 2
    for _ in range(200):
        v = value(i)
        if v == 0:
            break
        if v * value(low) > 0:
            low = i
        else:
            high = i
        s = slope(i)
        nxt = i - v / s if s else (low + high) / 2
        nxt = nxt if low < nxt < high else (low + high) / 2
        if abs(nxt - i) < Decimal("1e-30"):
            return nxt
        i = nxt
    return i


def actuarial_apr(flows: Sequence[UnitFlow], unit_periods_per_year: float) -> float:
    """Nominal yearly rate (ratio, not percent) by the actuarial method.

    Whole unit periods discount by (1 + i)^t, an odd fraction f by simple interest 1 + f x i. Advances come before payments,
    so that the value of the loan rises with the rate. Analytic, so a float. Source: Regulation Z, 12 CFR 1026 Appendix J (b).
    Raises ValueError when no rate from 0 to 1000 % a unit period makes payments equal advances.
    """

    def value(i: float) -> float:
        return sum(a * (1 + i) ** -t / (1 + f * i) for t, f, a in flows)

    low, high = 0.0, UNIT_RATE_MAX
    if value(low) > 0 or value(high) < 0:
        raise ValueError("no rate from 0 to 1000 % a unit period makes the payments equal the advances")
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if value(middle) < 0 else (low, middle)
    return low * unit_periods_per_year


# --- how the statutes measure time -------------------------------------------------------------------------------------

UNIT_MONTHS = {"month": 1, "two-month": 2, "quarter": 3, "four-month": 4, "half-year": 6, "year": 12}
UNIT_DAYS = {"day": 1, "week": 7, "two-week": 14, "four-week": 28}
DAYS_OF_MONTH, DAYS_OF_YEAR = 30, 365


def whole_back(start: int, end: int, months: int = 0, days: int = 0) -> tuple[int, int]:
    """Whole units (of months or days) counted back from `end`, and the day where they begin; a month's end stays one."""
    if days:
        count = (end - start) // days
        return count, end - count * days
    count = 0
    while (at := add_months(end, -months * (count + 1), "LAST_DAY")) >= start:
        count += 1
        if at == start:
            break
    return count, add_months(end, -months * count, "LAST_DAY")


def unit_periods(start: int, end: int, unit: str) -> tuple[int, int, int]:
    """Full unit periods between two days, the odd days left, and the days that make a whole unit.

    Counted back from the later day; odd days are divided by 30 a month, a year by 365. Source: 12 CFR 1026 App. J (b)(5).
    Raises ValueError for an unknown unit.
    """
    if unit in UNIT_DAYS:
        count, begin = whole_back(start, end, days=UNIT_DAYS[unit])
        return count, begin - start, UNIT_DAYS[unit]
    if unit not in UNIT_MONTHS:
        raise ValueError(f"no unit period named {unit!r}; known: {', '.join((*UNIT_DAYS, *UNIT_MONTHS))}")
    count, begin = whole_back(start, end, months=UNIT_MONTHS[unit])
    return count, begin - start, DAYS_OF_YEAR if unit == "year" else DAYS_OF_MONTH * UNIT_MONTHS[unit]


def eu_parts(start: int, end: int) -> tuple[int, int, int]:
    """Whole months counted back from `end`, the days before them, and the length of the year that ends where they begin.

    Source: Directive 2008/48/EC Annex I, remark (c), as the Commission's examples 2 and 18 apply it.
    """
    months, begin = whole_back(start, end, months=1)
    return months, begin - start, begin - add_months(begin, -12)


def eu_years(start: int, end: int) -> Fraction:
    """Years between two days as 2008/48/EC measures them: months/12 + days/(365 or 366)."""
    months, days, year = eu_parts(start, end)
    return Fraction(months, 12) + Fraction(days, year)


def uk_parts(start: int, end: int, unit: str) -> list[tuple[int, int]]:
    """Parts (numerator, denominator) of a year: whole months of 1/12 or weeks of 1/52, then days by their calendar year.

    Source: FCA CONC App 1.2. Raises ValueError for a unit other than month or week.
    """
    if unit not in ("month", "week"):
        raise ValueError(f"no unit named {unit!r}; known: month, week")
    count, begin = whole_back(start, end, months=1) if unit == "month" else whole_back(start, end, days=7)
    parts = [(count, 12 if unit == "month" else 52)] if count else []
    at = start
    while at < begin:
        first = day(date(date_of(at).year + 1, 1, 1))
        stop = min(begin, first)
        parts.append((stop - at, first - day(date(date_of(at).year, 1, 1))))
        at = stop
    return parts
