"""Many events at once: the chain computed under the contracts' locks, then one COPY (PostgreSQL) or executemany (SQLite).

COPY goes straight into the journal inside the transaction that holds the locks: its unique constraints and triggers are the
checks, and a staging table would write every row twice. Layout and hashes are those of lending/chain.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from tideover.core.business_time import micros
from tideover.core.problems import refuse
from tideover.engine.terms import date_of
from tideover.lending.chain import GENESIS, body_hash, canonical, event_hash
from tideover.lending.clock import cut_off, stamp
from tideover.lending.models import Contract, LoanEvent

COLUMNS = (
    "contract_id", "seq", "kind", "effective_on", "recorded_at", "amount_minor", "extra", "idempotency_key", "body_hash",
    "actor", "prev_hash", "hash",
)  # fmt: skip
TIP = ("pk", "number", "created_at", "event_count", "chain_hash")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def append(batches: Sequence[tuple[int, Sequence[BulkEvent]]], actor: str) -> int:
    """Append events to loans, (contract id, its events in order) each; returns how many were written.

    The caller has checked the events, and that the keys are new (a key that is not makes the whole call fail). `recorded_us` is
    history's own, but never at or below a cut-off that knew the loan: the tape of a closed day would no longer be what replay
    says was known then. Raises Refused.
    """
    ordered = sorted(batches, key=lambda b: b[0])
    with transaction.atomic():
        now_us, closed = micros(stamp()), cut_off()
        locked = Contract.objects.select_for_update(no_key=True).filter(pk__in=[pk for pk, _ in ordered]).order_by("pk")
        tip, known = {}, {}
        for pk, number, created_at, count, digest in locked.values_list(*TIP):
            tip[pk] = (count, bytes(digest) or GENESIS)
            known[pk] = (number, closed is not None and created_at <= closed)
        for pk, events in ordered:
            number, is_closed = known[pk]
            if is_closed and any(0 <= e.recorded_us <= micros(closed) for e in events):
                raise refuse("below_cut_off", f"{number}: what was known by {closed.isoformat()} is closed", "recorded_at")
        rows = list(_chained(ordered, tip, now_us, actor))
        write = _copy if connection.vendor == "postgresql" else _execute
        write(rows)
        tips_move(tip)
    return len(rows)


def _chained(
    ordered: Sequence[tuple[int, Sequence[BulkEvent]]], tip: dict[int, tuple[int, bytes]], now_us: int, actor: str
) -> Iterator[tuple[Any, ...]]:
    for pk, events in ordered:
        seq, prev = tip[pk]
        for e in events:
            seq += 1
            raw = canonical(e.extra)
            at = now_us if e.recorded_us < 0 else e.recorded_us
            who = e.actor or actor
            digest = event_hash(prev, pk, seq, e.kind, e.on, at, e.amount_minor, raw, e.key, who)
            body = body_hash(e.kind, e.on, e.amount_minor, raw, pk)
            yield pk, seq, e.kind, e.on, at, e.amount_minor, e.extra, e.key, body, who, prev, digest
            prev = digest
        tip[pk] = (seq, prev)


class _Texts(dict[int, str]):
    """Texts of days or microseconds, made once each."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, value: int) -> str:
        self[value] = text = self.make(value)
        return text


def _instant(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _copy(rows: list[tuple[Any, ...]]) -> None:
    """COPY in PostgreSQL's text format; bytea as \\x hex."""
    days = _Texts(lambda d: date_of(d).isoformat())
    instants = _Texts(lambda us: _instant(us).isoformat())
    lines = []
    for pk, seq, kind, on, at, amount, extra, key, body, actor, prev, digest in rows:
        said = "\\N" if extra is None else _escaped(json.dumps(extra))
        lines.append(
            f"{pk}\t{seq}\t{kind}\t{days[on]}\t{instants[at]}\t{amount}\t{said}\t{_escaped(key)}\t\\\\x{body.hex()}\t"
            f"{_escaped(actor)}\t\\\\x{prev.hex()}\t\\\\x{digest.hex()}\n"
        )
    with connection.cursor() as cursor, cursor.copy(f"COPY lending_loanevent ({', '.join(COLUMNS)}) FROM STDIN") as copy:
        copy.write("".join(lines))


def _execute(rows: list[tuple[Any, ...]]) -> None:
    """executemany with values as Django itself stores them in SQLite."""
    days = _Texts(lambda d: date_of(d).isoformat())
    instants = _Texts(lambda us: connection.ops.adapt_datetimefield_value(_instant(us)))
    marks = ", ".join(["%s"] * len(COLUMNS))
    values = [
        (pk, seq, kind, days[on], instants[at], amount, None if x is None else json.dumps(x), key, body, actor, prev, digest)
        for pk, seq, kind, on, at, amount, x, key, body, actor, prev, digest in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO lending_loanevent ({', '.join(COLUMNS)}) VALUES ({marks})", values)


def tips_move(tip: Mapping[int, tuple[int, bytes]]) -> None:
    """Write the journal tips of loans: (number of events, last hash) by contract id, in one statement."""
    ids, counts, hashes = list(tip), [c for c, _ in tip.values()], [h for _, h in tip.values()]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "UPDATE lending_contract c SET event_count = v.n, chain_hash = v.h "
                "FROM unnest(%s::bigint[], %s::int[], %s::bytea[]) AS v(id, n, h) WHERE c.id = v.id",
                [ids, counts, hashes],
            )
        else:
            triples = list(zip(counts, hashes, ids, strict=True))
            cursor.executemany("UPDATE lending_contract SET event_count = %s, chain_hash = %s WHERE id = %s", triples)


def keys_known(keys: Sequence[str]) -> dict[str, bytes]:
    """Body hashes of the keys that the journal holds already."""
    out: dict[str, bytes] = {}
    for start in range(0, len(keys), 20_000):
        part = list(keys[start : start + 20_000])
        if connection.vendor == "postgresql":
            where, values = "idempotency_key = ANY(%s)", [part]
        else:
            where, values = "idempotency_key IN (SELECT value FROM json_each(%s))", [json.dumps(part)]
        found = LoanEvent.objects.extra(where=[where], params=values).values_list("idempotency_key", "body_hash")
        out |= {k: bytes(b) for k, b in found.iterator(chunk_size=5000)}
    return out
