"""The robot that calls: robot://CLIENT:SECRET@host/path, an HTTP shape of our own that a vendor's bridge implements.

    POST {base}/tasks        {key, to, script, params, text, language, sign}  → {task_id}; the same key again → the same task
    GET  {base}/tasks/{key}  → {task_id, state: queued | calling | ended, outcome, seconds, intent, ended_at}; 404: never had it
    callback to us           {key, task_id, outcome, seconds, intent, ended_at}   (hooks.py)

Requests both ways carry X-Tideover-Signature: t=UNIX,v1=HMAC-SHA256(secret, "t.body") in hexadecimal. outcome is one of OUTCOMES.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import CallEnd, DeliveryState, Outgoing, Quiet, Report, SendResult, SendState
from tideover.contact.channels.http import Answer, MaybeSent, NotSent, by_status, lost, request
from tideover.contact.channels.numbers import e164

SIGNATURE_AGE_S = 300
OUTCOMES = {
    "talked": DeliveryState.DELIVERED,
    "message_left": DeliveryState.DELIVERED,
    "unanswered": DeliveryState.FAILED,
    "busy": DeliveryState.FAILED,
    "refused": DeliveryState.FAILED,
    "no_such_number": DeliveryState.FAILED,
    "cancelled": DeliveryState.FAILED,
}
ACCOUNT_S = 600


class Robot(Quiet):
    """The adapter. The bridge keeps a key for good, so a task whose answer was lost may be handed over again."""

    name = "robot"
    idempotent = True

    def __init__(self, address: GatewayAddress) -> None:
        self.address = address

    def send(self, m: Outgoing) -> SendResult:
        if not (number := e164(m.to)):
            return SendResult(SendState.REFUSED, reason="number_invalid")
        task = {
            "key": m.key,
            "to": number,
            "script": m.template_code,
            "params": dict(m.params),
            "text": m.body,
            "language": m.language,
            "sign": m.sign_name,
        }
        try:
            answer = self._call("POST", "/tasks", json.dumps(task, ensure_ascii=False).encode(), m.key)
            if answer.status in (200, 201):
                return SendResult(SendState.ACCEPTED, provider_id=str(answer.object().get("task_id", "")))
        except (NotSent, MaybeSent) as problem:
            return lost(problem)
        if answer.status in (401, 403):
            return SendResult(SendState.RETRY, reason=f"http:{answer.status}", retry_after_s=ACCOUNT_S)
        return by_status(answer)

    def inquire(self, m: Outgoing, provider_id: str, sent_at: datetime) -> Report | None:
        try:
            answer = self._call("GET", f"/tasks/{quote(m.key, safe='')}", b"", m.key)
            if answer.status == 404:
                return Report(DeliveryState.NOT_FOUND, datetime.now(UTC), provider_id, m.key, to=m.to)
            return report_read(answer.object(), datetime.now(UTC)) if answer.status == 200 else None
        except (NotSent, MaybeSent, KeyError, ValueError):
            return None

    def _call(self, method: str, path: str, body: bytes, key: str) -> Answer:
        headers = {
            "Content-Type": "application/json",
            "X-Tideover-Client": self.address.user,
            "X-Tideover-Signature": signature(self.address.secret, body, int(time.time())),
            "Idempotency-Key": key,
        }
        return request(method, f"{self.address.base_url}{path}", headers=headers, body=body)


def signature(secret: str, body: bytes, second: int) -> str:
    """The header's value for a body at a second."""
    digest = hmac.new(secret.encode(), f"{second}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={second},v1={digest}"


def signature_good(secret: str, body: bytes, header: str, now_s: int) -> bool:
    """Whether the header signs the body, not longer ago than SIGNATURE_AGE_S."""
    second = dict(part.partition("=")[::2] for part in header.split(",")).get("t", "")
    if not second.isdigit() or abs(now_s - int(second)) > SIGNATURE_AGE_S:
        return False
    return hmac.compare_digest(header, signature(secret, body, int(second)))


def report_read(data: Mapping[str, Any], now: datetime) -> Report:
    """A task's state as a report. Raises KeyError and ValueError for an outcome or a time that is none."""
    key, task = str(data["key"]), str(data["task_id"])
    if data.get("state", "ended") != "ended":
        return Report(DeliveryState.PENDING, now, task, key)
    outcome, seconds = str(data["outcome"]), int(data.get("seconds", 0))
    at = datetime.fromisoformat(str(data["ended_at"]))
    if at.tzinfo is None:
        raise ValueError("ended_at has no time zone")
    end = CallEnd(talked=outcome == "talked", seconds=seconds, intent=str(data.get("intent", "")))
    state = OUTCOMES[outcome]
    return Report(state, at, task, key, "" if outcome == "talked" else outcome, call=end)
