"""Every error of the REST is a problem document, whoever answers it."""

from __future__ import annotations

import base64
import json

import pytest
from django.test import Client

from tests.factories import House
from tests.web.test_api import PAY, client, post

JSON = "application/json"


def problem(response) -> dict:
    assert response["Content-Type"] == "application/problem+json", response.content
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail", "errors"} and body["status"] == response.status_code
    return body


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("get", "/api/v1/nothing", 404, "no_such_address"),
        ("get", "/api/v1/loans/T-404", 404, "no_such_loan"),
        ("delete", "/api/v1/loans/T-1", 405, "method_not_allowed"),
        ("put", "/api/v1/payments", 405, "method_not_allowed"),
    ],
)
def test_addresses_and_methods_that_are_not_there(house: House, method: str, address: str, status: int, code: str) -> None:
    response = getattr(client(house), method)(address)
    assert response.status_code == status and problem(response)["errors"][0]["code"] == code
    assert status != 405 or response["Allow"]


@pytest.mark.parametrize("body", ["{", "", "[1", "\xff\xfe", '{"loan": NaN', "null", "[]", '"text"', "1" * 5000])
def test_malformed_json(house: House, body: str) -> None:
    response = client(house).post("/api/v1/payments", body, content_type=JSON)
    assert response.status_code in (400, 422)
    problem(response)


def test_other_content_types_are_415(house: House) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data; boundary=x"):
        response = Client().post("/api/v1/payments", "{}", content_type=kind)
        assert response.status_code == 415 and problem(response)["errors"][0]["code"] == "not_json"


def test_a_body_past_the_limit_is_413(house: House, settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = client(house).post("/api/v1/payments", json.dumps({"loan": "x" * 2000}), content_type=JSON)
    assert response.status_code == 413 and problem(response)["errors"][0]["code"] == "body_too_large"


def test_a_file_of_ten_megabytes_fits_into_a_body(house: House) -> None:
    pdf = base64.b64encode(b"%PDF-1.7" + bytes(10 * 2**20 - 8)).decode()
    response = client(house).post("/api/v1/documents/verify", json.dumps({"pdf": pdf}), content_type=JSON)
    assert (response.status_code, response.json()["state"]) == (200, "unknown")


def test_a_session_without_its_csrf_token_writes_nothing(house: House) -> None:
    c = Client(enforce_csrf_checks=True)
    c.force_login(house.staff["payments"])
    response = post(c, "/loans/T-1/events", PAY)
    assert response.status_code == 403 and problem(response)["errors"][0]["code"] == "csrf_failed"
    assert house.loan.events.count() == 0
    assert c.get("/api/v1/loans/T-1").status_code == 200


def test_a_stranger_is_asked_to_sign_in_whatever_they_send(house: House) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        stranger = Client(enforce_csrf_checks=True, headers=headers)
        response = post(stranger, "/loans/T-1/events", PAY)
        assert response.status_code == 401 and problem(response)["errors"][0]["code"] == "unauthenticated"
    assert house.loan.events.count() == 0


def test_strangers_and_wrong_roles(house: House) -> None:
    assert problem(Client().get("/api/v1/loans"))["errors"][0]["code"] == "unauthenticated"
    assert problem(Client(headers={"authorization": "Bearer no"}).get("/api/v1/loans"))["status"] == 401
    assert problem(post(client(house, "auditor"), "/loans/T-1/events", PAY))["status"] == 403


def test_our_own_fault_says_a_reference_and_nothing_else(house: House, monkeypatch) -> None:
    from tideover.lending import api

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret 李明")

    monkeypatch.setattr(api, "standing_held", broken)
    c = client(house)
    c.raise_request_exception = False
    response = c.get("/api/v1/loans/T-1")
    assert response.status_code == 500 and "reference" in problem(response)["detail"] and "李明" not in response.content.decode()
