"""Text messages by the Tencent-shaped gateway: tencent://KEY_ID:SECRET@sms.tencentcloudapi.com?app=1400…&region=ap-guangzhou.

As with Aliyun the text is an approved template; its values go by position. An inquiry lists only messages that the carrier has
reported on, so it can say delivered or failed, never "not found".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.aliyun import time_read
from tideover.contact.channels.base import DeliveryState, Inbound, Outgoing, Quiet, Report, SendResult, SendState
from tideover.contact.channels.http import Answer, MaybeSent, NotSent, by_status, lost, request
from tideover.contact.channels.numbers import e164
from tideover.contact.channels.signatures import tc3
from tideover.contact.channels.text import NotFit, signed
from tideover.contact.rules.model import Channel

VERSION, ROWS = "2021-01-11", 100
ACCOUNT_S = 600
LATER_S = {
    "LimitExceeded.PhoneNumberThirtySecondLimit": 30,
    "LimitExceeded.PhoneNumberOneHourLimit": 3600,
    "LimitExceeded.PhoneNumberDailyLimit": 86_400,
    "LimitExceeded.PhoneNumberSameContentDailyLimit": 86_400,
    "LimitExceeded.AppMainlandChinaDailyLimit": 86_400,
    "LimitExceeded.DailyLimit": 86_400,
    "LimitExceeded.DeliveryFrequencyLimit": 30,
    "RequestLimitExceeded": 1,
    "LimitExceeded": 60,
    "AuthFailure": ACCOUNT_S,
    "UnauthorizedOperation": ACCOUNT_S,
    "FailedOperation.InsufficientBalanceInSmsPackage": ACCOUNT_S,
}
"""Codes, and beginnings of codes, after which it can be tried again; the first that fits counts."""
NOBODY_KNOWS = ("InternalError", "FailedOperation.FailResolvePacket", "ResourceUnavailable")


class Tencent(Quiet):
    """The adapter. Reports and replies come by webhook (hooks.py)."""

    name = "tencent"

    def __init__(self, address: GatewayAddress) -> None:
        self.address, self.app = address, address.option("app")

    def send(self, m: Outgoing) -> SendResult:
        try:
            signed(m)
        except NotFit as problem:
            return SendResult(SendState.REFUSED, reason=str(problem))
        if not (number := e164(m.to)):
            return SendResult(SendState.REFUSED, reason="number_invalid")
        body = {
            "PhoneNumberSet": [number],
            "SmsSdkAppId": self.app,
            "SignName": m.sign_name,
            "TemplateId": m.template_code,
            "TemplateParamSet": list(m.params.values()),
            "SessionContext": m.key,
        }
        try:
            answer = self._call("SendSms", body)
            return outcome(answer.object(), answer)
        except (NotSent, MaybeSent) as problem:
            return lost(problem)

    def inquire(self, m: Outgoing, provider_id: str, sent_at: datetime) -> Report | None:
        first = int((sent_at - timedelta(minutes=5)).timestamp())
        body = {"SmsSdkAppId": self.app, "PhoneNumber": e164(m.to), "BeginTime": first, "Offset": 0, "Limit": ROWS}
        try:
            rows = self._call("PullSmsSendStatusByPhoneNumber", body).object()["Response"]["PullSmsSendStatusSet"]
        except (NotSent, MaybeSent, KeyError, TypeError):
            return None
        for row in rows:
            if row.get("SessionContext") == m.key or (provider_id and row.get("SerialNo") == provider_id):
                good = row.get("ReportStatus") == "SUCCESS"
                state = DeliveryState.DELIVERED if good else DeliveryState.FAILED
                at = datetime.fromtimestamp(int(row.get("UserReceiveTime") or sent_at.timestamp()), UTC)
                return Report(state, at, str(row.get("SerialNo", "")), m.key, "" if good else str(row.get("Description")), m.to)
        return None

    def _call(self, action: str, fields: Mapping[str, Any]) -> Answer:
        a, body = self.address, json.dumps(fields, ensure_ascii=False).encode()
        headers = tc3(
            key_id=a.user,
            secret=a.secret,
            host=a.netloc,
            service="sms",
            action=action,
            version=VERSION,
            region=a.option("region", "ap-guangzhou"),
            body=body,
            at=datetime.now(UTC),
        )
        return request("POST", f"{a.base_url}/", headers=headers, body=body)


def outcome(data: Mapping[str, Any], answer: Answer) -> SendResult:
    """What a SendSms answer means for the one number that it was for."""
    response = data.get("Response")
    if not isinstance(response, dict):
        return by_status(answer)
    sent = response.get("SendStatusSet") or [{}]
    code = str(response["Error"].get("Code", "")) if "Error" in response else str(sent[0].get("Code", ""))
    if code == "Ok":
        return SendResult(SendState.ACCEPTED, provider_id=str(sent[0].get("SerialNo", "")))
    for beginning, wait in LATER_S.items():
        if code.startswith(beginning):
            return SendResult(SendState.RETRY, reason=code, retry_after_s=wait)
    unknown = not code or code.startswith(NOBODY_KNOWS)
    return SendResult(SendState.UNKNOWN if unknown else SendState.REFUSED, reason=code or "no_code")


def reports_read(items: Sequence[Mapping[str, Any]], now: datetime) -> list[Report]:
    """The reports of a status callback."""
    return [
        Report(
            DeliveryState.DELIVERED if item["report_status"] == "SUCCESS" else DeliveryState.FAILED,
            time_read(item.get("user_receive_time")) or now,
            str(item["sid"]),
            reason="" if item["report_status"] == "SUCCESS" else str(item.get("errmsg", "")),
            to=_number(item),
        )
        for item in items
    ]


def inbound_read(items: Sequence[Mapping[str, Any]], now: datetime) -> list[Inbound]:
    """The reply of a reply callback (one object; here in a list)."""
    return [
        Inbound(
            Channel.SMS,
            _number(item),
            str(item["text"]),
            datetime.fromtimestamp(int(item["time"]), UTC),
            f"tencent:{item['time']}:{_number(item)}",
        )
        for item in items
    ]


def _number(item: Mapping[str, Any]) -> str:
    return e164(f"+{item.get('nationcode', '86')}{item['mobile']}")
