"""Reading the tapes of closed days, and saying plainly when one cannot be read: its files are lost, or the day was pruned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from django.conf import settings

from tideover.core.problems import Problem, Refused
from tideover.daily.models import CloseRun, runs_closed, runs_kept
from tideover.tape import store
from tideover.tape.schema import TABLES
from tideover.tape.store import QueryRefused, TapeDamaged


class TapeLost(Refused):
    """A committed file of a day is missing or damaged. as_of: the day to close again."""

    status = 503

    def __init__(self, as_of: date, reason: str) -> None:
        said = f"the tape of {as_of} cannot be read: {reason}. Close that day again (tideover close --as-of {as_of})"
        super().__init__(Problem("tape_lost", f"{said}: it gives the same tape", "as_of"))
        self.as_of = as_of


class TapePruned(Refused):
    """The day was closed, and its tape has since been deleted by the retention rule."""

    status = 410

    def __init__(self, run: CloseRun) -> None:
        super().__init__(Problem("tape_pruned", pruned_says(run), "as_of"))


def pruned_says(run: CloseRun) -> str:
    """What is said of a pruned day, in one sentence."""
    assert run.pruned_at is not None
    near = runs_kept().filter(as_of__gt=run.as_of).first()
    instead = "" if near is None else f"; the next day that has one is {near.as_of}"
    return f"the tape of {run.as_of} was pruned on {run.pruned_at:%Y-%m-%d}: only the last closed day of a month is kept{instead}"


def tape_folder(as_of: date) -> Path:
    """Where the tapes of a day lie."""
    return Path(settings.TAPE_DIR) / as_of.isoformat()


def read_tape(run: CloseRun, name: str, wanted: Iterable[str] | None = None) -> pa.Table:
    """A committed tape of one day, or some of its columns; empty when that day has none of this name.

    Raises TapeLost, TapePruned.
    """
    if run.pruned_at is not None:
        raise TapePruned(run)
    return read_files(run.as_of, name, (run.manifest or {}).get(name, []), None if wanted is None else list(wanted))


def read_files(as_of: date, name: str, files: Sequence[str], wanted: Sequence[str] | None = None) -> pa.Table:
    """The same from the names of the files."""
    with readable(as_of):
        return store.read(tape_folder(as_of), name, files, wanted)


@contextmanager
def readable(as_of: date) -> Iterator[None]:
    """What goes wrong with the files of a day inside becomes a TapeLost."""
    try:
        yield
    except TapeDamaged as error:
        raise TapeLost(as_of, str(error)) from error


def files_of(run: CloseRun) -> list[Path]:
    """The files that a run has committed; none once it is pruned."""
    if run.pruned_at is not None:
        return []
    return [tape_folder(run.as_of) / file for files in (run.manifest or {}).values() for file in files]


def lost(run: CloseRun, *, whole: bool = False) -> str:
    """Why a day's tape cannot be read, in a few words; empty when it can. whole: every byte is read, not only the ends."""
    return next((why for path in files_of(run) if (why := store.why_unreadable(path, whole=whole))), "")


def tapes(last: date | None = None) -> dict[str, Any]:
    """Every tape that is kept, up to a day, by name, as datasets that are read only as far as they are asked."""
    runs = list(runs_kept().filter(as_of__lte=last) if last else runs_kept())
    return {
        name: store.dataset(
            name,
            [
                store.TapeFile(run.as_of, tape_folder(run.as_of) / file)
                for run in runs
                for file in (run.manifest or {}).get(name, [])
            ],
        )
        for name in TABLES
    }


def query(sql: str) -> pa.Table:
    """One SELECT over all tapes that are kept. Raises QueryRefused, or TapeLost when a file that it needs cannot be read."""
    try:
        return store.query(sql, tapes())
    except QueryRefused as error:
        if not isinstance(error.__cause__, (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)):
            lost_raise(str(error))
        raise


def lost_raise(said: str) -> None:
    """Raise TapeLost for the day whose file an error names; where it names none, for the first that cannot be read whole."""
    runs = list(runs_kept())
    named = [run for run in runs if any(str(path) in said for path in files_of(run))]
    for run in named or runs:
        if why := lost(run, whole=True):
            raise TapeLost(run.as_of, why)


def pruned_days(sql: str) -> list[CloseRun]:
    """Pruned days that a query names, oldest first: it found nothing of them."""
    return [run for run in runs_closed().filter(pruned_at__isnull=False) if run.as_of.isoformat() in sql]


def loan_days(number: str, as_of: date | None = None) -> dict[str, list[dict[str, Any]]]:
    """{"days", "transitions"} of one loan: its row of the loan tape on each day that is kept (or on `as_of` only), oldest first,
    and what changed for it up to then. Raises TapeLost, TapePruned."""
    run = None if as_of is None else runs_closed().filter(as_of=as_of).first()
    if run is not None and run.pruned_at is not None:
        raise TapePruned(run)
    found = tapes(as_of)
    mine = ds.field("loan_id") == number
    names = ["data_cut_off_date", "kind", "from_bucket", "to_bucket"]
    try:
        days = found["loans"].to_table(filter=mine if as_of is None else mine & (ds.field("data_cut_off_date") == as_of))
        moves = found["transitions"].to_table(filter=mine, columns=names)
    except (OSError, pa.ArrowException) as error:
        lost_raise(str(error))
        raise
    on = [("data_cut_off_date", "ascending")]
    return {"days": days.sort_by(on).to_pylist(), "transitions": moves.sort_by(on).to_pylist()}
