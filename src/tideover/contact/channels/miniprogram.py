"""Subscription messages of a WeChat mini program: miniprogram://APP_ID:SECRET@api.weixin.qq.com?page=…&fields=name:thing1

A person must have agreed to the one message (subscribe/send); the text is a template that WeChat has approved. fields: which
value of ours goes under which name of the template, ours:theirs with commas; a value that it does not name keeps its own. The
gateway neither knows repeats nor can be asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import Outgoing, Quiet, SendResult, SendState
from tideover.contact.channels.http import MaybeSent, NotSent, lost, request
from tideover.contact.channels.wechat import ACCOUNT_S, Token, TokenRefused, call_with, outcome


class MiniProgram(Quiet):
    """The adapter."""

    name = "miniprogram"

    def __init__(self, address: GatewayAddress) -> None:
        self.address, self.token = address, Token(self._token)
        pairs = [pair.partition(":") for pair in address.option("fields", "").split(",") if pair]
        self.fields = {ours: theirs for ours, _, theirs in pairs}

    def send(self, m: Outgoing) -> SendResult:
        body = {
            "touser": m.to,
            "template_id": m.template_code,
            "page": self.address.option("page", ""),
            "lang": "en_US" if m.language == "en" else "zh_CN",
            "data": {self.fields.get(name, name): {"value": value} for name, value in m.params.items()},
        }
        try:
            answer = call_with(self.token, lambda token: self._send(token, body))
        except TokenRefused as problem:
            return SendResult(SendState.RETRY, reason=str(problem), retry_after_s=ACCOUNT_S)
        except (NotSent, MaybeSent) as problem:
            return lost(problem)
        return outcome(answer, busy=SendState.UNKNOWN)

    def _send(self, token: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        url = f"{self.address.base_url}/cgi-bin/message/subscribe/send?{urlencode({'access_token': token})}"
        data = json.dumps(body, ensure_ascii=False).encode()
        return request("POST", url, headers={"Content-Type": "application/json"}, body=data).object()

    def _token(self) -> Mapping[str, Any]:
        # stable_token: a second worker that asks for a token does not end the first one's.
        body = {"grant_type": "client_credential", "appid": self.address.user, "secret": self.address.secret}
        url = f"{self.address.base_url}/cgi-bin/stable_token"
        return request("POST", url, headers={"Content-Type": "application/json"}, body=json.dumps(body).encode()).object()
