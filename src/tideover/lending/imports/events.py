"""Payments and histories of a file: keys, acceptance by replay in batches, and storing whole loans in short transactions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import transaction

from tideover.core.business_time import business_date, micros, now
from tideover.core.sql import among, rows_read
from tideover.engine.events import EventKind
from tideover.engine.terms import NO_DAY, date_of, day
from tideover.lending import clock
from tideover.lending.chain import body_hash, canonical
from tideover.lending.columns import OK, Conventions, Loans, event_counts, loans_read, standings_of, with_events
from tideover.lending.held import CORE, REPLAY, figures_held, held_into
from tideover.lending.imports.bulk import EventBatch, append_batch, events_table, keys_known
from tideover.lending.imports.checks import Links
from tideover.lending.imports.frame import Frame
from tideover.lending.imports.standings import standing_columns, standings_refresh, standings_write, why_not
from tideover.lending.imports.writers import Progress, write_all
from tideover.lending.models import Contract
from tideover.lending.rules.events import event_problems

LOANS_AT_ONCE = 5_000
EVENTS_AT_ONCE = 20_000
"""A chunk stays well under the second that a writer may hold its transaction (DESIGN §2)."""
AGAINST = [int(k) for k in (EventKind.REVERSAL, EventKind.CHARGEBACK, EventKind.ADJUSTMENT)]
COLUMN_OF = {"of_seq": "of_reference", "rate_ppm": "rate"}
"""Field of an event: the target that brings it, where its name is another."""


@dataclass(slots=True)
class Accepted:
    """New events that can happen, and the standing that each loan will have with them.

    ids (ascending), counts (events each loan had when it was replayed): int64[n]; standings: columns of the cache on `today`.
    """

    batch: EventBatch
    today: int
    ids: np.ndarray
    counts: np.ndarray
    standings: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.batch)


def payments(frame: Frame, links: Links, file_sha: str) -> tuple[Accepted, int]:
    """The file's new payments, a loan's in order of value date, and how many are booked already.

    Keys: namespace and reference, else the file's digest and the row, so that one file is never booked twice.
    A reference that was booked with another loan, day or amount is refused, and so is what cannot happen to the loan.
    """
    n = len(frame)
    kinds = np.full(n, int(EventKind.PAYMENT), np.int64)
    batch = _Batch(frame, links, kinds, frame.number("amount"), file_sha)
    already = batch.already()
    at = np.flatnonzero(frame.ok & ~batch.held)
    batch.order(at[np.lexsort((at, batch.on[at], batch.loan[at]))])
    return batch.accepted(), already


def histories(frame: Frame, links: Links, file_sha: str) -> tuple[Accepted, int]:
    """New events of any kind by loan, in the file's order, checked by replaying each loan with them."""
    names = frame.values["kind"].to_pylist() if len(frame) else []
    kinds = np.array([int(EventKind[k.upper()]) if k and k.upper() in EventKind.__members__ else 0 for k in names], np.int64)
    amount = frame.number("amount")
    batch = _Batch(frame, links, kinds, np.where((kinds == EventKind.WAIVER) & (amount == 0), -1, amount), file_sha)
    batch.recorded = frame.number("recorded_at", -1)
    _recorded_check(frame, batch.loan, batch.recorded)
    batch.extras = _extras(frame, kinds)
    batch.whole()
    stored = keys_known([batch.keys[i] for i in np.flatnonzero(frame.ok).tolist()])
    batch.held = np.array([k in stored for k in batch.keys], bool)
    at = np.flatnonzero(frame.ok & ~batch.held)
    batch.order(at[np.argsort(batch.loan[at], kind="stable")])
    batch.against()
    batch.sound()
    _changed_check(batch, stored)
    batch.whole()
    return batch.accepted(one_by_one=False), int((batch.held & frame.ok).sum())


class _Batch:
    """The events of a file: columns by row of the frame, and the rows that are new in the order of the journal."""

    def __init__(self, frame: Frame, links: Links, kinds: np.ndarray, amount: np.ndarray, file_sha: str) -> None:
        self.frame, self.kinds, self.amount = frame, kinds, amount
        self.on = frame.number("effective_on")
        self.keys = _keys(frame, file_sha)
        self.loan = np.array([t[0] if t else 0 for t in links.things["loan_id"]] or [0], np.int64)[links.at["loan_id"]]
        self.recorded = np.full(len(frame), -1, np.int64)
        self.extras: list[dict[str, Any] | None] | None = None
        self.held = np.zeros(len(frame), bool)
        self.at = np.zeros(0, np.int64)

    def already(self) -> int:
        """Mark what the journal holds; refuse what it holds with another body; how many rows were booked before."""
        stored = keys_known([self.keys[i] for i in np.flatnonzero(self.frame.ok).tolist()])
        if not stored:
            return 0
        self.held = np.array([k in stored for k in self.keys], bool)
        _changed_check(self, stored)
        return int((self.held & self.frame.ok).sum())

    def order(self, at: np.ndarray) -> None:
        """Rows of the new events, those of a loan together by ascending id."""
        self.at = at

    def against(self) -> None:
        """Give each reversal, chargeback or adjustment the seq of the new event whose reference it names."""
        frame, speaks = self.frame, np.isin(self.kinds, AGAINST)
        if self.extras is None or not speaks[self.at].any():
            return
        names, of = frame.values["reference"].to_pylist(), frame.values["of_reference"].to_pylist()
        counts = dict(rows_read(Contract, ("id", "event_count"), *among("id", np.unique(self.loan[self.at]).tolist())))
        seqs: dict[tuple[int, str], int] = {}
        for i in self.at.tolist():
            counts[int(self.loan[i])] += 1
            seqs[int(self.loan[i]), names[i]] = counts[int(self.loan[i])]
        lost = np.zeros(len(frame), bool)
        for i in self.at[speaks[self.at]].tolist():
            seq = seqs.get((int(self.loan[i]), of[i]))
            lost[i] = seq is None
            self.extras[i] = {**(self.extras[i] or {}), "of_seq": seq or 0}
        frame.reject(lost, "of_reference", "names no new event of this loan in the file")

    def sound(self) -> None:
        """Refuse what is wrong with an event by itself (`rules.events`): money where it has none, a field that it needs."""
        rows = self.at[self.frame.ok[self.at]]
        for i in rows[(self.kinds[rows] != EventKind.PAYMENT) | (self.amount[rows] <= 0)].tolist():
            extra = None if self.extras is None else self.extras[i]
            found = event_problems(EventKind(int(self.kinds[i])), int(self.amount[i]), extra)
            if found:
                column = COLUMN_OF.get(found[0].field.removeprefix("extra."), found[0].field.removeprefix("extra."))
                self._reject(np.array([i]), found[0].message, column)

    def whole(self) -> None:
        """Refuse the whole history of a loan of which an event is refused: one with a gap would be false."""
        lost = np.unique(self.loan[~self.frame.ok])
        self.frame.reject(np.isin(self.loan, lost[lost > 0]), "loan_id", "another event of this loan is refused")
        self.at = self.at[self.frame.ok[self.at]]

    def batch(self, at: np.ndarray) -> EventBatch:
        """Columns of some rows."""
        rows = at.tolist()
        return EventBatch(
            self.loan[at], self.kinds[at], self.on[at], self.amount[at], self.recorded[at], [self.keys[i] for i in rows],
            None if self.extras is None else [self.extras[i] for i in rows],
        )  # fmt: skip

    def accepted(self, *, one_by_one: bool = True) -> Accepted:
        """The new events that can happen, by replaying every loan with them; the others are refused.

        one_by_one: refuse the event that cannot happen and no other of its loan (payments, which do not speak of one another).
        """
        shared, today = Conventions.of_book(), day(business_date())
        loan, done = self.loan[self.at], []
        for first, last in chunks(loan, LOANS_AT_ONCE * 4, EVENTS_AT_ONCE * 10):
            rows = self.at[first:last]
            loans = loans_read(np.unique(self.loan[rows]), shared)
            counts = event_counts(loans)
            done.append((loans.ids, counts, self._accept(rows, loans, counts, today, one_by_one)))
        self.at = self.at[self.frame.ok[self.at]]
        none = np.zeros(0, np.int64)
        standings = {n: np.concatenate([s[n] for _, _, s in done]) for n in (done[0][2] if done else ())}
        return Accepted(
            self.batch(self.at), today, np.concatenate([none, *(ids for ids, _, _ in done)]),
            np.concatenate([none, *(counts for _, counts, _ in done)]), standings,
        )  # fmt: skip

    def _accept(self, rows: np.ndarray, loans: Loans, counts: np.ndarray, today: int, one_by_one: bool) -> dict[str, np.ndarray]:
        """Refuse what cannot happen, again and again until every loan replays; the standings of the loans on `today`."""
        as_of = np.maximum(today, loans.disbursed)
        while True:
            at = np.searchsorted(loans.ids, self.loan[rows])
            tried = with_events(loans, events_table(self.batch(rows), at, counts))
            last = as_of.copy()
            np.maximum.at(last, np.repeat(np.arange(len(last)), np.diff(tried.events.offsets)), tried.events.events["on"])
            found, state = standings_of(tried, last)
            bad = np.flatnonzero((state != OK) & np.isin(loans.ids, self.loan[rows]))
            if not len(bad):
                break
            self._reject_events(rows, tried, counts, last, bad, found.table["status_seq"])
            if not one_by_one:
                self.whole()
            rows = rows[self.frame.ok[rows]]
        if (last > as_of).any():
            found, state = standings_of(tried, as_of)
        core = held_into(found, state, tried, as_of, None, figures_held(tried.ids.tolist(), business_date()))
        return standing_columns(found, as_of, tried) | {"source": np.where(core, CORE, REPLAY)}

    def _reject_events(
        self, rows: np.ndarray, loans: Loans, counts: np.ndarray, last: np.ndarray, bad: np.ndarray, seqs: np.ndarray
    ) -> None:
        """Refuse the event at which each loan of `bad` stops, or all its new ones where a stored event is to blame."""
        for i in bad.tolist():
            own = rows[self.loan[rows] == loans.ids[i]]
            new = int(seqs[i]) - int(counts[i]) - 1
            reason = why_not(loans, i, int(last[i]))
            self._reject(own[new : new + 1] if 0 <= new < len(own) else own, f"cannot happen: {reason}")

    def _reject(self, rows: np.ndarray, reason: str, column: str = "loan_id") -> None:
        bad = np.zeros(len(self.frame), bool)
        bad[rows] = True
        self.frame.reject(bad, column, reason)


def _changed_check(batch: _Batch, stored: dict[str, bytes]) -> None:
    """Refuse a reference that was booked with another loan, day, kind or amount."""
    frame, other = batch.frame, np.zeros(len(batch.frame), bool)
    for i in np.flatnonzero(batch.held & frame.ok).tolist():
        extra = None if batch.extras is None else batch.extras[i]
        if batch.kinds[i] in AGAINST:
            continue  # which event it speaks of was resolved when it was booked
        body = body_hash(int(batch.kinds[i]), int(batch.on[i]), int(batch.amount[i]), canonical(extra), int(batch.loan[i]))
        other[i] = stored[batch.keys[i]] != body
    frame.reject(other, "reference" if frame.has("reference") else "loan_id", "was booked with another loan, day or amount")


def _keys(frame: Frame, file_sha: str) -> list[str]:
    space = frame.mapping.namespace
    rows = frame.rows.tolist()
    if not frame.has("reference"):
        return [f"file:{file_sha[:24]}:{row}" for row in rows]
    names = frame.values["reference"].to_pylist()
    return [f"{space}:{n}"[:80] if n else f"file:{file_sha[:24]}:{row}" for n, row in zip(names, rows, strict=True)]


def _recorded_check(frame: Frame, loan: np.ndarray, recorded: np.ndarray) -> None:
    """Refuse what is said to have been known in a day that is closed, or later than now."""
    closed = clock.cut_off()
    frame.reject(recorded > micros(now()), "recorded_at", "lies in the future")
    if closed is None:
        return
    found = rows_read(Contract, ("id", "created_at"), *among("id", np.unique(loan).tolist()))
    known = [pk for pk, created_at in found if created_at <= closed]
    below = np.isin(loan, known) & (recorded >= 0) & (recorded <= micros(closed))
    reason = f"what was known by {closed.isoformat()} is closed; leave it out, or import before closing"
    frame.reject(below, "recorded_at", reason)


def _extras(frame: Frame, kinds: np.ndarray) -> list[dict[str, Any] | None]:
    """The other fields of each event; None where a kind has none."""
    components = frame.values["component"].to_pylist() if frame.has("component") else [None] * len(frame)
    due, until, rate = frame.number("due_on", NO_DAY), frame.number("until", NO_DAY), frame.number("rate", -1)
    out: list[dict[str, Any] | None] = []
    for i, kind in enumerate(kinds.tolist()):
        extra: dict[str, Any] = {}
        if components[i]:
            extra["component"] = components[i]
        if kind == EventKind.CHARGE and due[i] != NO_DAY:
            extra["until"] = date_of(int(due[i])).isoformat()
        if kind == EventKind.EXTENSION and until[i] != NO_DAY:
            extra["until"] = date_of(int(until[i])).isoformat()
        if kind in (EventKind.RATE_CHANGE, EventKind.EXTENSION) and rate[i] >= 0:
            extra["rate_ppm"] = int(rate[i])
        out.append(extra or None)
    return out


def chunks(loan: np.ndarray, loans_max: int, events_max: int) -> Iterator[tuple[int, int]]:
    """(first, last) of runs of whole loans, of at most so many loans, and events unless one loan has more."""
    if not len(loan):
        return
    starts = np.append(np.flatnonzero(np.concatenate([[True], np.diff(loan) != 0])), len(loan))
    k = 0
    while k < len(starts) - 1:
        fits = int(np.searchsorted(starts, starts[k] + events_max, side="right")) - 1
        end = max(k + 1, min(k + loans_max, fits, len(starts) - 1))
        yield int(starts[k]), int(starts[end])
        k = end


def events_store(accepted: Accepted, actor: str, progress: Progress) -> int:
    """Append events and rewrite standings, whole loans a transaction.

    The standings of the check hold unless another writer came to one of the loans, or the day changed, in between.
    """

    def write(part: EventBatch) -> int:
        ids = np.unique(part.contract_ids)
        at = np.searchsorted(accepted.ids, ids)
        with transaction.atomic():
            counts = append_batch(part, actor)
            if (counts == accepted.counts[at]).all() and accepted.today == day(business_date()):
                standings_write(ids, {n: values[at] for n, values in accepted.standings.items()})
            else:
                standings_refresh(ids.tolist())
        return len(part)

    batch = accepted.batch
    parts = (batch.part(*span) for span in chunks(batch.contract_ids, LOANS_AT_ONCE, EVENTS_AT_ONCE))
    return write_all(parts, write, progress)
