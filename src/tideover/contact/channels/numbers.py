"""Telephone numbers in one form, E.164 (+8613800000000), so that what a gateway repeats meets what was sent."""

from __future__ import annotations

import phonenumbers

REGION = "CN"


def e164(text: str, region: str = REGION) -> str:
    """The number as +digits, or "" when no such number can exist. Reads 138…, 86138…, 0086138…, +86 138-…."""
    digits = text.strip()
    for attempt in (digits, f"+{digits.removeprefix('00')}"):
        try:
            number = phonenumbers.parse(attempt, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return ""
