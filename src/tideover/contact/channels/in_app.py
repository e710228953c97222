"""The app's own inbox: a message is there as soon as it is handed over. That it was opened is its receipt; the page brings it."""

from __future__ import annotations

from datetime import datetime

from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import DeliveryState, Outgoing, Quiet, Report, SendResult, SendState


class InApp(Quiet):
    """app: nothing leaves the house, so that handing over twice is handing over once."""

    name = "app"
    idempotent = True

    def __init__(self, address: GatewayAddress) -> None:
        self.address = address

    def send(self, m: Outgoing) -> SendResult:
        return SendResult(SendState.ACCEPTED, provider_id=m.key)

    def inquire(self, m: Outgoing, provider_id: str, sent_at: datetime) -> Report | None:
        return Report(DeliveryState.PENDING, sent_at, provider_id=provider_id, key=m.key)
