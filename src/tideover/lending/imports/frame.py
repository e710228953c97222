"""A file on its way in: typed columns, which rows still stand, and why the others do not."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tideover.lending.imports.convert import NO_NUMBER, column_convert
from tideover.lending.imports.files import BadFile, Source
from tideover.lending.imports.mapping import Mapping
from tideover.lending.imports.targets import KINDS, Type


@dataclass(frozen=True, slots=True)
class Reject:
    """Why one row is refused: its number in the file, the target column, the file's value, what it should have been."""

    row: int
    column: str
    value: str
    reason: str


@dataclass(slots=True)
class Frame:
    """Typed columns by target. `ok`: rows that nothing refused so far. `rows`: their numbers in the file."""

    mapping: Mapping
    rows: np.ndarray
    values: dict[str, Any]
    empty: dict[str, np.ndarray]
    text: dict[str, Any]
    ok: np.ndarray
    rejects: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def has(self, name: str) -> bool:
        return name in self.values

    def number(self, name: str, otherwise: int = 0) -> np.ndarray:
        """An integer column with `otherwise` where it is empty or not mapped."""
        if name not in self.values:
            return np.full(len(self), otherwise, np.int64)
        return np.where(self.empty[name], otherwise, self.values[name]).astype(np.int64)

    def given(self, name: str) -> np.ndarray:
        """Where the column holds a value."""
        return ~self.empty[name] if name in self.empty else np.zeros(len(self), bool)

    def reject(self, bad: np.ndarray, column: str, reason: str) -> None:
        """Refuse rows, once each (the first reason counts)."""
        hit = np.flatnonzero(bad & self.ok)
        text = self.text.get(column)
        for i in hit.tolist():
            self.rejects.append(Reject(int(self.rows[i]), column, "" if text is None else text[i].as_py(), reason))
        self.ok[hit] = False

    def reject_twice(self, column: str, reason: str) -> None:
        """Refuse every row but the first that holds a value of `column` again."""
        coded = pc.fill_null(self.values[column], "").dictionary_encode()
        at = np.asarray(coded.indices)
        first = np.full(len(coded.dictionary), len(at), np.int64)
        np.minimum.at(first, at, np.arange(len(at)))
        self.reject((first[at] != np.arange(len(at))) & ~self.empty[column], column, reason)

    def looked_up(self, column: str, find: Callable[[list[str]], dict[str, Any]]) -> tuple[np.ndarray, list[Any], np.ndarray]:
        """(index per row, found things, known per row) of a text column: `find` is asked once for its distinct values."""
        coded = pc.fill_null(self.values[column], "").dictionary_encode()
        names = coded.dictionary.to_pylist()
        found = find(names)
        things = [found.get(n) for n in names]
        at = np.asarray(coded.indices)
        known = np.array([t is not None for t in things], bool)
        return at, things, known[at] if len(at) else np.zeros(0, bool)


def frame_make(source: Source, mapping: Mapping) -> Frame:
    """Convert every mapped column. Raises BadFile when the file lacks a column that the mapping names."""
    lacking = [c.source for c in mapping.columns.values() if c.source and c.source not in source.table.column_names]
    if lacking:
        raise BadFile(f"the file has no column {', '.join(lacking)}; it has {', '.join(source.table.column_names)}")
    n = source.table.num_rows
    frame = Frame(mapping, source.rows, {}, {}, {}, np.ones(n, bool))
    frame.rejects += [Reject(row, "", text, reason) for row, text, reason in source.broken]
    targets = {t.name: t for t in KINDS[mapping.kind]}
    for name, column in mapping.columns.items():
        raw = pa.array([column.constant] * n, pa.string()) if column.constant is not None else source.table[column.source]
        raw = raw.combine_chunks() if isinstance(raw, pa.ChunkedArray) else raw
        done = column_convert(raw, column, mapping.missing)
        frame.values[name], frame.empty[name], frame.text[name] = done.values, done.empty, raw
        frame.reject(done.bad, name, f"expected {done.reason}")
        if targets[name].required or mapping.plan in targets[name].required_by:
            frame.reject(done.empty, name, "a value is needed")
        if targets[name].type not in (Type.TEXT, Type.DATE):
            frame.values[name] = np.where(done.bad, NO_NUMBER, done.values)
    return frame


def rejects_write(path: Path, rejects: list[Reject], source: Source | None) -> None:
    """The rejects as CSV (UTF-8 with BOM, so that spreadsheets read it), by row; written whole or not at all.

    Columns: row, column, value, reason, then the row as it stood in the file.
    """
    names = source.table.column_names if source is not None else []
    place = {} if source is None else {int(row): i for i, row in enumerate(source.rows)}
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("row", "column", "value", "reason", *names))
        for r in sorted(rejects, key=lambda r: (r.row, r.column)):
            at = place.get(r.row)
            whole = () if at is None or source is None else (source.table[n][at].as_py() for n in names)
            writer.writerow((r.row, r.column, r.value, r.reason, *whole))
    part.replace(path)
