"""Many rows into any table from Arrow columns: COPY on PostgreSQL, one prepared statement on SQLite.

What is stored is what the ORM would store: days, instants, JSON texts and bytes in each database's own form. Signals are not
sent; defaults are the database's, so every column that must not be NULL is given. The caller opens the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, models

ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
"""Characters that COPY's text format writes in its own way; the backslash first."""


def ids_take(model: type[models.Model], count: int) -> np.ndarray:
    """`count` new keys of a table, rising (int64), which no one else will be given.

    On SQLite they are free as long as the transaction that writes them: call it inside that one.
    """
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count])
            return np.sort(np.array([pk for (pk,) in cursor.fetchall()], np.int64))
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        found = cursor.fetchone()
    last = int(found[0]) if found else 0
    return np.arange(last + 1, last + 1 + count, dtype=np.int64)


def columns_insert(
    model: type[models.Model], columns: Mapping[str, Any], *, replace_on: str = "", keep: Sequence[str] = ()
) -> None:
    """INSERT rows given as columns (database name: Arrow array, all of one length, or a single value for every row).

    replace_on: a unique column; a row that is there already gets the given values, but for the columns in `keep`.
    """
    count = next(len(c) for c in columns.values() if isinstance(c, pa.Array))
    arrays = {n: c if isinstance(c, pa.Array) else _constant(c, count) for n, c in columns.items()}
    table, names = model._meta.db_table, ", ".join(arrays)
    changed = ", ".join(f"{n} = excluded.{n}" for n in arrays if n not in (replace_on, *keep))
    moved = f"ON CONFLICT ({replace_on}) DO UPDATE SET {changed}" if replace_on else ""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            sql = f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(arrays))}) {moved}"
            cursor.executemany(sql, list(zip(*(_plain(c) for c in arrays.values()), strict=True)))
            return
        into = table
        if replace_on:
            into = f"{table}_new"
            cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {into} (LIKE {table}) ON COMMIT DELETE ROWS")
            cursor.execute(f"TRUNCATE {into}")
        with cursor.copy(f"COPY {into} ({names}) FROM STDIN") as copy:
            copy.write(copy_lines(list(arrays.values())))
        if replace_on:
            cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {into} ORDER BY {replace_on} {moved}")


def copy_lines(columns: list[pa.Array]) -> bytes:
    """Rows in COPY's text format: tabs, \\N for null, a line a row."""
    tab, end, null, nothing = (pa.scalar(t, pa.large_string()) for t in ("\t", "\n", "\\N", ""))
    cells = [pc.fill_null(_cells(c), null) for c in columns]
    cells[-1] = pc.binary_join_element_wise(cells[-1], end, nothing)
    rows = pc.binary_join_element_wise(*cells, tab)
    if not len(rows):
        return b""
    ends = np.frombuffer(rows.buffers()[1], np.int64)[rows.offset : rows.offset + len(rows) + 1]
    return bytes(memoryview(rows.buffers()[2])[ends[0] : ends[-1]])


def _constant(value: Any, count: int) -> pa.Array:
    made = pa.array([value], pa.timestamp("us", "UTC")) if isinstance(value, datetime) else pa.array([value])
    return made.take(pa.array(np.zeros(count, np.int64)))


def _cells(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([None if v is None else "\\\\x" + v.hex() for v in column.to_pylist()], pa.large_string())
    text = column.cast(pa.string())
    if pa.types.is_string(kind):
        for said, written in ESCAPES:
            if pc.any(pc.match_substring(text, said)).as_py():
                text = pc.replace_substring(text, said, written)
    return text.cast(pa.large_string())


def _plain(column: pa.Array) -> list[Any]:
    """Values as Django itself stores them in SQLite."""
    kind = column.type
    if pa.types.is_date(kind):
        return list(column.cast(pa.string()).to_pylist())
    if pa.types.is_timestamp(kind):
        coded = column.dictionary_encode()
        texts = coded.dictionary.to_pylist()
        adapted = pa.array([connection.ops.adapt_datetimefield_value(t) for t in texts], pa.string())
        return list(adapted.take(coded.indices).to_pylist())
    return list(column.to_pylist())
