"""No page and no list asks the database once a row: each asks as often over many rows as over a few."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from tests.contact.correspondence import correspondence, write
from tests.factories import House, debit, loan, party
from tests.lending.statements.samples import Paid, camt
from tests.web.test_api import client
from tests.web.test_api_book import operations
from tests.web.test_pages import ADDRESSES, client_for, routes
from tideover.contact.channels.base import Inbound
from tideover.contact.gate import contact_record, verdict_ask
from tideover.contact.outbox import inbound_apply
from tideover.contact.rules.model import Channel, Outcome, Purpose
from tideover.core.access import PERMISSIONS
from tideover.core.business_time import business_date, now
from tideover.core.models import Approval, Document, Experiment, Role, WorkItem
from tideover.core.work import work_open
from tideover.daily.close import close_day
from tideover.engine.events import EventKind
from tideover.lending import services_agreements, services_rows
from tideover.lending.approvals import event_ask
from tideover.lending.counter.taking import Paid as PaidHere
from tideover.lending.counter.taking import payment_take
from tideover.lending.counter.tills import till_count, till_open
from tideover.lending.documents import loan_document_issue
from tideover.lending.models import Debit, Receipt, Slip, StatementFile, Till
from tideover.lending.receipts.services import Payer, Source, receipt_record
from tideover.lending.services import event_record, facility_open
from tideover.lending.services_holds import hold_place
from tideover.lending.statements.services import account_open, statement_import
from tideover.sources.services import consent_give

ONE = {
    "debit",
    "debit-batch",
    "my-document",
    "document",
    "document-cancel",
    "document-sign",
    "loan-document-issue",
    "my-push",
    "approval",
    "work-item",
    "work-start",
    "experiment",
    "books-entry",
    "books-export",
    "my-sign",
    "my-sign-file",
    "my-mini-program",
    "signature",
    "signature-scan",
    "document-paper",
    "document-ask-signature",
    "till",
    "counter-slip",
    "counter-print",
    "receipt",
    "my-receipt",
    "receipt-reverse",
    "receipt-move",
    "receipt-refund",
    "receipt-release",
    "refund-state",
    "payer-alert-close",
    "suspense-one",
    "statement",
    "statement-rejects",
    "bank-line",
    "bank-account",
    "break-work",
}
"""Pages of one thing that the house of the tests does not have, and acts; tests of their own open them."""
PATHS = {"number": "T-1", "reference": "P-0001", "as_of": "2026-02-20", "row_id": "1", "verdict_id": "1"}


def more(house: House, n: int) -> None:
    """One more of everything that a page can list."""
    today = business_date()
    someone = party(f"P-1{n:03}", f"人{n}", house.branch, f"1991111{n:04}")
    contract = loan(f"X-{n}", someone, house.branch)
    line = {"opened_on": date(2026, 1, 1), "expires_on": date(2030, 1, 1), "actor": "t"}
    facility_open(number=f"F-{n}", party=house.borrower, entity=house.entity, limit_minor=100, **line)
    for key, whose in ((f"a{n}", house.borrower), (f"b{n}", someone)):
        receipt_record(
            party=whose, entity_id=house.entity.pk, amount_minor=100, received_on=date(2026, 2, 25),
            payer=Payer(), source=Source("counter"),
            idempotency_key=key, actor="t",
        )  # fmt: skip
    services_agreements.loan_party_add(
        house.loan, someone, role="guarantor_joint", valid_from=date(2026, 1, 20), cap_minor=1, actor="t"
    )
    services_agreements.collateral_add(house.loan, kind="flat", value_minor=1, valued_on=date(2026, 1, 1), actor="t")
    event_record(
        house.loan, kind=EventKind.PAYMENT, effective_on=date(2026, 2, 1), amount_minor=100, idempotency_key=f"p{n}", actor="t"
    )
    for on in (house.loan, contract):
        whose = on.borrower
        hold_place(whose, on, kind="cease_contact", starts_at=now(), actor="t")
        services_rows.promise_make(whose, on, amount_minor=1, promised_on=today, due_on=today - timedelta(0), actor="t")
        services_rows.dispute_open(whose, on, opened_on=today, subject="x", actor="t")
        services_rows.complaint_open(whose, on, source="x", opened_on=today, subject="x", actor="t")
        services_rows.help_request_open(whose, on, reason="", actor="t")
        work_open(
            "hold.review", subject=("loan", on.number), why="w", owner_role=Role.COLLECTOR, due_at=None, branch="HZ",
            key=f"{on.pk}-{n}", actor="t",
        )  # fmt: skip
        event_ask(
            on, kind=EventKind.WRITE_OFF, effective_on=today, idempotency_key=f"w{n}-{on.pk}", actor=house.staff["finance"],
            reason="r",
        )  # fmt: skip
        write(house, f"q{n}-{on.pk}", Channel.APP, party=whose, contracts=[on])
        inbound_apply(Inbound(Channel.SMS, whose.phone, "下周还", now(), f"in-{n}-{on.pk}"))
        consent_give(whose, on, purpose="contact", given_how="app", given_at=now(), actor="t")
        kinds = {"channel": Channel.CALL, "purpose": Purpose.COLLECTION, "at": now(), "actor": "t"}
        verdict_ask(party=whose, contracts=[on], **kinds)
        contact_record(party=whose, contracts=[on], outcome=Outcome.UNANSWERED, **kinds)
        loan_document_issue(on, "repayment_record", language="en", as_of=date(2026, 2, 1) + timedelta(n), actor="t")
        debit(on, "failed" if n else "unknown", 5, f"D-{n}-{on.pk}")

    at = now() - timedelta(days=1 + n)
    box = till_open(house.branch, float_minor=100, idempotency_key=f"t{n}", actor=house.staff["teller"], at=at)
    for k, amount in enumerate((1_000_001, 900_000, 5_000_000)):
        said = PaidHere(someone if k else house.borrower, "cash", amount, note="x")
        slip = payment_take(box, said, idempotency_key=f"s{n}-{k}", actor=house.staff["teller"], at=at)
    Approval.objects.filter(reference=slip.approval).update(state="expired")
    till_count(box, {100: 1}, actor=house.staff["teller"], at=at)
    account = account_open(
        entity=house.entity, number=f"88{n}", name="x", bank="", opened_on=date(2020, 1, 1), actor="t"
    )  # fmt: skip
    paid = [Paid("10.00", f"X-{n}", f"人{n}", f"6217{n:08}", f"S{n}-{k}", out=k == 2) for k in range(3)]
    statement_import(camt(*paid, Paid("9.00", "T-1", "李*"), account=account.number), "a.xml", actor="t")
    approval = Approval.objects.latest("pk")
    Experiment.objects.create(
        code="x", version=n + 1, title="x", design="split", surface=f"s{n}", arms=[["a", 500_000], ["b", 500_000]], salt="X-1",
        starts_on=today, ends_on=date(2099, 1, 1), started_by=approval,
    ).exposures.create(reference="P-1", arm="a", propensity_ppm=500_000, at=now())  # fmt: skip


def asked(ask: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        response = ask()
    assert response.status_code == 200, response.request["PATH_INFO"]
    return len(queries)


def lists(house: House) -> dict[str, Any]:
    """Every GET of pages and REST, by name: (how to ask it)."""
    out: dict[str, Any] = {}
    for name, address in ADDRESSES.items():
        role = sorted(PERMISSIONS[name])[0] if Role.BORROWER not in PERMISSIONS[name] else Role.BORROWER
        role = Role.RISK if name in ("book", "book-csv", "loan-list", "loan", "loan-what-if", "person") else role
        c = client_for(house, role)
        out[f"page {name}"] = lambda c=c, a=address: c.get(a)
    for role in house.staff:
        c = client_for(house, role)
        out[f"home {role}"] = lambda c=c: c.get("/")
    for method, path, permission in operations():
        if method == "get":
            for key, value in (PATHS | {"code": house.loan.product.code}).items():
                path = path.replace(f"{{{key}}}", value)
            if "/approvals/" in path:
                path = path.replace("P-0001", Approval.objects.earliest("pk").reference)
            if "/queue/" in path:
                path = path.replace("P-0001", WorkItem.objects.earliest("pk").reference)
            if "/experiments/" in path:
                path = "/api/v1/experiments/x/1"
            if "/action-log/" in path:
                path = "/api/v1/action-log/1"
            if "/documents/" in path:
                path = path.replace("T-1", Document.objects.earliest("pk").number)
            path = path.replace("/messages/P-0001", "/messages/M-1")
            if "/message-templates/" in path:
                path = "/api/v1/message-templates/late.one_payment"
            if "/books/" in path:
                path += f"?entity={house.entity.code}" + ("" if "trial" in path else "&first=2026-01-01&last=2026-01-31")
            if "/statements/" in path:
                path = path.replace("P-0001", StatementFile.objects.earliest("pk").reference)
            if "/bank-accounts/" in path:
                path = "/api/v1/bank-accounts/880/days?first=2026-03-01&last=2026-03-31"
            if "/facilities/" in path:
                path = path.replace("T-1", "F-0")
            if "/debit-batches/" in path or "/debits/" in path:
                d = Debit.objects.earliest("pk")
                path = path.replace("T-1", d.batch.number).replace("P-0001", d.reference)
            if "/counter/" in path:
                number = (Slip if "/slips/" in path else Till).objects.earliest("pk").number
                path = path.replace("T-1", number)
            if "/receipts/" in path:
                path = path.replace("T-1", Receipt.objects.earliest("pk").number)
            readers = (
                {Role.COLLECTOR} if "/queue/" in path else {Role.FINANCE} if "/approvals/" in path else PERMISSIONS[permission]
            )
            bearer = _bearer(house, sorted(readers - {Role.CUSTOMER_MANAGER, Role.BORROWER})[0])
            out[permission] = lambda c=bearer, a=path: c.get(a)
    return out


_bearers: dict[tuple[int, str], Client] = {}


def _bearer(house: House, role: str) -> Client:
    key = (id(house), role)
    if key not in _bearers:
        _bearers[key] = client(house, role)
    return _bearers[key]


def test_every_page_is_counted() -> None:
    pages = {r for r in routes(get_resolver().url_patterns) if ":" not in r and r in PERMISSIONS}
    assert pages - ONE <= set(ADDRESSES)


def test_counts_do_not_grow_with_the_rows(house: House) -> None:
    correspondence(house)
    more(house, 0)
    for on in (date(2026, 2, 19), date(2026, 2, 20)):
        close_day(on, today=date(2026, 4, 1))
    found = lists(house)
    for ask in found.values():
        ask()  # sessions, caches of packs and tapes
    few = {name: asked(ask) for name, ask in found.items()}
    for n in range(1, 6):
        more(house, n)
    many = {name: asked(ask) for name, ask in found.items()}
    grown = {name: (few[name], many[name]) for name in few if many[name] > few[name]}
    assert grown == {}


@pytest.mark.parametrize("role", ["branch_head", "customer_manager"])
def test_narrow_scopes_cost_no_more_than_a_few_queries(house: House, role: str) -> None:
    c = client(house, role)
    for address in ("/loans", "/receipts", "/facilities", "/holds", "/loans/T-1"):
        assert asked(lambda a=address: c.get(f"/api/v1{a}")) <= 12, address
