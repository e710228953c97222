"""Many events at once, as columns: the chain computed under the contracts' locks, then one COPY (PostgreSQL) or executemany.

COPY goes straight into the journal inside the transaction that holds the locks: its unique constraints and triggers are the
checks, and a staging table would write every row twice. Layout and hashes are those of lending/chain.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from django.db import connection, transaction

from tideover.core.business_time import micros
from tideover.core.problems import refuse
from tideover.core.sql import Asked, among, answers, array_text, rows_read
from tideover.engine.terms import date_of
from tideover.lending.causes import RARE, bulk_done
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
from tideover.lending.sources import EVENTS

COLUMNS = (
    "contract_id", "seq", "kind", "effective_on", "recorded_at", "amount_minor", "extra", "idempotency_key", "body_hash",
    "actor", "prev_hash", "hash",
)  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BLOCK = 4_000
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


def events_table(batch: EventBatch, at: np.ndarray, counts: np.ndarray) -> pa.Table:
    """New events as the book's own are read (sources.EVENTS). at: index of each event's loan; counts: events each loan has."""
    n = len(batch)
    starts = np.concatenate([[True], np.diff(at) != 0]) if n else np.zeros(0, bool)
    first = np.maximum.accumulate(np.where(starts, np.arange(n), 0))
    said = [None] * n if batch.extras is None else [json.dumps(x) if x else None for x in batch.extras]
    columns = (
        pa.array(batch.contract_ids), pa.array((counts[at] + np.arange(n) - first + 1).astype(np.int32)),
        pa.array(batch.kinds.astype(np.int16)), pa.array(batch.days.astype(np.int32)).view(pa.date32()),
        pa.array(np.maximum(batch.recorded_us, 0)).view(pa.timestamp("us", "UTC")), pa.array(batch.amounts_minor),
        pa.array(said, pa.string()),
    )  # fmt: skip
    return pa.Table.from_arrays(columns, schema=EVENTS)


def append(batches: Sequence[tuple[int, Sequence[BulkEvent]]], actor: str) -> int:
    """`append_batch` of events given one by one; returns how many were written."""
    batch = batch_of(batches)
    append_batch(batch, actor)
    return len(batch)


def append_batch(batch: EventBatch, actor: str) -> np.ndarray:
    """Append events to loans; returns how many events each loan had before (int64, by ascending id).

    The caller has checked the events, and that the keys are new (a key that is not makes the whole call fail). `recorded_us` is
    history's own, but never at or below a cut-off that knew the loan: the tape of a closed day would no longer be what replay
    says was known then. Raises Refused.
    """
    if not len(batch):
        return np.zeros(0, np.int64)
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
        seqs = counts[loan_of] + np.arange(len(batch)) - first[loan_of] + 1
        hashes: list[bytes] = []
        (_copy if connection.vendor == "postgresql" else _execute)(_blocks(batch, seqs, tips, now_us, actor, hashes))
        last = np.append(first[1:], len(batch)) - 1
        tips_move({pk: (int(seqs[i]), hashes[i]) for pk, i in zip(ids.tolist(), last.tolist(), strict=True)})
        bulk_done(_rare(batch, seqs), actor)
    return counts


def _rare(batch: EventBatch, seqs: np.ndarray) -> dict[int, list[LoanEvent]]:
    """The events that place or lift holds, by contract id."""
    out: dict[int, list[LoanEvent]] = {}
    for i in np.flatnonzero(np.isin(batch.kinds, [int(k) for k in RARE])).tolist():
        row = LoanEvent(
            seq=int(seqs[i]), kind=int(batch.kinds[i]), effective_on=date_of(int(batch.days[i])),
            amount_minor=int(batch.amounts_minor[i]), extra=None if batch.extras is None else batch.extras[i],
        )  # fmt: skip
        out.setdefault(int(batch.contract_ids[i]), []).append(row)
    return out


class Block(NamedTuple):
    """Some events, chained: what the writers take."""

    batch: EventBatch
    links: LinkColumns
    prevs: list[bytes]
    hashes: list[bytes]
    bodies: list[bytes]


def _blocks(
    batch: EventBatch, seqs: np.ndarray, tips: dict[int, bytes], now_us: int, actor: str, hashes: list[bytes]
) -> Iterator[Block]:
    """The events in blocks, each chained when the writer asks for it: while PostgreSQL stores one, the next is hashed."""
    for first in range(0, len(batch), BLOCK):
        part = batch.part(first, first + BLOCK)
        links = _links(part, seqs[first : first + BLOCK], now_us, actor)
        prevs, own, bodies = chain_columns(links, tips)
        tips[int(part.contract_ids[-1])] = own[-1]
        hashes += own
        yield Block(part, links, prevs, own, bodies)


def _locked(ids: np.ndarray, closed: datetime | None) -> list[tuple[Any, ...]]:
    """(id, number, known to the last cut-off, events, tip) of the loans, locked in ascending order of id."""
    named, bound = among("id", ids.tolist())
    before = connection.ops.adapt_datetimefield_value(closed) if closed is not None else None
    lock = "FOR NO KEY UPDATE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, number, created_at <= %s, event_count, chain_hash FROM lending_contract "
            f"WHERE {named} ORDER BY id {lock}",
            [before, *bound],
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


def _copy(blocks: Iterator[Block]) -> None:
    """COPY in PostgreSQL's binary format."""
    sql = f"COPY lending_loanevent ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.write(COPY_HEAD)
        for block in blocks:
            rows = _binary(block)
            copy.write(memoryview(rows.buffers()[2])[: np.frombuffer(rows.buffers()[1], np.int32)[len(rows)]])
        copy.write(COPY_TAIL)


def _binary(block: Block) -> pa.Array:
    """Rows of COPY: each value after its length, big-endian; days and instants count from 2000-01-01."""
    links = block.links
    numbers = (
        ("contract_id", ">i8", links.contract_ids), ("seq", ">i4", links.seqs), ("kind", ">i2", links.kinds),
        ("effective_on", ">i4", links.effective_days - POSTGRES_EPOCH_DAY),
        ("recorded_at", ">i8", links.recorded_us - POSTGRES_EPOCH_DAY * 86_400_000_000),
        ("amount_minor", ">i8", links.amounts_minor),
    )  # fmt: skip
    fields = [(k, t) for name, form, _ in numbers for k, t in ((f"n_{name}", ">i4"), (name, form))]
    head = np.empty(len(links.seqs), [("fields", ">i2"), *fields])
    head["fields"] = len(COLUMNS)
    for name, form, values in numbers:
        head[f"n_{name}"], head[name] = np.dtype(form).itemsize, values
    return bytes_joined(
        bytes_fixed(head), *_jsonb(block.batch), lengths(links.keys, ">i4"), links.keys, *_digest(block.bodies),
        lengths(links.actors, ">i4"), links.actors, *_digest(block.prevs), *_digest(block.hashes),
    )  # fmt: skip


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


def _execute(blocks: Iterator[Block]) -> None:
    """executemany with values as Django itself stores them in SQLite."""
    days = _Texts(lambda d: date_of(d).isoformat())
    instants = _Texts(lambda us: connection.ops.adapt_datetimefield_value(EPOCH + timedelta(microseconds=us)))
    sql = f"INSERT INTO lending_loanevent ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"
    with connection.cursor() as cursor:
        for batch, links, prevs, hashes, bodies in blocks:
            extras = [None] * len(batch) if batch.extras is None else [None if x is None else json.dumps(x) for x in batch.extras]
            values = zip(
                links.contract_ids.tolist(), links.seqs.tolist(), links.kinds.tolist(),
                [days[d] for d in links.effective_days.tolist()], [instants[us] for us in links.recorded_us.tolist()],
                links.amounts_minor.tolist(), extras, batch.keys, bodies, links.actors.cast(pa.string()).to_pylist(), prevs,
                hashes, strict=True,
            )  # fmt: skip
            cursor.executemany(sql, list(values))


def tips_move(tip: Mapping[int, tuple[int, bytes]]) -> None:
    """Write the journal tips of loans: (number of events, last hash) by contract id, in one statement."""
    if connection.vendor == "postgresql":
        answers(*tips_asked(tip))
        return
    triples = [(n, h, pk) for pk, (n, h) in tip.items()]
    with connection.cursor() as cursor:
        cursor.executemany(TIP, triples)


TIP = "UPDATE lending_contract SET event_count = %s, chain_hash = %s WHERE id = %s"


def tips_asked(tip: Mapping[int, tuple[int, bytes]]) -> list[Asked]:
    """The statements of `tips_move`."""
    if connection.vendor != "postgresql" or len(tip) == 1:
        return [Asked(TIP, (n, h, pk)) for pk, (n, h) in tip.items()]
    sql = (
        "UPDATE lending_contract c SET event_count = v.n, chain_hash = decode(v.h, 'hex') "
        "FROM unnest(%s::bigint[], %s::int[], %s::text[]) AS v(id, n, h) WHERE c.id = v.id"
    )
    counts, hashes = [n for n, _ in tip.values()], [h.hex() for _, h in tip.values()]
    return [Asked(sql, [array_text(list(tip)), array_text(counts), array_text(hashes)])]


def keys_known(keys: Sequence[str]) -> dict[str, bytes]:
    """Body hashes of the keys that the journal holds already."""
    out: dict[str, bytes] = {}
    for start in range(0, len(keys), 20_000):
        named = among("idempotency_key", keys[start : start + 20_000])
        out |= {k: bytes(b) for k, b in rows_read(LoanEvent, ("idempotency_key", "body_hash"), *named)}
    return out
