"""REST beyond loans: every route with every role, organisation, people, agreements, rows, tapes, the page of the API."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve

from tests.factories import House
from tests.web.test_api import client, post
from tideover.core.access import PERMISSIONS
from tideover.core.models import ActionLog, Role
from tideover.daily.close import close_day
from tideover.lending.models import Hold, Staff
from tideover.web.api import api

TERMS = {
    "product": "consumer_equal_principal", "borrower": "P-0001", "branch": "HZ", "principal": "12000.00",
    "annual_rate_ppm": 60000, "signed_on": "2026-01-20", "disbursed_on": "2026-01-20", "instalments": 3,
    "first_due_on": "2026-02-20", "due_day": 20,
}  # fmt: skip


def product_code(house: House) -> str:
    return house.loan.product.code


def terms(house: House, **changes: Any) -> dict[str, Any]:
    return {**TERMS, "product": product_code(house), **changes}


def operations() -> list[tuple[str, str, str]]:
    return [
        (method, path, f"api:{o['operationId'].replace('_', '-')}")
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method, o in methods.items()
    ]


@pytest.mark.parametrize("role", [r.value for r in Role])
def test_each_operation_for_each_role(house: House, role: str) -> None:
    c = client(house, role)
    for method, path, permission in operations():
        address = re.sub(r"\{\w*(?:as_of)\}", "2026-01-01", path)
        address = re.sub(r"\{row_id\}", "1", address)
        address = re.sub(r"\{\w+\}", "nobody", address)
        sent = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
        response = getattr(c, method)(address, **sent)
        allowed = Role(role) in PERMISSIONS[permission]
        assert (response.status_code != 403) == allowed or permission == "api:entities-create", (role, permission)
        assert response.status_code < 500, (role, permission)
        assert getattr(Client(), method)(address, **sent).status_code == 401, permission


def test_every_operation_is_in_the_matrix_and_documented() -> None:
    for _, path, permission in operations():
        assert permission in PERMISSIONS, permission
        assert resolve(re.sub(r"\{as_of\}", "2026-01-01", re.sub(r"\{row_id\}", "1", path)))
    for path, methods in api.get_openapi_schema()["paths"].items():
        for o in methods.values():
            assert o["description"] and {"401", "403", "404", "422"} <= {str(s) for s in o["responses"]}, path


def test_the_preview_is_the_booked_schedule_byte_for_byte(house: House) -> None:
    c = client(house, "underwriter")
    before = post(c, "/contracts/preview", terms(house))
    assert before.status_code == 200, before.content
    opened = post(c, "/contracts", terms(house, number="T-9"))
    assert opened.status_code == 200, opened.content
    assert before.content == c.get("/api/v1/loans/T-9/schedule?as_of=2026-01-20").content


def test_each_impossible_term_is_named(house: House) -> None:
    bad = terms(house, disbursed_on="2026-01-10", instalments=100_000, due_day=40, first_due_on="2026-01-05", number="T-9")
    errors = post(client(house, "underwriter"), "/contracts", bad).json()["errors"]
    assert {"disbursed_on", "instalments", "due_day", "first_due_on"} <= {e["field"] for e in errors}
    errors = post(client(house, "branch_head"), "/contracts", {**bad, "product": "x", "borrower": "P-0002"}).json()["errors"]
    assert {e["field"] for e in errors} == {"product", "borrower"}


def test_a_facility_is_drawn_to_its_limit_and_not_past_it(house: House) -> None:
    c = client(house, "underwriter")
    line = {"number": "F-1", "party": "P-0001", "entity": "BANK", "limit": "20000.00"}
    answer = post(c, "/facilities", {**line, "opened_on": "2026-01-01", "expires_on": "2027-01-01"})
    assert answer.json()["undrawn"] == "20000.00"
    assert post(c, "/contracts", terms(house, number="D-1", facility="F-1")).status_code == 200
    over = post(c, "/contracts", terms(house, number="D-2", facility="F-1"))
    assert over.status_code == 422 and over.json()["errors"][0]["code"] == "over_facility_limit"
    head = client(house, "branch_head")
    assert post(head, "/facilities/F-1/limit", {"limit": "5000.00"}).json()["undrawn"] == "0.00"
    post(head, "/facilities/F-1/limit", {"limit": "50000.00"})
    assert post(head, "/facilities/F-1/freeze", {"frozen": True}).json()["undrawn"] == "0.00"
    frozen = post(c, "/contracts", terms(house, number="D-3", facility="F-1")).json()["errors"]
    assert "facility_frozen" in {e["code"] for e in frozen}


def test_people_are_masked_searched_by_body_and_revealed_for_a_reason(house: House) -> None:
    c = client(house, "counsellor")
    found = post(c, "/parties/search", {"text": "199 0000 0001"}).json()["items"]
    assert [p["reference"] for p in found] == ["P-0001"] and found[0]["name"] == "李*"
    assert "李明" not in c.get("/api/v1/parties/P-0001").content.decode()
    assert post(c, "/parties/P-0001/reveal", {"reason": "curiosity"}).status_code == 422
    assert post(c, "/parties/P-0001/reveal", {"reason": "contact"}).json()["name"] == "李明"
    assert ActionLog.objects.get(action="person.reveal").detail == {"reason": "contact"}
    assert not any("1990000" in str(v) for v in ActionLog.objects.values_list("detail", "object_id"))


def test_a_new_person_is_reachable_at_their_branch_and_registered_once(house: House) -> None:
    c = client(house, "branch_head")
    body = {"kind": "person", "name": "赵六", "id_number": "000000000000000777", "phone": "19900000077", "branch": "HZ"}
    made = post(c, "/parties", body).json()
    assert c.get(f"/api/v1/parties/{made['reference']}").json() == made
    assert post(c, "/parties", body).json()["errors"][0]["code"] == "already_registered"
    assert post(c, "/parties", {**body, "branch": "NB"}).json()["errors"][0]["field"] == "branch"


def test_parties_and_collateral_of_a_loan(house: House) -> None:
    c = client(house, "underwriter")
    stands = {"party": "P-0002", "role": "guarantor_joint", "valid_from": "2026-01-20", "cap": "6000.00"}
    assert post(c, "/loans/T-1/parties", stands).json()["cap"] == "6000.00"
    assert post(c, "/loans/T-1/parties", stands).json()["errors"][0]["code"] == "there_already"
    assert len(c.get("/api/v1/loans/T-1/parties?as_of=2026-02-01").json()["items"]) == 2
    thing = {"kind": "flat", "value": "900000.00", "valued_on": "2026-01-10"}
    assert post(c, "/loans/T-1/collateral", thing).json()["value"] == "900000.00"


def test_the_organisation_is_opened_and_ended_from_a_day(house: House) -> None:
    c = client(house, "engineer")
    made = post(
        c, "/branches", {"code": "WZ", "name_zh": "温州", "name_en": "Wenzhou", "valid_from": "2026-05-01", "entity": "BANK"}
    )
    assert made.status_code == 200, made.content
    codes = lambda on: [b["code"] for b in c.get(f"/api/v1/branches?on={on}").json()["items"]]  # noqa: E731
    assert "WZ" not in codes("2026-04-30") and "WZ" in codes("2026-05-01")
    staff = {
        "username": "li",
        "role": "collector",
        "number": "S900",
        "name_zh": "李",
        "name_en": "Li",
        "valid_from": "2026-05-01",
    }
    assert post(c, "/staff", staff).status_code == 403
    assert post(c, "/staff", {**staff, "branch": "WZ"}).json()["entity"] == "BANK"
    assert post(c, "/staff", {**staff, "branch": "WZ", "username": "engineer"}).json()["errors"][0]["code"] == "own_post"
    assert post(c, "/branches/WZ/end", {"valid_to": "2026-06-01"}).json()["errors"][0]["code"] == "not_empty"
    assert post(c, "/staff/S900/end", {"valid_to": "2026-06-01"}).status_code == 200
    assert post(c, "/branches/WZ/end", {"valid_to": "2026-06-01"}).status_code == 200
    assert "WZ" not in codes("2026-06-01")


ROWS: dict[str, dict[str, Any]] = {
    "holds": {"kind": "cease_contact", "starts_at": "2026-05-01T00:00:00+08:00"},
    "promises": {"amount": "10.00", "promised_on": "2026-05-01", "due_on": "2026-05-05"},
    "disputes": {"opened_on": "2026-05-01", "subject": "amount"},
    "complaints": {"opened_on": "2026-05-01", "subject": "tone", "source": "phone"},
    "help-requests": {"reason": "income"},
    "notices": {"kind": "death", "received_on": "2026-05-01", "source": "family"},
    "consents": {"purpose": "contact", "given_how": "app", "given_at": "2026-05-01T00:00:00+08:00"},
}


@pytest.mark.parametrize("kind", sorted(ROWS))
def test_rows_are_added_listed_in_scope_and_closed(house: House, kind: str) -> None:
    c = client(house, "complaints")
    made = post(c, f"/{kind}", {"party": "P-0001", "loan": "T-1", **ROWS[kind]})
    assert made.status_code == 200 and made.json()["open"], made.content
    assert [r["id"] for r in c.get(f"/api/v1/{kind}?open=true&loan=T-1").json()["items"]] == [made.json()["id"]]
    end = ("review", {"act": "lift", "reason": "x"}) if kind == "holds" else ("close", {})
    assert not post(c, f"/{kind}/{made.json()['id']}/{end[0]}", end[1]).json()["open"]
    other = post(c, f"/{kind}", {"party": "P-0002", "loan": "T-3", **ROWS[kind]}).json()
    head = client(house, "branch_head")
    assert other["id"] not in [r["id"] for r in head.get(f"/api/v1/{kind}").json()["items"]]
    wrong = post(c, f"/{kind}", {"party": "P-0002", "loan": "T-1", **ROWS[kind]})
    assert wrong.json()["errors"][0]["code"] == "not_their_loan"


def test_a_help_request_places_its_hold_and_closing_it_lifts_it(house: House) -> None:
    c = client(house, "counsellor")
    made = post(c, "/help-requests", {"party": "P-0001"}).json()
    assert Hold.objects.get().lifted_at is None
    post(c, f"/help-requests/{made['id']}/close", {})
    assert Hold.objects.get().lifted_at is not None


def test_the_tape_of_a_day_in_scope(house: House) -> None:
    close_day(date(2026, 2, 19), today=date(2026, 4, 1))
    close_day(date(2026, 2, 20), today=date(2026, 4, 1))
    close_day(date(2026, 2, 21), today=date(2026, 4, 1))
    c = client(house, "risk")
    assert [d["as_of"] for d in c.get("/api/v1/tape/days").json()["items"]] == ["2026-02-19", "2026-02-20", "2026-02-21"]
    first = c.get("/api/v1/tape/2026-02-21/loans?limit=2").json()
    second = c.get(f"/api/v1/tape/2026-02-21/loans?cursor={first['next_cursor']}").json()
    assert [r["loan_id"] for r in first["items"] + second["items"]] == ["T-1", "T-2", "T-3"]
    head = client(house, "branch_head").get("/api/v1/tape/2026-02-21/transitions").json()["items"]
    assert {(t["loan_id"], t["kind"]) for t in head} == {("T-1", "became_overdue"), ("T-2", "became_overdue")}
    assert c.get("/api/v1/tape/2026-03-01/loans").status_code == 404
    columns = {x["name"] for x in c.get("/api/v1/tape/columns").json()["items"] if x["table"] == "loans"}
    assert columns == set(first["items"][0])


def test_payoff_parts_add_up_and_pay_the_loan_off(house: House) -> None:
    c = client(house)
    quote = c.get("/api/v1/loans/T-1/payoff?as_of=2026-03-05").json()
    assert sum(float(v) for v in quote["parts"].values()) == pytest.approx(float(quote["payoff"]))
    what = post(c, "/loans/T-1/what-if", {"on": "2026-03-05", "kind": "payoff"}).json()
    assert what["standing"]["loan_status"] == "paid_off" and what["trace"]
    known = {"on": "2026-03-05", "kind": "payoff", "known_at": "2026-03-01T00:00:00+08:00"}
    assert post(c, "/loans/T-1/what-if", known).json()["standing"]["payoff"] == "0.00"


def test_a_misspelt_parameter_is_refused_by_name(house: House) -> None:
    response = client(house).get("/api/v1/loans/T-1?as_off=2026-03-05")
    assert response.status_code == 422 and response.json()["errors"][0]["field"] == "as_off"


def test_the_journal_as_known_then_and_by_page(house: House) -> None:
    c = client(house)
    for n in range(3):
        body = {"loan": "T-1", "amount": "1.00", "effective_on": f"2026-02-2{n}", "idempotency_key": f"k{n}"}
        assert post(c, "/payments", body).status_code == 200
    first = c.get("/api/v1/loans/T-1/events?limit=2").json()
    assert [e["seq"] for e in first["items"]] == [1, 2] and first["next_cursor"] == 2
    assert len(c.get("/api/v1/loans/T-1/events?as_of=2026-02-21").json()["items"]) == 2
    assert c.get("/api/v1/loans/T-1/events", {"known_at": "2026-03-01T00:00:00+08:00"}).json()["items"] == []


def test_a_batch_books_what_single_payments_would(house: House) -> None:
    from tideover.core.action_log import first_break
    from tideover.lending.doctor import checks

    one = {"loan": "T-1", "amount": "4060.00", "effective_on": "2026-02-20", "idempotency_key": "a"}
    lines = [one, one, {**one, "amount": "1.00"}, {**one, "loan": "T-2", "idempotency_key": "b"},
             {**one, "idempotency_key": "c", "effective_on": "2020-01-01"}, {**one, "idempotency_key": "tideover:x"},
             {**one, "idempotency_key": "d", "amount": "5.00"}]  # fmt: skip
    c = client(house)
    answer = post(c, "/payments/batch", {"payments": lines}).json()
    assert [r["ok"] for r in answer["results"]] == [True, True, False, True, False, False, True]
    codes = [r["errors"][0]["code"] for r in answer["results"] if not r["ok"]]
    assert codes == ["idempotency_conflict", "before_disbursement", "reserved_key"]
    assert house.loan.events.count() == 2 and house.second_loan.events.count() == 1
    assert post(c, "/payments/batch", {"payments": lines}).json() == answer
    assert house.loan.events.count() == 2 and first_break() is None and all(k.ok for k in checks())


def test_the_page_of_the_api_names_every_operation_and_runs_no_script(db: None) -> None:
    response = Client().get("/api/docs")
    html = response.content.decode()
    assert response.status_code == 200 and "<script" not in html and "style=" not in html
    assert all(f">{m.upper()} {p}<" in html for m, p, _ in operations())
    anchors, ids = set(re.findall(r'href="#([^"]+)"', html)), set(re.findall(r'id="([^"]+)"', html))
    assert anchors <= ids


def test_only_a_kind_of_lender_with_price_rules_is_opened(house: House) -> None:
    c = client(house, "engineer")
    shop = {"code": "PAWN", "name_zh": "当铺", "name_en": "Pawn", "valid_from": "2026-05-01", "lender_type": "pawnshop"}
    assert post(c, "/entities", shop).status_code == 403
    Staff.objects.filter(user__role="engineer").update(entity=None)
    assert post(c, "/entities", shop).json()["errors"][0]["field"] == "lender_type"
    assert post(c, "/entities", {**shop, "lender_type": "micro_lender"}).status_code == 200
