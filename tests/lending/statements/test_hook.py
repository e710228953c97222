"""The webhook of banks: what is not signed now by the bank is refused, what comes twice is once."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.databases import ROOT
from tests.factories import House
from tests.lending.statements.samples import ACCOUNT, Paid, camt
from tideover.core.business_time import now
from tideover.core.keys import rotate
from tideover.core.problems import Refused
from tideover.lending.models import BankLine, HookNonce, HookSecret, Match, Receipt, StatementFile
from tideover.lending.rules.hook_signature import call_fault, signature
from tideover.lending.statements.secrets import secret_end, secret_new
from tideover.lending.statements.services import account_open, statement_import, statements_finish

pytestmark = pytest.mark.django_db
LINE = {
    "id": "W1", "account": ACCOUNT, "booked_on": "2026-03-10", "amount": "4060.00", "direction": "credit", "name": "李明",
    "counter_account": "6217000000000000001", "reference": "T-1 第1期",
}  # fmt: skip


@pytest.fixture
def key(house: House) -> tuple[str, str]:
    account_open(entity=house.entity, number=ACCOUNT, name="Collections", bank="", opened_on=date(2020, 1, 1), actor="test")
    made, text = secret_new(bank="ICBC", entity=house.entity, actor="test")
    return made.key_id, text


def call(key: tuple[str, str], *lines: dict[str, Any], nonce: str = "", at: int = 0, body: bytes = b"", signed: str = "") -> Any:
    body = body or json.dumps({"lines": list(lines)}).encode()
    stamp, nonce = str(at or int(time.time())), nonce or f"n{time.monotonic_ns():020}"
    headers = {
        "X-Tideover-Key": key[0], "X-Tideover-Time": stamp, "X-Tideover-Nonce": nonce,
        "X-Tideover-Signature": signed or signature(key[1], stamp, nonce, body),
    }  # fmt: skip
    return Client().post("/hooks/bank", body, content_type="application/json", headers=headers)


def code(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == answer.status_code and said["title"]
    return answer.status_code, said["errors"][0]["code"]


def test_the_example_of_the_documentation() -> None:
    body = b'{"lines":[]}'
    said = signature("secret", "1764057600", "0123456789abcdef", body)
    assert said == "c96abee1dab26194ca8f9a9dae8e7af273959226e6dfdaac070724881fbb5ad8"
    assert said in (ROOT / "docs" / "bank-files.md").read_text(encoding="utf-8")
    assert call_fault("secret", "1764057600", "0123456789abcdef", said, body, 1764057600) == ""


def test_a_line_is_taken_once(house: House, key: tuple[str, str]) -> None:
    assert call(key, LINE).json() == {"new": 1, "known": 0}
    assert call(key, LINE).json() == {"new": 0, "known": 1}
    file = statement_import(camt(Paid("4060.00", "T-1 第1期", "李明", "6217000000000000001", "SVC1")), "a.xml", actor="ops")
    assert (file.new_count, file.known_count) == (0, 1)
    again = statement_import(camt(Paid("4060.00", "T-1", "李明", "6217000000000000001", "SVC1"), version="08"), "b", actor="ops")
    assert again.known_count == 1
    receipt = Receipt.objects.get()
    assert receipt.party == house.borrower and receipt.source_kind == "webhook"
    assert Match.objects.get().kind == "receipt"


def test_replay_tampering_and_time(key: tuple[str, str]) -> None:
    at = int(time.time())
    assert call(key, LINE, nonce="a" * 20).status_code == 200
    assert code(call(key, LINE, nonce="a" * 20)) == (409, "replayed")
    assert code(call(key, LINE, signed="0" * 64)) == (401, "bad_signature")
    assert code(call(key, LINE, at=at - 301)) == (401, "late")
    assert code(call(key, LINE, at=at + 400)) == (401, "late")
    assert code(call(key, LINE, nonce="short")) == (401, "bad_nonce")
    assert code(call(("K0", key[1]), LINE)) == (401, "unknown_key")
    assert code(call(key, {**LINE, "amount": "0"})) == (422, "bad_amount")
    assert code(call(key, {**LINE, "account": "999"})) == (422, "unknown_account")
    assert code(call(key, body=b"{")) == (422, "not_json")
    assert Client().get("/hooks/bank").status_code == 405
    assert BankLine.objects.count() == StatementFile.objects.count() == HookNonce.objects.count() == 1


def test_a_refused_call_may_come_again(key: tuple[str, str]) -> None:
    """Its nonce is not used up: nothing of it was stored."""
    assert call(key, {**LINE, "account": "999"}, nonce="b" * 20).status_code == 422
    assert call(key, LINE, nonce="b" * 20).status_code == 200


def test_secrets_are_exchanged_without_a_gap(house: House, key: tuple[str, str]) -> None:
    made, text = secret_new(bank="ICBC", entity=house.entity, actor="ops")
    with pytest.raises(Refused, match="end the old one first"):
        secret_new(bank="ICBC", entity=house.entity, actor="ops")
    assert call(key, LINE).status_code == call((made.key_id, text), LINE).status_code == 200
    secret_end(key[0], at=now(), actor="ops")
    assert code(call(key, LINE)) == (401, "unknown_key")
    secret_end(made.key_id, at=now() + timedelta(hours=1), actor="ops")
    assert call((made.key_id, text), LINE).status_code == 200
    with pytest.raises(Refused):
        secret_end(key[0], at=now(), actor="ops")


def test_secrets_are_sealed_and_sealed_anew(key: tuple[str, str], settings: Any) -> None:
    settings.TIDEOVER_FIELD_KEYS_ALSO = (settings.TIDEOVER_FIELD_KEY,)
    settings.TIDEOVER_FIELD_KEY = "another-master-secret-of-32-bytes!!"
    assert rotate("test")["lending_hooksecret"] == 1
    settings.TIDEOVER_FIELD_KEYS_ALSO = ()
    assert HookSecret.objects.get().secret == key[1]


def test_another_lenders_account_is_unknown(house: House, key: tuple[str, str]) -> None:
    from tideover.lending.models import LegalEntity

    other = LegalEntity.objects.create(code="OTHER", name_zh="别家", name_en="Other", valid_from=date(2020, 1, 1))
    account_open(entity=other, number="77", name="Theirs", bank="", opened_on=date(2020, 1, 1), actor="test")
    assert code(call(key, {**LINE, "account": "77"})) == (422, "unknown_account")


def test_a_call_cut_off_before_matching_is_ended(key: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as m:
        m.setattr("tideover.lending.statements.hook.call_done", lambda file: None)
        call(key, LINE)
    assert Receipt.objects.count() == 0
    assert statements_finish(now()) == 0
    assert statements_finish(now() + timedelta(minutes=6)) == 1
    assert Receipt.objects.count() == 1
