"""A core's daily files in: read, mapped and checked as columns; a file comes in whole or not at all.

A file that comes again is recognised by its bytes. Rows are stored some thousand a transaction while the file's row says
`running`; a run that was killed is begun anew by the same command.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import IntegrityError, transaction

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import refuse
from tideover.core.sql_columns import columns_insert
from tideover.engine.events import EventKind
from tideover.engine.terms import date_of, day
from tideover.lending.beside.instructions import instructions_heard
from tideover.lending.beside.policies import policy_of
from tideover.lending.imports.files import BadFile, Source, file_read
from tideover.lending.imports.frame import Frame, Reject, frame_make
from tideover.lending.imports.mapping import BadMapping, mapping_read
from tideover.lending.imports.targets import CORE_COMPONENTS, CORE_PARTS
from tideover.lending.models import CoreBalance, CoreFile, CoreMovement, LegalEntity
from tideover.lending.models.organisation import BookMode
from tideover.lending.sources import fetching

ROWS_AT_ONCE = 5_000
REJECTS_KEPT = 100
UNKNOWN_KEPT = 1_000
KIND_OF = {"core_balances": "balances", "core_movements": "movements"}
IDS = pa.schema([("number", pa.string()), ("id", pa.int64()), ("disbursed_on", pa.date32())])
REFERENCES = pa.schema([("contract_id", pa.int64()), ("reference", pa.string()), ("said", pa.string())])


@dataclass(slots=True)
class Taken:
    """What became of a file. state: taken, already, refused, checked (dry run). unknown: loans that the book does not have."""

    file: CoreFile | None
    state: str
    rows: int
    rejects: list[Reject] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    source: Source | None = None


@dataclass(slots=True)
class _Lines:
    """Checked lines: the frame, its day, and the contract id of each row (0: unknown to the book)."""

    frame: Frame
    on: date | None
    contract: np.ndarray


def file_take(entity: LegalEntity, path: Path, mapping_text: str, *, actor: str, dry_run: bool = False) -> Taken:
    """Take one file of a core in. Raises BadFile, BadMapping, and Refused: not an overlay entity, the day is there already."""
    if entity.book_mode != BookMode.OVERLAY:
        raise refuse("not_overlay", f"{entity.code} keeps its own book: it has no core whose files come in", "entity")
    mapping = mapping_read(mapping_text)
    if mapping.kind not in KIND_OF:
        raise BadMapping(f"the mapping is for {mapping.kind}; a core's file is {' or '.join(KIND_OF)}")
    kind, data = KIND_OF[mapping.kind], _bytes(path)
    sha = hashlib.sha256(hashlib.sha256(mapping_text.encode()).digest() + data).hexdigest()
    before = CoreFile.objects.filter(entity=entity, kind=kind, sha256=sha).first()
    if before is not None and before.state == "taken":
        return Taken(before, "already", before.row_count)
    try:
        source = file_read(path, skip=mapping.skip, sheet=mapping.sheet)
        frame = frame_make(source, mapping)
    except BadFile as error:
        if not dry_run:
            unread = Taken(None, "refused", 0, [Reject(0, "", "", str(error))])
            _refused(entity, kind, path, sha, actor, unread, before)
        raise
    lines = _checked(entity, kind, frame)
    taken = Taken(before, "checked", len(frame) + len(source.broken), frame.rejects, _unknown(lines), source)
    if dry_run:
        return taken
    if frame.rejects:
        taken.file, taken.state = _refused(entity, kind, path, sha, actor, taken, before), "refused"
        return taken
    taken.file, taken.state = _store(entity, kind, path, sha, actor, lines, taken.unknown, before), "taken"
    if kind == "movements":
        instructions_heard(entity)
    return taken


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from error


def _checked(entity: LegalEntity, kind: str, frame: Frame) -> _Lines:
    on = _one_day(frame)
    contract = _contracts(entity, frame, on)
    if frame.has("currency"):
        other = pc.not_equal(pc.fill_null(frame.values["currency"], ""), entity.currency).to_numpy(zero_copy_only=False)
        frame.reject(other & frame.given("currency"), "currency", f"the entity's loans are in {entity.currency}")
    if kind == "balances":
        frame.reject_twice("loan_id", "the loan stands twice in the file")
        _sums(frame)
        _whole(entity, frame, on)
    else:
        _movements(frame, on, contract)
    return _Lines(frame, on, contract)


def _one_day(frame: Frame) -> date | None:
    """The file's business day: the same in every row, and not ahead."""
    days = frame.number("data_cut_off_date")
    if not frame.ok.any():
        return None
    first = int(days[np.flatnonzero(frame.ok)[0]])
    frame.reject(days != first, "data_cut_off_date", f"a file is of one day, and it begins with {date_of(first)}")
    frame.reject(days > day(business_date()), "data_cut_off_date", "the day lies ahead")
    return date_of(first)


def _contracts(entity: LegalEntity, frame: Frame, on: date | None) -> np.ndarray:
    """The contract id of each row by one look-up of columns; 0 where the entity has no such loan."""
    with fetching() as fetch:
        book = fetch(f"SELECT number, id, disbursed_on FROM lending_contract WHERE entity_id = {int(entity.pk)}", IDS)
    at = pc.index_in(frame.values["loan_id"], value_set=book["number"].combine_chunks())
    found = at.fill_null(-1).to_numpy(zero_copy_only=False)
    ids = np.append(book["id"].to_numpy(), 0)
    out: np.ndarray = ids[found]
    if on is not None and len(book):
        begun = np.append(book["disbursed_on"].cast(pa.int32()).to_numpy(), 0)[found]
        frame.reject((begun > day(on)) & (out > 0), "loan_id", "the loan is paid out after the file's day")
    return out


def _sums(frame: Frame) -> None:
    """total_balance and arrears_balance are the sums of their parts, where the file gives all of them."""
    parts = [c for c in CORE_COMPONENTS.values() if c != "surplus" and frame.has(c)]
    if frame.has("total_balance") and len(parts) >= 2:
        total = sum((frame.number(c) for c in parts), -frame.number("surplus"))
        given = frame.given("total_balance")
        frame.reject(given & (frame.number("total_balance") != total), "total_balance", "it is not the sum of the components")
    arrears = ("arrears_principal", "arrears_interest")
    if frame.has("arrears_balance") and all(map(frame.has, arrears)):
        total = sum((frame.number(c) for c in arrears), np.zeros(len(frame), np.int64))
        wrong = frame.given("arrears_balance") & (frame.number("arrears_balance") != total)
        frame.reject(wrong, "arrears_balance", "it is not arrears_principal and arrears_interest")


def _whole(entity: LegalEntity, frame: Frame, on: date | None) -> None:
    """A file with far fewer loans than the one before breaks off."""
    if on is None:
        return
    earlier = CoreFile.objects.filter(entity=entity, kind="balances", state="taken", day__lt=on).order_by("-day").first()
    if earlier is None:
        return
    percent = policy_of(entity, on).fewer_percent
    if len(frame) * 100 <= earlier.row_count * (100 - percent):
        reason = f"the file breaks off: it has {len(frame)} loans, that of {earlier.day} had {earlier.row_count}"
        frame.rejects.append(Reject(int(frame.rows[-1]) + 1, "loan_id", "", reason))


def _movements(frame: Frame, on: date | None, contract: np.ndarray) -> None:
    """References are given once a file; one that an earlier file brought must say the same, and is not stored again."""
    frame.reject_twice("reference", "the reference stands twice in the file")
    parts = [c for c in CORE_PARTS if frame.has(c)]
    if parts:
        split = sum((frame.number(c) for c in parts), np.zeros(len(frame), np.int64))
        some = np.logical_or.reduce([frame.given(c) for c in parts])
        frame.reject(some & (split > frame.number("amount")), "amount", "its parts are more than the amount")
    if on is not None:
        frame.reject(frame.number("effective_on") > day(on), "effective_on", "the movement lies after the file's day")
    frame.reject(contract == 0, "loan_id", "the book has no such loan of this entity")


def _unknown(lines: _Lines) -> list[str]:
    numbers = lines.frame.values["loan_id"].filter(pa.array((lines.contract == 0) & lines.frame.ok))
    return sorted(numbers.to_pylist())


def _refused(
    entity: LegalEntity, kind: str, path: Path, sha: str, actor: str, taken: Taken, before: CoreFile | None
) -> CoreFile:  # fmt: skip
    """Keep that a file was refused, and why; the same file again renews the row."""
    file = before or CoreFile(entity=entity, kind=kind, sha256=sha)
    file.file_name, file.state, file.actor, file.started_at = path.name[:200], "refused", actor, now()
    file.row_count, file.reject_count = taken.rows, len(taken.rejects)
    file.rejects = [[r.row, r.column, r.value[:80], r.reason] for r in taken.rejects[:REJECTS_KEPT]]
    with transaction.atomic():
        file.save()
        log(actor, "core.file.refuse", "entity", entity.code, {"file": path.name, "rows": taken.rows})
    return file


def _store(
    entity: LegalEntity, kind: str, path: Path, sha: str, actor: str, lines: _Lines, unknown: list[str],
    before: CoreFile | None,
) -> CoreFile:  # fmt: skip
    file = _begin(entity, kind, path, sha, actor, lines, before)
    rows = np.flatnonzero(lines.contract > 0)
    columns = _balance_columns(lines) if kind == "balances" else _movement_columns(lines)
    if kind == "movements":
        rows = rows[~_known(lines, rows)]
    for first in range(0, len(rows), ROWS_AT_ONCE):
        at = pa.array(rows[first : first + ROWS_AT_ONCE])
        with transaction.atomic():
            model: Any = CoreBalance if kind == "balances" else CoreMovement
            columns_insert(model, {"file_id": file.pk, **{n: c.take(at) for n, c in columns.items()}})
    with transaction.atomic():
        file.state, file.taken_at, file.row_count, file.reject_count, file.rejects = "taken", now(), len(lines.frame), 0, []
        file.unknown = unknown[:UNKNOWN_KEPT]
        file.save()
        log(actor, "core.file.take", "entity", entity.code, {"file": path.name, "rows": len(lines.frame), "kind": kind})
    return file


def _begin(
    entity: LegalEntity, kind: str, path: Path, sha: str, actor: str, lines: _Lines, before: CoreFile | None
) -> CoreFile:  # fmt: skip
    """The file's row, `running`; what a killed run left of it is taken away."""
    file = before or CoreFile(entity=entity, kind=kind, sha256=sha)
    if before is not None:
        (CoreBalance if kind == "balances" else CoreMovement).objects.filter(file=before).delete()  # type: ignore[attr-defined]
    file.day, file.file_name, file.state, file.actor, file.started_at = lines.on, path.name[:200], "running", actor, now()
    try:
        with transaction.atomic():
            file.save()
    except IntegrityError:
        message = f"{entity.code} has {kind} of {lines.on} already, from another file"
        raise refuse("day_taken", message, "data_cut_off_date") from None
    return file


def _known(lines: _Lines, rows: np.ndarray) -> np.ndarray:
    """Which rows an earlier file brought. Raises Refused when one of them says something else now."""
    ids = ",".join(map(str, np.unique(lines.contract[rows]).tolist())) or "0"
    said = "reference || '|' || kind || '|' || amount_minor"
    with fetching() as fetch:
        there = fetch(f"SELECT contract_id, reference, {said} FROM lending_coremovement WHERE contract_id IN ({ids})", REFERENCES)
    own = _keys(lines).take(pa.array(rows))
    known = pc.is_in(own, value_set=there["said"].combine_chunks())
    reused = pc.is_in(lines.frame.values["reference"].take(pa.array(rows)), value_set=there["reference"].combine_chunks())
    changed = pc.and_(reused, pc.invert(known))
    if pc.any(changed).as_py():
        first = lines.frame.values["reference"].take(pa.array(rows)).filter(changed)[0].as_py()
        raise refuse("reference_changed", f"movement {first} came before with another kind or amount", "reference")
    return np.asarray(known.to_numpy(zero_copy_only=False), bool)


def _keys(lines: _Lines) -> pa.Array:
    columns = _movement_columns(lines)
    texts = [columns["reference"], columns["kind"].cast(pa.string()), columns["amount_minor"].cast(pa.string())]
    return pc.binary_join_element_wise(*texts, "|")


def _number(frame: Frame, name: str, kind: pa.DataType | None = None) -> pa.Array:
    """A figure as the table stores it: null where the file does not say."""
    return pa.array(frame.number(name), kind or pa.int64(), mask=~frame.given(name))


def _balance_columns(lines: _Lines) -> dict[str, pa.Array]:
    frame = lines.frame
    next_on = pa.array(frame.number("next_payment_date").astype(np.int32), pa.int32(), mask=~frame.given("next_payment_date"))
    return {
        "contract_id": pa.array(lines.contract),
        "day": pa.array(frame.number("data_cut_off_date").astype(np.int32), pa.int32()).cast(pa.date32()),
        **{f"{n}_minor": _number(frame, column) for n, column in CORE_COMPONENTS.items()},
        "days_past_due": _number(frame, "days_past_due", pa.int32()),
        "overdue_principal_minor": _number(frame, "arrears_principal"),
        "overdue_interest_minor": _number(frame, "arrears_interest"),
        "next_due_on": next_on.cast(pa.date32()),
        "next_due_minor": _number(frame, "next_payment_amount"),
    }


def _movement_columns(lines: _Lines) -> dict[str, pa.Array]:
    frame = lines.frame
    kinds = pc.fill_null(frame.values["kind"], "payment").dictionary_encode()
    codes = pa.array([int(EventKind[k.upper()]) for k in kinds.dictionary.to_pylist()], pa.int16())
    instruction = frame.values.get("instruction")
    nothing = pa.array([""] * len(frame), pa.string())
    return {
        "contract_id": pa.array(lines.contract),
        "reference": frame.values["reference"],
        "kind": codes.take(kinds.indices),
        "effective_on": pa.array(frame.number("effective_on").astype(np.int32), pa.int32()).cast(pa.date32()),
        "amount_minor": pa.array(frame.number("amount")),
        "instruction": nothing if instruction is None else pc.fill_null(instruction, ""),
        "parts": _parts(frame),
    }


def _parts(frame: Frame) -> pa.Array:
    """The split of each movement as JSON text, made by columns."""
    pieces = [
        pc.binary_join_element_wise(f'"{n}": ', pa.array(frame.number(n)).cast(pa.string()), "")
        for n in CORE_PARTS
        if frame.has(n)
    ]
    if not pieces:
        return pa.array(["{}"] * len(frame), pa.string())
    return pc.binary_join_element_wise("{", pc.binary_join_element_wise(*pieces, ", "), "}", "")
