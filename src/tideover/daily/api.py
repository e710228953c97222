"""REST of the tapes: which days are closed, the columns, a day's rows by cursor, what changed on a day."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from tideover.core.business_time import business_date
from tideover.core.problems import NotFound, Problem
from tideover.core.rest import Cursor, Day, Limit, page_of, route
from tideover.daily.models import CloseRun, run_closed, runs_closed
from tideover.daily.reading import TapePruned, readable, tape_folder
from tideover.lending.scope import branches_visible, entities_visible, is_house_wide
from tideover.tape import store
from tideover.tape.schema import SCHEMA_VERSION, TABLES

router = Router(tags=["tapes"])


class DayOut(Schema):
    as_of: date
    cut_off: str
    loans: int
    events: int
    digest: str
    rejected: int
    counts: dict[str, int]
    pruned_at: str | None


class DayPage(Schema):
    items: list[DayOut]
    next_cursor: int | None


class ColumnOut(Schema):
    table: str
    name: str
    type: str
    unit: str
    meaning: str


class ColumnsOut(Schema):
    schema_version: int
    items: list[ColumnOut]


class RowsPage(Schema):
    """Rows as the tape has them: money in minor units, null = unknown. The columns are listed at `/tape/columns`."""

    as_of: date
    items: list[dict[str, Any]]
    next_cursor: int | None


@route(router.get, "/tape/days", "tape-days", DayPage)
def tape_days(request: HttpRequest, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """Closed days, in the order in which they were closed. `loans`, `events` and `rejected` (loans that could not be replayed)
    count the whole book; `pruned_at`: when the day's tapes were deleted by the retention rule (asked for, they answer 410)."""
    return page_of(runs_closed(), cursor, limit, _day_out)


def _day_out(r: CloseRun) -> dict[str, Any]:
    return {
        "as_of": r.as_of,
        "cut_off": r.cut_off.isoformat(),
        "loans": r.loans,
        "events": r.events,
        "digest": r.digest,
        "rejected": r.rejected_count,
        "counts": r.counts,
        "pruned_at": r.pruned_at.isoformat() if r.pruned_at else None,
    }


@route(router.get, "/tape/columns", "tape-columns", ColumnsOut)
def tape_columns(request: HttpRequest) -> dict[str, Any]:
    """Every column with its type, unit and meaning."""
    items = [
        {"table": table, "name": c.name, "type": str(c.type), "unit": c.unit, "meaning": c.meaning}
        for table, columns in TABLES.items()
        for c in columns
    ]
    return {"schema_version": SCHEMA_VERSION, "items": items}


@route(router.get, "/tape/{as_of}/loans", "tape-loans", RowsPage)
def tape_loans(request: HttpRequest, as_of: Day, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """One row a loan in your scope, in the order of the book."""
    return _page(request, as_of, "loans", cursor, limit)


@route(router.get, "/tape/{as_of}/transitions", "tape-transitions", RowsPage)
def tape_transitions(request: HttpRequest, as_of: Day, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """What changed for loans in your scope: opened, became_due, became_overdue, rolled, cured, paid_off, written_off, reopened,
    corrected."""
    return _page(request, as_of, "transitions", cursor, limit)


@route(router.get, "/tape/{as_of}/people", "tape-people", RowsPage)
def tape_people(request: HttpRequest, as_of: Day, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """One row a party of your branches: worst days past due, exposure, holds, contacts; by reference, nothing personal."""
    return _page(request, as_of, "people", cursor, limit)


@route(router.get, "/tape/{as_of}/facilities", "tape-facilities", RowsPage)
def tape_facilities(request: HttpRequest, as_of: Day, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """One row a revolving limit of your entities."""
    return _page(request, as_of, "facilities", cursor, limit)


SCOPED = {
    "loans": ("originator_id", "branch"), "transitions": ("originator_id", "branch"), "people": ("branch",),
    "facilities": ("originator_id",),
}  # fmt: skip
"""Columns of each tape that must lie in the caller's scope."""


def _page(request: HttpRequest, as_of: date, name: str, cursor: int, limit: int) -> dict[str, Any]:
    """A page read from the file itself: the cursor is a position in it, and only row groups with rows of the page are read."""
    run = run_closed(as_of)
    if run is None:
        raise NotFound(Problem("day_not_closed", f"{as_of} is not closed", "as_of"))
    if run.pruned_at is not None:
        raise TapePruned(run)
    files = (run.manifest or {}).get(name, [])
    if not files:
        raise NotFound(Problem("no_such_tape", f"{as_of} was closed before there was a tape of {name}", "as_of"))
    with readable(as_of):
        rows, more = store.page(tape_folder(as_of) / files[0], name, cursor, limit, _scope(request, name))
    return {"as_of": as_of, "items": rows.to_pylist(), "next_cursor": more}


def _scope(request: HttpRequest, name: str) -> dict[str, list[str]] | None:
    user, today = request.user, business_date()
    if is_house_wide(user, today):
        return None
    codes = {
        "originator_id": entities_visible(user, today).values_list("code", flat=True),
        "branch": branches_visible(user, today).values_list("code", flat=True),
    }
    return {column: list(codes[column]) for column in SCOPED[name]}
