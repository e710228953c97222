"""How simulated people pay: paid monthly, they spend, meet shocks, pay early, late, in part, or stop. Pure and seeded.

Parameters live in `World`; every draw comes from the generator handed in, so the same seed gives the same history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class World:
    """Shares are probabilities a month or a due date; money moves in shares of income."""

    shock_share: float = 0.012
    """Chance a month that income falls (lost job, illness, a bad season)."""
    shock_income: float = 0.35
    """Income during a shock, as a share of the usual."""
    shock_months: int = 7
    living_share: float = 0.62
    """Living costs as a share of usual income."""
    forgetful_share: float = 0.10
    """People who often pay some days late without being short."""
    stops_share: float = 0.02
    """People who, once three instalments behind, stop for good."""
    early_share: float = 0.004
    """Chance a due date that someone with savings pays the loan off early."""
    late_cost_ppm_a_day: int = 650
    """What people add for each day late when they catch up: they pay what they are shown, rounded up to whole yuan."""


@dataclass(slots=True)
class Person:
    """One household or shop: income a month (minor units), savings, and habits."""

    income_minor: int
    savings_minor: int
    forgetful: bool
    gives_up: bool
    season: float
    shock_left: int = 0


@dataclass(frozen=True, slots=True)
class Payment:
    """Money a person paid: day and amount; `closes` when it pays the loan off."""

    on: int
    amount_minor: int
    closes: bool = False


def person_draw(world: World, rng: np.random.Generator, *, enterprise: bool) -> Person:
    """One person or shop."""
    income = int(np.exp(rng.normal(np.log(9000 if not enterprise else 42000), 0.45)) * 100)
    return Person(
        income_minor=income,
        savings_minor=int(income * rng.gamma(1.5, 0.8)),
        forgetful=bool(rng.random() < world.forgetful_share),
        gives_up=bool(rng.random() < world.stops_share * 8),
        season=float(rng.uniform(0.1, 0.4)) if enterprise else 0.0,
    )


def life(world: World, person: Person, due: Sequence[tuple[int, int]], until: int, rng: np.random.Generator) -> list[Payment]:
    """The payments a person makes on one loan.

    due: (day, amount minor) of each instalment, in order. Money left after living costs is what can be paid; arrears are paid
    as soon as there is money. No payment falls after `until`.
    """
    out: list[Payment] = []
    arrears, since, stopped = 0, 0, False
    for k, (on, amount) in enumerate(due):
        if on > until:
            break
        since = since if arrears else on
        arrears += amount
        _month(world, person, k, rng)
        if stopped or (person.gives_up and arrears > 3 * amount):
            stopped = True
            continue
        able = max(0, person.savings_minor)
        paid = arrears if able >= arrears else _in_part(able, amount, rng)
        if paid <= 0:
            continue
        day = on + _delay(person, rng, short=able < 2 * arrears)
        if day > until:
            continue
        person.savings_minor -= paid
        if paid == arrears and k > 3 and able > 12 * amount and rng.random() < world.early_share * 10:
            out.append(Payment(day, paid, closes=True))
            break
        cost = _late_cost(world, arrears, day - since) if paid == arrears else 0
        person.savings_minor -= cost
        out.append(Payment(day, paid + cost))
        arrears -= paid
    return out


def _month(world: World, person: Person, k: int, rng: np.random.Generator) -> None:
    if person.shock_left:
        person.shock_left -= 1
    elif rng.random() < world.shock_share:
        person.shock_left = world.shock_months
    level = world.shock_income if person.shock_left else 1.0
    season = 1 + person.season * float(np.sin(2 * np.pi * k / 12))
    income = person.income_minor * level * season * float(rng.normal(1, 0.05))
    person.savings_minor = int(max(0, person.savings_minor + income - person.income_minor * world.living_share))


def _late_cost(world: World, arrears_minor: int, days: int) -> int:
    """Whole yuan (in minor units) that cover the lateness of arrears caught up after `days`; 0 in time."""
    if days <= 0:
        return 0
    return -(-arrears_minor * days * world.late_cost_ppm_a_day // 100_000_000) * 100


def _in_part(able: int, amount: int, rng: np.random.Generator) -> int:
    share = float(rng.choice([0.0, 0.3, 0.5, 1.0], p=[0.45, 0.15, 0.2, 0.2]))
    return min(able, int(amount * share) // 100 * 100)


def _delay(person: Person, rng: np.random.Generator, *, short: bool) -> int:
    if person.forgetful and rng.random() < 0.5:
        return int(rng.integers(1, 9))
    if short and rng.random() < 0.3:
        return int(rng.integers(1, 16))
    return -int(rng.integers(0, 3)) if rng.random() < 0.2 else 0
