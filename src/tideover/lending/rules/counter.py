"""Arithmetic of a counter: what a count comes to, what a handover must add up to, and whose cash of a day is reported. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

PIECES_MAX = 1_000_000
NUMBER_DIGITS = 6


class CashSlip(NamedTuple):
    """Cash handed over in one payment (minor units): whose loans it pays, at which lender, on which business day."""

    entity_id: int
    party_id: int
    day: date
    amount_minor: int


class LargeCash(NamedTuple):
    """A person's cash of one day that reaches the threshold: how much in minor units, in how many payments."""

    entity_id: int
    party_id: int
    day: date
    amount_minor: int
    payments: int


def number_of(prefix: str, branch: str, year: int, sequence: int) -> str:
    """SJ-HZ-2026-000123: prefix of the series, branch, year, and the sequence within both."""
    return f"{prefix}-{branch}-{year}-{sequence:0{NUMBER_DIGITS}}"


def count_problems(pieces: Mapping[int, int], denominations: Sequence[int]) -> list[str]:
    """What is wrong with a count {denomination in minor units: pieces}: unknown notes, less than nothing, too many."""
    out = [f"there is no note or coin of {d} minor units" for d in sorted(set(pieces) - set(denominations))]
    return out + [f"{n} pieces of {d} is no count" for d, n in sorted(pieces.items()) if not 0 <= n <= PIECES_MAX]


def count_minor(pieces: Mapping[int, int]) -> int:
    """What counted notes and coins come to (minor units)."""
    return sum(d * n for d, n in pieces.items())


def handover_problem(counted_minor: int, bag_minor: int, vault_minor: int, bag_number: str) -> str:
    """Why counted cash cannot be handed over like this; empty when it can: all of it goes, and money to the bank has a bag."""
    if bag_minor < 0 or vault_minor < 0:
        return "negative"
    if bag_minor + vault_minor != counted_minor:
        return "not_all"
    if bool(bag_number.strip()) != bool(bag_minor):
        return "no_bag" if bag_minor else "empty_bag"
    return ""


def large_cash(slips: Iterable[CashSlip], threshold_minor: int) -> list[LargeCash]:
    """Each person's cash of a day at one lender, once or in sum, that is at the threshold or above; the newest day first."""
    sums: dict[tuple[int, int, date], list[int]] = defaultdict(list)
    for s in slips:
        sums[s.entity_id, s.party_id, s.day].append(s.amount_minor)
    found = [LargeCash(*key, sum(a), len(a)) for key, a in sums.items() if sum(a) >= threshold_minor]
    return sorted(found, key=lambda x: (-x.day.toordinal(), -x.amount_minor, x.party_id))


def working_day_after(on: date, days: int, is_working: Callable[[date], bool]) -> date:
    """The day that lies so many working days after another."""
    at = on
    while days:
        at = date.fromordinal(at.toordinal() + 1)
        days -= is_working(at)
    return at
