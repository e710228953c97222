"""Loans with row terms under random histories: money is conserved, order of entry does not matter, the past stays."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.engine.test_row_terms import BUCKETS, FEE, OLDEST_FIRST, PENALTY, loan
from tideover.engine import terms as T
from tideover.engine.events import PAYMENT_KINDS, Event, EventKind, EventRejected
from tideover.engine.replay import replay
from tideover.engine.standing import Standing
from tideover.engine.terms import FutureRule, PlanChanges, RowTerms, Terms, TrancheRule

COUNT = 400
MONEY_IN = sorted(PAYMENT_KINDS)
OTHERS = (
    EventKind.CHARGE, EventKind.CHARGE_WAIVER, EventKind.DISBURSEMENT, EventKind.CHARGEBACK, EventKind.CREDIT_REFUND,
    EventKind.RE_AGE, EventKind.SPREAD_ARREARS, EventKind.RESCHEDULE, EventKind.REVERSAL, EventKind.WRITE_OFF,
)  # fmt: skip


def conventions(rng: random.Random) -> Terms:
    first = rng.random() < 0.4
    rows = RowTerms(
        OLDEST_FIRST if first else BUCKETS,
        rng.choice(list(FutureRule)),
        plan_changes=PlanChanges.FIRST if first else PlanChanges.ON_DAY,
        tranches=rng.choice(list(TrancheRule)),
        down_payment_ppm=rng.choice([0, 0, 250_000]),
        credit_order=rng.choice([(), (PENALTY, FEE)]),
    )
    return loan(rows, annual_rate_ppm=rng.choice([0, 0, 120_000]), instalment_multiple_minor=rng.choice([1, 100]))


def history(rng: random.Random, terms: Terms) -> Iterator[Event]:
    on = terms.disbursed_on
    for seq in range(1, rng.randrange(2, 12)):
        on += rng.randrange(0, 20)
        amount = rng.randrange(1, 50_000)
        if rng.random() < 0.5:
            yield Event(seq, on, rng.choice(MONEY_IN), amount_minor=amount)
            continue
        kind = rng.choice(OTHERS)
        yield Event(
            seq,
            on,
            kind,
            amount_minor=amount // 20 if kind == EventKind.CHARGE else amount,
            component=rng.choice([FEE, PENALTY]),
            of_seq=rng.randrange(1, seq + 1),
            until=on + rng.choice([0, 10, 40]) if kind in (EventKind.CHARGE, EventKind.RESCHEDULE) else T.NO_DAY,
            rows=rng.randrange(1, 4),
            from_day=on + rng.randrange(1, 40),
            every=1,
            grace_rows=rng.randrange(0, 2),
        )


def accepted(terms: Terms, events: Iterator[Event]) -> list[Event]:
    """The history as a journal would take it: each event only if replay takes it then."""
    out: list[Event] = []
    for event in events:
        try:
            replay(terms, [*out, event], event.on)
        except EventRejected:
            continue
        out.append(event)
    return out


def checked(s: Standing, seed: int) -> None:
    for row in s.rows:
        assert row.outstanding_minor >= 0 and row.outstanding_charges_minor >= 0, seed
        assert row.paid_minor <= row.principal_minor + row.interest_minor, seed
        paid = row.paid_minor + row.paid_charges_minor
        assert 0 <= row.early_minor + row.late_minor <= paid, seed
    assert s.surplus_minor >= 0, seed


@pytest.mark.parametrize("part", range(4))
def test_random_histories(part: int) -> None:
    kinds = set()
    for seed in range(part, COUNT, 4):
        rng = random.Random(seed)
        terms = conventions(rng)
        events = accepted(terms, history(rng, terms))
        kinds |= {e.kind for e in events}
        on = terms.disbursed_on + rng.randrange(0, 150)
        s = replay(terms, events, on)
        checked(s, seed)
        off = replay(terms, [*events, Event(99, on, EventKind.PAYOFF)], on)
        taken = next(t for t in off.trace if t.seq == 99)
        assert sum(taken.amounts_minor) + taken.held_minor == max(0, s.payoff_minor), seed
        shuffled = events[:]
        rng.shuffle(shuffled)
        assert replay(terms, shuffled, on) == s, seed
        until = [e for e in events if e.on <= on and (e.kind != EventKind.REVERSAL)]
        if not any(e.kind == EventKind.REVERSAL for e in events):
            assert replay(terms, until, on) == s, seed
    assert len(kinds) > 10


def test_money_in_is_on_rows_or_held_or_given_back() -> None:
    for seed in range(COUNT):
        rng = random.Random(seed)
        terms = conventions(rng)
        steady = (
            e for e in history(rng, terms) if e.kind in PAYMENT_KINDS or e.kind in (EventKind.CHARGE, EventKind.DISBURSEMENT)
        )
        events = accepted(terms, steady)
        on = terms.disbursed_on + 200
        s = replay(terms, events, on)
        money = sum(e.amount_minor for e in events if e.kind in PAYMENT_KINDS and e.on <= on)
        assert sum(r.paid_minor + r.paid_charges_minor for r in s.rows) + s.surplus_minor == money, seed
        assert sum(sum(t.amounts_minor) + t.held_minor for t in s.trace) == money, seed
