"""Readers of bank statements: the samples, and what must be refused with the place named."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from tests.lending.statements.samples import ACCOUNT, SAMPLES, Paid, camt, needs_samples, table
from tideover.core.problems import Refused
from tideover.lending.statements.rules.camt import camt_read
from tideover.lending.statements.rules.hook import hook_read
from tideover.lending.statements.rules.line import BadStatement, day_of, minor_of
from tideover.lending.statements.rules.swift import swift_read
from tideover.lending.statements.rules.table import Layout, layout_find, layout_make, rows_of, table_read
from tideover.lending.statements.rules.text import kind_of

PRESETS = Path(__file__).parents[3] / "src/tideover/lending/statements/presets"
LAYOUTS = [layout_make(p.stem, yaml.safe_load(p.read_text(encoding="utf-8"))) for p in sorted(PRESETS.glob("*.yaml"))]
MT940 = """{{1:F01EXBKCNBJAXXX0000000000}}{{4:
:20:A1
:25:{account}
:28C:1/1
:60F:C260309CNY1000,00
:61:2603100310C100,00NTRFE2E-1//SVC1
:86:?20T-1 repayment?31{other}?32LI MING
:61:2603100310RC40,00NTRFNONREF//SVC2
:86:taken back
:62F:C260310CNY{closing}
-}}
"""


def test_samples_of_camt_are_one_record() -> None:
    if not SAMPLES.is_dir():
        pytest.skip("the samples are not on this machine")
    old, new = (camt_read((SAMPLES / f"camt053_v{v}.xml").read_bytes())[0] for v in ("02", "08"))
    assert old.lines == new.lines
    assert (old.opening_minor, old.closing_minor, old.account) == (1_000_000, 1_129_000, ACCOUNT)
    amounts = [(x.amount_minor, x.direction, x.bank_id, x.reversal) for x in old.lines]
    assert amounts == [
        (85607, "credit", "SVC1", False), (34393, "credit", "SVC2/1", False), (30000, "credit", "SVC2/2", False),
        (20000, "debit", "SVC3", False), (1000, "debit", "SVC4", True),
    ]  # fmt: skip
    first = old.lines[0]
    assert (first.name, first.account, first.reference) == ("测试用户甲", "6217000000000000001", "LN0001 第3期还款")


@needs_samples
@pytest.mark.parametrize(
    ("file", "layout", "opening", "closing", "count"),
    [
        ("icbc_debit_v1.csv", "icbc", 172680, 921340, 3),
        ("icbc_debit_v2.csv", "icbc", 172680, 921340, 3),
        ("cmb_debit.csv", "cmb", 127166, 726866, 4),
        ("boc_debit.csv", "boc", 84709, 659620, 3),
        ("bocom_debit.csv", "bocom", 133340, 133142, 2),
        ("abc_debit.csv", "abc", 100000, 976511, 2),
        ("ccb_debit_2025_app.xls", "ccb", 224391, 1017691, 2),
        ("ccb_hqmx_netbank.xls", "ccb_netbank", 224391, 1017691, 2),
        ("spdb_debit.xls", "spdb", 198521, 199133, 2),
    ],
)
def test_banks_tables(file: str, layout: str, opening: int, closing: int, count: int) -> None:
    data = (SAMPLES / file).read_bytes()
    rows = rows_of(data, kind_of(data))
    found = layout_find(rows, LAYOUTS)
    [statement] = table_read(rows, found, ACCOUNT)
    assert (found.code, statement.opening_minor, statement.closing_minor) == (layout, opening, closing)
    assert (len(statement.lines), statement.rejects) == (count, [])
    days = [x.booked_on for x in statement.lines]
    assert days == sorted(days) or layout == "boc"


def test_tampered_row_breaks_the_chain() -> None:
    data = table(("20260310", "", "10.00", "李明", "6217", "T-1"), ("20260310", "", "20.00", "王芳", "6218", "T-3"))
    changed = data.replace(b",20.00,", b",21.00,")
    rows = rows_of(changed, "table")
    with pytest.raises(BadStatement, match=r"row 3: .*a row is missing or was changed"):
        table_read(rows, layout_find(rows, LAYOUTS), ACCOUNT)


def test_unknown_row_is_a_reject_and_the_rest_stands() -> None:
    rows = rows_of(table(("20260310", "", "10.00", "李明", "", "T-1"), ("never", "", "5.00", "", "", "")), "table")
    [statement] = table_read(rows, layout_find(rows, LAYOUTS), ACCOUNT)
    assert len(statement.lines) == 1
    [reject] = statement.rejects
    assert reject.place == "row 3" and "is not a day" in reject.reason and "never" in reject.raw


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (camt(Paid("10.00"), closing="1011.00"), "unbalanced", r"Stmt 1 .*off by -1\.00"),
        (camt(Paid("10.00"), currency="USD"), "currency", "USD"),
        (camt(account=""), "no_account", "Stmt 1"),
        (camt().replace(b"UTF-8", b"UTF-16"), "not_xml", "encoding"),
        (b"<a/>", "not_camt", "BkToCstmrStmt"),
        (b"<a>", "not_xml", "no sound XML"),
        (
            b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
            "entities", "document type",
        ),
        (b'<!doctype a SYSTEM "file:///etc/passwd"><a/>', "entities", "document type"),
    ],
)  # fmt: skip
def test_camt_that_is_refused(data: bytes, code: str, words: str) -> None:
    with pytest.raises(BadStatement, match=words) as caught:
        camt_read(data)
    assert caught.value.code == code


def test_camt_pending_entries_count_for_nothing() -> None:
    data = camt(Paid("10.00"), Paid("5.00"), closing="1010.00").replace(b"<Sts>BOOK</Sts>", b"<Sts>PDNG</Sts>", 2)
    data = data.replace(b"<Sts>PDNG</Sts>", b"<Sts>BOOK</Sts>", 1)
    [statement] = camt_read(data)
    assert (len(statement.lines), len(statement.pending), statement.rejects) == (1, 1, [])


def test_camt_batch_that_does_not_add_up() -> None:
    data = camt(Paid("10.00")).decode()
    one = data[data.index("<TxDtls>") : data.index("</TxDtls>") + 9]
    part = one.replace("<Refs>", "<Amt Ccy='CNY'>4.00</Amt><Refs>")
    with pytest.raises(BadStatement, match=r"Ntry 1: the payments of this entry come to 8\.00, the entry says 10\.00"):
        camt_read(data.replace(one, part + part).encode())


def test_mt940_marks_and_subfields() -> None:
    text = MT940.format(account=ACCOUNT, other="6217000000000000001", closing="1060,00")
    [statement] = swift_read(text.encode())
    came, back = statement.lines
    assert (came.direction, came.amount_minor, came.name, came.account) == ("credit", 10000, "LI MING", "6217000000000000001")
    assert (back.direction, back.amount_minor, back.reversal, back.end_to_end) == ("debit", 4000, True, "")
    assert came.reference == "T-1 repayment"
    assert len(swift_read((text + text.replace(":20:A1", ":20:A2")).encode())) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("1060,00", "1061,00"), "unbalanced"),
        (("CNY", "USD"), "currency"),
        ((":61:2603100310C", ":61:26X3100310C"), "bad_line"),
        ((":62F:", ":99X:"), "no_balance"),
    ],
)
def test_mt940_that_is_refused(change: tuple[str, str], code: str) -> None:
    text = MT940.format(account=ACCOUNT, other="6217", closing="1060,00").replace(*change)
    with pytest.raises(BadStatement) as caught:
        swift_read(text.encode())
    assert caught.value.code == code


def test_files_are_known_by_their_bytes() -> None:
    assert [kind_of(d) for d in (b"PK\x03\x04", b"%PDF-1", b"\xef\xbb\xbf <a/>", b"{1:F01", b":20:x", b"a,b")] == [
        "sheet", "pdf", "xml", "swift", "swift", "table",
    ]  # fmt: skip
    with pytest.raises(BadStatement, match="empty"):
        kind_of(b" \n")
    with pytest.raises(BadStatement, match="neither UTF-8 nor GB18030"):
        rows_of(b"a,\xff\xff\xff", "table")


@pytest.mark.parametrize(
    ("text", "said"), [("¥1,234.50", 123450), ("-0.01", -1), ("+10元", 1000), ("１２．３０", 1230), ("5.000", 500)]
)
def test_amounts(text: str, said: int) -> None:
    assert minor_of(text) == said


@pytest.mark.parametrize("text", ["", "1.005", "2.02E+27", "ten", "1 0x", "99999999999999.00"])
def test_amounts_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        minor_of(text)


def test_days() -> None:
    for text in ("20260310", "2026-03-10", "2026/3/10  14:06:51", "2026年3月10日"):
        assert day_of(text) == date(2026, 3, 10)
    for text in ("", "2026-02-30", "260310", "202603101", "1890-01-01"):
        with pytest.raises(ValueError):
            day_of(text)


def test_layouts_are_checked() -> None:
    good = {"columns": {"booked_on": "日", "amount": "额"}}
    assert isinstance(layout_make("x", good), Layout)
    for said, words in (
        ([], "columns"), ({"columns": {"amount": "a"}}, "booked_on"), ({"columns": {"booked_on": "d"}}, "amount"),
        ({**good, "colour": 1}, "colour"), ({"columns": {**good["columns"], "who": "x"}}, "who"),
        ({"columns": {**good["columns"], "direction": "d"}}, "credit"), ({**good, "end": "("}, "pattern"),
    ):  # fmt: skip
        with pytest.raises(BadStatement, match=words):
            layout_make("x", said)


def test_hook_bodies() -> None:
    good = b'{"lines": [{"id": "B1", "account": "11", "booked_on": "2026-03-10", "amount": "1.50", "direction": "credit"}]}'
    [statement] = hook_read(good)
    assert [(x.amount_minor, x.bank_id, x.entry_id) for x in statement.lines] == [(150, "B1", "B1")]
    for change, field in (
        ((b'"1.50"', b'"-1.50"'), "lines.0.amount"), ((b'"credit"', b'"in"'), "lines.0.direction"),
        ((b'"id": "B1", ', b""), "lines.0.id"), ((b'"id"', b'"di"'), "lines.0.id"),
        ((b"2026-03-10", b"10.3.26"), "lines.0.booked_on"),
        ((b'"1.50"', b"1.5"), "lines.0.amount"), ((b'"lines"', b'"rows"'), "lines"), ((b"[{", b"{{"), ""),
    ):  # fmt: skip
        with pytest.raises(Refused) as caught:
            hook_read(good.replace(*change))
        assert field in {p.field for p in caught.value.problems}
