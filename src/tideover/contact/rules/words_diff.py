"""What changed between two texts, by words (Chinese by characters)."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

WORD = re.compile(r"\{[^{}]*\}|[A-Za-z0-9]+|\s+|.", re.S)
"""A place is one word, so that a changed name shows as a whole."""


def words_diff(before: str, after: str) -> list[tuple[str, str]]:
    """Pieces of both texts in order, each marked same, gone or new; neighbours of one mark are one piece."""
    a, b = WORD.findall(before), WORD.findall(after)
    out: list[tuple[str, str]] = []
    for tag, i, j, k, n in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            out.append(("same", "".join(a[i:j])))
            continue
        if i < j:
            out.append(("gone", "".join(a[i:j])))
        if k < n:
            out.append(("new", "".join(b[k:n])))
    return out
