"""What changed since the tape of the day before, for all loans at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tideover.daily.loans import Figures, codes, dates
from tideover.engine.terms import day
from tideover.lending.columns import numbers
from tideover.lending.standing_words import BUCKET_CODES, BUCKET_OF
from tideover.tape.schema import TRANSITIONS, arrow_schema

KINDS = (
    "opened", "corrected", "became_due", "became_overdue", "rolled", "cured", "paid_off", "written_off", "reopened",
)  # fmt: skip
OPENED, CORRECTED, BECAME_DUE, BECAME_OVERDUE, ROLLED, CURED, PAID_OFF, WRITTEN_OFF, REOPENED = range(len(KINDS))
CURRENT, GONE, CLOSED = BUCKET_OF["current"], BUCKET_OF["written_off"], BUCKET_OF["closed"]
BEFORE = ("loan_id", "bucket", "days_past_due", "total_balance")
"""Columns of the day before that a change is told from."""


@dataclass(frozen=True, slots=True)
class Corrections:
    """Loans (rows of the day's tape) whose day before may look different now, and that day as it is now known."""

    rows: np.ndarray
    before: Figures

    @classmethod
    def joined(cls, parts: Sequence[tuple[int, np.ndarray, Figures]]) -> Corrections:
        """Of partitions: (first row, rows within, figures) each."""
        rows = [first + rows for first, rows, _ in parts] or [np.empty(0, np.int64)]
        names = ("bucket", "days_past_due", "balance")
        figures = [np.concatenate([getattr(f, n) for _, _, f in parts] or [np.empty(0, np.int64)]) for n in names]
        return cls(np.concatenate(rows), Figures(*figures))


def figures_read(table: pa.Table) -> Figures:
    """Figures of a stored tape; bucket -1 where it is null."""
    index = pc.index_in(table["bucket"].cast(pa.string()), value_set=pa.array(BUCKET_CODES))
    return Figures(numbers(index, -1).astype(np.int8), numbers(table["days_past_due"]), numbers(table["total_balance"]))


def transitions(loans: pa.Table, before: pa.Table | None, corrections: Corrections, as_of: date) -> pa.Table:
    """The transitions of a day. before: BEFORE of the day before's loan tape; None: it is not closed, and nothing is told."""
    if before is None:
        return arrow_schema("transitions").empty_table()
    now, then = figures_read(loans), figures_read(before)
    at = numbers(pc.index_in(loans["loan_id"], value_set=before["loan_id"].combine_chunks()), -1)
    told = [(np.flatnonzero(at < 0), OPENED, None)]
    known = np.flatnonzero(at >= 0)
    old = Figures(then.bucket[at], then.days_past_due[at], then.balance[at])
    told += _corrected(at, old, corrections)
    falls = numbers(loans["last_due_date"], -1)[known] == day(as_of)
    told.append((known[falls], BECAME_DUE, old))
    told += _moved(known, now, old)
    return _rows(loans, told, now, old, corrections, as_of)


def _corrected(at: np.ndarray, old: Figures, corrections: Corrections) -> list[tuple[np.ndarray, int, Figures | None]]:
    """State what differs, and go on from the day before as it is now known (`old` is changed in place)."""
    rows = corrections.rows
    new = corrections.before
    differs = (
        (old.bucket[rows] != new.bucket) | (old.days_past_due[rows] != new.days_past_due) | (old.balance[rows] != new.balance)
    )
    chosen = np.flatnonzero(differs & (at[rows] >= 0) & (new.bucket >= 0))
    stated = Figures(old.bucket.copy(), old.days_past_due.copy(), old.balance.copy())
    where = rows[chosen]
    old.bucket[where], old.days_past_due[where], old.balance[where] = (
        new.bucket[chosen], new.days_past_due[chosen], new.balance[chosen],
    )  # fmt: skip
    return [(where, CORRECTED, stated)]


def _moved(known: np.ndarray, now: Figures, old: Figures) -> list[tuple[np.ndarray, int, Figures | None]]:
    """Loans in another bucket than the day before. A loan that could not be replayed on either day is not compared."""
    was, is_ = old.bucket[known], now.bucket[known]
    moved = (was != is_) & (was >= 0) & (is_ >= 0)
    kind = np.where(is_ > was, ROLLED, CURED)
    kind = np.where(was == CURRENT, BECAME_OVERDUE, kind)
    kind = np.where(was >= GONE, REOPENED, kind)
    kind = np.where(is_ == GONE, WRITTEN_OFF, kind)
    kind = np.where(is_ == CLOSED, PAID_OFF, kind)
    return [(known[moved & (kind == k)], k, old) for k in range(BECAME_OVERDUE, len(KINDS))]


def _rows(
    loans: pa.Table,
    told: list[tuple[np.ndarray, int, Figures | None]],
    now: Figures,
    old: Figures,
    corrections: Corrections,
    as_of: date,
) -> pa.Table:
    """Rows of the tape, by loan and then by kind."""
    rows = np.concatenate([r for r, _, _ in told])
    kind = np.concatenate([np.full(len(r), k) for r, k, _ in told])
    sides = {"from": [], "to": []}  # type: dict[str, list[Figures]]
    for r, k, was in told:
        nothing = np.full(len(r), -1)
        sides["from"].append(Figures(nothing, nothing, nothing) if was is None else _at(was, r))
        sides["to"].append(_at(old if k == CORRECTED else now, r))
    order = np.lexsort((kind, rows))
    rows, kind = rows[order], kind[order]
    out = {
        "data_cut_off_date": dates(np.full(len(rows), day(as_of))),
        "kind": codes(kind, KINDS),
        **{name: loans[name].take(pa.array(rows)) for name in ("loan_id", "originator_id", "branch")},
    }
    for side, parts in sides.items():
        bucket, days, balance = (
            np.concatenate([getattr(p, n) for p in parts])[order] for n in ("bucket", "days_past_due", "balance")
        )
        absent = bucket < 0
        out[f"{side}_bucket"] = codes(bucket, BUCKET_CODES, absent)
        out[f"{side}_days_past_due"] = pa.array(days.astype(np.int32), mask=absent)
        out[f"{side}_balance"] = pa.array(balance, mask=absent)
    return pa.table({c.name: out[c.name] for c in TRANSITIONS})


def _at(figures: Figures, rows: np.ndarray) -> Figures:
    return Figures(figures.bucket[rows], figures.days_past_due[rows], figures.balance[rows])
