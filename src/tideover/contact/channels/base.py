"""What every gateway adapter takes and answers, and which one serves a channel.

The outbox hands an adapter one message at a time and believes only four answers. The line between them is doubling: RETRY means
that the gateway certainly did not take the message, UNKNOWN that it may have; an UNKNOWN message is never sent again until a
receipt or an inquiry answers, unless the gateway knows the message's key and refuses it the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from typing import Protocol

from django.conf import settings

from tideover.contact.channels.address import GatewayAddress
from tideover.contact.rules.model import Channel

PROVIDER_ID_MAX = 120


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, ready to leave. `key`: the same for every try; `to`: number, address, open id, or a party's reference (push);
    `params`: the template's values in the order in which the text names them; `sign_name`: who speaks, for 【…】."""

    id: int
    key: str
    to: str
    subject: str
    body: str
    language: str
    template_code: str
    params: Mapping[str, str]
    sign_name: str


class SendState(StrEnum):
    """ACCEPTED: the gateway has it. REFUSED: certainly not sent and never will be. RETRY: certainly not sent, try later.
    UNKNOWN: may have been sent, never send again until an inquiry or a receipt answers."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    RETRY = "retry"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SendResult:
    """The answer to one try. `provider_id`: at most PROVIDER_ID_MAX characters.

    `reason`: the gateway's own code, or a word of ours; `retry_after_s`: as the gateway asked.
    """

    state: SendState
    provider_id: str = ""
    reason: str = ""
    retry_after_s: int | None = None


class DeliveryState(StrEnum):
    """PENDING: the gateway has it and does not know yet. NOT_FOUND: the gateway says that it never had it."""

    DELIVERED = "delivered"
    FAILED = "failed"
    PENDING = "pending"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a robot's call ended: whether a person talked, for how long, and what the robot understood."""

    talked: bool
    seconds: int
    intent: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a message. It is found by `key` where the gateway repeats it, else by `provider_id`.

    `reference`: the message's id modulo 65536, from gateways that repeat only that much; with `to` it finds a message whose
    provider id never came. `call`: for robots.
    """

    state: DeliveryState
    at: datetime
    provider_id: str = ""
    key: str = ""
    reason: str = ""
    to: str = ""
    reference: int | None = None
    call: CallEnd | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """What a person sent to us: STOP, a reply. `sender` as E.164, an address or an open id; `provider_id` tells repeats."""

    channel: Channel
    sender: str
    text: str
    at: datetime
    provider_id: str


class Adapter(Protocol):
    """One gateway. An adapter belongs to one thread; it opens its connection when first used and again after a loss.

    name: for logs and rows. idempotent: the gateway takes `key` and never delivers it twice, for `idempotent_for_s` seconds
    after the first try (None: for good).
    """

    name: str
    idempotent: bool
    idempotent_for_s: int | None

    def send(self, m: Outgoing) -> SendResult:
        """Hand one message over. Never raises for what the network or the gateway does."""

    def inquire(self, m: Outgoing, provider_id: str, sent_at: datetime) -> Report | None:
        """Ask what became of a message; provider_id empty when none came. None: this gateway cannot be asked (or not now)."""

    def reports(self) -> Iterable[Report]:
        """Reports since last asked. One counts as taken when the next is asked for: apply each before going on."""

    def inbound(self) -> Iterable[Inbound]:
        """What people sent since last asked; taken like reports."""

    def close(self) -> None:
        """Say goodbye to the gateway and drop the connection."""


class Quiet:
    """Parts of the protocol for gateways that call us (webhooks) instead of being read, and hold nothing open."""

    name = ""
    idempotent = False
    idempotent_for_s: int | None = None

    def inquire(self, m: Outgoing, provider_id: str, sent_at: datetime) -> Report | None:
        return None

    def reports(self) -> Iterable[Report]:
        return ()

    def inbound(self) -> Iterable[Inbound]:
        return ()

    def close(self) -> None:
        return None


class Unset(Quiet):
    """A channel without a gateway: every message on it ends at once, with that reason."""

    name = "unset"

    def send(self, m: Outgoing) -> SendResult:
        return SendResult(SendState.REFUSED, reason="channel_not_set")


GATEWAYS = {
    "smpp": "smpp:Smpp",
    "smpps": "smpp:Smpp",
    "aliyun": "aliyun:Aliyun",
    "tencent": "tencent:Tencent",
    "smtp": "smtp:Smtp",
    "smtps": "smtp:Smtp",
    "wecom": "wecom:WeCom",
    "wecom-customer": "wecom_customer:WeComCustomer",
    "miniprogram": "miniprogram:MiniProgram",
    "robot": "robot:Robot",
    "vapid": "push:Push",
    "sink": "sink:Sink",
    "app": "in_app:InApp",
}
"""Scheme of a channel's address → module and class. A gateway of your own: one module here and one line."""


def adapter_for(channel: Channel) -> Adapter:
    """A new adapter of the gateway that the settings name for a channel; Unset where they name none.

    Raises ValueError for an address that cannot be read, naming the setting.
    """
    text: str = settings.CHANNELS.get(channel.name, "")
    if not text:
        return Unset()
    address = GatewayAddress.read(text, setting=f"TIDEOVER_{channel.name}")
    if address.kind not in GATEWAYS:
        raise ValueError(f"TIDEOVER_{channel.name}: no gateway is called {address.kind!r}; there are {', '.join(GATEWAYS)}")
    module, name = GATEWAYS[address.kind].split(":")
    make: Callable[[GatewayAddress], Adapter] = getattr(import_module(f"tideover.contact.channels.{module}"), name)
    return make(address)
