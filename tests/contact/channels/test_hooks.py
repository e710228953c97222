"""Where gateways call us: tokens, signatures, limits, and what each call becomes."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from django.test import Client

from tideover.contact.channels import hooks, robot
from tideover.contact.channels.base import DeliveryState
from tideover.contact.channels.hooks import hook_token
from tideover.contact.rules.model import Channel
from tideover.sandbox.mail_server import delivery_report


@pytest.fixture
def got(monkeypatch):
    """What reaches the outbox."""
    out: list = []
    monkeypatch.setattr(hooks, "apply", lambda reports, people: out.extend([*reports, *people]))
    return out


def call(gateway: str, what: str, body, *, token: str | None = None, **headers):
    client = Client(enforce_csrf_checks=True)
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    path = f"/hooks/{gateway}/{hook_token(gateway) if token is None else token}/{what}"
    return client.generic("POST", path, data, content_type="application/json", headers=headers)


ALIYUN = {
    "phone_number": "13800000001",
    "send_time": "2026-11-25 09:00:00",
    "report_time": "2026-11-25 09:00:05",
    "success": True,
    "err_code": "DELIVERED",
    "err_msg": "",
    "sms_size": "1",
    "biz_id": "12345^0",
    "out_id": "m1",
}
TENCENT = {
    "user_receive_time": "2026-11-25 09:00:05",
    "nationcode": "86",
    "mobile": "13800000001",
    "report_status": "FAIL",
    "errmsg": "REJECTD",
    "description": "x",
    "sid": "8:abc",
}
AT = datetime(2026, 11, 25, 1, 0, 5, tzinfo=UTC)


def test_aliyun_reports(got) -> None:
    answer = call("aliyun", "reports", [ALIYUN, {**ALIYUN, "success": False, "err_code": "UNDELIV", "out_id": ""}])
    assert answer.json() == {"code": 0, "msg": "接收成功"}
    assert [(r.state, r.at, r.provider_id, r.key, r.reason, r.to) for r in got] == [
        (DeliveryState.DELIVERED, AT, "12345^0", "m1", "", "+8613800000001"),
        (DeliveryState.FAILED, AT, "12345^0", "", "UNDELIV", "+8613800000001"),
    ]


def test_aliyun_replies(got) -> None:
    reply = {
        "phone_number": "13800000001",
        "send_time": "2026-11-25 09:00:05",
        "content": "TD",
        "sign_name": "x",
        "sequence_id": 7,
    }
    assert call("aliyun", "replies", [reply]).status_code == 200
    assert [(i.channel, i.sender, i.text, i.at, i.provider_id) for i in got] == [
        (Channel.SMS, "+8613800000001", "TD", AT, "aliyun:7")
    ]


def test_tencent_reports_and_replies(got) -> None:
    assert call("tencent", "reports", [TENCENT]).json() == {"result": 0, "errmsg": "OK"}
    reply = {"extend": "", "mobile": "13800000001", "nationcode": "86", "sign": "x", "text": "退订", "time": int(AT.timestamp())}
    assert call("tencent", "replies", reply).status_code == 200
    report, inbound = got
    assert (report.state, report.at, report.provider_id, report.reason) == (DeliveryState.FAILED, AT, "8:abc", "REJECTD")
    assert (inbound.sender, inbound.text, inbound.at) == ("+8613800000001", "退订", AT)


def test_returned_mail(got) -> None:
    assert call("smtp", "returned", delivery_report("due+3A7", "", "ann@example.com", False)).status_code == 200
    assert [(r.key, r.state) for r in got] == [("due:7", DeliveryState.FAILED)]


def test_the_robot_signs_what_it_says(got, settings) -> None:
    settings.CHANNELS = {"AI_CALL": "robot+http://corp:s3cret@127.0.0.1:1"}
    body = {"key": "m1", "task_id": "t1", "outcome": "talked", "seconds": 30, "ended_at": "2026-11-25T09:00:05+08:00"}
    raw = json.dumps(body).encode()
    now = int(time.time())
    good = robot.signature("s3cret", raw, now)
    assert call("robot", "calls", raw, **{"X-Tideover-Signature": good}).json() == {"ok": True}
    assert got[0].call.seconds == 30
    for header in (
        "",
        robot.signature("other", raw, now),
        robot.signature("s3cret", raw, now - 301),
        good.replace("v1=", "v1=0"),
    ):
        assert call("robot", "calls", raw, **{"X-Tideover-Signature": header}).status_code == 422
    settings.CHANNELS = {}
    assert call("robot", "calls", raw, **{"X-Tideover-Signature": good}).status_code == 422, "no robot is set"
    assert len(got) == 1


def test_nobody_without_the_token_learns_anything(got) -> None:
    assert call("aliyun", "reports", [ALIYUN], token="0" * 40).status_code == 404
    assert call("aliyun", "reports", [ALIYUN], token=hook_token("tencent")).status_code == 404
    assert call("nobody", "reports", [], token=hook_token("nobody")).status_code == 404
    assert call("aliyun", "calls", []).status_code == 404
    assert Client().get(f"/hooks/aliyun/{hook_token('aliyun')}/reports").status_code == 405
    assert got == []


def test_networks_that_the_settings_name(got, settings) -> None:
    settings.CHANNELS = {"SMS": "aliyun://k:s@h?allow=203.0.113.0/24"}
    assert call("aliyun", "reports", [ALIYUN]).status_code == 404
    settings.CHANNELS = {"SMS": "aliyun://k:s@h?allow=203.0.113.0/24,127.0.0.0/8"}
    assert call("aliyun", "reports", [ALIYUN]).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"7",
        b'["x"]',
        b'[{"success":true}]',
        b"\xff\xfe",
        [ALIYUN] * 1001,
        [{**ALIYUN, "phone_number": None}] * 0 + [[]],
    ],
)
def test_what_cannot_be_read_is_said_so_and_changes_nothing(got, body) -> None:
    answer = call("aliyun", "reports", body)
    assert (answer.status_code, answer.json()["code"]) == (422, 1)
    assert got == []


def test_a_body_too_large_is_not_read(got) -> None:
    assert call("aliyun", "reports", b"x" * ((1 << 20) + 1)).status_code == 413


def test_one_bad_item_refuses_the_whole_call_so_that_it_comes_again(got) -> None:
    assert call("aliyun", "reports", [ALIYUN, {}]).status_code == 422
    assert got == []
