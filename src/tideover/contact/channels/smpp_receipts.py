"""Delivery receipts of SMPP 3.4 (appendix B): read from text and optional parameters, whichever the centre fills in. Pure.

Centres differ: an id hexadecimal in one place and decimal in the other, dates with or without seconds, no optional parameters,
the flag of a receipt missing. Message ids are brought to one form; times are those of the centre's place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from tideover.contact.channels.base import DeliveryState

DELIVERED, FAILED, PENDING = DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.PENDING
STATES = {
    1: PENDING,
    2: DELIVERED,
    3: FAILED,
    4: FAILED,
    5: FAILED,
    6: PENDING,
    7: PENDING,
    8: FAILED,
}
"""message_state: en route, delivered, expired, deleted, undeliverable, accepted, unknown, rejected."""
WORDS = {
    "ENROUTE": PENDING,
    "DELIVRD": DELIVERED,
    "EXPIRED": FAILED,
    "DELETED": FAILED,
    "UNDELIV": FAILED,
    "ACCEPTD": PENDING,
    "UNKNOWN": PENDING,
    "REJECTD": FAILED,
}
LIKE_A_RECEIPT = re.compile(r"\bid:\s*\S+.*\bstat:\s*\w+", re.IGNORECASE | re.DOTALL)
FIELD = {
    "id": re.compile(r"\bid:\s*(\S+)", re.IGNORECASE),
    "done": re.compile(r"\bdone date:\s*(\d{10}(?:\d\d)?)", re.IGNORECASE),
    "stat": re.compile(r"\bstat:\s*(\w+)", re.IGNORECASE),
    "err": re.compile(r"\berr:\s*(\w+)", re.IGNORECASE),
}
ID_FORMS = {"same": (0, 0), "hex-dec": (16, 10), "dec-hex": (10, 16), "hex-hex": (16, 16), "dec-dec": (10, 10)}
"""Option `ids`: base of the ids in submit responses, and in receipts' texts; 0: take them as they are."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says; `at` None when it names no time that can be read."""

    message_id: str
    state: DeliveryState
    reason: str
    at: datetime | None


def canonical_id(text: str, base: int) -> str:
    """An id in one form: decimal digits where it is a number in `base`, else small letters as given."""
    text = text.strip().lower()
    if not base:
        return text
    try:
        return str(int(text, base))
    except ValueError:
        return text


def is_receipt(esm_class: int, text: str) -> bool:
    """Whether a deliver_sm reports on a message of ours: by its type bits, or by its text where the centre forgot them."""
    return esm_class & 0x3C in (0x04, 0x20) or bool(LIKE_A_RECEIPT.search(text))


def read(text: str, tlv_id: str, tlv_state: int | None, *, ids: str, zone: tzinfo) -> Receipt:
    """A receipt. The optional parameter's id has the response's form; the text's id has its own (option `ids`)."""
    in_response, in_text = ID_FORMS[ids]
    message_id = canonical_id(tlv_id, in_response) if tlv_id else canonical_id(_field(text, "id"), in_text)
    word = _field(text, "stat").upper()
    state = WORDS.get(word, PENDING) if word else STATES.get(tlv_state or 7, PENDING)
    reason = "" if state is DELIVERED else " ".join(x for x in (word or f"state:{tlv_state}", _field(text, "err")) if x)
    return Receipt(message_id, state, reason, _time(_field(text, "done"), zone))


def _field(text: str, name: str) -> str:
    found = FIELD[name].search(text)
    return found.group(1) if found else ""


def _time(digits: str, zone: tzinfo) -> datetime | None:
    try:
        form = "%y%m%d%H%M%S" if len(digits) == 12 else "%y%m%d%H%M"
        return datetime.strptime(digits, form).replace(tzinfo=zone).astimezone(UTC)
    except ValueError:
        return None
