"""Idempotency keys of REST: the same request again gets the first answer, another one is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from tests.factories import House
from tests.web.test_api import client, post
from tests.web.test_api_book import ROWS, operations, terms
from tideover.core import once
from tideover.core.models import ActionLog, StoredAnswer
from tideover.lending.models import Contract, Facility, Hold
from tideover.web.api import api

HOLD = {"party": "P-0001", "loan": "T-1", **ROWS["holds"]}


def test_a_write_happens_once_and_answers_the_same_bytes(house: House) -> None:
    c = client(house, "complaints")
    first = post(c, "/holds", HOLD, "k")
    again = post(c, "/holds", dict(reversed(HOLD.items())), "k")
    assert first.status_code == 200 and first.content == again.content
    assert Hold.objects.count() == 1 and ActionLog.objects.filter(action="hold.add").count() == 1
    assert post(c, "/holds", HOLD, "k2").status_code == 200 and Hold.objects.count() == 2


def test_a_key_stands_for_its_body_and_its_address(house: House) -> None:
    c = client(house, "complaints")
    post(c, "/holds", HOLD, "k")
    for address, body in (("/holds", {**HOLD, "kind": "dispute"}), ("/help-requests", {"party": "P-0001"})):
        response = post(c, address, body, "k")
        assert response.status_code == 422 and response.json()["errors"][0]["code"] == "idempotency_conflict"
    assert Hold.objects.count() == 1


def test_keys_of_two_people_are_two_keys(house: House) -> None:
    assert post(client(house, "complaints"), "/holds", HOLD, "k").status_code == 200
    assert post(client(house, "counsellor"), "/holds", {**HOLD, "kind": "dispute"}, "k").status_code == 200
    assert Hold.objects.count() == 2


def test_a_refused_write_can_be_sent_again_under_its_key(house: House) -> None:
    c = client(house, "underwriter")
    over = terms(house, number="T-9", principal="99999999.00")
    assert post(c, "/contracts", over, "k").status_code == 422 and not StoredAnswer.objects.exists()
    assert post(c, "/contracts", terms(house, number="T-9"), "k").status_code == 200
    assert post(c, "/contracts", terms(house, number="T-9"), "k").json()["loan_id"] == "T-9"
    assert Contract.objects.filter(number="T-9").count() == 1


def test_a_replay_does_not_undo_what_happened_since(house: House) -> None:
    c = client(house, "branch_head")
    line = {"number": "F-1", "party": "P-0001", "entity": "BANK", "limit": "20000.00"}
    post(c, "/facilities", {**line, "opened_on": "2026-01-01", "expires_on": "2027-01-01"})
    first = post(c, "/facilities/F-1/freeze", {"frozen": True}, "k").json()
    post(c, "/facilities/F-1/freeze", {"frozen": False})
    assert post(c, "/facilities/F-1/freeze", {"frozen": True}, "k").json() == first
    assert not Facility.objects.get().frozen


def test_answers_are_encrypted_and_expire(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    c = client(house, "complaints")
    post(c, "/holds", HOLD, "k")
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer, request_hash FROM core_storedanswer")
        [(answer, digest)] = cursor.fetchall()
    assert b"P-0001" not in bytes(answer) and len(bytes(digest)) == 32
    later = once.now() + once.KEPT + timedelta(seconds=1)
    monkeypatch.setattr(once, "now", lambda: later)
    assert post(c, "/holds", {**HOLD, "kind": "dispute"}, "k").status_code == 200 and StoredAnswer.objects.count() == 1


@pytest.mark.parametrize("key", ["x" * 81, "a\tb"])
def test_keys_that_cannot_be_kept_are_refused(house: House, key: str) -> None:
    assert post(client(house, "complaints"), "/holds", HOLD, key).status_code == 422
    assert Hold.objects.count() == 0


def test_every_write_takes_a_key() -> None:
    asks = {"api:loan-what-if", "api:payments-create", "api:payments-batch", "api:parties-search", "api:party-reveal"}
    asks |= {"api:contracts-preview", "api:documents-verify", "api:document-sign"}  # the last signs once however often
    asks |= {"api:document-ask-signature"}  # while one waits, asked again it is the same
    paths = api.get_openapi_schema()["paths"]
    without = {
        permission
        for method, path, permission in operations()
        if method == "post" and "Idempotency-Key" not in {p["name"] for p in paths[path]["post"].get("parameters", ())}
    }
    assert without == asks


def test_an_operation_without_a_body_takes_any(house: House) -> None:
    c = client(house, "complaints")
    made = post(c, "/disputes", {"party": "P-0001", "opened_on": "2026-05-01", "subject": "x"}).json()
    for n in range(2):
        sent = c.post(
            f"/api/v1/disputes/{made['id']}/close", "{not json", content_type="application/json", headers={"Idempotency-Key": "c"}
        )
        assert sent.status_code == 200 and not sent.json()["open"], n
