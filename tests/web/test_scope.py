"""Nothing of another branch is reached by naming it: every address with an object in it, each role narrowed to one branch."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from tests.contact.correspondence import write
from tests.factories import House, debit, loan
from tests.lending.statements.samples import Paid, camt
from tests.web.test_api import client, post
from tests.web.test_api_book import ROWS, operations, terms
from tideover.contact.gate import contact_record, verdict_ask
from tideover.contact.message_templates import templates_seed
from tideover.contact.rules.model import Channel, Outcome, Purpose
from tideover.core.access import EVENT_ROLES, PERMISSIONS
from tideover.core.business_time import now
from tideover.core.models import Approval, Role, User
from tideover.core.work import work_open
from tideover.engine.events import EventKind
from tideover.lending import services_rows
from tideover.lending.approvals import event_ask
from tideover.lending.counter.taking import Paid as PaidHere
from tideover.lending.counter.taking import payment_take
from tideover.lending.counter.tills import till_open
from tideover.lending.documents import loan_document_issue
from tideover.lending.models import Break, Refund, Staff
from tideover.lending.receipts.services import Payer, Source, receipt_record
from tideover.lending.services import facility_open
from tideover.lending.services_holds import hold_place
from tideover.lending.statements.services import account_open, statement_import
from tideover.sources.services import consent_give

DAY = "2026-05-01"
BODIES: dict[str, Any] = {
    "api:document-paper": {"signed_on": "2026-02-20", "scan": "JVBERi0xLjQK", "reason": "x"},
    "api:address-set": {"address": "19900001111"},
    "api:loan-documents-issue": {"kind": "contract"},
    "api:document-cancel": {"reason": "x"},
    "api:loan-event-create": {"kind": "payment", "effective_on": "2026-02-20", "amount": "1.00"},
    "api:loan-what-if": {"on": "2026-02-20", "kind": "payoff"},
    "api:loan-parties-add": {"party": "P-0001", "role": "guarantor_joint", "valid_from": "2026-01-20"},
    "api:loan-collateral-add": {"kind": "flat", "value": "1.00", "valued_on": "2026-01-10"},
    "api:party-reveal": {"reason": "contact"},
    "api:message-cancel": {"reason": "x"},
    "api:mandate-withdraw": {"how": "paper"},
    "api:facility-limit": {"limit": "1.00"},
    "api:facility-freeze": {"frozen": True},
    "api:break-accept": {"reason": "x"},
    "api:approval-decide": {"grant": True, "reason": "x"},
    "api:suspense-place": {"party": "P-0001", "reason": "x"},
    "api:bank-line-become": {"kind": "own", "reason": "x"},
    "api:bank-line-doubt": {"same": True, "reason": "x"},
    "api:work-snooze": {"until": "2026-12-01T00:00:00Z", "reason": "x"},
    "api:work-give": {"to": "collector"},
    "api:holds-review": {"act": "keep", "reason": "x"},
    "api:counter-payment": {"party": "P-0001", "amount": "1.00"},
    "api:counter-till-count": {"pieces": []},
    "api:counter-till-close": {},
    "api:counter-slip-cancel": {"reason": "x"},
    "api:counter-slip-give-back": {"reason": "x", "till": "TL-1"},
    "api:counter-slip-ask": {"reason": "x"},
    "api:receipt-move": {"parts": [], "reason": "x"},
    "api:receipt-refund": {"amount": "1.00", "reason": "x"},
    "api:receipt-release": {"what": "keep", "reason": "x"},
    "api:refund-state": {"state": "sent"},
    "api:payer-alert-close": {"outcome": "plain", "note": "x"},
    "api:contact-outcome": {"outcome": "failed"},
    **{f"api:{unit}-end": {"valid_to": DAY} for unit in ("entities", "branches", "teams", "staff")},
}
OPEN = {
    "api:product-versions", "api:experiment-get", "api:experiment-stop", "api:experiment-stop-now", "api:action-log-get",
    "api:message-template-versions",
}  # fmt: skip
"""Products, experiments, wordings and the action log belong to the house: there is no other branch's."""


@pytest.fixture
def two(house: House) -> tuple[House, dict[str, str]]:
    """The house, everybody's post in Hangzhou, and what belongs to Ningbo by the name that addresses give it."""
    theirs, row = house.other_borrower, {}
    facility_open(
        number="F-2", party=theirs, entity=house.entity, limit_minor=100, opened_on=date(2026, 1, 1), expires_on=date(2027, 1, 1),
        actor="t",
    )  # fmt: skip
    receipt = receipt_record(
        party=theirs, entity_id=house.entity.pk, amount_minor=100_000, received_on=date(2026, 2, 25),
        payer=Payer("赵强", "6222000011112222"), source=Source("bank"),
        idempotency_key="r", actor="t",
    )  # fmt: skip
    made = {
        "payer-alerts": receipt.alerts.get(),
        "holds": hold_place(theirs, None, kind="cease_contact", starts_at=now(), actor="t"),
        "promises": services_rows.promise_make(
            theirs, house.other_loan, amount_minor=1, promised_on=date(2026, 1, 1), due_on=date(2026, 1, 2), actor="t"
        ),
        "disputes": services_rows.dispute_open(theirs, None, opened_on=date(2026, 1, 1), subject="x", actor="t"),
        "complaints": services_rows.complaint_open(theirs, None, source="x", opened_on=date(2026, 1, 1), subject="x", actor="t"),
        "help-requests": services_rows.help_request_open(theirs, None, reason="", actor="t"),
        "notices": services_rows.notice_receive(
            theirs, None, kind="death", received_on=date(2026, 1, 1), source="family", actor="t"
        ),
        "consents": consent_give(theirs, None, purpose="contact", given_how="app", given_at=now(), actor="t"),
    }
    call = {"party": theirs, "contracts": [house.other_loan], "channel": Channel.CALL, "purpose": Purpose.COLLECTION}
    made["verdicts"] = verdict_ask(**call, at=now(), actor="t")
    made["contacts"] = contact_record(**call, outcome=Outcome.UNANSWERED, at=now(), actor="t")
    templates_seed(date(2026, 1, 1), actor="t")
    message = write(house, "m", Channel.APP, party=theirs, contracts=[house.other_loan])
    row["/messages/"] = message.reference
    for kind, one in made.items():
        row[f"/{kind}/"] = str(one.pk)
    asker = User.objects.create_user("asker", role=Role.FINANCE)
    approval = event_ask(
        house.other_loan, kind=EventKind.WRITE_OFF, effective_on=date(2026, 5, 1), idempotency_key="w", actor=asker, reason="r"
    )
    assert isinstance(approval, Approval)
    row["/approvals/"] = approval.reference
    refund = Refund.objects.create(reference="B-1", receipt=receipt, approval=approval, amount_minor=1, approved_at=now())
    row["/refunds/"] = refund.reference
    differs = Break.objects.create(
        entity=house.entity, contract=house.other_loan, number="T-3", component="fee", first_on=date(2026, 5, 1),
        last_on=date(2026, 5, 1), core_minor=1, replay_minor=0, amount_minor=1, opened_at=now(),
    )  # fmt: skip
    row["/breaks/"] = str(differs.pk)
    row["/documents/"] = loan_document_issue(house.other_loan, "contract", language="en", actor="t").number
    item = work_open(
        "hold.review", subject=("loan", "T-3"), why="w", owner_role=Role.COLLECTOR, due_at=None, branch="NB", key="k", actor="t"
    )
    row["/queue/"] = item.reference
    entity = type(house.entity).objects.create(code="SHOP", name_zh="x", name_en="x", valid_from=date(2020, 1, 1))
    far = type(house.branch).objects.create(entity=entity, code="SZ", name_zh="x", name_en="x", valid_from=date(2020, 1, 1))
    account = account_open(entity=entity, number="99", name="x", bank="", opened_on=date(2020, 1, 1), actor="t")
    file = statement_import(camt(Paid("9.00", "?", "x", id="S1"), account=account.number), "a.xml", actor="t")
    line = file.lines.get()
    row |= {"/statements/": file.reference, "/bank-lines/": line.reference, "/bank-accounts/": account.number}
    row["/suspense/"] = line.matches.get().receipt.number
    there = User.objects.create_user("teller_nb", role=Role.TELLER)
    Staff.objects.create(
        user=there, number="S-NB", name_zh="x", name_en="x", branch=house.other_branch, valid_from=date(2020, 1, 1)
    )  # fmt: skip
    box = till_open(house.other_branch, float_minor=0, idempotency_key="t", actor=there)
    slip = payment_take(box, PaidHere(theirs, "cash", 100), idempotency_key="s", actor=there)
    row |= {"/counter/tills/": box.number, "/counter/slips/": slip.number}
    team = far.teams.create(code="SZ1", name_zh="x", name_en="x", valid_from=date(2020, 1, 1))
    post_there = Staff.objects.create(
        user=house.staff["bureau"], number="S777", name_zh="x", name_en="x", branch=far, valid_from=date(2020, 1, 1)
    )
    Staff.objects.exclude(pk=post_there.pk).update(branch=house.branch)
    there = debit(house.other_loan)
    names = {
        "/debits/": there.reference, "/debit-batches/": "B-NOT-THEIRS", "/mandates/": there.mandate.reference,
        "/loans/": "T-3", "/parties/": theirs.reference, "/facilities/": "F-2", "/receipts/": receipt.number,
        "/entities/": "SHOP", "/branches/": "SZ", "/teams/": team.code, "/staff/": post_there.number, **row,
    }  # fmt: skip
    return house, names


def _narrow(permission: str) -> list[Role]:
    roles = PERMISSIONS[permission] - {Role.BORROWER, Role.BUREAU}
    if permission == "api:loan-event-create":
        roles = EVENT_ROLES["payment"]
    return sorted(roles)


def test_every_object_of_another_branch_is_not_found(two: tuple[House, dict[str, str]]) -> None:
    house, names = two
    clients = {role: client(house, role) for role in house.staff}
    asked = 0
    for method, path, permission in operations():
        if "{" not in path or permission in OPEN or path.startswith("/api/v1/tape/"):
            continue
        named = next(v for k, v in names.items() if path.startswith(f"/api/v1{k}"))
        address = re.sub(r"\{\w+\}", named, path, count=1).replace("{kind}", "phone")
        for role in _narrow(permission):
            c = clients[role]
            response = c.get(address) if method == "get" else post(c, address[7:], BODIES.get(permission, {}))
            assert response.status_code == 404, (permission, role, response.content)
            asked += 1
    assert asked > 150


def test_every_object_of_another_branch_is_not_found_without_a_post(two: tuple[House, dict[str, str]]) -> None:
    house, names = two
    Staff.objects.update(valid_to=date(2021, 1, 1))
    clients = {role: client(house, role) for role in house.staff}
    for method, path, permission in operations():
        if method == "get" and path.count("{") == 1 and permission not in OPEN and "/tape/" not in path:
            address = re.sub(r"\{\w+\}", next(v for k, v in names.items() if path.startswith(f"/api/v1{k}")), path)
            for role in _narrow(permission)[:3]:
                assert clients[role].get(address).status_code == 404, (permission, role)
    for role in _narrow("api:loans-list")[:3]:
        assert clients[role].get("/api/v1/loans").json()["items"] == []


def test_bodies_cannot_name_what_is_out_of_scope(two: tuple[House, dict[str, str]]) -> None:
    house, _ = two
    head, pay, under = (client(house, r) for r in ("branch_head", "payments", "underwriter"))
    their = {"party": "P-0002"}
    pay_there = {"loan": "T-3", "amount": "1.00", "effective_on": "2026-02-20", "idempotency_key": "x"}
    receipt = {**their, "entity": "BANK", "amount": "1.00", "received_on": "2026-02-20", "source": "bank"}
    line = {**their, "number": "F-9", "entity": "BANK", "limit": "1.00", "opened_on": DAY, "expires_on": "2027-01-01"}
    for c, address, body in (
        (pay, "/payments", pay_there),
        (pay, "/receipts", receipt),
        (under, "/facilities", line),
        (under, "/contracts", terms(house, number="T-9", borrower="P-0002")),
        (under, "/contracts", terms(house, number="T-9", branch="NB")),
        (under, "/contracts", terms(house, number="T-9", facility="F-2")),
        (under, "/contracts", terms(house, number="T-9", manager="S777")),
        (under, "/contracts/preview", terms(house, borrower="P-0002")),
        (head, "/loans/T-1/parties", {**BODIES["api:loan-parties-add"], "party": "P-0002"}),
        *((head, f"/{kind}", {**their, **row}) for kind, row in ROWS.items()),
        *((head, f"/{kind}", {"party": "P-0001", "loan": "T-3", **row}) for kind, row in ROWS.items()),
    ):
        assert post(c, address, body).status_code in (404, 422), (address, body)
    assert house.other_loan.events.count() == 2, "the receipt and the slip of the fixture alone"
    batch = post(pay, "/payments/batch", {"payments": [pay_there]}).json()
    assert batch["accepted"] == 0 and batch["results"][0]["errors"][0]["code"] == "no_such_loan"


def test_a_receipt_does_not_tell_the_number_of_a_loan_elsewhere(house: House) -> None:
    loan("T-8", house.borrower, house.other_branch)
    body = {"party": "P-0001", "entity": "BANK", "amount": "12180.00", "received_on": "2026-02-25", "source": "bank"}
    number = post(client(house), "/receipts", body).json()["number"]
    whole = client(house, "finance").get(f"/api/v1/receipts/{number}").json()["parts"]
    narrow = client(house, "branch_head").get(f"/api/v1/receipts/{number}").json()["parts"]
    assert {p["loan_id"] for p in whole} == {"T-1", "T-2", "T-8"}
    assert {p["loan_id"] for p in narrow} == {"T-1", "T-2", None}


def test_each_kind_of_event_has_its_roles_and_no_other_may(house: House) -> None:
    assert set(EVENT_ROLES) == {k.name.lower() for k in EventKind}
    for role in sorted(PERMISSIONS["api:loan-event-create"]):
        c = client(house, role)
        for kind, roles in EVENT_ROLES.items():
            status = post(c, "/loans/T-1/events", {"kind": kind, "effective_on": "2026-02-20"}).status_code
            assert (status == 403) == (role not in roles), (role, kind, status)


def test_reads_of_a_file_are_logged_with_who_read(house: House) -> None:
    from tideover.core.models import ActionLog

    c = client(house, "risk")
    reads = [
        "/loans/T-1", "/loans/T-1/schedule", "/loans/T-1/trace", "/loans/T-1/payoff", "/loans/T-1/events", "/loans/T-1/parties",
        "/loans/T-1/collateral", "/parties/P-0001", "/receipts?party=P-0001", "/facilities?party=P-0001",
        *(f"/{kind}?party=P-0001" for kind in ROWS),
    ]  # fmt: skip
    for address in reads:
        before = ActionLog.objects.count()
        assert c.get(f"/api/v1{address}").status_code == 200
        [entry] = ActionLog.objects.order_by("id")[before:]
        assert entry.actor == "risk" and entry.object_id in ("T-1", "P-0001"), address
