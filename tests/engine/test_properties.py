"""What must hold for every loan: money conserved, nothing negative, order and later knowledge without effect."""

from __future__ import annotations

import os
import random
from dataclasses import asdict

import pytest

from tests.strategies import random_loan
from tideover.engine.events import EventKind
from tideover.engine.reference import effective
from tideover.engine.replay import replay, schedule

SEEDS = range(int(os.environ.get("TIDEOVER_RANDOM_LOANS", "300")))
MONEY = {EventKind.PAYMENT, EventKind.PREPAYMENT}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_loan(seed: int) -> None:
    rng = random.Random(seed)
    terms, events, as_of = random_loan(rng)
    planned = schedule(terms)
    assert sum(r.principal_minor for r in planned) == terms.principal_minor
    assert planned[-1].balance_minor == 0

    s = replay(terms, events, as_of)
    for name, value in asdict(s).items():
        if name.endswith("_minor") and isinstance(value, int) and name != "payoff_minor":
            assert value >= 0, name

    counted = [e for e in effective(events, None) if e.on <= as_of]
    paid_in = sum(e.amount_minor for e in counted if e.kind in MONEY)
    by_seq = {e.seq: e for e in counted}
    money = [t for t in s.trace if by_seq[t.seq].kind in MONEY]
    for line in money:
        assert sum(line.amounts_minor) + line.held_minor == by_seq[line.seq].amount_minor
    assert paid_in == s.paid_total_minor + s.surplus_minor

    shuffled = list(events)
    rng.shuffle(shuffled)
    assert asdict(replay(terms, shuffled, as_of)) == asdict(s)
    assert asdict(replay(terms, [e for e in events if e.on <= as_of or e.kind == EventKind.REVERSAL], as_of)) == asdict(s)

    known_at = as_of
    known = [e for e in events if e.recorded_at <= known_at]
    assert asdict(replay(terms, events, as_of, known_at)) == asdict(replay(terms, known, as_of))
