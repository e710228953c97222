"""Text messages by the Aliyun-shaped gateway: aliyun://KEY_ID:SECRET@dysmsapi.aliyuncs.com (SendSms, 2017-05-25).

The text stands in a template that the gateway has approved; we send its code and values. The gateway does not know repeats, but
it can be asked by OutId, our key: so even a message whose answer was lost is settled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import DeliveryState, Inbound, Outgoing, Quiet, Report, SendResult, SendState
from tideover.contact.channels.http import Answer, MaybeSent, NotSent, by_status, lost, request
from tideover.contact.channels.numbers import e164
from tideover.contact.channels.signatures import acs3, acs3_query
from tideover.contact.channels.text import NotFit, signed
from tideover.contact.rules.model import Channel

CHINA = ZoneInfo("Asia/Shanghai")
VERSION, PAGE_ROWS, PAGES_MAX = "2017-05-25", 50, 20
NOT_FOUND_AFTER = timedelta(minutes=10)
"""A message that the gateway took is listed within minutes; younger ones that are not listed may still be on their way in."""
STATUS = {1: DeliveryState.PENDING, 2: DeliveryState.FAILED, 3: DeliveryState.DELIVERED}
LIMITS_S = {"分钟": 60, "minute": 60, "小时": 3600, "hour": 3600, "天": 86_400, "day": 86_400}
ACCOUNT_S = 600
OF_THE_ACCOUNT = (
    "isv.AMOUNT_NOT_ENOUGH",
    "isv.OUT_OF_SERVICE",
    "isv.ACCOUNT_NOT_EXISTS",
    "isv.ACCOUNT_ABNORMAL",
    "isv.PRODUCT_UN_SUBSCRIPT",
    "isp.RAM_PERMISSION_DENY",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "SignatureNonceUsed",
    "InvalidTimeStamp",
    "Forbidden",
)
"""Refusals that say nothing about the message: somebody must pay, subscribe or mend a key."""


class Aliyun(Quiet):
    """The adapter. Reports and replies come by webhook (hooks.py)."""

    name = "aliyun"

    def __init__(self, address: GatewayAddress) -> None:
        self.address = address

    def send(self, m: Outgoing) -> SendResult:
        try:
            signed(m)
        except NotFit as problem:
            return SendResult(SendState.REFUSED, reason=str(problem))
        if not (number := e164(m.to)):
            return SendResult(SendState.REFUSED, reason="number_invalid")
        query = {
            "PhoneNumbers": number_short(number),
            "SignName": m.sign_name,
            "TemplateCode": m.template_code,
            "TemplateParam": json.dumps(dict(m.params), ensure_ascii=False),
            "OutId": m.key,
        }
        try:
            answer = self._call("SendSms", query)
            return outcome(answer.object(), answer)
        except (NotSent, MaybeSent) as problem:
            return lost(problem)

    def inquire(self, m: Outgoing, provider_id: str, sent_at: datetime) -> Report | None:
        try:
            row = self._row(m, sent_at)
        except (NotSent, MaybeSent, ValueError, TypeError):
            return None
        now = datetime.now(UTC)
        if row is None:
            old = now - sent_at > NOT_FOUND_AFTER
            return Report(DeliveryState.NOT_FOUND, now, provider_id, m.key, to=m.to) if old and not provider_id else None
        state = STATUS.get(int(row.get("SendStatus", 1)), DeliveryState.PENDING)
        reason = str(row.get("ErrCode", "")) if state is DeliveryState.FAILED else ""
        return Report(state, time_read(row.get("ReceiveDate")) or now, provider_id, m.key, reason, m.to)

    def _row(self, m: Outgoing, sent_at: datetime) -> Mapping[str, Any] | None:
        """The gateway's row of a message, by OutId, on the day (or both days around midnight) of sending."""
        margin = timedelta(minutes=5)
        days = {(sent_at + step).astimezone(CHINA).strftime("%Y%m%d") for step in (-margin, margin)}
        for day in sorted(days):
            for page in range(1, PAGES_MAX + 1):
                query = {"PhoneNumber": number_short(e164(m.to)), "SendDate": day, "PageSize": str(PAGE_ROWS)}
                data = self._call("QuerySendDetails", {**query, "CurrentPage": str(page)}).object()
                if data.get("Code") != "OK":
                    raise ValueError(data.get("Code"))
                rows = data["SmsSendDetailDTOs"]["SmsSendDetailDTO"]
                for row in rows:
                    if row.get("OutId") == m.key:
                        return dict(row)
                if len(rows) < PAGE_ROWS:
                    break
        return None

    def _call(self, action: str, query: Mapping[str, str]) -> Answer:
        a = self.address
        headers = acs3(
            key_id=a.user,
            secret=a.secret,
            host=a.netloc,
            action=action,
            version=VERSION,
            query=query,
            at=datetime.now(UTC),
            nonce=uuid4().hex,
        )
        return request("POST", f"{a.base_url}/?{acs3_query(query)}", headers=headers)


def outcome(data: Mapping[str, Any], answer: Answer) -> SendResult:
    """What a SendSms answer means for the message."""
    code, words = str(data.get("Code", "")), str(data.get("Message", ""))
    if code == "OK":
        return SendResult(SendState.ACCEPTED, provider_id=str(data.get("BizId", "")))
    if code.startswith(OF_THE_ACCOUNT):
        return SendResult(SendState.RETRY, reason=code, retry_after_s=ACCOUNT_S)
    if "LIMIT_CONTROL" in code or code.startswith(("Throttling", "ServiceUnavailable")):
        wait = next((s for word, s in LIMITS_S.items() if word in words), 60)
        return SendResult(SendState.RETRY, reason=code, retry_after_s=answer.retry_after_s or wait)
    if code.startswith(("isp.", "InternalError")):
        return SendResult(SendState.UNKNOWN, reason=code)
    if code.startswith("isv.") or (code and 400 <= answer.status < 500):
        return SendResult(SendState.REFUSED, reason=code)
    return by_status(answer)


def reports_read(items: Sequence[Mapping[str, Any]], now: datetime) -> list[Report]:
    """The reports of an SmsReport callback."""
    return [
        Report(
            DeliveryState.DELIVERED if item["success"] is True else DeliveryState.FAILED,
            time_read(item.get("report_time")) or now,
            str(item["biz_id"]),
            str(item.get("out_id") or ""),
            "" if item["success"] is True else str(item.get("err_code", "")),
            e164(str(item["phone_number"])),
        )
        for item in items
    ]


def inbound_read(items: Sequence[Mapping[str, Any]], now: datetime) -> list[Inbound]:
    """The replies of an SmsUp callback."""
    return [
        Inbound(
            Channel.SMS,
            e164(str(item["phone_number"])),
            str(item["content"]),
            time_read(item.get("send_time")) or now,
            f"aliyun:{item['sequence_id']}",
        )
        for item in items
    ]


def number_short(number: str) -> str:
    """Mainland numbers without their country code, others with it and without the plus."""
    return number.removeprefix("+86").removeprefix("+")


def time_read(text: Any) -> datetime | None:
    """ "2017-08-30 00:00:00" of China, or None."""
    try:
        return datetime.strptime(str(text), "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA).astimezone(UTC)
    except ValueError:
        return None
