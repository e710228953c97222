"""The per-loan hash chain: SHA-256 over a fixed, versioned byte layout.

Version 1, big-endian, in this order:
  1 byte version (1) · 32 bytes previous hash (zeros for the first event) · 8 bytes contract id · 4 bytes seq · 2 bytes kind ·
  4 bytes effective_on (days since 1970-01-01) · 8 bytes recorded_at (microseconds since 1970-01-01 UTC) · 8 bytes amount_minor ·
  4 bytes length and UTF-8 of `extra` as canonical JSON (empty when null) · 2 bytes length and UTF-8 of the idempotency key ·
  2 bytes length and UTF-8 of the actor.
"""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

GENESIS = bytes(32)
HEAD = struct.Struct(">B32sqihiqqI")


def canonical(extra: dict[str, Any] | None) -> bytes:
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
    return hashlib.sha256(b"".join((head, extra, struct.pack(">H", len(k)), k, struct.pack(">H", len(a)), a))).digest()


def body_hash(kind: int, effective_day: int, amount_minor: int, extra: bytes, contract_id: int) -> bytes:
    """What an idempotency key stands for: the request without its time and actor."""
    return hashlib.sha256(struct.pack(">qhiq", contract_id, kind, effective_day, amount_minor) + extra).digest()
