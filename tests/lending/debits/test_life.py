"""A debit from the plan to the money: each state, each answer, and what is never done twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from tests.factories import House, debit
from tests.lending.debits.worlds import TODAY, clock, debtor, due_today, in_flight, result
from tideover.core.business_time import now
from tideover.engine.events import EventKind
from tideover.lending.debits import bank
from tideover.lending.debits.answers import answer_apply, file_take, result_take
from tideover.lending.debits.mandates import mandate_withdraw
from tideover.lending.debits.planning import debits_plan
from tideover.lending.debits.selectors import batch_expected, money_in_flight
from tideover.lending.debits.sending import batches_send, folder
from tideover.lending.debits.worker import debits_inquire, files_take
from tideover.lending.models import (
    Debit,
    DebitBatch,
    DebitFile,
    Hold,
    LoanEvent,
    Receipt,
)
from tideover.lending.rules.debit_files import Result, result_read
from tideover.lending.selectors import loan_standing
from tideover.lending.services import event_record


@pytest.fixture(autouse=True)
def transfer(settings: object, tmp_path: Path) -> Iterator[Path]:
    settings.DEBIT_FOLDER = tmp_path  # type: ignore[attr-defined]
    yield tmp_path


def states() -> list[str]:
    return list(Debit.objects.order_by("pk").values_list("state", flat=True))


def journal(contract_id: int) -> list[str]:
    rows = LoanEvent.objects.filter(contract=contract_id, kind=EventKind.DEBIT).order_by("seq")
    return [r.extra["debit_status"] for r in rows if r.extra]


def take(d: Debit, *answers: tuple[str, int, object], source: str = "inquiry", days: int = 0) -> dict[str, int]:
    said = [(d.reference, code, n, at) for code, n, at in answers]
    return result_take(result(*said), source=source, at=clock(19, days), actor="bank")  # type: ignore[arg-type]


def test_from_the_plan_to_the_receipt(house: House, transfer: Path) -> None:
    contract = due_today(house)
    due = loan_standing(contract, TODAY).rows[0].outstanding_minor
    [batch], why_not = debits_plan(house.entity, actor="t", at=clock())
    assert (batch.count, batch.total_minor, states(), why_not) == (1, due, ["drafted"], {})
    assert debits_plan(house.entity, actor="t", at=clock())[0] == []
    assert batches_send(clock()) == 1 and batches_send(clock()) == 0
    d = Debit.objects.get()
    assert d.state == "in_flight" and journal(contract.pk) == ["sent"]
    assert money_in_flight([contract.pk]) == {contract.pk: due}
    assert Hold.objects.get().kind == "debit_in_flight"
    text = (transfer / "out" / f"{batch.number}.txt").read_text("utf-8")
    assert f"|{d.reference}|{d.account.number}|李明|ICBC|{due}|CNY|N|" in text
    assert (transfer / "out" / f"{batch.number}.txt").stat().st_mode & 0o777 == 0o600

    (folder("in") / "r.txt").write_bytes(result((d.reference, "0000", due, clock(23, minute=59)), batch=batch.number))
    [file] = files_take(clock(9, 1))
    d.refresh_from_db()
    assert (file.state, d.state, d.value_date, d.taken_minor) == ("applied", "taken", TODAY, due)
    assert Receipt.objects.values_list("source_reference", "amount_minor", "received_on").get() == (d.reference, due, TODAY)
    assert journal(contract.pk) == ["sent", "success"] and Hold.objects.get().lifted_at is not None
    standing = loan_standing(contract, TODAY + timedelta(days=1))
    assert (standing.days_past_due, standing.penalty_minor, standing.in_flight_minor) == (0, 0, 0)
    assert DebitBatch.objects.get().state == "settled"
    assert [m.after for m in d.moves.order_by("pk")] == ["drafted", "sent", "in_flight", "taken"]
    assert batch_expected(house.entity.pk, due, TODAY + timedelta(days=1)) == batch
    assert batch_expected(house.entity.pk, due - 1, TODAY) is None


def test_the_same_file_again_and_the_same_answer_in_another_file_change_nothing(house: House, transfer: Path) -> None:
    d = in_flight(house, due_today(house))
    for name, batch in (("a", "B1"), ("b", "B1"), ("c", "B2")):
        (transfer / name).write_bytes(result((d.reference, "0000", d.amount_minor, clock()), batch=batch))
        file_take(transfer / name, at=clock(19), actor="t")
    assert DebitFile.objects.count() == 2 and Receipt.objects.count() == 1 and states() == ["taken"]


def test_a_file_cut_in_the_middle_is_refused_whole_and_the_whole_one_counts_once(house: House, transfer: Path) -> None:
    d = in_flight(house, due_today(house))
    data = result((d.reference, "0000", d.amount_minor, clock()))
    for name, part in (("a", data[:-20]), ("b", data)):
        (transfer / name).write_bytes(part)
    refused = file_take(transfer / "a", at=clock(19), actor="t")
    assert refused.state == "refused" and "whole" in refused.problem and states() == ["in_flight"]
    assert file_take(transfer / "b", at=clock(19), actor="t").state == "applied" and states() == ["taken"]


def test_unknown_then_success_three_days_later_costs_the_customer_nothing(house: House) -> None:
    contract = due_today(house, due_on=TODAY - timedelta(days=3))
    d = in_flight(house, contract, clock(18, -3))
    assert take(d, ("9999", 0, None), days=-3) == {"applied": 1}
    assert states() == ["unknown"] and journal(contract.pk) == ["sent", "unknown"]
    assert debits_plan(house.entity, actor="t", at=clock())[1] == {"in_flight": 1}
    assert take(d, ("0000", d.amount_minor, clock(18, -3, 5))) == {"applied": 1}
    s = loan_standing(contract, TODAY)
    assert (s.days_past_due, s.penalty_minor, s.compound_minor) == (0, 0, 0)
    assert Receipt.objects.get().received_on == TODAY - timedelta(days=3)


def test_an_answer_against_what_stands_never_takes_back_and_money_always_counts(house: House) -> None:
    contract = due_today(house)
    d = in_flight(house, contract)
    assert take(d, ("1001", 0, None)) == {"applied": 1} and states() == ["failed"]
    assert take(d, ("1001", 0, None)) == {"repeated": 1}
    assert take(d, ("0000", d.amount_minor, clock())) == {"conflict": 1} and states() == ["taken"]
    assert take(d, ("1001", 0, None)) == {"conflict": 1} and states() == ["taken"]
    assert take(d, ("0000", d.amount_minor, clock())) == {"repeated": 1}
    assert Receipt.objects.count() == 1 and loan_standing(contract, TODAY).rows[0].outstanding_minor == 0
    stranger = Result("D-NOBODY", "0000", 5, clock(), "K")
    assert answer_apply(stranger, source="file", at=clock(), actor="t") == "stranger"


def test_a_part_is_booked_as_it_was_taken(house: House) -> None:
    contract = due_today(house, part_allowed=True)
    d = in_flight(house, contract)
    take(d, ("0001", 1000, clock()))
    d.refresh_from_db()
    assert (d.state, d.reason, d.taken_minor) == ("taken", "taken_in_part", 1000)
    s = loan_standing(contract, TODAY)
    assert s.in_flight_minor == 0 and s.paid_total_minor == 1000


def test_a_fault_of_the_account_puts_it_out_of_use_and_the_next_one_is_asked(house: House) -> None:
    d = in_flight(house, due_today(house))
    take(d, ("1002", 0, None))
    d.account.refresh_from_db()
    assert d.account.fault == "account_closed"
    assert debits_plan(house.entity, actor="t", at=clock())[1] == {"no_more_tries": 1}
    second = in_flight(house, d.contract, clock(10, 5))
    assert (second.attempt, second.account.rank) == (2, 2)


def test_before_it_leaves_each_debit_is_decided_once_more(house: House) -> None:
    paid, halved = due_today(house), due_today(house, "D-2")
    debits_plan(house.entity, actor="t", at=clock())
    assert states() == ["drafted", "drafted"]
    for contract, amount in ((paid, 10**6), (halved, 1000)):
        event_record(
            contract, kind=EventKind.PAYMENT, effective_on=TODAY, amount_minor=amount, idempotency_key=contract.number, actor="t"
        )
    batches_send(clock())
    first, second = Debit.objects.order_by("contract__number")
    assert (first.state, first.reason, journal(paid.pk)) == ("failed", "not_owed", [])
    assert second.state == "in_flight" and second.amount_minor == loan_standing(halved, TODAY).rows[0].outstanding_minor
    assert DebitBatch.objects.get().total_minor == second.amount_minor


def test_a_withdrawn_mandate_stops_what_has_not_left_and_nothing_else(house: House) -> None:
    contract = due_today(house)
    debits_plan(house.entity, actor="t", at=clock())
    mandate_withdraw(debtor(house).mandates.get(), how="app", actor="borrower")
    assert states() == ["failed"] and batches_send(clock()) == 1 and journal(contract.pk) == []
    assert not list(folder("out").glob("*.txt"))
    assert debits_plan(house.entity, actor="t", at=clock())[1] == {}


def test_what_missed_the_cut_off_never_leaves(house: House) -> None:
    due_today(house)
    debits_plan(house.entity, actor="t", at=clock())
    batches_send(clock(23, minute=1))
    assert states() == ["failed"] and Debit.objects.get().reason == "missed_cut_off"
    assert debits_plan(house.entity, actor="t", at=clock(23, minute=2))[1] == {"missed_cut_off": 1}


@pytest.mark.parametrize(("lies_there", "state"), [(True, "in_flight"), (False, "unknown")])
def test_a_worker_that_dies_while_handing_over_sends_nothing_twice(house: House, lies_there: bool, state: str) -> None:
    due_today(house)
    debits_plan(house.entity, actor="t", at=clock())
    batches_send(clock())
    path = next(folder("out").glob("*.txt"))
    Debit.objects.update(state="sent")
    DebitBatch.objects.update(state="handing", lease_owner="dead", lease_until=clock(18) - timedelta(seconds=1))
    if not lies_there:
        path.unlink()
    assert batches_send(clock(18, minute=5)) == 1 and states() == [state]
    assert path.exists() == lies_there
    assert batches_send(clock(18, minute=9)) == 0 and path.exists() == lies_there


def test_never_received_counts_only_after_the_cut_off(house: House, monkeypatch: pytest.MonkeyPatch, settings: object) -> None:
    settings.BANK_ADDRESS = "http://bank"  # type: ignore[attr-defined]
    monkeypatch.setattr(bank, "post", lambda *_: None)
    contract = due_today(house)
    d = in_flight(house, contract)
    assert (d.state, d.reason) == ("unknown", "no_connection")
    monkeypatch.setattr(bank, "inquire", lambda reference: result((reference, "2003", 0, None)))
    assert debits_inquire(clock(18, minute=11)) == 1 and states() == ["unknown"]
    assert debits_inquire(clock(18, minute=12)) == 0
    debits_inquire(clock(0, 1))
    assert states() == ["failed"] and Debit.objects.get().reason == "not_received" and journal(contract.pk)[-1] == "failed"
    again = in_flight(house, contract, clock(10, 5))
    assert again.attempt == 1, "the bank never tried"


def test_a_silent_bank_makes_it_unknown_and_every_question_waits_longer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    d = in_flight(house, due_today(house))
    assert debits_inquire(clock(23)) == 0 and states() == ["in_flight"]
    debits_inquire(clock(12, 1))
    d.refresh_from_db()
    assert (d.state, d.reason) == ("unknown", "no_answer")
    waits = []
    for _ in range(3):
        assert d.inquire_at is not None
        before = d.inquire_at
        debits_inquire(before)
        d.refresh_from_db()
        waits.append(d.inquire_at - before)
    assert waits == sorted(waits) and waits[0] < waits[-1]


def test_the_database_refuses_a_second_debit_of_a_loan(house: House) -> None:
    debit(house.loan, "unknown", reference="D-1")
    with pytest.raises(IntegrityError), transaction.atomic():
        debit(house.loan, "drafted", reference="D-2")
    assert result_read(result())[1] == []


def test_a_failure_is_asked_after_once_and_money_that_left_after_all_is_booked(
    house: House, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    settings.BANK_ADDRESS = "http://bank"  # type: ignore[attr-defined]
    monkeypatch.setattr(bank, "post", lambda *_: b"")
    d = in_flight(house, due_today(house))
    take(d, ("1001", 0, None))
    asked: list[str] = []

    def inquire(reference: str) -> bytes:
        asked.append(reference)
        return result((reference, "0000", d.amount_minor, clock()))

    monkeypatch.setattr(bank, "inquire", inquire)
    assert debits_inquire(clock(23)) == 0 and states() == ["failed"]
    assert debits_inquire(clock(12, 1)) == 1 and states() == ["taken"]
    assert debits_inquire(clock(12, 2)) == 0 and len(asked) == Receipt.objects.count() == 1


def test_a_failure_is_asked_after_until_the_bank_has_said_that_it_stands(
    house: House, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BANK_ADDRESS = "http://bank"  # type: ignore[attr-defined]
    d = in_flight(house, due_today(house))
    take(d, ("1001", 0, None), source="http")
    said: list[bytes | None] = [None, None, result((d.reference, "0000", d.amount_minor, clock()))]
    monkeypatch.setattr(bank, "inquire", lambda reference: said.pop(0))
    for hours in (12, 24, 48):  # twice it does not answer
        debits_inquire(clock(hours, 1))
    assert states() == ["taken"] and Receipt.objects.get().received_on == TODAY and said == []
    assert debits_inquire(clock(60, 1)) == 0


def test_a_failure_that_stands_is_asked_after_once(house: House, settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BANK_ADDRESS = "http://bank"  # type: ignore[attr-defined]
    d = in_flight(house, due_today(house))
    take(d, ("1001", 0, None), source="http")
    monkeypatch.setattr(bank, "inquire", lambda reference: result((reference, "1001", 0, None)))
    assert [debits_inquire(clock(12, n)) for n in (0, 1, 2)] == [0, 1, 0]
    assert states() == ["failed"]


def test_an_answer_that_cannot_be_booked_holds_up_no_other(house: House) -> None:
    first, second = (in_flight(house, due_today(house, n)) for n in ("D-1", "D-2"))
    before = clock(days=-90)  # before its loan began
    data = result((first.reference, "0000", 5, before), (second.reference, "0000", second.amount_minor, clock()))
    assert result_take(data, source="file", at=clock(19), actor="bank") == {"conflict": 1, "applied": 1}
    assert states() == ["in_flight", "taken"] and first.answers.get().effect == "conflict"
    assert [r.source_reference for r in Receipt.objects.all()] == [second.reference]


def test_what_was_drafted_before_a_core_keeps_the_book_never_leaves(house: House) -> None:
    contract = due_today(house)
    debits_plan(house.entity, actor="t", at=clock())
    house.entity.book_mode = "overlay"
    house.entity.save()
    batches_send(clock())
    assert states() == ["failed"] and journal(contract.pk) == []
    assert debits_plan(house.entity, actor="t", at=clock())[1] == {"overlay": 1}


def test_a_planner_that_died_half_way_leaves_a_batch_that_a_sender_takes_over(house: House) -> None:
    contract = due_today(house)
    [batch] = debits_plan(house.entity, actor="t", at=clock())[0]
    DebitBatch.objects.filter(pk=batch.pk).update(lease_owner="dead", lease_until=now() + timedelta(days=2), count=0)
    assert batches_send(clock()) == 0
    DebitBatch.objects.filter(pk=batch.pk).update(lease_until=clock())
    assert batches_send(clock(minute=1)) == 1
    assert states() == ["in_flight"] and DebitBatch.objects.get().count == 1 and money_in_flight([contract.pk])


def test_the_words_that_were_agreed_to_are_kept_with_their_hash(house: House) -> None:
    due_today(house)
    act = debtor(house).mandates.get().acts.get()
    assert hashlib.sha256(act.detail["words"].encode()).hexdigest() == act.detail["sha256"]
