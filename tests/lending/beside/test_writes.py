"""Who writes what beside a core: a test for each row of the table "Who writes" in docs/beside-a-core.md."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import House, debit
from tests.lending.beside.books import MOVEMENTS
from tests.lending.beside.test_held import compared, core_file, overlay
from tideover.core.approvals import approval_decide
from tideover.core.business_time import business_date, now
from tideover.core.models import Approval
from tideover.core.problems import Refused
from tideover.engine.events import Event, EventKind
from tideover.engine.replay import replay
from tideover.engine.standing import Depth
from tideover.engine.terms import day
from tideover.lending import doctor
from tideover.lending.approvals import event_ask
from tideover.lending.beside import doctor as beside_doctor
from tideover.lending.beside.core_link import Answer
from tideover.lending.beside.files import file_take
from tideover.lending.beside.instructions import answer_apply, instruction_request, instructions_heard
from tideover.lending.beside.services import break_mend, broken_get
from tideover.lending.contract_terms import terms_for
from tideover.lending.fees import contracts_with_fees
from tideover.lending.held import standing_replayed
from tideover.lending.journal import engine_events
from tideover.lending.models import Break, Contract, Instruction, Product, Receipt
from tideover.lending.rates import Fixings
from tideover.lending.receipts import services as receipts
from tideover.lending.receipts.correct import receipt_move
from tideover.lending.receipts.refunds import refundable
from tideover.lending.resets import resets_record
from tideover.lending.rules.breaks import figures_of
from tideover.lending.services import event_record

__all__ = ["overlay"]
PAID = 300_00
WITH_INSTRUCTION = MOVEMENTS.rstrip() + "\n  instruction: instruction\n"


def take(house: House, amount: int = PAID, on: date | None = None, key: str = "r", **more: Any) -> Receipt:
    """Money of the borrower that the bank reports, named for T-1."""
    values: dict[str, Any] = {"designation": [{"debt": "T-1", "amount": f"{amount / 100:.2f}"}], **more}
    return receipts.receipt_record(
        party=house.borrower, entity_id=house.entity.pk, amount_minor=amount, received_on=on or business_date(),
        payer=receipts.Payer(), source=receipts.Source("bank"), idempotency_key=key, actor="payments", **values,
    )  # fmt: skip


def movement(house: House, folder: Path, on: date, *rows: str, mapping: str = MOVEMENTS) -> None:
    path = folder / f"mov-{on}.csv"
    more = ",instruction" if mapping is WITH_INSTRUCTION else ""
    path.write_text(f"loan,day,nr,kind,value_date,amount{more}\n" + "".join(f"{r}\n" for r in rows))
    taken = file_take(house.entity, path, mapping, actor="test")
    assert taken.state == "taken", taken.rejects


def core_with(house: House, folder: Path, add: list[Event] | None = None, without: int = 0, number: str = "T-1") -> None:
    """The core's balances of today: of one loan with more events than the journal has, or without one of them."""
    c, today = Contract.objects.select_related("product").get(number=number), business_date()
    rows = list(c.events.order_by("seq"))
    events = [e for e in engine_events(rows) if e.seq != without] + (add or [])
    core, own = (
        figures_of(replay(terms_for(c), events, day(today), None, Depth.TOTALS)),
        figures_of(standing_replayed(c, rows, today)),
    )
    compared(house, core_file(folder, house, today, {number: {n: core[n] - own[n] for n in own}}))


def broken(number: str = "T-1") -> Any:
    return broken_get(list(Break.objects.filter(number=number, closed_at=None).select_related("entity", "contract")))


def paid(number: str = "T-1") -> int:
    """What the journal says was paid on a loan, all in all."""
    c = Contract.objects.select_related("product").get(number=number)
    return standing_replayed(c, list(c.events.order_by("seq")), business_date()).paid_total_minor


def sound() -> None:
    """Receipts add up, the cache is the reader's, nothing is in force unconfirmed."""
    checks = [*doctor.checks(), *beside_doctor.checks()]
    assert not [c for c in checks if not c.ok], [c for c in checks if not c.ok]


def kinds(contract: Contract) -> list[int]:
    return list(contract.events.order_by("seq").values_list("kind", flat=True))


def test_a_receipt_is_booked_at_once_and_the_cores_movement_of_it_is_matched(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    take(overlay)
    movement(overlay, tmp_path, today, f"T-1,{today:%Y%m%d},M1,PAY,{today},300.00")
    core_with(overlay, tmp_path)
    assert not Break.objects.exists() and paid() == PAID
    sound()


def test_a_movement_first_and_the_banks_line_later_are_one_payment(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    value = today - timedelta(days=2)
    movement(overlay, tmp_path, today, f"T-1,{today:%Y%m%d},M1,PAY,{value},300.00")
    core_with(overlay, tmp_path, [Event(99, day(value), EventKind.PAYMENT, amount_minor=PAID)])
    assert break_mend(broken(), actor=overlay.staff["payments"])
    receipt = take(overlay)
    assert (receipt.unapplied_minor, receipt.pinned, paid()) == (0, True, PAID), "the same money"
    [part] = receipt.parts.all()
    assert (part.booked_on, part.steps) == (value, [["core", PAID]]), "on the core's day"
    assert take(overlay, key="other").parts.get().contract.number == "T-1" and paid() == 2 * PAID, "other money of that amount"
    sound()


def test_money_split_over_two_loans_by_the_core_is_one_receipt(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    for number, amount in (("T-1", 100_00), ("T-2", 200_00)):
        event_record(
            Contract.objects.get(number=number), kind=EventKind.PAYMENT, effective_on=today, amount_minor=amount,
            idempotency_key=f"import:{number}", actor="import",
        )  # fmt: skip
    receipt = take(overlay, designation=None)
    assert sorted(receipt.parts.values_list("contract__number", "amount_minor")) == [("T-1", 100_00), ("T-2", 200_00)]
    assert (paid("T-1"), paid("T-2")) == (100_00, 200_00)
    sound()


def test_a_movement_of_money_that_waits_here_is_booked_out_of_it(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    receipt = take(overlay)
    receipt_move(receipt, parts=[], reason="nobody's", actor="payments", party=overlay.borrower)
    movement(overlay, tmp_path, today, f"T-1,{today:%Y%m%d},M1,PAY,{today},300.00")
    core_with(overlay, tmp_path, [Event(99, day(today), EventKind.PAYMENT, amount_minor=PAID)])
    assert break_mend(broken(), actor=overlay.staff["payments"])
    receipt.refresh_from_db()
    assert (receipt.unapplied_minor, receipt.placed_minor, paid()) == (0, PAID, PAID)
    sound()


def test_a_receipt_that_the_core_never_heard_of_is_taken_back_here(overlay: House) -> None:
    receipt = take(overlay)
    receipts.receipt_reverse(receipt, idempotency_key="x", actor="payments")
    receipt.refresh_from_db()
    assert receipt.reversed_at is not None and paid() == 0 and not Instruction.objects.exists()
    sound()


def test_a_receipt_that_the_core_has_is_taken_back_when_the_core_says_so(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    receipt = take(overlay)
    movement(overlay, tmp_path, today, f"T-1,{today:%Y%m%d},M1,PAY,{today},300.00")
    with pytest.raises(Refused, match="ask it to take it back"):
        receipt_move(receipt, parts=[("T-2", PAID)], reason="wrong", actor="payments")
    for _again in range(2):
        receipts.receipt_reverse(receipt, idempotency_key="x", actor="payments")
    asked = Instruction.objects.get()
    receipt.refresh_from_db()
    assert (asked.kind, asked.extra, receipt.reversed_at, paid()) == (EventKind.REVERSAL, {"of_seq": 1}, None, PAID)
    answer_apply(asked, Answer(asked.reference, "confirmed", "CB9"), now())
    instructions_heard(overlay.entity)
    receipt.refresh_from_db()
    assert receipt.reversed_at is not None and paid() == 0
    sound()


def test_money_that_the_core_refuses_to_take_back_stays(overlay: House, tmp_path: Path) -> None:
    receipt = take(overlay)
    core_with(overlay, tmp_path)
    receipts.receipt_reverse(receipt, idempotency_key="x", actor="payments")
    asked = Instruction.objects.get()
    answer_apply(asked, Answer(asked.reference, "rejected", reason="R17"), now())
    instructions_heard(overlay.entity)
    receipt.refresh_from_db()
    assert receipt.reversed_at is None and paid() == PAID
    sound()


def test_money_that_waits_pays_on_its_day(overlay: House) -> None:
    first = Contract.objects.get(number="T-1").first_due_on
    take(overlay, 10_000_00, on=first - timedelta(days=5), designation=None, as_of=first - timedelta(days=5))
    before = Receipt.objects.get().unapplied_minor
    assert before > 0
    assert receipts.held_apply(first + timedelta(days=28)) == 1
    assert Receipt.objects.get().unapplied_minor < before
    sound()


def test_a_debits_money_counts_here_and_is_a_payment_of_the_core(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    d = debit(overlay.loan, amount_minor=PAID)
    take(overlay, debit=d, designation=None)
    movement(overlay, tmp_path, today, f"T-1,{today:%Y%m%d},M1,PAY,{today},300.00")
    core_with(overlay, tmp_path)
    assert not Break.objects.exists() and paid() == PAID
    with pytest.raises(Refused, match="ask it to take it back"):
        event_record(
            overlay.loan, kind=EventKind.CHARGEBACK, effective_on=today, amount_minor=PAID, extra={"of_seq": 1},
            idempotency_key="cb", actor="test",
        )  # fmt: skip
    sound()


@pytest.mark.parametrize(
    ("kind", "amount", "extra", "role"),
    [
        (EventKind.WAIVER, 100, {"component": "interest"}, "branch_head"),
        (EventKind.RATE_CHANGE, 0, {"rate_ppm": 50_000, "later_rows": "reamortise"}, "branch_head"),
        (EventKind.DEFER, 0, {"rows": 1, "defer_interest": "spread"}, "branch_head"),
        (EventKind.CHARGE, 500, {"component": "fee", "until": "2026-12-01"}, "finance"),
        (EventKind.WRITE_OFF, 0, {}, "finance"),
    ],
)
def test_a_change_that_people_decide_leaves_as_an_instruction(
    overlay: House, kind: EventKind, amount: int, extra: dict[str, Any], role: str
) -> None:
    values: dict[str, Any] = {"kind": kind, "effective_on": business_date(), "amount_minor": amount, "extra": extra}
    done = event_ask(overlay.loan, **values, idempotency_key="k", actor=overlay.staff[role], reason="agreed")
    if isinstance(done, Approval):
        approval_decide(done, grant=True, reason="seen", actor=overlay.staff["risk" if role == "finance" else "finance"])
    assert Instruction.objects.get().state == "requested" and not overlay.loan.events.exists()
    with pytest.raises(Refused, match="keeps this loan"):
        event_record(overlay.loan, **values, idempotency_key="j", actor="t")
    sound()


def test_facts_from_outside_are_booked_here(overlay: House) -> None:
    event_record(overlay.loan, kind=EventKind.INSOLVENCY, effective_on=business_date(), idempotency_key="i", actor="legal")
    assert kinds(overlay.loan) == [EventKind.INSOLVENCY]


def test_daily_jobs_charge_no_fee_beside_a_core(overlay: House) -> None:
    Product.objects.update(fees=[{"code": "service"}])
    assert not contracts_with_fees().exists()
    overlay.entity.book_mode = "record"
    overlay.entity.save()
    assert contracts_with_fees().count() == 3


def test_a_reset_by_the_contract_is_followed_here_as_the_core_follows_it(overlay: House) -> None:
    reference = {"index": "lpr_1y", "spread_ppm": 12_500, "reset_months": 3}
    Contract.objects.filter(pk=overlay.loan.pk).update(overrides={"reference": reference})
    loan = Contract.objects.select_related("product", "entity").get(pk=overlay.loan.pk)
    assert len(resets_record(loan, until=date(2026, 4, 20), actor="close", fixings=_Fixed())) == 1
    assert kinds(loan) == [EventKind.RATE_CHANGE] and not Instruction.objects.exists()


class _Fixed(Fixings):
    def rate(self, index: str, on: date) -> int:
        return 30_000


def test_a_balance_of_the_cores_does_not_go_back_from_here(overlay: House) -> None:
    receipt = take(overlay, 15_000_00, designation=[{"debt": "T-1"}])
    assert all(contract is None for contract, _minor in refundable(receipt))


def test_a_payment_moved_to_the_cores_day_stays_its_receipts(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    value = today - timedelta(days=20)
    receipt = take(overlay)
    movement(overlay, tmp_path, today, f"T-1,{today:%Y%m%d},M1,PAY,{value},300.00")
    core_with(overlay, tmp_path, [Event(99, day(value), EventKind.PAYMENT, amount_minor=PAID)], without=1)
    assert Break.objects.first().mend == "move_event"  # type: ignore[union-attr]
    assert break_mend(broken(), actor=overlay.staff["payments"])
    [part] = receipt.parts.filter(ended_at=None)
    assert (part.booked_on, paid()) == (value, PAID)
    sound()


def test_the_core_is_told_of_money_that_it_lacks(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    take(overlay)
    movement(overlay, tmp_path, today)
    core_with(overlay, tmp_path, without=1)
    assert {b.mend for b in Break.objects.all()} == {"tell_core"}
    for _again in range(2):
        assert not break_mend(broken(), actor=overlay.staff["payments"])
    told = Instruction.objects.get()
    assert (told.kind, told.amount_minor, told.event.seq) == (EventKind.PAYMENT, PAID, 1)  # type: ignore[union-attr]
    answer_apply(told, Answer(told.reference, "confirmed", "CB1"), now())
    told.refresh_from_db()
    assert told.state == "confirmed" and kinds(overlay.loan) == [EventKind.PAYMENT], "the journal had it"
    sound()


def test_a_movement_that_names_an_instruction_confirms_it_once(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    row = instruction_request(
        overlay.loan, kind=EventKind.CHARGE, effective_on=today, amount_minor=500, idempotency_key="c", reason="r",
        actor="finance", extra={"component": "fee", "until": "2026-12-01"},
    )  # fmt: skip
    line = f"T-1,{today:%Y%m%d},M1,FEE,{today},5.00,{row.reference}"
    movement(overlay, tmp_path, today, line, mapping=WITH_INSTRUCTION)
    row.refresh_from_db()
    assert (row.state, row.core_reference, kinds(overlay.loan)) == ("confirmed", "M1", [EventKind.CHARGE])
    assert answer_apply(row, Answer(row.reference, "confirmed", "M1"), now()) == ""
    assert kinds(overlay.loan) == [EventKind.CHARGE]
    sound()


def test_a_break_that_an_instruction_explains_waits_for_its_answer(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    extra = {"component": "fee", "until": str(today)}
    row = instruction_request(
        overlay.loan, kind=EventKind.CHARGE, effective_on=today, amount_minor=500, idempotency_key="c", reason="r",
        actor="finance", extra=extra,
    )  # fmt: skip
    core_with(overlay, tmp_path)
    with_movement = {"movements": [{"reference": "M1", "kind": "charge", "on": str(today), "amount_minor": 500}]}
    Break.objects.create(
        entity=overlay.entity, contract=overlay.loan, number="T-1", component="fee", first_on=today, last_on=today,
        amount_minor=500, cause="missing_event", mend="book_movement", mend_with=with_movement, opened_at=now(),
    )  # fmt: skip
    with pytest.raises(Refused, match=row.reference):
        break_mend(broken(), actor=overlay.staff["payments"])
