"""Fineract's API (PEERS §5 row 14): one form of date, unknown fields refused by name, a write that comes twice is one write."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.factories import House
from tests.web.test_api import PAY, client, post
from tests.web.test_api_book import operations
from tideover.core.access import PERMISSIONS
from tideover.core.models import ActionLog
from tideover.lending.models import LoanEvent, Receipt
from tideover.web.api import api

NOT_ISO = ("20/02/2026", "2026-2-20", "20260220", "20 February 2026", [2026, 2, 20], 20_504, "2026-02-20T00:00:00")
RECEIPT = {"party": "P-0001", "entity": "BANK", "amount": "500.00", "received_on": "2026-02-25", "source": "bank"}


def posts() -> list[tuple[str, str]]:
    """(address, permission) of every POST whose body has fields."""
    schema = api.get_openapi_schema()
    bodies = {p for p, ms in schema["paths"].items() if "post" in ms and "requestBody" in ms["post"]}
    return [(path, permission) for method, path, permission in operations() if method == "post" and path in bodies]


def test_every_write_refuses_a_field_that_it_does_not_know_by_name(house: House) -> None:
    clients = {}
    for path, permission in posts():
        role = min(r.value for r in PERMISSIONS[permission])
        c = clients.get(role) or clients.setdefault(role, client(house, role))
        address = re.sub(r"\{row_id\}", "1", path)
        address = re.sub(r"\{number\}", "T-1", address)
        address = re.sub(r"\{\w+\}", "nobody", address)
        response = post(c, address.removeprefix("/api/v1"), {"colour": "red"}, key=path[-60:])
        assert response.status_code == 422, (path, response.content)
        assert any(e["field"].endswith("colour") for e in response.json()["errors"]), (path, response.content)


@pytest.mark.parametrize("given", NOT_ISO, ids=str)
def test_a_date_has_one_form(house: House, given: Any) -> None:
    response = post(client(house), "/loans/T-1/events", {**PAY, "effective_on": given})
    assert response.status_code == 422 and "effective_on" in response.json()["errors"][0]["field"]
    assert not LoanEvent.objects.exists()


def test_dates_come_back_in_the_form_in_which_they_went(house: House) -> None:
    c = client(house)
    sent = post(c, "/loans/T-1/events", PAY).json()["event"]
    assert sent["effective_on"] == PAY["effective_on"] == c.get("/api/v1/loans/T-1/events").json()["items"][0]["effective_on"]


def test_money_that_comes_twice_is_booked_once(house: House) -> None:
    c = client(house)
    batch = {
        "payments": [{"loan": "T-1", "amount": "10.00", "effective_on": "2026-02-20", "idempotency_key": f"b{n}"} for n in (1, 2)]
    }
    one = {"loan": "T-1", "amount": "20.00", "effective_on": "2026-02-21", "idempotency_key": "one"}
    calls = (
        ("/loans/T-1/events", PAY, "k1"),
        ("/payments", one, "k2"),
        ("/payments/batch", batch, "k3"),
        ("/receipts", RECEIPT, "k4"),
    )
    first = [post(c, address, body, key=key) for address, body, key in calls]
    assert {r.status_code for r in first} == {200}, [r.content for r in first]
    counts = LoanEvent.objects.count(), Receipt.objects.count(), ActionLog.objects.filter(action__startswith="event.").count()
    again = [post(c, address, body, key=key) for address, body, key in calls]
    assert [r.json().get("event", r.json()) for r in again] == [r.json().get("event", r.json()) for r in first]
    assert counts == (
        LoanEvent.objects.count(), Receipt.objects.count(), ActionLog.objects.filter(action__startswith="event.").count()
    )  # fmt: skip
