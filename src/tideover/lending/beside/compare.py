"""A core's balances against replay, loan by loan and component by component: one batch for the book, then the few that differ.

Replay knows what was recorded by the comparison's own cut-off. The loans that differ get a cause (rules/breaks.py); breaks
that no longer differ close themselves and say why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import transaction

from tideover.core.action_log import log
from tideover.core.business_time import micros
from tideover.core.problems import refuse
from tideover.engine.events import Event, EventKind
from tideover.engine.terms import day
from tideover.lending.beside.breaks import Found, breaks_settle
from tideover.lending.beside.instructions import instructions_heard, instructions_reflect
from tideover.lending.beside.policies import policy_of
from tideover.lending.clock import cut_off_take
from tideover.lending.columns import OK, Conventions, Loans, columns_of, numbers, standings_of
from tideover.lending.held import said_of
from tideover.lending.imports.standings import standings_refresh
from tideover.lending.models import Break, CoreBalance, CoreFile, CoreHold, CoreMovement, LegalEntity
from tideover.lending.rules.beside_policy import BesidePolicy
from tideover.lending.rules.breaks import Cause, Move, explain
from tideover.lending.rules.held import COMPARED, COMPONENTS, component_of
from tideover.lending.sources import Book, Partition, fetching, partition_of

REFRESH_AT_ONCE = 1_000
BALANCES = pa.schema(
    [("contract_id", pa.int64()), *((f"{n}_minor", pa.int64()) for n in COMPONENTS), ("days_past_due", pa.int64())]
)


@dataclass(slots=True)
class Compared:
    """What a comparison found. loans: compared; opened, open_now, closed: breaks."""

    file: CoreFile
    loans: int = 0
    opened: int = 0
    open_now: int = 0
    closed: int = 0
    not_replayed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Moment:
    file: CoreFile
    policy: BesidePolicy
    known: datetime
    moves_from: date | None


def file_compare(file: CoreFile, *, actor: str) -> Compared:
    """Compare a taken file of balances with replay; again, the same breaks are renewed. Raises Refused: not balances, not
    taken, or a newer day is compared already."""
    instructions_heard(file.entity)
    moment, out = _moment(file), Compared(file)
    shared = Conventions.of_book()
    for partition in Book(moment.file.day or date.min, moment.known).partitions():
        own = _of_entity(partition, file.entity_id)
        if len(own.contracts):
            _part(columns_of(own, shared), moment, out, None)
    found = [Found(n, None, "loan", None, None, 0, Cause("unknown", "open_loan")) for n in file.unknown]
    settled = breaks_settle(moment.file, moment.policy, moment.known, found, dict.fromkeys(_unknown_open(file)))
    out.opened, out.closed = out.opened + settled.opened, out.closed + settled.closed
    _finish(moment, out, actor)
    return out


def loans_compare(contract_ids: Sequence[int], *, actor: str) -> Compared | None:
    """Compare some loans of one entity again with its newest compared file (after their journals changed); None without one."""
    row = CoreBalance.objects.filter(contract__in=contract_ids, file__compared_at__isnull=False).order_by("-day").first()
    if row is None:
        return None
    moment, out = _moment(row.file), Compared(row.file)
    loans = columns_of(partition_of(np.array(sorted(contract_ids), np.int64)), Conventions.of_book())
    _part(loans, moment, out, contract_ids)
    _refresh(contract_ids)
    return out


def _moment(file: CoreFile) -> _Moment:
    if file.kind != "balances" or file.state != "taken" or file.day is None:
        raise refuse("not_comparable", f"{file.file_name} is not a file of balances that was taken in", "file")
    newer = CoreFile.objects.filter(entity=file.entity_id, kind="balances", compared_at__isnull=False, day__gt=file.day)
    if newer.exists():
        raise refuse("day_passed", f"a day after {file.day} is compared already: this file came too late", "file")
    movements = CoreFile.objects.filter(entity=file.entity_id, kind="movements", state="taken").order_by("day").first()
    return _Moment(file, policy_of(file.entity, file.day), cut_off_take(), movements.day if movements else None)


def _of_entity(partition: Partition, entity_id: int) -> Partition:
    mine = pc.equal(partition.contracts["entity_id"], entity_id)
    return Partition(partition.contracts.filter(mine), partition.events)


def _unknown_open(file: CoreFile) -> Iterable[str]:
    return Break.objects.filter(entity=file.entity_id, contract=None, closed_at=None).values_list("number", flat=True)


def _part(loans: Loans, moment: _Moment, out: Compared, chosen: Sequence[int] | None) -> None:
    """Compare the loans of a partition, and settle their breaks and holds in one transaction."""
    assert moment.file.day is not None
    on = day(moment.file.day)
    standings, state = standings_of(loans, on, micros(moment.known))
    core, stated, there = _core(moment.file, loans.ids)
    found = _found(loans, moment, standings.table, state, core, stated, there, out)
    names = loans.names()
    subjects: Mapping[str, int | None] = dict(zip(names, loans.ids.tolist(), strict=True))
    settled = breaks_settle(moment.file, moment.policy, moment.known, found, subjects)
    out.loans += int((there & (state == OK)).sum())
    out.opened, out.closed = out.opened + settled.opened, out.closed + settled.closed
    if chosen is not None or moment.file.compared_at is not None:
        rows = CoreBalance.objects.filter(file=moment.file, contract__in=settled.touched)
        rows.update(compared_at=moment.known)


def _core(file: CoreFile, ids: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """The core's figures of these loans by component (int64[n]), where it states them, and which loans it has."""
    columns = ", ".join(f.name for f in BALANCES)
    first, last = (int(ids[0]), int(ids[-1])) if len(ids) else (0, 0)
    where = f"file_id = {int(file.pk)} AND contract_id BETWEEN {first} AND {last}"
    with fetching() as fetch:
        table = fetch(f"SELECT {columns} FROM lending_corebalance WHERE {where} ORDER BY contract_id", BALANCES)
    of = numbers(table["contract_id"])
    at = np.searchsorted(of, ids)
    at[at == len(of)] = 0
    there = of[at] == ids if len(of) else np.zeros(len(ids), bool)
    core, stated = {}, {}
    for n in COMPARED:
        column = table[n if n == "days_past_due" else f"{n}_minor"]
        given = pc.is_valid(column).to_numpy()
        core[n] = numbers(column)[at] if len(of) else np.zeros(len(ids), np.int64)
        stated[n] = (given[at] if len(of) else there) & there
    return core, stated, there


def _found(
    loans: Loans, moment: _Moment, table: Any, state: np.ndarray, core: dict[str, np.ndarray], stated: dict[str, np.ndarray],
    there: np.ndarray, out: Compared,
) -> list[Found]:  # fmt: skip
    """What differs, with causes; component by component over the whole partition, Python only for loans that differ."""
    sound, names = state == OK, loans.names()
    by: dict[str, np.ndarray] = {n: core[n] - component_of(table, n) for n in COMPARED}
    bad = {n: stated[n] & sound & (np.abs(by[n]) > moment.policy.tolerance_of(n)) for n in COMPARED}
    found: list[Found] = []
    broken = np.flatnonzero(np.logical_or.reduce(list(bad.values())))
    causes = _causes(loans, broken, moment)
    for i in broken.tolist():
        pk, cause = int(loans.ids[i]), causes[int(loans.ids[i])]
        for n in COMPARED:
            if bad[n][i]:
                replayed = int(component_of(table, n)[i])
                found.append(Found(names[i], pk, n, int(core[n][i]), replayed, int(by[n][i]), cause))
    live = sound & ((table["payoff"] > 0) | (table["row_outstanding"] != 0))
    for i in np.flatnonzero(live & ~there).tolist():
        owed = int(table["payoff"][i])
        found.append(Found(names[i], int(loans.ids[i]), "loan", None, owed, -owed, Cause("unknown", "ask_core")))
    for i in np.flatnonzero(~sound & there).tolist():
        out.not_replayed.append(names[i])
        cause = Cause("unknown", "mend_journal")
        found.append(Found(names[i], int(loans.ids[i]), "loan", int(core["principal"][i]), None, 0, cause))
    return found


def _causes(loans: Loans, broken: np.ndarray, moment: _Moment) -> dict[int, Cause]:
    """The cause of each loan that differs, by contract id."""
    ids, on = loans.ids[broken].tolist(), day(moment.file.day)  # type: ignore[arg-type]
    lines = {b.contract_id: b for b in CoreBalance.objects.filter(file=moment.file, contract__in=ids)}
    moves: dict[int, list[Move]] = {}
    for m in CoreMovement.objects.filter(contract__in=ids, file__state="taken").order_by("effective_on", "pk"):
        moves.setdefault(m.contract_id, []).append(Move(m.reference, EventKind(m.kind), day(m.effective_on), m.amount_minor))
    known, policy = micros(moment.known), moment.policy
    out = {}
    for i in broken.tolist():
        pk = int(loans.ids[i])
        events: list[Event] = [e for e in loans.events.at(i) if e.recorded_at <= known]
        out[pk] = explain(
            loans.terms.at(i), events, said_of(lines[pk]), on, moves=moves.get(pk, ()),
            moves_from=None if moment.moves_from is None else day(moment.moves_from),
            tolerance=policy.tolerance, rounding_minor=policy.rounding_minor,
        )  # fmt: skip
    return out


def _finish(moment: _Moment, out: Compared, actor: str) -> None:
    """Mark the file compared, drop older balances that nothing needs, and rewrite the cache of loans whose figure changed."""
    file = moment.file
    out.open_now = Break.objects.filter(entity=file.entity_id, closed_at=None).count()
    with transaction.atomic():
        file.compared_at = file.compared_at or moment.known
        file.compared_count, file.break_count = out.loans, out.open_now
        file.save()
        log(actor, "core.file.compare", "entity", file.entity.code, {"day": str(file.day), "open": out.open_now})
    instructions_reflect(file)
    _prune(file)
    holds = CoreHold.objects.filter(contract__entity=file.entity_id)
    touched = holds.filter(ended_at=None) | holds.filter(ended_at=moment.known)
    _refresh(sorted(set(touched.values_list("contract_id", flat=True))))


def _refresh(ids: Sequence[int]) -> None:
    for first in range(0, len(ids), REFRESH_AT_ONCE):
        with transaction.atomic():
            standings_refresh(ids[first : first + REFRESH_AT_ONCE])


def _prune(file: CoreFile) -> None:
    """Older balances are kept only for loans whose figure the core held, or holds."""
    held = CoreHold.objects.filter(contract__entity=file.entity_id).values("contract_id")
    older = CoreBalance.objects.filter(file__entity=file.entity_id, day__lt=file.day).exclude(contract__in=held)
    older._raw_delete(older.db)


def newest(entity: LegalEntity) -> CoreFile | None:
    """The newest file of balances that is not compared yet, else None."""
    rows = CoreFile.objects.filter(entity=entity, kind="balances", state="taken", compared_at=None)
    return rows.order_by("-day").first()
