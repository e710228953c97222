"""Work that the day itself causes: closes that stopped half-way. And the step that lets the queue follow all its sources."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.contact.rate_notices import notices_send
from tideover.core import work, work_sources
from tideover.core.approvals import approvals_expire
from tideover.core.business_time import business_date, now
from tideover.core.documents.settle import documents_day
from tideover.core.models import Role
from tideover.core.work_sources import Opening, work_sync
from tideover.daily.models import CloseRun


def closes_stuck(on: date) -> Iterator[Opening]:
    """Closes that are neither done nor held by a process that lives."""
    why = gettext_noop("The close of %(day)s stopped half-way. Run it again: it goes on where it stopped.")
    for run in CloseRun.objects.exclude(state="done").filter(as_of__lte=on, lease_until__lt=now()):
        yield Opening(
            f"close.stuck:{run.pk}", ("day", run.as_of.isoformat()), why, Role.ENGINEER, run.lease_until + timedelta(hours=4),
            why_values={"day": run.as_of.isoformat()},
        )  # fmt: skip


def documents(day: Any) -> None:
    """After the close of a day: signatures settled or closed, documents whose time is over wiped; counted in the day's report."""
    if day.as_of >= business_date() - timedelta(days=1):
        day.counts |= documents_day(now(), actor="close")


def day_to_come(day: Any) -> None:
    """After the close of a day: the queue for the next, approvals whose time is over, notices of the rate resets to come.

    Closing an old day again says nothing about today's work.
    """
    today = business_date()
    if day.as_of >= today - timedelta(days=1):
        work_sync(today)
        approvals_expire(now())
        notices_send(now(), actor="close")


def kinds_register() -> None:
    """Make the kind and its source known."""
    outcomes = {"done": gettext_noop("closed")}
    work.register(work.WorkKind("close.stuck", gettext_noop("Close to finish"), lambda item: reverse("day"), outcomes))
    work_sources.register("close.stuck", closes_stuck)
