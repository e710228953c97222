"""A demand that keeps a right from lapsing may pass a hold: by legal, once a second person agreed (kind contact.saves_clock)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.core.approvals import ApprovalKind, Shown, approval_ask
from tideover.core.authority import one_of
from tideover.core.models import Approval, ApprovalState, Role, User
from tideover.lending.models import Contract

KIND = "contact.saves_clock"
GOOD_DAYS = 14
"""How long after the grant such a demand may be sent."""


def clock_ask(contract: Contract, *, lapses_on: str, reason: str, actor: User) -> Approval:
    """Ask that a demand about a loan may be sent although a hold stands. `lapses_on`: the day on which the right would lapse."""
    return approval_ask(
        KIND, subject=("loan", contract.number), payload={"loan": contract.number, "lapses_on": lapses_on},
        entity=contract.entity.code, branch=contract.branch.code, reason=reason, actor=actor,
    )  # fmt: skip


def clock_approval(contracts: Sequence[Contract], at: datetime) -> str:
    """References of the granted approvals that cover every one of these loans at an instant; empty when one lacks it."""
    if not contracts:
        return ""
    granted = Approval.objects.filter(
        kind=KIND, state=ApprovalState.GRANTED, subject_type="loan", subject_id__in=[c.number for c in contracts],
        closed_at__lte=at, closed_at__gt=at - timedelta(days=GOOD_DAYS),
    )  # fmt: skip
    found = {a.subject_id: a.reference for a in granted.order_by("closed_at")}
    return " ".join(found[c.number] for c in contracts) if len(found) == len(contracts) else ""


def _show(approval: Approval) -> Iterable[Shown]:
    then = _("may be sent within %(days)s days of the grant") % {"days": GOOD_DAYS}
    yield Shown(_("Demand that keeps the claim from lapsing"), _("stopped by holds"), then)
    yield Shown(_("The claim would lapse on"), "", str(approval.payload["lapses_on"]))


def _apply(approval: Approval, actor: User) -> Any:
    return {"good_days": GOOD_DAYS}


kind = ApprovalKind(
    code=KIND,
    label="A demand although a hold stands",
    asks=frozenset({Role.LEGAL}),
    decides=one_of(Role.LEGAL, Role.COMPLIANCE),
    apply=_apply,
    show=_show,
    address=lambda a: reverse("loan", args=[a.subject_id]),
)
