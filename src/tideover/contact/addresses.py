"""Where a message goes: the address of a person on a channel, in which language, from whom; and addresses that do not exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.conf import settings

from tideover.contact.models import AddressFault, Message
from tideover.contact.rules.model import Channel
from tideover.contact.rules.wording import EN, LANGUAGES, ZH
from tideover.core.crypto import search_hash
from tideover.lending.models import Branch, Contract, LegalEntity, Party, Staff

PHONES = frozenset({Channel.SMS, Channel.CALL, Channel.AI_CALL})
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
    Channel.EMAIL: lambda p: p.user.email if p.user is not None else "",
}


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


def is_unusable(party: Party, channel: Channel, to_hash: bytes) -> bool:
    """Whether a carrier has said that this address does not exist."""
    return AddressFault.objects.filter(party=party, channel=channel, to_hash=to_hash, cleared_at=None).exists()


def address_fault(m: Message, reason: str, at: datetime) -> None:
    """Mark a message's address as one that does not exist; twice changes nothing."""
    AddressFault.objects.get_or_create(
        party=m.party, channel=m.channel, to_hash=bytes(m.to_hash), cleared_at=None,
        defaults={"reason": reason[:80], "message": m, "found_at": at},
    )  # fmt: skip


GONE = (
    "number_invalid", "address_invalid", "no_such_number", "openid_invalid", "user_not_found", "invaliduser",
    "bad_address", "bounce", "unallocated", "unknown_subscriber", "unreachable_number", "user unknown",
    "5.1.1", "5.1.2", "5.1.10", "smpp:0x0b", "rinvdstadr", "mobile_number_illegal", "incorrectphonenumber",
)  # fmt: skip
"""Parts of gateways' reasons that mean: there is no such address. Whole codes, because "illegal" and "invalid" are said of
templates too. From a push endpoint that is gone nothing follows: the person may register another."""


def is_gone(reason: str) -> bool:
    """Whether a reason says that the address does not exist, rather than that this message failed."""
    return any(word in reason.lower() for word in GONE)
