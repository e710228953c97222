"""Reading a file as columns of text: CSV (UTF-8, UTF-8 with BOM, GB18030), XLSX/XLS, Parquet."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq


class BadFile(ValueError):
    """The file cannot be read at all: one sentence that says why and where."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file as text columns. `rows`: the number of each row in the file (the first row of data is 1).

    `broken`: (row, text, reason) of rows that have no columns to check.
    """

    table: pa.Table
    rows: np.ndarray
    broken: list[tuple[int, str, str]]


def file_read(path: Path, *, skip: int = 0, sheet: str = "") -> Source:
    """The file's rows as text; `skip` lines above the header, `sheet` of a workbook (the first when empty).

    Raises BadFile: missing, empty, unknown format, undecodable, no header, header twice, no such sheet.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from error
    if not data:
        raise BadFile(f"{path.name} is empty")
    try:
        if data[:4] == b"PAR1":
            source = _parquet(data)
        elif data[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            source = _sheet(data, skip, sheet)
        else:
            source = _csv(data, skip)
    except pa.ArrowInvalid as error:
        raise BadFile(f"{path.name}: {error}") from error
    names = source.table.column_names
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise BadFile(f"{path.name} has the column {twice[0]} twice")
    return source


def encoding_of(data: bytes) -> str:
    """utf-8 or gb18030. Raises BadFile when the bytes are neither, or hold NUL."""
    if b"\x00" in data:
        raise BadFile("the file holds NUL bytes: it is not a text file in UTF-8 or GB18030")
    for name in ("utf-8", "gb18030"):
        try:
            data.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    raise BadFile("the file is neither UTF-8 nor GB18030")


def _csv(data: bytes, skip: int) -> Source:
    data = data.removeprefix(codecs.BOM_UTF8)
    encoding = encoding_of(data)
    if encoding != "utf-8":
        data = data.decode(encoding).encode()
    lines = data.split(b"\n", skip)
    if len(lines) <= skip or not lines[skip].strip():
        raise BadFile(f"there is no header after {skip} lines" if skip else "the first line is empty: the header belongs there")
    data = lines[skip]
    header = data.split(b"\n", 1)[0].decode().strip("\r")
    delimiter = max(",;\t|", key=header.count)
    names = next(iter(_header(header, delimiter)))
    broken: list[tuple[int, str, str]] = []

    def skip(row: Any) -> str:
        reason = f"{row.actual_columns} columns, the header has {row.expected_columns}"
        broken.append((int(row.number) - 1, str(row.text)[:200], reason))
        return "skip"

    table = pcsv.read_csv(
        io.BytesIO(data),
        # One thread: only then are broken rows numbered.
        read_options=pcsv.ReadOptions(use_threads=False),
        parse_options=pcsv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pcsv.ConvertOptions(column_types={n: pa.string() for n in names}, strings_can_be_null=False),
    )
    out = {b[0] for b in broken}
    rows = np.arange(1, table.num_rows + len(out) + 1)
    return Source(_text(table), rows[~np.isin(rows, list(out))], broken)


def _header(line: str, delimiter: str) -> Any:
    import csv

    return csv.reader([line], delimiter=delimiter)


def _sheet(data: bytes, skip: int, sheet: str) -> Source:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        if sheet and sheet not in book.sheet_names:
            raise BadFile(f"the workbook has no sheet {sheet}; it has {', '.join(book.sheet_names)}")
        rows = (book.get_sheet_by_name(sheet) if sheet else book.get_sheet_by_index(0)).to_python(skip_empty_area=False)[skip:]
    except BadFile:
        raise
    except (CalamineError, ValueError, IndexError) as error:
        raise BadFile(f"the workbook cannot be read: {error}") from error
    if not rows:
        raise BadFile("the first sheet is empty")
    names = [str(n).strip() for n in rows[0]]
    body = [[_cell(v) for v in row] for row in rows[1:]]
    columns = [pa.array([r[i] for r in body], pa.string()) for i in range(len(names))]
    return Source(pa.Table.from_arrays(columns, names=names), np.arange(1, len(body) + 1), [])


def _cell(value: Any) -> str:
    """A cell as text; whole floats without a decimal point, dates as ISO (a sheet has no other numbers)."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        midnight = (value.hour, value.minute, value.second) == (0, 0, 0)
        return value.date().isoformat() if midnight else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)


def _parquet(data: bytes) -> Source:
    table = pq.read_table(pa.BufferReader(data))
    return Source(_text(table), np.arange(1, table.num_rows + 1), [])


def _text(table: pa.Table) -> pa.Table:
    columns = [pc.fill_null(_as_text(c.combine_chunks()), "") for c in table.columns]
    return pa.Table.from_arrays(columns, names=[n.strip() for n in table.column_names])


def _as_text(column: Any) -> Any:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks else pa.array([], column.type)
    if pa.types.is_floating(column.type):
        # Through a decimal of 8 places: 1e6 and 0.1+0.2 become the figures that a person would have written.
        text = pc.cast(pc.cast(pc.round(column, 8), pa.decimal128(34, 8), safe=False), pa.string())
        return pc.replace_substring_regex(text, r"\.?0+$", "")
    return pc.cast(column, pa.string())
