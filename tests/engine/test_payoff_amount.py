"""A pay-off that says how much came: exact, short, over, later overtaken by what is learned; and of a debit's money."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.strategies import random_loan
from tideover.engine import reference
from tideover.engine.events import DebitStatus, Event, EventKind, EventRejected
from tideover.engine.presets import consumer_annuity
from tideover.engine.replay import replay
from tideover.engine.terms import Terms, day

OFF = 10**6


def live_loans(count: int) -> list[tuple[int, Terms, list[Event], int, int]]:
    """(seed, terms, events up to a day, that day, what a pay-off takes then) of random loans that still owe something."""
    out = []
    for seed in range(count):
        terms, events, on = random_loan(random.Random(seed))
        until = [e for e in events if e.on <= on and e.recorded_at <= on]
        try:
            off = replay(terms, [*until, Event(OFF, on, EventKind.PAYOFF)], on)
        except EventRejected:
            continue
        line = next(t for t in off.trace if t.seq == OFF)
        takes = sum(line.amounts_minor) - replay(terms, until, on).surplus_minor
        if takes > 2:
            out.append((seed, terms, until, on, takes))
    return out


def test_the_exact_amount_is_whatever_closes() -> None:
    loans = live_loans(150)
    assert len(loans) > 80
    for seed, terms, events, on, takes in loans:
        whatever = replay(terms, [*events, Event(OFF, on, EventKind.PAYOFF)], on + 40)
        exact = replay(terms, [*events, Event(OFF, on, EventKind.PAYOFF, amount_minor=takes)], on + 40)
        assert exact.payoff_minor == exact.surplus_minor == exact.row_outstanding_minor == 0, seed
        assert exact == whatever or whatever.surplus_minor > 0, seed


@pytest.mark.parametrize("difference", [-2, -1, 1, 250])
def test_money_is_neither_made_nor_lost(difference: int) -> None:
    for seed, terms, events, on, takes in live_loans(60):
        amount = takes + difference
        if amount <= 0:
            continue
        off = Event(OFF, on, EventKind.PAYOFF, amount_minor=amount)
        after = replay(terms, [*events, off], on)
        line = next(t for t in after.trace if t.seq == OFF)
        assert sum(line.amounts_minor) + line.held_minor == amount, seed
        assert after.payoff_minor == -difference, seed
        assert after.surplus_minor == max(0, difference), seed
        if terms.row_terms is None:
            assert reference.replay(terms, [*events, off], on + 9) == replay(terms, [*events, off], on + 9), seed


def test_a_payment_taken_back_later_opens_the_loan_again() -> None:
    terms = consumer_annuity(1_200_000, 120_000, day("2026-01-05"), 12)
    due = reference.schedule(terms)[0]
    paid, on = Event(1, due.due_on, EventKind.PAYMENT, amount_minor=due.total_minor), due.due_on + 10
    owed = replay(terms, [paid], on).payoff_minor
    off = Event(2, on, EventKind.PAYOFF, amount_minor=owed)
    assert replay(terms, [paid, off], on + 30).payoff_minor == 0
    bounced = replay(terms, [paid, off, Event(3, due.due_on, EventKind.REVERSAL, of_seq=1)], on)
    assert due.total_minor <= bounced.payoff_minor < due.total_minor + 5000 and bounced.surplus_minor == 0


def test_money_that_turns_out_to_have_come_before_is_held() -> None:
    terms = consumer_annuity(1_200_000, 120_000, day("2026-01-05"), 12)
    due = reference.schedule(terms)[0]
    on = due.due_on + 10
    off = Event(1, on, EventKind.PAYOFF, amount_minor=replay(terms, [], on).payoff_minor)
    s = replay(terms, [off, Event(2, due.due_on, EventKind.PAYMENT, amount_minor=due.total_minor)], on)
    assert s.row_outstanding_minor == 0 and s.surplus_minor >= due.total_minor and s.payoff_minor == -s.surplus_minor


def test_the_money_of_a_debit_pays_off_once() -> None:
    terms = consumer_annuity(1_200_000, 120_000, day("2026-01-05"), 12)
    on = terms.disbursed_on + 40
    owed = replay(terms, [], on).payoff_minor
    sent = Event(1, on, EventKind.DEBIT, amount_minor=owed, debit_id="d", debit_status=DebitStatus.SENT)
    off = Event(2, on, EventKind.PAYOFF, amount_minor=owed, debit_id="d")
    assert replay(terms, [sent], on).in_flight_minor == owed
    events = [sent, off, replace(off, seq=3)]
    done = replay(terms, events, on)
    assert (done.payoff_minor, done.in_flight_minor, done.surplus_minor) == (0, 0, 0)
    assert done == reference.replay(terms, events, on)
