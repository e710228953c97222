"""Call records from the telephone system: a CSV in, each call once, matched to the person by the number's hash.

Columns: call_id, number, direction (in, out), started_at (ISO 8601 with a time zone), seconds, talked (yes, no), and where
there is a recording recording_sha256 and retention_until (the recording itself stays where it is). A call that somebody began
from a list settles that contact; any other call is written down as a contact of its own, so that caps count it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from django.db import transaction

from tideover.contact.addresses import address_hash, number_hashes, number_plain
from tideover.contact.gate import contact_outcome, contact_record
from tideover.contact.models import CallListLine, CallRecord
from tideover.contact.rules.model import Channel, Outcome, Purpose
from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.problems import refuse
from tideover.lending import clock
from tideover.lending.models import ContactRecord, ImportBatch, Party

NEEDS = ("call_id", "number", "direction", "started_at", "seconds", "talked")
MAY = ("recording_sha256", "retention_until")
NEAR = timedelta(minutes=15)
ROWS_MAX = 200_000
BYTES_MAX = 50_000_000
YES, NO = {"yes", "y", "1", "true", "是"}, {"no", "n", "0", "false", "否"}
SECONDS_MAX = 12 * 3600


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was refused: its number in the file (2 is the first after the header), the column, the value, why."""

    row: int
    column: str
    value: str
    reason: str


@dataclass(slots=True)
class CallsResult:
    """What an import did. unmatched: calls with numbers that nobody in the book has."""

    rows: int = 0
    stored: int = 0
    already: int = 0
    unmatched: int = 0
    settled: int = 0
    rejects: list[Reject] = field(default_factory=list)
    lines: dict[int, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One readable row."""

    call_id: str
    number: str
    direction: str
    started_at: datetime
    seconds: int
    talked: bool
    recording_sha256: str
    retention_until: date | None


class BadFile(ValueError):
    """The file cannot be used at all."""


def calls_import(data: bytes, *, file_name: str, actor: str) -> CallsResult:
    """Take in a file of calls; rows that cannot be are refused with their reason, the rest is stored. Again: already there.

    Raises BadFile for a file that is not CSV in UTF-8 or GB18030, or lacks a column.
    """
    result = CallsResult()
    calls = _read(data, result)
    sha, at = hashlib.sha256(data).hexdigest(), now()
    batch = ImportBatch.objects.create(kind="calls", file_name=file_name[:200], sha256=sha, actor=actor, started_at=at)
    for call in calls:
        with transaction.atomic():
            _store(call, batch, result, actor)
    with transaction.atomic():
        batch.state, batch.finished_at = "done", now()
        batch.accepted, batch.rejected = len(calls), len({r.row for r in result.rejects})
        batch.save()
        log(actor, "calls.import", "import", str(batch.pk), {"rows": result.rows, "stored": result.stored})
    return result


def _read(data: bytes, result: CallsResult) -> list[Call]:
    if len(data) > BYTES_MAX:
        raise BadFile(f"the file is larger than {BYTES_MAX} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("gb18030")
        except UnicodeDecodeError:
            raise BadFile("the file is neither UTF-8 nor GB18030") from None
    if "\0" in text:
        raise BadFile("the file is not text")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    missing = [n for n in NEEDS if n not in (rows.fieldnames or ())]
    if missing:
        raise BadFile(
            f"the file lacks the columns {', '.join(missing)}; it needs {', '.join(NEEDS)} and may have {', '.join(MAY)}"
        )
    out, seen = [], set[str]()
    try:
        for nr, row in enumerate(rows, start=2):
            result.rows += 1
            if result.rows > ROWS_MAX:
                raise BadFile(f"the file has more than {ROWS_MAX} rows")
            plain = {k: (v or "").strip() for k, v in row.items() if isinstance(k, str) and not isinstance(v, list)}
            call, wrong = _call(plain, nr)
            if call is not None and call.call_id in seen:
                wrong = [Reject(nr, "call_id", call.call_id, "stands twice in this file")]
            if call is None or wrong:
                result.rejects += wrong
                result.lines[nr] = plain
                continue
            seen.add(call.call_id)
            out.append(call)
    except csv.Error as error:
        raise BadFile(f"line {rows.line_num}: {error}") from error
    return out


def _call(row: Mapping[str, str], nr: int) -> tuple[Call | None, list[Reject]]:
    """A row as a call, or everything that is wrong with it."""
    wrong: list[Reject] = []

    def bad(column: str, reason: str) -> None:
        shown = "…" + row[column][-4:] if column == "number" else row.get(column, "")[:60]
        wrong.append(Reject(nr, column, shown, reason))

    if not re.fullmatch(r"[\w.:@-]{1,60}", row["call_id"]):
        bad("call_id", "1 to 60 letters, digits, . : @ -")
    if not 5 <= len(number_plain(row["number"]).lstrip("+")) <= 15:
        bad("number", "not a telephone number")
    if row["direction"] not in ("in", "out"):
        bad("direction", "in or out")
    started = _instant(row["started_at"])
    if started is None:
        bad("started_at", "an instant with a time zone, like 2026-05-12T14:02:00+08:00, not in the future")
    seconds = int(row["seconds"]) if row["seconds"].isascii() and row["seconds"].isdecimal() and len(row["seconds"]) < 6 else -1
    if not 0 <= seconds <= SECONDS_MAX:
        bad("seconds", f"a whole number from 0 to {SECONDS_MAX}")
    talked = row["talked"].lower()
    if talked not in YES | NO:
        bad("talked", "yes or no")
    elif talked in YES and seconds == 0:
        bad("seconds", "people talked, so it lasted")
    sha = row.get("recording_sha256", "").lower()
    if sha and not re.fullmatch(r"[0-9a-f]{64}", sha):
        bad("recording_sha256", "64 hexadecimal digits")
    kept = _day(row.get("retention_until", ""))
    if sha and (kept is None or (started is not None and kept <= started.date())):
        bad("retention_until", "a recording needs the day until which it is kept, after the call")
    if wrong or started is None:
        return None, wrong
    return Call(row["call_id"], row["number"], row["direction"], started, seconds, talked in YES, sha, kept), []


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None and datetime(2000, 1, 1, tzinfo=UTC) < at <= now() + timedelta(minutes=5) else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _store(call: Call, batch: ImportBatch, result: CallsResult, actor: str) -> None:
    """One call, once; the contact that it settles or makes is written with it."""
    if CallRecord.objects.filter(call_id=call.call_id).exists():
        result.already += 1
        return
    hashed = address_hash(Channel.CALL, call.number)
    party = Party.objects.filter(phone_hash__in=number_hashes(call.number)).order_by("pk").first()
    digits = number_plain(call.number)
    record = CallRecord(
        call_id=call.call_id, batch=batch, party=party, number_hash=hashed, number_masked=f"{digits[:3]}****{digits[-4:]}",
        direction=call.direction, started_at=call.started_at, seconds=call.seconds, talked=call.talked,
        recording_sha256=call.recording_sha256, retention_until=call.retention_until, recorded_at=clock.stamp(),
    )  # fmt: skip
    if party is None:
        result.unmatched += 1
    else:
        record.line = _line_of(call, party)
        record.contact_record = _contact(call, party, record.line, actor, result)
    record.save()
    result.stored += 1


def _line_of(call: Call, party: Party) -> CallListLine | None:
    """The line of a list from which somebody began this call: the nearest before it that no other call has."""
    near = CallListLine.objects.filter(
        party=party, calls=None, asked_at__gte=call.started_at - NEAR, asked_at__lte=call.started_at + NEAR,
    ).exclude(contact_record=None)  # fmt: skip
    return min(near, key=lambda x: abs(x.asked_at - call.started_at), default=None) if call.direction == "out" else None


def _contact(call: Call, party: Party, line: CallListLine | None, actor: str, result: CallsResult) -> ContactRecord:
    outcome = Outcome.CONVERSATION if call.talked else Outcome.UNANSWERED
    recording = bytes.fromhex(call.recording_sha256)
    ended = call.started_at + timedelta(seconds=call.seconds)
    if line is not None and line.contact_record is not None:
        if line.done_at is None:
            line.done_at, line.outcome = ended, outcome.name.lower()
            line.save(update_fields=["done_at", "outcome"])
        result.settled += 1
        return contact_outcome(line.contact_record, outcome, ended, seconds=call.seconds, recording_hash=recording)
    return contact_record(
        party=party, contracts=[], channel=Channel.CALL, purpose=Purpose.COLLECTION if call.direction == "out" else Purpose.REPLY,
        outcome=outcome, at=call.started_at, direction=call.direction, number=party.phone, seconds=call.seconds,
        recording_hash=recording, actor=actor, note=f"call {call.call_id}",
    )  # fmt: skip


def rejects_write(path: Path, result: CallsResult) -> None:
    """Refused rows as CSV: row, column, value, reason, then the row itself; numbers only by their last digits."""
    if path.exists() and not path.is_file():
        raise refuse("bad_path", f"{path} is not a file", "rejects")
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["row", "column", "value", "reason", "call_id", "started_at"])
        for r in result.rejects:
            line = result.lines.get(r.row, {})
            out.writerow([r.row, r.column, r.value, r.reason, line.get("call_id", ""), line.get("started_at", "")])
