"""Addresses on pages and by REST: what is refused is said kindly, in both languages, and can be put right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contact.test_outbox import NOON, queue, ready  # noqa: F401
from tests.factories import House
from tests.web.test_api import client, post
from tests.web.test_pages import client_for
from tideover.contact.models import AddressFault, VerdictRow
from tideover.contact.reach import address_set, number_dead
from tideover.contact.rules.gate import ADDRESS_RULE
from tideover.contact.rules.model import Channel
from tideover.core.models import ActionLog
from tideover.lending.models import ContactPoint
from tideover.sources.models import Consent


@pytest.fixture
def dead(ready: House) -> House:  # noqa: F811
    """The borrower's number is another's."""
    number_dead(ready.borrower, "wrong_number", NOON)
    return ready


def test_a_borrower_is_told_kindly_and_corrects_it(dead: House) -> None:
    for language, words in (
        ("en", "We could not reach you at 199****0001. Please check"),
        ("zh-hans", "没能联系上您，麻烦您核对"),
    ):
        page = client_for(dead, "borrower", language).get("/my/contact").content.decode()
        assert words in page and "19900000001" not in page
    c = client_for(dead, "borrower")
    wrong = c.post("/my/contact", {"act": "set", "kind": "phone", "address": "12"})
    assert wrong.status_code == 422 and "Enter a telephone number" in wrong.content.decode()
    assert c.post("/my/contact", {"act": "set", "kind": "phone", "address": "199 0000 7777"}).status_code == 302
    dead.borrower.refresh_from_db()
    assert dead.borrower.phone == "19900007777" and queue(dead).state == "drafted"
    assert "could not reach" not in c.get("/my/contact").content.decode()
    logged = ActionLog.objects.get(action="party.reach")
    assert logged.detail == {"phone": ["199****0001", "199****7777"]}


def test_a_borrower_says_that_it_is_right(dead: House) -> None:
    c = client_for(dead, "borrower")
    assert c.post("/my/contact", {"act": "right", "kind": "phone"}).status_code == 302
    assert AddressFault.objects.get().cleared_by == "borrower" and queue(dead).state == "drafted"
    assert c.post("/my/contact", {"act": "right", "kind": "moon"}).status_code == 404


def test_mail_with_or_without_a_yes(ready: House) -> None:  # noqa: F811
    c = client_for(ready, "borrower")
    Consent.objects.update(channel="sms")
    assert c.post("/my/contact", {"act": "set", "kind": "email", "address": "li@example.cn"}).status_code == 302
    assert queue(ready, channel=Channel.EMAIL).reason == "contact.consent.private", "an address is not a consent"
    c.post("/my/contact", {"act": "set", "kind": "email", "address": "li@example.com", "agree": "yes"})
    assert Consent.objects.get(channel="email").given_how == "app"
    assert list(ContactPoint.objects.filter(ended_at=None).values_list("source", flat=True)) == ["borrower"]
    assert c.post("/my/contact", {"act": "set", "kind": "wecom", "address": "wmX00001"}).status_code == 302
    assert not ContactPoint.objects.filter(channel="wecom").exists(), "a messenger's id cannot be typed"


def test_staff_verify_and_replace(dead: House) -> None:
    c = client_for(dead, "collector")
    address = "/people/P-0001/addresses"
    assert "refusals since" in c.get(address).content.decode()
    assert "被退回 1 次" in client_for(dead, "collector", "zh-hans").get(address).content.decode()
    assert c.post(address, {"act": "right", "kind": "phone"}).status_code == 302 and AddressFault.objects.get().cleared_at
    assert c.post(address, {"act": "set", "kind": "email", "address": "x"}).status_code == 422
    assert client_for(dead, "compliance").get(address).status_code == 403
    assert c.get("/people/P-0002/addresses").status_code == 404, "another branch's"


@pytest.mark.parametrize(
    ("language", "words", "ways"),
    [
        ("en", "refusals since 2026-05-12: 1", "Ways that are open now: in the app"),
        ("zh-hans", "自 2026-05-12 起被退回 1 次", "现在可用的方式："),
    ],
)
def test_the_decision_and_the_log_say_why_and_what_else_is_open(
    dead: House, monkeypatch: Any, language: str, words: str, ways: str
) -> None:
    monkeypatch.setattr("tideover.contact.views.now", lambda: NOON)
    m = queue(dead)
    assert m.reason == ADDRESS_RULE
    c = client_for(dead, "compliance", language)
    page = c.get(f"/contact-log/decisions/{m.verdict}").content.decode()
    assert words in page and ADDRESS_RULE in page and ways in page
    assert VerdictRow.objects.get(pk=m.verdict).next_at is None
    assert ADDRESS_RULE in c.get(f"/contact-log?rule={ADDRESS_RULE}&allowed=no").content.decode()
    life = client_for(dead, "team_lead", language).get(f"/outbox/{m.reference}").content.decode()
    assert ("cannot be reached" if language == "en" else "联系不上") in life


def test_rest_writes_reads_verifies_and_ends(dead: House) -> None:
    c = client(dead, "collector")
    where = "/parties/P-0001/addresses"
    body = {"address": "wmABCDEF01", "given_how": "paper", "evidence": "form 7"}
    said = post(c, f"{where}/wecom", body).json()["items"]
    assert [(a["kind"], a["address"], a["refusals"]) for a in said] == [("phone", "199****0001", 1), ("wecom", "wmA…F01", 0)]
    assert Consent.objects.get(channel="wecom").evidence == "form 7"
    assert post(c, f"{where}/phone/verified", {}).json()["items"][0]["refusals"] == 0
    assert post(c, f"{where}/phone/verified", {}).status_code == 422
    for kind, address, code in (("email", "x", "bad_address"), ("phone", "1", "bad_phone"), ("wecom", "!", "bad_address")):
        assert post(c, f"{where}/{kind}", {"address": address}).json()["errors"][0]["code"] == code
    assert post(c, f"{where}/moon", {"address": "there"}).status_code == 422
    address_set(dead.other_borrower, "mini_program", "oABCDEF01", source="binding", actor="t")
    assert post(c, f"{where}/mini_program", {"address": "oABCDEF01"}).json()["errors"][0]["code"] == "others_address"
    assert len(post(c, f"{where}/wecom/end", {}).json()["items"]) == 1
    assert post(client(dead, "compliance"), f"{where}/wecom", body).status_code == 403


def test_a_dead_number_from_a_logged_call_stops_the_next_one(ready: House, monkeypatch: Any) -> None:  # noqa: F811
    for module in ("contact.views", "contact.panels_gate"):
        monkeypatch.setattr(f"tideover.{module}.now", lambda: NOON)
    c = client_for(ready, "collector")
    asked = c.post("/people/P-0001/call", {"act": "ask"})["Location"].rpartition("=")[2]
    form = {"act": "record", "verdict": asked, "outcome": "failed", "direction": "out"}
    assert c.post("/people/P-0001/call", form).status_code == 302
    assert AddressFault.objects.get().reason == "no_such_number"
    again = c.post("/people/P-0001/call", {"act": "ask"})["Location"].rpartition("=")[2]
    assert ADDRESS_RULE in VerdictRow.objects.get(pk=again).rules
