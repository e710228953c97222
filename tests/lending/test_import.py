"""Files in: encodings, transforms, rejects, all or nothing, opening balances to the cent, keys, chains, resuming."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.factories import House
from tideover.core.business_time import micros, now
from tideover.core.problems import Refused
from tideover.lending import clock
from tideover.lending.contract_terms import terms_problems
from tideover.lending.imports import bulk
from tideover.lending.imports import events as event_store
from tideover.lending.imports.files import BadFile, file_read
from tideover.lending.imports.mapping import BadMapping, mapping_read
from tideover.lending.imports.run import Result, import_file
from tideover.lending.journal import chain_break
from tideover.lending.models import (
    BookClock,
    Complaint,
    ContactPoint,
    ContactRecord,
    Contract,
    Hold,
    ImportBatch,
    LoanEvent,
    Party,
    Promise,
    StandingRow,
)
from tideover.lending.products import catalogue_load
from tideover.lending.selectors import loan_standing, standing_fields
from tideover.sources.models import Consent

PAYMENTS = """
kind: payments
columns:
  loan_id: {from: 借据号}
  amount: {from: 金额}
  effective_on: {from: 日期, date: "%Y%m%d"}
  reference: {from: 流水}
"""
GOOD = '借据号,金额,日期,流水\nT-1,4060.00,20260220,A1\nT-2,"1,000.50",20260221,A2\n'
BALANCES = """
kind: tape
plan: balances
columns:
  data_cut_off_date: cut
  loan_id: loan
  borrower_id: {value: P-0001}
  branch_code: {value: HZ}
  product_code: {from: product}
  origination_date: start
  maturity_date: maturity
  next_payment_date: next
  remaining_term: left
  scheduled_payment: pay
  original_principal_balance: amount
  current_principal_balance: balance
  accrued_interest: accrued
  fees_outstanding: fees
  penalty_outstanding: penalty
  total_balance: total
  interest_rate: rate
  arrears_balance: arrears
  arrears_principal: late_principal
  arrears_interest: late_interest
  days_past_due: dpd
"""
BALANCES_HEAD = (
    "cut,loan,product,start,maturity,next,left,pay,amount,balance,accrued,fees,penalty,total,rate,arrears,late_principal,"
    "late_interest,dpd\n"
)
LATE = (
    "2025-06-30,L2,consumer-annuity,2025-01-15,2026-01-15,2025-07-15,7,888.49,"
    "10000.00,7610.80,173.98,0.00,26.31,7811.09,0.12,1776.98,1632.89,144.09,46\n"
)
SOUND = (
    "2025-06-30,L1,consumer-annuity,2025-01-15,2026-01-15,2025-07-15,7,888.49,"
    "10000.00,5977.92,29.89,12.50,0,6020.31,0.12,0,0,0,0\n"
)
BULLET = "2025-06-30,L3,short-bullet,2025-05-01,2025-09-01,,0,,9000.00,9000.00,88.88,0,0,9088.88,0.06,0,0,0,0\n"
OVER = "2025-06-30,L4,short-bullet,2025-01-01,2025-05-01,,0,,9000.00,500.00,7.77,3.00,1.11,511.88,0.06,507.77,500.00,7.77,60\n"


def put(folder: Path, text: str | bytes, mapping: str = PAYMENTS, command: str = "payments", **options: object) -> Result:
    path = folder / "file.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_file(command, path, mapping, actor="test", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_every_encoding_gives_the_same_payments(house: House, tmp_path: Path, encoding: str) -> None:
    result = put(tmp_path, GOOD.encode(encoding))
    assert (result.stored, result.rejects) == (2, [])
    assert sorted(LoanEvent.objects.values_list("amount_minor", flat=True)) == [100_050, 406_000]
    for loan in (house.loan, house.second_loan):
        loan.refresh_from_db()
        assert chain_break(loan) is None
        row = StandingRow.objects.get(contract=loan)
        fields = standing_fields(loan_standing(loan, row.as_of), loan)
        assert {n: getattr(row, n) for n in fields} == fields


def test_one_bad_row_keeps_every_row_out_and_is_named(house: House, tmp_path: Path) -> None:
    text = GOOD + "T-9,1.00,20260220,A3\nT-1,1.001,20260220,A4\nT-1,1.00,20260230,A5\nT-1,1.00,20260220,A1\nT-1,1.00\n"
    result = put(tmp_path, text)
    assert result.state == "rejected" and not LoanEvent.objects.exists()
    assert {(r.row, r.column) for r in result.rejects} == {
        (3, "loan_id"), (4, "amount"), (5, "effective_on"), (6, "reference"), (7, ""),
    }  # fmt: skip
    assert put(tmp_path, text, partial=True).stored == 2


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("T-1,0.00,20260220,X", "amount"),
        ("T-1,-5,20260220,X", "amount"),
        ("T-1,1e3,20260220,X", "amount"),
        (",5.00,20260220,X", "loan_id"),
        ("T-1,5.00,20260119,X", "effective_on"),
        ("T-1,5.00,20990101,X", "effective_on"),
        ("T-1,5.00,2026-02-20,X", "effective_on"),
        ("T-1,5.00,20260220," + "x" * 61, "reference"),
    ],
)
def test_each_impossible_payment_is_refused(house: House, tmp_path: Path, row: str, column: str) -> None:
    [reject] = put(tmp_path, "借据号,金额,日期,流水\n" + row + "\n").rejects
    assert reject.column == column


def test_the_same_file_and_the_same_references_are_booked_once(house: House, tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    assert put(tmp_path, GOOD).state == "already"
    assert (again := put(tmp_path, GOOD + "T-1,7.00,20260222,A9\n")).stored == 1 and again.already == 2
    changed = put(tmp_path, GOOD.replace("4060.00", "4061.00"))
    assert [(r.row, r.column) for r in changed.rejects] == [(1, "reference")]
    assert LoanEvent.objects.count() == 3


def test_a_dry_run_writes_nothing(house: House, tmp_path: Path) -> None:
    result = put(tmp_path, GOOD, dry_run=True)
    assert (result.state, result.accepted) == ("checked", 2)
    assert not LoanEvent.objects.exists() and not ImportBatch.objects.exists()


def test_a_run_that_stopped_half_way_is_completed_by_the_same_command(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_store, "LOANS_AT_ONCE", 1)
    real, calls = event_store.standings_write, []

    def dies(ids: object, columns: dict) -> None:
        calls.append(ids)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(ids, columns)

    monkeypatch.setattr(event_store, "standings_write", dies)
    with pytest.raises(KeyboardInterrupt):
        put(tmp_path, GOOD)
    assert LoanEvent.objects.count() == 1 and ImportBatch.objects.get().state == "running"
    monkeypatch.setattr(event_store, "standings_write", real)
    result = put(tmp_path, GOOD)
    assert (result.stored, result.already, ImportBatch.objects.get().state) == (1, 1, "done")


def test_a_payment_that_came_between_check_and_store_is_in_the_standing(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = event_store.append_batch

    def late(batch: object, actor: str) -> object:
        other = bulk.BulkEvent(1, 20504, 500, "between")
        bulk.append([(house.loan.pk, [other])], "other")
        return real(batch, actor)

    monkeypatch.setattr(event_store, "append_batch", late)
    assert put(tmp_path, GOOD).stored == 2
    row = StandingRow.objects.get(contract=house.loan)
    assert loan_standing(house.loan, row.as_of).paid_total_minor == 406_500
    fields = standing_fields(loan_standing(house.loan, row.as_of), house.loan)
    assert {n: getattr(row, n) for n in fields} == fields


def tape(folder: Path, *rows: str, **options: object) -> Result:
    return put(folder, BALANCES_HEAD + "".join(rows), BALANCES, "tape", **options)


def test_a_loan_stands_as_the_tape_says_to_the_cent(house: House, tmp_path: Path) -> None:
    catalogue_load()
    assert tape(tmp_path, LATE, SOUND, BULLET, OVER).rejects == []
    cut = date(2025, 6, 30)
    expected = {
        "L2": (761_080, 14_409, 2_989, 2_631, 0, 177_698, 46),
        "L1": (597_792, 0, 2_989, 0, 1_250, 0, 0),
        "L3": (900_000, 0, 8_888, 0, 0, 0, 0),
        "L4": (50_000, 777, 0, 111, 300, 50_777, 60),
    }
    for number, figures in expected.items():
        loan = Contract.objects.select_related("product").get(number=number)
        s = loan_standing(loan, cut)
        got = (
            s.principal_minor, s.interest_minor, s.accrued_minor, s.penalty_minor + s.compound_minor, s.fee_minor,
            s.overdue_principal_minor + s.overdue_interest_minor, s.days_past_due,
        )  # fmt: skip
        assert got == figures, number
        assert not terms_problems(loan)
        assert chain_break(loan) is None
    late = loan_standing(Contract.objects.get(number="L2"), cut + timedelta(days=5))
    assert late.days_past_due == 51 and late.penalty_minor > 2_631
    sound = Contract.objects.get(number="L1")
    due = loan_standing(sound, date(2025, 7, 15))
    assert sum(r.principal_minor + r.interest_minor for r in due.rows if r.due_on <= due.as_of) == 88_849
    assert loan_standing(sound, date(2025, 7, 14)).days_past_due == 0


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("7811.09", "7811.10", "total_balance"),
        ("1776.98", "1776.97", "arrears_balance"),
        (",46\n", ",0\n", "days_past_due"),
        (",46\n", ",400\n", "days_past_due"),
        ("consumer-annuity", "nothing", "product_code"),
        ("2025-07-15", "2025-06-30", "next_payment_date"),
        ("0.12", "0.1200001", "interest_rate"),
        ("0.12,", "12,", "interest_rate"),
        ("2025-01-15", "2025-02-30", "origination_date"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(house: House, tmp_path: Path, old: str, new: str, column: str) -> None:
    catalogue_load()
    result = tape(tmp_path, LATE.replace(old, new, 1))
    assert column in {r.column for r in result.rejects} and not Contract.objects.filter(number="L2").exists()


def test_a_tape_twice_and_a_loan_that_exists(house: House, tmp_path: Path) -> None:
    catalogue_load()
    assert tape(tmp_path, LATE, LATE).rejects[0].reason.startswith("the loan stands twice")
    tape(tmp_path, LATE)
    [reject] = tape(tmp_path, LATE, SOUND).rejects
    assert reject.reason == "the loan exists already"


def test_people_loans_by_product_and_their_history(house: House, tmp_path: Path) -> None:
    catalogue_load()
    people = "id,name,phone\n110101,王小明,13800000000\n110102,李四,13900000000\n"
    mapping = "kind: people\ncolumns: {borrower_id: {from: id, handle: true}, name: name, phone: phone, branch_code: {value: HZ}}"
    assert put(tmp_path, people, mapping, "people").stored == 2
    party = Party.objects.get(phone_hash=Party.objects.order_by("-pk")[0].phone_hash)
    assert party.name == "李四" and party.reference.startswith("P") and "110102" not in party.reference
    loans = "loan,id,start,first,n,amount,rate\nH1,110102,2025-01-10,2025-02-10,12,12000,7.2\n"
    columns = (
        "kind: tape\ncolumns: {loan_id: loan, borrower_id: {from: id, handle: true}, branch_code: {value: HZ}, product_code: "
        "{value: consumer-annuity}, origination_date: start, first_payment_date: first, original_term: n, "
        "original_principal_balance: amount, interest_rate: {from: rate, rate: percent}}"
    )
    assert put(tmp_path, loans, columns, "tape").rejects == []
    events = (
        "loan,what,on,amount,ref,of,part,known\n"
        "H1,payment,2025-02-10,1000,e1,,,2025-02-11T09:00:00+08:00\n"
        "H1,charge,2025-02-12,20,e2,,fee,2025-02-12T09:00:00+08:00\n"
        "H1,reversal,2025-02-10,,e3,e1,,2025-03-01T09:00:00+08:00\n"
    )
    history = (
        "kind: events\ncolumns: {loan_id: loan, kind: what, effective_on: on, amount: amount, reference: ref, of_reference: of, "
        "component: part, recorded_at: known}"
    )
    assert put(tmp_path, events, history, "history").stored == 3
    loan = Contract.objects.get(number="H1")
    assert chain_break(loan) is None and loan.borrower == party
    day = date(2025, 2, 15)
    known = LoanEvent.objects.get(seq=3, contract=loan).recorded_at - timedelta(days=1)
    assert (loan_standing(loan, day).paid_total_minor, loan_standing(loan, day, known).paid_total_minor) == (0, 100_000)
    other = events.replace(",e", ",f")
    lost = put(tmp_path, other.replace("e3,f1", "e3,f9").replace("f3,f1", "f3,f9"), history, "history", dry_run=True)
    assert {(r.row, r.column) for r in lost.rejects} == {(3, "of_reference"), (1, "loan_id"), (2, "loan_id")}
    assert {r.reason for r in lost.rejects if r.row != 3} == {"another event of this loan is refused"}
    refund = other.replace("H1,charge,2025-02-12,20", "H1,waiver,2025-02-12,")
    assert put(tmp_path, refund, history, "history", dry_run=True).rejects == []


def test_what_was_known_on_a_closed_day_cannot_be_added(house: House, tmp_path: Path) -> None:
    cut = clock.cut_off_take()
    mapping = "kind: events\ncolumns: {loan_id: l, kind: k, effective_on: d, amount: a, reference: r, recorded_at: w}"
    head = "l,k,d,a,r,w\n"
    closed = put(tmp_path, head + f"T-1,payment,2026-02-20,5,x1,{(cut - timedelta(days=1)).isoformat()}\n", mapping, "history")
    assert [(r.row, r.column) for r in closed.rejects] == [(1, "recorded_at")] and "is closed" in closed.rejects[0].reason
    ahead = put(tmp_path, head + f"T-1,payment,2026-02-20,5,x1,{(now() + timedelta(days=1)).isoformat()}\n", mapping, "history")
    assert [(r.column, r.reason) for r in ahead.rejects] == [("recorded_at", "lies in the future")]
    assert not LoanEvent.objects.exists()
    with pytest.raises(Refused, match="closed"):
        bulk.append([(house.loan.pk, [bulk.BulkEvent(1, 20504, 500, "x1", recorded_us=micros(cut))])], "test")
    assert put(tmp_path, head + "T-1,payment,2026-02-20,5,x1,\n", mapping, "history").stored == 1


def test_contacts_promises_and_complaints(house: House, tmp_path: Path) -> None:
    contacts = "who,at,way,how\nP-0001,2026-02-01T10:00:00+08:00,out,sms\n"
    mapping = "kind: contacts\ncolumns: {borrower_id: who, at: at, direction: way, channel: how}"
    assert put(tmp_path, contacts, mapping, "history").stored == 1
    assert put(tmp_path, contacts, mapping, "history").state == "already" and ContactRecord.objects.count() == 1
    promises = "who,loan,amount,said,due\nP-0001,T-1,500,2026-02-01,2026-02-10\nP-0002,T-1,500,2026-02-01,2026-02-10\n"
    mapping = "kind: promises\ncolumns: {borrower_id: who, loan_id: loan, amount: amount, promised_on: said, due_on: due}"
    result = put(tmp_path, promises, mapping, "history", partial=True)
    assert result.rejects[0].reason == "not a loan of this borrower" and Promise.objects.get().amount_minor == 50_000
    complaints = "who,from,on,about\nP-0002,hotline,2026-02-03,fees\n"
    mapping = "kind: complaints\ncolumns: {borrower_id: who, source: from, opened_on: on, subject: about}"
    assert put(tmp_path, complaints, mapping, "history").stored == 1 and Complaint.objects.get().closed_on is None
    assert [h.kind for h in Hold.objects.all()] == ["complaint"], "the promise is past, the complaint is open"


def test_xlsx_and_parquet_give_the_same_as_csv(house: House, tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for row in (("借据号", "金额", "日期", "流水"), ("T-1", 4060.0, "20260220", "A1"), ("T-2", 1000.5, "20260221", "A2")):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    table = {"借据号": ["T-1", "T-2"], "金额": [4060.0, 1000.5], "日期": [20260220, 20260221], "流水": ["A1", "A2"]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    assert import_file("payments", tmp_path / "a.xlsx", PAYMENTS, actor="t").stored == 2
    assert import_file("payments", tmp_path / "a.parquet", PAYMENTS, actor="t").already == 2


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x01\x02", b"\xff\xfe\xfa\xfb,\n", b"PK\x03\x04nonsense", b"PAR1nonsense", b"a,a\n1,2\n"]
)
def test_a_file_that_is_no_table_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(BadFile):
        file_read(tmp_path / "bad")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("kind: nothing", "kind"),
        ("kind: payments\ncolours: 1", "colours"),
        ("kind: payments\ncolumns: {loan_id: a}", "amount"),
        ("kind: payments\ncolumns: {loan_id: a, amount: b, effective_on: c, colour: d}", "colour"),
        ("kind: payments\ncolumns: {loan_id: {from: a, value: b}, amount: b, effective_on: c}", "loan_id"),
        ("kind: payments\ncolumns: {loan_id: {from: a, when: b}, amount: b, effective_on: c}", "when"),
        ("- 1", "keys"),
        (":\n\t- [", "YAML"),
    ],
)
def test_a_wrong_mapping_is_named(text: str, word: str) -> None:
    with pytest.raises(BadMapping, match=word):
        mapping_read(text)


def test_the_command_says_rejects_and_exit_codes(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tideover.cli import main

    (tmp_path / "m.yaml").write_text(PAYMENTS, encoding="utf-8")
    (tmp_path / "f.csv").write_text(GOOD + "T-9,1.00,20260220,A3\n", encoding="utf-8")
    line = ["import", "payments", str(tmp_path / "f.csv"), "--mapping", str(tmp_path / "m.yaml")]
    assert main([*line, "--rejects", str(tmp_path / "r.csv")]) == 1
    assert (tmp_path / "r.csv").read_text(encoding="utf-8-sig").splitlines()[
        1
    ] == "3,loan_id,T-9,no such loan,T-9,1.00,20260220,A3"
    (tmp_path / "f.csv").write_text(GOOD, encoding="utf-8")
    assert main([*line, "--json"]) == 0
    assert '"stored": 2' in capsys.readouterr().out
    assert main(["import", "people", str(tmp_path / "f.csv"), "--mapping", str(tmp_path / "m.yaml")]) == 2
    assert main(["import", "payments", str(tmp_path / "none.csv"), "--mapping", str(tmp_path / "m.yaml")]) == 2
    assert "payments" in capsys.readouterr().err


def test_what_is_imported_after_a_cut_off_lies_above_it_whatever_the_clock_says(house: House, tmp_path: Path) -> None:
    cut = clock.cut_off_take() + timedelta(hours=1)  # taken before the wall clock was set back
    BookClock.objects.update(cut_off=cut)
    tape = "id,b,o,d,p,r,n,f,x\nL-77,P-0001,HZ,2026-01-20,12000,0.06,12,2026-02-20,consumer-equal-principal\n"
    columns = (
        "loan_id: id, borrower_id: b, branch_code: o, origination_date: d, original_principal_balance: p, interest_rate: r, "
    )
    columns += "original_term: n, first_payment_date: f, product_code: x"
    made = put(tmp_path, tape, f"kind: tape\nplan: product\ncolumns: {{{columns}}}", "tape")
    assert made.stored == 1, made.rejects
    assert Contract.objects.get(number="L-77").created_at > cut
    contacts = "l,b,t,d,c\nT-1,P-0001,2026-02-01T10:00:00+08:00,out,call\n"
    said = "kind: contacts\ncolumns: {loan_id: l, borrower_id: b, at: t, direction: d, channel: c}"
    assert put(tmp_path, contacts, said, "history").stored == 1
    assert ContactRecord.objects.get().recorded_at > cut


def test_addresses_come_with_people_and_an_id_is_one_persons(house: House, tmp_path: Path) -> None:
    mapping = (
        "kind: people\ncolumns: {borrower_id: id, name: name, branch_code: {value: HZ}, email: mail, wecom_id: wx, "
        "mini_program_id: mini}"
    )
    head = "id,name,mail,wx,mini\n"
    result = put(
        tmp_path, head + "A1,王小明,wang@example.cn,wmAAAAAA1,\nA2,李四,,wmAAAAAA1,\nA3,赵,no mail,,\n", mapping, "people"
    )
    assert sorted((r.row, r.column) for r in result.rejects) == [(2, "wecom_id"), (3, "email")] and result.stored == 0
    assert put(tmp_path, head + "A1,王小明,wang@example.cn,wmAAAAAA1,\n", mapping, "people").stored == 1
    found = {p.channel: (p.party.reference, str(p.address), p.source) for p in ContactPoint.objects.select_related("party")}
    assert found == {"email": ("A1", "wang@example.cn", "import"), "wecom": ("A1", "wmAAAAAA1", "import")}
    [reject] = put(tmp_path, head + "A4,钱,,wmAAAAAA1,oAAAAAAA1\n", mapping, "people").rejects
    assert reject.reason == "the id belongs to another person"
    assert put(tmp_path, head + "A4,钱,,,oAAAAAAA1\n", mapping, "people").stored == 1
    assert not Consent.objects.filter(party__reference__startswith="A").exists(), "an address is not a consent"
