"""Which adapter serves a channel, how addresses are read, numbers in one form."""

from __future__ import annotations

import json

import pytest

from tideover.contact.channels import sink
from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import GATEWAYS, DeliveryState, SendState, Unset, adapter_for
from tideover.contact.channels.numbers import e164
from tideover.contact.rules.model import Channel

GOOD = {
    "smpp": "smpp://u:p@h:2775?source=1069",
    "smpps": "smpps://u:p@h",
    "aliyun": "aliyun://k:s@dysmsapi.aliyuncs.com",
    "tencent": "tencent://k:s@sms.tencentcloudapi.com?app=1",
    "smtp": "smtp://h?from=a@b.cn",
    "smtps": "smtps://u:p@h?from=a@b.cn",
    "wecom": "wecom://c:s@qyapi.weixin.qq.com?agent=1",
    "wecom-customer": "wecom-customer://corp:s@qyapi.weixin.qq.com?sender=zhangsan",
    "miniprogram": "miniprogram://a:s@api.weixin.qq.com",
    "robot": "robot://c:s@h/v1",
    "vapid": "vapid:cyEmzWZ3NcGz6-aGgeBDqYuOlVpF7kSNhr3q7Z3sOhk?subject=mailto:a@b.cn",
    "sink": "sink:",
    "app": "app:",
}


@pytest.mark.parametrize("kind", GATEWAYS)
def test_every_gateway_is_made_from_its_address_without_being_called(kind: str, settings) -> None:
    settings.CHANNELS = {"SMS": GOOD[kind]}
    adapter = adapter_for(Channel.SMS)
    assert adapter.name and adapter.idempotent in (True, False)
    adapter.close()


def test_a_channel_without_a_gateway_ends_its_messages_with_a_reason(settings, message) -> None:
    settings.CHANNELS = {}
    adapter = adapter_for(Channel.WECOM)
    assert isinstance(adapter, Unset)
    result = adapter.send(message())
    assert (result.state, result.reason) == (SendState.REFUSED, "channel_not_set")


@pytest.mark.parametrize(
    "text",
    [
        "pigeon://u:hunter2@h",
        "nothing",
        "smpp://u:hunter2@h:notaport",
        "smpp+ftp://u:hunter2@h",
        "smpp://u:hunter2@h?ids=octal",
        "tencent://u:hunter2@h",
        "wecom://u:hunter2@h",
        "smtp://u:hunter2@h",
        "vapid:hunter2?subject=mailto:a@b.cn",
    ],
)
def test_a_bad_address_is_named_by_its_setting_and_shows_no_secret(text: str, settings) -> None:
    settings.CHANNELS = {"SMS": text}
    with pytest.raises(ValueError, match="TIDEOVER_SMS") as problem:
        adapter_for(Channel.SMS)
    assert "hunter2" not in str(problem.value)


def test_an_address_keeps_its_secret_to_itself() -> None:
    address = GatewayAddress.read("smpp://u:p%40ss@h:1/x?a=%20b", setting="X")
    assert (address.user, address.secret, address.path, address.option("a")) == ("u", "p@ss", "/x", " b")
    assert "p@ss" not in repr(address)
    assert GatewayAddress.read("aliyun+http://k:s@h:81/", setting="X").base_url == "http://h:81"
    assert GatewayAddress.read("aliyun://k:s@h", setting="X").base_url == "https://h"


def test_the_sink_writes_lines_and_says_delivered_once(tmp_path, message) -> None:
    a = sink.Sink(GatewayAddress.read(f"sink://{tmp_path}/out.jsonl", setting="X"))
    assert a.send(message()).state is SendState.ACCEPTED
    assert [(r.key, r.state) for r in a.reports()] == [("m1", DeliveryState.DELIVERED)]
    assert list(a.reports()) == []
    assert json.loads((tmp_path / "out.jsonl").read_text())["body"].endswith("1")


@pytest.mark.parametrize("text", ["13800000001", "8613800000001", "+86 138-0000-0001", "008613800000001", " 138 0000 0001 "])
def test_a_number_has_one_form(text: str) -> None:
    assert e164(text) == "+8613800000001"


@pytest.mark.parametrize(("text", "number"), [("+1 202 555 0123", "+12025550123"), ("12", ""), ("", ""), ("abc", ""), ("+", "")])
def test_other_numbers(text: str, number: str) -> None:
    assert e164(text) == number
