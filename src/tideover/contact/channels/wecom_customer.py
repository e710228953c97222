"""WeCom to customers (external contacts): wecom-customer://CORP_ID:SECRET@qyapi.weixin.qq.com?sender=zhangsan

The message goes by the customer's own contact in the house (externalcontact/add_msg_template), who passes it on with one touch;
what became of it is asked (get_groupmsg_send_result). The gateway does not know repeats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from tideover.contact.channels.base import DeliveryState, Outgoing, Report, SendResult, SendState
from tideover.contact.channels.http import MaybeSent, NotSent, lost, request
from tideover.contact.channels.wechat import ACCOUNT_S, TokenRefused, call_with, outcome
from tideover.contact.channels.wecom import WeCom

TEXT_CHARS_MAX = 4000
STATES = {
    0: DeliveryState.PENDING, 1: DeliveryState.DELIVERED, 2: DeliveryState.FAILED, 3: DeliveryState.FAILED,
}  # fmt: skip
REASONS = {2: "user_not_found", 3: "already_wrote_today"}
"""2: no longer a contact of ours; 3: the day's messages to this customer are used up."""


class WeComCustomer(WeCom):
    """The adapter."""

    name = "wecom-customer"
    idempotent = False
    idempotent_for_s = None
    needs = "sender"

    def send(self, m: Outgoing) -> SendResult:
        if len(m.body) > TEXT_CHARS_MAX:
            return SendResult(SendState.REFUSED, reason="text_too_long")
        body = {"chat_type": "single", "external_userid": [m.to], "sender": self.agent, "text": {"content": m.body}}
        try:
            answer = call_with(self.token, lambda token: self._post("externalcontact/add_msg_template", token, body))
        except TokenRefused as problem:
            return SendResult(SendState.RETRY, reason=str(problem), retry_after_s=ACCOUNT_S)
        except (NotSent, MaybeSent) as problem:
            return lost(problem)
        if m.to in answer.get("fail_list", []):
            return SendResult(SendState.REFUSED, reason="user_not_found")
        return outcome(answer, busy=SendState.UNKNOWN)

    def inquire(self, m: Outgoing, provider_id: str, sent_at: datetime) -> Report | None:
        if not provider_id:
            return None
        body = {"msgid": provider_id, "userid": self.agent}
        try:
            answer = call_with(self.token, lambda token: self._post("externalcontact/get_groupmsg_send_result", token, body))
        except (TokenRefused, NotSent, MaybeSent):
            return None
        line = next((x for x in answer.get("send_list", []) if x.get("external_userid") == m.to), None)
        if line is None or line.get("status") not in STATES:
            return None
        at = datetime.fromtimestamp(int(line.get("send_time") or datetime.now(UTC).timestamp()), UTC)
        return Report(STATES[line["status"]], at, provider_id, m.key, REASONS.get(line["status"], ""), m.to)

    def _post(self, what: str, token: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        url = f"{self.address.base_url}/cgi-bin/{what}?{urlencode({'access_token': token})}"
        data = json.dumps(body, ensure_ascii=False).encode()
        return request("POST", url, headers={"Content-Type": "application/json"}, body=data).object()
