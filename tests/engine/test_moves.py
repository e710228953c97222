"""The trace summed by cause: both implementations say the same, principal and held money follow from it, and a sum by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.strategies import random_loan, wide_loan
from tideover.engine import batch, reference
from tideover.engine.columns import event_columns, terms_columns
from tideover.engine.events import Event, EventKind, EventRejected
from tideover.engine.moves import HELD, Cause, held_of, principal_of
from tideover.engine.presets import consumer_annuity
from tideover.engine.terms import NO_DAY, Component, Surplus, Terms, day

LOANS = 300
P, I = Component.PRINCIPAL, Component.INTEREST


def loans() -> list[tuple[int, Terms, list[Event], int]]:
    out = []
    for seed in range(LOANS):
        terms, events, as_of = (wide_loan if seed % 2 else random_loan)(random.Random(seed))
        if not list(terms.problems()):
            out.append((seed, terms, events, as_of))
    return out


def test_principal_and_money_held_follow_from_the_moves() -> None:
    seen = set()
    for seed, terms, events, as_of in loans():
        try:
            s = reference.replay(terms, events, as_of)
        except EventRejected:
            continue
        assert principal_of(s.moves) == s.principal_minor, seed
        assert held_of(s.moves) == s.surplus_minor, seed
        seen |= {c for c in Cause if any(s.moves[c])}
    assert seen >= {Cause.DRAWN, Cause.PAID, Cause.USED, Cause.WAIVED, Cause.CAPITALISED, Cause.GUARANTEED, Cause.BACK}


def test_a_batch_says_the_moves_that_the_reference_says() -> None:
    given = loans()[:300]
    terms, events = terms_columns([t for _, t, _, _ in given]), event_columns([e for _, _, e, _ in given])
    answer = batch.replay_many(terms, events, np.array([a for *_, a in given]), moves=True)
    for i, (seed, t, e, a) in enumerate(given):
        if answer.table[i]["status"] == 0:
            assert answer.moves[i].tolist() == reference.replay(t, e, a).moves, seed


def test_without_asking_a_batch_keeps_no_moves() -> None:
    terms = terms_columns([consumer_annuity(1_200_000, 120_000, day("2026-01-05"), 12)])
    assert len(batch.replay_many(terms, event_columns([[]]), day("2026-06-01")).moves) == 0


@pytest.fixture
def loan() -> Terms:
    return consumer_annuity(1_200_000, 120_000, day("2026-01-05"), 12).with_(surplus=Surplus.HOLD)


def test_money_held_that_pays_a_later_row_is_named_by_component(loan: Terms) -> None:
    due = reference.schedule(loan)[0]
    paid = Event(1, loan.disbursed_on + 3, EventKind.PAYMENT, amount_minor=due.total_minor + 5)
    before = reference.replay(loan, [paid], due.due_on - 1)
    after = reference.replay(loan, [paid], due.due_on)
    assert before.moves[Cause.PAID][HELD] == before.surplus_minor == due.total_minor + 5
    used = after.moves[Cause.USED]
    assert (used[P], used[I], used[HELD], after.surplus_minor) == (
        due.principal_minor,
        due.interest_minor,
        -due.total_minor,
        5,
    )


def test_a_payoff_uses_the_money_held_and_says_so(loan: Terms) -> None:
    early, off = loan.disbursed_on + 3, loan.disbursed_on + 10
    s = reference.replay(loan, [Event(1, early, EventKind.PAYMENT, amount_minor=10_000), Event(2, off, EventKind.PAYOFF)], off)
    assert s.trace[1].held_minor == -10_000 and s.surplus_minor == s.principal_minor == 0
    assert sum(s.moves[Cause.PAID]) == sum(sum(t.amounts_minor) + t.held_minor for t in s.trace)


def test_interest_since_is_the_settlement_day_of_the_oldest_interest_unpaid(loan: Terms) -> None:
    rows = reference.schedule(loan)
    assert reference.replay(loan, [], rows[0].due_on - 1).interest_since == NO_DAY
    assert reference.replay(loan, [], rows[1].due_on).interest_since == rows[0].due_on
    paid = Event(1, rows[1].due_on, EventKind.PAYMENT, amount_minor=rows[0].total_minor + 500)
    assert reference.replay(loan, [paid], rows[1].due_on).interest_since == rows[1].due_on


def test_a_loan_lived_through_its_days_once_stands_as_it_is_replayed_to_each() -> None:
    compared = 0
    for seed, terms, events, as_of in loans()[:150]:
        days = sorted(
            {*range(terms.disbursed_on, as_of, 23), *(e.on for e in events if terms.disbursed_on <= e.on <= as_of), as_of}
        )
        lived = reference.replay_days(terms, events, days)
        for on in days:
            try:
                expected = reference.replay(terms, events, on)
            except EventRejected:
                with pytest.raises(EventRejected):
                    next(lived)
                break
            expected.rows, expected.trace = [], []
            assert next(lived) == expected, (seed, on)
            compared += 1
    assert compared > 1500
