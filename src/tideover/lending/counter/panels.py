"""What the counter shows on pages of others: exception rows of homes, and a borrower's money that waits for a second person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.core import panels
from tideover.core.models import Role, User
from tideover.core.panels import ExceptionRow, Panel
from tideover.lending.counter.selectors import cash_lines, slips_undecided, states_of, tills_left
from tideover.lending.models import Slip

LOOK_BACK = timedelta(days=14)
OWNER, REPORTER = str(Role.BRANCH_HEAD.label), str(Role.COMPLIANCE.label)


def _row(
    label: str, count: int, first: date | None, amount: int | None, owner: str, act_by: date | None, on: date, address: str
) -> Mapping[str, Any] | None:
    if not count:
        return None
    late = act_by is not None and act_by < on
    return {"rows": [ExceptionRow(label, count, first, amount, owner, act_by, late, address)]}


def left(user: User, on: date) -> Mapping[str, Any] | None:
    """Tills left open past their day."""
    rows = list(tills_left(user, on))
    first = rows[0].day if rows else None
    label = gettext_noop("Tills left open past their day")
    return _row(label, len(rows), first, None, OWNER, first, on, f"{reverse('tills')}?show=left")


def undecided(user: User, on: date) -> Mapping[str, Any] | None:
    """Counter money that was refused or not decided in time."""
    rows = slips_undecided(user, on)
    first = rows[0].day if rows else None
    label = gettext_noop("Counter money to give back or to ask about again")
    total = sum(s.amount_minor for s in rows)
    return _row(label, len(rows), first, total, OWNER, first and first + timedelta(days=1), on, f"{reverse('tills')}?show=left")


def cash(user: User, on: date) -> Mapping[str, Any] | None:
    """People whose cash of a day is to be reported and whose deadline has not passed."""
    rows = [x for x in cash_lines(user, on - LOOK_BACK, on) if x.report_by >= on]
    first = min((x.found.day for x in rows), default=None)
    by = min((x.report_by for x in rows), default=None)
    label = gettext_noop("Large cash to report")
    total = sum(x.found.amount_minor for x in rows)
    return _row(label, len(rows), first, total, REPORTER, by, on, reverse("large-cash"))


def mine(user: User, thing: Any) -> Mapping[str, Any] | None:
    """The borrower's own money that was handed over at a counter and is not booked yet."""
    rows = list(Slip.objects.filter(party__user=user, state="awaiting").order_by("taken_at"))
    states = states_of(rows)
    return {"slips": [(s, states[s.pk] == "slip_to_return") for s in rows]} if rows else None


def panels_register() -> None:
    """Put them where they belong."""
    panels.register("home.rows", Panel("tills-left", "", left, "home-tills", 110))
    panels.register("home.rows", Panel("slips-undecided", "", undecided, "home-tills", 111))
    panels.register("home.rows", Panel("large-cash", "", cash, "home-cash", 112))
    panels.register("borrower.home", Panel("counter", "lending/counter/mine.html", mine, "my-counter", 9))
