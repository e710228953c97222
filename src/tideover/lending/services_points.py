"""Where a party can be reached: telephone and postal address of the party, and an address on each further channel."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.crypto import search_hash
from tideover.core.problems import Problem, Refused, refuse
from tideover.lending.models import ContactPoint, Party
from tideover.lending.models.party import POINT_SOURCES, PointChannel

MESSENGER_ID = re.compile(r"[A-Za-z0-9_-]{6,64}")
PHONE = re.compile(r"\+?\d{7,15}")
ADDRESS_MAX = 300


def point_hash(address: str) -> bytes:
    """Keyed hash under which an address is looked for."""
    return search_hash(address.strip().lower())


def point_problem(channel: str, address: str) -> str:
    """Why an address cannot be one of its channel, as a sentence; empty when it can."""
    if channel == PointChannel.EMAIL:
        try:
            validate_email(address)
        except ValidationError:
            return "an e-mail address looks like name@example.com"
        return ""
    return "" if MESSENGER_ID.fullmatch(address) else "an id has 6 to 64 letters, digits, _ and -"


def points_of(party: Party) -> dict[str, ContactPoint]:
    """The live contact points of a party, by channel."""
    return {p.channel: p for p in party.points.all() if p.ended_at is None}


def point_set(party: Party, channel: str, address: str, *, source: str, actor: str) -> ContactPoint:
    """The party's address on a channel from now on; the one before ends. The same again changes nothing.

    Raises Refused: unknown channel, an address that cannot be one, or another person's messenger id.
    """
    assert source in POINT_SOURCES, source
    address = address.strip()
    if channel not in PointChannel.values:
        raise refuse("unknown_channel", f"an address can be given for {', '.join(PointChannel.values)}", "channel")
    if problem := point_problem(channel, address):
        raise refuse("bad_address", problem, "address")
    with transaction.atomic():
        Party.objects.select_for_update(of=("self",), no_key=True).get(pk=party.pk)
        live = ContactPoint.objects.filter(party=party, channel=channel, ended_at=None).first()
        if live is not None and str(live.address) == address:
            return live
        if live is not None:
            _end(live, actor)
        point = ContactPoint(
            party=party, channel=channel, address=address, address_hash=point_hash(address), source=source, added_at=now(),
            added_by=actor,
        )  # fmt: skip
        try:
            with transaction.atomic():
                point.save(force_insert=True)
        except IntegrityError:
            raise refuse("others_address", "this id belongs to another person", "address") from None
        log(actor, "point.set", "party", party.reference, {"channel": channel, "source": source, "to": point.masked})
    return point


def point_end(point: ContactPoint, *, actor: str) -> ContactPoint:
    """The party is no longer reached there; twice changes nothing."""
    with transaction.atomic():
        row = ContactPoint.objects.select_for_update().get(pk=point.pk)
        if row.ended_at is None:
            _end(row, actor)
            log(actor, "point.end", "party", row.party.reference, {"channel": row.channel, "to": row.masked})
    return row


def _end(point: ContactPoint, actor: str) -> None:
    point.ended_at, point.ended_by = now(), actor
    point.save(update_fields=["ended_at", "ended_by"])


def phone_plain(text: str) -> str:
    """A telephone number as it is kept: digits, perhaps after a +."""
    return re.sub(r"[\s().-]", "", text)


def party_reach(party: Party, *, phone: str | None = None, address: str | None = None, actor: str) -> Party:
    """Correct a party's telephone or postal address; what is None stays. Raises Refused naming every field that is wrong."""
    problems, changed = [], {}
    if phone is not None:
        phone = phone_plain(phone)
        if not PHONE.fullmatch(phone):
            problems.append(Problem("bad_phone", "a telephone number has 7 to 15 digits", "phone"))
    if address is not None and not 5 <= len(address.strip()) <= ADDRESS_MAX:
        problems.append(Problem("bad_address", f"a postal address has 5 to {ADDRESS_MAX} characters", "address"))
    if problems:
        raise Refused(*problems)
    with transaction.atomic():
        row = Party.objects.select_for_update(of=("self",), no_key=True).get(pk=party.pk)
        if phone is not None and phone != row.phone:
            changed["phone"] = [row.masked_phone, f"{phone[:3]}****{phone[-4:]}"]
            row.phone = phone
        if address is not None and address.strip() != row.address:
            changed["address"] = []
            row.address = address.strip()
        if changed:
            row.hash_fields()
            row.save(update_fields=["phone", "phone_hash", "address"])
            log(actor, "party.reach", "party", row.reference, changed)
    party.phone, party.phone_hash, party.address = row.phone, row.phone_hash, row.address
    return row
