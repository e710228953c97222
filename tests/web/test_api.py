"""REST: idempotency, problems, scope, unknown fields, any day and any knowledge."""

from __future__ import annotations

import hashlib
from uuid import uuid4

import pytest
from django.test import Client

from tests.factories import House
from tideover.core.business_time import now
from tideover.core.models import ActionLog, ApiToken
from tideover.lending.models import Contract, LoanEvent

PAY = {"kind": "payment", "effective_on": "2026-02-20", "amount": "4060.00"}


def client(house: House, role: str = "payments") -> Client:
    ApiToken.objects.create(user=house.staff[role], name="t", token_hash=hashlib.sha256(role.encode()).digest(), created_at=now())
    return Client(headers={"authorization": f"Bearer {role}"})


def post(c: Client, address: str, body: object, key: str = ""):
    """A write under `key`; under a new key when none is given."""
    headers = {"Idempotency-Key": key or uuid4().hex}
    return c.post(f"/api/v1{address}", body, content_type="application/json", headers=headers)


def test_a_payment_twice_is_one_event(house: House) -> None:
    c = client(house)
    first, second = post(c, "/loans/T-1/events", PAY, "k").json(), post(c, "/loans/T-1/events", PAY, "k").json()
    assert first["event"] == second["event"] and house.loan.events.count() == 1
    assert first["standing"]["principal"] == "8000.00"


def test_same_key_other_body_is_422(house: House) -> None:
    c = client(house)
    post(c, "/loans/T-1/events", PAY, "k")
    response = post(c, "/loans/T-1/events", {**PAY, "amount": "1.00"}, "k")
    assert response.status_code == 422 and response["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["code"] == "idempotency_conflict"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**PAY, "colour": "red"}, "colour"),
        ({**PAY, "amount": "1.001"}, "amount"),
        ({**PAY, "effective_on": "20/02/2026"}, "effective_on"),
        ({**PAY, "kind": "gift"}, "kind"),
        ({**PAY, "extra": {"colour": 1}}, "extra"),
    ],
)
def test_bad_input_names_its_field_and_changes_nothing(house: House, body: dict, field: str) -> None:
    response = post(client(house), "/loans/T-1/events", body)
    assert response.status_code == 422
    assert any(field in e["field"] for e in response.json()["errors"])
    assert house.loan.events.count() == 0


def test_any_day_and_as_known(house: House) -> None:
    c = client(house)
    post(c, "/loans/T-1/events", PAY)
    now_known = c.get("/api/v1/loans/T-1?as_of=2026-03-05").json()["standing"]
    then = c.get("/api/v1/loans/T-1", {"as_of": "2026-03-05", "known_at": "2026-03-05T16:00:00+00:00"}).json()["standing"]
    assert (now_known["days_past_due"], then["days_past_due"]) == (0, 13)


def test_roles_scope_and_strangers(house: House) -> None:
    assert Client().get("/api/v1/loans").status_code == 401
    assert post(client(house, "auditor"), "/loans/T-1/events", PAY).status_code == 403
    assert client(house, "branch_head").get("/api/v1/loans/T-3").status_code == 404


def test_cursor_pages_hold_every_loan_once(house: House) -> None:
    c, seen, cursor = client(house, "risk"), [], 0
    while cursor is not None:
        page = c.get("/api/v1/loans", {"limit": 2, "cursor": cursor}).json()
        seen += [i["loan_id"] for i in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["T-1", "T-2", "T-3"]


def test_batch_reports_each_payment(house: House) -> None:
    good = {"loan": "T-1", "amount": "10.00", "effective_on": "2026-02-20", "idempotency_key": "a"}
    answer = post(client(house), "/payments/batch", {"payments": [good, {**good, "loan": "T-9", "idempotency_key": "b"}]}).json()
    assert answer["accepted"] == 1 and answer["results"][1]["errors"][0]["code"] == "no_such_loan"


def test_receipt_and_its_reversal(house: House) -> None:
    c = client(house)
    body = {"party": "P-0001", "entity": "BANK", "amount": "9000.00", "received_on": "2026-02-25", "source": "bank"}
    receipt = post(c, "/receipts", body).json()
    assert sum(float(p["amount"]) for p in receipt["parts"]) + float(receipt["unapplied"]) == 9000
    undone = post(c, f"/receipts/{receipt['number']}/reverse", {}, "undo").json()
    assert undone["reversed_at"] is not None


def test_what_if_writes_nothing(house: House) -> None:
    answer = post(client(house, "risk"), "/loans/T-1/what-if", {"on": "2026-02-20", "amount": "4060.00"}).json()
    assert answer["standing"]["principal"] == "8000.00" and house.loan.events.count() == 0


def test_openapi_is_served(house: House) -> None:
    assert "/api/v1/loans/{number}" in client(house).get("/api/v1/openapi.json").json()["paths"]


def test_a_batch_that_is_booked_whole_or_not_at_all(house: House) -> None:
    """One bad payment keeps every other out, each problem names its place; mended, the same keys are booked once."""
    c = client(house)
    good = [
        {"loan": loan, "amount": "10.00", "effective_on": "2026-02-20", "idempotency_key": f"whole-{n}"}
        for n, loan in enumerate(("T-1", "T-2", "T-1"))
    ]
    bad = [
        {**good[0], "loan": "T-9", "idempotency_key": "b0"},
        {**good[0], "effective_on": "2026-01-01", "idempotency_key": "b1"},
        {**good[0], "idempotency_key": "whole-1"},
    ]
    answer = post(c, "/payments/batch", {"payments": [good[0], bad[0], good[1], bad[1], bad[2]], "all_or_nothing": True})
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert [e["field"] for e in errors] == ["payments.1.loan", "payments.3.effective_on", "payments.4.idempotency_key"], errors
    assert all(e["message"].startswith(f"payment {e['field'].split('.')[1]}: ") for e in errors)
    assert not LoanEvent.objects.exists() and not ActionLog.objects.filter(action="event.payment").exists()
    assert Contract.objects.get(number="T-1").event_count == 0
    answer = post(c, "/payments/batch", {"payments": good, "all_or_nothing": True})
    assert (answer.status_code, answer.json()["accepted"], LoanEvent.objects.count()) == (200, 3, 3)
    again = post(c, "/payments/batch", {"payments": good, "all_or_nothing": True})
    assert again.json() == answer.json() and LoanEvent.objects.count() == 3
    over = {**good[0], "loan": "T-3", "effective_on": "2099-01-01", "idempotency_key": "late"}
    assert post(c, "/payments/batch", {"payments": [over], "all_or_nothing": True}).status_code == 422
