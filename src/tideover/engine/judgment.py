"""A judged debt: general interest, and the double part 加倍部分债务利息 after the performance period.

Source: 法释〔2014〕8号 art. 1-4; Civil Procedure Law art. 264. The double part runs on the unpaid judged principal only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tideover.engine.reference_schedule import round_exact
from tideover.engine.terms import NO_DAY, Rounding


@dataclass(frozen=True, slots=True)
class JudgmentTerms:
    """What the judgment says. Money in minor units; `daily_rate` exact (0.000175 by law); `order` of payment by name."""

    principal_minor: int
    performance_due_on: int
    cost_minor: int = 0
    interest_minor: int = 0
    general_rate_ppm: int = 0
    general_from: int = NO_DAY
    general_year: int = 360
    daily_rate: Fraction = Fraction(175, 1_000_000)
    order: tuple[str, ...] = ("recovery_cost", "interest", "principal", "double")
    double_base: str = "principal"


def judgment_standing(terms: JudgmentTerms, payments: Sequence[tuple[int, int]], as_of: int) -> dict[str, int]:
    """What is owed on `as_of` (minor units): recovery_cost, interest, principal, double, payoff.

    payments: (day, amount). A payment on `as_of` counts. Each component's total is rounded once, half up.
    """
    paid = dict.fromkeys(("recovery_cost", "interest", "principal", "double"), 0)
    general, double = Fraction(0), Fraction(0)
    days = sorted([p for p in payments if p[0] <= as_of])
    start = min([terms.performance_due_on, as_of, *(d for d, _ in days)])
    if terms.general_from != NO_DAY:
        start = min(start, terms.general_from)
    for today in range(start, as_of + 1):
        for _, amount in (p for p in days if p[0] == today):
            _pay(terms, paid, general, double, amount)
        if today == as_of:
            break
        base = terms.principal_minor - paid["principal"]
        if terms.general_rate_ppm and terms.general_from != NO_DAY and today >= terms.general_from:
            general += Fraction(base * terms.general_rate_ppm, 1_000_000 * terms.general_year)
        if today >= terms.performance_due_on:
            extra = terms.cost_minor - paid["recovery_cost"] if terms.double_base == "principal_and_cost" else 0
            double += (base + extra) * terms.daily_rate
    owed = _owed(terms, paid, general, double)
    return {**owed, "payoff": sum(owed.values())}


def _owed(terms: JudgmentTerms, paid: dict[str, int], general: Fraction, double: Fraction) -> dict[str, int]:
    return {
        "recovery_cost": terms.cost_minor - paid["recovery_cost"],
        "interest": terms.interest_minor + round_exact(general, Rounding.HALF_UP) - paid["interest"],
        "principal": terms.principal_minor - paid["principal"],
        "double": round_exact(double, Rounding.HALF_UP) - paid["double"],
    }


def _pay(terms: JudgmentTerms, paid: dict[str, int], general: Fraction, double: Fraction, amount: int) -> None:
    for name in terms.order:
        part = min(amount, max(0, _owed(terms, paid, general, double)[name]))
        paid[name] += part
        amount -= part
