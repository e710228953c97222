"""Pay-off by rule: numbers, what closes a random loan, the tolerance in fen, what ends a promise, compensation."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.strategies import random_loan
from tideover.engine import reference
from tideover.engine.events import DebitStatus, Event, EventKind, EventRejected
from tideover.engine.presets import consumer_annuity
from tideover.engine.replay import replay
from tideover.engine.terms import Component, date_of, day
from tideover.lending.rules.bank_match import words_of
from tideover.lending.rules.fees import Fee
from tideover.lending.rules.payoff import (
    Match,
    Policy,
    ahead,
    closing,
    is_binding,
    number_of,
    number_ok,
    policy_read,
    quote_matches,
)

POLICY = Policy(15, 1, 10_000, {})
NOTHING = (
    "principal", "interest", "accrued", "penalty", "compound", "fee", "third_party_fee", "recovery_cost", "surplus", "payoff",
    "row_outstanding", "total_overdue",
)  # fmt: skip
TERMS = consumer_annuity(1_200_000, 120_000, day("2026-01-05"), 12)


def test_numbers_are_read_right_or_not_at_all() -> None:
    rng = random.Random(7)
    for _ in range(200):
        number = number_of(rng.randrange(10**7))
        assert number_ok(number) and number in words_of(f"提前结清{number}，谢谢")
        at = rng.randrange(2, 10)
        wrong = number[:at] + rng.choice([d for d in "0123456789" if d != number[at]]) + number[at + 1 :]
        assert not number_ok(wrong)
        at = rng.randrange(2, 9)
        if number[at] != number[at + 1]:
            assert not number_ok(number[:at] + number[at + 1] + number[at] + number[at + 2 :])
    assert not any(map(number_ok, ("", "JQ", "JQ1234567", "XX12345678", "JQ１２３４５６７８")))


def test_paying_what_closes_leaves_exactly_nothing_by_both_implementations() -> None:
    paid_off = 0
    for seed in range(120):
        terms, events, on = random_loan(random.Random(seed))
        known = [e for e in events if e.on <= on]
        try:
            quoted = [closing(terms, known, date_of(on + n)) for n in (0, 1, 6)]
        except EventRejected:
            continue
        for found in quoted:
            assert sum(found.parts.values()) == found.amount_minor + found.held_minor or not found.amount_minor, seed
            if not found.amount_minor or ahead(known, found.on):
                continue
            paid_off += 1
            off = Event(10**6, day(found.on), EventKind.PAYOFF, amount_minor=found.amount_minor)
            after = replay(terms, [*known, off], day(found.on) + 30)
            owed = (
                "principal",
                "interest",
                "accrued",
                "penalty",
                "compound",
                "fee",
                "third_party_fee",
                "recovery_cost",
                "surplus",
            )
            assert not any(getattr(after, f"{n}_minor") for n in (*owed, "payoff", "row_outstanding", "total_overdue")), seed
            if seed % 4 == 0:
                slow = reference.replay(terms, [*known, off], day(found.on))
                assert slow.payoff_minor == slow.surplus_minor == slow.row_outstanding_minor == 0, seed
    assert paid_off > 150


@pytest.mark.parametrize(
    ("amount", "promised", "owed", "expected"),
    [
        (1000, 1000, 1000, Match(True, "exact", 1000, 0, 0, 1000)),
        (999, 1000, 1000, Match(True, "tolerance", 999, 1, 0, 1000)),
        (998, 1000, 1000, Match(False, "short", asked_minor=1000)),
        (1001, 1000, 1000, Match(True, "more", 1000, 0, 1, 1000)),
        (1002, 1000, 1000, Match(True, "more", 1000, 0, 2, 1000)),
        (1000, 1000, 1300, Match(True, "promise", 1000, 300, 0, 1000)),
        (999, 1000, 1300, Match(True, "promise", 999, 301, 0, 1000)),
        (1100, 1000, 1300, Match(True, "promise", 1000, 300, 100, 1000)),
        (1000, 1000, 700, Match(True, "more", 700, 0, 300, 700)),
        (1000, None, 1001, Match(True, "tolerance", 1000, 1, 0, 1001)),
        (1000, None, 1002, Match(False, "short", asked_minor=1002)),
        (1000, 1000, 0, Match(False, "nothing_owed", over_minor=1000)),
    ],
)
def test_the_tolerance_and_the_promise(amount: int, promised: int | None, owed: int, expected: Match) -> None:
    assert quote_matches(amount, promised, owed, POLICY) == expected
    if expected.pays:
        assert expected.taken_minor + expected.over_minor == amount and expected.taken_minor + expected.waived_minor == owed


def test_only_money_back_or_out_ends_a_promise() -> None:
    on = day("2026-02-10")
    paid = Event(1, on, EventKind.PAYMENT, amount_minor=5000)
    taken = Event(2, on, EventKind.DEBIT, amount_minor=10, debit_id="d", debit_status=DebitStatus.SUCCESS)
    fee = Event(3, on, EventKind.CHARGE, amount_minor=500)
    before = [paid, taken, fee]
    more = [
        Event(4, on, EventKind.CHARGE, amount_minor=900),
        Event(4, on, EventKind.RATE_CHANGE, rate_ppm=1),
        Event(4, on, EventKind.PAYMENT, amount_minor=9),
        Event(4, on, EventKind.REVERSAL, of_seq=3),
    ]
    assert is_binding(before, 3) and all(is_binding([*before, e], 3) for e in more)
    ends = [
        Event(4, on, EventKind.REVERSAL, of_seq=1),
        Event(4, on, EventKind.REVERSAL, of_seq=2),
        Event(4, on, EventKind.ADJUSTMENT, of_seq=1, amount_minor=1),
        Event(4, on, EventKind.CHARGEBACK, of_seq=1, amount_minor=1),
        Event(4, on, EventKind.DISBURSEMENT, amount_minor=1),
        Event(4, on, EventKind.CREDIT_REFUND, amount_minor=1),
    ]
    assert not any(is_binding([*before, e], 3) for e in ends)
    later = Event(4, on, EventKind.PAYMENT, amount_minor=9)
    assert is_binding([*before, later, Event(5, on, EventKind.REVERSAL, of_seq=4)], 3), "it never counted that money"


def test_compensation_is_the_contracts_and_only_for_what_is_early() -> None:
    on = date_of(TERMS.disbursed_on) + timedelta(days=10)
    fee = Fee("early", "提前还款违约金", "Early repayment", "early", share_ppm=10_000)
    plain, with_fee = closing(TERMS, [], on), closing(TERMS, [], on, [fee])
    assert (plain.compensation_minor, with_fee.compensation_minor) == (0, 12_000)
    assert with_fee.amount_minor == plain.amount_minor + 12_000 and with_fee.parts[Component.FEE] == 12_000
    assert with_fee.saved_minor == plain.saved_minor - 12_000 and plain.saved_minor > 0
    late = closing(TERMS, [], on + timedelta(days=400), [fee])
    assert late.compensation_minor == 0 and late.amount_minor > 0
    fixed = replace(fee, share_ppm=0, amount_minor=5_000)
    assert closing(TERMS, [], on, [fixed]).compensation_minor == 5_000
    assert closing(TERMS, [], on, [replace(fee, when="late")]).compensation_minor == 0


def test_charges_that_fall_due_later_are_named() -> None:
    on = date_of(TERMS.disbursed_on) + timedelta(days=10)
    charge = Event(1, day(on), EventKind.CHARGE, amount_minor=700, component=Component.FEE, until=day(on) + 5)
    assert ahead([charge], on) == [charge] and ahead([charge], on + timedelta(days=5)) == []
    assert ahead([charge, Event(2, day(on), EventKind.REVERSAL, of_seq=1)], on) == []


def test_the_policy_says_what_cannot_be_used() -> None:
    good = {n: {"value": v, "why": "because"} for n, v in (("days_max", 15), ("under_minor", 1), ("over_minor", 100))}
    assert policy_read(good).under_minor == 1
    for name, bad in (("under_minor", 101), ("under_minor", -1), ("days_max", 0), ("over_minor", "x"), ("days_max", True)):
        with pytest.raises(ValueError, match=name):
            policy_read({**good, name: {"value": bad, "why": "because"}})
    with pytest.raises(ValueError, match="needs a reason"):
        policy_read({**good, "under_minor": {"value": 1, "why": " "}})
    with pytest.raises(ValueError, match="exactly"):
        policy_read({**good, "more": {"value": 1, "why": "x"}})


def test_a_day_without_debt_has_no_quote() -> None:
    on = date(2026, 2, 1)
    off = Event(1, day(on), EventKind.PAYOFF)
    assert closing(TERMS, [off], on).amount_minor == 0
