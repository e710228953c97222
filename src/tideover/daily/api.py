"""REST of the tapes: which days are closed, the columns, a day's rows by cursor, what changed on a day."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from django.http import HttpRequest
from ninja import Router, Schema

from tideover.core.business_time import business_date
from tideover.core.problems import NotFound, Problem
from tideover.core.rest import Cursor, Day, Limit, page_of, route
from tideover.daily.close import tape_folder
from tideover.daily.models import CloseRun
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
    """Closed days, in the order in which they were closed. `loans` and `events` count the whole book."""
    return page_of(CloseRun.objects.filter(state="done"), cursor, limit, _day_out)


def _day_out(r: CloseRun) -> dict[str, Any]:
    return {"as_of": r.as_of, "cut_off": r.cut_off.isoformat(), "loans": r.loans, "events": r.events, "digest": r.digest}


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
    """One row a loan in your scope, by loan number."""
    return _page(as_of, _scoped(request, _table(as_of, "loans")), cursor, limit)


@route(router.get, "/tape/{as_of}/transitions", "tape-transitions", RowsPage)
def tape_transitions(request: HttpRequest, as_of: Day, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """What changed for loans in your scope: opened, became_overdue, rolled, cured, paid_off, corrected."""
    mine = _scoped(request, _table(as_of, "loans"))["loan_id"]
    changes = _table(as_of, "transitions")
    return _page(as_of, changes.filter(pc.is_in(changes["loan_id"], mine.combine_chunks())), cursor, limit)


def _table(as_of: date, name: str) -> pa.Table:
    run = CloseRun.objects.filter(as_of=as_of, state="done").first()
    if run is None:
        raise NotFound(Problem("day_not_closed", f"{as_of} is not closed", "as_of"))
    return store.read(tape_folder(as_of), name, run.manifest[name])


def _scoped(request: HttpRequest, loans: pa.Table) -> pa.Table:
    user, today = request.user, business_date()
    if is_house_wide(user, today):
        return loans
    entities = pa.array(entities_visible(user, today).values_list("code", flat=True), pa.string())
    branches = pa.array(branches_visible(user, today).values_list("code", flat=True), pa.string())
    return loans.filter(pc.and_(pc.is_in(loans["originator_id"], entities), pc.is_in(loans["branch"], branches)))


def _page(as_of: date, rows: pa.Table, cursor: int, limit: int) -> dict[str, Any]:
    ordered = rows.sort_by([(n, "ascending") for n in ("loan_id", "kind") if n in rows.column_names])
    more = cursor + limit if cursor + limit < len(ordered) else None
    return {"as_of": as_of, "items": ordered.slice(min(cursor, len(ordered)), limit).to_pylist(), "next_cursor": more}
