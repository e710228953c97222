"""Files in: each line there once and one thing, whatever comes twice, in whatever order."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.factories import House
from tests.lending.statements.samples import ACCOUNT, Paid, camt, table
from tideover.core.business_time import now
from tideover.lending.models import BankAccount, BankLine, Match, Receipt, StatementFile
from tideover.lending.statements.correct import doubt_answer, line_become, line_settle
from tideover.lending.statements.rules.line import BadStatement
from tideover.lending.statements.services import account_open, lines_open, statement_import, statements_finish

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(house: House) -> BankAccount:
    return account_open(
        entity=house.entity, number=ACCOUNT, name="Collections", bank="ICBC", opened_on=date(2020, 1, 1), actor="test"
    )


def take(data: bytes, name: str = "a.xml", **more: str) -> StatementFile:
    return statement_import(data, name, actor="ops", **more)


def became() -> list[tuple[str, str]]:
    return [(m.line.words or m.line.text, m.kind) for m in Match.objects.filter(undone_at=None).order_by("line__pk")]


MINE = Paid("4060.00", "T-1 第1期", "李明", "6217000000000000001", "SVC1")


def test_each_line_becomes_one_thing(house: House, account: BankAccount) -> None:
    account_open(entity=house.entity, number="22", name="Payouts", bank="", opened_on=date(2020, 1, 1), actor="test")
    file = take(camt(
        MINE, Paid("5.00", "thanks", "张三", "6219", "SVC2"), Paid("500.00", "move", "us", "22", "SVC3"),
        Paid("12.00", id="SVC4", out=True, note="手续费"), Paid("12000.00", "T-1 放款", "李明", id="SVC5", out=True),
        Paid("7.00", "?", "someone", id="SVC6", out=True),
    ))  # fmt: skip
    assert (file.state, file.lines_count, file.new_count, file.known_count) == ("done", 6, 6, 0)
    assert became() == [
        ("T-1 第1期", "receipt"), ("thanks", "suspense"), ("move", "own"), ("手续费", "fee"),
        ("T-1 放款", "payout"), ("?", "other"),
    ]  # fmt: skip
    mine, nobodys = Receipt.objects.order_by("pk")
    assert mine.party == house.borrower and mine.designation == [{"debt": "T-1"}]
    assert [(p.contract.number, p.amount_minor) for p in mine.parts.all()] == [("T-1", 406_000)]
    assert nobodys.party is None and nobodys.unapplied_minor == 500


def test_the_same_file_and_the_same_line_make_one_receipt(house: House, account: BankAccount) -> None:
    first = take(camt(MINE))
    assert take(camt(MINE), "b.xml").pk == first.pk
    again = take(camt(MINE, version="08", head=""), "c.xml")
    rows = take(table(("20260310", "", "4060.00", "李明", "6217000000000000001", "T-1 第1期")), "d.csv", account=ACCOUNT)
    assert [(f.new_count, f.known_count) for f in (first, again, rows)] == [(1, 0), (0, 1), (0, 1)]
    assert Receipt.objects.count() == BankLine.objects.count() == 1


def test_equal_rows_of_a_file_are_two_payments(house: House, account: BankAccount) -> None:
    row = ("20260310", "", "10.00", "李明", "6217000000000000001", "T-1")
    assert take(table(row, row), account=ACCOUNT).new_count == 2
    assert take(camt(*[Paid("10.00", "T-1", "李明", "6217000000000000001", f"S{n}") for n in (1, 2, 3)])).new_count == 1
    assert Receipt.objects.count() == 3


def test_account_known_from_before(house: House, account: BankAccount) -> None:
    take(camt(MINE))
    take(camt(Paid("1.00", "", "", "6217000000000000001", "SVC9"), day="2026-03-11"))
    assert became()[-1][1] == "receipt"
    theirs = Receipt.objects.order_by("pk").last()
    assert theirs is not None and theirs.party == house.borrower
    take(camt(Paid("2.00", "T-3", "王芳", "6217000000000000001", "SVC10"), day="2026-03-12"))
    take(camt(Paid("3.00", "", "", "6217000000000000001", "SVC11"), day="2026-03-13"))
    assert [k for _, k in became()] == ["receipt", "receipt", "receipt", "suspense"]


def test_returned_payment_reverses_its_receipt(house: House, account: BankAccount) -> None:
    take(camt(MINE))
    take(camt(Paid("4060.00", id="SVC7", end_to_end="SVC1", out=True, reversal=True, note="退票 SVC1"), day="2026-03-11"))
    assert [k for _, k in became()] == ["receipt", "returned"]
    receipt = Receipt.objects.get()
    assert receipt.reversed_at is not None
    back = BankLine.objects.get(bank_id="SVC7")
    line_become(back, kind="other", reason="it was another", actor="ops")
    assert [k for _, k in became()] == ["suspense", "other"]
    assert Receipt.objects.filter(reversed_at=None, party=None, amount_minor=406_000).count() == 1


def test_a_return_of_nothing_known_is_looked_at(house: House, account: BankAccount) -> None:
    take(camt(Paid("4060.00", id="SVC7", out=True, reversal=True)))
    [match] = Match.objects.all()
    assert (match.kind, match.reasons) == ("other", [{"code": "returned_unknown"}])
    line_settle(match.line, reason="the bank explained", actor="ops")


def test_undo_puts_the_money_back_into_suspense(house: House, account: BankAccount) -> None:
    take(camt(MINE))
    line = BankLine.objects.get()
    line_become(line, kind="suspense", reason="wrong person", actor="ops")
    assert [k for _, k in became()] == ["suspense"]
    old, new = Receipt.objects.order_by("pk")
    assert old.reversed_at is not None and new.party is None and new.unapplied_minor == 406_000
    line_become(line, kind="own", reason="our own money", actor="ops")
    assert Receipt.objects.filter(reversed_at=None).count() == 0
    assert take(camt(MINE, version="08")).new_count == 0


def test_doubt_is_asked_and_neither_booked_nor_dropped(house: House, account: BankAccount) -> None:
    take(camt(MINE))
    take(table(("20260310", "", "4060.00", "李*", "", "other words")), account=ACCOUNT)
    assert [k for _, k in became()] == ["receipt", "doubt"] and Receipt.objects.count() == 1
    line = BankLine.objects.order_by("pk").last()
    assert line is not None
    doubt_answer(line, same=False, reason="two payments", actor="ops")
    assert [k for _, k in became()] == ["receipt", "suspense"] and Receipt.objects.count() == 2


def test_doubt_that_is_the_same(house: House, account: BankAccount) -> None:
    take(camt(MINE))
    take(table(("20260310", "", "4060.00", "李*", "", "other words")), account=ACCOUNT)
    line = BankLine.objects.order_by("pk").last()
    assert line is not None
    doubt_answer(line, same=True, reason="the bank says so", actor="ops")
    assert [k for _, k in became()] == ["receipt", "same"] and Receipt.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (camt(MINE, closing="1.00"), "unbalanced"), (camt(MINE, account="99"), "unknown_account"),
        (camt(MINE, currency="USD"), "currency"), (camt(MINE, day="2199-01-01"), "future"),
        (b"%PDF-1.7", "pdf"), (b" ", "empty"), (b"a,b\n1,2", "unknown_layout"),
    ],
)  # fmt: skip
def test_refused_files_leave_nothing_but_their_trace(house: House, account: BankAccount, data: bytes, code: str) -> None:
    for _ in range(2):
        with pytest.raises(BadStatement) as caught:
            take(data)
        assert caught.value.code == code
    file = StatementFile.objects.get()
    assert (file.state, file.code) == ("refused", code)
    assert BankLine.objects.count() == Receipt.objects.count() == 0


def test_rows_that_cannot_be_read_are_kept_apart(house: House, account: BankAccount) -> None:
    data = table(("20260310", "", "10.00", "李明", "", "T-1"), ("never", "", "5.00", "", "", ""))
    file = take(data, account=ACCOUNT)
    assert (file.state, file.new_count, file.rejected_count) == ("partly", 1, 1)
    assert "never" in file.rejects


def test_cut_off_between_storing_and_matching(house: House, account: BankAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as m:
        m.setattr("tideover.lending.statements.services.lines_match", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            take(camt(MINE))
    assert len(lines_open(StatementFile.objects.get())) == 1 and Receipt.objects.count() == 0
    assert statements_finish(now() + timedelta(minutes=6)) == 1
    assert take(camt(MINE)).state == "done"
    assert Receipt.objects.count() == 1


def test_a_screened_or_named_loan_that_takes_nothing(house: House, account: BankAccount) -> None:
    """A loan paid out after the day of the money: it is still theirs, unapplied."""
    take(camt(Paid("10.00", "T-1", "李明", id="S1"), day="2026-01-05"))
    receipt = Receipt.objects.get()
    assert receipt.party == house.borrower and receipt.unapplied_minor == 1000
