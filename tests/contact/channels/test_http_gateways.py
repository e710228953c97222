"""The Aliyun- and Tencent-shaped adapters: published signatures, and a gateway in another process with its faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.contact.channels.peers import free_port, wait_for
from tideover.contact.channels import aliyun, tencent
from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import DeliveryState, SendState
from tideover.contact.channels.http import Answer
from tideover.contact.channels.signatures import acs3, acs3_query, tc3

KINDS = ["aliyun", "tencent"]


def adapter(kind: str, port: int, secret: str = "test-secret"):
    address = f"{kind}+http://test-key:{secret}@127.0.0.1:{port}?app=1400006666"
    return {"aliyun": aliyun.Aliyun, "tencent": tencent.Tencent}[kind](GatewayAddress.read(address, setting="TIDEOVER_SMS"))


def test_the_signature_that_alibaba_publishes() -> None:
    headers = acs3(
        key_id="YourAccessKeyId",
        secret="YourAccessKeySecret",
        host="ecs.cn-shanghai.aliyuncs.com",
        action="RunInstances",
        version="2014-05-26",
        query={"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"},
        at=datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC),
        nonce="3156853299f313e23d1673dc12e1703d",
    )
    assert headers["Authorization"].endswith("Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0")


def test_the_signature_that_tencent_publishes() -> None:
    headers = tc3(
        key_id="AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE",
        secret="Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
        host="cvm.tencentcloudapi.com",
        service="cvm",
        action="DescribeInstances",
        version="2017-03-12",
        region="ap-guangzhou",
        body=rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}',
        at=datetime.fromtimestamp(1551113065, UTC),
    )
    assert headers["Authorization"].endswith("Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168")


def test_the_query_is_escaped_as_the_signature_wants_it() -> None:
    assert acs3_query({"b": " *~'", "a": "【一】"}) == "a=%E3%80%90%E4%B8%80%E3%80%91&b=%20%2A~%27"


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_taken_and_found_again(peer, message, kind: str) -> None:
    gateway = peer("sms_gateway")
    a = adapter(kind, gateway.port)
    result = a.send(message(7, to="+86 138 0000 0001", params={"name": "李*", "day": "25日"}))
    assert result.state is SendState.ACCEPTED and result.provider_id
    (line,) = gateway.lines()
    assert line["key"] == "m7" and line["text"].startswith("【示例贷款】SMS_1") and "25日" in line["text"]
    report = a.inquire(message(7), result.provider_id, datetime.now(UTC))
    assert report is not None and (report.state, report.key) == (DeliveryState.DELIVERED, "m7")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "state", "received"),
    [
        ("reject", SendState.REFUSED, 0),
        ("throttle", SendState.RETRY, 0),
        ("drop_before", SendState.UNKNOWN, 0),
        ("drop_after", SendState.UNKNOWN, 1),
        ("garbage", SendState.UNKNOWN, 1),
        ("restart", SendState.UNKNOWN, 0),
    ],
)
def test_each_fault_has_its_answer(peer, message, kind: str, fault: str, state: SendState, received: int) -> None:
    gateway = peer("sms_gateway", "--fault", fault)
    a = adapter(kind, gateway.port)
    result = a.send(message())
    assert result.state is state, result
    assert len(gateway.lines()) == received
    if fault == "throttle":
        assert result.retry_after_s == (60 if kind == "aliyun" else 30)
    if received:
        report = a.inquire(message(), "", datetime.now(UTC))
        assert report is not None and report.state is DeliveryState.DELIVERED, "the key finds it though no answer came"
    gateway.faults({})
    wait_for(lambda: a.send(message(2)).state is SendState.ACCEPTED)


def test_who_was_never_sent_is_not_found_once_that_is_certain(peer, message) -> None:
    a = adapter("aliyun", peer("sms_gateway").port)
    now = datetime.now(UTC)
    assert a.inquire(message(), "", now) is None, "too young to tell"
    report = a.inquire(message(), "", now - timedelta(minutes=11))
    assert report is not None and report.state is DeliveryState.NOT_FOUND
    assert a.inquire(message(), "9^0", now - timedelta(minutes=11)) is None, "the gateway had it: not listed says nothing"
    t = adapter("tencent", peer("sms_gateway").port)
    assert t.inquire(message(), "", now - timedelta(days=1)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_slow_gateway_and_one_that_is_not_there(peer, message, kind: str, monkeypatch) -> None:
    module = {"aliyun": aliyun, "tencent": tencent}[kind]
    from tideover.contact.channels.http import request

    monkeypatch.setattr(module, "request", lambda *a, **k: request(*a, **k, timeout_s=0.3))
    gateway = peer("sms_gateway", "--fault", "delay")
    assert adapter(kind, gateway.port).send(message()).state is SendState.UNKNOWN
    assert adapter(kind, free_port()).send(message()).state is SendState.RETRY


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_secret_says_nothing_about_the_message(peer, message, kind: str) -> None:
    gateway = peer("sms_gateway")
    result = adapter(kind, gateway.port, "other").send(message())
    assert (result.state, result.retry_after_s) == (SendState.RETRY, 600), result
    assert not gateway.lines()


@pytest.mark.parametrize("kind", KINDS)
def test_what_must_not_leave_does_not(message, kind: str) -> None:
    a = adapter(kind, free_port())
    assert a.send(message(to="12")).reason == "number_invalid"
    refused = a.send(message(params={"due": "1,200元"}))
    assert (refused.state, refused.reason) == (SendState.REFUSED, "amount_in_text")


@pytest.mark.parametrize(
    ("code", "words", "state", "wait"),
    [
        ("isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5", SendState.RETRY, 3600),
        ("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10", SendState.RETRY, 86_400),
        ("isv.AMOUNT_NOT_ENOUGH", "", SendState.RETRY, 600),
        ("Throttling.User", "", SendState.RETRY, 60),
        ("isp.SYSTEM_ERROR", "", SendState.UNKNOWN, None),
        ("isv.MOBILE_NUMBER_ILLEGAL", "", SendState.REFUSED, None),
        ("MissingTemplateCode", "", SendState.REFUSED, None),
        ("", "", SendState.UNKNOWN, None),
    ],
)
def test_codes_of_aliyun(code: str, words: str, state: SendState, wait: int | None) -> None:
    status = 400 if code.startswith("Missing") else 200
    result = aliyun.outcome({"Code": code, "Message": words}, Answer(status, {}, b""))
    assert (result.state, result.retry_after_s) == (state, wait)


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("LimitExceeded.PhoneNumberDailyLimit", SendState.RETRY),
        ("RequestLimitExceeded.IPLimitExceeded", SendState.RETRY),
        ("FailedOperation.InsufficientBalanceInSmsPackage", SendState.RETRY),
        ("InternalError.Timeout", SendState.UNKNOWN),
        ("", SendState.UNKNOWN),
        ("InvalidParameterValue.IncorrectPhoneNumber", SendState.REFUSED),
    ],
)
def test_codes_of_tencent(code: str, state: SendState) -> None:
    assert tencent.outcome({"Response": {"SendStatusSet": [{"Code": code}]}}, Answer(200, {}, b"")).state is state
    assert tencent.outcome({"Response": {"Error": {"Code": code}}}, Answer(200, {}, b"")).state is state
