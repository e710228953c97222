"""What a part of the book moves between two valuations: per day and place, and per loan where news speaks of an earlier day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from tideover.accounting.models import BookRun, LoanPosition
from tideover.accounting.rules.positions import PLACE, POSITIONS
from tideover.accounting.valuation import NO, Part, Valued, day_of, since_on, value
from tideover.engine.events import EventKind
from tideover.engine.terms import date_of
from tideover.lending.columns import event_counts

WINDOW = 32
"""Days valued at once."""
REGULAR, OPENING, ADJUSTING, RESTATED = "regular", "opening", "adjusting", "restated"
AGAINST = (EventKind.REVERSAL, EventKind.ADJUSTMENT, EventKind.CHARGEBACK, EventKind.CHARGE_CREDIT, EventKind.CHARGE_WAIVER)


class Line(NamedTuple):
    """An amount (always positive) by which a position moved; `turned` when it fell. Days ISO; contract 0: a sum over loans."""

    booked_on: str
    effective_on: str
    kind: str
    entity: int
    branch: int
    product: int
    currency: str
    contract: int
    position: str
    turned: bool
    amount_minor: int


@dataclass(slots=True)
class Places:
    """Where loans are booked. rows: distinct (entity, branch, product, currency); of: index into them by loan (int64[n])."""

    rows: list[tuple[int, int, int, str]]
    of: np.ndarray


@dataclass(slots=True)
class Moved:
    """What a part moves and how its sub-ledger stands after it."""

    lines: list[Line] = field(default_factory=list)
    rows: list[LoanPosition] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def moved(part: Part, places: Places, run: BookRun, stored: Mapping[int, LoanPosition]) -> Moved:
    """Value every loan that can have moved on each day of the run, against what is posted."""
    out = Moved()
    first, last = day_of(run.first_day), day_of(run.last_day)
    base_day = first - 1
    counts, ids = event_counts(part.loans), part.loans.ids
    known = [stored.get(int(i)) for i in ids]
    active = np.array([n for n, row in enumerate(known) if _may_move(row, int(counts[n]), places, n)], np.int64)
    amounts = np.zeros((len(ids), len(POSITIONS)), np.int64)
    for n in active.tolist():
        _fill(amounts[n], known[n])
    since = np.array([NO if row is None else day_of(row.nonaccrual_since) for row in known], np.int64)
    state = _State(part, places, known, counts, amounts, since, ids)
    state.move_places(active, run, out)
    booked = run.first_day if run.first_day <= run.last_day else run.last_day
    old = active[part.loans.disbursed[active] <= base_day]
    state.baseline(old, base_day, booked, out)
    day, alive = first, active
    while day <= last and len(alive):
        end = min(day + WINDOW - 1, last)
        alive = state.window(alive, day, end, last, out)
        day = end + 1
    state.store(active, max(base_day, last), out)
    return out


def _may_move(row: LoanPosition | None, count: int, places: Places, n: int) -> bool:
    if row is None or not row.at_rest or row.event_count != count:
        return True
    return (row.entity_id, row.branch_id, row.product_id, row.currency) != places.rows[places.of[n]]


def _fill(into: np.ndarray, row: LoanPosition | None) -> None:
    for name, amount in (row.amounts if row is not None else {}).items():
        into[PLACE[name]] = amount


@dataclass(slots=True)
class _State:
    """A part while its days go by: amounts posted or to be posted so far, by loan."""

    part: Part
    places: Places
    known: list[LoanPosition | None]
    counts: np.ndarray
    amounts: np.ndarray
    since: np.ndarray
    ids: np.ndarray
    rest: dict[int, bool] = field(default_factory=dict)
    written: dict[int, bool] = field(default_factory=dict)
    bad: set[int] = field(default_factory=set)

    def move_places(self, active: np.ndarray, run: BookRun, out: Moved) -> None:
        """A loan that another branch books now takes its balances along."""
        booked = run.first_day if run.first_day <= run.last_day else run.last_day
        for n in active.tolist():
            row = self.known[n]
            place = self.places.rows[self.places.of[n]]
            if row is None or (row.entity_id, row.branch_id, row.product_id, row.currency) == place:
                continue
            old = (row.entity_id, row.branch_id, row.product_id, row.currency)
            for name, amount in row.amounts.items():
                for where, moved in ((old, -amount), (place, amount)):
                    day = booked.isoformat()
                    out.lines.append(Line(day, day, RESTATED, *where, 0, name, moved < 0, abs(moved)))

    def baseline(self, loans: np.ndarray, base_day: int, booked: date, out: Moved) -> None:
        """The last posted day as it is now known: what differs is news of it, a loan taken over, or a changed rule."""
        if not len(loans):
            return
        since, fresh = self.since[loans].copy(), np.array([self._has_news(n) for n in loans.tolist()])
        if fresh.any():
            since[fresh] = since_on(self.part, loans[fresh], base_day)
        # Since when is known already for the day itself; a look back from it would count the same day twice.
        found = value(self.part, loans, np.full(len(loans), base_day, np.int64), since)
        delta = found.amounts - self.amounts[loans]
        self._take(loans, found)
        delta[~found.ok] = 0
        sums: dict[tuple[str, str, int], np.ndarray] = {}
        for m in np.flatnonzero(delta.any(axis=1)).tolist():
            n = int(loans[m])
            if self.known[n] is None or not fresh[m]:
                kind = OPENING if self.known[n] is None else RESTATED
                key = (kind, date_of(base_day).isoformat(), int(self.places.of[n]))
                parts = sums.setdefault(key, np.zeros((2, len(POSITIONS)), np.int64))
                parts[0] += np.maximum(delta[m], 0)
                parts[1] += np.maximum(-delta[m], 0)
                continue
            effective = min(self._news_day(n), base_day)
            for p in np.flatnonzero(delta[m]).tolist():
                amount = int(delta[m, p])
                out.lines.append(
                    Line(
                        booked.isoformat(), date_of(effective).isoformat(), ADJUSTING,
                        *self.places.rows[self.places.of[n]], int(self.ids[n]), POSITIONS[p], amount < 0, abs(amount),
                    )
                )  # fmt: skip
        for (kind, effective_on, place), parts in sums.items():
            for turned in (0, 1):
                for p in np.flatnonzero(parts[turned]).tolist():
                    where = self.places.rows[place]
                    out.lines.append(
                        Line(booked.isoformat(), effective_on, kind, *where, 0, POSITIONS[p], bool(turned), int(parts[turned, p]))
                    )

    def window(self, loans: np.ndarray, first: int, end: int, last: int, out: Moved) -> np.ndarray:
        """The days first..end; the loans that may still move after them."""
        starts = np.maximum(self.part.loans.disbursed[loans], first)
        sizes = np.maximum(end - starts + 1, 0)
        loan = np.repeat(loans, sizes)
        if not len(loan):
            return loans
        begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        days = np.arange(len(loan)) - np.repeat(begins, sizes) + np.repeat(starts, sizes)
        found = value(self.part, loan, days, self.since[loan])
        heads = np.concatenate([[True], loan[1:] != loan[:-1]])
        before = np.empty_like(found.amounts)
        before[1:] = found.amounts[:-1]
        before[heads] = self.amounts[loan[heads]]
        delta = found.amounts - before
        if not found.ok.all():
            _good_to_first_bad(loan, found.ok)
            self.bad |= set(loan[~found.ok].tolist())
            delta[~found.ok] = 0
        self._sum(loan, days, delta, out)
        good = np.flatnonzero(found.ok)
        tails = good[np.concatenate([loan[good][1:] != loan[good][:-1], [True]])] if len(good) else good
        self._take(loan[tails], _of(found, tails))
        return loans if end >= last else self._still(loans, end)

    def _still(self, loans: np.ndarray, end: int) -> np.ndarray:
        """Without the loans at rest of which nothing more is known to come."""
        e = self.part.loans.events
        keep = [
            n for n in loans.tolist()
            if n not in self.bad
            and not (self.rest.get(n) and not (e.events["on"][e.offsets[n] : e.offsets[n + 1]] > end).any())
        ]  # fmt: skip
        return np.array(keep, np.int64)

    def _take(self, loans: np.ndarray, found: Valued) -> None:
        good = loans[found.ok]
        self.bad |= set(loans[~found.ok].tolist())
        self.amounts[good], self.since[good] = found.amounts[found.ok], found.since[found.ok]
        self.rest |= dict(zip(good.tolist(), found.at_rest[found.ok].tolist(), strict=True))
        self.written |= dict(zip(good.tolist(), found.written_off[found.ok].tolist(), strict=True))

    def _sum(self, loan: np.ndarray, days: np.ndarray, delta: np.ndarray, out: Moved) -> None:
        row, position = np.nonzero(delta)
        amount = delta[row, position]
        key = ((days[row] * len(self.places.rows) + self.places.of[loan[row]]) * len(POSITIONS) + position) * 2 + (amount < 0)
        keys, back = np.unique(key, return_inverse=True)
        sums = np.zeros(len(keys), np.int64)
        np.add.at(sums, back, np.abs(amount))
        for k, total in zip(keys.tolist(), sums.tolist(), strict=True):
            rest, turned = divmod(k, 2)
            rest, p = divmod(rest, len(POSITIONS))
            on, place = divmod(rest, len(self.places.rows))
            day = date_of(on).isoformat()
            out.lines.append(Line(day, day, REGULAR, *self.places.rows[place], 0, POSITIONS[p], bool(turned), total))

    def _has_news(self, n: int) -> bool:
        row = self.known[n]
        return row is None or row.event_count != int(self.counts[n])

    def _news_day(self, n: int) -> int:
        """The earliest day of which the events speak that were not known when the loan was last posted."""
        row, e = self.known[n], self.part.loans.events
        events = e.at(n)
        by_seq = {x.seq: x for x in events}
        days = []
        for x in events:
            if row is not None and x.seq > row.event_count:
                aimed = by_seq.get(x.of_seq) if x.kind in AGAINST else None
                days.append(min(x.on, aimed.on) if aimed is not None else x.on)
        return min(days, default=2**31 - 1)

    def store(self, active: np.ndarray, day: int, out: Moved) -> None:
        """The sub-ledger's rows of the loans that were valued; one that can no longer be valued keeps what was posted."""
        names = self.part.loans.names() if self.bad else []
        for n in active.tolist():
            row, bad = self.known[n], n in self.bad
            if bad:
                out.skipped.append(names[n])
            if n not in self.rest:
                continue
            count = int(self.counts[n]) if not bad else row.event_count if row is not None else 0
            entity, branch, product, currency = self.places.rows[self.places.of[n]]
            nz = np.flatnonzero(self.amounts[n])
            out.rows.append(
                LoanPosition(
                    contract_id=int(self.ids[n]), entity_id=entity, branch_id=branch, product_id=product, currency=currency,
                    as_of=date_of(day), event_count=count, at_rest=self.rest[n] and not bad,
                    nonaccrual_since=None if self.since[n] == NO else date_of(int(self.since[n])),
                    written_off=self.written[n], amounts={POSITIONS[p]: int(self.amounts[n, p]) for p in nz},
                )
            )  # fmt: skip


def _good_to_first_bad(loan: np.ndarray, ok: np.ndarray) -> None:
    """From the first day on which a loan cannot be valued it is not valued any more (in place)."""
    seen = -1
    for m in np.flatnonzero(np.isin(loan, loan[~ok])).tolist():
        if not ok[m]:
            seen = int(loan[m])
        elif loan[m] == seen:
            ok[m] = False


def _of(found: Valued, at: np.ndarray) -> Valued:
    return Valued(found.amounts[at], found.since[at], found.at_rest[at], found.written_off[at], found.ok[at])


def summed(lines: Iterable[Any]) -> dict[tuple[Any, ...], int]:
    """Lines of many parts, with amounts of the same kind added up: everything but the amount is the key."""
    out: dict[tuple[Any, ...], int] = {}
    for line in lines:
        key = tuple(line[:-1])
        out[key] = out.get(key, 0) + line[-1]
    return out
