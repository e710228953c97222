"""Which ladder of days past due classes a loan: that of its kind of lender, and of its kind of product where one is named.

A ladder is a list of (days past due, class): a loan is in the worst class whose days it exceeds. Where a rule for the lender and
a rule for the product both hold, the stricter bound of each class counts
(商业银行信用卡业务监督管理办法 art. 92 beside 令〔2023〕1号).
"""

from __future__ import annotations

from datetime import date

from tideover.core.packs.rules.pack import NoRule, Pack, rule
from tideover.engine.classify import CLASSES

PREFIX = "classification."
Ladder = tuple[tuple[int, str], ...]


def ladder_names(pack: Pack) -> list[str]:
    """The ladders that a pack has: kinds of lender (bank) and of product (card)."""
    return sorted(id.removeprefix(PREFIX) for id in pack.rules if id.startswith(PREFIX))


def ladder(pack: Pack, lender: str, on: date, product: str = "") -> Ladder:
    """The bounds that class a loan on a day, lowest first. `product`: the ladder that its product names (card), or empty.

    Raises NoRule when the pack has neither, or no ladder of the product's name, or none in force on the day.
    """
    known = ladder_names(pack)
    names = [n for n in (lender, product) if n in known]
    if not names or (product and product not in known):
        wanted = product or lender
        raise NoRule(f"pack {pack.name} has no ladder {wanted}; its ladders are {', '.join(known)}")
    lowest: dict[str, int] = {}
    for name in names:
        for days, found in rule(pack, PREFIX + name, on).values["over"]:
            lowest[found] = min(days, lowest.get(found, days))
    return tuple((lowest[c], c) for c in CLASSES if c in lowest)
