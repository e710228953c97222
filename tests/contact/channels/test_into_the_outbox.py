"""What gateways, browsers and mail programs say to us, all the way into the outbox."""

from __future__ import annotations

import base64

import pytest
from django.test import Client

from tests.contact.channels.test_hooks import ALIYUN, call
from tests.factories import House
from tideover.contact.message_templates import templates_seed
from tideover.contact.models import InboundMessage, ParkedReport
from tideover.contact.rules.model import Channel
from tideover.core.business_time import business_date
from tideover.core.crypto import encrypt


@pytest.fixture
def ready(house: House) -> House:
    templates_seed(business_date(), actor="test")
    return house


def test_a_report_on_an_unknown_message_is_kept_once(ready: House) -> None:
    for _ in range(2):
        assert call("aliyun", "reports", [ALIYUN]).json()["code"] == 0
    assert ParkedReport.objects.get().provider_id == "12345^0"


def test_a_stop_by_text_message_is_the_borrowers_and_counts_once(ready: House) -> None:
    reply = {"phone_number": ready.borrower.phone, "send_time": "2026-11-25 09:00:05", "content": "退订", "sequence_id": 7}
    for _ in range(2):
        assert call("aliyun", "replies", [reply]).status_code == 200
    row = InboundMessage.objects.get()
    assert (row.meaning, row.party, row.channel) == ("stop", ready.borrower, Channel.SMS)


def test_one_click_ends_mail(ready: House) -> None:
    user = ready.borrower.user
    user.email = "ann@example.com"
    user.save()
    token = base64.urlsafe_b64encode(encrypt("ann@example.com")).decode().rstrip("=")
    client = Client(enforce_csrf_checks=True)
    page = client.get(f"/unsubscribe/{token}").content.decode()
    assert '<form method="post"' in page and not InboundMessage.objects.exists(), "a look changes nothing"
    for _ in range(2):
        assert client.post(f"/unsubscribe/{token}", {"List-Unsubscribe": "One-Click"}).status_code == 200
    row = InboundMessage.objects.get()
    assert (row.meaning, row.party, row.channel) == ("stop", ready.borrower, Channel.EMAIL)


@pytest.mark.parametrize("token", ["x", "AAAA", "€", "a" * 60])
def test_a_token_that_is_none_shows_nothing(token: str, db: None) -> None:
    assert Client().post(f"/unsubscribe/{token}").status_code == 404
