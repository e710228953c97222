"""Money that names a quoted loan: exact, by fen, late, in between, twice, taken back, of a debit, and what is over."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.factories import House
from tests.lending.payoff.conftest import TODAY, UNTIL, asked, pay, quote
from tideover.core.models import WorkItem
from tideover.engine.events import EventKind
from tideover.lending.documents.common import loan_on
from tideover.lending.journal import event_append
from tideover.lending.models import Contract, PayoffUse, Receipt
from tideover.lending.receipts.booking import adds_up
from tideover.lending.receipts.services import Payer, Source, held_apply, receipt_place, receipt_record, receipt_reverse
from tideover.lending.selectors import loan_standing, loan_status

LATER = date(2026, 5, 1)
COMPONENTS = ("principal", "interest", "accrued", "penalty", "compound", "fee", "third_party_fee", "recovery_cost")


def nothing_left(contract: Contract, on: date = LATER) -> bool:
    s = loan_standing(contract, on)
    return loan_status(s) == "paid_off" and not any(getattr(s, f"{n}_minor") for n in (*COMPONENTS, "surplus", "payoff"))


def kinds(contract: Contract) -> list[str]:
    return [EventKind(k).name for k in contract.events.order_by("seq").values_list("kind", flat=True)]


def charge(contract: Contract, amount: int, on: date = TODAY, key: str = "fee") -> None:
    event_append(
        contract, kind=EventKind.CHARGE, effective_on=on, amount_minor=amount, idempotency_key=key, actor="a",
        extra={"component": "fee", "until": on.isoformat()},
    )  # fmt: skip


@pytest.mark.parametrize("days", range(8))
def test_the_quoted_sum_closes_the_loan_on_each_of_its_days(house: House, days: int) -> None:
    q, on = quote(house.loan), TODAY + timedelta(days=days)
    receipt = pay(house, asked(q, on), on=on, names=q.number)
    assert nothing_left(house.loan) and kinds(house.loan) == ["PAYOFF"] and receipt.unapplied_minor == 0 and adds_up(receipt)
    [part] = receipt.parts.all()
    assert part.steps == [["payoff", receipt.amount_minor]] and part.booked_on == on
    use = PayoffUse.objects.get()
    assert (use.part, use.rule, use.waived_minor, use.quote.ended) == (part, "exact", 0, "used")
    assert house.second_loan.events.count() == 0, "the other loan was due first, but this one was named"


@pytest.mark.parametrize(
    ("off", "pays", "rule"), [(-2, False, ""), (-1, True, "tolerance"), (1, True, "more"), (2, True, "more")]
)
def test_one_fen_and_two(house: House, off: int, pays: bool, rule: str) -> None:
    q = quote(house.loan)
    receipt = pay(house, asked(q, TODAY) + off, names="T-1")
    assert nothing_left(house.loan) == pays and adds_up(receipt)
    if not pays:
        assert not PayoffUse.objects.exists() and kinds(house.loan) == ["PAYMENT"]
        return
    use = PayoffUse.objects.get()
    assert (use.rule, use.waived_minor, receipt.unapplied_minor) == (rule, max(0, -off), max(0, off))
    assert kinds(house.loan) == (["PAYOFF", "WAIVER"] if off < 0 else ["PAYOFF"])
    if off < 0:
        waiver = house.loan.events.get(kind=EventKind.WAIVER)
        assert waiver.extra["note"] == f"payoff.tolerance:{q.number}" and waiver.amount_minor == 1
    assert not WorkItem.objects.filter(kind="payoff.promise").exists()


def test_a_day_late_is_an_ordinary_payment_and_enough_is_still_enough(house: House) -> None:
    q, late = quote(house.loan), UNTIL + timedelta(days=1)
    receipt = pay(house, asked(q, UNTIL), on=late, names=q.number)
    s = loan_standing(house.loan, late)
    assert 1 < s.payoff_minor < 1_000 and loan_status(s) != "paid_off" and receipt.placed_minor + receipt.unapplied_minor > 0
    receipt_reverse(receipt, idempotency_key="r", actor="p", as_of=late)
    pay(house, asked(q, UNTIL) + s.payoff_minor, on=late, names=q.number, key="enough")
    assert nothing_left(house.loan)


def test_what_is_booked_after_a_quote_does_not_raise_it(house: House) -> None:
    q = quote(house.loan)
    charge(house.loan, 25_000)
    pay(house, asked(q, TODAY), names=q.number)
    assert nothing_left(house.loan)
    use, item = PayoffUse.objects.get(), WorkItem.objects.get(kind="payoff.promise")
    assert (use.rule, use.waived_minor, use.owed_minor) == ("promise", 25_000, asked(q, TODAY) + 25_000)
    assert (item.amount_minor, item.subject_id, item.owner_role) == (25_000, "T-1", "finance")
    assert kinds(house.loan)[-1] == "WAIVER"


def test_a_payment_in_between_lowers_it_and_the_rest_is_the_borrowers(house: House) -> None:
    q = quote(house.loan)
    pay(house, 100_000, names="T-1", key="between")
    receipt = pay(house, asked(q, TODAY), names=q.number)
    assert nothing_left(house.loan) and receipt.unapplied_minor == 100_000 and adds_up(receipt)


def test_what_is_over_waits_and_pays_the_next_instalment_on_its_day(house: House) -> None:
    q = quote(house.loan)
    receipt = pay(house, asked(q, TODAY) + 1_230, names=q.number)
    assert receipt.unapplied_minor == 1_230 and house.second_loan.events.count() == 0
    assert held_apply(date(2026, 2, 19)) == 0
    assert held_apply(date(2026, 2, 20)) == 1, "an instalment of the other loan falls due"
    receipt.refresh_from_db()
    assert receipt.unapplied_minor == 0 and adds_up(receipt) and nothing_left(house.loan)
    assert loan_standing(house.second_loan, date(2026, 2, 20)).paid_total_minor == 1_230


def test_money_taken_back_ends_the_promise(house: House) -> None:
    before = pay(house, 100_000, on=date(2026, 2, 1), names="T-1", key="before")
    q = quote(house.loan)
    receipt_reverse(before, idempotency_key="r", actor="p", as_of=TODAY)
    pay(house, asked(q, TODAY), names=q.number)
    assert loan_standing(house.loan, TODAY).payoff_minor >= 100_000 and not PayoffUse.objects.exists()


def test_a_second_payment_of_the_same_quote_stays_with_the_borrower(house: House) -> None:
    q = quote(house.loan)
    pay(house, asked(q, TODAY), names=q.number)
    count = house.loan.events.count()
    again = pay(house, asked(q, TODAY), names=q.number, key="again")
    house.loan.refresh_from_db()
    assert house.loan.events.count() == count and again.placed_minor + again.unapplied_minor == again.amount_minor
    assert nothing_left(house.loan) and not again.parts.filter(contract=house.loan).exists()


def test_taking_it_back_takes_everything_around_it_back(house: House) -> None:
    q = quote(house.loan)
    charge(house.loan, 25_000)
    as_it_was = loan_standing(house.loan, TODAY)
    receipt = pay(house, asked(q, TODAY) - 1, names=q.number)
    assert nothing_left(house.loan)
    receipt_reverse(receipt, idempotency_key="r", actor="p", as_of=TODAY)
    s = loan_standing(house.loan, TODAY)
    assert (s.payoff_minor, s.fee_minor, s.principal_minor) == (
        as_it_was.payoff_minor, as_it_was.fee_minor, as_it_was.principal_minor,
    )  # fmt: skip
    q.refresh_from_db()
    assert q.ended == "" and PayoffUse.objects.get().ended_at is not None
    pay(house, asked(q, TODAY), names=q.number, key="again")
    assert nothing_left(house.loan) and PayoffUse.objects.filter(ended_at=None).count() == 1


def test_without_a_quote_or_a_name_money_is_divided_as_ever(house: House) -> None:
    owed = loan_standing(house.loan, TODAY).payoff_minor
    pay(house, owed, names="T-1", key="no quote")
    assert "PAYOFF" not in kinds(house.loan)


def test_an_older_quote_still_binds_beside_a_newer_one(house: House) -> None:
    old = quote(house.loan)
    charge(house.loan, 25_000)
    new = quote(house.loan)
    assert asked(new, TODAY) == asked(old, TODAY) + 25_000
    pay(house, asked(old, TODAY), names=old.number)
    assert nothing_left(house.loan) and PayoffUse.objects.get().quote == old


def test_earlier_money_that_is_found_later_is_over(house: House) -> None:
    q = quote(house.loan)
    receipt = pay(house, asked(q, TODAY), names=q.number)
    found = pay(house, 40_000, on=date(2026, 2, 1), names="T-1", key="found")
    assert loan_status(loan_standing(house.loan, LATER)) == "paid_off"
    surplus = loan_standing(house.loan, LATER).surplus_minor
    assert surplus + found.unapplied_minor >= 40_000 and adds_up(receipt) and adds_up(found)


def test_placed_later_it_pays_off_as_of_its_day(house: House) -> None:
    q = quote(house.loan)
    receipt = receipt_record(
        party=None, entity_id=house.entity.pk, amount_minor=asked(q, TODAY), received_on=TODAY, payer=Payer("李明"),
        source=Source("bank"), idempotency_key="n", actor="payments",
    )  # fmt: skip
    receipt_place(
        receipt, party=house.borrower, reason="named in the words", actor="p", designation=[{"debt": q.number}], as_of=LATER
    )
    assert nothing_left(house.loan) and PayoffUse.objects.get().on == TODAY


def test_two_loans_named_with_sums(house: House) -> None:
    q = quote(house.loan)
    amount = asked(q, TODAY)
    receipt = receipt_record(
        party=house.borrower, entity_id=house.entity.pk, amount_minor=amount + 70_000, received_on=TODAY, payer=Payer(),
        source=Source("counter"), idempotency_key="two", actor="payments", as_of=TODAY,
        designation=[{"debt": "T-2", "amount": "700.00"}, {"debt": q.number}],
    )  # fmt: skip
    assert nothing_left(house.loan) and Receipt.objects.get(pk=receipt.pk).unapplied_minor == 0
    assert (
        loan_standing(house.second_loan, TODAY).paid_total_minor + loan_standing(house.second_loan, TODAY).surplus_minor == 70_000
    )


def test_the_loan_reads_as_paid_off_in_documents(house: House) -> None:
    q = quote(house.loan)
    pay(house, asked(q, TODAY), names=q.number)
    loan = Contract.objects.select_related("product", "entity", "branch", "borrower").get(pk=house.loan.pk)
    assert loan_status(loan_on(loan, TODAY, "en").standing) == "paid_off"


def test_a_pay_off_with_arrears_stands_whatever_comes_later(house: House) -> None:
    late = date(2026, 3, 5)
    q = quote(house.loan, until=late, today=late)
    receipt = pay(house, asked(q, late), on=late, names=q.number)
    assert nothing_left(house.loan)
    for n, on in enumerate((late, date(2026, 2, 22))):
        pay(house, 50_000, on=on, key=f"later{n}")
    receipt.refresh_from_db()
    [part] = receipt.parts.all()
    assert loan_status(loan_standing(house.loan, LATER)) == "paid_off" and part.ended_at is None
    assert (part.amount_minor, receipt.waiting) == (receipt.amount_minor, False)
