"""Money that no loan takes: kept for the next instalment, or sent back, by the borrower's word."""

from __future__ import annotations

from datetime import date

import pytest

from tests.factories import House
from tests.lending.payoff.conftest import TODAY, asked, pay, quote
from tideover.core.approvals import approval_decide
from tideover.core.panels import panels_of
from tideover.core.problems import Refused
from tideover.lending.models import HeldWish, Receipt
from tideover.lending.payoff.held import held_of, wish_set
from tideover.lending.payoff.panels import home_rows
from tideover.lending.receipts.refunds import refund_ask
from tideover.lending.receipts.services import held_apply

DUE = date(2026, 2, 20)


@pytest.fixture
def left(house: House) -> Receipt:
    q = quote(house.loan)
    return pay(house, asked(q, TODAY) + 1_230, names=q.number)


def test_what_is_wanted_back_pays_no_debt_and_goes_by_two_people(house: House, left: Receipt) -> None:
    wish_set(left, "send_back", actor="li")
    assert wish_set(left, "send_back", actor="li").wish == "send_back" and HeldWish.objects.count() == 1
    assert held_apply(DUE) == 0
    left.refresh_from_db()
    assert left.unapplied_minor == 1_230 and list(held_of(house.borrower)) == [left]
    asked_for = refund_ask(left, amount_minor=1_230, reason="asked for it", actor=house.staff["payments"])
    approval_decide(asked_for, grant=True, reason="seen", actor=house.staff["finance"])
    left.refresh_from_db()
    assert (left.unapplied_minor, left.refunding_minor) == (0, 1_230) and not held_of(house.borrower)
    with pytest.raises(Refused, match="with us any more"):
        wish_set(left, "keep", actor="li")


def test_a_wish_can_be_changed(house: House, left: Receipt) -> None:
    wish_set(left, "send_back", actor="li")
    wish_set(left, "keep", actor="li")
    left.refresh_from_db()
    assert left.unapplied_minor == 0, "an instalment of the other loan is due by today, and the money pays it"


def test_what_cannot_be_wished(house: House, left: Receipt) -> None:
    with pytest.raises(Refused, match="one of"):
        wish_set(left, "spend", actor="li")
    left.payer_account = ""
    left.save()
    with pytest.raises(Refused) as refused:
        wish_set(left, "send_back", actor="li")
    assert refused.value.problems[0].code == "no_source_account"


def test_rows_of_the_home_stand_beside_the_others(house: House, left: Receipt) -> None:
    names = [p.name for p in panels_of("home.rows")]
    assert {"held", "receipts-wanted-back"} <= set(names) and len(names) == len(set(names))
    counted = lambda: [(r.count, r.amount_minor) for r in home_rows(house.staff["payments"], date(2026, 3, 1))["rows"]]  # noqa: E731
    assert counted() == [(0, None)]
    wish_set(left, "send_back", actor="li")
    assert counted() == [(1, 1_230)]
