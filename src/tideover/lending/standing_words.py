"""Status, bucket and class of many standings at once: the words of `selectors.standing_fields`, said for whole columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tideover.core.packs.load import ladder
from tideover.core.packs.rules.ladders import Ladder
from tideover.engine.batch import Standings
from tideover.engine.classify import CLASSES, classify_many
from tideover.engine.terms import date_of
from tideover.lending.columns import Loans, numbers
from tideover.lending.selectors import BUCKETS

STATUSES = ("active", "overdue", "paid_off", "written_off")
ACTIVE, OVERDUE, PAID_OFF, WRITTEN_OFF = range(4)
BUCKET_CODES = (*(code for _, code in BUCKETS), "d180p", "written_off", "closed")
BUCKET_OF = {code: n for n, code in enumerate(BUCKET_CODES)}


def status_of(s: np.ndarray) -> np.ndarray:
    """Index into STATUSES, as `selectors.loan_status` says."""
    status = np.where(s["days_past_due"] > 0, OVERDUE, ACTIVE)
    status = np.where(s["is_written_off"] != 0, WRITTEN_OFF, status)
    return np.where((s["payoff"] <= 0) & (s["row_outstanding"] == 0), PAID_OFF, status).astype(np.int8)


def buckets_of(s: np.ndarray, status: np.ndarray) -> np.ndarray:
    """Index into BUCKET_CODES of each standing."""
    bucket = np.searchsorted(np.array([upper for upper, _ in BUCKETS]), s["days_past_due"]).astype(np.int8)
    bucket[status == PAID_OFF] = BUCKET_OF["closed"]
    bucket[status == WRITTEN_OFF] = BUCKET_OF["written_off"]
    return bucket


def categories_of(standings: Standings, status: np.ndarray, of: np.ndarray, ladders: Sequence[Ladder]) -> np.ndarray:
    """Index into CLASSES by days past due on each loan's ladder (`of`: index into `ladders`), never better than the floor that an
    event set."""
    s = standings.table
    found = classify_many(s["days_past_due"], ladders, of)
    floors = np.array([CLASSES.index(c) if c else 0 for c in standings.classes], np.int8)
    found = np.maximum(found, floors[s["class_code"]])
    return np.where(status == PAID_OFF, 0, found).astype(np.int8)


def ladders_of(loans: Loans, lenders: Mapping[int, tuple[str, str]], on: int | np.ndarray) -> tuple[np.ndarray, list[Ladder]]:
    """Which ladder classes each loan on `on` (int day, one or one a loan), and the ladders: by its lender, and by its product
    where that names one. lenders: (jurisdiction, kind of lender) by legal entity."""
    given = np.atleast_1d(np.asarray(on))
    days, day_of = np.unique(given, return_inverse=True) if len(given) > 1 else (given, np.zeros(1, np.int64))
    names = sorted({c.ladder for c in loans.conventions}) or [""]
    name_of = np.array([names.index(c.ladder) for c in loans.conventions] or [0], np.int64)
    entities = numbers(loans.partition.contracts["entity_id"])
    kinds = (entities * len(names) + name_of[loans.convention]) * len(days) + day_of
    found, of = np.unique(kinds, return_inverse=True)
    parts = ((k // len(days) // len(names), k // len(days) % len(names), k % len(days)) for k in found.tolist())
    return of, [ladder(*lenders[e], date_of(int(days[d])), names[n]) for e, n, d in parts]
