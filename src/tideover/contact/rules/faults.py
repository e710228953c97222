"""What a carrier's reason says of an address: that it does not exist, that it takes nothing for a while, or nothing. Pure."""

from __future__ import annotations

from datetime import timedelta

from tideover.contact.rules.model import Channel

PHONES = frozenset({Channel.SMS, Channel.CALL, Channel.AI_CALL})
GONE = (
    "number_invalid", "address_invalid", "no_such_number", "openid_invalid", "user_not_found", "invaliduser",
    "bad_address", "bounce", "unallocated", "unknown_subscriber", "unreachable_number", "user unknown",
    "5.1.1", "5.1.2", "5.1.10", "smpp:0x0b", "rinvdstadr", "mobile_number_illegal", "incorrectphonenumber",
)  # fmt: skip
"""Parts of gateways' reasons that mean: there is no such address. Whole codes, because "illegal" and "invalid" are said of
templates too. From a push endpoint that is gone nothing follows: the person may register another."""
FADES = {
    "4.2.2": 3, "5.2.2": 3, "mailbox_full": 3, "mobile_not_on_service": 7, "mobile_account_abnormal": 7,
    "absent_subscriber": 1, "user_suspended": 7,
}  # fmt: skip
"""Parts of reasons that mean: it exists and takes nothing now (a full mailbox, a suspended number), and for how many days
nothing goes there after the first refusal (house rule)."""
FADE_DAYS_MAX = 30


def is_gone(reason: str) -> bool:
    """Whether a reason says that the address does not exist, rather than that this message failed."""
    return any(word in reason.lower() for word in GONE)


def is_fault(reason: str) -> bool:
    """Whether a reason says anything of the address at all."""
    return is_gone(reason) or _fades(reason) > 0


def fault_length(reason: str, refusals: int) -> timedelta | None:
    """How long nothing goes to an address after so many refusals (≥1): doubled with each, at most 30 days.

    None: until somebody has looked at it.
    """
    days = 0 if is_gone(reason) else _fades(reason)
    return timedelta(days=min(FADE_DAYS_MAX, days << min(refusals - 1, 8))) if days else None


def _fades(reason: str) -> int:
    return max((days for word, days in FADES.items() if word in reason.lower()), default=0)


def covered(found_by: Channel) -> frozenset[Channel]:
    """Which channels a fault of an address stops: a number that nobody can dial takes no text either, while a line that takes
    no text may still ring."""
    return PHONES if found_by in (Channel.CALL, Channel.AI_CALL) else frozenset({found_by})
