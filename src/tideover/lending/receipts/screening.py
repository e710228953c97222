"""The approval `receipt.release`: money that a watch list stopped is booked, or kept unplaced, when compliance has looked."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.action_log import log
from tideover.core.approvals import ApprovalKind, Shown, approval_ask, register
from tideover.core.authority import Line
from tideover.core.business_time import now
from tideover.core.models import Approval, Role, User, WorkItem
from tideover.core.problems import refuse
from tideover.core.work import work_done
from tideover.lending import clock
from tideover.lending.models import PayerAlert, Receipt
from tideover.lending.receipts.holds import money_hold_end
from tideover.lending.receipts.payer import SCREEN
from tideover.lending.receipts.services import receipt_place
from tideover.lending.words import money

KIND = "receipt.release"
ASKS = frozenset({Role.PAYMENTS, Role.FINANCE, Role.COMPLIANCE})
DECIDES = frozenset({Role.COMPLIANCE})
OUTCOMES = {"release": "released", "keep": "kept"}


def release_ask(receipt: Receipt, *, what: str, reason: str, actor: User, key: str = "") -> Approval:
    """Ask compliance to `release` money that a watch list stopped (it is then booked), or to `keep` it unplaced.

    Raises Refused: nothing is stopped, an unknown wish; and what `approval_ask` raises.
    """
    if receipt.screening != "hit":
        raise refuse("not_stopped", f"no watch list stops {receipt.number}", "receipt")
    if what not in OUTCOMES:
        raise refuse("unknown_wish", f"{what!r} is not one of {', '.join(OUTCOMES)}", "what")
    return approval_ask(
        KIND, subject=("receipt", receipt.number), payload={"receipt": receipt.number, "what": what},
        amount_minor=receipt.amount_minor, entity=receipt.entity.code, reason=reason, actor=actor, key=key,
    )  # fmt: skip


def _apply(approval: Approval, actor: User) -> dict[str, Any]:
    with transaction.atomic():
        clock.writing()
        receipt = Receipt.objects.select_related("meant_for__branch", "entity").get(number=approval.payload["receipt"])
        if receipt.screening != "hit":
            raise refuse("not_stopped", f"no watch list stops {receipt.number}", "receipt")
        receipt.screening = OUTCOMES[approval.payload["what"]]
        receipt.save(update_fields=["screening"])
        for item in WorkItem.objects.filter(key=f"{SCREEN}:{receipt.number}", done_at=None):
            work_done(item, actor=actor.username)
        money_hold_end(receipt, actor=actor.username)
        if receipt.screening == "released":
            PayerAlert.objects.filter(receipt=receipt, kind="watch_list", closed_at=None).update(
                closed_at=now(), closed_by=actor.username, outcome="plain", note=approval.reason[:300]
            )
        if receipt.screening == "released" and receipt.meant_for is not None:
            receipt = receipt_place(
                receipt, party=receipt.meant_for, designation=receipt.designation, reason=approval.reason,
                actor=approval.asked_by.username,
            )  # fmt: skip
        log(actor.username, f"receipt.{receipt.screening}", "receipt", receipt.number)
    return {"receipt": receipt.number, "screening": receipt.screening}


def _show(approval: Approval) -> list[Shown]:
    receipt = Receipt.objects.get(number=approval.payload["receipt"])
    hits = [h for a in receipt.alerts.filter(kind="watch_list") for h in a.detail.get("hits", [])]
    releases = approval.payload["what"] == "release"
    return [
        Shown(f"{_('Receipt')} {receipt.number}", money(receipt.amount_minor), _("booked") if releases else _("stays unplaced")),
        *(Shown(_("Watch list"), f"{h['list']} {h['reference']}".strip(), "") for h in hits),
    ]


def kind_register() -> None:
    """Make the kind known: compliance decides, never who asked."""
    register(
        ApprovalKind(
            code=KIND,
            label=gettext_noop("Money of a payer on a watch list"),
            asks=ASKS,
            decides=(Line((DECIDES,)),),
            apply=_apply,
            show=_show,
            stamp=lambda subject, payload: Receipt.objects.get(number=subject[1]).screening,
            address=lambda a: reverse("receipt", args=[a.subject_id]),
        )
    )
