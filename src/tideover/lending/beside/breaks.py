"""Breaks: opened, renewed and closed by a comparison; taken, accepted and mended by people. With them, whose figure holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop as _

from tideover.core.sql import among
from tideover.engine.terms import date_of
from tideover.lending.models import Break, CoreFile, CoreHold, LoanEvent
from tideover.lending.rules.beside_policy import BesidePolicy
from tideover.lending.rules.breaks import Cause

MENDED, MOVED, AGAIN = _("the journal was mended"), _("the core's figure moved"), _("both agree again")


@dataclass(frozen=True, slots=True)
class Found:
    """One difference of a comparison: the loan's number and id (None: not in the book), component, both figures, core less
    replay."""

    number: str
    contract_id: int | None
    component: str
    core_minor: int | None
    replay_minor: int | None
    amount_minor: int
    cause: Cause


@dataclass(slots=True)
class Settled:
    """What came of it. touched: ids of the loans with a break or a hold that changed."""

    opened: int = 0
    closed: int = 0
    touched: set[int] = field(default_factory=set)


def breaks_settle(
    file: CoreFile, policy: BesidePolicy, at: datetime, found: Sequence[Found], subjects: Mapping[str, int | None]
) -> Settled:
    """Let the open breaks of `subjects` (loan numbers with their ids) be what was found, in one transaction.

    A break that is there keeps its first day and its age; one that was accepted stays so unless its amount moved beyond
    the tolerance. What was not found again is closed with the reason.
    """
    out = Settled()
    with transaction.atomic():
        open_now = _open(file, list(subjects))
        for f in found:
            row = open_now.pop((f.number, f.component), None)
            out.opened += row is None
            _write(row, f, file, policy, at)
        for row in open_now.values():
            _close(row, file, at)
        out.closed = len(open_now)
        ids = {f.contract_id for f in found} | {b.contract_id for b in open_now.values()}
        out.touched = {pk for pk in ids if pk is not None}
        over = {f.contract_id for f in found if f.contract_id and policy.holds(f.component, f.amount_minor)}
        _hold(file, at, over, {pk for pk in subjects.values() if pk is not None})
    return out


def _open(file: CoreFile, numbers: Sequence[str]) -> dict[tuple[str, str], Break]:
    if not numbers:
        return {}
    named, bound = among("number", numbers)
    rows = Break.objects.select_for_update(no_key=True).filter(entity=file.entity_id, closed_at=None)
    return {(b.number, b.component): b for b in rows.extra(where=[named], params=bound).order_by("pk")}


def _write(row: Break | None, f: Found, file: CoreFile, policy: BesidePolicy, at: datetime) -> None:
    assert file.day is not None
    if row is None:
        row = Break(
            entity=file.entity, contract_id=f.contract_id, number=f.number, component=f.component, first_on=file.day,
            opened_at=at,
        )  # fmt: skip
    row.last_on, row.contract_id = file.day, f.contract_id
    row.core_minor, row.replay_minor, row.amount_minor = f.core_minor, f.replay_minor, f.amount_minor
    row.cause, row.mend, row.mend_with = f.cause.code, f.cause.mend, f.cause.mend_with
    row.cause_on = None if f.cause.on < 0 else date_of(f.cause.on)
    if row.state == "accepted" and row.accepted_minor is not None:
        moved = abs(f.amount_minor - row.accepted_minor) > policy.tolerance_of(f.component)
        row.state = "open" if moved else "accepted"
    row.save()


def _close(row: Break, file: CoreFile, at: datetime) -> None:
    """A break that a comparison no longer finds; why, as far as the journal tells."""
    mended = row.contract_id and LoanEvent.objects.filter(contract=row.contract_id, recorded_at__gt=row.opened_at).exists()
    row.state, row.closed_on, row.closed_at = "closed", file.day, at
    row.reason = MENDED if mended else MOVED if row.core_minor is not None else AGAIN
    row.save()


def _hold(file: CoreFile, at: datetime, over: set[int], subjects: set[int]) -> None:
    """The core's figure holds for the loans in `over`, and no longer for the other subjects."""
    named, bound = among("contract_id", sorted(subjects))
    open_now = {h.contract_id: h for h in CoreHold.objects.filter(ended_at=None).extra(where=[named], params=bound)}
    CoreHold.objects.bulk_create(
        [CoreHold(contract_id=pk, from_on=file.day, held_at=at) for pk in sorted(over - open_now.keys())]
    )
    for pk, hold in open_now.items():
        if pk not in over:
            hold.until_on, hold.ended_at = file.day, at
            hold.save()


def age_days(row: Break, today: date) -> int:
    """How long a break has stood, in days; one that closed, how long it stood."""
    return ((row.closed_on or today) - row.first_on).days


def as_dict(row: Break, today: date) -> dict[str, Any]:
    """A break as commands and REST say it; money in minor units."""
    return {
        "id": row.pk, "loan_id": row.number, "component": row.component, "first_day": row.first_on, "last_day": row.last_on,
        "core_minor": row.core_minor, "replay_minor": row.replay_minor, "amount_minor": row.amount_minor, "cause": row.cause,
        "cause_day": row.cause_on, "mend": row.mend, "mend_with": row.mend_with, "state": row.state,
        "age_days": age_days(row, today), "reason": row.reason,
    }  # fmt: skip
