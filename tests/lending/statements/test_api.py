"""REST and commands of statements: what they answer, and to whom."""

from __future__ import annotations

import base64
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import House
from tests.lending.statements.samples import ACCOUNT, Paid, camt, table
from tideover.cli import main
from tideover.core.business_time import now
from tideover.lending.models import BankAccount, BankLine, HookSecret, LegalEntity, Receipt, Staff, StatementFile
from tideover.lending.statements.services import account_open, statement_import

pytestmark = pytest.mark.django_db
API = "/api/v1"


@pytest.fixture
def account(house: House) -> BankAccount:
    return account_open(
        entity=house.entity, number=ACCOUNT, name="Collections", bank="", opened_on=date(2020, 1, 1), actor="test"
    )


class Caller:
    """Calls as a role; each write under a key of its own."""

    def __init__(self, house: House, role: str) -> None:
        self.client, self.n = Client(), 0
        self.client.force_login(house.staff[role])

    def get(self, path: str) -> Any:
        return self.client.get(API + path)

    def post(self, path: str, body: dict[str, Any], key: str = "") -> Any:
        self.n += 1
        headers = {"Idempotency-Key": key or f"k{self.n}"}
        return self.client.post(API + path, json.dumps(body), content_type="application/json", headers=headers)


def file_in(data: bytes, **more: str) -> dict[str, Any]:
    return {"name": "a.xml", "content": base64.b64encode(data).decode(), **more}


def test_a_file_by_rest(house: House, account: BankAccount) -> None:
    ops = Caller(house, "payments")
    said = ops.post("/statements", file_in(camt(Paid("10.00", "T-1", "李*", id="S1")))).json()
    assert (said["state"], said["new_count"], said["kind"]) == ("done", 1, "camt053")
    again = ops.post("/statements", file_in(camt(Paid("10.00", "T-1", "李*", id="S1")))).json()
    assert again["reference"] == said["reference"]
    [line] = ops.get(f"/bank-lines?file={said['reference']}").json()["items"]
    assert (line["became"], line["amount"], line["direction"]) == ("suspense", "10.00", "credit")
    [waiting] = ops.get("/suspense").json()["items"]
    assert waiting["candidates"][0]["party"] == house.borrower.reference
    assert "name loan T-1" in waiting["candidates"][0]["reasons"]
    body = {"party": house.borrower.reference, "loans": ["T-1"], "reason": "their words"}
    assert ops.post(f"/suspense/{waiting['receipt']}/place", body, "same").json()["party"] == house.borrower.reference
    assert ops.post(f"/suspense/{waiting['receipt']}/place", body, "same").status_code == 200
    assert ops.post(f"/suspense/{waiting['receipt']}/place", body).status_code == 404
    done = ops.post(f"/bank-lines/{line['reference']}/become", {"kind": "suspense", "reason": "wrong"}).json()
    assert done["became"] == "suspense" and Receipt.objects.count() == 2
    [day] = ops.get(f"/bank-accounts/{ACCOUNT}/days?first=2026-03-01&last=2026-03-31").json()["items"]
    assert (day["opening"], day["credit"], day["closing"], day["said"], day["open"]) == (
        "1000.00",
        "10.00",
        "1010.00",
        "1010.00",
        "0.00",
    )
    assert [a["number"] for a in ops.get("/bank-accounts").json()["items"]] == [ACCOUNT]


def test_what_rest_refuses(house: House, account: BankAccount) -> None:
    ops = Caller(house, "payments")
    wrong = ops.post("/statements", file_in(camt(Paid("10.00"), closing="1.00")))
    assert wrong.status_code == 422 and wrong.json()["errors"][0]["code"] == "unbalanced" and "Stmt 1" in wrong.json()["detail"]
    assert ops.post("/statements", {"name": "x", "content": "?"}).json()["errors"][0]["code"] == "bad_content"
    assert (
        ops.get("/statements/F-9").status_code
        == ops.get("/bank-accounts/9/days?first=2026-03-01&last=2026-03-02").status_code
        == 404
    )
    assert ops.get(f"/bank-accounts/{ACCOUNT}/days?first=2026-01-01&last=2026-12-01").status_code == 422
    assert Caller(house, "auditor").post("/statements", file_in(b"x")).status_code == 403
    assert Caller(house, "collector").get("/suspense").status_code == 403


def test_another_lender_sees_nothing(house: House, account: BankAccount) -> None:
    file = statement_import(camt(Paid("10.00", "T-1", "李*", id="S1")), "a.xml", actor="ops")
    other = LegalEntity.objects.create(code="OTHER", name_zh="别家", name_en="Other", valid_from=date(2020, 1, 1))
    Staff.objects.filter(user=house.staff["payments"]).update(entity=other)
    theirs = Caller(house, "payments")
    for path in ("/statements", "/bank-lines", "/suspense", "/bank-accounts"):
        assert theirs.get(path).json()["items"] == [], path
    assert theirs.get(f"/statements/{file.reference}").status_code == 404
    refused = theirs.post("/statements", file_in(camt(Paid("11.00", id="S2"))))
    assert refused.json()["errors"][0]["code"] == "unknown_account"
    line, receipt = BankLine.objects.get(), Receipt.objects.get()
    assert theirs.post(f"/bank-lines/{line.reference}/become", {"kind": "own", "reason": "x"}).status_code == 404
    assert theirs.client.get(f"/suspense/{receipt.number}").status_code == 404
    assert theirs.client.get(f"/statements/lines/{line.reference}").status_code == 404


def test_commands(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bank", "account", ACCOUNT, "--entity", "BANK", "--name", "Collections"]) == 0
    assert main(["bank", "account", ACCOUNT, "--entity", "BANK", "--name", "Collections"]) == 2
    assert main(["bank", "account", "1", "--entity", "NONE", "--name", "x"]) == 2
    capsys.readouterr()
    assert main(["bank", "secret", "ICBC", "--entity", "BANK", "--json"]) == 0
    key = json.loads(capsys.readouterr().out)["key"]
    later = now() + timedelta(days=1)
    assert main(["bank", "end-secret", key, "--at", "2026-12-01T00:00"]) == 2
    assert main(["bank", "end-secret", key, "--at", later.isoformat()]) == 0
    assert HookSecret.objects.get().ends_at == later
    good, table_, bad = tmp_path / "a.xml", tmp_path / "b.csv", tmp_path / "c.xml"
    good.write_bytes(camt(Paid("10.00", "T-1", "李明", id="S1")))
    table_.write_bytes(table(("20260310", "", "9.00", "李明", "", "T-1"), ("never", "", "5.00", "", "", "")))
    bad.write_bytes(camt(Paid("10.00"), closing="1.00"))
    capsys.readouterr()
    assert main(["import", "statement", str(good), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) | {"file": ""} == {
        "file": "", "kind": "camt053", "state": "done", "lines": 1, "new": 1, "known": 0, "rejected": 0, "pending": 0,
    }  # fmt: skip
    rejects = tmp_path / "rejects.csv"
    assert main(["import", "statement", str(table_), "--account", ACCOUNT, "--rejects", str(rejects)]) == 1
    assert "never" in rejects.read_text(encoding="utf-8-sig")
    assert main(["import", "statement", str(bad)]) == 2
    assert "off by" in capsys.readouterr().err
    assert main(["import", "statement", str(tmp_path / "none")]) == 2
    assert StatementFile.objects.count() == 3
