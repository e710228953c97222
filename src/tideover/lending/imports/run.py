"""One import, from the file to the report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from django.db import transaction

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.lending.imports import events, loans, people
from tideover.lending.imports.checks import check
from tideover.lending.imports.files import Source, file_read
from tideover.lending.imports.frame import Frame, Reject, frame_make
from tideover.lending.imports.mapping import BadMapping, mapping_read
from tideover.lending.imports.targets import COMMANDS
from tideover.lending.imports.writers import Progress
from tideover.lending.models import ImportBatch


@dataclass(slots=True)
class Result:
    """What an import did. `stored`: rows (people, loans, events, records) written now; `already`: there from before."""

    kind: str
    rows: int
    accepted: int
    stored: int = 0
    already: int = 0
    state: str = "done"
    rejects: list[Reject] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    source: Source | None = None


Bar = Callable[[str, int], AbstractContextManager[Any]]


def no_bar(_name: str, _total: int) -> AbstractContextManager[Any]:
    """No progress is shown."""
    return nullcontext(None)


def import_file(
    command: str, path: Path, mapping_text: str, *, actor: str, dry_run: bool = False, partial: bool = False, bar: Bar = no_bar
) -> Result:
    """Read, check and store one file.

    Without `partial` one refused row keeps every row out. Storing goes in short transactions of whole loans; a run that was
    killed leaves its ImportBatch `running`, and the same command finishes it (keys and loan numbers tell what is there).
    The same file with the same mapping, once done, is not taken in again. Raises BadFile and BadMapping.
    """
    started, times = perf_counter(), {}
    mapping = mapping_read(mapping_text)
    if mapping.kind not in COMMANDS[command]:
        raise BadMapping(f"the mapping is for {mapping.kind}; this command takes {', '.join(COMMANDS[command])}")
    source = file_read(path, skip=mapping.skip, sheet=mapping.sheet)
    sha = hashlib.sha256(hashlib.sha256(mapping_text.encode()).digest() + path.read_bytes()).hexdigest()
    times["read"] = perf_counter() - started
    started = perf_counter()
    frame = frame_make(source, mapping)
    links = check(frame)
    times["check"] = perf_counter() - started
    result = Result(mapping.kind, len(frame) + len(source.broken), 0, seconds=times, source=source)
    if not dry_run and ImportBatch.objects.filter(sha256=sha, kind=mapping.kind, state="done").exists():
        result.state, result.already = "already", int(frame.ok.sum())
        return result
    started = perf_counter()
    work = _prepare(frame, links, sha)
    times["prepare"] = perf_counter() - started
    result.rejects, result.accepted, result.already = frame.rejects, int(frame.ok.sum()), work.already
    if dry_run or (result.rejects and not partial):
        result.state = "checked" if dry_run else "rejected"
        return result
    started = perf_counter()
    _store(result, work, path, sha, actor, bar)
    times["store"] = perf_counter() - started
    return result


@dataclass(slots=True)
class _Work:
    """What is to be written: how many, and by what."""

    total: int
    already: int
    write: Callable[[ImportBatch, str, Progress], int]
    whole: bool = False


def _prepare(frame: Frame, links: Any, sha: str) -> _Work:
    kind = frame.mapping.kind
    if kind == "tape":
        made, already = loans.openings(frame, links, sha)
        return _Work(len(made), already, lambda batch, actor, tick: loans.loans_store(made, batch, actor, tick))
    if kind in ("payments", "events"):
        new, already = (events.payments if kind == "payments" else events.histories)(frame, links, sha)
        return _Work(len(new), already, lambda batch, actor, tick: events.events_store(new, actor, tick))
    if kind == "people":
        return _Work(int(frame.ok.sum()), 0, lambda batch, actor, tick: people.people_store(frame, links, tick)[0])
    return _Work(int(frame.ok.sum()), 0, lambda batch, actor, tick: people.records_store(frame, links, actor, tick), whole=True)


def _store(result: Result, work: _Work, path: Path, sha: str, actor: str, bar: Bar) -> None:
    batch = ImportBatch.objects.filter(sha256=sha, kind=result.kind, state="running").order_by("pk").first()
    if batch is None:
        batch = ImportBatch.objects.create(kind=result.kind, file_name=path.name[:200], sha256=sha, actor=actor, started_at=now())
    with bar(result.kind, work.total) as shown:

        def tick(count: int) -> None:
            if shown is not None:
                shown.update(count)

        with transaction.atomic() if work.whole else nullcontext():
            result.stored = work.write(batch, actor, tick)
            if result.kind == "people":
                result.already = result.accepted - result.stored
            batch.state, batch.finished_at = "done", now()
            batch.accepted, batch.rejected = result.accepted, len(result.rejects)
            batch.save()
            detail = {"file": path.name, "stored": result.stored, "rejected": len(result.rejects)}
            log(actor, f"import.{result.kind}", "import", str(batch.pk), detail)
