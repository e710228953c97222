"""Every link leads somewhere, for every role in both languages; no page is half translated."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.contact.correspondence import correspondence
from tests.factories import House
from tests.web.test_pages import client_for
from tideover.contact.gate import verdict_ask
from tideover.contact.message_templates import template_draft
from tideover.contact.rules.model import Channel, Purpose
from tideover.core.business_time import business_date, now
from tideover.core.models import Role
from tideover.daily.close import close_day
from tideover.engine.events import EventKind
from tideover.lending.models import Complaint, Dispute, HelpRequest, Hold, LoanParty, Promise
from tideover.lending.services import event_record

ROOT = Path(__file__).resolve().parents[2]
HAN = re.compile(r"[\u4e00-\u9fff]+")
NAMES = {"李", "王", "李明"}
"""Names of people stay as they are in both languages."""


@pytest.fixture
def lived(house: House, settings: Any, tmp_path: Path) -> House:
    """A book with payments, a reversal, a pay-off, a waiver, a guarantor, rows of every kind, and closed days."""
    settings.TAPE_DIR = tmp_path
    today = business_date()

    def event(contract: object, kind: EventKind, on: date, amount: int, key: str, **more: object) -> None:
        event_record(contract, kind=kind, effective_on=on, amount_minor=amount, idempotency_key=key, actor="payments", **more)  # type: ignore[arg-type]

    event(house.loan, EventKind.PAYMENT, date(2026, 2, 20), 406_000, "p1")
    event(house.loan, EventKind.PAYMENT, date(2026, 3, 1), 5_000, "p2")
    event(house.loan, EventKind.REVERSAL, date(2026, 3, 1), 0, "r2", extra={"of_seq": 2})
    event(house.second_loan, EventKind.PAYOFF, date(2026, 3, 2), 0, "o")
    event(house.other_loan, EventKind.WAIVER, date(2026, 3, 25), -1, "w", extra={"component": "penalty"})
    LoanParty.objects.create(
        contract=house.loan, party=house.other_borrower, role="guarantor_joint", cap_minor=100, valid_from=today
    )
    base = {"party": house.borrower, "contract": house.loan, "actor": "t", "recorded_at": now()}
    HelpRequest.objects.create(**base, number="H-1", opened_at=now())
    Hold.objects.create(**base, kind="hardship_request", starts_at=now(), review_on=today)
    Promise.objects.create(**base, amount_minor=100, promised_on=today, due_on=today - timedelta(days=2))
    Dispute.objects.create(**base, opened_on=today, subject="D-1")
    Complaint.objects.create(**base, opened_on=today, subject="C-1", source="12378")
    verdict_ask(
        party=house.borrower, contracts=[house.loan], channel=Channel.CALL, purpose=Purpose.COLLECTION, at=now(), actor="t"
    )
    correspondence(house)
    template_draft("late.several", given={"name_en": "Several are late"}, note="", may_flag=False, actor="team_lead")
    for on in (date(2026, 3, 31), today - timedelta(days=1), today):
        close_day(on, today=today)
    return house


def crawl(client: Client, *, whole: bool = True) -> Iterator[tuple[str, str]]:
    """(address, page) of everything that can be reached by links from the home, or only of what the home links to."""
    seen, waiting = {"/"}, ["/"]
    while waiting:
        address = waiting.pop()
        response = client.get(address)
        assert response.status_code == 200, address
        if not response["Content-Type"].startswith("text/html"):
            continue
        page = response.content.decode()
        yield address, page
        for link in re.findall(r'href="([^"]+)"', page) if whole or address == "/" else ():
            target = html.unescape(link).partition("#")[0]
            if target.startswith("?"):
                target = address.partition("?")[0] + target
            if target.startswith("/") and not target.startswith("/static/") and target not in seen:
                seen.add(target)
                waiting.append(target)


def words(page: str) -> str:
    """What a reader sees: no tags, and nothing that is marked as being in the other language."""
    page = re.sub(
        r"<(span|button|label|code|div|article|li|textarea|p)[^>]*lang=\"[^\"]*\"[^>]*>.*?</\1>",
        " ",
        page.partition("<body")[2],
        flags=re.S,
    )
    return html.unescape(re.sub(r"<[^>]+>", "\n", page))


def untranslated(text: str) -> list[str]:
    """English sentences of the pages that stand in a Chinese text."""
    lines = (ROOT / "scripts/messages_zh.tsv").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t", 1) for line in lines if "\t" in line]
    shown = {line.strip() for line in text.splitlines()}
    return [english for english, chinese in pairs if english != chinese and english.strip() in shown]


WHOLE = ("auditor", "customer_manager", "engineer", "borrower")
"""Roles whose pages are walked to the end; of the others the home and what it links to."""

REACHED = (
    "/book", "/book/loans?", "/book/trend", "/loans?show=", "/loans/T-1", "/loans/T-1/payments/1", "/people/P-0002", "/day",
    "/my/contact", "/contact-log/decisions/", "/people/P-0001/call", "/holds",
    "/action-log?", "/outbox/M-1", "/outbox?state=", "/answers", "/templates/late.several?version=1",
    "/letters", "/calls", "/my/messages/M-2", "/my/help", "/my/schedule/T-1", "/my/receipts",
)  # fmt: skip
"""Kinds of page that somebody must have come to by links alone."""


def page_faults(address: str, page: str) -> list[str]:
    """English left in a Chinese page, names used twice, anchors that lead nowhere."""
    ids = re.findall(r'\sid="([^"]+)"', page)
    lost = set(re.findall(r'href="#([^"]+)"', page)) - set(ids)
    twice = {name for name in ids if ids.count(name) > 1}
    return [f"{address}: {fault}" for fault in (*untranslated(words(page)), *lost, *twice)]


def test_every_link_leads_somewhere_and_every_page_is_chinese(lived: House) -> None:
    reached: set[str] = set()
    for role in Role:
        found = dict(crawl(client_for(lived, role, "zh-hans"), whole=role in WHOLE))
        assert [f for a, p in found.items() for f in page_faults(a, p)] == [], role
        reached |= set(found)
    for needed in REACHED:
        assert any(a.startswith(needed) for a in reached), needed


def test_english_pages_hold_no_chinese_but_names_and_the_search_for_untranslated_words_works(lived: House) -> None:
    for role in ("auditor", "borrower"):
        for address, page in crawl(client_for(lived, role, "en")):
            assert set(HAN.findall(words(page))) <= NAMES, address
            if address == "/book":
                assert {"The book", "Where do the loans stand?", "Overdue (¥)"} <= set(untranslated(words(page)))
