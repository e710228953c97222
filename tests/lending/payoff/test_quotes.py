"""Quotes: the figures are the engine's, the same request is the same quote, and what cannot be promised is refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.factories import House
from tests.lending.payoff.conftest import TODAY, UNTIL, asked, pay, quote
from tideover.core.problems import Refused
from tideover.engine import reference
from tideover.engine.events import EventKind
from tideover.engine.terms import day
from tideover.lending.contract_terms import terms_for
from tideover.lending.journal import engine_events, event_append
from tideover.lending.models import BankAccount, PayoffQuote
from tideover.lending.models.organisation import BookMode
from tideover.lending.payoff.selectors import Since, days_of, quotes_named, since_made, state_of
from tideover.lending.payoff.services import payoff_quote, quote_withdraw
from tideover.lending.rules.payoff import number_ok
from tideover.lending.selectors import loan_standing, loan_status


def test_each_days_figure_is_that_of_the_reference(house: House, account: BankAccount) -> None:
    pay(house, 123_456, on=date(2026, 2, 1), names="T-1", key="before")
    q = quote(house.loan, until=date(2026, 2, 25))
    days = days_of(q)
    assert [d.on for d in days] == [TODAY + timedelta(days=n) for n in range(16)] and number_ok(q.number)
    assert (q.account, q.first_on, q.valid_until, q.tip) == (account, TODAY, date(2026, 2, 25), house.loan.events.count())
    events = engine_events(house.loan.events.order_by("seq"))
    for d in days:
        slow = reference.replay(terms_for(house.loan), events, day(d.on))
        assert d.amount_minor == slow.payoff_minor and sum(d.parts.values()) == d.amount_minor + slow.surplus_minor
    assert days[0].amount_minor < days[-1].amount_minor and q.saved_minor > 0


def test_the_same_request_is_the_same_quote_and_another_replaces_it(house: House) -> None:
    q = quote(house.loan)
    assert quote(house.loan) == q
    longer = quote(house.loan, until=UNTIL + timedelta(days=1))
    q.refresh_from_db()
    assert (q.ended, longer.ended, state_of(q, TODAY), state_of(longer, TODAY)) == ("replaced", "", "replaced", "open")
    assert state_of(longer, UNTIL + timedelta(days=2)) == "run_out"


@pytest.mark.parametrize(
    ("until", "code"),
    [(TODAY - timedelta(days=1), "day_past"), (TODAY + timedelta(days=16), "too_far")],
)
def test_days_that_cannot_be_promised_are_refused(house: House, until: date, code: str) -> None:
    with pytest.raises(Refused) as refused:
        quote(house.loan, until=until)
    assert (refused.value.problems[0].code, refused.value.problems[0].field) == (code, "valid_until")
    assert not PayoffQuote.objects.exists()


def code_of(house: House, **more: date) -> str:
    with pytest.raises(Refused) as refused:
        quote(house.loan, **more)
    return refused.value.problems[0].code


def test_what_cannot_be_said_is_not_said(house: House) -> None:
    event_append(
        house.loan, kind=EventKind.CHARGE, effective_on=TODAY, amount_minor=500, idempotency_key="c", actor="a",
        extra={"component": "recovery_cost", "until": "2026-02-20"},
    )  # fmt: skip
    assert code_of(house) == "charge_ahead"
    assert asked(quote(house.loan, today=date(2026, 2, 20), until=date(2026, 2, 20)), date(2026, 2, 20)) > 0
    house.loan.overrides = {"reference": {"index": "LPR1Y", "spread_ppm": 0, "reset_months": 1}}
    assert code_of(house, today=date(2026, 2, 18), until=date(2026, 2, 21)) == "rate_reset"
    house.loan.overrides = {}
    event_append(
        house.loan, kind=EventKind.PAYOFF, effective_on=date(2026, 2, 20), amount_minor=0, idempotency_key="o", actor="a"
    )
    assert code_of(house, today=date(2026, 2, 21), until=date(2026, 2, 21)) == "nothing_owed"
    house.entity.book_mode = BookMode.OVERLAY
    house.entity.save()
    house.loan.entity.refresh_from_db()
    assert code_of(house) == "core_decides"


def test_a_withdrawn_quote_counts_for_money_that_left_by_that_day(house: House) -> None:
    q = quote(house.loan)
    with pytest.raises(Refused, match="say why"):
        quote_withdraw(q, reason=" ", actor="payments")
    q = quote_withdraw(q, reason="wrong loan", actor="payments")
    assert (q.ended, q.reason) == ("withdrawn", "wrong loan") and quote_withdraw(q, reason="x", actor="p") == q
    assert quote(house.loan).number != q.number


def test_what_was_booked_since_is_said(house: House) -> None:
    first = pay(house, 50_000, on=date(2026, 2, 1), names="T-1", key="before")
    q = quote(house.loan)
    assert since_made(q, TODAY) == Since()
    pay(house, 30_000, names="T-1", key="more")
    q.contract.refresh_from_db()
    assert since_made(q, TODAY).lower_minor == 30_000
    event_append(
        house.loan, kind=EventKind.CHARGE, effective_on=TODAY, amount_minor=40_000, idempotency_key="c", actor="a",
        extra={"component": "fee", "until": TODAY.isoformat()},
    )  # fmt: skip
    q.contract.refresh_from_db()
    assert since_made(q, TODAY).higher_minor == 10_000
    [part] = first.parts.all()
    [event] = part.events.all()
    event_append(
        house.loan, kind=EventKind.REVERSAL, effective_on=event.effective_on, extra={"of_seq": event.seq}, idempotency_key="r",
        actor="a",
    )  # fmt: skip
    q.contract.refresh_from_db()
    assert since_made(q, TODAY).void


def test_quotes_are_found_by_the_payers_words(house: House) -> None:
    q = quote(house.loan)
    amount, words = asked(q, TODAY), frozenset({q.number, "T-1"})
    named = lambda a, on=TODAY, w=words: [(n.number, n.loan, n.fits) for n in quotes_named(house.entity.pk, w, a, on)]  # noqa: E731
    assert named(amount) == [(q.number, "T-1", True)]
    assert named(amount - 1)[0][2] and not named(amount - 2)[0][2]
    assert named(amount + 10_000)[0][2] and not named(amount + 10_001)[0][2]
    assert not named(amount, UNTIL + timedelta(days=1))[0][2], "a day late the sum is another"
    assert named(amount, w=frozenset({q.number[:-1] + str((int(q.number[-1]) + 1) % 10)})) == []
    assert quotes_named(house.entity.pk + 1, words, amount, TODAY) == []
    pay(house, amount, names=q.number)
    assert named(amount) == [(q.number, "T-1", False)], "used already"


def test_a_quote_of_a_past_day_cannot_be_made_twice_at_once(house: House) -> None:
    quote(house.loan)
    assert payoff_quote(house.loan, valid_until=UNTIL, actor="b", as_of=TODAY + timedelta(days=1)).first_on == date(2026, 2, 11)
    assert PayoffQuote.objects.filter(ended="").count() == 1


def test_a_reversal_counts_whatever_its_day(house: House) -> None:
    pay(house, 123_456, on=date(2026, 2, 1), names="T-1", key="before")
    event_append(
        house.loan, kind=EventKind.REVERSAL, effective_on=date(2026, 3, 1), extra={"of_seq": 1}, idempotency_key="r", actor="a"
    )  # fmt: skip
    plain = quote(house.second_loan)
    assert asked(quote(house.loan), TODAY) == asked(plain, TODAY), "the payment never happened"
    pay(house, asked(plain, TODAY), names="T-1")
    assert loan_status(loan_standing(house.loan, TODAY)) == "paid_off"
