"""Which arm of an experiment somebody is in, and whether an experiment may touch them at all.

Pure: text in, arm out. Somebody's place is the first 60 bits of SHA-256 over salt and reference, modulo a million; the arms
divide that million in their order. So a place never changes, needs no table, is the same in SQL (`place_sql`), and says nothing
about a place in an experiment with another salt. Source: docs/work.md, rule E-1; who is never withheld from: rule K-CN-10.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum

PPM = 1_000_000
Arms = Sequence[tuple[str, int]]
"""(code, share in parts per million), in order; the shares add up to a million."""


class Outreach(StrEnum):
    """What a person would get, or be kept from."""

    UNREQUESTED = "unrequested"
    REQUESTED_HELP = "requested_help"
    HARDSHIP = "hardship"
    STATUTORY_NOTICE = "statutory_notice"


class Design(StrEnum):
    """What an experiment does: a holdout keeps an arm from something, a split gives each arm something."""

    HOLDOUT = "holdout"
    SPLIT = "split"


def place_of(salt: str, reference: str) -> int:
    """Somebody's place, 0 to 999,999."""
    return int(hashlib.sha256(f"{salt}:{reference}".encode()).hexdigest()[:15], 16) % PPM


def place_sql(salt: str, column: str) -> str:
    """`place_of` as a DuckDB expression over a column of references. The salt is a code of letters, digits and hyphens."""
    assert salt.replace("-", "").isalnum(), salt
    return f"(('0x' || substr(sha256('{salt}:' || {column}), 1, 15))::BIGINT % {PPM})"


def arm_of(place: int, arms: Arms) -> str:
    """The arm that a place falls into."""
    top = 0
    for code, share in arms:
        top += share
        if place < top:
            return code
    raise ValueError(f"the shares of {arms} do not reach {place}")


def left_out(design: Design, outreach: Outreach, *, is_vulnerable: bool, is_excluded: bool) -> str:
    """Why an experiment does not apply to somebody: they get what everybody would get. Empty when it applies.

    A holdout touches only unrequested outreach to people who are not flagged vulnerable; nothing random is ever done with a
    statutory notice or to somebody in hardship.
    """
    if outreach in (Outreach.STATUTORY_NOTICE, Outreach.HARDSHIP):
        return outreach.value
    if is_excluded:
        return "excluded"
    if design is Design.HOLDOUT and outreach is not Outreach.UNREQUESTED:
        return outreach.value
    if design is Design.HOLDOUT and is_vulnerable:
        return "vulnerable"
    return ""


def arms_problem(arms: Arms) -> str:
    """What is wrong with a division, in a sentence; empty when it is sound."""
    codes = [code for code, _ in arms]
    if len(arms) < 2 or len(set(codes)) != len(codes) or not all(c.replace("_", "").isalnum() for c in codes):
        return "name at least two arms, each once, in letters, digits and underscores"
    if any(share <= 0 for _, share in arms) or sum(share for _, share in arms) != PPM:
        return f"the shares must be more than nothing and add up to {PPM}"
    return ""
