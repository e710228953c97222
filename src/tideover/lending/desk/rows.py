"""The rows of payments operations' home, with owner and due day by the desk policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Min, Sum
from django.utils.translation import gettext as _

from tideover.core import panels
from tideover.core.access import can
from tideover.core.business_time import business_date
from tideover.core.models import User
from tideover.core.panels import ExceptionRow, Panel
from tideover.lending.debits.policy import reason_words
from tideover.lending.debits.selectors import debits_to_work, debits_visible
from tideover.lending.desk.kinds import FILES, KINDS, Found, Kind, late_found
from tideover.lending.desk.late import late_files
from tideover.lending.desk.policy import targets


def row_of(kind: Kind, user: User, on: date, found: Found | None = None, label: str = "", query: str = "") -> ExceptionRow:
    """A row with its owner and its due day by the policy."""
    found = kind.found(user, on) if found is None else found
    target, count = targets()[kind.target], found["n"] or 0
    first: date | datetime | None = found["first"]
    due = (found.get("due") or target.due(first)) if count else None
    oldest = business_date(first) if isinstance(first, datetime) else first
    return ExceptionRow(
        label or kind.label, count, oldest if count else None, found.get("total") if count else None, str(target.owner.label),
        due, due is not None and due < on, f"{kind.address}{query}" if count else "", kind.group,
    )  # fmt: skip


def failed_by_reason(user: User, on: date) -> list[ExceptionRow]:
    """Failures of the last days: a row for each reason in the words of the reason table, the most frequent first."""
    kind = next(k for k in KINDS if k.target == "debits_failed")
    rows = debits_to_work(debits_visible(user, on), "failed").order_by().values("reason")
    found = rows.annotate(n=Count("pk"), first=Min("settled_at"), total=Sum("amount_minor")).order_by("-n", "reason")
    head = _("Debits failed")
    out = [row_of(kind, user, on, f, f"{head}: {reason_words(f['reason'])}", f"&reason={f['reason']}") for f in found]
    return out or [row_of(kind, user, on, {"n": 0, "first": None})]


def desk_rows(user: User, on: date) -> list[tuple[Kind, ExceptionRow]]:
    """Every row that this reader may see, in the order of the desk; failures stand by reason."""
    mine = [k for k in KINDS if can(user, k.permission)]
    late = late_files(user, on) if any(k.group == FILES for k in mine) else []
    out: list[tuple[Kind, ExceptionRow]] = []
    for kind in mine:
        if kind.target == "debits_failed":
            out += [(kind, row) for row in failed_by_reason(user, on)]
        elif kind.target.startswith("late_"):
            out.append((kind, row_of(kind, user, on, late_found(late, kind.target.removeprefix("late_")))))
        else:
            out.append((kind, row_of(kind, user, on)))
    return out


def home_context(user: User, on: date) -> Mapping[str, Any]:
    """The desk in the slot `home.rows`: whole for payments operations, for other roles the rows that they work."""
    return {"rows": [row for _kind, row in desk_rows(user, on)]}


def panels_register() -> None:
    """Put the desk into the homes."""
    panels.register("home.rows", Panel("payments-desk", "", home_context, "payments-desk"))
