"""Where contracts and events are read in bulk: partitions of both as Arrow tables of one schema, whatever lies below.

PostgreSQL hands over binary columns through ADBC, inside one snapshot. SQLite, and a PostgreSQL transaction that is open
already, go through Django's own cursor. A close reads the book as recorded by its cut-off, so that a partition is the same
whenever it is read again; who asks for some loans gets all that is known of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from django.db import connection

PARTITION = 50_000
"""Contracts read at once: about 600,000 events of a book of instalment loans."""
FETCH = 50_000
US = pa.timestamp("us", tz="UTC")
CONTRACTS = pa.schema(
    [
        ("id", pa.int64()), ("number", pa.string()), ("borrower", pa.string()), ("entity_id", pa.int64()),
        ("branch_id", pa.int64()), ("manager_id", pa.int64()), ("product_id", pa.int64()), ("facility_id", pa.int64()),
        ("borrower_id", pa.int64()), ("currency", pa.string()), ("channel", pa.string()), ("purpose", pa.string()),
        ("disbursed_on", pa.date32()), ("principal_minor", pa.int64()), ("annual_rate_ppm", pa.int32()),
        ("instalments", pa.int32()), ("first_due_on", pa.date32()), ("due_day", pa.int32()), ("maturity_on", pa.date32()),
        ("overrides", pa.string()),
    ]
)  # fmt: skip
EVENTS = pa.schema(
    [
        ("contract_id", pa.int64()), ("seq", pa.int32()), ("kind", pa.int16()), ("effective_on", pa.date32()),
        ("recorded_at", US), ("amount_minor", pa.int64()), ("extra", pa.string()),
    ]
)  # fmt: skip
CONTRACTS_SQL = """
SELECT c.id, c.number, p.reference, c.entity_id, c.branch_id, c.manager_id, c.product_id, c.facility_id, c.borrower_id,
  c.currency, c.channel, c.purpose, {disbursed_on}, c.principal_minor, c.annual_rate_ppm, c.instalments, {first_due_on},
  c.due_day, {maturity_on}, {overrides}
FROM lending_contract c JOIN lending_party p ON p.id = c.borrower_id
WHERE {which}
ORDER BY c.id
"""
EVENTS_SQL = """
SELECT contract_id, seq, kind, {effective_on}, {recorded_at}, amount_minor, {extra}
FROM lending_loanevent
WHERE {which}
"""
KNOWN_CONTRACTS = "c.id > {first} AND c.id <= {last} AND c.disbursed_on <= '{as_of}' AND c.created_at <= '{cut_off}'"
KNOWN_EVENTS = "contract_id > {first} AND contract_id <= {last} AND recorded_at <= '{cut_off}'"
BOUND_SQL = "SELECT id FROM lending_contract WHERE id > {first} ORDER BY id LIMIT 1 OFFSET {skip}"
LAST_SQL = "SELECT max(id) FROM lending_contract"


@dataclass(frozen=True, slots=True)
class Partition:
    """Contracts in order of id, and every event of theirs recorded by the cut-off, in any order."""

    contracts: pa.Table
    events: pa.Table


class Source(Protocol):
    """Something that hands out the book in partitions. `loans`: how many there may be, for the progress bar."""

    loans: int

    def partitions(self) -> Iterator[Partition]: ...


def expressions(plain: bool) -> dict[str, str]:
    """How dates, instants and JSON are selected. `plain`: as SQLite's text; an expression keeps its adapters from each value."""
    columns = {"disbursed_on": "c.", "first_due_on": "c.", "maturity_on": "c.", "effective_on": "", "recorded_at": ""}
    if plain:
        out = {name: f"{of}{name} || ''" for name, of in columns.items()}
        return out | {"overrides": "c.overrides || ''", "extra": "extra || ''"}
    out = {name: f"{of}{name}" for name, of in columns.items()}
    return out | {"overrides": "c.overrides::text", "extra": "extra::text"}


def table_of(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows of a cursor as Arrow; dates and instants may come as text."""
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in schema]
    return pa.Table.from_arrays([_array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    first = next((v for v in values if v is not None), None)
    if not isinstance(first, str) or pa.types.is_string(kind):
        return pa.array(values, kind)
    return pa.array(values, pa.string()).cast(pa.timestamp("us") if kind == US else kind).cast(kind)


@dataclass(slots=True)
class Book:
    """The lender's own database. as_of: loans paid out by then; cut_off: what was recorded by then; after: contracts beyond
    this id only."""

    as_of: date
    cut_off: datetime
    size: int = PARTITION
    loans: int = 0
    after: int = 0

    def partitions(self) -> Iterator[Partition]:
        """Partitions in order of contract id; all of one snapshot on PostgreSQL."""
        with fetching() as fetch:
            plain = connection.vendor == "sqlite"
            words, known = expressions(plain), {"as_of": self.as_of.isoformat(), "cut_off": _instant(self.cut_off, plain)}
            last = _scalar(fetch, LAST_SQL) or 0
            first = self.after
            while first < last:
                bound = _scalar(fetch, BOUND_SQL.format(first=first, skip=self.size - 1)) or last
                said = known | {"first": str(first), "last": str(bound)}
                yield _partition(fetch, words, KNOWN_CONTRACTS.format(**said), KNOWN_EVENTS.format(**said))
                first = bound


def partition_of(ids: np.ndarray) -> Partition:
    """The loans with these ids (int64, each once; those that do not exist are left out), with every event of theirs."""
    if connection.vendor == "postgresql":
        listed = "= ANY('{" + ",".join(map(str, ids.tolist())) + "}'::bigint[])"
    else:
        listed = f"IN (SELECT value FROM json_each('{json.dumps(ids.tolist())}'))"
    with fetching() as fetch:
        words = expressions(connection.vendor == "sqlite")
        return _partition(fetch, words, f"c.id {listed}", f"contract_id {listed}")


def _partition(fetch: Any, words: Mapping[str, str], contracts: str, events: str) -> Partition:
    found = fetch(CONTRACTS_SQL.format(which=contracts, **words), CONTRACTS)
    return Partition(found, fetch(EVENTS_SQL.format(which=events, **words), EVENTS))


def _scalar(fetch: Any, sql: str) -> int | None:
    found = fetch(sql, pa.schema([("id", pa.int64())]))
    return found["id"][0].as_py() if len(found) else None


def _instant(at: datetime, plain: bool) -> str:
    """An instant as the database compares it: SQLite by the text that Django stores, with no microseconds when they are zero."""
    if not plain:
        return at.isoformat()
    return connection.ops.adapt_datetimefield_value(at)


@contextmanager
def fetching() -> Iterator[Any]:
    """fetch(sql, schema) -> Arrow table of the lender's database; values as text are read where the schema says otherwise."""
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield _fetch_cursor
        return
    with adbc() as fetch:
        yield fetch


def _fetch_cursor(sql: str, schema: pa.Schema) -> pa.Table:
    parts = []
    with connection.cursor() as cursor:
        cursor.execute(sql)
        while rows := cursor.fetchmany(FETCH):
            parts.append(table_of(rows, schema))
    return pa.concat_tables(parts) if parts else schema.empty_table()


def address(settings: Mapping[str, Any]) -> str:
    """libpq's connection words of Django's database settings."""
    from psycopg.conninfo import make_conninfo

    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return make_conninfo("", **{word: settings[key] for key, word in names.items() if settings.get(key)})


@contextmanager
def adbc() -> Iterator[Any]:
    """fetch(sql, schema) over one read-only snapshot of PostgreSQL, by binary COPY into Arrow."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(address(connection.settings_dict)) as link, link.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")

        def fetch(sql: str, schema: pa.Schema) -> pa.Table:
            cursor.execute(sql)
            found = cursor.fetch_arrow_table()
            return pa.Table.from_arrays([_typed(c, f.type) for c, f in zip(found.columns, schema, strict=True)], schema=schema)

        yield fetch
        link.rollback()


def _typed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return column if column.type == kind else column.cast(kind)
