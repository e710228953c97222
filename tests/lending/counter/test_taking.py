"""Money at a counter: booked at once below the limit, nowhere before a second person above it, cancelled exactly, never twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from tests.factories import House
from tests.lending.counter.desk import decide, take, teller, till
from tideover.core.approvals import approvals_expire
from tideover.core.business_time import business_date, now
from tideover.core.models import Approval
from tideover.core.problems import Forbidden, IdempotencyConflict, Refused
from tideover.lending.counter.cash import expected_minor
from tideover.lending.counter.taking import (
    slip_ask_again,
    slip_cancel_ask,
    slip_give_back,
)
from tideover.lending.counter.tills import till_close, till_count, till_open
from tideover.lending.models import Hold, LoanEvent, Receipt, Slip, Till, TillMove
from tideover.lending.selectors import loan_standing

ABOVE = 1_000_001


def code(refused: pytest.ExceptionInfo[Refused]) -> str:
    return refused.value.problems[0].code


def state(house: House) -> list[Any]:
    loans = (house.loan, house.second_loan, house.other_loan)
    return [loan_standing(c, business_date()).payoff_minor for c in loans]


def test_a_payment_is_a_slip_a_receipt_and_cash_at_once(house: House) -> None:
    box = till(house)
    slip = take(house, box)
    assert slip.number == f"SJ-HZ-{business_date().year}-000001" and slip.state == "booked"
    assert slip.receipt is not None and slip.receipt.received_on == business_date()
    assert (slip.receipt.source_kind, slip.receipt.source_reference) == ("counter", slip.number)
    assert slip.receipt.amount_minor == slip.receipt.placed_minor + slip.receipt.unapplied_minor == 406_000
    assert expected_minor(box) == 100_000 + 406_000
    assert take(house, box, method="pos", reference="POS 8812").number.endswith("000002")
    assert expected_minor(box) == 100_000 + 406_000, "what a card pays is no cash"


def test_a_named_loan_and_a_payer_who_is_not_the_borrower(house: House) -> None:
    slip = take(
        house, till(house), 50_000, designation=[{"debt": "T-2"}], payer_name="赵强", payer_id="339900199001010012",
    )  # fmt: skip
    assert slip.receipt is not None
    assert {p.contract.number for p in slip.receipt.parts.all()} == {"T-2"}
    assert slip.receipt.payer_is == "third_party" and slip.receipt.alerts.get().kind == "third_party"
    assert slip.receipt.payer_name == "赵强"


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ({"amount": 0}, "amount_not_positive"),
        ({"method": "cheque"}, "unknown_method"),
        ({"method": "pos"}, "no_reference"),
        ({"payer_name": "赵强"}, "payer_half_named"),
        ({"payer_id": "339900199001010012"}, "payer_half_named"),
        ({"designation": [{"debt": "T-3"}]}, "bad_designation"),
        ({"designation": [{"debt": "T-1", "amount": "no"}]}, "bad_designation"),
        ({"amount": ABOVE}, "no_note"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(house: House, said: dict[str, Any], want: str) -> None:
    box = till(house)
    with pytest.raises(Refused) as refused:
        take(house, box, **said)
    assert code(refused) == want
    assert not Slip.objects.exists() and not Receipt.objects.exists() and expected_minor(box) == 100_000
    assert take(house, box).number.endswith("000001"), "a refused payment takes no number"


def test_twice_is_once(house: House) -> None:
    box = till(house)
    first = take(house, box, key="k")
    assert take(house, box, key="k") == first and Receipt.objects.count() == 1 and expected_minor(box) == 506_000
    with pytest.raises(IdempotencyConflict):
        take(house, box, 406_001, key="k")
    assert till(house, key="open-teller-0") == box
    with pytest.raises(IdempotencyConflict):
        till(house, 1, key="open-teller-0")


def test_above_the_limit_nothing_is_booked_before_the_second_person(house: House) -> None:
    box, before = till(house), state(house)
    slip = take(house, box, ABOVE, note="sold the car")
    assert slip.state == "awaiting" and slip.receipt is None and slip.approval
    assert not Receipt.objects.exists() and not LoanEvent.objects.exists() and state(house) == before
    assert expected_minor(box) == 100_000 + ABOVE, "the cash is in the till all the same"
    hold = Hold.objects.get(kind="money_here", lifted_at=None)
    assert hold.party == house.borrower and hold.starts_at <= now()
    for nobody in (box.teller, house.staff["finance"], house.staff["auditor"]):
        with pytest.raises(Forbidden):
            decide(slip.approval, nobody)
    assert not Receipt.objects.exists()
    decide(slip.approval, house.staff["branch_head"])
    slip.refresh_from_db()
    assert slip.state == "booked" and slip.receipt is not None and slip.receipt.amount_minor == ABOVE
    assert slip.receipt.received_on == slip.day and slip.receipt.actor == box.teller.username
    hold.refresh_from_db()
    assert hold.lifted_at is not None


def test_it_counts_from_the_day_on_which_it_was_handed_over(house: House) -> None:
    yesterday = now() - timedelta(days=1)
    box = till(house, at=yesterday)
    slip = take(house, box, ABOVE, note="sold the car", at=yesterday)
    decide(slip.approval, house.staff["payments"])
    slip.refresh_from_db()
    assert slip.receipt is not None and slip.receipt.received_on == business_date(yesterday)
    events = LoanEvent.objects.filter(receipt_part__receipt=slip.receipt)
    assert {e.effective_on for e in events} == {business_date(yesterday)}


def test_another_branch_does_not_decide_and_who_asked_never_does(house: House) -> None:
    slip = take(house, till(house), ABOVE, note="x")
    head = house.staff["branch_head"]
    head.posts.update(branch=house.other_branch)
    with pytest.raises(Forbidden):
        decide(slip.approval, head)
    head.posts.update(branch=house.branch)
    slip.till.teller.role = "branch_head"
    slip.till.teller.save()
    with pytest.raises(Forbidden) as own:
        decide(slip.approval, slip.till.teller)
    assert code(own) == "own_request"


def test_refused_money_is_given_back_or_asked_about_again(house: House) -> None:
    box = till(house)
    slip = take(house, box, ABOVE, note="x")
    with pytest.raises(Refused) as early:
        slip_give_back(slip, box, reason="wants it back", actor=box.teller)
    assert code(early) == "decision_waits"
    decide(slip.approval, house.staff["branch_head"], grant=False)
    again = slip_ask_again(slip, reason="here is the contract of sale", actor=box.teller)
    assert again.reference != slip.approval
    decide(again.reference, house.staff["branch_head"], grant=False)
    assert Hold.objects.filter(kind="money_here", lifted_at=None).count() == 1, "the money is still here"
    back = slip_give_back(slip, box, reason="wants it back", actor=box.teller)
    assert back.state == "returned" and expected_minor(box) == 100_000 and not Receipt.objects.exists()
    assert not Hold.objects.filter(kind="money_here", lifted_at=None).exists()
    assert slip_give_back(slip, box, reason="again", actor=box.teller).state == "returned" and expected_minor(box) == 100_000
    with pytest.raises(Refused):
        slip_ask_again(slip, reason="x", actor=box.teller)


def test_nobody_decided_in_time_and_the_money_goes_back_from_the_till_of_a_later_day(house: House) -> None:
    day = now() - timedelta(days=9)
    old = till(house, at=day)
    slip = take(house, old, ABOVE, note="x", at=day)
    Approval.objects.filter(reference=slip.approval).update(expires_at=now())
    approvals_expire(now())
    till_count(old, {100: 11_000, 1: 1}, actor=old.teller, at=day)
    new = till(house, 0)
    with pytest.raises(Refused) as empty:
        slip_give_back(slip, new, reason="x", actor=new.teller)
    assert code(empty) == "not_enough_cash"
    take(house, new, 900_000, key="a")
    take(house, new, 900_000, key="b")
    assert slip_give_back(slip, new, reason="x", actor=new.teller).state == "returned"
    assert expected_minor(new) == 1_800_000 - ABOVE


def test_cancelled_is_reversed_exactly(house: House) -> None:
    before = state(house)
    box = till(house)
    slip = take(house, box)
    asked = slip_cancel_ask(slip, reason="the wrong person", actor=box.teller)
    assert state(house) != before and Slip.objects.get().state == "booked"
    with pytest.raises(Forbidden):
        decide(asked.reference, box.teller)
    decide(asked.reference, house.staff["branch_head"])
    slip.refresh_from_db()
    assert slip.state == "cancelled" and slip.receipt is not None
    slip.receipt.refresh_from_db()
    assert slip.receipt.reversed_at is not None and state(house) == before and expected_minor(box) == 100_000
    assert slip.end_reason == "the wrong person" and slip.ended_by == "teller"
    with pytest.raises(Refused):
        slip_cancel_ask(slip, reason="again", actor=box.teller)
    assert take(house, box).number.endswith("000002"), "the number of a cancelled slip is never given again"


def test_after_the_count_a_slip_is_not_cancelled_any_more(house: House) -> None:
    box = till(house)
    slip = take(house, box, 1_000)
    asked = slip_cancel_ask(slip, reason="x", actor=box.teller)
    till_count(box, {100: 1_010}, actor=box.teller)
    slip.till.refresh_from_db()
    with pytest.raises(Refused) as late:
        slip_cancel_ask(slip, reason="y", actor=box.teller)
    assert code(late) == "till_counted"
    with pytest.raises(Refused) as granted:
        decide(asked.reference, house.staff["branch_head"])
    assert code(granted) == "till_counted" and Slip.objects.get().state == "booked"
    with pytest.raises(Refused) as more:
        take(house, box)
    assert code(more) == "till_counted"


def test_somebody_elses_till_and_one_of_yesterday(house: House) -> None:
    box, other = till(house), teller(house, "teller_2")
    from tideover.lending.counter.taking import Paid, payment_take

    with pytest.raises(Forbidden):
        payment_take(box, Paid(house.borrower, "cash", 100), idempotency_key="k", actor=other)
    old = till_open(
        house.branch, float_minor=0, idempotency_key="old", actor=other, at=now() - timedelta(days=1)
    )  # fmt: skip
    with pytest.raises(Refused) as late:
        take(house, old)
    assert code(late) == "till_of_another_day"
    with pytest.raises(Refused) as second:
        till(house, name="teller_2")
    assert code(second) == "till_is_open"
    with pytest.raises(Forbidden):
        till_open(house.other_branch, float_minor=0, idempotency_key="far", actor=box.teller)
    with pytest.raises(Refused):
        till_open(house.branch, float_minor=-1, idempotency_key="neg", actor=other)


@pytest.mark.parametrize("model", [TillMove])
def test_moves_and_counts_are_never_changed(house: House, model: Any) -> None:
    box = till(house)
    take(house, box)
    till_count(box, {100: 5_060}, actor=box.teller)
    for rows in (TillMove.objects.all(), type(Till.objects.get().count).objects.all()):
        for change in (lambda r=rows: r.update(at=now()), lambda r=rows: r.delete()):
            with pytest.raises(DatabaseError), transaction.atomic():
                change()
    till_close(box, bag_number="B1", bag_minor=506_000, vault_minor=0, actor=box.teller)
    assert expected_minor(box) == 0
