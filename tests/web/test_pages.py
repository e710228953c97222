"""Every address with every role, both languages, bad input, kind words, weights and security headers."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.contact.correspondence import correspondence
from tests.factories import House
from tideover.contact.gate import verdict_ask
from tideover.contact.rules.model import Channel, Purpose
from tideover.core.access import PERMISSIONS, PUBLIC
from tideover.core.business_time import now
from tideover.core.models import ActionLog, Role
from tideover.engine.events import EventKind
from tideover.lending.services import event_record

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORK = {"api-root", "openapi-json"}
ADDRESSES = {
    "debits": "/debits",
    "my-debits": "/my/debits",
    "breaks": "/breaks",
    "core-files": "/core-files",
    "late-files": "/late-files",
    "instructions": "/instructions",
    "home": "/",
    "book": "/book",
    "loan-list": "/loans",
    "loan": "/loans/T-1",
    "loan-what-if": "/loans/T-1/what-if?kind=payoff&on=2026-03-01",
    "person": "/people/P-0001",
    "my-schedule": "/my/schedule/T-1",
    "my-receipts": "/my/receipts",
    "my-help": "/my/help",
    "my-documents": "/my/documents",
    "book-trend": "/book/trend",
    "action-log": "/action-log",
    "settings": "/settings",
    "book-csv": "/book.csv",
    "book-loans": "/book/loans?kind=rolled",
    "receipts": "/receipts",
    "counter": "/counter",
    "counter-take": "/counter/take/P-0001",
    "tills": "/tills",
    "large-cash": "/large-cash",
    "books": "/books",
    "books-trial-balance": "/books/trial-balance",
    "books-account": "/books/accounts/601101",
    "books-income": "/books/income",
    "books-non-accrual": "/books/non-accrual",
    "books-periods": "/books/periods",
    "day": "/day",
    "loan-payment": "/loans/T-1/payments/1",
    "signature-list": "/signatures",
    "contact-addresses": "/people/P-0001/addresses",
    "contact-log": "/contact-log",
    "contact-proof": "/contact-log/proof?person=P-0001",
    "contact-proof-file": "/contact-log/proof.csv?person=P-0001",
    "contact-export": "/contact-log/export",
    "contact-call": "/people/P-0001/call",
    "contact-clock": "/loans/T-1/clock",
    "holds": "/holds",
    "my-contact": "/my/contact",
    "verdict": "/contact-log/decisions/1",
    "work": "/queue",
    "approvals": "/approvals",
    "authority": "/authority",
    "experiments": "/experiments",
    "products": "/products",
    "product": "/products/consumer-equal-principal",
    "product-new": "/products/new",
    "rates": "/rates",
    "action-log-entry": "/action-log/1",
    "action-log-export": "/action-log/export?as=csv",
    "suspense": "/suspense",
    "statements": "/statements",
    "statement-upload": "/statements/upload",
    "bank-lines": "/statements/lines",
    "bank-accounts": "/statements/accounts",
    "message-list": "/outbox?state=open",
    "message": "/outbox/M-1",
    "answer-list": "/answers",
    "message-templates": "/templates",
    "message-template": "/templates/late.one_payment",
    "message-template-edit": "/templates/late.one_payment/edit",
    "letter-batches": "/letters",
    "letter-batch": "/letters/L-1",
    "letter-addresses": "/letters/L-1/addresses.csv",
    "letter-files": "/letters/L-1/letters.zip",
    "call-lists": "/calls",
    "call-list": "/calls/C-1",
    "my-messages": "/my/messages",
    "my-message": "/my/messages/M-2",
}
BANNED_ZH = ("催收", "欠款人", "老赖", "失信", "恶意", "罚", "立即结清", "最后通知")
BANNED_EN = ("default", "delinquent", "debtor", "collections", "final notice", "!")


def routes(patterns: list, prefix: str = "") -> dict[str, str]:
    out: dict[str, str] = {}
    for p in patterns:
        if isinstance(p, URLResolver):
            out |= routes(p.url_patterns, f"{p.namespace}:" if p.namespace else prefix)
        elif isinstance(p, URLPattern):
            out[prefix + str(p.name)] = str(p.pattern)
    return out


def client_for(house: House, role: str, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(house.staff[role])
    return client


def test_every_route_has_an_entry_in_the_matrix() -> None:
    missing = [
        r
        for r in routes(get_resolver().url_patterns)
        if r not in PERMISSIONS | dict.fromkeys(PUBLIC) and r.split(":")[-1] not in FRAMEWORK
    ]
    assert missing == []


def test_every_entry_of_the_matrix_is_a_route_or_an_act() -> None:
    acts = {
        "reveal-personal", "message-body", "message-cancel", "message-resend", "answer-done", "message-template-flag",
        "call-import", "home-messages", "home-blocked", "home-replies", "home-reviews", "home-letters", "books-home",
        "books-loan", "books-period-close", "home-receipts", "home-payers", "debits-home", "payments-desk",
        "suspense-place", "statement-settle", "bank-line-act", "home-beside", "loan-instructions", "my-instructions",
        "home-tills", "home-cash", "my-counter", "reveal-payer",
    }  # fmt: skip
    assert {p for p in PERMISSIONS if p not in routes(get_resolver().url_patterns)} == acts


@pytest.mark.parametrize("role", [r.value for r in Role])
def test_each_page_for_each_role(house: House, role: str) -> None:
    client = client_for(house, role)
    event_record(
        house.loan, kind=EventKind.PAYMENT, effective_on=date(2026, 2, 20), amount_minor=100, idempotency_key="p", actor="a"
    )
    verdict_ask(party=house.borrower, channel=Channel.CALL, purpose=Purpose.COLLECTION, at=now(), actor="t")
    correspondence(house)
    for route, address in ADDRESSES.items():
        expected = 200 if Role(role) in PERMISSIONS[route] else 403
        assert client.get(address).status_code == expected, f"{role} {address}"


@pytest.mark.parametrize("address", sorted(ADDRESSES.values()))
def test_strangers_are_sent_to_sign_in(db: None, address: str) -> None:
    response = Client().get(address)
    assert response.status_code == 302 and response["Location"].startswith("/sign-in")


def test_others_loans_are_not_found(house: House) -> None:
    assert client_for(house, "borrower").get("/my/schedule/T-3").status_code == 404
    assert client_for(house, "branch_head").get("/loans/T-3").status_code == 404


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_pages_carry_no_inline_script_or_style_and_stay_light(house: House, language: str) -> None:
    for role, addresses in (
        ("risk", ["/", "/book", "/loans", "/loans/T-1"]),
        ("borrower", ["/", "/my/schedule/T-1", "/my/contact"]),
    ):
        client = client_for(house, role, language)
        for address in addresses:
            response = client.get(address)
            html = response.content.decode()
            assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", html), address
            assert "script-src 'self'" in response["Content-Security-Policy"]
            assert len(gzip.compress(response.content)) < (60_000 if role == "risk" else 15_000)


def test_borrower_pages_use_kind_words(house: House) -> None:
    correspondence(house)
    pages = ("/", "/my/schedule/T-1", "/my/receipts", "/my/contact", "/my/messages", "/my/messages/M-2")
    for language, banned in (("zh-hans", BANNED_ZH), ("en", BANNED_EN)):
        client = client_for(house, "borrower", language)
        for address in pages:
            words = re.sub(r"<[^>]+>|<!doctype html>", " ", client.get(address).content.decode()).lower()
            assert [b for b in banned if b in words] == [], (address, language)


def test_chinese_pages_hold_no_english_sentence(house: House) -> None:
    words = re.sub(r"<[^>]+>", " ", client_for(house, "risk", "zh-hans").get("/loans/T-1").content.decode())
    assert "欠多少，为什么" in words and "Owed" not in words


def test_the_catalogue_is_complete() -> None:
    before = (ROOT / "src/tideover/web/locale/zh_Hans/LC_MESSAGES/django.po").read_text()
    subprocess.run([sys.executable, str(ROOT / "scripts/messages.py")], check=True)
    assert (ROOT / "src/tideover/web/locale/zh_Hans/LC_MESSAGES/django.po").read_text() == before


def test_a_loan_on_any_day_as_known_then(house: House) -> None:
    event_record(
        house.loan, kind=EventKind.PAYMENT, effective_on=date(2026, 2, 20), amount_minor=406_000, idempotency_key="p", actor="a"
    )
    client = client_for(house, "risk")
    now = client.get("/loans/T-1?as_of=2026-03-05").content.decode()
    then = client.get("/loans/T-1?as_of=2026-03-05&known=then").content.decode()
    assert '<p class="big">0</p>' in now and '<p class="big">13</p>' in then
    part = client.get("/loans/T-1?as_of=2026-03-05", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part and "Went to" in part


@pytest.mark.parametrize(("query", "status"), [
    ("kind=payment&amount=1,000元&on=2026年3月5日", 200), ("kind=payment&amount=abc&on=2026-03-05", 422),
    ("kind=payment&amount=-5&on=2026-03-05", 422), ("kind=payoff&on=", 422), ("kind=payoff&on=2020-01-01", 422),
])  # fmt: skip
def test_what_if_takes_what_people_type_and_writes_nothing(house: House, query: str, status: int) -> None:
    assert client_for(house, "risk").get(f"/loans/T-1/what-if?{query}").status_code == status
    assert house.loan.events.count() == 0


def test_searching_a_person_keeps_the_phone_out_of_the_address_and_masks_the_name(house: House) -> None:
    response = client_for(house, "risk").post("/loans", {"find": "199 0000 0001"})
    html = response.content.decode()
    assert "T-1" in html and "T-3" not in html and "李明" not in html and "李*" in html


def test_reading_and_revealing_a_persons_file_is_logged(house: House) -> None:
    assert client_for(house, "risk").post("/people/P-0001").status_code == 403
    assert "李明" in client_for(house, "counsellor").post("/people/P-0001").content.decode()
    assert ActionLog.objects.filter(action="person.reveal", actor="counsellor", object_id="P-0001").count() == 1


def test_production_refuses_development_secrets() -> None:
    env = {"TIDEOVER_ENV": "production", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", "import tideover.web.settings"], env=env, capture_output=True, text=True)
    assert done.returncode != 0 and "TIDEOVER_SECRET_KEY must be set" in done.stderr


def test_list_and_book_cost_few_queries(house: House, django_assert_max_num_queries) -> None:
    client = client_for(house, "risk")
    for address, most in (("/", 14), ("/book", 8), ("/loans", 7), ("/loans/T-1", 25)):
        with django_assert_max_num_queries(most):
            client.get(address)
