"""What statements do to debits, refunds and quotes: a batch's one line is no receipt, a refund leaves and comes back by lines."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.factories import House
from tests.lending.debits.worlds import TODAY, clock, due_today, result
from tests.lending.statements.samples import ACCOUNT, Paid, camt
from tideover.core.approvals import approval_decide
from tideover.core.models import ActionLog
from tideover.core.problems import Refused
from tideover.lending.debits.answers import result_take
from tideover.lending.debits.planning import debits_plan
from tideover.lending.debits.sending import batches_send
from tideover.lending.desk.kinds import KINDS
from tideover.lending.models import BankLine, Debit, DebitBatch, Match, Receipt, Refund
from tideover.lending.receipts.refunds import refund_ask, refund_move
from tideover.lending.receipts.services import Payer, Source, receipt_record
from tideover.lending.rules.bank_match import Quote
from tideover.lending.statements import facts
from tideover.lending.statements.correct import line_become, settlements_look
from tideover.lending.statements.services import account_open, statement_import

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def account(house: House, settings: object, tmp_path: Path) -> None:
    settings.DEBIT_FOLDER = tmp_path  # type: ignore[attr-defined]
    account_open(entity=house.entity, number=ACCOUNT, name="x", bank="", opened_on=TODAY - timedelta(days=900), actor="t")


def yuan(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


def says(*paid: Paid, day: int = 0) -> list[tuple[str, str]]:
    """Take a statement of a day from today in; what its lines are now, in their order."""
    on = f"{TODAY + timedelta(days=day)}"
    file = statement_import(camt(*paid, day=on, opening="900000.00"), "a", actor="ops")
    return [(m.kind, m.of) for m in Match.objects.filter(line__file=file, undone_at=None).order_by("line__pk")]


def sent(house: House, *numbers: str, days: int = 0) -> tuple[DebitBatch, list[Debit]]:
    """A batch of loans that fall due on its day, and its debits; the bank has it."""
    for number in numbers:
        due_today(house, number, due_on=TODAY + timedelta(days=days))
    [batch] = debits_plan(house.entity, actor="t", at=clock(days=days))[0]
    batches_send(clock(days=days))
    return batch, list(batch.debits.order_by("pk"))


def took(*debits: Debit, days: int = 0) -> None:
    """The bank says that it took them."""
    said = [(d.reference, "0000", d.amount_minor, clock(19, days)) for d in debits]
    result_take(result(*said), source="file", at=clock(20, days), actor="bank")


def test_the_one_line_of_a_batch_is_no_receipt_again_and_credits_it(house: House) -> None:
    batch, debits = sent(house, "D-1", "D-2")
    took(*debits)
    total = sum(d.amount_minor for d in debits)
    line = Paid(yuan(total), "代扣业务清算", "示例银行待清算", "0001", id="S1")
    assert says(line, Paid("5.00", "x", "赵先生", "6217", id="S2")) == [("settlement", batch.number), ("suspense", "")]
    batch.refresh_from_db()
    assert (batch.taken_minor, batch.credited_minor, batch.credited_on) == (total, total, TODAY)
    assert batch.credited_by == BankLine.objects.get(amount_minor=total).reference
    assert sorted(Receipt.objects.values_list("source_kind", flat=True)) == ["bank", "debit", "debit"]
    # the same amount again is nobody's: the batch is credited once
    assert says(Paid(yuan(total), "代扣业务清算", "示例银行待清算", "0001", id="S9"), day=0) == [("suspense", "")]


def test_a_borrower_who_pays_by_hand_what_a_debit_took_is_no_settlement(house: House) -> None:
    _batch, debits = sent(house, "D-1")
    took(*debits)
    amount = yuan(debits[0].amount_minor)
    by_hand = [
        Paid(amount, "代扣失败，自己还", "李明", "6217000011112222", id="S1"),
        Paid(amount, "代扣失败，自己还", "李*", "6217000011112223", id="S2"),
        Paid(amount, "还款", "王五", "6217000011112224", id="S3"),
        Paid(amount, "代扣 D-1", "", "", id="S4"),
    ]
    assert "settlement" not in {kind for kind, _ in says(*by_hand)}
    assert DebitBatch.objects.get().credited_minor == 0


def test_what_the_bank_took_late_comes_by_a_second_line(house: House) -> None:
    batch, (first, second) = sent(house, "D-1", "D-2")
    took(first)
    assert says(Paid(yuan(first.amount_minor), "批量代收", "", "", id="S1")) == [("settlement", batch.number)]
    took(second)
    assert says(Paid(yuan(second.amount_minor), f"补 {batch.number}", "示例银行", "1", id="S2")) == [("settlement", batch.number)]
    batch.refresh_from_db()
    assert (batch.state, batch.credited_minor) == ("settled", batch.taken_minor)


def test_a_line_that_comes_before_the_results_waits_for_them(house: House) -> None:
    batch, debits = sent(house, "D-1")
    line = Paid(yuan(debits[0].amount_minor), "代扣清算", "示例银行", "1", id="S1")
    assert says(line) == [("suspense", "")] and settlements_look(TODAY, actor="worker") == 0
    took(*debits)
    assert settlements_look(TODAY, actor="worker") == 1 and settlements_look(TODAY, actor="worker") == 0
    assert Match.objects.get(undone_at=None).of == batch.number
    assert [r.source_kind for r in Receipt.objects.filter(reversed_at=None)] == ["debit"]


def test_a_line_that_names_its_batch_needs_no_results_and_can_be_corrected(house: House) -> None:
    batch, debits = sent(house, "D-1")
    assert says(Paid(yuan(debits[0].amount_minor), batch.number, id="S1")) == [("settlement", batch.number)]
    line = BankLine.objects.get()
    assert line_become(line, kind="suspense", reason="it is another's", actor="ops").receipt is not None
    batch.refresh_from_db()
    assert (batch.credited_minor, batch.credited_on, batch.credited_by) == (0, None, "")
    with pytest.raises(Refused, match="name the batch"):
        line_become(line, kind="settlement", of="B-NONE", reason="x", actor="ops")
    line_become(line, kind="settlement", of=batch.number, reason="the bank says so", actor="ops")
    batch.refresh_from_db()
    assert batch.credited_minor == line.amount_minor
    assert not Receipt.objects.filter(reversed_at=None).exists()


def test_a_batch_whose_money_never_comes_is_a_row_of_payments_operations(house: House) -> None:
    user = house.staff["payments"]

    def rows() -> list[tuple[int, object]]:
        [kind] = [k for k in KINDS if k.target == "debits_uncredited"]
        found = kind.found(user, TODAY)
        return [(found["n"], found["total"])]

    batch, debits = sent(house, "D-1", days=-3)
    took(*debits, days=-3)
    client = Client()
    client.force_login(user)
    assert rows() == [(1, debits[0].amount_minor)]
    assert batch.number in client.get("/debits?batches=uncredited").text
    says(Paid(yuan(debits[0].amount_minor), "代收", "示例银行", "1", id="S1"), day=-2)
    assert rows() == [(0, None)]
    assert batch.number not in client.get("/debits?batches=uncredited").text
    assert "not seen in a statement yet" not in client.get(f"/debits/batches/{batch.number}").text


@pytest.fixture
def refund(house: House) -> Refund:
    """Money of nobody that goes back to its account: asked, and decided by a second person."""
    says(Paid("500.00", "?", "赵先生", "6217000099990000", id="S1"), day=-5)
    asked = refund_ask(Receipt.objects.get(), amount_minor=50_000, reason="not ours", actor=house.staff["payments"])
    approval_decide(asked, grant=True, reason="seen", actor=house.staff["finance"])
    return Refund.objects.get()


def state(refund: Refund) -> tuple[str, int, int, int]:
    refund.refresh_from_db()
    r = Receipt.objects.get(pk=refund.receipt_id)
    return refund.state, r.refunding_minor, r.refunded_minor, r.unapplied_minor


OUT = Paid("500.00", "退款", "赵先生", "6217000099990000", id="S2", out=True)
BACK = Paid("500.00", "退汇 账户已销户", "赵先生", "6217000099990000", id="S3")


def test_a_refund_goes_and_comes_back_by_lines_of_the_bank(house: House, refund: Refund) -> None:
    assert state(refund) == ("approved", 50_000, 0, 0)
    assert says(OUT, day=-2) == [("refund", refund.reference)]
    assert state(refund) == ("gone", 0, 50_000, 0)
    assert refund.ended_on == TODAY - timedelta(days=2) and refund.bank_reference.startswith("L-")
    assert says(Paid("500.00", "退款", "赵先生", "6217000099990000", id="S8", out=True), day=-1) == [("other", "")]
    assert says(BACK, day=-1) == [("returned_out", refund.reference)]
    assert state(refund) == ("returned", 0, 0, 50_000)
    with pytest.raises(Refused, match="came back by this line"):
        line_become(BankLine.objects.get(bank_id="S3"), kind="suspense", reason="x", actor="ops")


def test_a_refund_is_found_by_its_number_where_two_go_to_one_account(house: House, refund: Refund) -> None:
    says(Paid("500.00", "?", "赵先生", "6217000099990000", id="T1"), day=-4)
    asked = refund_ask(Receipt.objects.latest("pk"), amount_minor=50_000, reason="nor this", actor=house.staff["payments"])
    approval_decide(asked, grant=True, reason="seen", actor=house.staff["finance"])
    assert says(OUT, day=-2) == [("other", "")]
    named = Paid("500.00", f"退款 {refund.reference}", "赵先生", "6217000099990000", id="S5", out=True)
    assert says(named, day=-1) == [("refund", refund.reference)] and state(refund)[0] == "gone"


def test_a_return_that_is_told_before_the_refund_went(house: House, refund: Refund) -> None:
    assert says(BACK, OUT, day=-2) == [("returned_out", refund.reference), ("refund", refund.reference)]
    assert state(refund) == ("returned", 0, 0, 50_000)


def test_a_line_that_was_taken_for_a_refund_can_be_corrected(house: House, refund: Refund) -> None:
    says(OUT, day=-2)
    line = BankLine.objects.get(bank_id="S2")
    line_become(line, kind="fee", reason="it was rent", actor="ops")
    assert state(refund) == ("sent", 50_000, 0, 0)
    with pytest.raises(Refused, match="same amount"):
        line_become(line, kind="refund", of="B-NONE", reason="x", actor="ops")
    line_become(line, kind="refund", of=refund.reference, reason="it was it after all", actor="ops")
    assert state(refund) == ("gone", 0, 50_000, 0)


def test_a_refund_that_somebody_said_was_gone_still_has_its_line(house: House, refund: Refund) -> None:
    refund_move(refund, "gone", actor="payments", bank_reference="K1")
    assert says(OUT, day=-2) == [("refund", refund.reference)]
    assert state(refund) == ("gone", 0, 50_000, 0) and refund.bank_reference == "K1"


def test_a_payment_that_is_taken_back_after_its_money_was_sent_back_is_looked_at(house: House, refund: Refund) -> None:
    says(OUT, day=-2)
    taken_back = Paid("500.00", "冲正", "赵先生", "6217000099990000", id="S6", out=True, reversal=True)
    assert says(taken_back, day=-1) == [("other", "")]
    assert Match.objects.get(line__bank_id="S6").reasons[0]["code"] == "returned_refunded"


@pytest.mark.parametrize(("fits", "kind"), [(True, "receipt"), (False, "suspense")])
def test_a_quote_places_only_with_its_amount(house: House, monkeypatch: pytest.MonkeyPatch, fits: bool, kind: str) -> None:
    said = [Quote("PQ-0001", "T-1", fits)]
    monkeypatch.setattr(facts, "quotes_named", lambda _e, words, _a, _on: said if "PQ-0001" in words else [])
    assert [k for k, _ in says(Paid("12100.00", "结清 PQ-0001", "李明", id="S1"))] == [kind]


def test_money_is_sent_back_from_the_desk_by_those_who_may(house: House) -> None:
    says(Paid("5.00", "?", "x", "6217", id="S1"))
    receipt = Receipt.objects.get()
    address = f"/suspense/{receipt.number}"
    client = Client()
    client.force_login(house.staff["payments"])
    assert "send_back" in client.get(address).text
    assert client.post(address, {"act": "send_back", "reason": ""}).status_code == 422
    assert client.post(address, {"act": "send_back", "reason": "not ours"}).status_code == 302
    assert receipt.refunds.count() == 0  # a second person decides


def test_payers_are_masked_until_somebody_asks_which_is_logged(house: House) -> None:
    says(Paid("5.00", "?", "赵先生", "6217000099990000", id="S1"))
    line, receipt = BankLine.objects.get(), Receipt.objects.get()
    client = Client()
    client.force_login(house.staff["payments"])
    pages = [
        "/suspense",
        f"/suspense/{receipt.number}",
        f"/statements/{line.file.reference}",
        f"/statements/lines/{line.reference}",
    ]
    for page in pages:
        text = client.get(page).text
        assert "赵先生" not in text and "6217000099990000" not in text and "赵**" in text, page
    for page, kind in ((pages[1], "receipt"), (pages[3], "bank_line")):
        text = client.post(page, {"act": "reveal"}).text
        assert "赵先生" in text and "6217000099990000" in text
        assert ActionLog.objects.filter(action="person.reveal", object_type=kind).count() == 1
    client.force_login(house.staff["auditor"])
    assert client.post(pages[1], {"act": "reveal"}).status_code == 403


def test_money_from_the_counter_of_nobody_has_its_reason_too(house: House) -> None:
    receipt_record(
        entity_id=house.entity.pk, party=None, amount_minor=700, received_on=TODAY, payer=Payer("某人"),
        source=Source("counter", "B-1"), idempotency_key="k", actor="t",
    )  # fmt: skip
    client = Client()
    client.force_login(house.staff["payments"])
    assert (
        "nothing in it names a loan or a person that is known" in client.get("/suspense", headers={"accept-language": "en"}).text
    )
