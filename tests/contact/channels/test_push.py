"""Web Push against a push service and browsers in another process; registering and forgetting a browser; receipts."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from django.test import Client

from tests.contact.channels.peers import Peer
from tests.factories import House
from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import DeliveryState, SendState
from tideover.contact.channels.models import PushSubscription
from tideover.contact.channels.push import Push
from tideover.core.models import ActionLog

PRIVATE = "cyEmzWZ3NcGz6-aGgeBDqYuOlVpF7kSNhr3q7Z3sOhk"


def address(port: int) -> str:
    return f"vapid:{PRIVATE}?subject=mailto:ops@lender.example&hosts=127.0.0.1:{port}"


def browser(p: Peer) -> dict[str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{p.port}/browsers", b"", method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read())


@pytest.fixture
def lender(peer, house: House, settings, client: Client):
    """A push service, the adapter, and a borrower signed in with one browser registered."""
    service = peer("push_service")
    settings.CHANNELS = {**settings.CHANNELS, "PUSH": address(service.port)}
    adapter = Push(GatewayAddress.read(address(service.port), setting="TIDEOVER_PUSH"))
    client.force_login(house.borrower.user)
    return service, adapter, house.borrower, client


def test_a_message_reaches_every_browser_that_agreed(lender, message) -> None:
    service, adapter, party, client = lender
    for _ in range(2):
        assert client.post("/my/push", browser(service)).status_code == 204
    result = adapter.send(message(to=party.reference))
    assert result.state is SendState.ACCEPTED
    assert [line["text"] for line in service.lines()] == ["Tideover 您有一条新消息，请登录查看。1"] * 2
    assert ActionLog.objects.filter(action="push.on").count() == 2


def test_a_browser_that_forgot_us_is_forgotten(lender, message) -> None:
    service, adapter, party, client = lender
    keys = browser(service)
    client.post("/my/push", keys)
    urllib.request.urlopen(urllib.request.Request(keys["endpoint"], method="DELETE"), timeout=5).close()
    result = adapter.send(message(to=party.reference))
    assert (result.state, result.reason) == (SendState.REFUSED, "gone http:410")
    assert PushSubscription.objects.get().gone_reason == "http:410"
    assert adapter.send(message(to=party.reference)).reason == "no_subscription"


@pytest.mark.parametrize(
    ("fault", "state", "received"),
    [
        ("drop_before", SendState.UNKNOWN, 0),
        ("drop_after", SendState.UNKNOWN, 1),
        ("garbage", SendState.UNKNOWN, 1),
        ("reject", SendState.REFUSED, 0),
        ("throttle", SendState.RETRY, 0),
    ],
)
def test_each_fault_has_its_answer(lender, message, fault: str, state: SendState, received: int) -> None:
    service, adapter, party, client = lender
    client.post("/my/push", browser(service))
    service.faults({fault: 1})
    assert adapter.send(message(to=party.reference)).state is state
    assert len(service.lines()) == received


def test_a_browser_can_be_taken_back_and_comes_again(lender, message) -> None:
    service, adapter, party, client = lender
    keys = browser(service)
    client.post("/my/push", keys)
    assert client.post("/my/push", {**keys, "off": "1"}).status_code == 204
    assert adapter.send(message(to=party.reference)).reason == "no_subscription"
    client.post("/my/push", keys)
    assert adapter.send(message(to=party.reference)).state is SendState.ACCEPTED


@pytest.mark.parametrize(
    "bad",
    [
        {"endpoint": "https://evil.example/push"},
        {"endpoint": "http://169.254.169.254/latest"},
        {"endpoint": "https://fcm.googleapis.com.evil.example/x"},
        {"endpoint": "https://fcm.googleapis.com:22/x"},
        {"endpoint": "http://fcm.googleapis.com/x"},
        {"p256dh": "short"},
        {"auth": ""},
        {"auth": "€"},
    ],
)
def test_addresses_and_keys_that_no_browser_gives_are_refused(lender, bad: dict[str, str]) -> None:
    service, _adapter, _party, client = lender
    assert client.post("/my/push", {**browser(service), **bad}).status_code == 422
    assert not PushSubscription.objects.exists()


def test_a_real_push_service_is_allowed(lender) -> None:
    _, adapter, _, _ = lender
    assert adapter.allows("https://fcm.googleapis.com/fcm/send/abc")
    assert adapter.allows("https://web.push.apple.com/abc")


def test_the_button_is_there_only_for_borrowers_of_a_lender_with_keys(lender, settings) -> None:
    _, adapter, _, client = lender
    page = client.get("/settings").content.decode()
    assert adapter.public_key in page and "data-push" in page and " hidden>" in page
    settings.CHANNELS = {**settings.CHANNELS, "PUSH": ""}
    assert "data-push" not in client.get("/settings").content.decode()


def test_the_shown_receipt_is_signed_by_us(lender, message, monkeypatch) -> None:
    from tideover.contact.channels import push, views

    got: list = []
    monkeypatch.setattr(views, "apply", lambda reports, people: got.extend(reports))
    receipt = json.loads(push.payload(message()))["receipt"]
    plain = Client(enforce_csrf_checks=True)
    assert plain.post("/push/shown", json.dumps({"receipt": receipt}), content_type="text/plain").status_code == 204
    assert [(r.key, r.state) for r in got] == [("m1", DeliveryState.DELIVERED)]
    for bad in ({"receipt": receipt + "x"}, {"receipt": ""}, [], {}):
        assert plain.post("/push/shown", json.dumps(bad), content_type="text/plain").status_code == 422
    assert plain.post("/push/shown", "x" * 3000, content_type="text/plain").status_code == 413
    assert plain.get("/push/shown").status_code == 405
    assert len(got) == 1


def test_worker_and_manifest_are_served_from_the_root(settings) -> None:
    root = Path(settings.WHITENOISE_ROOT)
    assert {"sw.js", "manifest.webmanifest"} <= {p.name for p in root.iterdir()}
    assert json.loads((root / "manifest.webmanifest").read_text())["start_url"] == "/"
