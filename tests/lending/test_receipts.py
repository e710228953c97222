"""Receipts: unplaced money, debits, placing, and what the database itself refuses."""

from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils.translation import override

from tests.factories import House
from tests.factories import debit as a_debit
from tideover.core.approvals import approval_decide, kind_of
from tideover.core.models import Approval, WorkItem
from tideover.core.problems import Refused
from tideover.engine.events import EventKind
from tideover.lending.models import LoanParty, Receipt, Refund
from tideover.lending.receipts.correct import receipt_move, receipt_move_ask
from tideover.lending.receipts.payer import alert_close, watch_list_load
from tideover.lending.receipts.refunds import refund_ask, refund_move, refundable
from tideover.lending.receipts.screening import release_ask
from tideover.lending.receipts.services import Payer, Source, receipt_place, receipt_record, receipt_reverse
from tideover.lending.selectors import loan_standing

ON = date(2026, 2, 25)


def take(house: House, amount: int, *, on: date = ON, key: str = "r", nobody: bool = False, **more: object) -> Receipt:
    return receipt_record(
        party=None if nobody else house.borrower, entity_id=house.entity.pk, amount_minor=amount, received_on=on,
        payer=Payer(), source=Source("bank"), idempotency_key=key, actor="payments", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_unplaced_money_is_nobodys_until_it_is_placed(house: House) -> None:
    receipt = take(house, 500_000, nobody=True)
    assert (receipt.party, receipt.unapplied_minor, receipt.parts.count()) == (None, 500_000, 0)
    with pytest.raises(Refused, match="say how you know"):
        receipt_place(receipt, party=house.borrower, reason=" ", actor="payments")
    placed = receipt_place(receipt, party=house.borrower, reason="account known", actor="payments")
    assert placed.placed_minor == sum(p.amount_minor for p in placed.parts.all()) == 500_000
    assert loan_standing(house.loan, ON).paid_total_minor + loan_standing(house.second_loan, ON).paid_total_minor == 500_000
    with pytest.raises(Refused, match="placed or taken back already"):
        receipt_place(receipt, party=house.other_borrower, reason="no", actor="payments")


def test_a_designation_of_nobodys_money_is_refused(house: House) -> None:
    with pytest.raises(Refused, match="name no loans"):
        take(house, 100, nobody=True, designation=[{"debt": "T-1"}])


def test_the_money_of_a_debit_counts_once(house: House) -> None:
    debit = a_debit(house.second_loan, "in_flight", 300_000)
    receipt = take(house, 300_000, debit=debit)
    [event] = house.second_loan.events.all()
    assert (event.kind, event.extra) == (EventKind.DEBIT, {"debit_id": "D-1", "debit_status": "success"})
    assert loan_standing(house.second_loan, ON).paid_total_minor == 300_000
    assert house.loan.events.count() == 0
    assert take(house, 300_000, debit=debit) == receipt
    with pytest.raises(Refused, match="is here already"):
        take(house, 300_000, debit=debit, key="again")
    receipt_reverse(receipt, idempotency_key="rr", actor="payments")
    take(house, 300_000, debit=debit, key="after the return")
    assert loan_standing(house.second_loan, ON).paid_total_minor == 300_000
    with pytest.raises(Refused, match="not theirs"):
        receipt_record(
            party=house.other_borrower, entity_id=house.entity.pk, amount_minor=1, received_on=ON, payer=Payer(),
            source=Source("debit"), idempotency_key="x", actor="payments", debit=debit,
        )  # fmt: skip


def test_the_database_refuses_a_receipt_that_does_not_add_up(house: House) -> None:
    receipt = take(house, 500_000)
    for change in ("unapplied_minor = unapplied_minor + 1", "placed_minor = 0", "refunded_minor = -1, placed_minor = 500001"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE lending_receipt SET {change} WHERE id = {receipt.pk}")


def came(contract: Any) -> int:
    """What came in on a loan, held money too."""
    s = loan_standing(contract, ON)
    return s.paid_total_minor + s.surplus_minor


def payer_take(
    house: House, name: str, amount: int = 100_000, key: str = "p", account: str = "", on: date = ON, who: Any = None
) -> Receipt:  # fmt: skip
    return receipt_record(
        party=who or house.borrower, entity_id=house.entity.pk, amount_minor=amount, received_on=on,
        payer=Payer(name, account), source=Source("bank"), idempotency_key=key, actor="payments",
    )  # fmt: skip


def decide(house: House, approval: Any, role: str) -> Any:
    return approval_decide(approval, grant=True, reason="seen", actor=house.staff[role])


def test_a_payer_is_compared_by_name(house: House) -> None:
    LoanParty.objects.create(contract=house.loan, party=house.other_borrower, role="guarantor_joint", valid_from=ON)
    said = [
        ("李明", "borrower"), (" 李　明", "borrower"), ("李*", "borrower"), ("王芳", "guarantor"), ("＊芳", "guarantor"),
        ("", "unknown"), ("赵*", "unknown"), ("赵强", "third_party"),
    ]  # fmt: skip
    for n, (name, who) in enumerate(said):
        assert payer_take(house, name, key=f"n{n}").payer_is == who, name


def test_third_parties_are_accepted_and_looked_at(house: House) -> None:
    kinds = []
    for n in range(3):
        receipt = payer_take(house, "赵强", key=f"z{n}", account="6222 0001", on=date(2026, 3, 1 + n))
        assert receipt.placed_minor == 100_000
        kinds.append(sorted(receipt.alerts.values_list("kind", flat=True)))
    assert kinds == [["third_party"], ["third_party"], ["repeated", "third_party"]]
    other = payer_take(house, "赵强", key="o", who=house.other_borrower, on=date(2026, 3, 9))
    assert sorted(other.alerts.values_list("kind", flat=True)) == ["many_borrowers", "third_party"]
    same_account = payer_take(house, "Zhao Q.", key="q", account="62220001", who=house.other_borrower, on=date(2026, 3, 9))
    assert "many_borrowers" in same_account.alerts.values_list("kind", flat=True)
    alert = other.alerts.first()
    assert alert is not None
    with pytest.raises(Refused, match="say what you found"):
        alert_close(alert, outcome="plain", note="", actor=house.staff["compliance"])
    alert_close(alert, outcome="explained", note="their shop", actor=house.staff["compliance"])
    with pytest.raises(Refused, match="closed already"):
        alert_close(alert, outcome="plain", note="x", actor=house.staff["compliance"])


def test_a_watch_list_stops_the_booking_until_a_second_person_decides(house: House) -> None:
    with pytest.raises(Refused, match="line 3"):
        watch_list_load("un", b"name,reference\nBad Man,1\n*,2\n", actor="compliance")
    watch_list_load("un", "name,reference\nEvil Zhao,UN-1\n赵恶,UN-2\n".encode(), actor="compliance")
    receipt = payer_take(house, "ZHAO, evil")
    assert (receipt.screening, receipt.party, receipt.meant_for, receipt.placed_minor) == ("hit", None, house.borrower, 0)
    assert WorkItem.objects.get(kind="receipt.screen").owner_role == "compliance"
    for refused in (
        lambda: receipt_place(receipt, party=house.borrower, reason="x", actor="payments"),
        lambda: receipt_move(receipt, parts=[("T-1", 1)], reason="x", actor="payments"),
        lambda: refund_ask(receipt, amount_minor=1, reason="x", actor=house.staff["payments"]),
    ):
        with pytest.raises(Refused):
            refused()
    approval = release_ask(receipt, what="release", reason="another person of that name", actor=house.staff["payments"])
    with pytest.raises(Refused):
        decide(house, approval, "payments")
    decide(house, approval, "compliance")
    receipt.refresh_from_db()
    assert (receipt.screening, receipt.party, receipt.placed_minor) == ("released", house.borrower, 100_000)
    assert WorkItem.objects.get(kind="receipt.screen").done_at is not None
    watch_list_load("un", b"name\nSomebody Else\n", actor="compliance")
    assert payer_take(house, "赵恶", key="free").screening == "clear"


def test_the_wrong_loan_and_the_wrong_person_are_corrected_as_one_act(house: House) -> None:
    receipt = take(house, 500_000, designation=[{"debt": "T-1"}])
    assert came(house.loan) > came(house.second_loan)
    receipt_move(receipt, parts=[("T-2", 500_000)], reason="named wrongly", actor="payments")
    assert (came(house.loan), came(house.second_loan)) == (0, 500_000)
    take(house, 10_000, on=date(2026, 2, 21), key="earlier")  # a pinned receipt is not moved
    assert [(p.contract.number, p.steps) for p in receipt.parts.filter(ended_at=None)] == [("T-2", [["by_hand", 500_000]])]
    receipt_move(receipt, parts=[("T-3", 450_000)], reason="another person's", actor="payments")
    receipt.refresh_from_db()
    assert (receipt.party, receipt.placed_minor, receipt.unapplied_minor) == (house.other_borrower, 450_000, 50_000)
    assert came(house.other_loan) == 450_000
    receipt_move(receipt, parts=[], reason="nobody's after all", actor="payments")
    receipt.refresh_from_db()
    assert (receipt.party, receipt.unapplied_minor, receipt.pinned) == (None, 500_000, False)
    for parts, why in (
        ([("T-1", 1), ("T-3", 1)], "different people"), ([("T-9", 1)], "no loan T-9"), ([("T-1", 0)], "above zero"),
        ([("T-1", 500_001)], "500000 minor units to place"), ([("T-1", 1), ("T-1", 2)], "each loan once"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=why):
            receipt_move(receipt, parts=parts, reason="x", actor="payments")


def test_a_large_correction_waits_for_a_second_person(house: House) -> None:
    receipt = take(house, 10_000_000, designation=[{"debt": "T-1", "amount": "5000.00"}])
    asked = receipt_move_ask(receipt, parts=[("T-2", 10_000_000)], reason="T-2 was meant", actor=house.staff["payments"])
    assert isinstance(asked, Approval)
    with override("zh-hans"):
        shown = list(kind_of("receipt.move").show(asked))
    assert [(x.what, x.then) for x in shown[1:3]] == [("贷款 T-1", "¥0.00"), ("贷款 T-2", "¥100,000.00")]
    decide(house, asked, "finance")
    assert {(p.contract.number, p.amount_minor) for p in receipt.parts.filter(ended_at=None)} == {("T-2", 10_000_000)}


def test_money_goes_back_only_to_its_account_and_by_two_people(house: House) -> None:
    payments = house.staff["payments"]
    with pytest.raises(Refused, match="from which account"):
        refund_ask(payer_take(house, "李明", 5_000_000, "none"), amount_minor=1, reason="over", actor=payments)
    receipt = payer_take(house, "李明", 5_000_000, "big", account="6222000100020003")
    with pytest.raises(Refused, match="could go back"):
        refund_ask(receipt, amount_minor=5_000_001, reason="over", actor=payments)
    asked = refund_ask(receipt, amount_minor=1_000_000, reason="paid too much", actor=payments)
    with pytest.raises(Refused):
        decide(house, asked, "payments")
    decide(house, asked, "finance")
    receipt.refresh_from_db()
    refund = Refund.objects.get()
    assert (refund.state, receipt.refunding_minor) == ("approved", refund.unapplied_minor)
    with pytest.raises(Refused, match="went back to its payer"):
        receipt_reverse(receipt, idempotency_key="no", actor="payments")
    for state in ("sent", "gone", "gone"):
        refund_move(refund, state, actor="payments")
        refund.refresh_from_db()
    receipt.refresh_from_db()
    assert (receipt.refunding_minor, receipt.refunded_minor) == (0, refund.unapplied_minor)
    refund_move(refund, "returned", actor="payments", reason="account closed")
    receipt.refresh_from_db()
    assert (receipt.refunded_minor, receipt.placed_minor + receipt.unapplied_minor) == (0, 5_000_000)
    with pytest.raises(Refused, match="cannot become"):
        refund_move(Refund.objects.get(), "sent", actor="payments")


def test_a_credit_balance_goes_back_through_the_journal(house: House) -> None:
    receipt = payer_take(house, "李明", 2_000_000, "held", account="6222000100020003")
    receipt_move(receipt, parts=[("T-1", 2_000_000)], reason="all on one", actor="payments")
    receipt.refresh_from_db()
    [(contract, held)] = refundable(receipt)
    assert contract == house.loan
    asked = refund_ask(receipt, amount_minor=held, reason="their money", actor=house.staff["payments"])
    decide(house, asked, "finance")
    late = date(2027, 1, 1)
    assert loan_standing(house.loan, late).surplus_minor == 0
    assert refundable(receipt) == []
    with pytest.raises(Refused, match="went back"):
        receipt_move(receipt, parts=[("T-2", 1)], reason="x", actor="payments")
    refund_move(Refund.objects.get(), "returned", actor="payments")
    assert loan_standing(house.loan, late).surplus_minor == held
    assert [EventKind(e.kind) for e in house.loan.events.order_by("seq")][-2:] == [EventKind.CREDIT_REFUND, EventKind.REVERSAL]


def test_what_another_payer_left_on_a_loan_is_not_sent_to_this_account(house: House) -> None:
    used = payer_take(house, "李明", 300_000, "used", account="6222000100020003")
    receipt_move(used, parts=[("T-1", 300_000)], reason="named it", actor="payments")
    other = payer_take(house, "赵强", 2_000_000, "other", account="6222000100020009")
    receipt_move(other, parts=[("T-1", 2_000_000)], reason="named it", actor="payments")
    used.refresh_from_db()
    assert refundable(used) == [] and refundable(other)[0][0] == house.loan
