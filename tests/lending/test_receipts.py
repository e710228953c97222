"""Receipts: unplaced money, debits, placing, and what the database itself refuses."""

from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction

from tests.factories import House
from tideover.core.problems import Refused
from tideover.engine.events import EventKind
from tideover.lending.models import Debit, Receipt
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
    debit = Debit.objects.create(contract=house.second_loan, reference="D-1", amount_minor=300_000, state="in_flight")
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
