"""Exports judged from outside: the beancount package loads the ledger without an error and its balances are ours."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.accounting.books import happen, post
from tests.accounting.test_posting import old_loan
from tests.daily.books import AS_OF, START, book_build
from tests.factories import House
from tideover.accounting.export import bean_name, write_beancount, write_csv
from tideover.accounting.models import Entry
from tideover.accounting.selectors import decimal_of, entries_of, trial_balance
from tideover.cli import main
from tideover.core.problems import Refused
from tideover.engine.events import EventKind as K
from tideover.lending.models import Product

pytestmark = pytest.mark.django_db
FIRST, LAST = date(2025, 11, 1), date(2026, 2, 15)


@pytest.fixture
def booked(house: House) -> House:
    book_build(house, 40, 11)
    post(AS_OF, first=START)
    return house


def test_beancount_finds_no_error_and_the_same_balances(booked: House, tmp_path: Path) -> None:
    loader = pytest.importorskip("beancount.loader")
    out = io.StringIO()
    said = write_beancount(out, booked.entity, FIRST, LAST)
    path = tmp_path / "books.bean"
    path.write_text(out.getvalue(), encoding="utf-8")
    entries, errors, _ = loader.load_file(str(path))
    assert errors == []
    sums: dict[str, Decimal] = defaultdict(Decimal)
    transactions = 0
    for e in entries:
        if type(e).__name__ == "Transaction":
            transactions += 1
            for p in e.postings:
                sums[p.account] += p.units.number
    assert transactions == said.vouchers + 1 and said.entries > 500
    ours = {
        bean_name(booked.entity, x.account): Decimal(decimal_of(x.net_minor)) for x in trial_balance(booked.entity, LAST).lines
    }
    assert {k: v for k, v in sums.items() if v} == {k: v for k, v in ours.items() if v}


def test_beancount_sees_an_amount_that_was_changed(booked: House, tmp_path: Path) -> None:
    loader = pytest.importorskip("beancount.loader")
    out = io.StringIO()
    write_beancount(out, booked.entity, FIRST, LAST)
    lines = out.getvalue().splitlines()
    at = next(n for n, line in enumerate(lines) if "  -" in line and "Income" in line)
    lines[at] = lines[at].replace("  -", "  -1")
    path = tmp_path / "books.bean"
    path.write_text("\n".join(lines), encoding="utf-8")
    _, errors, _ = loader.load_file(str(path))
    assert errors


def test_csv_has_two_lines_an_entry_that_balance(booked: House) -> None:
    out = io.StringIO(newline="")
    said = write_csv(out, booked.entity, FIRST, LAST)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert len(rows) == 2 * said.entries == 2 * entries_of(booked.entity, FIRST, LAST).count()
    by_voucher: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for r in rows:
        by_voucher[r["period"], r["voucher"]] += Decimal(r["debit"] or 0) - Decimal(r["credit"] or 0)
    assert set(by_voucher.values()) == {Decimal(0)}
    assert len({(r["period"], r["voucher"], r["line"]) for r in rows}) == len(rows)


def test_an_adjusting_entry_names_the_journal_entries_that_it_follows_from(house: House) -> None:
    c = old_loan(house)
    happen(c, 1, K.PAYMENT, date(2026, 2, 20), 406_000)
    post(date(2026, 3, 2), first=date(2026, 1, 20))
    happen(c, 2, K.PAYMENT, date(2026, 2, 25), 1_000, known=date(2026, 3, 3))
    happen(c, 3, K.REVERSAL, date(2026, 3, 3), of_seq=1)
    post(date(2026, 3, 3))
    out, bean = io.StringIO(newline=""), io.StringIO()
    write_csv(out, house.entity, date(2026, 3, 1), date(2026, 3, 3))
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert {(r["kind"], r["loan"], r["effective_on"], r["journal"]) for r in rows} == {
        ("regular", "", "2026-03-01", ""), ("regular", "", "2026-03-02", ""), ("regular", "", "2026-03-03", ""),
        ("adjusting", "T-1", "2026-02-20", "2 3"),
    }  # fmt: skip
    write_beancount(bean, house.entity, date(2026, 3, 3), date(2026, 3, 3))
    assert bean.getvalue().count('journal: "2 3"') == 1


def test_a_spreadsheet_reads_the_file_as_text_and_in_chinese(booked: House, tmp_path: Path) -> None:
    Product.objects.filter(pk=Entry.objects.exclude(product=None).first().product_id).update(code="=1+1")
    out = tmp_path / "x.csv"
    assert main(["books", "export", "--format", "csv", "--from", str(FIRST), "--to", str(LAST), "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbfentity,")
    with out.open(encoding="utf-8-sig", newline="") as file:
        cells = {x for row in csv.reader(file) for x in row}
    assert "'=1+1" in cells and not [x for x in cells if x[:1] in ("=", "+", "-", "@")]


def test_a_span_that_is_not_posted_is_refused(house: House) -> None:
    with pytest.raises(Refused, match="no day is posted"):
        write_csv(io.StringIO(), house.entity, FIRST, LAST)
    book_build(house, 5, 11)
    post(AS_OF, first=START)
    for first, last, says in ((LAST, FIRST, "lies before"), (FIRST, date(2027, 1, 1), "posted through")):
        with pytest.raises(Refused, match=says):
            write_beancount(io.StringIO(), house.entity, first, last)


def test_the_commands_speak_json(booked: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> tuple[int, dict[str, object]]:
        code = main(["books", *words, "--json"])
        printed = capsys.readouterr().out
        return code, json.loads(printed) if printed else {}

    code, found = said("trial-balance", "--entity", "BANK", "--on", "2026-02-15")
    assert code == 0 and found["zero"] is True and len(found["lines"]) > 10  # type: ignore[arg-type]
    code, found = said("export", "--format", "csv", "--entity", "BANK", "--from", "2026-02-01", "--to", "2026-02-15")
    assert code == 0 and str(found["content"]).startswith("entity,period")
    out = tmp_path / "x.bean"
    code, found = said("export", "--format", "beancount", "--from", "2026-02-01", "--to", "2026-02-15", "--out", str(out))
    assert code == 0 and out.exists() and found["vouchers"]
    code, found = said("post", "--through", "2026-02-15")
    assert (code, found["posted"]) == (0, False)
    assert said("trial-balance", "--entity", "NOBODY") == (2, {})
    assert said("export", "--format", "csv", "--from", "2026-02-10", "--to", "2026-02-01")[0] == 2
    assert said("close-period", "2026-13", "--as", "finance", "--reason", "x")[0] == 2
    assert said("close-period", "2025-01", "--as", "nobody", "--reason", "x")[0] == 2
    code, found = said("close-period", "2025-01", "--as", booked.staff["finance"].username, "--reason", "month end")
    assert code == 0 and found["state"] == "open"
    who = booked.staff["risk"].username
    code, found = said("close-period", "--decide", str(found["approval"]), "--as", who, "--reason", "looked at")
    assert (code, found["state"]) == (0, "granted")
    bad = tmp_path / "chart.yaml"
    bad.write_text("chart: x\n", encoding="utf-8")
    assert said("chart", "check", str(bad))[0] == 2
