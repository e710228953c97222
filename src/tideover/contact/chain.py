"""The chain of a person's verdicts: SHA-256 over the verdict before and this one as canonical JSON (version 1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from tideover.contact.models import VerdictRow
from tideover.core.business_time import micros

GENESIS = bytes(32)
PLAIN = (
    "party_id", "contract_id", "about", "seq", "stage", "actor", "channel", "purpose", "recipient", "discloses", "saves_clock",
    "approved", "approval", "allowed", "fired", "exempt", "facts", "pack",
)  # fmt: skip


def verdict_hash(row: VerdictRow) -> bytes:
    """The hash of a verdict; its `prev_hash` is set."""
    body = {name: getattr(row, name) for name in PLAIN} | {
        "version": 1,
        "at": micros(row.at),
        "recorded_at": micros(row.recorded_at),
        "next_at": micros(row.next_at) if row.next_at else None,
        "number": bytes(row.number_hash).hex(),
        "pack_on": row.pack_on.isoformat(),
        "pack_hash": bytes(row.pack_hash).hex(),
    }
    text = json.dumps(body, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(bytes(row.prev_hash) + text.encode()).digest()


def breaks() -> Iterator[VerdictRow]:
    """Verdicts that do not follow from the one before them, or whose content was changed."""
    party, prev, seq = None, GENESIS, 0
    for row in VerdictRow.objects.order_by("party_id", "seq").iterator(chunk_size=1000):
        if row.party_id != party:
            party, prev, seq = row.party_id, GENESIS, 0
        seq += 1
        if row.seq != seq or bytes(row.prev_hash) != prev or bytes(row.hash) != verdict_hash(row):
            yield row
        prev, seq = bytes(row.hash), row.seq
