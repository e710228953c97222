"""Pages and REST of receipts: who sees what, the same figures for both sides, each act with its second person, bad input."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import House
from tests.web.test_api import client, post
from tests.web.test_pages import client_for
from tideover.core.business_time import business_date
from tideover.core.models import Approval, User
from tideover.lending.desk.kinds import BACK, KINDS, MONEY
from tideover.lending.desk.rows import desk_rows
from tideover.lending.models import Receipt
from tideover.lending.receipts.correct import receipt_move
from tideover.lending.receipts.payer import watch_list_load
from tideover.lending.receipts.services import Payer, Source, receipt_record

ON = date(2026, 2, 25)
ACCOUNT = "6222000100020003"


def take(house: House, amount: int, name: str = "李明", key: str = "r", nobody: bool = False) -> Receipt:
    return receipt_record(
        party=None if nobody else house.borrower, entity_id=house.entity.pk, amount_minor=amount, received_on=ON,
        payer=Payer(name, ACCOUNT, "ICBC"), source=Source("bank", "B1"), idempotency_key=key, actor="payments",
    )  # fmt: skip


def sums(page: str) -> set[str]:
    return set(re.findall(r"¥[\d,]+\.\d\d", page))


def test_both_sides_read_the_same_figures(house: House) -> None:
    receipt = take(house, 900_000)
    staff = client_for(house, "payments").get(f"/receipts/{receipt.number}").content.decode()
    mine = client_for(house, "borrower").get(f"/my/receipts/{receipt.number}").content.decode()
    parts = {f"¥{p.amount_minor / 100:,.2f}" for p in receipt.parts.all()}
    assert parts <= sums(mine) <= sums(staff)
    assert "You" not in staff and "Without this receipt" in staff and "/loans/T-1/payments/1" in staff
    assert "6222" not in staff and "0003" in staff
    other = User.objects.get(username="borrower")
    receipt_2 = receipt_record(
        party=house.other_borrower, entity_id=house.entity.pk, amount_minor=1, received_on=ON, payer=Payer(),
        source=Source("bank"), idempotency_key="o", actor="t",
    )  # fmt: skip
    assert client_for(house, other.role).get(f"/my/receipts/{receipt_2.number}").status_code == 404
    assert client_for(house, "branch_head").get(f"/receipts/{receipt_2.number}").status_code == 404


def test_the_trail_adds_up_to_the_receipt(house: House) -> None:
    receipt = take(house, 900_000)
    found = client(house, "payments").get(f"/api/v1/receipts/{receipt.number}/trail").json()
    cents = lambda s: round(float(s) * 100)  # noqa: E731
    assert sum(cents(p["amount"]) for p in found["parts"]) + receipt.unapplied_minor == 900_000
    for p in found["parts"]:
        assert (
            sum(cents(c["amount"]) for c in p["components"]) == cents(p["amount"]) == sum(cents(s["amount"]) for s in p["steps"])
        )
        rows = sum(cents(r["principal"]) + cents(r["interest"]) + cents(r["late"]) for r in p["instalments"])
        assert rows + sum(cents(c["amount"]) for c in p["components"] if c["name"] in ("held", "fee")) == cents(p["amount"])
    assert {u["loan_id"] for u in found["undone"]} == {"T-1", "T-2"}
    assert all(u["days_past_due_without"] >= u["days_past_due"] for u in found["undone"])


def test_the_list_shows_money_of_nobody_first_and_narrows(house: House) -> None:
    known = take(house, 900_000)
    lost = take(house, 100, key="lost", nobody=True)
    page = client_for(house, "payments").get("/receipts").content.decode()
    assert page.index(lost.number) < page.index(known.number) and "Money of nobody yet" in page
    assert lost.number not in client_for(house, "branch_head").get("/receipts").content.decode()
    assert known.number not in client_for(house, "payments").get("/receipts?show=unplaced").content.decode()
    assert "No receipt is like this" in client_for(house, "payments").get("/receipts?show=stopped").content.decode()


def test_what_waits_is_on_the_homes_of_those_who_work_it(house: House) -> None:
    watch_list_load("un", "name\n赵恶\n".encode(), actor="compliance")
    take(house, 1000, "赵恶", key="hit")
    take(house, 2000, "赵强", key="third")
    today = business_date()
    rows = {row.label: row for _, row in desk_rows(house.staff["payments"], today)}
    assert (rows["Payers on a watch list"].count, rows["Payers on a watch list"].amount_minor) == (1, 1000)
    assert rows["Alerts about payers"].count == 2
    assert "Payers on a watch list" in client_for(house, "finance").get("/").content.decode()
    assert any(row.count for _, row in desk_rows(house.staff["compliance"], today))
    assert not any(row.count for _, row in desk_rows(house.staff["collector"], today))


def act(house: House, receipt: Receipt, role: str, page: str, **data: Any) -> Any:
    return client_for(house, role).post(f"/receipts/{receipt.number}/{page}", data)


def test_money_is_moved_on_the_page(house: House) -> None:
    receipt = take(house, 500_000)
    bad = act(house, receipt, "payments", "move", loan=["T-1"], amount=["x"], reason="y")
    assert bad.status_code == 422 and "Enter an amount" in bad.content.decode()
    assert act(house, receipt, "payments", "move", loan=["T-404"], amount=["1"], reason="y").status_code == 422
    assert act(house, receipt, "collector", "move", loan=["T-1"], amount=["1"], reason="y").status_code == 403
    good = act(house, receipt, "payments", "move", loan=["T-1", "", "T-2"], amount=["1,000.00", "", "4000"], reason="asked")
    assert good.status_code == 302
    live = receipt.parts.filter(ended_at=None).order_by("contract__number")
    assert [(p.contract.number, p.amount_minor) for p in live] == [("T-1", 100_000), ("T-2", 400_000)]
    mine = client_for(house, "borrower").get(f"/my/receipts/{receipt.number}").content.decode()
    assert "We corrected which loan this money paid" in mine


def test_a_refund_is_asked_on_the_page_and_followed(house: House) -> None:
    receipt = take(house, 5_000_000)
    answer = act(house, receipt, "payments", "refund", refund="10000.00", reason="too much")
    approval = Approval.objects.get(kind="receipt.refund")
    assert answer.status_code == 302 and answer["Location"].endswith(approval.reference)
    shown = client_for(house, "finance").get(answer["Location"]).content.decode()
    assert "¥10,000.00" in shown and "0003" in shown and ACCOUNT not in shown
    client(house, "finance").post(
        f"/api/v1/approvals/{approval.reference}/decide", {"grant": True, "reason": "ok"}, content_type="application/json"
    )  # fmt: skip
    refund = receipt.refunds.get()
    assert act(house, receipt, "payments", "refund-state", refund=refund.reference, state="gone").status_code == 302
    assert "¥10,000.00 went back" in client_for(house, "borrower").get(f"/my/receipts/{receipt.number}").content.decode()
    assert client(house, "payments").get("/api/v1/refunds?state=gone").json()["items"][0]["amount"] == "10000.00"


def test_compliance_releases_and_closes(house: House) -> None:
    watch_list_load("un", "name\n赵恶\n".encode(), actor="compliance")
    receipt = take(house, 1000, "赵恶")
    assert act(house, receipt, "payments", "release", what="release", reason="namesake").status_code == 302
    assert "stopped by a watch list" in client_for(house, "compliance").get(f"/receipts/{receipt.number}").content.decode()
    alerts = client(house, "compliance").get("/api/v1/payer-alerts").json()["items"]
    assert [a["kind"] for a in alerts] == ["watch_list"]
    closed = act(house, receipt, "compliance", "alert", kind="watch_list", outcome="plain", reason="namesake")
    assert closed.status_code == 302
    assert act(house, receipt, "compliance", "alert", kind="watch_list", outcome="plain", reason="x").status_code == 422


def test_rest_takes_money_of_nobody_and_says_why_it_refuses(house: House) -> None:
    c = client(house, "payments")
    body = {"entity": "BANK", "amount": "12.00", "received_on": "2026-02-20"}
    made = post(c, "/receipts", body, key="n1").json()
    assert (made["party"], made["unapplied"], made["parts"]) == (None, "12.00", [])
    number = made["number"]
    for path, bad, code in (
        ("refund", {"amount": "1.00", "reason": "x"}, "no_source_account"),
        ("release", {"what": "keep", "reason": "x"}, "not_stopped"),
        ("move", {"parts": [{"loan": "T-1", "amount": "13.00"}], "reason": "x"}, "more_than_there_is"),
    ):  # fmt: skip
        answer = post(c, f"/receipts/{number}/{path}", bad, key=f"k-{path}")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
    nothing = post(c, "/receipt-proposals", {"party": "P-0001", "entity": "BANK", "reason": "x"}, key="p")
    assert nothing.json()["errors"][0]["code"] == "nothing_waits"
    moved = post(c, f"/receipts/{number}/move", {"parts": [{"loan": "T-1", "amount": "12.00"}], "reason": "theirs"}, key="m")
    assert (moved.status_code, moved.json()["party"], moved.json()["placed"]) == (200, "P-0001", "12.00")


@pytest.mark.parametrize("role", ["payments", "compliance", "branch_head", "auditor"])
def test_every_reader_opens_the_page_of_a_receipt(house: House, role: str) -> None:
    receipt = take(house, 900_000, "赵强")
    page = client_for(house, role).get(f"/receipts/{receipt.number}")
    assert page.status_code == 200 and receipt.number in page.content.decode()


def test_the_wrong_person_reads_that_it_was_put_right(house: House) -> None:
    receipt = receipt_record(
        party=house.borrower, entity_id=house.entity.pk, amount_minor=400_000, received_on=ON, payer=Payer(),
        source=Source("bank"), idempotency_key="w", actor="payments",
    )  # fmt: skip
    assert receipt.number in client_for(house, "borrower").get("/my/receipts").content.decode()
    receipt_move(receipt, parts=[("T-3", 400_000)], reason="a namesake", actor="payments")
    page = client_for(house, "borrower").get("/my/receipts").content.decode()
    assert receipt.number not in page and "somebody else" in page
    assert client_for(house, "borrower").get(f"/my/receipts/{receipt.number}").status_code == 404


def test_the_page_says_what_becomes_of_money_that_is_on_no_loan(house: House) -> None:
    lost, left = take(house, 100, key="lost", nobody=True), take(house, 5_000_000, key="left")
    watch_list_load("un", "name\n赵恶\n".encode(), actor="compliance")
    stopped = take(house, 1000, "赵恶", key="hit")
    page = {r.number: client_for(house, "payments").get(f"/receipts/{r.number}").content.decode() for r in (lost, left, stopped)}
    assert f"/suspense/{lost.number}" in page[lost.number] and "counts for nobody yet" in page[lost.number]
    assert "Put it on other loans" not in page[lost.number] + page[stopped.number]
    assert "pays what falls due next" in page[left.number] and "/suspense/" not in page[left.number]
    assert "Compliance decides" in page[stopped.number] and "meant for 李* P-0001" in page[stopped.number]
    mine = client_for(house, "borrower").get("/my/receipts").content.decode()
    assert "nobody asks you for it" in mine and "watch" not in mine and stopped.number not in mine
    assert client_for(house, "borrower").get(f"/my/receipts/{stopped.number}").status_code == 404


def test_what_is_there_stands_in_the_lines_that_move_it(house: House) -> None:
    receipt = take(house, 500_000)
    page = client_for(house, "payments").get(f"/receipts/{receipt.number}").content.decode()
    for part in receipt.parts.select_related("contract"):
        assert f'value="{part.contract.number}"' in page and f'value="{part.amount_minor / 100:.2f}"' in page


def test_everything_that_waits_of_receipts_costs_a_home_one_query(house: House) -> None:
    watch_list_load("un", "name\n赵恶\n".encode(), actor="compliance")
    take(house, 1000, "赵恶", key="hit")
    take(house, 2000, "赵强", key="third")
    take(house, 100, key="lost", nobody=True)
    user, today = house.staff["payments"], business_date()
    user.memo = {}
    kinds = {k.target: k for k in KINDS if k.group in (MONEY, BACK) and k.target != "bank_lines"}
    with CaptureQueriesContext(connection) as asked:
        found = {name: k.found(user, today) for name, k in kinds.items()}
    assert len(asked) == 2, "that of the post, and one"
    assert {name: (f["n"], f["first"], f["total"]) for name, f in found.items() if f["n"]} == {
        "suspense": (1, ON, 100), "suspense_old": (1, ON, 100), "receipts_stopped": (1, ON, 1000), "alerts": (2, ON, 3000),
    }  # fmt: skip
