"""The text of a short message: signed, without amounts, cut into parts as telephones put them together again."""

from __future__ import annotations

import re

from tideover.contact.channels.base import Outgoing

ONE_PART_UNITS = 70
PART_UNITS = 67
PARTS_MAX = 10
MONEY = re.compile(r"[¥￥$€]\s*\d|\d[\d,.]*\s*(?:元|块|人民币|CNY|RMB|USD)", re.IGNORECASE)
LINK_WITH_DATA = re.compile(r"https?://\S*[?&=#]|https?://\S*\d{6,}", re.IGNORECASE)


class NotFit(ValueError):
    """A text that must not leave; the message is the reason."""


def signed(m: Outgoing) -> str:
    """The text with 【who speaks】 before it. Raises NotFit for a missing sign, an amount, a link with data, or too long a text.

    This is the last door: templates are checked when they are published, and this catches what their values bring in.
    """
    text = m.body.strip()
    if not text.startswith("【"):
        if not m.sign_name:
            raise NotFit("no_sign_name")
        text = f"【{m.sign_name}】{text}"
    if any(MONEY.search(x) for x in (text, *m.params.values())):
        raise NotFit("amount_in_text")
    if LINK_WITH_DATA.search(text):
        raise NotFit("link_with_data")
    if len(parts(text)) > PARTS_MAX:
        raise NotFit("text_too_long")
    return text


def parts(text: str) -> list[str]:
    """Parts of at most 70 UCS-2 units, or 67 each when there are several; a character of two units is never split."""
    if _units(text) <= ONE_PART_UNITS:
        return [text]
    out, room = [""], PART_UNITS
    for character in text:
        size = _units(character)
        if size > room:
            out.append("")
            room = PART_UNITS
        out[-1] += character
        room -= size
    return out


def _units(text: str) -> int:
    return len(text.encode("utf-16-be")) // 2
