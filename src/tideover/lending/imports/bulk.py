"""Many events at once, as columns: the chain computed under the contracts' locks, then one COPY (PostgreSQL) or executemany.

COPY goes straight into the journal inside the transaction that holds the locks: its unique constraints and triggers are the
checks, and a staging table would write every row twice. Layout and hashes are those of lending/chain.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from django.db import connection, transaction

from tideover.core.business_time import micros
from tideover.core.problems import refuse
from tideover.engine.terms import date_of
from tideover.lending.chain import (
    GENESIS,
    LinkColumns,
    bytes_fixed,
    bytes_joined,
    canonical,
    chain_columns,
    lengths,
)
from tideover.lending.clock import cut_off, stamp
from tideover.lending.models import LoanEvent

COLUMNS = (
    "contract_id", "seq", "kind", "effective_on", "recorded_at", "amount_minor", "extra", "idempotency_key", "body_hash",
    "actor", "prev_hash", "hash",
)  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POSTGRES_EPOCH_DAY = 10_957
COPY_HEAD, COPY_TAIL = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"


@dataclass(frozen=True, slots=True)
class BulkEvent:
    """One event. `on`: engine day. `recorded_us`: microseconds since 1970-01-01 UTC; -1: now, stamped under the lock.

    `actor`: who did it; empty: whoever appends.
    """

    kind: int
    on: int
    amount_minor: int
    key: str
    extra: dict[str, Any] | None = None
    recorded_us: int = -1
    actor: str = ""


@dataclass(slots=True)
class EventBatch:
    """New events of many loans: integers int64[n], contract ids ascending, a loan's events in order. As in `BulkEvent`.

    `extras`/`actors`: None where no event has one of its own.
    """

    contract_ids: np.ndarray
    kinds: np.ndarray
    days: np.ndarray
    amounts_minor: np.ndarray
    recorded_us: np.ndarray
    keys: list[str]
    extras: list[dict[str, Any] | None] | None = None
    actors: list[str] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def part(self, first: int, last: int) -> EventBatch:
        """Events first..last-1."""
        own = slice(first, last)
        return EventBatch(
            self.contract_ids[own], self.kinds[own], self.days[own], self.amounts_minor[own], self.recorded_us[own],
            self.keys[own], None if self.extras is None else self.extras[own], None if self.actors is None else self.actors[own],
        )  # fmt: skip


def batch_of(batches: Sequence[tuple[int, Sequence[BulkEvent]]]) -> EventBatch:
    """Columns of (contract id, its events in order)."""
    pairs = [(pk, e) for pk, events in sorted(batches, key=lambda b: b[0]) for e in events]

    def integers(values: Sequence[int]) -> np.ndarray:
        return np.array(values, np.int64)

    return EventBatch(
        integers([pk for pk, _ in pairs]), integers([e.kind for _, e in pairs]), integers([e.on for _, e in pairs]),
        integers([e.amount_minor for _, e in pairs]), integers([e.recorded_us for _, e in pairs]), [e.key for _, e in pairs],
        [e.extra for _, e in pairs], [e.actor for _, e in pairs],
    )  # fmt: skip


def append(batches: Sequence[tuple[int, Sequence[BulkEvent]]], actor: str) -> int:
    """`append_batch` of events given one by one."""
    return append_batch(batch_of(batches), actor)


def append_batch(batch: EventBatch, actor: str) -> int:
    """Append events to loans; returns how many were written.

    The caller has checked the events, and that the keys are new (a key that is not makes the whole call fail). `recorded_us` is
    history's own, but never at or below a cut-off that knew the loan: the tape of a closed day would no longer be what replay
    says was known then. Raises Refused.
    """
    if not len(batch):
        return 0
    ids, first, loan_of = np.unique(batch.contract_ids, return_index=True, return_inverse=True)
    assert (np.diff(batch.contract_ids) >= 0).all(), "a loan's events must stand together"
    with transaction.atomic():
        now_us, closed = micros(stamp()), cut_off()
        rows = _locked(ids, closed)
        counts, tips = np.array([r[3] for r in rows], np.int64), {r[0]: bytes(r[4]) or GENESIS for r in rows}
        if closed is not None:
            is_closed = np.array([r[2] for r in rows], bool)[loan_of]
            below = is_closed & (batch.recorded_us >= 0) & (batch.recorded_us <= micros(closed))
            if below.any():
                number = rows[loan_of[int(np.flatnonzero(below)[0])]][1]
                raise refuse("below_cut_off", f"{number}: what was known by {closed.isoformat()} is closed", "recorded_at")
        links = _links(batch, counts[loan_of] + np.arange(len(batch)) - first[loan_of] + 1, now_us, actor)
        prevs, hashes, bodies = chain_columns(links, tips)
        (_copy if connection.vendor == "postgresql" else _execute)(batch, links, prevs, hashes, bodies)
        last = np.append(first[1:], len(batch)) - 1
        tips_move({int(pk): (int(links.seqs[i]), hashes[i]) for pk, i in zip(ids.tolist(), last.tolist(), strict=True)})
    return len(batch)


def _locked(ids: np.ndarray, closed: datetime | None) -> list[tuple[Any, ...]]:
    """(id, number, known to the last cut-off, events, tip) of the loans, locked in ascending order of id."""
    where, values = among("id", ids.tolist())
    before = connection.ops.adapt_datetimefield_value(closed) if closed is not None else None
    lock = "FOR NO KEY UPDATE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, number, created_at <= %s, event_count, chain_hash FROM lending_contract "
            f"WHERE {where} ORDER BY id {lock}",
            [before, *values],
        )
        rows = cursor.fetchall()
    assert len(rows) == len(ids), "every loan of a batch must exist"
    return list(rows)


def _links(batch: EventBatch, seqs: np.ndarray, now_us: int, actor: str) -> LinkColumns:
    n = len(batch)
    said = [actor] * n if batch.actors is None else [a or actor for a in batch.actors]
    extras = [b""] * n if batch.extras is None else [canonical(x) for x in batch.extras]
    return LinkColumns(
        batch.contract_ids, seqs, batch.kinds, batch.days, np.where(batch.recorded_us < 0, now_us, batch.recorded_us),
        batch.amounts_minor, pa.array(extras, pa.binary()), _utf8(batch.keys), _utf8(said),
    )  # fmt: skip


def _utf8(texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.string()).cast(pa.binary())


def _copy(batch: EventBatch, links: LinkColumns, prevs: list[bytes], hashes: list[bytes], bodies: list[bytes]) -> None:
    """COPY in PostgreSQL's binary format: each value after its length, big-endian; days and instants count from 2000-01-01."""
    n = len(batch)
    numbers = (
        ("contract_id", ">i8", links.contract_ids), ("seq", ">i4", links.seqs), ("kind", ">i2", links.kinds),
        ("effective_on", ">i4", links.effective_days - POSTGRES_EPOCH_DAY),
        ("recorded_at", ">i8", links.recorded_us - POSTGRES_EPOCH_DAY * 86_400_000_000),
        ("amount_minor", ">i8", links.amounts_minor),
    )  # fmt: skip
    head = np.empty(
        n, [("fields", ">i2"), *((k, t) for name, form, _ in numbers for k, t in ((f"n_{name}", ">i4"), (name, form)))]
    )
    head["fields"] = len(COLUMNS)
    for name, form, values in numbers:
        head[f"n_{name}"], head[name] = np.dtype(form).itemsize, values
    rows = bytes_joined(
        bytes_fixed(head), *_jsonb(batch), lengths(links.keys, ">i4"), links.keys, *_digest(bodies),
        lengths(links.actors, ">i4"), links.actors, *_digest(prevs), *_digest(hashes),
    )  # fmt: skip
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY lending_loanevent ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(COPY_HEAD)
        copy.write(memoryview(rows.buffers()[2])[: np.frombuffer(rows.buffers()[1], np.int32)[n]])
        copy.write(COPY_TAIL)


def _digest(values: list[bytes]) -> tuple[Any, pa.Array]:
    return pa.scalar((32).to_bytes(4, "big"), pa.binary()), pa.array(values, pa.binary())


def _jsonb(batch: EventBatch) -> tuple[Any, ...]:
    """Length and value of `extra`: NULL has the length -1; a jsonb value begins with its version, 1."""
    if batch.extras is None:
        return (pa.scalar(b"\xff\xff\xff\xff", pa.binary()),)
    values = [b"" if x is None else b"\x01" + json.dumps(x).encode() for x in batch.extras]
    heads = [(len(v) if v else -1).to_bytes(4, "big", signed=True) for v in values]
    return pa.array(heads, pa.binary()), pa.array(values, pa.binary())


class _Texts(dict[int, str]):
    """Texts of days or microseconds, made once each."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, value: int) -> str:
        self[value] = text = self.make(value)
        return text


def _execute(batch: EventBatch, links: LinkColumns, prevs: list[bytes], hashes: list[bytes], bodies: list[bytes]) -> None:
    """executemany with values as Django itself stores them in SQLite."""
    days = _Texts(lambda d: date_of(d).isoformat())
    instants = _Texts(lambda us: connection.ops.adapt_datetimefield_value(EPOCH + timedelta(microseconds=us)))
    extras = [None] * len(batch) if batch.extras is None else [None if x is None else json.dumps(x) for x in batch.extras]
    values = zip(
        links.contract_ids.tolist(), links.seqs.tolist(), links.kinds.tolist(), [days[d] for d in links.effective_days.tolist()],
        [instants[us] for us in links.recorded_us.tolist()], links.amounts_minor.tolist(), extras, batch.keys, bodies,
        links.actors.cast(pa.string()).to_pylist(), prevs, hashes, strict=True,
    )  # fmt: skip
    marks = ", ".join(["%s"] * len(COLUMNS))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO lending_loanevent ({', '.join(COLUMNS)}) VALUES ({marks})", list(values))


def tips_move(tip: Mapping[int, tuple[int, bytes]]) -> None:
    """Write the journal tips of loans: (number of events, last hash) by contract id, in one statement."""
    ids, counts, hashes = list(tip), [c for c, _ in tip.values()], [h for _, h in tip.values()]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "UPDATE lending_contract c SET event_count = v.n, chain_hash = decode(v.h, 'hex') "
                "FROM unnest(%s::bigint[], %s::int[], %s::text[]) AS v(id, n, h) WHERE c.id = v.id",
                [_array(ids), _array(counts), _array([h.hex() for h in hashes])],
            )
        else:
            triples = list(zip(counts, hashes, ids, strict=True))
            cursor.executemany("UPDATE lending_contract SET event_count = %s, chain_hash = %s WHERE id = %s", triples)


def _array(values: Sequence[Any]) -> str:
    """PostgreSQL's literal of an array of integers or texts: one parameter, made much faster than a list of thousands."""
    if not values or isinstance(values[0], int):
        return "{" + ",".join(map(str, values)) + "}"
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') > 2 * (len(values) - 1):
        joined = '","'.join(v.replace("\\", "\\\\").replace('"', '\\"') for v in values)
    return '{"' + joined + '"}'


def among(column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    """(SQL condition, its parameters): the column holds one of any number of integers or texts, as one parameter."""
    if connection.vendor == "postgresql":
        kind = "bigint" if not values or isinstance(values[0], int) else "text"
        return f"{column} = ANY(%s::{kind}[])", [_array(values)]
    return f"{column} IN (SELECT value FROM json_each(%s))", [json.dumps(list(values))]


def keys_known(keys: Sequence[str]) -> dict[str, bytes]:
    """Body hashes of the keys that the journal holds already."""
    out: dict[str, bytes] = {}
    for start in range(0, len(keys), 20_000):
        part = list(keys[start : start + 20_000])
        where, values = among("idempotency_key", part)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT idempotency_key, body_hash FROM {LoanEvent._meta.db_table} WHERE {where}", values)
            out |= {k: bytes(b) for k, b in cursor.fetchall()}
    return out
