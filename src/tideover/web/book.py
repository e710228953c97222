"""The book on a page: figures by bucket, where loans moved since the last month end, what the latest close saw; as CSV too.

It joins the lending rows with the tapes of the daily closes, so it lives above both.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tideover.core.access import require
from tideover.core.business_time import business_date
from tideover.core.models import Role, User
from tideover.daily.close import tape_folder
from tideover.daily.models import CloseRun
from tideover.lending.panels import book_figures
from tideover.lending.selectors import BUCKET_ORDER, contracts_visible, post_of
from tideover.tape import store

LEVELS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)
"""Upper bounds of the six lighter heat steps."""
PERCENT_FROM = 30
"""Below this many loans a row shows counts, not percentages (UX §5)."""
KINDS = ("opened", "became_overdue", "rolled", "cured", "paid_off", "corrected")
ROLLS_SQL = """
SELECT a.bucket AS was, b.bucket AS became, count(*) AS n, sum(a.current_principal_balance) AS amount
FROM loans a JOIN loans b ON a.loan_id = b.loan_id
WHERE a.data_cut_off_date = DATE '{first}' AND b.data_cut_off_date = DATE '{last}'
GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """Loans that went from one bucket to another: how many, their principal at the start, and the share of their row."""

    n: int
    amount_minor: int
    share: float | None
    level: int


@dataclass(frozen=True, slots=True)
class Rolls:
    """The roll-rate table between two closed days: one row a bucket at `first`, cells by bucket at `last`."""

    first: date
    last: date
    columns: tuple[str, ...]
    rows: list[tuple[str, int, int, list[Cell]]]


def rolls_table(first: date, last: date, found: list[dict[str, Any]], *, by_count: bool) -> Rolls:
    """The table of DuckDB's groups. Shares by principal at the start, or by count; a row without a base has no shares."""
    groups = {(r["was"], r["became"]): (int(r["n"]), int(r["amount"])) for r in found}
    columns = tuple(b for b in BUCKET_ORDER if any(b in pair for pair in groups))
    rows = []
    for was in columns:
        cells = [groups.get((was, became), (0, 0)) for became in columns]
        n, amount = sum(c[0] for c in cells), sum(c[1] for c in cells)
        if n:
            rows.append((was, n, amount, [_cell(c, n, amount, by_count=by_count) for c in cells]))
    return Rolls(first, last, columns, rows)


def _cell(cell: tuple[int, int], n: int, amount: int, *, by_count: bool) -> Cell:
    part, whole = (cell[0], n) if by_count else (cell[1], amount)
    if not whole:
        return Cell(*cell, None, 0)
    share = part / whole
    level = sum(share > bound for bound in LEVELS) if cell[0] else 0
    return Cell(*cell, share if n >= PERCENT_FROM else None, level if n >= PERCENT_FROM else 0)


def _scope(user: User, on: date) -> tuple[str, Any] | None:
    """Which column of the tape holds the user's scope, and its value; None: the whole house; ("none", ""): nothing."""
    post = post_of(user, on)
    if post is None:
        return ("none", "")
    if user.role == Role.CUSTOMER_MANAGER:
        return ("loan_id", frozenset(contracts_visible(user, on).values_list("number", flat=True)))
    if post.branch is not None:
        return ("branch", post.branch.code)
    return ("originator_id", post.entity.code) if post.entity is not None else None


def _in_scope(table: pa.Table, scope: tuple[str, Any] | None) -> pa.Table:
    if scope is None:
        return table
    name, value = scope
    if name == "none":
        return table.slice(0, 0)
    values = sorted(value) if isinstance(value, frozenset) else [value]
    return table.filter(pc.is_in(table[name], value_set=pa.array(values, pa.string())))


@lru_cache(maxsize=128)
def _rolls_found(first: date, last: date, files: tuple[str, str], scope: tuple[str, Any] | None) -> list[dict[str, Any]]:
    """Groups of the two tapes. Files carry the run in their names and never change, so the answer can be kept."""
    tables = [store.read(tape_folder(day), "loans", [file]) for day, file in zip((first, last), files, strict=True)]
    loans = _in_scope(pa.concat_tables(tables), scope)
    sql = ROLLS_SQL.format(first=first, last=last)
    found = store.query(sql, {"loans": loans, "transitions": store.table_of("transitions", [])})
    return list(found.to_pylist())


@lru_cache(maxsize=128)
def _moves_found(last: date, file: str, loans: str, scope: tuple[str, Any] | None) -> list[dict[str, Any]]:
    moved = store.read(tape_folder(last), "transitions", [file])
    if scope is not None:
        inside = _in_scope(store.read(tape_folder(last), "loans", [loans]), scope)["loan_id"]
        moved = moved.filter(pc.is_in(moved["loan_id"], value_set=inside.combine_chunks()))
    return list(moved.to_pylist())


def _closed() -> tuple[CloseRun | None, CloseRun | None]:
    """The latest closed day, and the day to compare with: the last month end if it is closed, else the oldest day since."""
    done = CloseRun.objects.filter(state="done")
    last = done.order_by("-as_of").first()
    if last is None:
        return None, None
    month_end = last.as_of.replace(day=1) - timedelta(days=1)
    first = done.filter(as_of__gte=month_end, as_of__lt=last.as_of).order_by("as_of").first()
    return first, last


def _tape_blocks(user: User, on: date, *, by_count: bool) -> dict[str, Any]:
    """Roll rates and the latest day's transitions; empty blocks while no day is closed."""
    first, last = _closed()
    if last is None:
        return {"rolls": None, "moves": None, "closed": None}
    scope = _scope(user, on)
    loans = last.manifest["loans"][0]
    moved = _moves_found(last.as_of, last.manifest["transitions"][0], loans, scope)
    moves = [(kind, sum(m["kind"] == kind for m in moved)) for kind in KINDS]
    rolls = None
    if first is not None:
        found = _rolls_found(first.as_of, last.as_of, (first.manifest["loans"][0], loans), scope)
        rolls = rolls_table(first.as_of, last.as_of, found, by_count=by_count)
    return {"rolls": rolls, "moves": moves, "closed": last}


@require("book")
def page(request: HttpRequest) -> HttpResponse:
    """The book today. `?by=count`: roll rates by number of loans instead of by principal."""
    user, today = request.user, business_date()
    assert isinstance(user, User)
    by_count = request.GET.get("by") == "count"
    context = {"figures": book_figures(user, today), "by_count": by_count, **_tape_blocks(user, today, by_count=by_count)}
    return render(request, "web/book.html", context)


@require("book-csv")
def csv_file(request: HttpRequest) -> HttpResponse:
    """The book by bucket as CSV: amounts in minor units, codes instead of words."""
    user, today = request.user, business_date()
    assert isinstance(user, User)
    figures = book_figures(user, today)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="book-{figures.as_of or today}.csv"'
    out = csv.writer(response)
    out.writerow(["as_of", "bucket", "loans", "principal_minor", "overdue_minor", "bad_principal_minor"])
    for b in figures.buckets:
        out.writerow([figures.as_of or today, b["bucket"], b["n"], b["principal"], b["overdue"], b["bad"]])
    return response
