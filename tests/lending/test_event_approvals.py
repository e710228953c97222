"""Journal events above somebody's authority wait for a second person: what they put at stake, the 202, the grant, staleness."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client

from tests.factories import House
from tests.web.test_api import client, post
from tideover.core.approvals import approval_decide, kind_of
from tideover.core.models import Approval
from tideover.core.problems import Refused
from tideover.engine.events import EventKind
from tideover.lending.models import LoanEvent, Receipt
from tideover.lending.rules.at_stake import at_stake_minor
from tideover.lending.selectors import loan_standing

WRITE_OFF = {"kind": "write_off", "effective_on": "2026-05-20", "reason": "no means, heirs declined"}
KINDS = EventKind


@pytest.mark.parametrize(
    ("kind", "amount", "before", "after", "booked", "expected"),
    [
        (KINDS.WAIVER, 500, 10_000, 9_500, 0, 500),
        (KINDS.WAIVER, -1, 10_000, 9_300, 0, 700),
        (KINDS.GOODWILL, 500, 300, -200, 0, 500),
        (KINDS.SETTLEMENT, 4_000, 10_000, 4_000, 0, 6_000),
        (KINDS.SETTLEMENT, 12_000, 10_000, 0, 0, 0),
        (KINDS.REVERSAL, 0, 10_000, 15_000, 5_000, 5_000),
        (KINDS.REVERSAL, 0, 10_000, 9_000, 0, 1_000),
        (KINDS.ADJUSTMENT, 4_000, 10_000, 11_000, 5_000, 5_000),
        (KINDS.DEFER, 0, 10_000, 10_000, 0, 10_000),
        (KINDS.WRITE_OFF, 0, 10_000, 10_000, 0, 10_000),
        (KINDS.ACCELERATION, 0, -5, -5, 0, 0),
        (KINDS.CREDIT_REFUND, 7_000, 0, 0, 0, 7_000),
        (KINDS.DISBURSEMENT, 9_000, 10_000, 19_000, 0, 9_000),
    ],
)
def test_what_is_at_stake(kind: EventKind, amount: int, before: int, after: int, booked: int, expected: int) -> None:
    found = at_stake_minor(kind, amount, claim_before_minor=before, claim_after_minor=after, booked_minor=booked)
    assert found == expected


def ask(c: Client, body: dict[str, Any], key: str = "") -> Any:
    return post(c, "/loans/T-1/events", body, key)


def test_a_write_off_waits_and_is_recorded_once_granted(house: House) -> None:
    c = client(house, "finance")
    first, again = ask(c, WRITE_OFF, "w"), ask(c, WRITE_OFF, "w")
    assert (first.status_code, again.status_code) == (202, 202) and first.json() == again.json()
    assert first.json()["steps"] == [["risk"]] and house.loan.events.count() == 0
    assert ask(c, {**WRITE_OFF, "effective_on": "2026-05-21"}, "w").json()["errors"][0]["code"] == "idempotency_conflict"
    approval = Approval.objects.get(reference=first.json()["approval"])
    assert approval.amount_minor == loan_standing(house.loan, date(2026, 5, 20)).payoff_minor > 1_200_000
    assert (approval.entity, approval.branch) == ("BANK", "HZ")
    assert [s.then for s in kind_of("event.record").show(approval)][-1]
    done = approval_decide(approval, grant=True, reason="agreed", actor=house.staff["risk"])
    event = house.loan.events.get()
    assert done.outcome == {"seq": 1, "granted_by": "risk"}
    assert (EventKind(event.kind), event.actor, event.idempotency_key) == (EventKind.WRITE_OFF, "finance", "w")
    after = ask(c, WRITE_OFF, "w")
    assert after.status_code == 200 and after.json()["event"]["seq"] == 1 and house.loan.events.count() == 1


def test_small_amounts_need_nobody_and_large_ones_two(house: House) -> None:
    c = client(house, "branch_head")
    charge = {"kind": "charge", "effective_on": "2026-03-01", "amount": "30000.00", "extra": {"component": "fee"}}
    assert ask(client(house, "finance"), charge).status_code == 200
    waive = {"kind": "waiver", "effective_on": "2026-03-02", "extra": {"component": "fee"}}
    assert ask(c, {**waive, "amount": "500.00"}).status_code == 200
    assert ask(c, {**waive, "amount": "500.01"}).json()["steps"] == [["finance", "risk"]]
    assert ask(c, {**waive, "amount": "20000.01"}).json()["steps"] == [["finance"], ["risk"]]


def test_many_small_waivers_are_one_large_one(house: House) -> None:
    c, finance = client(house, "branch_head"), client(house, "finance")
    charge = {"kind": "charge", "effective_on": "2026-03-01", "amount": "3000.00", "extra": {"component": "fee"}}
    assert ask(finance, charge).status_code == 200
    waive = {"kind": "waiver", "effective_on": "2026-03-02", "extra": {"component": "fee"}}
    assert ask(c, {**waive, "amount": "400.00"}).status_code == 200
    assert ask(c, {**waive, "amount": "100.00"}).status_code == 200
    waits = ask(c, {**waive, "amount": "0.01"})
    assert waits.status_code == 202
    assert Approval.objects.get(reference=waits.json()["approval"]).amount_minor == 50_001
    reversal = {"kind": "reversal", "effective_on": "2026-03-02", "extra": {"of_seq": 2}}
    assert ask(finance, reversal).status_code == 200
    assert ask(c, {**waive, "amount": "300.00"}).status_code == 200, "what was taken back was not given up"


def test_a_large_receipt_is_taken_back_by_two(house: House) -> None:
    c = client(house, "payments")
    body = {"party": "P-0001", "entity": "BANK", "amount": "60000.00", "received_on": "2026-02-25", "source": "bank"}
    number = post(c, "/receipts", body).json()["number"]
    first, again = (post(c, f"/receipts/{number}/reverse", {"reason": "wrong person"}, "u") for _ in range(2))
    assert (first.status_code, first.json()) == (202, again.json()) and first.json()["steps"] == [["finance", "payments"]]
    assert post(c, f"/receipts/{number}/reverse", {"reason": "again"}, "v").json()["approval"] == first.json()["approval"]
    approval = Approval.objects.get(reference=first.json()["approval"])
    assert (approval.entity, approval.branch, approval.amount_minor) == ("BANK", "HZ", 6_000_000)
    shown = kind_of("receipt.reverse").show(approval)
    assert {s.what for s in shown} >= {"T-1", "T-2"} and Receipt.objects.get(number=number).reversed_at is None
    with pytest.raises(Refused):
        approval_decide(approval, grant=True, reason="mine", actor=house.staff["payments"])
    done = approval_decide(approval, grant=True, reason="agreed", actor=house.staff["finance"])
    assert done.outcome == {"receipt": number, "granted_by": "finance"}
    assert post(c, f"/receipts/{number}/reverse", {}, "u2").status_code == 200
    assert Receipt.objects.get(number=number).reversed_at is not None
    assert LoanEvent.objects.filter(kind=int(EventKind.REVERSAL)).count() == Receipt.objects.get(number=number).parts.count()


def test_what_cannot_happen_is_refused_when_asked(house: House) -> None:
    response = ask(client(house, "finance"), {**WRITE_OFF, "effective_on": "2025-01-01"})
    assert response.status_code == 422 and not Approval.objects.exists()
    assert ask(client(house, "collector"), WRITE_OFF).status_code == 403


def test_money_that_came_in_between_makes_the_request_stale(house: House) -> None:
    reference = ask(client(house, "finance"), WRITE_OFF).json()["approval"]
    pay = {"kind": "payment", "effective_on": "2026-02-20", "amount": "1.00"}
    assert ask(client(house, "payments"), pay).status_code == 200
    done = approval_decide(
        Approval.objects.get(reference=reference), grant=True, reason="agreed", actor=house.staff["risk"]
    )  # fmt: skip
    assert (done.state, done.closed_why, house.loan.events.count()) == ("refused", "stale", 1)
