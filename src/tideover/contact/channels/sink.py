"""A gateway for development: writes what it was given as lines of JSON, and says at once that it was delivered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import DeliveryState, Outgoing, Quiet, Report, SendResult, SendState


class Sink(Quiet):
    """sink: (into TIDEOVER_HOME/outgoing.jsonl) or sink:///path/of/a/file."""

    name = "sink"

    def __init__(self, address: GatewayAddress) -> None:
        self.path = Path(address.path) if address.path else Path(settings.DATA_DIR) / "outgoing.jsonl"
        self.sent: list[Report] = []

    def send(self, m: Outgoing) -> SendResult:
        now = datetime.now(UTC)
        line = {"at": now.isoformat(), "to": m.to, "key": m.key, "sign": m.sign_name, "subject": m.subject, "body": m.body}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.sent.append(Report(DeliveryState.DELIVERED, now, provider_id=m.key, key=m.key, to=m.to))
        return SendResult(SendState.ACCEPTED, provider_id=m.key)

    def reports(self) -> Iterable[Report]:
        while self.sent:
            yield self.sent[0]
            del self.sent[0]
