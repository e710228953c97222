"""The digest of a day's tapes: SHA-256 of their logical content, the same for any partitions, threads, files or engine.

Layout version 1. For each tape, by name; for each of its columns, in the order of schema.py, over the rows in the tape's order
(schema.ORDER, strings by their UTF-8 bytes):

    bytes  what
    n      present: bit i of byte i // 8 (lowest first) is 1 where row i has a value; n = (rows + 7) // 8
    m      values: int32, int64 or days as little-endian two's complement of their width, booleans as one byte 0 or 1, strings as
           their lengths in bytes (uint32, little-endian each) followed by all their UTF-8 bytes; where null: zero or length 0

gives a SHA-256 a column. The digest is the SHA-256 of these lines in UTF-8, each ended by a line feed:

    tideover digest 1
    <tape> <rows>
    <tape>.<column> <type as schema.py has it> <hexadecimal SHA-256 of the column>

A new layout gets a new version line; a new column changes the digest of the days closed with it, never of older ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tideover.tape.schema import ORDER, TABLES

VERSION = 1


def digest(tapes: Mapping[str, pa.Table], threads: int = 2) -> str:
    """Digest of tapes by name (hexadecimal). Columns of schema.py; codes may be dictionary-encoded."""
    lines = [f"tideover digest {VERSION}"]
    with ThreadPoolExecutor(threads) as pool:
        for name in sorted(tapes):
            table, columns = tapes[name], TABLES[name]
            order = _order(table, name)
            lines.append(f"{name} {len(table)}")
            hashes = pool.map(lambda c, t=table, o=order: column_hash(t[c.name], c.type, o), columns)
            lines += [f"{name}.{c.name} {c.type} {found}" for c, found in zip(columns, hashes, strict=True)]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _order(table: pa.Table, name: str) -> pa.Array | None:
    """Indices that bring the rows into the tape's order; None when they lie so."""
    keys = [pc.cast(table[k], pa.string()) for k in ORDER[name]]
    if len(table) < 2:
        return None
    if len(keys) == 1:
        one = keys[0].combine_chunks()
        if pc.all(pc.less_equal(one[:-1], one[1:])).as_py():
            return None
    named = pa.table(keys, names=list(ORDER[name]))
    return pc.sort_indices(named, sort_keys=[(k, "ascending") for k in ORDER[name]])


def column_hash(column: pa.ChunkedArray, kind: pa.DataType, order: pa.Array | None = None) -> str:
    """SHA-256 of one column (hexadecimal)."""
    whole = column.combine_chunks()
    if order is not None:
        whole = whole.take(order)
    if whole.type != kind:
        whole = whole.cast(kind)
    found = hashlib.sha256()
    found.update(np.packbits(pc.is_valid(whole).to_numpy(zero_copy_only=False), bitorder="little").data)
    for buffer in _values(whole, kind):
        found.update(buffer.data)
    return found.hexdigest()


def _values(whole: pa.Array, kind: pa.DataType) -> list[np.ndarray]:
    if pa.types.is_string(kind):
        filled = whole.fill_null("") if whole.null_count else whole
        offsets = np.frombuffer(filled.buffers()[1], np.int32)[filled.offset : filled.offset + len(filled) + 1]
        text = filled.buffers()[2]
        bytes_ = np.frombuffer(text, np.uint8)[offsets[0] : offsets[-1]] if text is not None else np.empty(0, np.uint8)
        return [np.diff(offsets).astype("<u4"), np.ascontiguousarray(bytes_)]
    if pa.types.is_boolean(kind):
        return [whole.fill_null(False).to_numpy(zero_copy_only=False).astype(np.uint8)]
    if pa.types.is_date32(kind):
        whole, kind = whole.cast(pa.int32()), pa.int32()
    plain = whole.fill_null(0).to_numpy(zero_copy_only=False)
    return [np.ascontiguousarray(plain, "<i4" if kind == pa.int32() else "<i8")]
