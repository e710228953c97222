"""Where a message goes: the address of a person on a channel, in which language, from whom; and addresses that do not exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import F, QuerySet

from tideover.contact.models import AddressFault, Message, Subscription
from tideover.contact.rules.faults import PHONES, covered, fault_length, is_fault
from tideover.contact.rules.model import Channel
from tideover.contact.rules.wording import EN, LANGUAGES, ZH
from tideover.core.crypto import search_hash
from tideover.lending.models import Branch, Contract, LegalEntity, Party, Staff
from tideover.lending.services_points import points_of

OFFICER = {ZH: "客服人员", EN: "our service team"}
"""Who speaks where no officer of the loan is known."""


def number_plain(number: str) -> str:
    """A Chinese number without its country code, digits only after a leading +: what is compared."""
    digits = "".join(c for c in number if c.isdigit() or c == "+")
    for prefix in ("+86", "0086"):
        if digits.startswith(prefix) and len(digits) > 11:
            return digits.removeprefix(prefix)
    return digits


def address_hash(channel: Channel, to: str) -> bytes:
    """Keyed hash under which an address is compared; empty for none."""
    plain = number_plain(to) if channel in PHONES else to.strip().lower()
    return search_hash(plain) if plain else b""


def number_hashes(number: str) -> list[bytes]:
    """Hashes under which the file of a person may hold a number: as it came, plain, and with the country code."""
    plain = number_plain(number)
    return list(dict.fromkeys(search_hash(n) for n in (number, plain, f"+86{plain}", f"86{plain}")))


_SOURCES: dict[Channel, Callable[[Party], str]] = {
    **dict.fromkeys(PHONES, lambda p: str(p.phone)),
    **dict.fromkeys((Channel.APP, Channel.PUSH), lambda p: p.reference if p.user_id else ""),
    **dict.fromkeys((Channel.LETTER, Channel.VISIT), lambda p: str(p.address)),
    Channel.EMAIL: lambda p: _point(p, Channel.EMAIL) or (p.user.email if p.user is not None else ""),
    Channel.WECOM: lambda p: _point(p, Channel.WECOM),
    Channel.MINI_PROGRAM: lambda p: _point(p, Channel.MINI_PROGRAM),
}


def _point(party: Party, channel: Channel) -> str:
    found = points_of(party).get(channel.name.lower())
    return "" if found is None else str(found.address)


def address_of(party: Party, channel: Channel) -> str:
    """The person's address on a channel; empty when none is known. In the app: the reference, if the person can sign in."""
    source = _SOURCES.get(channel)
    return source(party) if source else ""


def language_of(party: Party) -> str:
    """The language of the account, else of the file."""
    chosen = party.user.language if party.user is not None else party.language
    return chosen if chosen in LANGUAGES else ZH


def lender_of(party: Party, contracts: Sequence[Contract]) -> LegalEntity:
    """Who speaks: the entity of the first loan, else of the person's branch."""
    return contracts[0].entity if contracts else party.branch.entity


def branch_of(party: Party, contracts: Sequence[Contract]) -> Branch:
    """Whose message it is: the first loan's branch, else the person's."""
    return contracts[0].branch if contracts else party.branch


def name_in(thing: LegalEntity | Staff, language: str) -> str:
    """A name in a language."""
    return str(thing.name_zh if language == ZH else thing.name_en)


def standard_values(party: Party, contracts: Sequence[Contract], language: str, officer: Staff | None) -> dict[str, object]:
    """Values that every template may use without anybody giving them."""
    known = officer or next((c.manager for c in contracts if c.manager is not None), None)
    out: dict[str, object] = {
        "lender": name_in(lender_of(party, contracts), language),
        "hotline": settings.HOTLINE,
        "name": str(party.name),
        "officer": name_in(known, language) if known else OFFICER[language],
    }
    if known:
        out["officer_number"] = known.number
    if contracts:
        out["loan"] = contracts[0].number
    return out


STANDARD_TYPES = {
    "lender": "text", "hotline": "phone", "name": "name", "officer": "name", "officer_number": "number", "loan": "number",
}  # fmt: skip


def address_fault(
    party: Party, channel: Channel, to_hash: bytes, reason: str, at: datetime, message: Message | None = None
) -> AddressFault:
    """Mark an address as one that takes nothing; again counts the refusals and, where the fault fades, lengthens it.

    Call it with the message's row or the person locked.
    """
    fault, made = AddressFault.objects.get_or_create(
        party=party, channel=channel, to_hash=to_hash, cleared_at=None,
        defaults={"reason": reason[:80], "message": message, "found_at": at, "last_at": at},
    )  # fmt: skip
    if not made:
        fault.refusals, fault.last_at, fault.reason = fault.refusals + 1, max(at, fault.last_at), reason[:80]
    length = fault_length(reason, fault.refusals)
    fault.ends_at = None if length is None else at + length
    fault.save()
    return fault


def message_fault(m: Message, reason: str, at: datetime) -> None:
    """Mark a message's address when the reason of its failure speaks of the address."""
    if is_fault(reason) and m.to_hash:
        address_fault(m.party, Channel(m.channel), bytes(m.to_hash), reason, at, m)


def address_proved(party: Party, channel: Channel, to_hash: bytes, *, by: str, at: datetime, known_at: datetime) -> int:
    """Something arrived at or came from an address at `known_at`: faults found before are over. How many there were."""
    over = AddressFault.objects.filter(
        party=party, channel__in=_stopping(channel), to_hash=to_hash, cleared_at=None, last_at__lte=known_at
    )
    return over.update(cleared_at=at, cleared_by=by)


def _stopping(channel: Channel) -> list[Channel]:
    """Channels a fault of which stops this one."""
    return [c for c in Channel if channel in covered(c)]


def own_hashes(party: Party) -> dict[Channel, bytes]:
    """The hash of the person's own address on each channel on which there is one."""
    found = {c: address_hash(c, address_of(party, c)) for c in Channel}
    return {c: h for c, h in found.items() if h}


# Channels on which a person agrees to each message


MINI = "miniprogram"
"""The gateway under which a wording names the mini program's template."""


def subscriptions_of(m: Message) -> QuerySet[Subscription]:
    """The person's yes to more messages of this wording's template."""
    code = m.template.gateway_codes.get(MINI, "")
    return Subscription.objects.filter(point__party=m.party, point__ended_at=None, point__channel="mini_program", code=code)


def is_subscribed(m: Message) -> bool:
    """Whether the person said yes to one more message like this; true on channels that ask for no such yes."""
    return m.channel != Channel.MINI_PROGRAM or subscriptions_of(m).filter(left__gt=0).exists()


def subscription_use(m: Message) -> bool:
    """Use up the person's yes for a message that is about to go; whether there was one."""
    return m.channel != Channel.MINI_PROGRAM or bool(subscriptions_of(m).filter(left__gt=0).update(left=F("left") - 1))
