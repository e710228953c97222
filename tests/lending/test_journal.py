"""The journal: keys, chain, triggers, cut-off, scope and secrets, on the test database."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from tests.factories import House
from tideover.core import action_log
from tideover.core.problems import IdempotencyConflict, NotFound, Refused
from tideover.engine.events import EventKind
from tideover.lending import clock, triggers
from tideover.lending.journal import chain_break, event_append
from tideover.lending.models import LoanEvent, Party, StandingRow
from tideover.lending.receipts.services import Payer, Source, receipt_record, receipt_reverse
from tideover.lending.selectors import contract_get, contracts_visible, loan_standing
from tideover.lending.services import event_record

TODAY = date(2026, 3, 5)


def pay(house: House, amount: int = 100_000, key: str = "k1", on: date = TODAY) -> LoanEvent:
    return event_record(
        house.loan, kind=EventKind.PAYMENT, effective_on=on, amount_minor=amount, idempotency_key=key, actor="payments"
    )


def test_same_key_same_body_is_one_event(house: House) -> None:
    assert pay(house).pk == pay(house).pk
    assert house.loan.events.count() == 1


def test_same_key_other_body_is_refused(house: House) -> None:
    pay(house)
    with pytest.raises(IdempotencyConflict):
        pay(house, amount=100_001)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount_minor": 0}, "amount_not_positive"),
        ({"effective_on": date(2025, 1, 1)}, "before_disbursement"),
        ({"kind": EventKind.REVERSAL, "amount_minor": 0, "extra": {"of_seq": 9}}, "unknown_event"),
        ({"extra": {"colour": 1}}, "bad_event"),
    ],
)
def test_what_cannot_happen_is_refused_and_changes_nothing(house: House, change: dict, code: str) -> None:
    given = {
        "kind": EventKind.PAYMENT, "effective_on": TODAY, "amount_minor": 100, "idempotency_key": "x", "actor": "a", **change,
    }  # fmt: skip
    with pytest.raises(Refused) as caught:
        event_append(house.loan, **given)
    assert caught.value.problems[0].code == code
    assert house.loan.events.count() == 0


def test_reversing_twice_is_refused(house: House) -> None:
    first = pay(house)
    reverse = {"kind": EventKind.REVERSAL, "effective_on": TODAY, "extra": {"of_seq": first.seq}, "actor": "a"}
    event_append(house.loan, idempotency_key="r1", **reverse)
    with pytest.raises(Refused, match="reversed already"):
        event_append(house.loan, idempotency_key="r2", **reverse)


def test_chain_is_whole_and_a_changed_cent_breaks_it(house: House) -> None:
    for n in range(5):
        pay(house, key=f"k{n}")
    assert chain_break(house.loan) is None
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER lending_loanevent_no_update" + _on_table())
        cursor.execute("UPDATE lending_loanevent SET amount_minor = amount_minor + 1 WHERE seq = 3")
    assert chain_break(house.loan) == 3
    connection.check_constraints()  # PostgreSQL alters no table that has deferred checks waiting
    triggers.install()


def _on_table() -> str:
    return " ON lending_loanevent" if connection.vendor == "postgresql" else ""


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE lending_loanevent SET amount_minor = 1",
        "DELETE FROM lending_loanevent",
        "UPDATE core_actionlog SET actor = 'x'",
        "DELETE FROM core_actionlog",
    ],
)
def test_the_database_refuses_to_rewrite_history(house: House, sql: str) -> None:
    pay(house)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="INSERT OR REPLACE exists on SQLite alone")
def test_sqlite_refuses_insert_or_replace(house: House) -> None:
    pay(house)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT OR REPLACE INTO lending_loanevent SELECT * FROM lending_loanevent")


def test_all_triggers_stand(house: House) -> None:
    assert triggers.installed() == triggers.expected(connection.vendor)


def test_nothing_is_stamped_at_or_below_a_cut_off(house: House) -> None:
    pay(house, key="before")
    cut = clock.cut_off_take()
    after = pay(house, key="after")
    assert after.recorded_at > cut >= house.loan.events.get(idempotency_key="before").recorded_at
    assert clock.cut_off_take() >= cut


def test_standing_of_a_past_day_and_as_known_then(house: House) -> None:
    first = pay(house, amount=406_000, key="late", on=date(2026, 2, 20))
    assert loan_standing(house.loan, date(2026, 3, 5)).days_past_due == 0
    before = first.recorded_at - timedelta(microseconds=1)
    assert loan_standing(house.loan, date(2026, 3, 5), before).days_past_due == 13
    assert StandingRow.objects.get(contract=house.loan).principal_minor == 800_000


def test_a_receipt_is_divided_and_reversed_as_one_act(house: House) -> None:
    on = date(2026, 2, 25)
    receipt = receipt_record(
        party=house.borrower, entity_id=house.entity.pk, amount_minor=900_000, received_on=on,
        payer=Payer(), source=Source("bank"),
        idempotency_key="r", actor="payments",
    )  # fmt: skip
    parts = sum(p.amount_minor for p in receipt.parts.all())
    assert parts + receipt.unapplied_minor == 900_000
    assert receipt.parts.count() == 2
    receipt_reverse(receipt, idempotency_key="rr", actor="payments")
    receipt_reverse(receipt, idempotency_key="rr", actor="payments")
    for contract in (house.loan, house.second_loan):
        contract.refresh_from_db()
        assert contract.events.count() == 2
        assert loan_standing(contract, on).overdue_principal_minor == 400_000
        assert chain_break(contract) is None


def test_scope(house: House) -> None:
    seen = {role: set(contracts_visible(user, TODAY).values_list("number", flat=True)) for role, user in house.staff.items()}
    assert seen["risk"] == {"T-1", "T-2", "T-3"}
    assert seen["branch_head"] == {"T-1", "T-2"}
    assert seen["customer_manager"] == {"T-1"}
    assert seen["borrower"] == {"T-1", "T-2"}
    with pytest.raises(NotFound):
        contract_get(house.staff["borrower"], "T-3", TODAY)


def test_personal_fields_are_unreadable_in_the_database_and_found_by_hash(house: House) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, phone, id_number FROM lending_party WHERE reference = 'P-0001'")
        raw = b"".join(bytes(v) for v in cursor.fetchone())
    assert "李明".encode() not in raw and b"19900000001" not in raw
    from tideover.core.crypto import search_hash

    assert Party.objects.get(phone_hash=search_hash("199-0000 0001")).name == "李明"
    assert house.borrower.masked_name == "李*"


def test_action_log_is_a_whole_chain(house: House) -> None:
    pay(house)
    assert action_log.first_break() is None
