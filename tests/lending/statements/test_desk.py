"""The desk: what waits and why, placed by one press, asked of a second person above the limit; files, lines, accounts."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.factories import House
from tests.lending.statements.samples import ACCOUNT, Paid, camt, table
from tideover.core.approvals import approval_decide
from tideover.core.models import Approval, WorkItem
from tideover.lending.models import BankLine, Receipt, StatementFile
from tideover.lending.statements import selectors as s
from tideover.lending.statements.services import account_open, statement_import

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(house: House) -> Client:
    account_open(entity=house.entity, number=ACCOUNT, name="Collections", bank="", opened_on=date(2020, 1, 1), actor="test")
    return signed_in(house, "payments")


def signed_in(house: House, role: str) -> Client:
    client = Client()
    client.force_login(house.staff[role])
    return client


def take(*paid: Paid, **more: Any) -> StatementFile:
    return statement_import(camt(*paid, **more), "day.xml", actor="ops")


def test_empty_pages(desk: Client) -> None:
    for address in ("/suspense", "/statements", "/statements?show=work", "/statements?show=calls", "/statements/lines",
                    "/statements/accounts", f"/statements/accounts/{ACCOUNT}", "/statements/upload"):  # fmt: skip
        assert desk.get(address).status_code == 200, address
    for address in ("/suspense/R-9", "/statements/F-9", "/statements/lines/L-9", "/statements/accounts/9"):
        assert desk.get(address).status_code == 404, address


def test_one_press_places_by_the_reasons(house: House, desk: Client) -> None:
    take(Paid("10.00", "T-1", "李*", id="S1"))
    page = desk.get("/suspense")
    assert "T-1" in page.text and house.borrower.reference in page.text
    receipt = Receipt.objects.get()
    answer = desk.post(f"/suspense/{receipt.number}", {"act": "place", "party": house.borrower.reference})
    assert answer.status_code == 302
    receipt.refresh_from_db()
    assert receipt.party == house.borrower and receipt.designation == [{"debt": "T-1"}]
    assert desk.get("/suspense").text.count(receipt.number) == 0


def test_somebody_who_was_not_suggested_needs_words(house: House, desk: Client) -> None:
    take(Paid("10.00", "hello", "张三", id="S1"))
    receipt = Receipt.objects.get()
    address = f"/suspense/{receipt.number}"
    assert house.other_borrower.reference in desk.get(address, {"q": "T-3"}).text
    assert desk.post(address, {"act": "place", "party": house.other_borrower.reference}).status_code == 422
    assert desk.post(address, {"act": "place", "party": "P-9999", "reason": "x"}).status_code == 404
    desk.post(address, {"act": "place", "party": house.other_borrower.reference, "reason": "their call of today"})
    receipt.refresh_from_db()
    assert receipt.party == house.other_borrower


def test_above_the_limit_a_second_person_decides(house: House, desk: Client) -> None:
    take(Paid("60000.00", "T-1", "李*", id="S1"))
    receipt = Receipt.objects.get()
    desk.post(f"/suspense/{receipt.number}", {"act": "place", "party": house.borrower.reference})
    receipt.refresh_from_db()
    approval = Approval.objects.get()
    assert receipt.party is None and approval.kind == "receipt.place"
    approval_decide(approval, grant=True, reason="the slip fits", actor=house.staff["finance"])
    receipt.refresh_from_db()
    assert receipt.party == house.borrower


def test_asking_the_person_opens_work_once(house: House, desk: Client) -> None:
    take(Paid("10.00", "T-1", "李*", id="S1"))
    receipt = Receipt.objects.get()
    for _ in range(2):
        desk.post(f"/suspense/{receipt.number}", {"act": "ask", "party": house.borrower.reference})
    item = WorkItem.objects.get()
    assert item.kind == "suspense.ask" and item.owner == house.staff["customer_manager"] and item.amount_minor == 1000


def test_undo_of_a_large_receipt_needs_a_second_person(house: House, desk: Client) -> None:
    take(Paid("60000.00", "T-1", "李明", id="S1"))
    line = BankLine.objects.get()
    desk.post(f"/statements/lines/{line.reference}", {"act": "become", "kind": "suspense", "reason": "wrong"})
    assert Receipt.objects.get().reversed_at is None
    approval_decide(Approval.objects.get(), grant=True, reason="yes", actor=house.staff["finance"])
    assert Receipt.objects.filter(reversed_at=None).get().party is None
    page = desk.get(f"/statements/lines/{line.reference}")
    assert page.status_code == 200 and "wrong" in page.text


def test_doubt_and_settling_on_pages(house: House, desk: Client) -> None:
    take(Paid("10.00", "T-1", "李明", "6217000000000000001", "S1"), Paid("7.00", "?", "x", id="S2", out=True))
    statement_import(table(("20260310", "", "10.00", "李*", "", "other words")), "d.csv", actor="ops", account=ACCOUNT)
    assert len(s.lines_to_work(house.staff["payments"], date(2026, 3, 11))) == 2
    doubt = BankLine.objects.get(matches__kind="doubt")
    address = f"/statements/lines/{doubt.reference}"
    assert desk.get(address).status_code == 200
    assert desk.post(address, {"act": "same", "reason": ""}).status_code == 422
    desk.post(address, {"act": "same", "reason": "the bank says so"})
    other = BankLine.objects.get(matches__kind="other")
    desk.post(f"/statements/lines/{other.reference}", {"act": "settle", "reason": "rent"})
    assert not s.lines_to_work(house.staff["payments"], date(2026, 3, 11)).exists()


def test_upload_and_what_is_refused(house: House, desk: Client) -> None:
    def send(data: bytes, **more: str) -> Any:
        return desk.post("/statements/upload", {"file": SimpleUploadedFile("a.bin", data), **more})

    assert send(camt(Paid("10.00", "T-1", "李明", id="S1"))).status_code == 302
    assert send(camt(Paid("10.00"), closing="1.00")).status_code == 422
    rows = table(("20260310", "", "9.00", "李明", "", "T-1"), ("never", "", "5.00", "", "", ""))
    assert send(rows).status_code == 422
    assert send(rows, account=ACCOUNT).status_code == 302
    assert send(rows, account="99").status_code == 422
    assert send(b"a,b\n1,2", mapping="columns: {booked_on: a, amount: b, colour: c}").status_code == 422
    assert desk.post("/statements/upload").status_code == 422
    states = set(StatementFile.objects.values_list("state", flat=True))
    assert states == {"done", "refused", "partly"}
    partly = StatementFile.objects.get(state="partly")
    page = desk.get(f"/statements/{partly.reference}")
    assert "row 3" in page.text
    assert "never" in desk.get(f"/statements/{partly.reference}/rejects.csv").text
    assert desk.post(f"/statements/{partly.reference}", {"reason": ""}).status_code == 422
    assert desk.post(f"/statements/{partly.reference}", {"reason": "known"}).status_code == 302
    assert partly not in s.files_to_work(house.staff["payments"], date(2026, 3, 11))


def test_pages_without_permission(house: House, desk: Client) -> None:
    take(Paid("10.00", "T-1", "李*", id="S1"))
    receipt, auditor = Receipt.objects.get(), signed_in(house, "auditor")
    assert auditor.get(f"/suspense/{receipt.number}").status_code == 200
    assert auditor.post(f"/suspense/{receipt.number}", {"act": "place", "party": house.borrower.reference}).status_code == 403
    assert auditor.get("/statements/upload").status_code == 403
    assert signed_in(house, "collector").get("/suspense").status_code == 403


def test_days_of_an_account(house: House, desk: Client) -> None:
    take(Paid("100.00", "T-1", "李明", id="S1"), Paid("5.00", "?", "x", id="S2"), Paid("1.00", id="S3", out=True, note="手续费"))
    take(Paid("7.00", "T-1", "李明", id="S4"), day="2026-03-12", opening="1104.00")
    account = s.accounts_visible(house.staff["payments"], date(2026, 3, 12)).get()
    month = date(2026, 3, 1), date(2026, 3, 31)
    later, first = s.days_of(account, *month)
    assert (first.opening, first.credit, first.debit, first.closing) == (100_000, 10_500, 100, 110_400)
    assert (first.said, first.off, first.receipts, first.suspense, first.open_) == (110_400, 0, 10_500, 500, 0)
    assert (later.opening, later.closing, later.said) == (110_400, 111_100, 111_100)
    take(Paid("1.00", "T-1", "李明", id="S5"), day="2026-03-14", opening="2000.00")
    assert s.days_of(account, *month)[0].off == 88_900, "a statement between was not taken in"


def test_rows_of_the_home(house: House, desk: Client) -> None:
    take(Paid("10.00", "T-1", "李*", id="S1"), Paid("7.00", "?", "x", id="S2", out=True))
    with pytest.raises(Exception, match="off by"):
        take(Paid("1.00"), closing="7.00")
    desk.cookies["django_language"] = "en"
    home = desk.get("/").text
    for label in (
        "Money in that nobody has claimed", "Of it unclaimed for over 30 days", "Bank files refused or not read whole",
        "Bank lines to look at", "Bank statements that have not come",
    ):  # fmt: skip
        assert label in home, label
