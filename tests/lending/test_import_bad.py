"""What a lender's files get wrong, through the command: the exit code, the row and the reason, and that nothing was written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.factories import House
from tideover.cli import main
from tideover.engine.events import EventKind
from tideover.lending.columns import loans_read
from tideover.lending.contract_terms import terms_for
from tideover.lending.imports.convert import column_convert
from tideover.lending.imports.files import BadFile, file_read
from tideover.lending.imports.mapping import BadMapping, mapping_read
from tideover.lending.journal import chain_break
from tideover.lending.models import Contract, ImportBatch, LoanEvent, StandingRow
from tideover.lending.products import catalogue_load
from tideover.lending.selectors import loan_standing

LOANS = """
kind: tape
columns: {loan_id: loan, borrower_id: {value: P-0001}, branch_code: branch, product_code: product, origination_date: start,
  first_payment_date: first, original_term: n, original_principal_balance: amount, interest_rate: {from: rate, rate: percent}}
"""
LOANS_HEAD = "loan,branch,product,start,first,n,amount,rate\n"
LOAN = "N-1,HZ,consumer-annuity,2025-01-10,2025-02-10,12,12000,7.2\n"
PAYMENTS = "kind: payments\ncolumns: {loan_id: loan, amount: amount, effective_on: day, reference: ref}\n"
PAYMENTS_HEAD = "loan,amount,day,ref\n"
Run = Callable[..., tuple[int, dict, list[dict]]]


@pytest.fixture
def run(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    catalogue_load()

    def run_(what: str, data: str | bytes, mapping: str, *options: str) -> tuple[int, dict, list[dict]]:
        """(exit code, the JSON object, rejected rows) of one import."""
        (tmp_path / "f").write_bytes(data if isinstance(data, bytes) else data.encode())
        (tmp_path / "m.yaml").write_text(mapping, encoding="utf-8")
        rejects = tmp_path / "rejects.csv"
        rejects.unlink(missing_ok=True)
        line = ["import", what, str(tmp_path / "f"), "--mapping", str(tmp_path / "m.yaml"), "--rejects", str(rejects)]
        code = main([*line, *options, "--json"])
        said = capsys.readouterr()
        rows = list(csv.DictReader(rejects.open(encoding="utf-8-sig"))) if rejects.exists() else []
        return code, json.loads(said.out) if said.out else {"error": said.err}, rows

    return run_


@pytest.mark.parametrize(
    ("rows", "row", "column", "reason"),
    [
        (LOAN + LOAN, "2", "loan_id", "stands twice"),
        (LOAN.replace("HZ", "XX"), "1", "branch_code", "no such branch"),
        (LOAN.replace("consumer-annuity", "gold"), "1", "product_code", "no such product"),
        (LOAN.replace(",12,", ",0,"), "1", "original_term", "needed by the product"),
        (LOAN.replace(",12,", ",1201,"), "1", "original_term", "0..1200"),
        (LOAN.replace("2025-02-10", "2025-01-10"), "1", "first_payment_date", "after origination_date"),
        (LOAN.replace("12000", "-12000"), "1", "original_principal_balance", "not below"),
        (LOAN.replace("12000", "999999999"), "1", "original_principal_balance", "lends at most"),
        (LOAN.replace("7.2", "99999"), "1", "interest_rate", "within"),
        (LOAN.replace("7.2", ""), "1", "interest_rate", "a value is needed"),
    ],
)
def test_a_bad_loan(run: Run, rows: str, row: str, column: str, reason: str) -> None:
    before = Contract.objects.count()
    code, said, [reject] = run("tape", LOANS_HEAD + rows, LOANS)
    assert (code, said["state"], Contract.objects.count()) == (1, "rejected", before)
    assert (reject["row"], reject["column"]) == (row, column) and reason in reject["reason"]
    assert reject["loan"] == "N-1"  # the row itself stands beside the reason


@pytest.mark.parametrize(
    ("rows", "row", "column", "reason"),
    [
        ("T-1,5,2026-01-19,A\n", "1", "effective_on", "before the loan was paid out"),
        ("T-1,-5,2026-02-20,A\n", "1", "amount", "not below"),
        ("T-1,5,2026-02-20,A\nT-2,6,2026-02-20,A\n", "2", "reference", "stands twice"),
        ("T-1,5,2026-02-20,\x07A\n", "1", "reference", "cannot be printed"),
        ("T-1,99999999999999999999,2026-02-20,A\n", "1", "amount", "two decimals"),
        ("T-1,5,2026-02-20\n", "1", "", "3 columns"),
    ],
)
def test_a_bad_payment(run: Run, rows: str, row: str, column: str, reason: str) -> None:
    code, said, [reject] = run("payments", PAYMENTS_HEAD + rows, PAYMENTS)
    assert (code, said["state"], LoanEvent.objects.count()) == (1, "rejected", 0)
    assert (reject["row"], reject["column"]) == (row, column) and reason.replace("two", "2") in reject["reason"]


def test_files_that_cannot_be_used(run: Run) -> None:
    good = PAYMENTS_HEAD + "T-1,5,2026-02-20,A\n"
    assert run("payments", good.replace("loan", "贷款").encode("utf-16"), PAYMENTS)[0] == 2
    code, said, _ = run("payments", good.replace("amount", "sum", 1), PAYMENTS)
    assert code == 2 and "no column amount; it has loan, sum, day, ref" in said["error"]
    code, said, _ = run("tape", good, PAYMENTS)
    assert code == 2 and "the mapping is for payments" in said["error"]
    assert run("payments", good, PAYMENTS + "skip: 5\n")[0] == 2
    assert not ImportBatch.objects.exists()


def test_the_same_file_twice_changes_nothing(run: Run) -> None:
    good = PAYMENTS_HEAD + "T-1,5,2026-02-20,A\nT-2,7,2026-02-21,\n"
    assert run("payments", good, PAYMENTS)[1]["stored"] == 2
    tips = list(Contract.objects.order_by("pk").values_list("event_count", "chain_hash"))
    code, said, _ = run("payments", good, PAYMENTS)
    assert (code, said["state"], said["stored"], said["already"]) == (0, "already", 0, 2)
    assert list(Contract.objects.order_by("pk").values_list("event_count", "chain_hash")) == tips
    assert run("tape", LOANS_HEAD + LOAN, LOANS)[1]["stored"] == 1
    assert run("tape", LOANS_HEAD + LOAN, LOANS)[1]["state"] == "already"


def test_partial_stores_what_fits_and_a_dry_run_nothing(run: Run) -> None:
    rows = PAYMENTS_HEAD + "T-1,5,2026-02-20,A\nT-9,7,2026-02-21,B\n"
    assert run("payments", rows, PAYMENTS, "--dry-run")[:2][0] == 1 and not LoanEvent.objects.exists()
    code, said, rejects = run("payments", rows, PAYMENTS, "--partial")
    assert (code, said["stored"], len(rejects)) == (1, 1, 1)


def test_what_cannot_happen_to_a_loan_is_refused(run: Run) -> None:
    """Replay refuses to refund money that is not held; the other loan's history comes in."""
    mapping = "kind: events\ncolumns: {loan_id: loan, kind: kind, effective_on: day, amount: amount, reference: ref}"
    rows = "loan,kind,day,amount,ref\nT-1,payment,2026-02-20,5,A\nT-2,credit_refund,2026-02-21,5,B\nT-2,payment,2026-02-22,1,C\n"
    code, said, rejects = run("history", rows, mapping, "--partial")
    assert (code, said["stored"]) == (1, 1)
    assert [(r["row"], r["reason"]) for r in rejects] == [
        ("2", "cannot happen: the refund is larger than the money held"),
        ("3", "another event of this loan is refused"),
    ]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("T-1,payment,2026-02-20,,,", "amount"),
        ("T-1,charge,2026-02-20,5,,", "component"),
        ("T-1,charge,2026-02-20,5,principal,", "component"),
        ("T-1,rate_change,2026-02-20,,,", "rate"),
        ("T-1,extension,2026-02-20,,,", "until"),
        ("T-1,reversal,2026-02-20,,,nothing", "of_reference"),
    ],
)
def test_an_event_that_is_wrong_by_itself(run: Run, row: str, column: str) -> None:
    mapping = (
        "kind: events\ncolumns: {loan_id: loan, kind: kind, effective_on: day, amount: amount, component: part, "
        "of_reference: of, reference: ref}"
    )
    code, _, [reject] = run("history", f"loan,kind,day,amount,part,of,ref\n{row},A\n", mapping)
    assert (code, reject["column"]) == (1, column), reject["reason"]


def test_money_taken_back_and_corrected_in_a_history(run: Run) -> None:
    columns = "{loan_id: loan, kind: kind, effective_on: day, amount: amount, of_reference: of, reference: ref}"
    rows = "loan,kind,day,amount,of,ref\nT-1,payment,2026-02-20,100,,A\nT-1,chargeback,2026-02-22,30,A,B\n"
    rows += "T-1,payment,2026-02-23,9,,C\nT-1,adjustment,2026-02-24,10,C,D\n"
    assert run("history", rows, f"kind: events\ncolumns: {columns}")[1]["stored"] == 4
    loan = Contract.objects.select_related("product").get(number="T-1")
    assert loan_standing(loan, date(2026, 2, 25)).paid_total_minor == 8_000
    assert chain_break(loan) is None


def test_rows_of_one_loan_must_agree_and_one_bad_row_refuses_the_loan(run: Run) -> None:
    mapping = """
kind: tape
plan: rows
columns: {loan_id: loan, borrower_id: {value: P-0001}, branch_code: {value: HZ}, product_code: {value: short-bullet},
  origination_date: start, due_on: due, due_principal: amount, due_interest: interest, interest_rate: {value: "0"}}
"""
    head = "loan,start,due,amount,interest\n"
    good = "K-1,2025-01-10,2025-03-10,60,1\nK-1,2025-01-10,2025-02-10,30,2\nK-1,2025-01-10,2025-03-10,10,0\n"
    bad = "K-2,2025-01-10,2025-02-10,50,0\nK-2,2025-01-11,2025-03-10,50,0\n"
    late = "K-3,2025-01-10,2025-01-10,50,0\nK-3,2025-01-10,2025-03-10,50,0\n"
    code, said, rejects = run("tape", head + good + bad + late, mapping, "--partial")
    assert (code, said["stored"]) == (1, 1)
    assert {(r["row"], r["column"]) for r in rejects} == {
        ("5", "origination_date"), ("4", "loan_id"), ("6", "due_on"), ("7", "loan_id"),
    }  # fmt: skip
    loan = Contract.objects.get(number="K-1")
    assert [r["due_on"] for r in loan.overrides["custom_rows"]] == ["2025-02-10", "2025-03-10"]
    assert [r["principal_minor"] for r in loan.overrides["custom_rows"]] == [3_000, 7_000]
    assert StandingRow.objects.get(contract=loan).overdue_minor == 10_300
    assert terms_for(loan).problems() == []


def _amount(text: str, options: str) -> int | None:
    mapping = mapping_read(f"kind: payments\ncolumns: {{loan_id: l, effective_on: d, amount: {{from: x, {options}}}}}")
    done = column_convert(pa.array([text]), mapping.columns["amount"], mapping.missing)
    return None if done.bad[0] or done.empty[0] else int(done.values[0])


@pytest.mark.parametrize(
    ("text", "options", "minor"),
    [
        ("1,234.56", "", 123_456),
        ("1.234,56", 'decimal: ","', 123_456),
        ("1.234567", 'times: "10000"', 1_234_567),
        ("1.2345678", 'times: "10000"', None),
        ("-5", "sign: minus", 500),
        ("5.00-", "sign: minus", 500),
        ("(1,005.00)", "sign: any", 100_500),
        ("5", "sign: minus", None),
        ("", 'default: "7"', 700),
        ("123", 'minor: "true"', 123),
        ("5.5", 'minor: "true"', None),
        ("99999999999999999", "", None),
    ],
)
def test_money_as_files_write_it(text: str, options: str, minor: int | None) -> None:
    assert _amount(text, options or "sign: plus") == minor


@pytest.mark.parametrize(
    ("text", "options", "ppm"),
    [
        ("7.2", "rate: percent", 72_000),
        ("7.2 %", "rate: percent", 72_000),
        ("6‰", "rate: permille, per: month", 72_000),
        ("0.02", "rate: percent, per: day", 72_000),
        ("0.072", "rate: fraction", 72_000),
        ("0.0720001", "rate: fraction", None),
        ("99999999999", "rate: percent, per: day", None),
    ],
)
def test_rates_as_files_write_them(text: str, options: str, ppm: int | None) -> None:
    mapping = mapping_read(LOANS.replace("rate, rate: percent", f"rate, {options}"))
    done = column_convert(pa.array([text]), mapping.columns["interest_rate"], mapping.missing)
    assert (None if done.bad[0] else int(done.values[0])) == ppm


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("namespace: tideover", "namespace"),
        ("namespace: " + "x" * 20, "namespace"),
        ("skip: -1", "skip"),
        ("columns: {loan_id: a, amount: {from: b, sign: up}, effective_on: c}", "sign"),
        ("columns: {loan_id: a, amount: {from: b, times: 7}, effective_on: c}", "times"),
        ("columns: {loan_id: a, amount: {from: b, times: 10, minor: true}, effective_on: c}", "minor or times"),
    ],
)
def test_a_mapping_that_says_nonsense(line: str, word: str) -> None:
    text = f"kind: payments\n{line}\n"
    if "columns" not in line:
        text += "columns: {loan_id: a, amount: b, effective_on: c}\n"
    with pytest.raises(BadMapping, match=word):
        mapping_read(text)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_header_lines_and_encodings(tmp_path: Path, delimiter: str) -> None:
    text = "报表\n" + "\n".join(delimiter.join(row) for row in (("借据号", "金额"), ("T-1", "5"))) + "\n"
    for encoding in ("utf-8", "utf-8-sig", "gb18030"):
        (tmp_path / "f").write_bytes(text.encode(encoding))
        source = file_read(tmp_path / "f", skip=1)
        assert source.table.to_pylist() == [{"借据号": "T-1", "金额": "5"}]
        assert source.rows.tolist() == [1]


def test_a_sheet_of_a_workbook(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.active.append(("x",))
    sheet = book.create_sheet("台账")
    for row in (("报表",), ("借据号", "金额"), ("T-1", 5.5)):
        sheet.append(row)
    book.save(tmp_path / "f")
    assert file_read(tmp_path / "f", skip=1, sheet="台账").table.to_pylist() == [{"借据号": "T-1", "金额": "5.5"}]
    with pytest.raises(BadFile, match="no sheet 账; it has"):
        file_read(tmp_path / "f", sheet="账")


def test_loans_and_journals_in_bulk_are_the_engine_s_own(house: House) -> None:
    """The bulk reader against the one that reads a loan at a time."""
    from tideover.lending.journal import engine_events
    from tideover.lending.services import event_record

    on = house.loan.first_due_on
    event_record(house.loan, kind=EventKind.PAYMENT, effective_on=on, amount_minor=5, idempotency_key="a", actor="t")
    event_record(house.loan, kind=EventKind.REVERSAL, effective_on=on, extra={"of_seq": 1}, idempotency_key="b", actor="t")
    house.second_loan.overrides = {
        "method": "custom",
        "custom_rows": [
            {"due_on": "2026-03-01", "principal_minor": 1_000_000, "interest_minor": 7},
            {"due_on": "2026-04-01", "principal_minor": 200_000},
        ],
    }
    house.second_loan.instalments, house.second_loan.first_due_on, house.second_loan.due_day = 0, None, 0
    house.second_loan.save()
    ids = np.array(sorted(Contract.objects.values_list("pk", flat=True)))
    loans = loans_read(ids)
    events = loans.events
    for i, contract in enumerate(Contract.objects.select_related("product").order_by("pk")):
        assert loans.terms.at(i) == terms_for(contract)
        assert [(e.seq, e.on, e.kind, e.amount_minor) for e in events.at(i)] == [
            (e.seq, e.on, e.kind, e.amount_minor) for e in engine_events(contract.events.order_by("seq"))
        ]
