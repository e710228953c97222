"""The approval `receipt.reverse`: taking a whole receipt back, which reverses a payment on each loan that it was placed on."""

from __future__ import annotations

import hashlib
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.approvals import ApprovalKind, Shown, approval_ask, approval_by_key, register, same_request, steps_needed
from tideover.core.authority import Line
from tideover.core.business_time import now
from tideover.core.models import Approval, ApprovalState, Role, User
from tideover.lending.models import Receipt
from tideover.lending.receipts.services import receipt_reverse
from tideover.lending.words import money

KIND = "receipt.reverse"
TAKES_BACK = frozenset({Role.PAYMENTS, Role.FINANCE})
ALONE_MINOR = 5_000_000
"""Up to here one person takes a receipt back, where the authority table is silent."""


def receipt_reverse_ask(receipt: Receipt, *, idempotency_key: str, reason: str, actor: User) -> Receipt | Approval:
    """Take a receipt back, or ask for it where authority says that a second person must decide.

    Asked again, under any key: the receipt once it is taken back, until then the approval that waits. Raises what `approval_ask`
    raises.
    """
    if receipt.reversed_at is None:
        subject, payload = ("receipt", receipt.number), {"receipt": receipt.number, "idempotency_key": idempotency_key}
        if before := approval_by_key(KIND, idempotency_key):
            return same_request(before, subject, payload, actor)
        open_ = Approval.objects.filter(kind=KIND, subject_id=receipt.number, state=ApprovalState.OPEN, expires_at__gt=now())
        if waiting := open_.first():
            return waiting
        place: dict[str, Any] = {
            "amount_minor": receipt.amount_minor, "entity": receipt.entity.code, "branch": branch_of(receipt),
        }  # fmt: skip
        if steps_needed(KIND, payload=payload, **place) != ():
            return approval_ask(KIND, subject=subject, payload=payload, **place, reason=reason, actor=actor, key=idempotency_key)
    return receipt_reverse(receipt, idempotency_key=idempotency_key, actor=actor.username, reason=reason)


def branch_of(receipt: Receipt) -> str:
    """The branch whose people decide about a receipt: that of the borrower; of nobody's money, any of the entity."""
    return receipt.party.branch.code if receipt.party is not None else ""


def _receipt(number: str) -> Receipt:
    return Receipt.objects.select_related("party", "entity").prefetch_related("parts__contract").get(number=number)


def _apply(approval: Approval, actor: User) -> dict[str, Any]:
    said = approval.payload
    done = receipt_reverse(
        _receipt(said["receipt"]), idempotency_key=said["idempotency_key"], actor=approval.asked_by.username,
        reason=approval.reason,
    )  # fmt: skip
    return {"receipt": done.number, "granted_by": actor.username}


def _stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    """The receipt and the journals of its loans as they were seen."""
    found = _receipt(subject[1])
    parts = [f"{p.contract.number}:{p.contract.event_count}" for p in found.parts.all()]
    seen = "|".join([str(found.reversed_at), str(found.unapplied_minor), *sorted(parts)])
    return hashlib.sha256(seen.encode()).hexdigest()[:32]


def _show(approval: Approval) -> list[Shown]:
    found = _receipt(approval.payload["receipt"])
    lines = [
        Shown(f"{_('Receipt')} {found.number}", money(found.amount_minor), _("taken back")),
        Shown(_("Received on"), found.received_on.isoformat(), ""),
    ]
    if found.unapplied_minor:
        lines.append(Shown(_("Not placed on a loan"), money(found.unapplied_minor), money(0)))
    return [*lines, *(Shown(p.contract.number, money(p.amount_minor), money(0)) for p in found.parts.all())]


def kind_register() -> None:
    """Make the kind known."""
    register(
        ApprovalKind(
            code=KIND,
            label=gettext_noop("Receipt to take back"),
            asks=TAKES_BACK,
            decides=(Line((), ALONE_MINOR), Line((TAKES_BACK,))),
            apply=_apply,
            show=_show,
            stamp=_stamp,
            address=lambda a: reverse("approval", args=[a.reference]),
        )
    )
