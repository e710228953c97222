"""Mandates and their page, the pages of staff, REST and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from tests.factories import House, debit, mandate
from tests.lending.debits.worlds import TODAY, clock, debtor, due_today, in_flight, result
from tests.web.test_pages import client_for
from tideover.core.problems import Refused
from tideover.lending.debits.answers import result_take
from tideover.lending.debits.coming import coming
from tideover.lending.debits.mandates import Account, accounts_order, mandate_give, mandate_withdraw
from tideover.lending.models import Debit, DebitAccount, DebitFile, Mandate, MandateAct


@pytest.fixture(autouse=True)
def folders(settings: object, tmp_path: Path) -> None:
    settings.DEBIT_FOLDER = tmp_path  # type: ignore[attr-defined]


def borrower(house: House) -> Client:
    due_today(house).borrower.mandates.all()
    client = Client(headers={"accept-language": "en"})
    user = debtor(house).user
    assert user is not None
    client.force_login(user)
    return client


GOOD = {
    "act": "give", "lender": "BANK", "bank1": "ICBC", "number1": "6222 0000 1111 2222", "cap_take": "5,000", "cap_month": "10000",
    "payday": "15", "agree": "yes",
}  # fmt: skip


def test_a_borrower_gives_orders_and_withdraws_on_their_page(house: House) -> None:
    client = borrower(house)
    mandate_withdraw(Mandate.objects.get(), how="app", actor="t")
    assert "Switch automatic payment on" in client.get("/my/debits").content.decode()
    answer = client.post("/my/debits", {**GOOD, "bank2": "CCB", "number2": "6227000033334444", "part": "yes"})
    assert answer.status_code == 302
    m = Mandate.objects.get(withdrawn_at=None)
    assert (m.cap_take_minor, m.cap_month_minor, m.payday, m.part_allowed, m.signed_how) == (500_000, 1_000_000, 15, True, "app")
    page = client.get("/my/debits?saved=given").content.decode()
    assert "**** 2222" in page and "6222000011112222" not in page and "¥4,060.00" in page
    second = m.accounts.get(rank=2)
    client.post("/my/debits", {"act": "order", "lender": "BANK", "first": second.pk})
    assert list(m.accounts.order_by("rank").values_list("bank_code", flat=True)) == ["CCB", "ICBC"]
    client.post("/my/debits", {"act": "withdraw", "lender": "BANK"})
    m.refresh_from_db()
    assert m.withdrawn_at is not None
    assert list(MandateAct.objects.filter(mandate=m).values_list("act", flat=True)) == ["given", "accounts", "withdrawn"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM lending_debitaccount WHERE mandate_id = %s", [m.pk])
        assert all(b"2222" not in bytes(n) and b"4444" not in bytes(n) for (n,) in cursor.fetchall())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number1": "12"}, "f-number1"), ({"bank1": ""}, "f-bank1"), ({"cap_take": "no"}, "f-cap_take"),
        ({"cap_month": "100"}, "f-cap_month"), ({"payday": "32"}, "f-payday"), ({"agree": ""}, "f-agree"),
        ({"bank2": "CCB", "number2": "6222000011112222"}, "f-number2"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_its_field(house: House, change: dict[str, str], field: str) -> None:
    client = borrower(house)
    mandate_withdraw(Mandate.objects.get(), how="app", actor="t")
    answer = client.post("/my/debits", {**GOOD, **change})
    assert answer.status_code == 422 and f'href="#{field}"' in answer.content.decode()
    assert not Mandate.objects.filter(withdrawn_at=None).exists()


def test_a_mandate_says_everything_that_is_wrong_with_it(house: House) -> None:
    values = {"cap_take_minor": 5, "cap_month_minor": 4, "words": " ", "how": "dream", "actor": "t", "payday": 40}
    account = Account("?", "", "somebody else", "12")
    with pytest.raises(Refused) as refused:
        mandate_give(house.borrower, house.entity, accounts=[account], contracts=[house.other_loan], **values)  # type: ignore[arg-type]
    assert {p.field for p in refused.value.problems} == {
        "accounts.0.number", "accounts.0.bank_code", "accounts.0.bank_name", "cap_month", "payday", "how", "words",
        "loans", "accounts",
    }  # fmt: skip
    m = mandate(house.loan)
    for order in ([], [1, 1], [999]):
        with pytest.raises(Refused):
            accounts_order(m, order, how="app", actor="t")
    replaced = mandate(house.loan)
    assert Mandate.objects.filter(withdrawn_at=None).get() == replaced
    with pytest.raises(Refused):
        accounts_order(m, [DebitAccount.objects.filter(mandate=m).first().pk], how="app", actor="t")  # type: ignore[union-attr]


def test_the_next_debit_is_foreseen(house: House) -> None:
    contract = due_today(house)
    [x] = coming(Mandate.objects.get(), clock(9))
    assert (x.on, x.amount_minor, x.moving_minor) == (TODAY, 406_000, 0)
    d = in_flight(house, contract)
    [x] = coming(Mandate.objects.get(), clock(19))
    assert x.moving_minor == d.amount_minor and x.on is not None and x.on > TODAY


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_pages_of_staff(house: House, language: str) -> None:
    client = client_for(house, "payments", language)
    assert client.get("/debits").status_code == 200 and client.get("/debits?state=unknown").status_code == 200
    d = in_flight(house, due_today(house))
    result_take(result((d.reference, "1001", 0, None)), source="file", at=clock(19), actor="bank")
    DebitFile.objects.create(name="r.txt", sha256=b"x" * 32, state="refused", problem="it is not whole", at=clock())
    words = "not enough money" if language == "en" else "余额不足"
    assert words in client.get("/debits").content.decode()
    assert d.reference in client.get("/debits?state=failed&before=x").content.decode()
    assert d.reference in client.get(f"/debits/batches/{d.batch.number}").content.decode()
    page = client.get(f"/debits/{d.reference}").content.decode()
    assert words in page and d.account.masked in page and d.account.number not in page
    assert client.get("/debits/D-NOBODY").status_code == client.get("/debits/batches/B-NONE").status_code == 404
    assert client.post(f"/debits/{d.reference}").status_code == 404
    home = client.get("/").content.decode()
    assert ("Result files of the bank that cannot be used" if language == "en" else "无法使用的银行结果文件") in home


def test_a_branch_sees_the_debits_of_its_own_loans_only(house: House) -> None:
    debit(house.loan, reference="D-MINE")
    debit(house.other_loan, reference="D-OTHER")
    client = client_for(house, "branch_head")
    assert client.get("/debits/D-MINE").status_code == 200 and client.get("/debits/D-OTHER").status_code == 404
    assert client_for(house, "collector").get("/debits").status_code == 403


def test_rest(house: House) -> None:
    client = client_for(house, "payments")
    d = in_flight(house, due_today(house))
    [item] = client.get("/api/v1/debits?state=in_flight").json()["items"]
    assert item["reference"] == d.reference and item["amount"] == "4060.00" and item["account"] == d.account.masked
    assert client.get(f"/api/v1/debits/{d.reference}").json() == item
    [batch] = client.get("/api/v1/debit-batches").json()["items"]
    assert batch["total"] == "4060.00" and len(batch["sha256"]) == 64
    assert client.get(f"/api/v1/debit-batches/{batch['number']}").json() == batch
    assert client.post(f"/api/v1/debits/{d.reference}/inquire", "{}", "application/json").status_code == 422
    planned = client.post("/api/v1/debit-batches", json.dumps({"entity": "BANK"}), "application/json")
    assert planned.status_code == 200 and planned.json()["batches"] == []
    manager = client_for(house, "branch_head")
    account = {"bank_code": "ICBC", "bank_name": "工商银行", "holder": "李明", "number": "6222000011112222"}
    body = {
        "party": "P-0001", "entity": "BANK", "cap_take": "500.00", "cap_month": "900.00", "words": "w", "how": "paper",
        "accounts": [account],
        "loans": ["T-1"],
    }  # fmt: skip
    given = manager.post("/api/v1/mandates", json.dumps(body), "application/json").json()
    assert given["accounts"] == ["工商银行 **** 2222"]
    mine = client.get("/api/v1/mandates?party=P-0001").json()["items"]
    assert [m["reference"] for m in mine] == [given["reference"]]
    gone = manager.post(f"/api/v1/mandates/{given['reference']}/withdraw", json.dumps({"how": "paper"}), "application/json")
    assert gone.json()["withdrawn_at"] is not None


def test_the_command_line(house: House, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from tideover.cli import main

    due_today(house)
    assert main(["debits", "plan", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["loans"][0]["loan"] == "D-1"
    assert main(["debits", "plan", "--entity", "NOBODY"]) == 2
    for what in ("plan", "send", "inquire", "status"):
        assert main(["debits", what, "--json"]) == 0, what
        json.loads(capsys.readouterr().out)
    (tmp_path / "bad.txt").write_bytes(b"H|half")
    assert main(["debits", "take-in", str(tmp_path / "bad.txt")]) == 1
    assert main(["debits", "take-in", str(tmp_path / "none.txt")]) == 2
    assert "whole" in capsys.readouterr().out and not Debit.objects.filter(state="taken").exists()
