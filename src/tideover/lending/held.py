"""Whose figure holds (DESIGN §2, `standing.source`): replay's, or, while a break beside a core is open over the policy's
threshold, the core's. Every page, tape, document, REST answer and message asks here or through `selectors.loan_standing`.

Replay alone (`standing_replayed`) is for those who compare it with the core; tests/lending/beside keeps the list of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
from django.db import connection

from tideover.core.business_time import micros
from tideover.core.sql import Asked, among, answers, objects, to_read
from tideover.engine.batch import Standings
from tideover.engine.events import Event
from tideover.engine.replay import replay
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import day
from tideover.lending.columns import OK, Loans, standings_of
from tideover.lending.contract_terms import terms_for
from tideover.lending.journal import engine_event, events_asked
from tideover.lending.models import Contract, CoreBalance, CoreHold, LoanEvent
from tideover.lending.rules.held import ABSENT, SAID, carried, standing_carried

REPLAY, CORE = "replay", "core"


class Held(NamedTuple):
    """A standing and whose figures it shows; core_on: the day of the core's file, None for replay's."""

    standing: Standing
    source: str = REPLAY
    core_on: date | None = None

    @property
    def is_core(self) -> bool:
        return self.source == CORE


class Figure(NamedTuple):
    """The core's figures of one loan: its file's day, what it said (rules.held.SAID by name), and when it was compared: what was
    recorded later is news for the core, and moves its figure."""

    on: date
    said: dict[str, int]
    compared_at: datetime


def standing_replayed(
    contract: Contract,
    events: Sequence[LoanEvent],
    as_of: date,
    known_at: datetime | None = None,
    *,
    what_if: Sequence[Event] = (),
    depth: Depth = Depth.TRACE,
) -> Standing:
    """Replay's own answer from a journal already read (in order of `seq`)."""
    known = None if known_at is None else micros(known_at)
    on = max(day(as_of), day(contract.disbursed_on))
    return replay(terms_for(contract), [*map(engine_event, events), *what_if], on, known, depth)


def standing_held(
    contract: Contract,
    as_of: date,
    known_at: datetime | None = None,
    *,
    events: Sequence[LoanEvent] | None = None,
    what_if: Sequence[Event] = (),
    depth: Depth = Depth.TRACE,
    figures: Mapping[int, Figure] | None = None,
) -> Held:
    """The standing of a loan on a day, by whoever's figures hold, from what was recorded by `known_at` (everything when None).

    events: the journal where it is read already; figures: `figures_held` of many loans, where they are. Hypothetical events
    move the figures by what replay says that they change.
    """
    if events is None and figures is None:
        rows, holds = answers(events_asked(contract), holds_asked([contract.pk], as_of, known_at))
        events, figures = objects(LoanEvent, rows), figures_of(holds, as_of, known_at)
    events = objects(LoanEvent, answers(events_asked(contract))[0]) if events is None else events
    now = standing_replayed(contract, events, as_of, known_at, what_if=what_if, depth=depth)
    figure = (figures_held([contract.pk], as_of, known_at) if figures is None else figures).get(contract.pk)
    if figure is None:
        return Held(now)
    base = standing_replayed(contract, events, figure.on, figure.compared_at, depth=Depth.TOTALS)
    return Held(standing_carried(figure.said, day(figure.on), base, now), CORE, figure.on)


def standing_moved(contract: Contract, stored: Sequence[Event], now: Standing, figure: Figure | None) -> Standing:
    """What replay says on a day (`now`, of events other than the `stored` ones) with the core's figures carried to it, as
    `standing_held` does for the journal as it is. figure: the loan's, None where replay's own hold; before its day they do."""
    if figure is None or now.as_of < day(figure.on):
        return now
    base = replay(terms_for(contract), stored, day(figure.on), micros(figure.compared_at), Depth.TOTALS)
    return standing_carried(figure.said, day(figure.on), base, now)


def figures_held(contract_ids: Sequence[int], as_of: date, known_at: datetime | None = None) -> dict[int, Figure]:
    """The core's figures that hold on a day, by contract id; most loans have none. Two queries at most."""
    return figures_of(answers(holds_asked(contract_ids, as_of, known_at))[0], as_of, known_at)


def figures_of_day(as_of: date, known_at: datetime | None = None) -> dict[int, Figure]:
    """The same for the whole book."""
    return figures_of(answers(holds_asked(None, as_of, known_at))[0], as_of, known_at)


def holds_asked(contract_ids: Sequence[int] | None, as_of: date, known_at: datetime | None = None) -> Asked:
    """Asks for the holds of a core's figures that are in force on a day (None: of every loan), for `figures_of`."""
    named, bound = ("1 = 1", []) if contract_ids is None else among("contract_id", list(contract_ids))
    on = connection.ops.adapt_datefield_value(as_of)
    where, params = f"{named} AND from_on <= %s AND (until_on IS NULL OR until_on > %s)", [*bound, on, on]
    if known_at is not None:
        at = connection.ops.adapt_datetimefield_value(known_at)
        where = f"{named} AND from_on <= %s AND (until_on IS NULL OR until_on > %s OR ended_at > %s) AND held_at <= %s"
        params += [at, at]
    return to_read(CoreHold, ("contract_id", "from_on"), where, params, "ORDER BY from_on")


def figures_of(holds: Iterable[tuple[int, date]], as_of: date, known_at: datetime | None = None) -> dict[int, Figure]:
    """The core's figures of the loans for which `holds_asked` found (contract id, first day)."""
    from_on = dict(holds)
    if not from_on:
        return {}
    rows = CoreBalance.objects.filter(contract__in=list(from_on), day__lte=as_of, file__state="taken").select_related("file")
    if known_at is not None:
        rows = rows.filter(file__compared_at__lte=known_at)
    out: dict[int, Figure] = {}
    for b in rows.order_by("day"):
        if b.day >= from_on[b.contract_id] and b.file.compared_at is not None:
            again = b.compared_at is not None and (known_at is None or b.compared_at <= known_at)
            out[b.contract_id] = Figure(b.day, said_of(b), b.compared_at if again else b.file.compared_at)
    return out


def said_of(b: CoreBalance) -> dict[str, int]:
    """A stored line of the core as `rules.held` reads it."""
    out = {}
    for name in SAID:
        value = getattr(b, name, None) if name in ("days_past_due", "next_due_on") else getattr(b, f"{name}_minor")
        out[name] = ABSENT if value is None else day(value) if isinstance(value, date) else int(value)
    return out


def held_into(
    standings: Standings,
    state: np.ndarray,
    loans: Loans,
    as_of: int | np.ndarray,
    known_us: int | None,
    figures: Mapping[int, Figure],
    chosen: np.ndarray | None = None,
) -> np.ndarray:
    """Put the core's figures into a batch of standings on `as_of` where they hold; which of them changed (bool[n]).

    `chosen`: the indices of `loans` that the standings are of (all when None).
    """
    ids = loans.ids if chosen is None else loans.ids[chosen]
    at = np.flatnonzero(np.isin(ids, np.array(sorted(figures), np.int64)) & (state == OK))
    out = np.zeros(len(ids), bool)
    if not len(at):
        return out
    own = [figures[int(pk)] for pk in ids[at]]
    core_on = np.array([day(f.on) for f in own], np.int64)
    base = _bases(loans, at if chosen is None else chosen[at], core_on, own, known_us)
    core = {n: np.array([f.said[n] for f in own], np.int64) for n in SAID}
    now = {n: standings.table[n][at] for n in standings.table.dtype.names}
    days = np.broadcast_to(as_of, len(ids))[at]
    for name, values in carried(core, base, now, days, core_on).items():
        standings.table[name][at] = values
    out[at] = True
    return out


def _bases(loans: Loans, at: np.ndarray, core_on: np.ndarray, own: list[Figure], known_us: int | None) -> dict[str, np.ndarray]:
    """Replay on the core's day of each loan, from the events that the core knew: one batch for each file."""
    parts: dict[str, np.ndarray] = {}
    compared = np.array([micros(f.compared_at) for f in own], np.int64)
    for stamp in np.unique(compared).tolist():
        mine = compared == stamp
        known = stamp if known_us is None else min(stamp, known_us)
        table = standings_of(loans, core_on[mine], known, at[mine])[0].table
        for name in table.dtype.names:
            parts.setdefault(name, np.zeros((len(own), *table[name].shape[1:]), table[name].dtype))[mine] = table[name]
    return parts
