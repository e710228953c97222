"""Tapes on disk as Parquet. A tape exists when a manifest names its files; the manifest's row is the commit point."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as fs
import pyarrow.parquet as pq

from tideover.tape.schema import TABLES, arrow_schema

ROW_GROUP = 100_000
PARQUET = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True))


class QueryRefused(Exception):
    """A query that was refused: DuckDB's own words, or ours."""


class TapeDamaged(Exception):
    """A file that a manifest names is missing or cannot be read: which, and how."""


@dataclass(frozen=True, slots=True)
class TapeFile:
    """One file of a day's tape."""

    as_of: date
    path: Path


def table_of(name: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as an Arrow table of the tape's schema; what a row does not say is null."""
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(name))


def write(folder: Path, file_name: str, table: pa.Table) -> None:
    """Write one Parquet file (zstd, row groups of ROW_GROUP) and flush it to disk. Codes may be dictionary-encoded."""
    folder.mkdir(parents=True, exist_ok=True)
    coded = [f.name for f in table.schema if pa.types.is_dictionary(f.type)]
    table = table.unify_dictionaries()
    with open(folder / file_name, "wb") as out:
        # Without the stored Arrow schema every reader sees codes as plain strings, however they were held here.
        options: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "use_dictionary": coded, "store_schema": False}
        options["write_page_checksum"] = True
        with pq.ParquetWriter(out, table.schema, **options) as writer:
            writer.write_table(table, row_group_size=ROW_GROUP)
            said = table.schema.metadata or {}
            writer.add_key_value_metadata({k.decode(): v.decode() for k, v in said.items()})
        out.flush()
        os.fsync(out.fileno())


def why_unreadable(path: Path, *, whole: bool = False) -> str:
    """Why a file cannot be read, in a few words; empty when it can. whole: every page is read, not only the footer."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups if whole else 0):
                file.read_row_group(group)
    except FileNotFoundError:
        return f"{path.name} is missing"
    except (OSError, pa.ArrowException):
        return f"{path.name} is damaged"
    return ""


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """What goes wrong with the bytes of a file inside becomes a TapeDamaged."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise TapeDamaged(why_unreadable(path, whole=True) or f"{path.name}: {error}") from error


def read(folder: Path, name: str, files: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
    """The named tape from its files; columns that an old file lacks read as null = unknown. Raises TapeDamaged."""
    schema = arrow_schema(name)
    wanted = [schema.field(c) for c in columns or schema.names]
    parts = []
    for file in files:
        with _guarded(folder / file):
            stored = set(pq.read_schema(folder / file).names)
            names = [f.name for f in wanted if f.name in stored]
            found = pq.read_table(folder / file, columns=names, page_checksum_verification=True)
        arrays = [found[f.name].cast(f.type) if f.name in stored else pa.nulls(len(found), f.type) for f in wanted]
        parts.append(pa.Table.from_arrays(arrays, schema=pa.schema(wanted, schema.metadata)))
    return pa.concat_tables(parts) if parts else pa.schema(wanted, schema.metadata).empty_table()


def page(
    path: Path, name: str, start: int, limit: int, scope: Mapping[str, Sequence[str]] | None = None
) -> tuple[pa.Table, int | None]:
    """Rows of a file from position `start` on, at most `limit`, and the position to go on from (None at the end).

    Only the row groups that hold them are read. scope: column -> codes that a row must have. Raises TapeDamaged.
    """
    parts: list[pa.Table] = []
    with _guarded(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        first = 0
        for group in range(file.metadata.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if first + size > start and limit > 0:
                wanted = _within(file, group, max(start - first, 0), scope)
                more = len(wanted) > limit
                chosen = wanted[:limit]
                if len(chosen):
                    parts.append(file.read_row_group(group).take(chosen))
                    limit -= len(chosen)
                if more:
                    return _conformed(parts, name), first + wanted[len(chosen)].as_py()
            elif first + size > start and _has(file, group, scope):
                return _conformed(parts, name), first
            first += size
    return _conformed(parts, name), None


def _within(file: pq.ParquetFile, group: int, skip: int, scope: Mapping[str, Sequence[str]] | None) -> pa.Array:
    """Positions inside a row group, from `skip` on, of the rows in scope."""
    size = file.metadata.row_group(group).num_rows
    if scope is None:
        return pa.array(np.arange(skip, size))
    stored = set(file.schema_arrow.names)
    if not stored.issuperset(scope):  # a column that an old file lacks is unknown, and unknown is in nobody's scope
        return pa.array([], pa.int64())
    table = file.read_row_group(group, columns=list(scope))
    mask = pa.array(np.ones(size, bool))
    for column, codes in scope.items():
        mask = pc.and_(mask, pc.is_in(table[column].combine_chunks(), value_set=pa.array(list(codes), pa.string())))
    found = pc.indices_nonzero(mask).cast(pa.int64())
    return found.filter(pc.greater_equal(found, skip))


def _has(file: pq.ParquetFile, group: int, scope: Mapping[str, Sequence[str]] | None) -> bool:
    return len(_within(file, group, 0, scope)) > 0


def _conformed(parts: list[pa.Table], name: str) -> pa.Table:
    schema = arrow_schema(name)
    out = []
    for part in parts:
        arrays = [part[f.name].cast(f.type) if f.name in part.column_names else pa.nulls(len(part), f.type) for f in schema]
        out.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(out) if out else schema.empty_table()


def dataset(name: str, files: Sequence[TapeFile]) -> ds.Dataset:
    """The named tape over many days, read only as far as a query asks: days that a filter on data_cut_off_date leaves out are
    not opened. Columns that an old file lacks are null."""
    schema = arrow_schema(name)
    if not files:
        return ds.dataset(schema.empty_table())
    where = ds.field("data_cut_off_date")
    local = fs.LocalFileSystem()
    parts = [
        PARQUET.make_fragment(str(f.path), local, partition_expression=where == pa.scalar(f.as_of, pa.date32())) for f in files
    ]
    return ds.FileSystemDataset(parts, schema, PARQUET, local)


def query(sql: str, tapes: Mapping[str, Any]) -> pa.Table:
    """Run one SELECT over tapes by name (datasets or Arrow tables); DuckDB can reach nothing else.

    Raises QueryRefused with DuckDB's message, or for anything but one SELECT.
    """
    with duckdb.connect() as connection:
        for name in TABLES:
            if name in tapes:
                connection.register(name, tapes[name])
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise QueryRefused("one SELECT at a time: tapes are read, never written")
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise QueryRefused(str(error)) from error
