"""One HTTP request whose failures are told apart by the only question that matters: had the gateway begun to read it?"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tideover.contact.channels.base import SendResult, SendState

TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 1 << 20
WAIT_S_MAX = 86_400


class NotSent(Exception):
    """The gateway was never reached: no connection, no name, no handshake."""


class MaybeSent(Exception):
    """The request was written, wholly or in part, and no answer that can be read came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in small letters) and body of a reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises MaybeSent when it is none: a garbled answer says nothing about the message."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise MaybeSent(f"http {self.status}, no JSON") from None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; MaybeSent as above."""
        value = self.json()
        if not isinstance(value, dict):
            raise MaybeSent(f"http {self.status}, no JSON object")
        return value

    @property
    def retry_after_s(self) -> int | None:
        """Seconds of a Retry-After header, or None."""
        text = self.headers.get("retry-after", "")
        return min(int(text), WAIT_S_MAX) if text.isdigit() else None


def request(method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", timeout_s: float = TIMEOUT_S) -> Answer:
    """Make one request over a connection of its own (an idle one may die unseen, and nobody could say when).

    Raises NotSent before the first byte is written, MaybeSent after.
    """
    parts = urlsplit(url)
    make = http.client.HTTPConnection if parts.scheme == "http" else http.client.HTTPSConnection
    more: dict[str, Any] = {} if parts.scheme == "http" else {"context": ssl.create_default_context()}
    connection = make(parts.hostname or "", parts.port, timeout=timeout_s, **more)
    try:
        connection.connect()
    except (OSError, UnicodeError) as problem:
        connection.close()
        raise NotSent(type(problem).__name__) from None
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers={"User-Agent": "Tideover", **headers})
        reply = connection.getresponse()
        data = reply.read(ANSWER_BYTES_MAX)
        return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, data)
    except (OSError, http.client.HTTPException) as problem:
        raise MaybeSent(type(problem).__name__) from None
    finally:
        connection.close()


def lost(problem: NotSent | MaybeSent) -> SendResult:
    """What a failed request means for the message."""
    state = SendState.RETRY if isinstance(problem, NotSent) else SendState.UNKNOWN
    return SendResult(state, reason=f"lost:{problem}")


def by_status(answer: Answer) -> SendResult:
    """What a reply means by its HTTP status alone: 429 is later, other 4xx never, the rest nobody knows."""
    if answer.status == 429:
        return SendResult(SendState.RETRY, reason="http:429", retry_after_s=answer.retry_after_s)
    state = SendState.REFUSED if 400 <= answer.status < 500 else SendState.UNKNOWN
    return SendResult(state, reason=f"http:{answer.status}")
