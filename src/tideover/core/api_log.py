"""REST of the action log: entries by filter with their hashes, so that a reader can check the chain."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema

from tideover.core.log_file import entries, line_of
from tideover.core.models import ActionLog
from tideover.core.problems import NotFound, Problem
from tideover.core.rest import ID_MAX, Cursor, Day, Limit, page_of, route

router = Router(tags=["action log"])


class EntryOut(Schema):
    """`hash`: SHA-256 over `prev_hash` and the entry as canonical JSON (docs/work.md)."""

    id: int
    at: datetime
    actor: str
    action: str
    object_type: str
    object_id: str
    detail: dict[str, Any]
    prev_hash: str
    hash: str


class EntryPage(Schema):
    items: list[EntryOut]
    next_cursor: int | None


@route(router.get, "/action-log", "action-log-list", EntryPage)
def action_log_list(
    request: HttpRequest,
    cursor: Cursor,
    limit: Limit,
    actor: str = Query("", max_length=150),
    action: str = Query("", max_length=60, description="a trailing dot: everything below (approval.)"),
    object_type: str = Query("", max_length=40),
    object_id: str = Query("", max_length=64),
    first: Day | None = None,
    last: Day | None = None,
) -> dict[str, Any]:
    """Entries, oldest first; without a filter the pages make one unbroken chain."""
    rows = entries(actor=actor, action=action, object_type=object_type, object_id=object_id, first=first, last=last)
    return page_of(rows, cursor, limit, line_of)


@route(router.get, "/action-log/{number}", "action-log-get", EntryOut)
def action_log_one(request: HttpRequest, number: int) -> dict[str, Any]:
    """One entry."""
    found = ActionLog.objects.filter(pk=number).first() if 0 < number <= ID_MAX else None
    if found is None:
        raise NotFound(Problem("no_such_entry", f"there is no entry {number}", "number"))
    return line_of(found)
