"""What debits show on pages of others: exception rows of payments operations, and a link for borrowers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Sum
from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.core.business_time import business_date, now
from tideover.core.models import Role, User
from tideover.core.panels import ExceptionRow
from tideover.lending.debits.selectors import CREDITED_AFTER, batches_uncredited, batches_visible, debits_visible
from tideover.lending.models import DebitAnswer, DebitFile, Mandate
from tideover.lending.rules.debits import State

LOOK_DAYS = 7
"""Failures, refused files and answers against what stands are shown for so many days."""


def _row(label: str, found: Mapping[str, Any], today: date, days: int, address: str) -> ExceptionRow:
    first = found["first"]
    on = business_date(first) if isinstance(first, datetime) else first
    act_by = None if on is None else on + timedelta(days=days)
    late = act_by is not None and act_by < today
    return ExceptionRow(
        label, found["n"], on, found.get("total"), str(Role.PAYMENTS.label), act_by, late, address if found["n"] else ""
    )


def home_rows(user: User, today: date) -> Mapping[str, Any]:
    """Batches that wait for answers or for their money, failures, answers against what stands, files that could not be used."""
    mine, since = debits_visible(user, today).order_by(), now() - timedelta(days=LOOK_DAYS)
    here = reverse("debits")
    counted = {"n": Count("pk"), "first": Min("made_at"), "total": Sum("total_minor")}
    waits = batches_visible(user, today).exclude(state="settled").aggregate(**counted)
    failed = mine.filter(state=State.FAILED, settled_at__gte=since).exclude(sent_at=None)
    missing = {"n": Count("pk"), "first": Min("debit_on"), "total": Sum(F("taken_minor") - F("credited_minor"))}
    uncredited = batches_uncredited(batches_visible(user, today), today).aggregate(**missing)
    against = DebitAnswer.objects.filter(debit__in=mine, effect="conflict", at__gte=since)
    files = DebitFile.objects.filter(state="refused", at__gte=since).aggregate(n=Count("pk"), first=Min("at"))
    return {
        "rows": [
            _row(gettext_noop("Debit batches without every answer"), waits, today, 1, here),
            _row(
                gettext_noop("Debits that failed in the last 7 days"),
                failed.aggregate(n=Count("pk"), first=Min("debit_on"), total=Sum("amount_minor")), today, 2,
                f"{here}?state=failed",
            ),
            _row(
                gettext_noop("Debit batches that the bank has not credited"), uncredited, today, CREDITED_AFTER.days + 1,
                f"{here}?show=uncredited",
            ),
            _row(
                gettext_noop("Answers of the bank against what stands"),
                against.aggregate(n=Count("pk"), first=Min("at"), total=Sum("amount_minor")), today, 1, here,
            ),
            _row(gettext_noop("Result files of the bank that cannot be used"), files, today, 1, here),
        ]
    }  # fmt: skip


def mine(user: User, _thing: object) -> Mapping[str, Any] | None:
    """The borrower's link to their mandate."""
    party = getattr(user, "party", None)
    if party is None:
        return None
    return {"on": Mandate.objects.filter(party=party, withdrawn_at=None).exists()}


def panels_register() -> None:
    """Put them into their slots."""
    from tideover.core.panels import Panel, register

    register("home.rows", Panel("debits", "", home_rows, "debits-home"))
    register("borrower.links", Panel("my-debits", "lending/debits/my_panel.html", mine, "my-debits", 40))
