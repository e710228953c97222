"""The role homes: for every role of staff the same kind of exception rows, and the loans to start with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language, gettext_noop

from tideover.core.access import can, require
from tideover.core.business_time import business_date
from tideover.core.models import Role, User
from tideover.core.panels import ExceptionRow, panels_of
from tideover.lending.models import StandingRow
from tideover.lending.panels import EXCEPTIONS, dated, loans_shown
from tideover.lending.selectors import post_of
from tideover.lending.views_mine import borrower_home

FIRST = 8
FIRST_ORDER = 10
"""Rows of features with an order below this stand before those of the role: what waits for this very person."""
ALSO = gettext_noop("Also")
"""The heading of rows that have none and stand below those that have one."""
HOMES: dict[Role, tuple[str, ...]] = {
    Role.UNDERWRITER: ("first_late", "fresh", "new", "help"),
    Role.COLLECTOR: ("missed", "promise", "late", "new", "help"),
    Role.TEAM_LEAD: ("missed", "promise", "new", "late", "complaint"),
    Role.COUNSELLOR: ("help", "missed", "new", "late", "dispute"),
    Role.CUSTOMER_MANAGER: ("soon", "new", "promise", "missed", "late", "help"),
    Role.BRANCH_HEAD: ("help", "missed", "new", "late", "bad", "complaint", "soon", "rolled"),
    Role.PAYMENTS: ("payments-desk", "reversed", "corrected"),
    Role.FINANCE: ("held", "surplus", "reversed", "corrected", "debit", "written_off", "unclosed"),
    Role.LEGAL: ("accelerated", "written_off", "bad", "dispute", "help"),
    Role.BUREAU: ("corrected", "dispute", "new", "bad"),
    Role.COMPLAINTS: ("complaint", "dispute", "help"),
    Role.RISK: ("became_late", "rolled", "new", "late", "bad", "written_off"),
    Role.COMPLIANCE: ("complaint", "dispute", "reveals", "searches", "chain", "corrected"),
    Role.AUDITOR: ("chain", "actions", "reveals", "corrected", "held", "debit", "unclosed"),
    Role.TELLER: (),
    Role.ENGINEER: ("unclosed", "stuck", "import", "fixing", "calendar", "chain"),
}
"""Which exceptions each role of staff reads first, in this order: names of panels in the slot `home.rows`."""


@dataclass(frozen=True, slots=True)
class FirstLoans:
    """The loans behind the first row of a home that has any."""

    label: str
    address: str
    loans: list[StandingRow]


def home_rows(user: User, as_of: date) -> list[ExceptionRow]:
    """What needs somebody today: in the order of the role, then what other features show to it."""
    return [row for _name, row in _named_rows(user, as_of)]


def _named_rows(user: User, as_of: date) -> list[tuple[str, ExceptionRow]]:
    panels = {p.name: p for p in panels_of("home.rows")}
    named = HOMES.get(Role(user.role), ())
    others = [name for name, p in panels.items() if name not in named and p.permission and can(user, p.permission)]
    wanted = [*(n for n in others if panels[n].order < FIRST_ORDER), *named]
    wanted += [n for n in others if n not in wanted]
    shown = [(name, panels[name].context(user, as_of) or {}) for name in wanted]
    return [(name, row) for name, values in shown for row in values.get("rows", ())]


def _by_group(rows: list[ExceptionRow]) -> list[ExceptionRow]:
    """What waits, group by group in the order in which they come, and in a group what is due first."""
    first = next(i for i, r in enumerate(rows) if r.group)
    rows = [replace(r, group=ALSO) if i > first and not r.group else r for i, r in enumerate(rows)]
    groups = list(dict.fromkeys(r.group for r in rows))
    return sorted((r for r in rows if r.count), key=lambda r: (groups.index(r.group), r.act_by or date.max))


def _first_loans(user: User, as_of: date, rows: list[tuple[str, ExceptionRow]]) -> FirstLoans | None:
    for key, row in rows:
        if row.count and row.address and key in EXCEPTIONS:
            loans = dated(list(loans_shown(user, as_of, show=key)[:FIRST]), user, as_of, key)
            return FirstLoans(row.label, row.address, loans) if loans else None
    return None


def _where(user: User, as_of: date) -> str:
    """The name of the post's branch or entity; empty for the whole house."""
    post = post_of(user, as_of)
    unit = post and (post.branch or post.entity)
    if not unit:
        return ""
    return str(unit.name_zh if (get_language() or "").startswith("zh") else unit.name_en)


@require("home")
def page(request: HttpRequest) -> HttpResponse:
    """The home of whoever signed in."""
    user = request.user
    assert isinstance(user, User)
    if user.role == Role.BORROWER:
        return borrower_home(request, user)
    today = business_date()
    named = _named_rows(user, today)
    rows = [row for _name, row in named]
    grouped = any(r.group for r in rows)
    context = {
        "rows": _by_group(rows) if grouped else rows,
        "grouped": grouped,
        "looked_at": [r.label for r in rows if grouped and not r.count],
        "today": today,
        "where": _where(user, today),
        "quiet": not any(r.count for r in rows),
        "first": _first_loans(user, today, named),
    }
    return render(request, "web/home.html", context)
