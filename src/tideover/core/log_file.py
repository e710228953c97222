"""The action log as a file: one JSON object a line with its hashes, so that an auditor can check the chain without the house.

Each line's hash covers the hash before it and the entry as canonical JSON (core/action_log.py, version 1). A file from a day on
begins with the hash of the entry before; a line taken out, put in or changed breaks the chain at that line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet

from tideover.core.action_log import entry_hash
from tideover.core.business_time import start_of_day
from tideover.core.models import ActionLog

FIELDS = ("id", "at", "actor", "action", "object_type", "object_id", "detail", "prev_hash", "hash")


def line_of(e: ActionLog) -> dict[str, Any]:
    """An entry as the file holds it."""
    plain = {n: getattr(e, n) for n in ("actor", "action", "object_type", "object_id", "detail")}
    return {"id": e.pk, "at": e.at.isoformat(), **plain, "prev_hash": bytes(e.prev_hash).hex(), "hash": bytes(e.hash).hex()}


def entries(
    *,
    actor: str = "",
    action: str = "",
    object_type: str = "",
    object_id: str = "",
    first: date | None = None,
    last: date | None = None,
) -> QuerySet[ActionLog]:
    """Entries by who, what, on what and business day (from `first` to the end of `last`); empty: any. A trailing dot in `action`
    means everything below it (`approval.`)."""  # fmt: skip
    rows = ActionLog.objects.all()
    given = {"actor": actor, "object_type": object_type, "object_id": object_id}
    rows = rows.filter(**{name: value for name, value in given.items() if value})
    if action:
        rows = rows.filter(action__startswith=action) if action.endswith(".") else rows.filter(action=action)
    if first:
        rows = rows.filter(at__gte=start_of_day(first))
    return rows.filter(at__lt=start_of_day(last + timedelta(days=1))) if last else rows


def lines(rows: QuerySet[ActionLog]) -> Iterator[str]:
    """The lines of a file, oldest first, without the whole log in memory."""
    for e in rows.order_by("pk").iterator(chunk_size=2000):
        yield json.dumps(line_of(e), ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check of a file found. `broken`: line number and what is wrong, at most 20. `first`, `last`: entry numbers."""

    count: int
    first: int
    last: int
    broken: list[tuple[int, str]]


BROKEN_MAX = 20


def verify(text: Iterable[str]) -> Verified:
    """Check every line by itself and against the line before it; needs no database and no secret."""
    count = first = last = 0
    broken: list[tuple[int, str]] = []
    before: dict[str, Any] | None = None
    for number, raw in enumerate(text, start=1):
        try:
            e = json.loads(raw)
            prev, said = bytes.fromhex(e["prev_hash"]), e["hash"]
            expected = entry_hash(prev, *(e[n] for n in ("at", "actor", "action", "object_type", "object_id", "detail"))).hex()
        except (ValueError, KeyError, TypeError):
            broken.append((number, "this is not a line of the log"))
            before = None
            continue
        if expected != said:
            broken.append((number, f"entry {e['id']} was changed: its hash is not that of its content"))
        elif before is not None and before["hash"] != e["prev_hash"]:
            broken.append((number, f"entry {e['id']} does not follow entry {before['id']}: lines are missing or were put in"))
        count, first, last, before = count + 1, first or e["id"], e["id"], e
    return Verified(count, first, last, broken[:BROKEN_MAX])
