"""The close of a day: replay every loan as known at the cut-off, say what changed, write the tapes, refresh the screens.

Killed anywhere and run again it reuses its cut-off and gives the same tapes. Files are named by the run and count only once the
run's manifest names them, so a half-written tape is never seen; steps after the manifest go on where they were. A loan that
cannot be replayed stops nothing: its row says so and has no figures (`replay_state`), and the run names it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from tideover.accounting import breaks
from tideover.accounting.posting import books_post
from tideover.core.action_log import log
from tideover.core.business_time import micros, now
from tideover.core.lease import owner_new
from tideover.core.problems import refuse
from tideover.daily import retention, screens, steps
from tideover.daily.lease import claim, release, renew
from tideover.daily.loans import Moment, Replayed, replayed
from tideover.daily.lookups import Lookups, lookups_read
from tideover.daily.models import CloseRun, run_closed, runs_closed
from tideover.daily.people import people_and_facilities
from tideover.daily.reading import TapeLost, TapePruned, loan_days, read_tape, tape_folder, tapes
from tideover.daily.steps import Step, columns
from tideover.daily.transitions import BEFORE, Corrections, transitions
from tideover.lending.causes import plans_look, promises_look
from tideover.lending.columns import Conventions, numbers
from tideover.lending.fees import fees_run
from tideover.lending.receipts.holds import money_here_look
from tideover.lending.receipts.services import held_apply
from tideover.lending.resets import resets_run
from tideover.lending.sources import Book, Partition, Source
from tideover.tape import store
from tideover.tape.digest import digest
from tideover.tape.schema import TABLES, arrow_schema

THREADS = min(os.cpu_count() or 1, 16)
REJECTED_NAMED = 100


@dataclass(frozen=True, slots=True)
class Closed:
    """What a close says of itself (DESIGN §7). rejected: how many loans could not be replayed. committed: the digest from
    before, where a lost tape was made again. steps: seconds by step. counts: what steps did, those that did nothing left out."""

    as_of: date
    loans: int
    events: int
    seconds: float
    tape: str
    digest: str
    rejected: int = 0
    committed: str = ""
    steps: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Day:
    """A day being closed. tables: its tapes so far, by name; a step adds its columns to them. ids, borrowers: contract and party
    of each row of `loans`. counts: what steps did, by name, for the day's report."""

    as_of: date
    owner: str
    quiet: bool = True
    run: CloseRun | None = None
    tables: dict[str, pa.Table] = field(default_factory=dict)
    ids: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    borrowers: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    corrections: Corrections = field(default_factory=lambda: Corrections.joined([]))
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def claimed(self) -> CloseRun:
        """The run; steps after `cut_off` have one."""
        assert self.run is not None
        return self.run

    def before(self) -> CloseRun | None:
        """The run of the day before; None when that day is not closed."""
        return run_closed(self.as_of - timedelta(days=1))


# --- the steps ---------------------------------------------------------------------------------------------------------


def _resets(day: Day) -> None:
    """Rate changes, fees and money that waited, written before the cut-off, so that the day is closed as it was."""
    if not CloseRun.objects.filter(as_of=day.as_of).exists():
        resets_run(day.as_of)
        day.counts["fees_charged"], refused = fees_run(day.as_of)
        if placed := held_apply(day.as_of):
            day.counts["held_money"] = placed
        money_here_look(day.as_of)
        for sentence in refused:
            print(f"close: warning: fee not charged: {sentence}", file=sys.stderr)


def _cut_off(day: Day) -> None:
    day.run = claim(day.as_of, day.owner)


def _replay(day: Day) -> None:
    run, before = day.claimed, day.before()
    moment = Moment(day.as_of, micros(run.cut_off), None if before is None else micros(before.cut_off))
    book = Book(day.as_of, run.cut_off)
    bar = tqdm(desc=f"close {day.as_of}", unit="loan", disable=day.quiet, file=sys.stderr)

    def said(loans: int) -> None:
        bar.update(loans)
        renew(run)

    with bar:
        made = replay_book(book, lookups_read(day.as_of, run.cut_off), moment, said)
    day.tables["loans"], day.ids, day.borrowers, day.corrections = made.loans, made.ids, made.borrowers, made.corrections
    run.loans, run.events = len(made.loans), made.events
    run.rejected_count, run.rejected = len(made.rejected), made.rejected[:REJECTED_NAMED]


def _transitions(day: Day) -> None:
    before = day.before()
    then = None if before is None else _loans_before(before)
    day.tables["transitions"] = transitions(day.tables["loans"], then, day.corrections, day.as_of)


def _loans_before(run: CloseRun) -> pa.Table:
    """BEFORE columns of a closed day; by replay as known at its cut-off where its tape is lost or pruned."""
    try:
        return read_tape(run, "loans", BEFORE)
    except (TapeLost, TapePruned):
        moment = Moment(run.as_of, micros(run.cut_off), None)
        return replay_book(Book(run.as_of, run.cut_off), lookups_read(run.as_of, run.cut_off), moment).loans.select(list(BEFORE))


def _people(day: Day) -> None:
    loans, cut_off = day.tables["loans"], day.claimed.cut_off
    people, facilities = people_and_facilities(loans, pa.array(day.ids), pa.array(day.borrowers), day.as_of, cut_off)
    day.tables |= {"people": people, "facilities": facilities}


def _manifest(day: Day) -> None:
    """Write the tapes and commit them: the row that names the files, and only while this close holds the lease."""
    run = day.claimed
    committed_before = run.digest
    tag = f"{run.pk}-{micros(run.cut_off)}-{day.owner.rsplit(':', 1)[1]}"
    names = {name: f"{name}-{tag}.parquet" for name in day.tables}
    tapes = {name: _stamped(name, table) for name, table in day.tables.items()}
    with ThreadPoolExecutor(1) as pool:
        found: Future[str] = pool.submit(digest, tapes, THREADS)
        for name, table in tapes.items():
            store.write(tape_folder(day.as_of), names[name], table)
            renew(run)
        run.digest = found.result()
    run.manifest = {name: [file] for name, file in names.items()}
    committed = {f: getattr(run, f) for f in ("loans", "events", "digest", "manifest", "rejected_count", "rejected")}
    if not CloseRun.objects.filter(pk=run.pk, owner=run.owner).update(**committed):
        raise refuse("lease_lost", f"another close of {run.as_of} has taken over; this one stops")
    if committed_before:
        detail = {"as_of": run.as_of.isoformat(), "digest": run.digest, "committed": committed_before}
        log("system", "tape.restore", "close", str(run.pk), detail)
    day.tables.clear()


def _stamped(name: str, table: pa.Table) -> pa.Table:
    return table.select([c.name for c in TABLES[name]]).replace_schema_metadata(arrow_schema(name).metadata)


def _screens(day: Day) -> None:
    run = day.claimed
    screens.refresh(read_tape(run, "loans", screens.TAPE_COLUMNS), lambda: renew(run))


def _holds(day: Day) -> None:
    """What the day did to holds: plans that are not kept any more, promises kept by money that came in bulk."""
    plans_look(day.as_of)
    promises_look(day.as_of)


def _retention(day: Day) -> None:
    retention.prune(day.as_of, actor="system")


def _books(day: Day) -> None:
    run = day.claimed
    if books_post(day.as_of, cut_off=run.cut_off, said=lambda loans: renew(run)) is not None:
        breaks.note(read_tape(run, "loans", breaks.TAPE_COLUMNS), day.as_of)


HOUSE = (
    Step("resets", frozenset(), frozenset({"journal"}), _resets),
    Step("cut_off", frozenset({"journal"}), frozenset({"cut_off"}), _cut_off),
    Step("replay", frozenset({"cut_off"}), columns("loans.*"), _replay),
    Step("transitions", columns(*(f"loans.{c}" for c in BEFORE), "loans.last_due_date"), columns("transitions.*"), _transitions),
    Step("people", columns("loans.*"), columns("people.*", "facilities.*"), _people),
    Step("manifest", columns(*(f"{table}.*" for table in TABLES)), frozenset({"manifest"}), _manifest),
    Step("screens", frozenset({"manifest"}), frozenset({"screens"}), _screens),
    Step("holds", frozenset({"manifest", "screens"}), frozenset(), _holds),
    Step("retention", frozenset({"manifest"}), frozenset({"retention"}), _retention),
    Step("books", frozenset({"manifest"}), frozenset({"books"}), _books),
)


# --- the book through replay -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Made:
    """The loan tape of a day with what later steps need of it."""

    loans: pa.Table
    ids: np.ndarray
    borrowers: np.ndarray
    events: int
    corrections: Corrections
    rejected: list[str]


def replay_book(source: Source, look: Lookups, moment: Moment, said: Any = lambda loans: None, threads: int = THREADS) -> Made:
    """Replay a whole source: the next partitions are read while the last ones are replayed, rows stay in the book's order."""
    shared = Conventions(look.conventions)
    parts: list[Replayed] = []
    keys: list[tuple[np.ndarray, np.ndarray]] = []

    def take(waiting: Future[Replayed]) -> None:
        parts.append(waiting.result())
        said(len(parts[-1].table))

    with ThreadPoolExecutor(threads) as pool:
        queue: list[Future[Replayed]] = []
        for partition in source.partitions():
            keys.append((numbers(partition.contracts["id"]), numbers(partition.contracts["borrower_id"])))
            queue.append(pool.submit(replayed, partition, shared, look, moment))
            while len(queue) > threads:
                take(queue.pop(0))
        for waiting in queue:
            take(waiting)
    return _joined(parts, keys)


def _joined(parts: list[Replayed], keys: list[tuple[np.ndarray, np.ndarray]]) -> Made:
    empty = np.empty(0, np.int64)
    firsts = np.concatenate([[0], np.cumsum([len(p.table) for p in parts])])
    loans = pa.concat_tables([p.table for p in parts]) if parts else arrow_schema("loans").empty_table()
    return Made(
        loans.unify_dictionaries(),
        np.concatenate([k for k, _ in keys] or [empty]),
        np.concatenate([b for _, b in keys] or [empty]),
        sum(p.events for p in parts),
        Corrections.joined([(int(first), p.corrected, p.before) for first, p in zip(firsts, parts, strict=False)]),
        [number for p in parts for number in p.rejected],
    )


# --- closing -----------------------------------------------------------------------------------------------------------


def close_day(as_of: date, *, today: date, quiet: bool = True, house: Iterable[Step] = HOUSE) -> Closed:
    """Close one business day; one that is closed is left as it is, unless its tape is lost: then it is made again.

    Raises Refused for a day that has not come, or while another close holds the lease.
    """
    if as_of > today:
        raise refuse("day_not_come", f"{as_of} has not come yet; today is {today}", "as_of")
    run = CloseRun.objects.filter(as_of=as_of, state="done").first()
    if run is not None and not _reopened(run):
        return _closed(run, {})
    committed = "" if run is None else run.digest
    day = Day(as_of, owner_new(), quiet)
    seconds: dict[str, float] = {}
    try:
        for step in steps.ordered([*house, *steps.REGISTERED]):
            if _is_done(day, step):
                continue
            started = time.perf_counter()
            if day.run is not None:
                renew(day.run)
            step.run(day)
            seconds[step.name] = time.perf_counter() - started
            _note_done(day, step)
        _finish(day)
    finally:
        if day.run is not None:
            release(day.run)
    return _closed(day.claimed, seconds, committed)


def _reopened(run: CloseRun) -> bool:
    """Whether the tape of a finished day is not what it committed; then the day is open again, at its cut-off and with the steps
    after the manifest done. A pruned day stays as it is."""
    try:
        if (
            run.pruned_at is not None
            or digest({name: read_tape(run, name) for name in run.manifest or {}}, THREADS) == run.digest
        ):
            return False
    except TapeLost:
        pass
    return bool(CloseRun.objects.filter(pk=run.pk, state="done").update(state="running", manifest=None, lease_until=None))


def _is_done(day: Day, step: Step) -> bool:
    """Whether a step need not run: the tapes are committed already and it does not come after them, or it was done then."""
    run = day.run
    if run is None:
        return False
    return step.name in run.steps_done if "manifest" in step.reads else run.manifest is not None


def _note_done(day: Day, step: Step) -> None:
    if "manifest" in step.reads:
        run = day.claimed
        run.steps_done, run.counts = [*run.steps_done, step.name], {**run.counts, **day.counts}
        CloseRun.objects.filter(pk=run.pk, owner=run.owner).update(steps_done=run.steps_done, counts=run.counts)


def _finish(day: Day) -> None:
    run = day.claimed
    CloseRun.objects.filter(pk=run.pk, owner=run.owner).update(state="done", finished_at=now())
    assert run.manifest is not None
    keep = {file for files in run.manifest.values() for file in files}
    for path in tape_folder(day.as_of).glob("*.parquet"):  # what a killed close left behind
        if path.name not in keep:
            path.unlink()


def close_through(first: date, last: date, *, today: date, quiet: bool = True) -> Iterator[Closed]:
    """Close every day from `first` to `last`, skipping none."""
    for n in range((last - first).days + 1):
        yield close_day(first + timedelta(days=n), today=today, quiet=quiet)


def first_open(today: date) -> date:
    """The day after the latest closed one; `today` when none is closed."""
    last = runs_closed().last()
    return today if last is None else last.as_of + timedelta(days=1)


def _closed(run: CloseRun, seconds: dict[str, float], committed: str = "") -> Closed:
    folder = str(tape_folder(run.as_of))
    total = sum(seconds.values())
    counts = {name: n for name, n in run.counts.items() if n}
    return Closed(run.as_of, run.loans, run.events, total, folder, run.digest, run.rejected_count, committed, seconds, counts)


__all__ = [
    "Closed",
    "Partition",
    "close_day",
    "close_through",
    "first_open",
    "loan_days",
    "read_tape",
    "replay_book",
    "tape_folder",
    "tapes",
]
