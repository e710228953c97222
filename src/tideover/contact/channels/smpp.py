"""Text messages by SMPP 3.4: smpp://system_id:password@host:2775?source=1069…, smpps:// with TLS.

Options: source (number or name of the sender), ids (docs/channels.md), tz (of the centre's dates), timeout (seconds),
reference=no (leave out user_message_reference).

A long text goes as parts with a 6-byte header each; its provider id joins the parts' ids, and it is delivered when all are. Of a
centre that repeats user_message_reference in receipts, even a message whose response never came finds its receipt.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from smpplib import consts

from tideover.contact.channels import smpp_receipts as receipts
from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import PROVIDER_ID_MAX, DeliveryState, Inbound, Outgoing, Report, SendResult, SendState
from tideover.contact.channels.numbers import e164
from tideover.contact.channels.smpp_link import Broken, Link
from tideover.contact.channels.text import NotFit, parts, signed
from tideover.contact.rules.model import Channel

UCS2, UDHI, RECEIPT_PLEASE = 8, 0x40, 1
TON_INTERNATIONAL, TON_NAME, NPI_ISDN = 1, 5, 1
KEEP_ALIVE_S = 30
PART_TRIES, PART_WAIT_S = 5, 0.5
WHOLES_MAX = 5_000
NOT_ASKED = "parts:"
LATER_S = {0x58: 5, 0x14: 30, 0x08: 60, 0x45: 60, 0x64: 60, 0x04: 1, 0x05: 1}
"""Refusals that pass: throttled, queue full, system error, submit failed, application error, not bound, already bound."""


class Smpp:
    """The adapter. A report is acknowledged to the centre when the next one is asked for, so a killed worker gets it again."""

    name = "smpp"
    idempotent = False
    idempotent_for_s: int | None = None

    def __init__(self, address: GatewayAddress) -> None:
        self.address = address
        self.zone = ZoneInfo(address.option("tz", settings.BUSINESS_TIME_ZONE))
        self.ids = address.option("ids", "same")
        if self.ids not in receipts.ID_FORMS:
            raise ValueError(f"{address.setting}: ids is one of {', '.join(receipts.ID_FORMS)}, not {self.ids!r}")
        source = address.option("source", "")
        self.source = {
            "source_addr": source,
            "source_addr_ton": TON_INTERNATIONAL if source.isdigit() else TON_NAME,
            "source_addr_npi": NPI_ISDN if source.isdigit() else 0,
        }
        self.link: Link | None = None
        self.wholes: dict[str, str] = {}
        self.part_states: dict[str, DeliveryState] = {}
        self.receipts: deque[tuple[Any, str]] = deque()
        self.messages: deque[tuple[Any, str]] = deque()

    # Sending

    def send(self, m: Outgoing) -> SendResult:
        try:
            number, texts = e164(m.to), parts(signed(m))
        except NotFit as problem:
            return SendResult(SendState.REFUSED, reason=str(problem))
        if not number:
            return SendResult(SendState.REFUSED, reason="number_invalid")
        if refused := self._connect():
            return refused
        ids: list[str] = []
        for index, text in enumerate(texts):
            result = self._part(m, number, text, index, len(texts), again=bool(ids))
            if result.state is not SendState.ACCEPTED:
                return result if not ids else SendResult(SendState.UNKNOWN, reason=f"part {index + 1}: {result.reason}")
            ids.append(result.provider_id)
        whole = ",".join(ids)
        if len(whole) > PROVIDER_ID_MAX:  # known while this process lives; after that it cannot be asked for
            whole = NOT_ASKED + hashlib.sha256(whole.encode()).hexdigest()
        if len(ids) > 1:
            self.wholes.update(dict.fromkeys(ids, whole))
            while len(self.wholes) > WHOLES_MAX:
                self.wholes.pop(next(iter(self.wholes)))
        return SendResult(SendState.ACCEPTED, provider_id=whole)

    def _part(self, m: Outgoing, number: str, text: str, index: int, count: int, *, again: bool) -> SendResult:
        """Send one part. Later parts are tried again at once for a while: the first is on its way already."""
        for attempt in range(PART_TRIES if again else 1):
            if attempt:
                time.sleep(PART_WAIT_S * attempt)
            result = self._submit(self._fields(m, number, text, index, count))
            if result.state is not SendState.RETRY or self.link is None:
                break
        return result

    def _fields(self, m: Outgoing, number: str, text: str, index: int, count: int) -> dict[str, Any]:
        header = bytes([5, 0, 3, m.id % 256, count, index + 1]) if count > 1 else b""
        fields = {
            **self.source,
            "dest_addr_ton": TON_INTERNATIONAL,
            "dest_addr_npi": NPI_ISDN,
            "destination_addr": number.removeprefix("+"),
            "short_message": header + text.encode("utf-16-be"),
            "data_coding": UCS2,
            "esm_class": UDHI if header else 0,
            "registered_delivery": RECEIPT_PLEASE,
        }
        if self.address.option("reference", "yes") != "no":
            fields["user_message_reference"] = m.id % 65_536
        return fields

    def _submit(self, fields: dict[str, Any]) -> SendResult:
        assert self.link is not None
        try:
            answer = self.link.ask("submit_sm", **fields)
        except Broken as problem:
            self._lost()
            return SendResult(SendState.UNKNOWN, reason=f"lost:{problem}")
        status = int(answer.status)
        if status:
            reason = f"smpp:{status:#04x} {consts.DESCRIPTIONS.get(status, '')}".strip()
            later = LATER_S.get(status)
            return SendResult(SendState.RETRY if later else SendState.REFUSED, reason=reason, retry_after_s=later)
        base = receipts.ID_FORMS[self.ids][0]
        return SendResult(SendState.ACCEPTED, provider_id=receipts.canonical_id(_text(answer.message_id), base))

    # Asking

    def inquire(self, m: Outgoing, provider_id: str, sent_at: datetime) -> Report | None:
        if not provider_id or provider_id.startswith(NOT_ASKED) or self._connect():
            return None
        states = [self._query(one) for one in provider_id.split(",")]
        if None in states:
            return None
        return Report(_joined([s for s in states if s]), datetime.now(UTC), provider_id=provider_id, key=m.key, to=m.to)

    def _query(self, message_id: str) -> DeliveryState | None:
        """State of one part. A centre that no longer knows an id which it gave itself has said nothing."""
        if self.link is None:
            return None
        base = receipts.ID_FORMS[self.ids][0]
        form = format(int(message_id), "X") if base == 16 and message_id.isdigit() else message_id
        try:
            answer = self.link.ask("query_sm", message_id=form, **self.source)
        except Broken:
            self._lost()
            return None
        return None if int(answer.status) else receipts.STATES.get(int(answer.message_state or 7), DeliveryState.PENDING)

    # Receiving

    def reports(self) -> Iterable[Report]:
        self._sort()
        while self.receipts:
            pdu, text = self.receipts[0]
            yield self._report(pdu, text)
            self._taken(self.receipts, pdu)

    def inbound(self) -> Iterable[Inbound]:
        self._sort()
        while self.messages:
            pdu, text = self.messages[0]
            yield self._message(pdu, text)
            self._taken(self.messages, pdu)

    def _sort(self) -> None:
        """Read what came, and tell receipts from what people wrote."""
        if self._connect() or self.link is None:
            return
        try:
            self.link.keep_alive(KEEP_ALIVE_S)
        except Broken:
            self._lost()
            return
        while self.link.arrived:
            pdu = self.link.arrived.popleft()
            text = _body(pdu)
            (self.receipts if receipts.is_receipt(int(pdu.esm_class), text) else self.messages).append((pdu, text))

    def _taken(self, queue: deque[tuple[Any, str]], pdu: Any) -> None:
        """Acknowledge what was taken, if its connection still stands: else the centre sends it again after the next bind."""
        if queue and queue[0][0] is pdu and self.link is not None:
            queue.popleft()
            try:
                self.link.taken(pdu)
            except Broken:
                self._lost()

    def _message(self, pdu: Any, text: str) -> Inbound:
        sender, now = e164(_text(pdu.source_addr)) or _text(pdu.source_addr), datetime.now(UTC)
        seen = f"{sender}|{text}|{int(now.timestamp()) // 600}"
        return Inbound(Channel.SMS, sender, text, now, hashlib.sha256(seen.encode()).hexdigest()[:32])

    def _report(self, pdu: Any, text: str) -> Report:
        tlv_state = pdu.message_state
        r = receipts.read(
            text, _text(pdu.receipted_message_id), int(tlv_state) if tlv_state else None, ids=self.ids, zone=self.zone
        )
        whole, state = self._whole(r.message_id, r.state)
        reference = int(pdu.user_message_reference) if pdu.user_message_reference is not None else None
        sender = e164(_text(pdu.source_addr))
        return Report(state, r.at or datetime.now(UTC), whole, reason=r.reason, to=sender, reference=reference)

    def _whole(self, part: str, state: DeliveryState) -> tuple[str, DeliveryState]:
        """The message of a part and what is known of it now; a part whose message another process sent stands for itself."""
        whole = self.wholes.get(part, part)
        if whole == part:
            return part, state
        self.part_states[part] = state
        parts_of = [one for one, of in self.wholes.items() if of == whole]
        states = [self.part_states.get(one, DeliveryState.PENDING) for one in parts_of]
        joined = _joined(states)
        if DeliveryState.PENDING not in states:
            for one in parts_of:
                self.wholes.pop(one, None)
                self.part_states.pop(one, None)
        return whole, joined

    # The connection

    def _connect(self) -> SendResult | None:
        """Be bound; else the answer for a message that wanted to leave: certainly not sent."""
        if self.link is not None:
            try:
                self.link.pump()
                return None
            except Broken:
                self._lost()
        a = self.address
        tls = ssl.create_default_context() if a.kind == "smpps" else None
        link = Link(a.host, a.port or 2775, timeout_s=float(a.option("timeout", "10")), tls=tls)
        try:
            status = link.bind(a.user, a.secret)
        except Broken as problem:
            return SendResult(SendState.RETRY, reason=f"lost:{problem}")
        if status:
            return SendResult(SendState.RETRY, reason=f"bind:{status:#04x}", retry_after_s=60)
        self.link = link
        return None

    def _lost(self) -> None:
        """Forget a connection; what it brought and nobody took comes again."""
        if self.link is not None:
            self.link.drop()
        self._forget()

    def close(self) -> None:
        if self.link is not None:
            self.link.unbind()
        self._forget()

    def _forget(self) -> None:
        self.link = None
        self.receipts.clear()
        self.messages.clear()


def _joined(states: list[DeliveryState]) -> DeliveryState:
    """Of a message by its parts: failed when one is, delivered when all are."""
    if DeliveryState.FAILED in states:
        return DeliveryState.FAILED
    return DeliveryState.DELIVERED if set(states) == {DeliveryState.DELIVERED} else DeliveryState.PENDING


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")


def _body(pdu: Any) -> str:
    """Text of a deliver_sm: from its own field or the payload parameter, without a header of parts."""
    raw = bytes(pdu.short_message or pdu.message_payload or b"")
    if int(pdu.esm_class) & UDHI and raw:
        raw = raw[raw[0] + 1 :]
    return raw.decode("utf-16-be" if int(pdu.data_coding or 0) == UCS2 else "latin-1", "replace").strip("\x00").strip()
