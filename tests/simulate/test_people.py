"""Simulated people: the same seed gives the same life, nothing is paid after the end, and catching up really catches up."""

from __future__ import annotations

import numpy as np
import pytest

from tideover.core.packs.load import pack
from tideover.core.packs.rules.price import lender_types
from tideover.engine.events import Event, EventKind
from tideover.engine.presets import consumer_annuity
from tideover.engine.replay import replay, schedule
from tideover.engine.terms import day
from tideover.simulate.book import ENTITIES
from tideover.simulate.rules.people import World, _late_cost, life, person_draw

START, UNTIL = day("2025-01-10"), day("2026-06-01")


def lived(seed: int) -> list:
    rng = np.random.default_rng(seed)
    terms = consumer_annuity(1_200_000, 144_000, START, 12)
    due = [(r.due_on, r.principal_minor + r.interest_minor) for r in schedule(terms)]
    return life(World(), person_draw(World(), rng, enterprise=False), due, UNTIL, rng)


@pytest.mark.parametrize("seed", range(20))
def test_a_life_repeats_and_ends_in_time(seed: int) -> None:
    assert lived(seed) == lived(seed)
    assert all(p.on <= UNTIL and p.amount_minor > 0 for p in lived(seed))


@pytest.mark.parametrize("days", [1, 8, 31, 90])
def test_the_cost_of_catching_up_leaves_nothing_late(days: int) -> None:
    terms = consumer_annuity(1_200_000, 144_000, START, 12)
    first = schedule(terms)[0]
    arrears = first.total_minor
    on = first.due_on + days
    due = sum(r.total_minor for r in schedule(terms) if r.due_on <= on)
    amount = due + _late_cost(World(), due, days)
    assert arrears <= due
    paid = Event(seq=1, on=on, kind=EventKind.PAYMENT, amount_minor=amount)
    assert replay(terms, [paid], on + 1).days_past_due == 0


def test_in_time_costs_nothing() -> None:
    assert _late_cost(World(), 100_000, 0) == _late_cost(World(), 100_000, -3) == 0


def test_every_lender_of_the_demo_is_of_a_kind_that_may_lend() -> None:
    assert {kind for *_, kind in ENTITIES} <= set(lender_types(pack("cn")))
