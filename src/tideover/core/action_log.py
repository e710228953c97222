"""Who did what: an append-only log, hash-chained, of every write and every read of a person's file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection, transaction

from tideover.core.business_time import now
from tideover.core.models import ActionLog
from tideover.core.sql import Asked, answers, rows_insert

GENESIS = bytes(32)
LOCK_ID = 7001


def entry_hash(prev: bytes, at_iso: str, actor: str, action: str, object_type: str, object_id: str, detail: Any) -> bytes:
    """SHA-256 over the previous hash and the entry as canonical JSON (version 1)."""
    body = json.dumps([1, at_iso, actor, action, object_type, object_id, detail], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(prev + body.encode()).digest()


class Entry(NamedTuple):
    """One act, before it is chained."""

    action: str
    object_type: str = ""
    object_id: str = ""
    detail: dict[str, Any] | None = None


def log(actor: str, action: str, object_type: str = "", object_id: str = "", detail: dict[str, Any] | None = None) -> None:
    """Append one entry; the newest entry is read under a lock so that the chain never forks."""
    log_many(actor, [Entry(action, object_type, object_id, detail)])


def log_many(actor: str, entries: Sequence[Entry], *, ahead: Sequence[Asked] = ()) -> None:
    """Append many entries of one actor, chained one after the other, at one instant.

    The lock holds all writers of the log until the caller's transaction ends: call this last in it. `ahead`: statements of the
    caller that go to the database with the question for the newest entry, before it.
    """
    rows = []
    with transaction.atomic(savepoint=False):
        lock = [Asked("SELECT pg_advisory_xact_lock(%s)", [LOCK_ID])] if connection.vendor == "postgresql" else []
        last = answers(*ahead, *lock, Asked("SELECT hash FROM core_actionlog ORDER BY id DESC LIMIT 1"))[-1]
        prev, at = bytes(last[0][0]) if last else GENESIS, now()
        at_iso = at.isoformat()
        for action, object_type, object_id, detail in entries:
            digest = entry_hash(prev, at_iso, actor, action, object_type, object_id, detail or {})
            row = ActionLog(
                at=at, actor=actor, action=action, object_type=object_type, object_id=object_id, detail=detail or {},
                prev_hash=prev, hash=digest,
            )  # fmt: skip
            rows.append(row)
            prev = digest
        rows_insert(ActionLog, rows)


def first_break() -> int | None:
    """The id of the first entry that does not follow from the one before it; None when the chain is whole."""
    prev = GENESIS
    for e in ActionLog.objects.order_by("id").iterator(chunk_size=2000):
        expected = entry_hash(prev, e.at.isoformat(), e.actor, e.action, e.object_type, e.object_id, e.detail)
        if bytes(e.prev_hash) != prev or bytes(e.hash) != expected:
            return int(e.pk)
        prev = bytes(e.hash)
    return None


def newest_breaks(count: int) -> list[ActionLog]:
    """The entries among the newest `count` that do not follow from the one before them, oldest first: cheap enough for a page."""
    rows = list(ActionLog.objects.order_by("-id")[: count + 1])[::-1]
    broken = []
    for before, e in zip([None, *rows], rows, strict=False):
        expected = entry_hash(bytes(e.prev_hash), e.at.isoformat(), e.actor, e.action, e.object_type, e.object_id, e.detail)
        linked = before is None or bytes(e.prev_hash) == bytes(before.hash)
        if bytes(e.hash) != expected or not linked:
            broken.append(e)
    return broken
