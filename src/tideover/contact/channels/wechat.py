"""What WeCom and WeChat share: an access token that is fetched once and kept, and return codes.

A call whose token has just run out was refused before anything else was looked at, so it is made once more with a new token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tideover.contact.channels.base import SendResult, SendState
from tideover.contact.channels.http import MaybeSent, NotSent

TOKEN_REFUSED = frozenset({40001, 40014, 41001, 42001})
EARLY_S = 300
ACCOUNT_S = 600
BUSY = -1
LATER_S = {45009: 60, 45011: 60, 45033: 5}
OF_THE_ACCOUNT = frozenset({40013, 40125, 40164, 41002, 41004, 43104, 48001, 48002, 60020, 60011, 301002, 50001, 50002})
"""Codes that say nothing about the message: a secret, an address that is not on the list, a right that was not granted."""
WORDS = {
    40003: "openid_invalid",
    40031: "user_invalid",
    40037: "template_invalid",
    43101: "user_refuses",
    43107: "user_refuses",
    47003: "values_invalid",
    60111: "user_not_found",
    84061: "user_not_found",
    81013: "user_not_found",
    82001: "user_not_found",
    45002: "text_too_long",
}


class TokenRefused(Exception):
    """No token was given out; the message was certainly not sent."""


class Token:
    """An access token with its end; `fetch` returns the answer of the gateway's token call."""

    def __init__(self, fetch: Callable[[], Mapping[str, Any]]) -> None:
        self._fetch, self._value, self._ends = fetch, "", 0.0

    def get(self) -> str:
        """The token, fetched anew shortly before it ends. Raises TokenRefused."""
        if time.monotonic() >= self._ends:
            try:
                answer = self._fetch()
            except (NotSent, MaybeSent) as problem:
                raise TokenRefused(f"lost:{problem}") from None
            if not answer.get("access_token"):
                raise TokenRefused(f"errcode:{answer.get('errcode', '')}")
            self._value = str(answer["access_token"])
            self._ends = time.monotonic() + max(1, int(answer.get("expires_in", 7200)) - EARLY_S)
        return self._value

    def forget(self) -> None:
        """The gateway refused it."""
        self._ends = 0.0


def call_with(token: Token, call: Callable[[str], Mapping[str, Any]]) -> Mapping[str, Any]:
    """The answer to a call, made again once when its token had run out. Raises as `call` and TokenRefused."""
    answer = call(token.get())
    if int(answer.get("errcode", 0)) in TOKEN_REFUSED:
        token.forget()
        answer = call(token.get())
    return answer


def outcome(answer: Mapping[str, Any], *, busy: SendState) -> SendResult:
    """What a return code means for the message. busy: what −1 (the system is busy) means here."""
    code = int(answer.get("errcode", 0))
    if code == 0:
        return SendResult(SendState.ACCEPTED, provider_id=str(answer.get("msgid", "")))
    if code == BUSY:
        return SendResult(busy, reason="errcode:-1")
    if code in LATER_S:
        return SendResult(SendState.RETRY, reason=f"errcode:{code}", retry_after_s=LATER_S[code])
    if code in OF_THE_ACCOUNT or code in TOKEN_REFUSED:
        return SendResult(SendState.RETRY, reason=f"errcode:{code}", retry_after_s=ACCOUNT_S)
    return SendResult(SendState.REFUSED, reason=f"errcode:{code} {WORDS.get(code, '')}".strip())
