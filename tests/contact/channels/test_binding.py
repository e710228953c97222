"""People join WeCom and the mini program; the gateway in another process tells us, and messages reach them."""

from __future__ import annotations

import json
import time
import urllib.request
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests.contact.channels.peers import Peer
from tests.contact.test_outbox import NOON, queue, ready  # noqa: F401
from tests.factories import House, party
from tests.web.test_pages import client_for
from tideover.contact.channels.binding import bind_code, joins_of, party_of_code
from tideover.contact.channels.hooks import hook_token
from tideover.contact.channels.wechat_push import NotTheirs, opened, signature
from tideover.contact.message_templates import template_in_force
from tideover.contact.models import AddressFault, Message, Subscription
from tideover.contact.outbox import outbox_work
from tideover.contact.rules.model import Channel
from tideover.core.business_time import now
from tideover.lending.models import ContactPoint
from tideover.sources.models import Consent

AES, WHO = "A" * 43, "wmEXTERNAL0001"
KEYS = f"push=test-token&aes={AES}"


@pytest.fixture
def joined(ready: House, peer: Any, settings: Any) -> tuple[House, Peer]:  # noqa: F811
    """The house whose two messengers are a peer in another process; the clause of the contract is not agreed."""
    other = peer("messengers")
    at = f"corp:test-secret@127.0.0.1:{other.port}"
    settings.CHANNELS = {
        **settings.CHANNELS,
        "WECOM": f"wecom-customer+http://{at}?sender=zhangsan&join=https://work.weixin.qq.com/ca/abc&{KEYS}",
        "MINI_PROGRAM": f"miniprogram+http://{at}?page=pages/inbox&fields=hotline:phone_number1&{KEYS}",
    }
    Consent.objects.update(channel="sms")
    return ready, other


def act(other: Peer, what: str, **said: str) -> dict[str, str]:
    """A person acts; the push that the gateway sends after it."""
    url = f"http://127.0.0.1:{other.port}/people/{what}"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(said).encode(), method="POST"), timeout=5) as answer:
        return dict(json.load(answer))


def push(gateway: str, said: dict[str, str]) -> Any:
    path = f"/hooks/{gateway}/{hook_token(gateway)}/events?{said['query']}"
    return Client(enforce_csrf_checks=True).generic("POST", path, said["body"].encode(), content_type="text/xml")


def work(at: Any = NOON) -> None:
    outbox_work(10, at)


def test_a_wecom_message_reaches_who_joined_by_their_own_link(joined: tuple[House, Peer]) -> None:
    house, other = joined
    wecom = {"channel": Channel.WECOM}
    assert queue(house, "k0", **wecom).reason == "no_address"
    link = joins_of(house.borrower)["wecom"]
    assert link.startswith("https://work.weixin.qq.com/ca/abc?customer_channel=") and len(bind_code(house.borrower)) <= 30
    for _ in range(2):
        assert push("wecom-customer", act(other, "join", who=WHO, code=bind_code(house.borrower))).content == b"success"
    point, consent = ContactPoint.objects.get(), Consent.objects.get(channel="wecom")
    assert (point.party, point.channel, point.source, str(point.address)) == (house.borrower, "wecom", "binding", WHO)
    assert (consent.given_how, consent.evidence) == ("app", "WeCom add_external_contact")
    tomorrow = now() + timedelta(days=1)
    noon = tomorrow.astimezone(NOON.tzinfo).replace(hour=12, minute=0)
    m = queue(house, "k1", at=noon, **wecom)
    assert m.state == "drafted", m.reason
    work(noon)
    m.refresh_from_db()
    assert (m.state, m.gateway) == ("sent", "wecom-customer"), m.reason
    work(m.next_at)
    m.refresh_from_db()
    assert (m.state, m.tries) == ("delivered", 1)
    [got] = other.lines()
    assert (got["to"], got["text"]) == (WHO, m.body) and "127" not in got["text"]


def test_who_leaves_is_not_written_to_and_an_unknown_customer_is_a_fault(joined: tuple[House, Peer]) -> None:
    house, other = joined
    push("wecom-customer", act(other, "join", who=WHO, code=bind_code(house.borrower)))
    noon = (now() + timedelta(days=1)).astimezone(NOON.tzinfo).replace(hour=12, minute=0)
    m = queue(house, "k1", at=noon, channel=Channel.WECOM)
    said = act(other, "leave", who=WHO)
    work(noon)
    m.refresh_from_db()
    assert (m.state, m.reason) == ("failed", "user_not_found") and AddressFault.objects.get().channel == Channel.WECOM
    assert queue(house, "k2", at=noon, channel=Channel.WECOM).reason == "address.unreachable"
    assert push("wecom-customer", said).content == b"success"
    assert ContactPoint.objects.get().ended_at and not Consent.objects.filter(channel="wecom", withdrawn_at=None).exists()
    assert queue(house, "k3", at=noon, channel=Channel.WECOM).reason == "no_address"


def test_a_mini_program_message_goes_once_for_each_yes(joined: tuple[House, Peer]) -> None:
    house, other = joined
    mini = {"channel": Channel.MINI_PROGRAM}
    t = template_in_force("late.one_payment", NOON.date())
    t.gateway_codes = {"miniprogram": "TPL-1"}
    t.save()
    c = client_for(house, "borrower")
    assert "Connect it" in c.get("/my/contact/mini-program?code=code-1").content.decode()
    assert c.post("/my/contact/mini-program", {"code": "code-1"}).status_code == 302
    assert c.post("/my/contact/mini-program", {"code": "code-1"}).status_code == 422, "a login code counts once"
    openid = str(ContactPoint.objects.get(channel="mini_program").address)
    noon = (now() + timedelta(days=1)).astimezone(NOON.tzinfo).replace(hour=12, minute=0)
    assert queue(house, "k0", at=noon, **mini).reason == "no_subscription"
    said = act(other, "answer", who=openid, template="TPL-1", answer="accept")
    for _ in range(2):
        assert push("miniprogram", said).status_code == 200
    assert Subscription.objects.get().left == 1, "told twice, said once"
    first, second = queue(house, "k1", at=noon, **mini), queue(house, "k2", at=noon, **mini)
    assert (first.state, second.state) == ("drafted", "drafted")
    work(noon)
    assert sorted(Message.objects.filter(key__in=("k1", "k2")).values_list("state", "reason")) == [
        ("blocked", "no_subscription"), ("sent", ""),
    ]  # fmt: skip
    [got] = other.lines()
    assert (got["to"], got["peer"]) == (openid, "miniprogram") and json.loads(got["text"])["phone_number1"]["value"]
    assert Subscription.objects.get().left == 0


def test_a_no_uses_up_every_yes(joined: tuple[House, Peer]) -> None:
    house, other = joined
    client_for(house, "borrower").post("/my/contact/mini-program", {"code": "code-2"})
    openid = str(ContactPoint.objects.get().address)
    push("miniprogram", act(other, "answer", who=openid, template="TPL-1", answer="accept"))
    Subscription.objects.update(left=3, told_at=now() - timedelta(hours=1))
    push("miniprogram", act(other, "answer", who=openid, template="TPL-1", answer="reject"))
    assert Subscription.objects.get().left == 0
    assert push("miniprogram", act(other, "answer", who="oNobody0001", template="T", answer="accept")).status_code == 200
    assert Subscription.objects.count() == 1


def test_an_id_is_one_persons_and_a_code_is_its_owners(joined: tuple[House, Peer]) -> None:
    house, other = joined
    push("wecom-customer", act(other, "join", who=WHO, code=bind_code(house.borrower)))
    push("wecom-customer", act(other, "join", who=WHO, code=bind_code(house.other_borrower)))
    push("wecom-customer", act(other, "join", who="wmSOMEBODY", code=f"{house.other_borrower.reference}.aaaaaaaaa"))
    push("wecom-customer", act(other, "join", who="wmSOMEBODY", code=""))
    assert ContactPoint.objects.get().party == house.borrower
    long = party("P-" + "X" * 18, "长", house.branch, "19911111111")
    assert len(bind_code(long)) == 30 and party_of_code(bind_code(long)) == long


def test_what_is_not_theirs_is_not_read(joined: tuple[House, Peer]) -> None:
    house, other = joined
    said = act(other, "join", who=WHO, code=bind_code(house.borrower))
    for query in ("", said["query"].replace("msg_signature=", "msg_signature=0"), said["query"] + "&timestamp=1"):
        assert push("wecom-customer", {**said, "query": query}).status_code == 422
    assert push("wecom-customer", {**said, "body": "<xml/>"}).status_code == 422
    assert Client().get("/hooks/wecom-customer/wrong/events").status_code == 404
    assert not ContactPoint.objects.exists()
    stamp = str(int(time.time()))
    query = {"timestamp": stamp, "nonce": "7", "msg_signature": signature("t", stamp, "7", "x")}
    with pytest.raises(NotTheirs, match="stale"):
        opened("x", token="t", aes=AES, receiver="corp", query=query, now=int(stamp) + 601)


def test_the_gateway_asks_whether_the_address_is_ours(joined: tuple[House, Peer]) -> None:
    stamp = str(int(time.time()))
    path = f"/hooks/miniprogram/{hook_token('miniprogram')}/events"
    query = {"timestamp": stamp, "nonce": "7", "echostr": "hello", "signature": signature("test-token", stamp, "7")}
    assert Client().get(path, query).content == b"hello"
    assert Client().get(path, {**query, "signature": "x"}).status_code == 422
