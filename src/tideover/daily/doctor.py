"""Whether the last closed day's tape is what was committed, and what replay says again as known at its cut-off."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from tideover.accounting import breaks
from tideover.accounting.models import BookRun
from tideover.core.business_time import micros
from tideover.core.doctor import Check
from tideover.daily.close import replay_book
from tideover.daily.loans import Moment
from tideover.daily.lookups import lookups_read
from tideover.daily.models import CloseRun, runs_closed, runs_kept
from tideover.daily.reading import TapeLost, lost, read_tape
from tideover.lending.sources import Book
from tideover.tape.digest import digest
from tideover.tape.schema import TABLES

NOT_REPLAYED = frozenset({"customer_manager", "branch", "holds_open", "is_held", "channel", "purpose"})
"""What the tape repeats from rows that may have changed since; everything else is terms and journal."""
NAMED_MAX = 10


def checks() -> list[Check]:
    """The checks of the tapes."""
    run = runs_closed().last()
    if run is None:
        return [Check(name, True, "no day is closed yet") for name in ("tapes", "tape", "tape = replay", "sub-ledger = tape")]
    return [_whole(), _committed(run), _replayed(run), _books(run)]


def _whole() -> Check:
    """Whether every file that is kept is there and ends as a Parquet file does (the last day's are read whole below)."""
    runs = list(runs_kept())
    found = [(run.as_of, why) for run in runs if (why := lost(run))]
    if not found:
        pruned = runs_closed().count() - len(runs)
        return Check("tapes", True, f"{len(runs)} days" + (f", {pruned} more pruned" if pruned else ""))
    named = "; ".join(f"{on}: {why}" for on, why in found[:NAMED_MAX]) + (" …" if len(found) > NAMED_MAX else "")
    return Check("tapes", False, f"{named}. Close each again: tideover close --as-of {found[0][0]}")


def _books(run: CloseRun) -> Check:
    """The sub-ledger of the books against the tape; only while both stand on the same day and know the same."""
    name, posted = "sub-ledger = tape", BookRun.objects.filter(state="done").order_by("-last_day", "-pk").first()
    if posted is None:
        return Check(name, True, "no day is posted yet")
    if (posted.last_day, posted.cut_off) != (run.as_of, run.cut_off):
        return Check(name, True, f"the books stand on {posted.last_day}, the tape on {run.as_of} or its knowledge: not compared")
    try:
        found = breaks.compare(read_tape(run, "loans", breaks.TAPE_COLUMNS))
    except TapeLost as error:
        return Check(name, False, f"{run.as_of}: {error}")
    return Check(name, not found.breaks, f"{run.as_of}: {breaks.totals_line(found)}")


def _committed(run: CloseRun) -> Check:
    try:
        tables = {name: read_tape(run, name) for name in (run.manifest or {}) if name in TABLES}
        found = digest(tables)
    except TapeLost as error:
        return Check("tape", False, str(error))
    same = found == run.digest
    return Check("tape", same, f"{run.as_of}: {'the digest of its manifest' if same else f'digest {found}, not {run.digest}'}")


def _replayed(run: CloseRun) -> Check:
    try:
        stored = read_tape(run, "loans")
    except TapeLost as error:
        return Check("tape = replay", False, str(error))
    made = replay_book(
        Book(run.as_of, run.cut_off), lookups_read(run.as_of, run.cut_off), Moment(run.as_of, micros(run.cut_off), None)
    ).loans
    wrong = _differences(stored, made)
    said = f"differs: {'; '.join(wrong[:NAMED_MAX])}" if wrong else f"{len(stored)} rows equal"
    return Check("tape = replay", not wrong, f"{run.as_of}: {said}")


def _differences(stored: pa.Table, made: pa.Table) -> list[str]:
    """Loans whose rows differ, with the columns."""
    by = [("loan_id", "ascending")]
    names = [c for c in stored.column_names if c not in NOT_REPLAYED]
    old, new = (t.select(names).cast(stored.select(names).schema).sort_by(by) for t in (stored, made))
    if not old["loan_id"].equals(new["loan_id"]):
        lost = set(old["loan_id"].to_pylist()) ^ set(new["loan_id"].to_pylist())
        return [f"{number} (in one only)" for number in sorted(lost)]
    found: dict[str, list[str]] = {}
    for name in names:
        a, b = old[name].combine_chunks(), new[name].combine_chunks()
        same = pc.fill_null(pc.equal(a, b), False)
        both = pc.and_(pc.is_null(a), pc.is_null(b))
        for number in old["loan_id"].filter(pc.invert(pc.or_(same, both))).to_pylist():
            found.setdefault(number, []).append(name)
    return [f"{number} ({', '.join(columns)})" for number, columns in sorted(found.items())]
