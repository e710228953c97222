"""Pages and REST of the counter: the teller's way through a day, who sees what, bad input that loses nothing, double presses."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from django.db import connection

from tests.factories import House, loan
from tests.lending.counter.desk import decide, take, teller, till
from tests.lending.statements.samples import Paid as BankPaid
from tests.lending.statements.samples import camt
from tests.web.test_api import client, post
from tests.web.test_pages import client_for
from tideover.core.business_time import business_date, now
from tideover.core.documents import document_verify
from tideover.core.ids import handle_grouped
from tideover.core.models import ActionLog, Approval
from tideover.lending.counter.taking import slip_cancel_ask
from tideover.lending.counter.tills import till_close, till_count
from tideover.lending.models import Receipt, Slip, Till
from tideover.lending.statements.services import account_open, statement_import


def key_in(page: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found
    return found[1]


def text(response: Any) -> str:
    return str(response.content.decode())


def test_a_day_at_the_counter(house: House) -> None:
    c = client_for(house, "teller")
    page = text(c.get("/counter"))
    assert "Open your till" in page and "Hangzhou" in page
    bad = c.post("/counter", {"act": "open", "branch": "HZ", "float": "much", "key": key_in(page)})
    assert bad.status_code == 422 and 'value="much"' in text(bad) and key_in(text(bad)) == key_in(page)
    assert c.post("/counter", {"act": "open", "branch": "HZ", "float": "1,000", "key": key_in(page)}).status_code == 302
    assert "No payment yet" in text(c.get("/counter"))
    for typed in ("T-1", "p-0001", "19900000001", "李明", house.borrower.id_number):
        assert c.post("/counter", {"find": typed})["Location"] == "/counter/take/P-0001", typed
    for typed in ("T-3", "王芳", "19900", ""):
        assert "Nobody of this branch fits" in text(c.post("/counter", {"find": typed})), typed
    page = text(c.get("/counter/take/P-0001"))
    assert "12,180.00" not in page and "To pay off" in page and "T-1" in page and "李明" not in page
    form = {"key": key_in(page), "amount": "４０６０元", "method": "cash", "loan": "T-2"}
    bad = c.post("/counter/take/P-0001", {**form, "amount": "4060.001", "payer_name": "赵强"})
    assert bad.status_code == 422 and 'value="4060.001"' in text(bad) and 'value="赵强"' in text(bad)
    done = c.post("/counter/take/P-0001", form)
    again = c.post("/counter/take/P-0001", form)
    slip = Slip.objects.get()
    assert done["Location"] == again["Location"] == f"/counter/slips/{slip.number}" and Receipt.objects.count() == 1
    page = text(c.get(done["Location"]))
    assert "¥4,060.00" in page and "T-2" in page and "Principal" in page and "booked" in page
    assert slip.number in text(c.get("/counter"))


def test_printed_once_and_then_as_a_copy_and_checked_by_its_code(house: House) -> None:
    slip = take(house, till(house))
    c = client_for(house, "teller")
    assert c.get(f"/counter/slips/{slip.number}/print").status_code == 302, "looking at an address prints nothing"
    first, second = (text(c.post(f"/counter/slips/{slip.number}/print")) for _ in range(2))
    assert "副本" not in first and "Copy no. 1" in second
    for part in ("李明", "¥4,060.00", "人民币肆仟零陆拾元整", slip.number, handle_grouped(slip.code), "400-000-0000", "T-1"):
        assert part in first, part
    assert slip.prints.count() == 2
    said = document_verify(handle_grouped(slip.code).lower())
    assert (said.state, said.number, said.issuer) == ("genuine", slip.number, "Tide Bank")
    checked = text(client_for(house, "teller").get(f"/verify?code={slip.code}"))
    assert slip.number in checked and "Slip of a payment at the counter" in checked and "李" not in checked
    asked = slip_cancel_ask(slip, reason="x", actor=slip.till.teller)
    decide(asked.reference, house.staff["branch_head"])
    assert document_verify(slip.code).state == "cancelled"
    paper = text(c.post(f"/counter/slips/{slip.number}/print"))
    assert "已作废" in paper and "What it paid" not in paper


def test_above_the_limit_the_payer_holds_a_slip_that_waits(house: House) -> None:
    till(house)
    c = client_for(house, "teller")
    form = {"key": "k", "amount": "10000.01", "method": "cash"}
    bad = c.post("/counter/take/P-0001", form)
    assert bad.status_code == 422 and "a second person decides" in text(bad)
    c.post("/counter/take/P-0001", {**form, "note": "sold the car"})
    slip = Slip.objects.get()
    assert slip.approval in text(c.get(f"/counter/slips/{slip.number}")) and not Receipt.objects.exists()
    paper = text(c.post(f"/counter/slips/{slip.number}/print"))
    assert "awaiting confirmation" in paper and "What it paid" not in paper
    mine = text(client_for(house, "borrower").get("/"))
    assert "¥10,000.01" in mine and "nobody will ask you for it" in mine and slip.number in mine
    head = client_for(house, "branch_head")
    assert slip.approval in text(head.get("/approvals"))
    assert "¥10,000.01" in text(head.get(f"/approvals/{slip.approval}"))
    decide(slip.approval, house.staff["branch_head"], grant=False)
    assert "Counter money to give back" in text(head.get("/"))
    assert "was not confirmed" in text(c.get("/counter"))
    bad = c.post(f"/counter/slips/{slip.number}", {"act": "give_back", "reason": " "})
    assert bad.status_code == 422 and "Say why" in text(bad)
    assert c.post(f"/counter/slips/{slip.number}", {"act": "give_back", "reason": "wants it back"}).status_code == 302
    assert "given back" in text(c.get(f"/counter/slips/{slip.number}"))
    assert "slip" not in text(client_for(house, "borrower").get("/")).split("<main")[1].split("</main")[0]


def test_counted_blind_and_handed_over(house: House) -> None:
    box = till(house)
    take(house, box, 23_400)
    c, address = client_for(house, "teller"), f"/tills/{box.number}"
    for page in (text(c.get(address)), text(client_for(house, "branch_head").get("/tills"))):
        assert "1,234.00" not in page and ">Expected<" not in page
    assert client(house, "teller").get(f"/api/v1/counter/tills/{box.number}").json()["expected"] is None
    bad = c.post(address, {"act": "check", "n10000": "twelve"})
    assert bad.status_code == 422 and 'value="twelve"' in text(bad)
    pieces = {"n10000": "12", "n2000": "1", "n1000": "1"}
    checked = text(c.post(address, {"act": "check", **pieces}))
    assert "Counted: ¥1,230.00" in checked and "Enter this count" in checked and "Difference" not in checked
    assert Till.objects.get().state == "open"
    assert c.post(address, {"act": "count", **pieces}).status_code == 302
    page = text(c.get(address))
    assert "¥1,234.00" in page and "−¥4.00" in page
    bad = c.post(address, {"act": "close", "bag_number": "B-77", "bag": "1000", "vault": "200"})
    assert bad.status_code == 422 and "Bag and vault together" in text(bad) and 'value="B-77"' in text(bad)
    close = {"act": "close", "bag_number": "B-77", "bag": "1000", "vault": "230", "reason": "gave too much change"}
    assert c.post(address, close).status_code == 302
    day = text(client_for(house, "branch_head").get("/tills"))
    assert "B-77" in day and "−4.00" in day and "closed" in day
    assert {"till.open", "till.count", "till.close"} <= set(ActionLog.objects.values_list("action", flat=True))


def test_a_till_left_open_is_somebodys_row(house: House) -> None:
    left = till(house, at=now() - timedelta(days=1))
    for role in ("branch_head", "payments", "teller"):
        assert "Tills left open past their day" in text(client_for(house, role).get("/")), role
    assert left.number in text(client_for(house, "branch_head").get("/tills?show=left"))
    c = client_for(house, "teller")
    assert "Count it and hand its cash over" in text(c.get("/counter"))
    assert "open your till of today first" in text(c.get("/counter/take/P-0001"))
    assert "Enter a date" in text(c.get("/tills?on=soon"))
    page = text(client_for(house, "branch_head").get(f"/tills/{left.number}"))
    assert "Add it up" in page and "Add it up" not in text(client_for(house, "payments").get(f"/tills/{left.number}"))


def test_who_paid_for_somebody_is_kept_sealed_and_read_by_compliance(house: House) -> None:
    slip = take(house, till(house), 100, payer_name="上官付款", payer_id="339900198502030018")
    with connection.cursor() as cursor:
        cursor.execute("SELECT payer_name, payer_id FROM lending_slip")
        assert all(t.encode() not in bytes(v) for v in cursor.fetchone() for t in ("上官付款", "339900198502030018"))
    for role in ("teller", "branch_head", "payments", "auditor"):
        page = text(client_for(house, role).get(f"/counter/slips/{slip.number}"))
        assert "上官" not in page and "339900198502030018" not in page and "somebody else" in page, role
    page = text(client_for(house, "compliance").get(f"/counter/slips/{slip.number}"))
    assert "上官付款" in page and "339900198502030018" in page
    assert ActionLog.objects.filter(action="slip.read", actor="compliance").count() == 1


def test_large_cash_is_a_line_of_a_report_and_no_refusal(house: House) -> None:
    box = till(house)
    for n in range(6):
        take(house, box, 900_000 if n < 5 else 500_000, f"k{n}")
    assert "Large cash to report" in text(client_for(house, "compliance").get("/"))
    page = text(client_for(house, "compliance").get("/large-cash"))
    assert "50,000.00" in page and "P-0001" in page and "李明" not in page
    c = client(house, "compliance")
    [line] = c.get("/api/v1/counter/large-cash").json()["items"]
    assert (line["amount"], line["payments"], line["day"]) == ("50000.00", 6, str(business_date()))
    asked = slip_cancel_ask(Slip.objects.latest("pk"), reason="x", actor=box.teller)
    decide(asked.reference, house.staff["branch_head"])
    assert c.get("/api/v1/counter/large-cash").json()["items"] == []
    assert "reached the threshold." in text(client_for(house, "compliance").get("/large-cash"))
    assert c.get("/api/v1/counter/large-cash?first=2026-01-01&last=2025-01-01").status_code == 422


def test_other_branches_and_other_tellers(house: House) -> None:
    box = till(house)
    slip = take(house, box)
    house.staff["branch_head"].posts.update(branch=house.other_branch)
    for address in (f"/tills/{box.number}", f"/counter/slips/{slip.number}"):
        assert client_for(house, "branch_head").get(address).status_code == 404
        assert client_for(house, "auditor").get(address).status_code == 200
    assert client_for(house, "teller").get("/counter/take/P-0002").status_code == 404
    assert client_for(house, "auditor").post(f"/counter/slips/{slip.number}", {"act": "cancel", "reason": "x"}).status_code == 403
    second = client_for(house, "teller")
    second.force_login(teller(house, "teller_2"))
    refused = second.post(f"/counter/slips/{slip.number}", {"act": "cancel", "reason": "x"})
    assert refused.status_code == 403 or "belongs to somebody else" in text(refused)
    assert "Ask to cancel" not in text(second.get(f"/counter/slips/{slip.number}"))


def test_rest_from_opening_to_closing(house: House) -> None:
    c = client(house, "teller")
    head = {"HTTP_IDEMPOTENCY_KEY": "o"}
    opened = c.post("/api/v1/counter/tills", {"branch": "HZ", "float": "100.00"}, "application/json", **head)
    assert opened.status_code == 200, opened.content
    number = opened.json()["number"]
    pay = {"party": "P-0001", "amount": "4060.00", "designation": [{"debt": "T-1"}]}
    address = f"/api/v1/counter/tills/{number}/payments"
    one = c.post(address, pay, "application/json", HTTP_IDEMPOTENCY_KEY="p").json()
    assert one["state"] == "slip_booked" and one["parts"][0]["loan_id"] == "T-1"
    assert sum(float(x["amount"]) for p in one["parts"] for x in p["components"]) == 4060
    assert c.post(address, pay, "application/json", HTTP_IDEMPOTENCY_KEY="p").json() == one
    other = c.post(address, {**pay, "amount": "1.00"}, "application/json", HTTP_IDEMPOTENCY_KEY="p")
    assert other.status_code == 422 and other.json()["errors"][0]["code"] == "idempotency_conflict"
    above = c.post(address, {**pay, "amount": "10000.01", "note": "x"}, "application/json", HTTP_IDEMPOTENCY_KEY="q").json()
    assert above["state"] == "slip_awaiting" and above["receipt"] is None and above["parts"] == []
    decide(above["approval"], house.staff["branch_head"], grant=False)
    reason = {"reason": "wants it back", "till": number}
    back = c.post(f"/api/v1/counter/slips/{above['number']}/give-back", reason, "application/json").json()
    assert back["state"] == "slip_returned"
    cancel = c.post(
        f"/api/v1/counter/slips/{one['number']}/cancel", {"reason": "wrong"}, "application/json", HTTP_IDEMPOTENCY_KEY="x"
    )  # fmt: skip
    assert cancel.status_code == 202 and Approval.objects.latest("pk").kind == "counter.cancel"
    pieces = {"pieces": [{"denomination": "100.00", "pieces": 41}, {"denomination": "50.00", "pieces": 1}]}
    counted = c.post(f"/api/v1/counter/tills/{number}/count", pieces, "application/json").json()
    assert (counted["counted"], counted["expected"], counted["difference"]) == ("4150.00", "4160.00", "-10.00")
    close = {"bag_number": "B9", "bag": "4150.00", "reason": "ten short"}
    waiting = c.post(f"/api/v1/counter/tills/{number}/close", close, "application/json", HTTP_IDEMPOTENCY_KEY="c")
    assert waiting.status_code == 202
    decide(Approval.objects.latest("pk").reference, house.staff["payments"])
    assert c.get(f"/api/v1/counter/tills/{number}").json()["state"] == "closed"
    assert [x["number"] for x in c.get(f"/api/v1/counter/slips?till={number}").json()["items"]] == [
        one["number"],
        above["number"],
    ]
    assert post(client(house, "payments"), f"/counter/tills/{number}/payments", pay).status_code == 403


def test_what_the_counter_paid_into_the_bank_is_no_receipt_again(house: House) -> None:
    box = till(house)
    moved = take(house, box, 50_000, method="transfer", reference="E2E8812773")
    till_count(box, {10_000: 10}, actor=box.teller)
    till_close(box, bag_number="BAG-1", bag_minor=100_000, vault_minor=0, actor=box.teller)
    account = account_open(entity=house.entity, number="88", name="x", bank="", opened_on=date(2020, 1, 1), actor="t")
    lines = (
        BankPaid("1000.00", "cash BAG-1", id="L1"), BankPaid("500.00", "T-1", "李明", "6222", "L2", end_to_end="E2E8812773"),
        BankPaid("500.00", "T-1", "李明", "6222", "L3"),
    )  # fmt: skip
    file = statement_import(camt(*lines, account=account.number), "a.xml", actor="t")
    became = [(m.kind, m.of) for m in (x.matches.get() for x in file.lines.order_by("pk"))]
    assert became[:2] == [("own", "BAG-1"), ("own", moved.number)] and became[2][0] == "receipt"


def test_a_borrower_of_two_branches_reads_of_each_part_what_is_theirs(house: House) -> None:
    loan("T-8", house.borrower, house.other_branch)
    box = till(house)
    slip = take(house, box, 900_000)
    found = client(house, "teller").get(f"/api/v1/counter/slips/{slip.number}").json()
    assert {p["loan_id"] for p in found["parts"]} <= {"T-1", "T-2", None}
