"""Real portfolios through the commands: import, close, and every figure that the files state compared. docs/real-books.md tells
what the numbers mean. Skipped by name where the shared data are not there."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pytest

from tests.real_books import expected
from tests.real_books.shell import DATA, ROOT, Book, book_import

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="real portfolios: TIDEOVER_SHARED/data is not there")
LINE = "kind: ledger\ncolumns: {loan_id: loan_id, data_cut_off_date: day, "
BERKA = LINE + "due_unpaid: {from: arrears, minor: true}, days_past_due: days_past_due}"
SUPERLENDER = LINE + "total_balance: {from: total, minor: true}, days_past_due: days_past_due}"
HOMECREDIT = LINE + ", ".join(f"{n}: {{from: {n}, minor: true}}" for n in ("due_unpaid", "due_in_period", "paid_in_period")) + "}"


def test_berka_682_bank_loans(tmp_path: Path) -> None:
    book = book_import("berka", tmp_path)
    assert [book.said[f]["stored"] for f in ("people", "contracts", "payments")] == [682, 682, 123]
    report = book.conform(expected.ledger_write(expected.BERKA, book.files), BERKA)
    assert (report["compared"], report["cells"], report["differences"]) == (147, 294, 0)
    closed = book.tideover("close", "--as-of", "1994-03-31")
    assert (closed["loans"], closed["events"]) == (38, 123)
    sql = "SELECT loan_id, days_past_due, arrears_balance FROM loans WHERE days_past_due > 0"
    assert book.tideover("tape", "query", sql)["rows"] == [["5314", 231, 6426380]]


@pytest.mark.soak
def test_superlender_18183_micro_loans(tmp_path: Path) -> None:
    book = book_import("superlender", tmp_path)
    assert [book.said[f]["stored"] for f in ("people", "contracts", "payments")] == [4359, 18183, 18183]
    report = book.conform(expected.ledger_write(expected.SUPERLENDER, book.files), SUPERLENDER, codes=(1,))
    assert report["totals"]["days_past_due"] == {"cells": 36168, "differing": 0, "expected": "25642", "got": "25642"}
    # Closed before the last due day: the lender kept the whole fee, where the terms here would not have asked for all of it.
    early = _count(book, "SELECT count(*) FROM contracts WHERE closed < first_due + (30 * (instalments - 1))::INTEGER")
    assert report["totals"]["total_balance"]["differing"] == report["differences"] <= early
    assert report["differences"] == 11906
    assert all(f["got"].startswith("-") for f in report["failed"])
    closed = book.tideover("close", "--as-of", "2016-03-31")
    assert closed["loans"] == _count(book, "SELECT count(*) FROM contracts WHERE approved <= DATE '2016-03-31'")
    late = (
        "SELECT count(*) FROM contracts WHERE approved <= DATE '2016-03-31' AND first_due < DATE '2016-03-31' "
        "AND closed > DATE '2016-03-31'"
    )
    [[got]] = book.tideover("tape", "query", "SELECT count(*) FROM loans WHERE days_past_due > 0")["rows"]
    assert got == _count(book, late)


def test_homecredit_7347_instalment_rows(tmp_path: Path) -> None:
    book = book_import("homecredit", tmp_path)
    assert [book.said[f]["stored"] for f in ("people", "contracts", "payments")] == [887, 1772, 7346]
    report = book.conform(expected.ledger_write(expected.HOMECREDIT, book.files), HOMECREDIT)
    assert (report["compared"], report["cells"], report["differences"]) == (12780, 38340, 0)
    closed = book.tideover("close", "--as-of", "2017-12-31")
    assert closed["loans"] == 1772
    [[owed]] = book.tideover("tape", "query", "SELECT sum(arrears_balance) FROM loans")["rows"]
    assert int(owed) == 444381251
    found = _settled(book)
    expected_counts = {"instalments": 7168, "paid": 6603, "on_the_day": 5977, "late": 366, "late_on_the_day": 267}
    assert {n: v for n, v in found.items() if n != "unexplained"} == expected_counts
    assert found["unexplained"] == 0  # every other one lies behind an instalment of its loan that the file leaves unpaid


@pytest.mark.soak
def test_smu_ledger_every_cell_of_11974_loans(tmp_path: Path) -> None:
    book = book_import("smu_ledger", tmp_path)
    assert [book.said[f]["stored"] for f in ("people", "contracts", "payments")] == [11974, 11974, 71978]
    mapping = (ROOT / "examples" / "smu_ledger" / "ledger.yaml").read_text(encoding="utf-8")
    report = book.conform(book.files / "ledger.csv", mapping)
    assert (report["compared"], report["cells"], report["differences"]) == (104288, 417152, 0)
    assert {t["expected"] == t["got"] for t in report["totals"].values()} == {True}
    changed = _one_cell_changed(book)
    report = book.conform(changed, mapping, codes=(1,))
    assert (report["differences"], report["passed"]) == (1, 104287)
    assert report["failed"] == [
        {"id": "CUS_0x1000_2023_05_01", "cell": "2023-08-01 due_unpaid", "expected": "999.99", "got": "1000.00"}
    ]


def _count(book: Book, sql: str) -> int:
    with duckdb.connect() as base:
        base.execute(f"CREATE TABLE contracts AS FROM read_csv('{book.files / 'contracts.csv'}')")
        return int(base.execute(sql).fetchall()[0][0])


def _one_cell_changed(book: Book) -> Path:
    text = (book.files / "ledger.csv").read_text(encoding="utf-8")
    line = next(x for x in text.splitlines() if x.startswith("CUS_0x1000_2023_05_01,2023-08-01,"))
    cells = line.split(",")
    cells[4] = "999.99"
    out = book.files / "changed.csv"
    out.write_text(text.replace(line, ",".join(cells)), encoding="utf-8")
    return out


def _settled(book: Book) -> dict[str, int]:
    """How the days on which replay settled each instalment compare with the file's payment days."""
    path = book.files / "settled.out"
    path.write_text(book.run(sys.executable, "-m", "tests.real_books.settled", "2020-01-01"), encoding="utf-8")
    with duckdb.connect() as base:
        base.execute(f"CREATE TABLE settled AS FROM read_csv('{path}', header = true)")
        raw = DATA / "homecredit1k_installments_payments.parquet"
        base.execute(f"CREATE TABLE raw AS FROM read_parquet('{raw}')")
        row = base.execute(expected.SETTLED).fetchall()[0]
    return dict(zip(("instalments", "paid", "on_the_day", "late", "late_on_the_day", "unexplained"), map(int, row), strict=True))
