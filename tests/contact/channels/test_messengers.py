"""WeCom, the mini program and the robot against a peer in another process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.contact.channels.peers import free_port, wait_for
from tideover.contact.channels import robot, wechat
from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import DeliveryState, SendState
from tideover.contact.channels.miniprogram import MiniProgram
from tideover.contact.channels.robot import Robot
from tideover.contact.channels.wecom import WeCom
from tideover.contact.channels.wecom_customer import WeComCustomer

MAKE = {"wecom": WeCom, "wecom-customer": WeComCustomer, "miniprogram": MiniProgram, "robot": Robot}
FAULTS = [
    ("drop_before", SendState.UNKNOWN, 0),
    ("drop_after", SendState.UNKNOWN, 1),
    ("garbage", SendState.UNKNOWN, 1),
    ("restart", SendState.UNKNOWN, 0),
    ("reject", SendState.REFUSED, 0),
    ("throttle", SendState.RETRY, 0),
]


def adapter(kind: str, port: int, secret: str = "test-secret"):
    address = f"{kind}+http://corp:{secret}@127.0.0.1:{port}?agent=1000002&sender=zhangsan&fields=name:thing1"
    return MAKE[kind](GatewayAddress.read(address, setting="TIDEOVER_WECOM"))


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize(("fault", "state", "received"), FAULTS)
def test_each_fault_has_its_answer(peer, message, kind: str, fault: str, state: SendState, received: int) -> None:
    other = peer("messengers", "--fault", fault)
    a = adapter(kind, other.port)
    result = a.send(message())
    assert result.state is state, result
    assert len(other.lines()) == received
    other.faults({})
    wait_for(lambda: a.send(message(2)).state is SendState.ACCEPTED)


@pytest.mark.parametrize(
    ("kind", "idempotent", "received"),
    [("wecom", True, 1), ("robot", True, 1), ("miniprogram", False, 2), ("wecom-customer", False, 2)],
)
def test_only_a_gateway_that_knows_repeats_may_be_asked_twice(peer, message, kind: str, idempotent: bool, received: int) -> None:
    other = peer("messengers", "--fault", "drop_after")
    a = adapter(kind, other.port)
    assert a.send(message()).state is SendState.UNKNOWN
    other.faults({})
    assert a.send(message()).state is SendState.ACCEPTED
    assert (a.idempotent, len(other.lines())) == (idempotent, received)


@pytest.mark.parametrize("kind", ["wecom", "miniprogram", "wecom-customer"])
def test_a_token_that_ran_out_is_fetched_anew(peer, message, kind: str) -> None:
    other = peer("messengers", "--token-seconds", "0.4")
    a = adapter(kind, other.port)
    assert a.send(message(1)).state is SendState.ACCEPTED
    first = a.token._value
    assert a.send(message(2)).state is SendState.ACCEPTED and a.token._value == first, "kept while it holds"
    import time

    time.sleep(0.5)
    assert a.send(message(3)).state is SendState.ACCEPTED and a.token._value != first


@pytest.mark.parametrize("kind", MAKE)
def test_a_wrong_secret_and_nobody_there(peer, message, kind: str) -> None:
    other = peer("messengers")
    wrong = adapter(kind, other.port, "wrong").send(message())
    assert (wrong.state, wrong.retry_after_s) == (SendState.RETRY, 600)
    assert adapter(kind, free_port()).send(message()).state is SendState.RETRY
    assert not other.lines()


def test_what_became_of_a_customers_message_is_asked(peer, message) -> None:
    a = adapter("wecom-customer", peer("messengers").port)
    sent = a.send(message(to="wmAAAAA1"))
    told = a.inquire(message(to="wmAAAAA1"), sent.provider_id, datetime.now(UTC))
    assert told is not None and (told.state, told.key) == (DeliveryState.DELIVERED, "m1")
    for nobody in (
        a.inquire(message(to="wmOTHER1"), sent.provider_id, datetime.now(UTC)),
        a.inquire(message(), "", datetime.now(UTC)),
    ):
        assert nobody is None


def test_values_of_a_mini_program_go_under_its_own_names(peer, message) -> None:
    other = peer("messengers")
    adapter("miniprogram", other.port).send(message(params={"name": "李*", "date1": "11月25日"}))
    assert other.lines()[0]["text"] == '{"thing1": {"value": "李*"}, "date1": {"value": "11月25日"}}'


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (45009, "retry"),
        (40013, "retry"),
        (60111, "refused"),
        (43101, "refused"),
        (-1, "unknown"),
        (0, "accepted"),
        (99999, "refused"),
    ],
)
def test_return_codes(code: int, state: str) -> None:
    assert wechat.outcome({"errcode": code}, busy=SendState.UNKNOWN).state == state


def test_a_call_ends_and_can_be_asked_after(peer, message) -> None:
    other = peer("messengers", "--receipt-after", "0.5")
    a = adapter("robot", other.port)
    result = a.send(message())
    now = datetime.now(UTC)
    before = a.inquire(message(), result.provider_id, now)
    assert before is not None and before.state is DeliveryState.PENDING
    after = wait_for(lambda: (r := a.inquire(message(), "", now)) and r.state is DeliveryState.DELIVERED and r)
    assert (after.key, after.call.talked, after.call.seconds, after.call.intent) == ("m1", True, 42, "will_pay")
    never = a.inquire(message(9), "", now)
    assert never is not None and never.state is DeliveryState.NOT_FOUND


def test_signatures_of_the_robot_hold_for_their_body_and_minutes() -> None:
    now = int(datetime.now(UTC).timestamp())
    header = robot.signature("s", b"body", now)
    assert robot.signature_good("s", b"body", header, now + 299)
    for secret, body, head, at in (
        ("other", b"body", header, now),
        ("s", b"bodY", header, now),
        ("s", b"body", header, now + 301),
        ("s", b"body", "", now),
        ("s", b"body", "t=x,v1=y", now),
        ("s", b"body", header.replace(str(now), str(now + 1)), now),
    ):
        assert not robot.signature_good(secret, body, head, at)


def test_outcomes_that_are_none_are_refused() -> None:
    good = {"key": "k", "task_id": "t", "outcome": "unanswered", "ended_at": "2026-11-25T09:00:00+08:00"}
    r = robot.report_read(good, datetime.now(UTC))
    assert (r.state, r.reason, r.at) == (DeliveryState.FAILED, "unanswered", datetime(2026, 11, 25, 1, tzinfo=UTC))
    for bad in ({"outcome": "shouted"}, {"ended_at": "2026-11-25T09:00:00"}, {"ended_at": "soon"}):
        with pytest.raises((KeyError, ValueError)):
            robot.report_read(good | bad, datetime.now(UTC) + timedelta(days=1))
