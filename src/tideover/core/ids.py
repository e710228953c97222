"""Public handles: short random references with a check character, safe to read over the telephone.

A handle says nothing about whom it names, so it may stand in tapes, logs and addresses. Alphabet: Crockford's base 32 (no
I, L, O, U); the last character is the sum of the others by position, modulo 31, so that one wrong character or two
neighbours swapped never gives another valid handle.
"""

from __future__ import annotations

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PRIME = 31
LENGTH = 10
MISREAD = str.maketrans("OIL", "011")


def check_character(body: str) -> str:
    """The check character of `body` (characters of the first 31 of ALPHABET): sum of place x value modulo 31."""
    return ALPHABET[sum(place * ALPHABET.index(c) for place, c in enumerate(body, start=1)) % PRIME]


def handle_new(prefix: str) -> str:
    """`prefix`, a hyphen, 10 random characters (49 bits) and their check character."""
    body = "".join(secrets.choice(ALPHABET[:PRIME]) for _ in range(LENGTH))
    return f"{prefix}-{body}{check_character(body)}"


def handle_ok(handle: str) -> bool:
    """Whether a handle made by `handle_new` was read right."""
    body = handle.rpartition("-")[2]
    return len(body) == LENGTH + 1 and set(body) <= set(ALPHABET[:PRIME]) and check_character(body[:-1]) == body[-1]


def handle_grouped(handle: str) -> str:
    """A handle as it is printed for people: V-7K3F-9Q2M-X8D."""
    prefix, _, body = handle.rpartition("-")
    return "-".join([prefix, *(body[at : at + 4] for at in range(0, len(body), 4))])


def handle_typed(prefix: str, text: str) -> str | None:
    """The handle that somebody typed, however they grouped it and with O for 0 and I or L for 1; None when it was misread."""
    plain = "".join(text.split()).replace("-", "").upper()
    if len(plain) == len(prefix) + LENGTH + 1:
        plain = plain.removeprefix(prefix)
    handle = f"{prefix}-{plain.translate(MISREAD)}"
    return handle if handle_ok(handle) else None
