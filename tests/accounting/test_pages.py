"""Pages and REST of the books: what each role may open, empty and full, from the trial balance down to the journal."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest
from django.test import Client

from tests.accounting.books import end_of, happen, post
from tests.factories import House
from tests.web.test_api import client as bearer
from tests.web.test_pages import client_for
from tideover.accounting.models import Entry, PeriodClose
from tideover.core.approvals import approval_decide, approval_get
from tideover.engine.events import EventKind as K
from tideover.lending.models import Contract

pytestmark = pytest.mark.django_db
PAGES = ("/books", "/books/trial-balance", "/books/accounts/601101", "/books/income", "/books/non-accrual", "/books/periods")


@pytest.fixture
def posted(house: House) -> House:
    """One loan, its first instalment paid, the second long overdue; news of February came in June."""
    c = house.loan
    Contract.objects.filter(pk=c.pk).update(created_at=end_of(date(2026, 1, 20)))
    Contract.objects.exclude(pk=c.pk).update(created_at=end_of(date(2030, 1, 1)))
    happen(c, 1, K.PAYMENT, date(2026, 2, 20), 406_000)
    post(date(2026, 6, 30), first=date(2026, 1, 20))
    happen(c, 2, K.REVERSAL, date(2026, 7, 1), of_seq=1)
    post(date(2026, 7, 1))
    return house


def text(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, (address, response.status_code)
    return response.content.decode()


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_says_something_when_nothing_is_posted(house: House, language: str) -> None:
    client = client_for(house, "finance", language)
    for address in PAGES:
        page = text(client, address)
        assert 'class="empty"' in page, address
    assert text(client, "/books/export", 404)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_from_the_trial_balance_to_the_journal(posted: House, language: str) -> None:
    client = client_for(posted, "finance", language)
    page = text(client, "/books/trial-balance?entity=BANK&on=2026-02-20")
    assert "7,940.00" in page and "tag--ok" in page
    [link] = set(re.findall(r'href="(/books/accounts/113202[^"]+)"', page))
    page = text(client, link.replace("&amp;", "&"))
    entry = Entry.objects.get(position="interest.paid", kind="regular")
    assert f"/books/entries/{entry.pk}" in page
    page = text(client, f"/books/entries/{entry.pk}")
    assert "/loans/T-1?as_of=2026-02-20" in page and "¥4,060.00" in page and "tag--ok" in page
    turned = Entry.objects.filter(kind="adjusting", position="interest.paid").get()
    page = text(client, f"/books/entries/{turned.pk}")
    assert "2026-02-20" in page and "2026-07-01" in page
    assert "130303" in text(client, "/loans/T-1")
    assert "T-1" in text(client, "/books/non-accrual?new=1") or "T-1" in text(client, "/books/non-accrual")
    assert "2026-02" in text(client, "/books/income")


def test_bad_days_and_strange_addresses_are_said_and_break_nothing(posted: House) -> None:
    client = client_for(posted, "finance", "en")
    assert "Enter a date" in text(client, "/books/trial-balance?on=soon")
    assert "Enter a date" in text(client, "/books/accounts/601101?from=x&to=y")
    for address in ("/books/accounts/1", "/books/entries/999999", "/books/trial-balance?entity=NOPE", "/books/export?format=xls"):
        text(client, address, 404)


def test_a_period_is_asked_about_on_the_page_and_closed_by_another(posted: House) -> None:
    client = client_for(posted, "finance", "en")
    assert "Ask to close it" in text(client, "/books/periods")
    bad = client.post("/books/periods", {"entity": "BANK", "period": "2026-03-01", "reason": "x"})
    assert bad.status_code == 422 and "in order" in bad.content.decode()
    assert client.post("/books/periods", {"entity": "BANK", "period": "soon", "reason": "x"}).status_code == 422
    assert client.post("/books/periods", {"entity": "BANK", "period": "2026-01-01", "reason": ""}).status_code == 422
    done = client.post("/books/periods", {"entity": "BANK", "period": "2026-01-01", "reason": "month end"})
    assert done.status_code == 302
    reference = done["Location"].partition("asked=")[2]
    assert reference in text(client, done["Location"])
    risk = posted.staff["risk"]
    page = text(client_for(posted, "risk", "en"), f"/approvals/{reference}")
    assert "BANK 2026-01" in page
    approval_decide(approval_get(risk, reference), grant=True, reason="ok", actor=risk)
    assert PeriodClose.objects.count() == 1 and "period closed" in text(client, "/books/periods")


def test_who_may_read_what(posted: House) -> None:
    for role, status in (("finance", 200), ("auditor", 200), ("risk", 200), ("collector", 403), ("branch_head", 403)):
        client = client_for(posted, role)
        for address in PAGES:
            text(client, address, status)
        text(client, "/books/export?entity=BANK", 200 if role in ("finance", "auditor") else 403)
        assert ("h-ledger" in text(client, "/loans/T-1")) == (status == 200)
    refused = client_for(posted, "auditor").post("/books/periods", {"entity": "BANK", "period": "2026-01-01", "reason": "x"})
    assert refused.status_code == 422 and not PeriodClose.objects.exists(), "only finance asks"


def test_rest(posted: House) -> None:
    api = bearer(posted, "auditor")

    def asked(path: str, status: int = 200) -> dict[str, object]:
        response = api.get(f"/api/v1{path}")
        assert response.status_code == status, response.content
        return json.loads(response.content)

    found = asked("/books/trial-balance?entity=BANK&on=2026-02-20")
    lines = {x["account"]: x["balance"] for x in found["lines"]}  # type: ignore[attr-defined, index]
    assert found["zero"] is True and lines["1011"] == "-7940.00" and lines["601101"] == "-56.60"
    page = asked("/books/entries?entity=BANK&first=2026-02-20&last=2026-02-20&account=113202&limit=1")
    assert page["next_cursor"] and page["items"][0]["booked_on"] == "2026-02-20"  # type: ignore[index]
    ledger = asked("/loans/T-1/ledger")
    assert ledger["nonaccrual_since"] and any(x["account"] == "9001" for x in ledger["lines"])  # type: ignore[attr-defined]
    out = asked("/books/export?entity=BANK&first=2026-02-01&last=2026-02-28&format=beancount")
    assert str(out["content"]).startswith("option") and out["entries"]
    asked("/books/trial-balance?entity=NOPE", 404)
    asked("/loans/T-2/ledger", 404)
    asked("/books/export?entity=BANK&first=2020-01-01&last=2026-02-28", 422)
