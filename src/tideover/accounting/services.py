"""Closing a period: asked by finance, decided by a second person, and final."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.accounting.lease import books_lock, running
from tideover.accounting.models import Entry, PeriodClose
from tideover.accounting.selectors import days_posted, decimal_of, last_of, trial_balance
from tideover.core.action_log import log
from tideover.core.approvals import ApprovalKind, Shown, approval_ask, register
from tideover.core.authority import one_of
from tideover.core.business_time import now
from tideover.core.models import Approval, Role, User
from tideover.core.problems import Problem, Refused, refuse
from tideover.lending.models import LegalEntity

CLOSE_PERIOD = "books.close_period"
COLUMNS = (
    "voucher", "line", "booked_on", "effective_on", "kind", "branch_id", "product_id", "contract_id", "currency", "position",
    "debit", "credit", "amount_minor",
)  # fmt: skip


def period_problems(entity: LegalEntity, period: date) -> list[Problem]:
    """Why a month cannot be closed now; empty when it can."""
    out = []
    _first, last = days_posted()
    end = last_of(period)
    if period.day != 1:
        out.append(Problem("bad_period", "a period is a month: give its first day", "period"))
    if PeriodClose.objects.filter(entity=entity, period__gte=period).exists():
        out.append(Problem("closed_already", f"{period:%Y-%m} of {entity.code} is closed already", "period"))
    if last is None or last < end:
        out.append(
            Problem("not_posted", f"{entity.code} is posted through {last or 'no day'}; {period:%Y-%m} ends on {end}", "period")
        )
    if running() is not None:
        out.append(Problem("posting_running", "a run of posting is not finished: post first", "period"))
    open_ = Entry.objects.filter(entity=entity, period__lt=period)
    closed = PeriodClose.objects.filter(entity=entity).values("period")
    older = open_.exclude(period__in=closed).order_by("period").values_list("period", flat=True).first()
    if older is not None:
        out.append(Problem("older_open", f"{older:%Y-%m} of {entity.code} is open still: close periods in order", "period"))
    if not out and not trial_balance(entity, end).is_zero:
        out.append(Problem("not_balanced", f"the trial balance of {end} is not zero", "period"))
    return out


def period_close_ask(entity: LegalEntity, period: date, *, reason: str, actor: User) -> Approval:
    """Ask to close a month of an entity. Raises Refused with everything that stands against it."""
    if problems := period_problems(entity, period):
        raise Refused(*problems)
    return approval_ask(
        CLOSE_PERIOD,
        subject=("period", f"{entity.code}:{period:%Y-%m}"),
        payload={"entity": entity.code, "period": period.isoformat(), **period_figures(entity, period)},
        entity=entity.code,
        reason=reason,
        actor=actor,
    )


def period_figures(entity: LegalEntity, period: date) -> dict[str, Any]:
    """Vouchers, entries, turnover and digest of a month, as they stand."""
    rows = Entry.objects.filter(entity=entity, period=period)
    total = rows.aggregate(total=Sum("amount_minor"))["total"] or 0
    last = rows.order_by("-voucher").values_list("voucher", flat=True).first() or 0
    return {"vouchers": last, "entries": rows.count(), "turnover_minor": total, "digest": period_digest(entity, period)}


def period_digest(entity: LegalEntity, period: date) -> str:
    """SHA-256 over the entries of a month, in order of their numbers (version 1: `|` between values, a line each)."""
    found = hashlib.sha256()
    rows = Entry.objects.filter(entity=entity, period=period).order_by("voucher", "line")
    for row in rows.values_list(*COLUMNS).iterator(chunk_size=5000):
        found.update(("|".join("" if v is None else str(v) for v in row) + "\n").encode())
    return found.hexdigest()


def _close(approval: Approval, actor: User) -> dict[str, Any]:
    """Close what was asked for, if it is still what was looked at."""
    entity = LegalEntity.objects.get(code=approval.payload["entity"])
    period = date.fromisoformat(approval.payload["period"])
    with transaction.atomic():
        books_lock()
        if problems := period_problems(entity, period):
            raise Refused(*problems)
        figures = period_figures(entity, period)
        if any(approval.payload[k] != v for k, v in figures.items()):
            raise refuse("changed", "the period has changed since it was asked about: ask again")
        PeriodClose.objects.create(
            entity=entity, period=period, closed_at=now(), asked_by=approval.asked_by.username, decided_by=actor.username,
            approval=approval.reference, vouchers=figures["vouchers"], entries=figures["entries"],
            debit_minor=figures["turnover_minor"], digest=figures["digest"],
        )  # fmt: skip
        log(
            actor.username,
            "books.close_period",
            "entity",
            entity.code,
            {"period": f"{period:%Y-%m}", "digest": figures["digest"]},
        )
    return {"entity": entity.code, "period": f"{period:%Y-%m}"}


def _show(approval: Approval) -> list[Shown]:
    p = approval.payload
    return [
        Shown(f"{p['entity']} {p['period'][:7]}", _("open"), _("closed")),
        Shown(_("Entries"), "", f"{p['entries']:,}"),
        Shown(_("Turnover"), "", decimal_of(p["turnover_minor"])),
    ]


def kinds_register() -> None:
    """Tell the approvals about closing a period: asked by finance, decided by another person of finance or by risk."""
    register(
        ApprovalKind(
            CLOSE_PERIOD,
            gettext_noop("Close a period of the books"),
            frozenset({Role.FINANCE}),
            one_of(Role.FINANCE, Role.RISK),
            _close,
            _show,
            address=lambda a: reverse("books-periods"),
        )
    )
