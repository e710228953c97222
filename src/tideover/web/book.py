"""The book on a page: figures by bucket, what the latest close saw, where loans moved, the trend; as CSV too.

It joins the lending rows with the tapes of the daily closes, so it lives above both.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from tideover.core.access import require
from tideover.core.business_time import business_date
from tideover.core.models import User
from tideover.daily.models import CloseRun
from tideover.daily.reading import TapeLost
from tideover.lending.panels import book_figures
from tideover.lending.selectors import BUCKET_ORDER
from tideover.lending.words import word
from tideover.web import tapes
from tideover.web.charts import Chart, percent_chart
from tideover.web.views import lost_words

LEVELS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)
"""Upper bounds of the six lighter heat steps."""
PERCENT_FROM = 30
"""Below this many loans a row shows counts, not percentages (UX §5)."""
PAGE_SIZE = 50
KINDS = ("opened", "became_due", "became_overdue", "rolled", "cured", "reopened", "paid_off", "written_off", "corrected")
FLOWS = (("current", "d1_30"), ("d1_30", "d31_60"), ("d31_60", "d61_90"))
"""The rolls whose trend is shown: from a bucket at one month end to the next bucket a month later."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Loans that went from one bucket to another: how many, their principal at the start, and the share of their row."""

    became: str
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


@dataclass(frozen=True, slots=True)
class Trend:
    """Month ends side by side: late and bad shares of principal, and the roll rates between each two."""

    shares: list[tapes.Shares]
    shares_chart: Chart | None
    flows: list[tuple[date, date, list[tuple[int, float | None]]]]
    flows_chart: Chart | None


def rolls_table(first: date, last: date, found: list[dict[str, Any]], *, by_count: bool) -> Rolls:
    """The table of DuckDB's groups. Shares by principal at the start, or by count; a row without a base has no shares."""
    groups = {(r["was"], r["became"]): (int(r["n"]), int(r["amount"])) for r in found}
    columns = tuple(b for b in BUCKET_ORDER if any(b in pair for pair in groups))
    rows = []
    for was in columns:
        cells = [(became, *groups.get((was, became), (0, 0))) for became in columns]
        n, amount = sum(c[1] for c in cells), sum(c[2] for c in cells)
        if n:
            rows.append((was, n, amount, [_cell(c, n, amount, by_count=by_count) for c in cells]))
    return Rolls(first, last, columns, rows)


def _cell(cell: tuple[str, int, int], n: int, amount: int, *, by_count: bool) -> Cell:
    part, whole = (cell[1], n) if by_count else (cell[2], amount)
    if not whole:
        return Cell(*cell, None, 0)
    share = part / whole
    level = sum(share > bound for bound in LEVELS) if cell[1] else 0
    return Cell(*cell, share if n >= PERCENT_FROM else None, level if n >= PERCENT_FROM else 0)


def flow_rates(found: list[dict[str, Any]]) -> list[tuple[int, float | None]]:
    """For each of FLOWS: loans at the start, and the share of their principal that went on; None under 30 loans."""
    out: list[tuple[int, float | None]] = []
    for was, became in FLOWS:
        base = [r for r in found if r["was"] == was]
        n, whole = sum(int(r["n"]) for r in base), sum(int(r["amount"]) for r in base)
        part = sum(int(r["amount"]) for r in base if r["became"] == became)
        out.append((n, part / whole if whole and n >= PERCENT_FROM else None))
    return out


def _trend(scope: tapes.Scope) -> Trend:
    ends = tapes.month_ends()
    shares = [tapes.shares(run, scope) for run in ends]
    days = [f"{s.as_of:%y-%m}" if n < len(shares) - 1 else f"{s.as_of:%m-%d}" for n, s in enumerate(shares)]
    late = [s.late_minor / s.balance_minor if s.balance_minor else None for s in shares]
    bad = [s.bad_minor / s.balance_minor if s.balance_minor else None for s in shares]
    shares_chart = percent_chart(
        _("Late and bad share of unpaid principal, by closed day"),
        "%",
        days,
        [(_("late share"), late), (_("bad-debt share"), bad)],
    )
    flows = [
        (first.as_of, last.as_of, flow_rates(tapes.rolls(first, last, scope)))
        for first, last in pairwise(ends)
        if _months_apart(first, last) == 1 and tapes.is_month_end(last.as_of)
    ]
    series = [
        (f"{word(was)} → {word(became)}", [rates[n][1] for *_days, rates in flows]) for n, (was, became) in enumerate(FLOWS)
    ]
    flows_chart = percent_chart(
        _("Share of principal that moved on, month end to month end"),
        "%",
        [f"{last:%y-%m}" for _first, last, _r in flows],
        series,
    )
    return Trend(shares, shares_chart, flows, flows_chart)


def _months_apart(first: CloseRun, last: CloseRun) -> int:
    return (last.as_of.year - first.as_of.year) * 12 + last.as_of.month - first.as_of.month


def _tape_blocks(user: User, on: date, *, by_count: bool) -> dict[str, Any]:
    """Changes of the latest day and roll rates; empty blocks while no day is closed, a sentence where its tape is lost."""
    try:
        return _blocks(user, on, by_count=by_count)
    except TapeLost as error:
        return {"rolls": None, "moves": None, "closed": None, "lost": lost_words(error.as_of)}


def _blocks(user: User, on: date, *, by_count: bool) -> dict[str, Any]:
    first, last = tapes.span()
    if last is None:
        return {"rolls": None, "moves": None, "closed": None}
    _last, found = tapes.changes(user, on)
    moves = [(kind, sum(c["kind"] == kind for c in found), _principal(found, kind)) for kind in KINDS]
    scope = tapes.scope_of(user, on)
    rolls = None
    if first is not None:
        rolls = rolls_table(first.as_of, last.as_of, tapes.rolls(first, last, scope), by_count=by_count)
    before = None if first is None else tapes.shares(first, scope)
    return {"rolls": rolls, "moves": moves, "closed": last, "before": before}


def _principal(found: list[dict[str, Any]], kind: str) -> int:
    return sum(c["principal_minor"] for c in found if c["kind"] == kind)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@require("book")
def page(request: HttpRequest) -> HttpResponse:
    """The book today. `?by=count`: roll rates by number of loans instead of by principal."""
    user, today = _user(request), business_date()
    by_count = request.GET.get("by") == "count"
    context = {"figures": book_figures(user, today), "by_count": by_count, **_tape_blocks(user, today, by_count=by_count)}
    return render(request, "web/book.html", context)


@require("book-trend")
def trend(request: HttpRequest) -> HttpResponse:
    """Month ends side by side: a page of its own, and a part of the book that arrives after its figures."""
    part = request.headers.get("HX-Request")
    try:
        context = {"trend": _trend(tapes.scope_of(_user(request), business_date())), "flow_names": FLOWS}
    except TapeLost as error:
        if not part:
            raise
        return render(request, "web/book/lost.html", {"lost": lost_words(error.as_of)})
    return render(request, "web/book/trend.html" if part else "web/book_trend.html", context)


@require("book-loans")
def loans(request: HttpRequest) -> HttpResponse:
    """The loans behind a figure: `?kind=` a change of the latest close, or `?was=&became=` a cell of the roll rates."""
    user, today = _user(request), business_date()
    kind, was, became = (request.GET.get(k, "") for k in ("kind", "was", "became"))
    if kind in KINDS:
        last, found = tapes.changes(user, today)
        rows, first = [c for c in found if c["kind"] == kind], None
        heading = word(kind)
    elif was in BUCKET_ORDER and became in BUCKET_ORDER:
        first, last = tapes.span()
        rows = tapes.moved(first, last, tapes.scope_of(user, today), was, became) if first and last else []
        heading = f"{word(was)} → {word(became)}"
    else:
        raise Http404("neither a change nor a pair of buckets")
    context = {
        "heading": heading, "first": first, "last": last, "count": len(rows),
        "sum_minor": sum(r["principal_minor"] for r in rows),
        "page": Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page")), "kind": kind, "was": was, "became": became,
    }  # fmt: skip
    return render(request, "web/book_loans.html", context)


@require("book-csv")
def csv_file(request: HttpRequest) -> HttpResponse:
    """The book by bucket as CSV: amounts in minor units, codes instead of words."""
    user, today = _user(request), business_date()
    figures = book_figures(user, today)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="book-{figures.as_of or today}.csv"'
    out = csv.writer(response)
    out.writerow(["as_of", "bucket", "loans", "principal_minor", "overdue_minor", "bad_principal_minor"])
    for b in figures.buckets:
        out.writerow([figures.as_of or today, b["bucket"], b["n"], b["principal"], b["overdue"], b["bad"]])
    return response
