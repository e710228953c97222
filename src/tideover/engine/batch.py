"""Standings of many loans: partitions of columns through the kernel on a thread pool, gaps through the reference."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from tideover.engine import reference
from tideover.engine.columns import MOVES, ROW_OUT, STANDING, EventColumns, TermsColumns
from tideover.engine.events import EventRejected
from tideover.engine.moves import CAUSE_COUNT, MOVE_COLUMNS
from tideover.engine.standing import Depth, Row, Standing, TraceLine
from tideover.engine.terms import BusinessDay

ALL_KNOWN = 2**62
CHUNK = 4096
ROWS_AT_ONCE = 100_000
STATUS_OK, STATUS_REJECTED, STATUS_GAP = 0, 1, 2
MINOR = (
    "principal", "interest", "accrued", "penalty", "compound", "fee", "third_party_fee", "recovery_cost", "surplus", "payoff",
    "total_overdue", "overdue_principal", "overdue_interest", "in_flight", "next_due", "paid_total", "row_outstanding",
)  # fmt: skip
PLAIN = (
    "days_past_due", "oldest_due_on", "shown_days_past_due", "borrower_days_past_due", "next_due_on", "row_count", "due_count",
    "paid_count", "last_due_on", "maturity_on", "interest_since",
)  # fmt: skip
VECTORS = ("subrogated", "written_off", "recovered")


@dataclass(slots=True)
class Standings:
    """Answers of a batch. table: records of STANDING, money in minor units; status 1 where an event cannot apply
    (`status_seq` says which). by_reference: how many loans the kernel left to the reference. moves: int64[n, CAUSE_COUNT,
    MOVE_COLUMNS] (engine.moves) where they were asked for, else int64[0, ...]."""

    table: np.ndarray
    classes: list[str]
    by_reference: int
    moves: np.ndarray = field(default_factory=lambda: np.zeros((0, CAUSE_COUNT, MOVE_COLUMNS), np.int64))


_local = threading.local()
"""One scratch a thread for single loans."""


@cache
def _kernel() -> Any:
    """The compiled module; imported on first use, so that what needs no kernel does not import numba."""
    from tideover.engine import kernel

    return kernel


def replay_many(
    terms: TermsColumns,
    events: EventColumns,
    as_of: int | np.ndarray,
    known_at: int | None = None,
    threads: int = 1,
    moves: bool = False,
) -> Standings:
    """Totals of every loan on `as_of` (int day, one or one a loan) from events with recorded_at <= known_at (all when None);
    with `moves` also what moved since payout, by cause.

    Terms must be sound. Nothing is raised for an event that cannot apply: the loan's `status` says so.
    """
    kernel, n = _kernel(), len(terms.loans)
    out = np.zeros(n, STANDING).view(np.recarray)
    moved = np.zeros(n if moves else 0, MOVES).view(np.recarray)
    _fits(terms, events)
    days = np.array(np.broadcast_to(as_of, n), np.int64)  # a copy: a read-only array would compile the kernel once more
    known = ALL_KNOWN if known_at is None else known_at
    works = [kernel.work_new(terms) for _ in range(threads)]

    def part(k: int) -> None:
        for first in range(k * CHUNK, n, threads * CHUNK):
            kernel.replay_range(
                works[k], terms.loans, terms.conventions, terms.custom, events.offsets, events.events, events.details, first,
                min(n, first + CHUNK), days, known, out, moved,
            )  # fmt: skip

    if threads == 1:
        part(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, range(threads)))
    gaps = np.flatnonzero(out["status"] == STATUS_GAP)
    classes = list(events.classes)
    for i in gaps.tolist():
        by = _by_reference(out[i], terms, events, i, int(days[i]), known_at, classes)
        if moves and by:
            moved["by"][i] = by
    return Standings(out, classes, len(gaps), moved["by"])


def _fits(terms: TermsColumns, events: EventColumns) -> None:
    """Assert that every index in the columns points inside them: the kernel would read whatever lies there."""
    loans, offsets, details = terms.loans, events.offsets, events.events["detail"]
    assert len(offsets) == len(loans) + 1 and offsets[0] >= 0 and offsets[-1] <= len(details), "offsets do not fit the columns"
    assert (offsets[1:] >= offsets[:-1]).all(), "offsets fall"
    if len(loans):
        assert loans["convention"].min() >= 0 and loans["convention"].max() < len(terms.conventions), "no such convention"
        assert loans["custom_at"].min() >= 0 and loans["custom_count"].min() >= 0, "custom rows begin before the first"
        assert (loans["custom_at"] + loans["custom_count"]).max() <= len(terms.custom), "custom rows end after the last"


def _by_reference(
    out: Any, terms: TermsColumns, events: EventColumns, i: int, as_of: int, known_at: int | None, classes: list[str]
) -> list[list[int]]:
    """Let the reference answer for loan i; what moved."""
    try:
        s = reference.replay(terms.at(i).checked(), events.at(i), as_of, known_at)
    except EventRejected as rejected:
        out["status"], out["status_seq"] = STATUS_REJECTED, rejected.seq
        return []
    standing_into(out, s, classes)
    return s.moves


def standing_into(out: Any, s: Standing, classes: list[str]) -> None:
    """Write a standing into a record of STANDING; a class that is new is added to `classes`."""
    out["status"] = STATUS_OK
    for name in MINOR:
        out[name] = getattr(s, f"{name}_minor")
    for name in PLAIN:
        out[name] = getattr(s, name)
    for name in VECTORS:
        out[name] = getattr(s, f"{name}_minor")
    out["is_written_off"], out["line_count"] = s.is_written_off, len(s.trace)
    if s.class_min not in classes:
        classes.append(s.class_min)
    out["class_code"] = classes.index(s.class_min)


def standing_of(record: Any, as_of: int, classes: list[str]) -> Standing:
    """One record of `Standings` as an object (without rows and trace)."""
    s = Standing(as_of=as_of)
    for name in MINOR:
        setattr(s, f"{name}_minor", int(record[name]))
    for name in PLAIN:
        setattr(s, name, int(record[name]))
    for name in VECTORS:
        setattr(s, f"{name}_minor", [int(v) for v in record[name]])
    s.is_written_off, s.class_min = bool(record["is_written_off"]), classes[int(record["class_code"])]
    return s


def replay_one(
    terms: TermsColumns, events: EventColumns, as_of: int, known_at: int | None, depth: Depth = Depth.TRACE
) -> Standing | None:
    """Standing of the first loan, down to a depth; None where only the reference can answer or say what is wrong."""
    kernel = _kernel()
    if not hasattr(_local, "work"):
        _local.work = kernel.work_new(terms)
    work = _local.work
    if terms.templates[0].business_day != BusinessDay.UNADJUSTED:
        kernel.calendars_set(work, terms)
    out = np.zeros(1, STANDING).view(np.recarray)
    moved = np.zeros(1, MOVES).view(np.recarray)
    known = ALL_KNOWN if known_at is None else known_at
    kernel.replay_range(
        work, terms.loans, terms.conventions, terms.custom, events.offsets, events.events, events.details, 0, 1,
        np.array([as_of], np.int64), known, out, moved,
    )  # fmt: skip
    if out[0].status != STATUS_OK:
        return None
    s = standing_of(out[0], as_of, events.classes)
    if depth >= Depth.ROWS:
        rows = np.zeros(s.row_count, ROW_OUT).view(np.recarray)
        kernel.rows_out(work, terms.conventions[int(terms.loans[0].convention)], rows)
        s.rows = _rows_of(rows)
    if depth >= Depth.TRACE:
        s.trace, s.moves = _trace_of(work["lines"][0][: int(out[0].line_count)]), moved["by"][0].tolist()
    return s


def _rows_of(records: np.ndarray) -> list[Row]:
    """Records of ROW_OUT as rows in order of due day. Column by column: a loan may have thousands."""
    r = records[np.argsort(records["due_on"], kind="stable")]
    left = r["principal"].sum() - np.cumsum(r["principal"])
    columns = (
        np.arange(1, len(r) + 1), r["due_on"], r["late_from"], r["principal"], r["interest"], left,
        r["paid_principal"] + r["paid_interest"], r["paid_principal"], r["paid_interest"], r["outstanding"], r["penalty"],
        r["compound"], r["subsidy"], r["paid_on"],
    )  # fmt: skip
    return list(map(Row, *(c.tolist() for c in columns)))


def _trace_of(lines: np.ndarray) -> list[TraceLine]:
    return list(map(TraceLine, *(lines[name].tolist() for name in ("seq", "on", "amounts", "held"))))


def rows_many(terms: TermsColumns, events: EventColumns, as_of: np.ndarray) -> tuple[Standings, np.ndarray, np.ndarray]:
    """(standings, offsets int64[n + 1], records of ROW_OUT): the instalments of loan i, in order of due day, are
    rows[offsets[i] : offsets[i + 1]] as they stand on as_of[i] (int64[n]) with every event known.

    Terms must be sound. A loan whose `status` is not 0 (an event cannot apply, or the kernel does not take it) has no rows.
    """
    from tideover.engine.kernel_rows import rows_range

    kernel, n = _kernel(), len(terms.loans)
    work, out = kernel.work_new(terms), np.zeros(n, STANDING).view(np.recarray)
    counts, days, no_moves = np.zeros(n, np.int64), np.array(as_of, np.int64), np.zeros(0, MOVES).view(np.recarray)
    parts, first = [], 0
    while first < n:
        buffer = np.zeros(ROWS_AT_ONCE, ROW_OUT).view(np.recarray)
        last, used = rows_range(
            work, terms.loans, terms.conventions, terms.custom, events.offsets, events.events, events.details, first, n, days,
            ALL_KNOWN, out, counts, buffer, no_moves,
        )  # fmt: skip
        parts.append(buffer[:used])
        first = last
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return Standings(out, list(events.classes), 0), offsets, _by_due(parts, offsets)


def _by_due(parts: list[np.ndarray], offsets: np.ndarray) -> np.ndarray:
    rows = np.concatenate(parts) if parts else np.zeros(0, ROW_OUT)
    of = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return rows[np.lexsort((rows["due_on"], of))]
