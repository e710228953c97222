"""What people send to us: STOP withdraws the consent of the channel and is confirmed once; anything else waits for an answer."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from django.db import IntegrityError, transaction

from tideover.contact import addresses
from tideover.contact.channels.base import Inbound
from tideover.contact.gate import contact_record
from tideover.contact.models import ContactPreference, InboundMessage, Message
from tideover.contact.outbox.life import locked, move
from tideover.contact.outbox.queue import message_queue
from tideover.contact.rules.message import Move, State
from tideover.contact.rules.model import Channel, Outcome, Purpose
from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.problems import refuse
from tideover.lending.models import ContactPoint, Party
from tideover.sources.models import Consent
from tideover.sources.services import consent_withdraw

STOP_WORDS = frozenset({
    "t", "td", "tdd", "r", "退订", "拒收", "取消", "停止", "不要再发", "别再发了",
    "stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke",
})  # fmt: skip
"""Whole answers that mean: do not write to me here. Chinese carriers ask for T, TD or R; US ones for STOP and its sisters."""
ACTOR = "borrower"


def meaning_of(text: str) -> str:
    """stop or reply. Only a whole answer is a STOP; a sentence that holds the word is read by a person."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    word = "".join(c for c in folded if c.isalnum())
    return "stop" if word in STOP_WORDS else "reply"


def inbound_apply(inbound: Inbound, *, at: datetime | None = None) -> InboundMessage:
    """Take in what a person sent, once: the same provider id again changes nothing. STOP counts from this instant."""
    at = at or now()
    channel = Channel(inbound.channel)
    hashed = addresses.address_hash(channel, inbound.sender)
    row = InboundMessage(
        channel=channel, provider_id=inbound.provider_id[:120], sender=inbound.sender, sender_hash=hashed,
        party=_sender(channel, inbound.sender, hashed), text=inbound.text[:2000], meaning=meaning_of(inbound.text), at=inbound.at,
        received_at=at,
    )  # fmt: skip
    with transaction.atomic():
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError:
            return InboundMessage.objects.get(channel=channel, provider_id=row.provider_id)
        if row.party is not None:
            if row.meaning == "stop":
                _stop(row, channel, at)  # locks messages, so it comes before what locks the person
            addresses.address_proved(row.party, channel, hashed, by="answer", at=at, known_at=inbound.at)
            contact_record(
                party=row.party, contracts=[], channel=channel, purpose=Purpose.REPLY, outcome=Outcome.DELIVERED, at=inbound.at,
                direction="in", number=_known(row), actor=ACTOR, note=f"inbound {row.pk}",
            )  # fmt: skip
    return row


def _sender(channel: Channel, sender: str, hashed: bytes) -> Party | None:
    """The person behind an address. Of several with one number, the one whom we wrote to last."""
    wrote = Message.objects.filter(channel=channel, to_hash=hashed).order_by("-pk").select_related("party").first()
    if wrote is not None:
        return wrote.party
    if channel in addresses.PHONES:
        return Party.objects.filter(phone_hash__in=addresses.number_hashes(sender)).order_by("pk").first()
    point = ContactPoint.objects.filter(channel=channel.name.lower(), address_hash=hashed, ended_at=None).order_by("pk").first()
    if point is not None:
        return point.party
    if channel == Channel.EMAIL:
        return Party.objects.filter(user__email__iexact=sender.strip()).order_by("pk").first()
    return None


def _known(row: InboundMessage) -> str:
    """The address as the file of the person holds it, so that it counts as the same number as ours."""
    return addresses.address_of(row.party, Channel(row.channel)) or str(row.sender) if row.party else ""


def _stop(row: InboundMessage, channel: Channel, at: datetime) -> None:
    """Withdraw what the person had agreed to on this channel, drop what waits there, confirm once."""
    assert row.party is not None
    stop_channel(row.party, channel, at=at)
    message_queue(
        party=row.party, channel=channel, purpose=Purpose.REPLY, template="stop.confirmed", values={}, at=at, with_inbox=False,
        number=row.sender, key=f"stop:{channel.name.lower()}:{row.provider_id}"[:100], actor=ACTOR,
    )  # fmt: skip
    row.answered_at, row.answered_by = at, "outbox"
    row.save(update_fields=["answered_at", "answered_by"])


def stop_channel(party: Party, channel: Channel, *, at: datetime) -> None:
    """Withdraw consents of a channel, keep the wish not to be reached there (a consent for every channel goes on for the others),
    and drop what waits on it, but for notices of law and answers to the person."""
    name = channel.name.lower()
    for consent in Consent.objects.filter(party=party, purpose="contact", channel=name, withdrawn_at=None):
        consent_withdraw(consent, how="message", evidence="STOP", actor=ACTOR)
    wish, _made = ContactPreference.objects.get_or_create(party=party, defaults={"changed_at": at, "actor": ACTOR})
    if name not in wish.refused:
        wish.refused, wish.changed_at, wish.actor = [*wish.refused, name], at, ACTOR
        wish.save(update_fields=["refused", "changed_at", "actor"])
    waiting = Message.objects.filter(
        party=party, channel=channel, state=State.DRAFTED, purpose__in=(Purpose.COLLECTION, Purpose.SERVICE)
    )
    for pk in list(waiting.values_list("pk", flat=True)):
        m = locked(pk)
        if m.state == State.DRAFTED and not m.tries:
            move(m, Move(State.CANCELLED, "asked_to_stop"), at, "cancelled", actor=ACTOR)


def inbound_answered(row: InboundMessage, *, actor: str) -> InboundMessage:
    """Say that somebody has dealt with an answer. Raises Refused when somebody has already."""
    with transaction.atomic():
        found = InboundMessage.objects.select_for_update().get(pk=row.pk)
        if found.answered_at is not None:
            raise refuse("answered", f"{found.answered_by} has dealt with it", "row")
        found.answered_at, found.answered_by = now(), actor
        found.save(update_fields=["answered_at", "answered_by"])
        log(actor, "inbound.answered", "inbound", str(found.pk))
    return found
