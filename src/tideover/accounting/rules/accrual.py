"""Non-accrual: from which day a loan's interest stops being income, and from which it is income again.

A loan enters when its days past due exceed the pack's threshold; it leaves when all arrears are paid (`arrears_paid`), or as soon
as its days past due fall back to the threshold (`days`). Between events days past due never fall, so it is enough to look at a
loan on the days of its events, the days before them, and the day asked about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

NO = -(2**31)
LEAVES = ("arrears_paid", "days")


@dataclass(frozen=True, slots=True)
class NonAccrual:
    """The pack's rule. over_days: enters above so many days past due. leaves: one of LEAVES. source: rule id, instrument."""

    over_days: int
    leaves: str = "arrears_paid"
    source: str = ""


def nonaccrual_read(values: Mapping[str, Any], source: str = "") -> NonAccrual:
    """The rule of a pack's values. Raises ValueError naming what is wrong."""
    over, leaves = values.get("over_days"), values.get("leaves", "arrears_paid")
    if isinstance(over, bool) or not isinstance(over, int) or over < 0:
        raise ValueError(f"{source}: over_days must be a whole number of days, not {over!r}")
    if leaves not in LEAVES:
        raise ValueError(f"{source}: leaves must be one of {', '.join(LEAVES)}, not {leaves!r}")
    return NonAccrual(over, str(leaves), source)


@dataclass(frozen=True, slots=True)
class Looks:
    """Loans looked at on days, by loan and then by day. loan, day, days_past_due, overdue (minor units past due): int64[m]."""

    loan: np.ndarray
    day: np.ndarray
    days_past_due: np.ndarray
    overdue: np.ndarray


def nonaccrual_since(looks: Looks, rule: NonAccrual, before: np.ndarray) -> np.ndarray:
    """The day since which the loan is on non-accrual at each look (int64[m]); NO where it is not.

    before: int64[m], the day since which it was when the looks began (read at the first look of each loan); NO: it was not.
    Between two looks the day of entry is found by counting back from the days past due.
    """
    out = np.full(len(looks.loan), NO, np.int64)
    enters = looks.days_past_due > rule.over_days
    leaves = ~enters if rule.leaves == "days" else (looks.days_past_due == 0) & (looks.overdue == 0)
    loan, since, last_day = -1, NO, NO
    busy = np.flatnonzero(enters | (before != NO))
    if not len(busy):
        return out
    chosen = np.flatnonzero(np.isin(looks.loan, np.unique(looks.loan[busy])))
    for i in chosen.tolist():
        if looks.loan[i] != loan:
            loan, since, last_day = int(looks.loan[i]), int(before[i]), NO
        if since != NO and leaves[i]:
            since = NO
        elif since == NO and enters[i]:
            counted = int(looks.day[i]) - (int(looks.days_past_due[i]) - rule.over_days - 1)
            since = max(counted, last_day + 1) if last_day != NO else counted
        out[i], last_day = since, int(looks.day[i])
    return out
