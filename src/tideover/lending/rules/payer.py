"""Who a payer is to a borrower, and what about payers people should look at (anti-money-laundering). Pure.

Names are compared by `payer_names`. A name in pinyin or with a mask fits many people, so it never makes a third party by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from tideover.lending.rules.payer_names import MASK, best_fit, is_masked, name_key

RANKS = ("borrower", "co_borrower", "guarantor", "controller")
"""Who a payer can be, nearest first; a name that is none of theirs is a third party's."""
THEIRS = frozenset({"same", "pinyin", "masked"})
"""Fits that make a payer one of the borrower's people; a name that is only near (张三丰, 张三) is somebody else's."""


def payer_is(given: str, people: Mapping[str, Iterable[str]]) -> str:
    """borrower, co_borrower, guarantor, controller, third_party or unknown (no name, or one masked that fits nobody).

    people: names by who they are (RANKS).
    """
    key = name_key(given)
    if not key.replace(MASK, "").strip():
        return "unknown"
    for rank in RANKS:
        if best_fit(given, people.get(rank, ())) in THEIRS:
            return rank
    return "unknown" if is_masked(key) else "third_party"


class Paid(NamedTuple):
    """An earlier receipt of the same payer: the borrower (None: nobody yet), the day, and whether it was a third party's."""

    party: int | None
    on: date
    is_third: bool


@dataclass(frozen=True, slots=True)
class PayerRule:
    """kind: repeated (third-party receipts for one borrower), many_borrowers (unrelated, of one payer); count within days."""

    kind: str
    count: int
    days: int


KINDS = ("repeated", "many_borrowers")


def rules_read(rows: Sequence[Mapping[str, Any]]) -> list[PayerRule]:
    """Rules from plain rows. Raises ValueError naming what cannot be read."""
    out = []
    for n, row in enumerate(rows):
        if set(row) != {"kind", "count", "days"} or row["kind"] not in KINDS:
            raise ValueError(f"rule {n}: give kind ({', '.join(KINDS)}), count and days")
        if not all(isinstance(row[k], int) and not isinstance(row[k], bool) and row[k] > 0 for k in ("count", "days")):
            raise ValueError(f"rule {n}: count and days must be whole numbers above zero")
        out.append(PayerRule(row["kind"], row["count"], row["days"]))
    return out


def alerts(
    rules: Iterable[PayerRule], party: int, on: date, of_borrower: Sequence[Paid], of_payer: Sequence[Paid], related: set[int]
) -> dict[str, dict[str, int]]:
    """What a third party's receipt of a day raises: {kind: its counts}. The receipt itself is not among the earlier ones.

    of_borrower: earlier receipts for this borrower; of_payer: earlier ones of this payer, whoever for; related: parties that
    stand in a loan together with this borrower (paying for them as well is no sign of anything).
    """
    out: dict[str, dict[str, int]] = {"third_party": {}}
    for rule in rules:
        since = on - timedelta(days=rule.days)
        if rule.kind == "repeated":
            found = 1 + sum(1 for p in of_borrower if p.is_third and since < p.on <= on)
        else:
            others = {p.party for p in of_payer if p.party is not None and since < p.on <= on} - related - {party}
            found = 1 + len(others)
        if found >= rule.count:
            out[rule.kind] = {"found": found, "count": rule.count, "days": rule.days}
    return out
