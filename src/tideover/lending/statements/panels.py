"""Exception rows of bank statements: unplaced money by age, files late or not whole, lines that somebody must look at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.db.models import Min
from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.core import panels
from tideover.core.access import can
from tideover.core.business_time import business_date, now
from tideover.core.models import Role, User
from tideover.core.panels import ExceptionRow, Panel
from tideover.lending.statements.selectors import files_to_work, lines_to_work, oldest, statements_late, suspense_visible

SUSPENSE_DAYS, FILE_DAYS, LINE_DAYS = 3, 1, 2
AGED = timedelta(days=30)


def _row(label: str, count: int, first: date | None, amount: int | None, days: int, on: date, address: str) -> Mapping[str, Any]:
    act_by = None if first is None else first + timedelta(days=days)
    late = act_by is not None and act_by < on
    return {"rows": [ExceptionRow(label, count, first, amount, str(Role.PAYMENTS.label), act_by, late, address if count else "")]}


def suspense(user: User, on: date) -> Mapping[str, Any]:
    """Money of nobody yet; and of it what is older than 30 days."""
    rows = suspense_visible(user, on)
    found = oldest(rows)
    address = reverse("suspense") if can(user, "suspense") else ""
    label = gettext_noop("Money in that nobody has claimed")
    first = _row(label, found["n"] or 0, found["first"], found["total"] or 0, SUSPENSE_DAYS, on, address)["rows"]
    old = oldest(rows.filter(received_on__lt=on - AGED))
    if not old["n"]:
        return {"rows": first}
    label = gettext_noop("Of it unclaimed for over 30 days")
    return {"rows": [*first, *_row(label, old["n"], old["first"], old["total"], AGED.days, on, address)["rows"]]}


def files(user: User, on: date) -> Mapping[str, Any]:
    """Statements that were refused or not read whole."""
    found = files_to_work(user, on).order_by().aggregate(first=Min("received_at"))
    count = files_to_work(user, on).count()
    first = business_date(found["first"]) if found["first"] else None
    address = f"{reverse('statements')}?show=work" if can(user, "statements") else ""
    return _row(gettext_noop("Bank files refused or not read whole"), count, first, None, FILE_DAYS, on, address)


def late(user: User, on: date) -> Mapping[str, Any]:
    """Accounts without a statement of the last day."""
    found = statements_late(user, now())
    first = min((day for _, day in found), default=None)
    address = reverse("bank-accounts") if can(user, "bank-accounts") else ""
    return _row(gettext_noop("Bank accounts without a statement"), len(found), first, None, FILE_DAYS, on, address)


def lines(user: User, on: date) -> Mapping[str, Any]:
    """Lines in doubt, or nothing that is known."""
    rows = lines_to_work(user, on)
    amounts = list(rows.values_list("booked_on", "amount_minor"))
    first = min((d for d, _ in amounts), default=None)
    address = reverse("bank-lines") if can(user, "bank-lines") else ""
    label = gettext_noop("Bank lines to look at")
    return _row(label, len(amounts), first, sum(a for _, a in amounts), LINE_DAYS, on, address)


def panels_register() -> None:
    """Put the rows on the homes of those who work them."""
    for name, context, permission in (
        ("suspense", suspense, "suspense"), ("statements", files, "statements"), ("statements_late", late, "bank-accounts"),
        ("bank_lines", lines, "bank-lines"),
    ):  # fmt: skip
        panels.register("home.rows", Panel(name, "", context, permission))
