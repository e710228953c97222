"""The per-loan hash chain: SHA-256 over a fixed, versioned byte layout. Other programs can verify a journal from this page.

Layout version 1, big-endian, two's complement, without padding:

    offset  bytes  what
    0       1      version: 1
    1       32     hash of the previous event of the loan; 32 zero bytes for its first event
    33      8      contract id (int64)
    41      4      seq (int32): 1 for the first event of the loan, then without gaps
    45      2      kind (int16, engine.events.EventKind)
    47      4      effective_on (int32, days since 1970-01-01)
    51      8      recorded_at (int64, microseconds since 1970-01-01T00:00Z)
    59      8      amount_minor (int64)
    67      4      n = length of `extra` (uint32)
    71      n      `extra`: JSON, keys sorted, no spaces, UTF-8; empty when there is none
    71+n    2      k = length of the idempotency key (uint16)
    73+n    k      idempotency key, UTF-8
    73+n+k  2      a = length of the actor (uint16)
    75+n+k  a      actor, UTF-8

A new layout gets a new version byte; old events keep theirs.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

GENESIS = bytes(32)
HEAD = struct.Struct(">B32sqihiqqI")
LENGTH = struct.Struct(">H")
BODY = struct.Struct(">qhiq")
AFTER_PREV = np.dtype(
    [
        ("contract_id", ">i8"), ("seq", ">i4"), ("kind", ">i2"), ("effective_day", ">i4"), ("recorded_us", ">i8"),
        ("amount_minor", ">i8"), ("extra_length", ">u4"),
    ]
)  # fmt: skip
"""The layout from offset 33 to 71, of many events."""


class Link(NamedTuple):
    """One event as the chain sees it. `extra`: bytes of `canonical()`."""

    contract_id: int
    seq: int
    kind: int
    effective_day: int
    recorded_us: int
    amount_minor: int
    extra: bytes
    key: str
    actor: str


def canonical(extra: Mapping[str, Any] | None) -> bytes:
    """Canonical JSON (sorted keys, no spaces, UTF-8); empty bytes for none."""
    return json.dumps(extra, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() if extra else b""


def event_hash(
    prev: bytes,
    contract_id: int,
    seq: int,
    kind: int,
    effective_day: int,
    recorded_us: int,
    amount_minor: int,
    extra: bytes,
    key: str,
    actor: str,
) -> bytes:
    """The hash of one event in layout version 1; `extra` as `canonical()` gives it."""
    k, a = key.encode(), actor.encode()
    head = HEAD.pack(1, prev, contract_id, seq, kind, effective_day, recorded_us, amount_minor, len(extra))
    return hashlib.sha256(b"".join((head, extra, LENGTH.pack(len(k)), k, LENGTH.pack(len(a)), a))).digest()


def chain_hashes(links: Iterable[Link], tips: Mapping[int, bytes] | None = None) -> Iterator[tuple[bytes, bytes]]:
    """(previous hash, hash) of each event of many loans. Events of a loan follow one another in order of `seq`.

    tips: hash of the last stored event by contract id; a loan without one starts from GENESIS.
    """
    known, contract_id, prev = tips or {}, -1, GENESIS
    for link in links:
        if link[0] != contract_id:
            contract_id = link[0]
            prev = known.get(contract_id) or GENESIS
        digest = event_hash(prev, *link)
        yield prev, digest
        prev = digest


def body_hash(kind: int, effective_day: int, amount_minor: int, extra: bytes, contract_id: int) -> bytes:
    """What an idempotency key stands for: the request without its time and actor."""
    return hashlib.sha256(BODY.pack(contract_id, kind, effective_day, amount_minor) + extra).digest()


# --- many events ------------------------------------------------------------------------------------------------------


class LinkColumns(NamedTuple):
    """Events of many loans as columns: integers int64[n]; `extras` (bytes of `canonical()`), `keys` and `actors` Arrow binary."""

    contract_ids: np.ndarray
    seqs: np.ndarray
    kinds: np.ndarray
    effective_days: np.ndarray
    recorded_us: np.ndarray
    amounts_minor: np.ndarray
    extras: pa.Array
    keys: pa.Array
    actors: pa.Array


def bytes_fixed(records: np.ndarray) -> pa.Array:
    """Records of a packed dtype as Arrow binary, one value a record."""
    size, data = records.dtype.itemsize, np.ascontiguousarray(records)
    offsets = np.arange(len(records) + 1, dtype=np.int32) * size
    return pa.Array.from_buffers(pa.binary(), len(records), [None, pa.py_buffer(offsets), pa.py_buffer(data.view(np.uint8))])


def bytes_joined(*parts: pa.Array) -> pa.Array:
    """Arrow binary columns put end to end, row by row."""
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()))


def lengths(column: pa.Array, dtype: str) -> pa.Array:
    """Byte lengths of a binary column in a layout's own integer type."""
    return bytes_fixed(np.asarray(pc.binary_length(column)).astype(dtype))


def chain_columns(links: LinkColumns, tips: Mapping[int, bytes]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """(previous hash, hash, body hash) of each event: `chain_hashes` and `body_hash` at bulk speed.

    A loan's events stand together, in order of `seq`. tips: hash of the last stored event by contract id (GENESIS without).
    """
    sha = hashlib.sha256
    before, own, bodies = [], [], []
    contract_id, prev = -1, GENESIS
    for cid, after, body in zip(links.contract_ids.tolist(), _after_prev(links), _bodies(links), strict=True):
        if cid != contract_id:
            contract_id = cid
            prev = tips.get(cid) or GENESIS
        before.append(prev)
        prev = sha(b"\x01" + prev + after).digest()
        own.append(prev)
        bodies.append(sha(body).digest())
    return before, own, bodies


def _after_prev(links: LinkColumns) -> list[bytes]:
    head = np.empty(len(links.seqs), AFTER_PREV)
    for name, values in zip(AFTER_PREV.names or (), links[:6], strict=False):
        head[name] = values
    head["extra_length"] = np.asarray(pc.binary_length(links.extras))
    parts = (bytes_fixed(head), links.extras, lengths(links.keys, ">u2"), links.keys, lengths(links.actors, ">u2"), links.actors)
    return list(bytes_joined(*parts).to_pylist())


def _bodies(links: LinkColumns) -> list[bytes]:
    head = np.empty(len(links.seqs), [("contract_id", ">i8"), ("kind", ">i2"), ("day", ">i4"), ("amount", ">i8")])
    head["contract_id"], head["kind"] = links.contract_ids, links.kinds
    head["day"], head["amount"] = links.effective_days, links.amounts_minor
    return list(bytes_joined(bytes_fixed(head), links.extras).to_pylist())
