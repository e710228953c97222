"""How a person can be reached: their address on each channel, whether it works, and putting it right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from tideover.contact import addresses
from tideover.contact.gate import person_lock
from tideover.contact.models import AddressFault
from tideover.contact.rules.faults import PHONES, covered
from tideover.contact.rules.model import Channel
from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.problems import refuse
from tideover.lending import clock
from tideover.lending.models import ContactPoint, Party
from tideover.lending.models.party import PointChannel
from tideover.lending.services_points import party_reach, point_end, point_set, points_of
from tideover.sources.selectors import consents_of, live_now
from tideover.sources.services import consent_give

KINDS: Mapping[str, frozenset[Channel]] = {
    "phone": PHONES, "address": frozenset({Channel.LETTER, Channel.VISIT}), "email": frozenset({Channel.EMAIL}),
    "wecom": frozenset({Channel.WECOM}), "mini_program": frozenset({Channel.MINI_PROGRAM}),
}  # fmt: skip
"""What a person's addresses are called, and the channels that use each."""
BY_HAND = ("phone", "address", "email")
"""What a person can type; a messenger's id comes from binding it."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An address of a person that takes nothing: its kind, masked, refusals since an instant, until when (None: no end)."""

    kind: str
    masked: str
    refusals: int
    since: datetime
    ends_at: datetime | None
    faults: tuple[int, ...]


def masked_of(party: Party, kind: str) -> str:
    """A person's address of a kind with its middle hidden; empty when none is known."""
    if kind == "phone":
        return party.masked_phone if party.phone else ""
    if kind == "address":
        return f"{str(party.address)[:6]}…" if party.address else ""
    if (point := points_of(party).get(kind)) is not None:
        return point.masked
    mail = addresses.address_of(party, Channel.EMAIL) if kind == "email" else ""
    return f"{mail[:1]}**@{mail.partition('@')[2]}" if mail else ""


def broken_of(party: Party, at: datetime) -> list[Broken]:
    """The person's own addresses that carriers refuse at an instant, by kind."""
    rows = [f for f in party.address_faults.filter(cleared_at=None).order_by("pk") if f.ends_at is None or f.ends_at > at]
    own = addresses.own_hashes(party) if rows else {}
    out = []
    for kind, channels in KINDS.items():
        found = [f for f in rows if any(own.get(c) == bytes(f.to_hash) for c in channels & covered(Channel(f.channel)))]
        if found:
            ends = [f.ends_at for f in found]
            last = None if None in ends else max(e for e in ends if e is not None)
            since, refusals = min(f.found_at for f in found), sum(f.refusals for f in found)
            out.append(Broken(kind, masked_of(party, kind), refusals, since, last, tuple(f.pk for f in found)))
    return out


def number_dead(party: Party, reason: str, at: datetime, number: str = "") -> None:
    """A call showed that a number (the person's own where none is named) is dead or another's: nobody calls or texts it again."""
    if hashed := addresses.address_hash(Channel.CALL, number or str(party.phone)):
        addresses.address_fault(party, Channel.CALL, hashed, reason, at)


def address_verified(party: Party, kind: str, *, actor: str) -> int:
    """Somebody has looked: the address is right, and messages go there again. How many faults ended.

    Raises Refused: unknown kind, or nothing known against the address.
    """
    if kind not in KINDS:
        raise refuse("unknown_kind", f"addresses are {', '.join(KINDS)}", "kind")
    with transaction.atomic():
        clock.writing()
        person_lock(party.pk)
        ids = [pk for b in broken_of(party, now()) if b.kind == kind for pk in b.faults]
        if not ids:
            raise refuse("not_broken", "nothing is known against this address", "kind")
        ended = AddressFault.objects.filter(pk__in=ids, cleared_at=None).update(cleared_at=now(), cleared_by=actor[:80])
        log(actor, "address.verify", "party", party.reference, {"kind": kind, "faults": ended})
    return ended


def address_set(
    party: Party, kind: str, address: str, *, source: str, actor: str, given_how: str = "", evidence: str = ""
) -> ContactPoint | None:  # fmt: skip
    """A person's address of a kind from now on. given_how, evidence: the consent to be written to there, when it came along.

    The point for e-mail and messengers; None for telephone and postal address, which lie with the person.
    Raises Refused as the address or the consent is wrong.
    """
    if kind not in KINDS:
        raise refuse("unknown_kind", f"addresses are {', '.join(KINDS)}", "kind")
    with transaction.atomic():
        point = None
        if kind == "phone":
            party_reach(party, phone=address, actor=actor)
        elif kind == "address":
            party_reach(party, address=address, actor=actor)
        else:
            point = point_set(party, kind, address, source=source, actor=actor)
        if given_how:
            consent_once(party, kind, given_how=given_how, evidence=evidence, actor=actor)
    return point


def consent_once(party: Party, channel: str, *, given_how: str, evidence: str, actor: str) -> None:
    """The consent to be written to on a channel, unless one for that channel holds."""
    if channel not in PointChannel.values:
        raise refuse("no_channel", "a consent comes along with an e-mail address or a messenger's id", "given_how")
    held = live_now(consents_of(party), now())
    if not any(c.purpose == "contact" and c.channel == channel and c.contract_id is None for c in held):
        consent_give(
            party, None, purpose="contact", channel=channel, given_how=given_how, evidence=evidence, given_at=now(), actor=actor
        )  # fmt: skip


def address_end(party: Party, kind: str, *, actor: str) -> None:
    """The person is no longer reached there. Raises Refused for an address that is not a contact point, or where none is."""
    point = points_of(party).get(kind)
    if point is None:
        raise refuse("no_point", f"no {kind} address is kept apart for this person", "kind")
    point_end(point, actor=actor)
