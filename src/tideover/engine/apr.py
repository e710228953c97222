"""Yearly cost of a loan from its flows: the internal rate by period, nominal, effective and simple.

Source of the Chinese definitions: PBC 公告〔2021〕第3号 (all direct costs over the principal actually outstanding).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

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
