"""Messages of a WeCom application: wecom://CORP_ID:SECRET@qyapi.weixin.qq.com?agent=1000002 (message/send).

The gateway delivers the same request once within four hours (enable_duplicate_check), so a lost answer is asked for again by
sending again, for as long as that holds.
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

CHECK_S = 4 * 3600
TEXT_BYTES_MAX = 2048


class WeCom(Quiet):
    """The adapter. It gives no receipts: accepted is the last that is known."""

    name = "wecom"
    idempotent = True
    idempotent_for_s: int | None = CHECK_S
    needs = "agent"
    """The option of the address that says who sends."""

    def __init__(self, address: GatewayAddress) -> None:
        self.address, agent = address, address.option(self.needs)
        self.agent: int | str = int(agent) if self.needs == "agent" else agent
        self.token = Token(self._token)

    def send(self, m: Outgoing) -> SendResult:
        if len(m.body.encode()) > TEXT_BYTES_MAX:
            return SendResult(SendState.REFUSED, reason="text_too_long")
        body = {
            "touser": m.to,
            "msgtype": "text",
            "agentid": self.agent,
            "text": {"content": m.body},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": CHECK_S,
        }
        try:
            answer = call_with(self.token, lambda token: self._send(token, body))
        except TokenRefused as problem:
            return SendResult(SendState.RETRY, reason=str(problem), retry_after_s=ACCOUNT_S)
        except (NotSent, MaybeSent) as problem:
            return lost(problem)
        for key in ("invaliduser", "unlicenseduser"):
            if m.to.lower() in str(answer.get(key, "")).lower().split("|"):
                return SendResult(SendState.REFUSED, reason=key)
        return outcome(answer, busy=SendState.RETRY)

    def _send(self, token: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        url = f"{self.address.base_url}/cgi-bin/message/send?{urlencode({'access_token': token})}"
        data = json.dumps(body, ensure_ascii=False).encode()
        return request("POST", url, headers={"Content-Type": "application/json"}, body=data).object()

    def _token(self) -> Mapping[str, Any]:
        query = urlencode({"corpid": self.address.user, "corpsecret": self.address.secret})
        return request("GET", f"{self.address.base_url}/cgi-bin/gettoken?{query}", headers={}).object()
