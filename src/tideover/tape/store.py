"""Tapes on disk as Parquet. A tape exists when a manifest names its files; the manifest's row is the commit point."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tideover.tape.schema import TABLES, arrow_schema


class QueryRefused(Exception):
    """A query that DuckDB refused: its own words."""


def table_of(name: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as an Arrow table of the tape's schema."""
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(name))


def write(folder: Path, file_name: str, table: pa.Table) -> None:
    """Write one Parquet file (zstd) and flush it to disk."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / file_name, compression="zstd")


def digest(tables: Iterable[pa.Table]) -> str:
    """SHA-256 of the tapes' logical content, row by row in loan order: the same for any partitions, files or engine."""
    whole = hashlib.sha256()
    for table in tables:
        for row in table.sort_by([("loan_id", "ascending")]).to_pylist():
            whole.update(repr(sorted((k, str(v)) for k, v in row.items())).encode())
    return whole.hexdigest()


def read(folder: Path, name: str, files: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
    """The named tape from its files, whole or some columns of it; columns that an old file lacks read as null = unknown."""
    schema = arrow_schema(name)
    if columns is not None:
        schema = pa.schema([schema.field(c) for c in columns], metadata=schema.metadata)
    parts = []
    for file in files:
        held = set(pq.read_schema(folder / file).names)
        found = pq.read_table(folder / file, columns=[n for n in schema.names if n in held])
        columns = [found[f.name].cast(f.type) if f.name in found.column_names else pa.nulls(len(found), f.type) for f in schema]
        parts.append(pa.Table.from_arrays(columns, schema=schema))
    return pa.concat_tables(parts) if parts else schema.empty_table()


def query(sql: str, tables: dict[str, pa.Table]) -> pa.Table:
    """Run SQL over Arrow tables; DuckDB can reach nothing else. Raises QueryRefused with DuckDB's message."""
    with duckdb.connect() as connection:
        for name in TABLES:
            connection.register(name, tables[name])
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        try:
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise QueryRefused(str(error)) from error
