"""Taking a document back: asked for by one person, decided by a second; it stays in the books and says so when checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.core.access import CANCELS_DOCUMENTS
from tideover.core.action_log import log
from tideover.core.approvals import ApprovalKind, Shown, approval_ask, register
from tideover.core.authority import one_of
from tideover.core.business_time import now
from tideover.core.documents.kinds import label_of
from tideover.core.models import Approval, Document, Role, User
from tideover.core.problems import NotFound, Problem, refuse

KIND = "document.cancel"


def document_cancel_ask(document: Document, *, reason: str, entity: str = "", branch: str = "", actor: User) -> Approval:
    """Ask to take a document back. Raises Refused: cancelled already, no reason, a role that may not ask."""
    if document.cancelled_at is not None:
        raise refuse("cancelled", f"{document.number} is cancelled already")
    payload = {"number": document.number, "sha256": bytes(document.sha256).hex()}
    return approval_ask(
        KIND, subject=("document", document.number), payload=payload, entity=entity, branch=branch, reason=reason, actor=actor
    )


def _apply(approval: Approval, actor: User) -> dict[str, Any]:
    document = Document.objects.select_for_update().filter(number=approval.subject_id).first()
    if document is None:
        raise NotFound(Problem("no_such_document", f"there is no document {approval.subject_id}"))
    if document.cancelled_at is not None:
        raise refuse("cancelled", f"{document.number} is cancelled already")
    document.cancelled_at, document.cancelled_by, document.cancel_reason = now(), actor.username, approval.reason[:200]
    document.save(update_fields=["cancelled_at", "cancelled_by", "cancel_reason"])
    log(actor.username, "document.cancel", "document", document.number, {"approval": approval.reference})
    return {"number": document.number}


def _show(approval: Approval) -> Iterable[Shown]:
    document = Document.objects.filter(number=approval.subject_id).first()
    if document is None:
        return []
    return [Shown(f"{label_of(document.kind)} {document.number}", _("valid"), _("cancelled"))]


def cancel_register() -> None:
    """Make the approval kind known; from the app's `ready`."""
    decides = one_of(Role.COMPLIANCE, Role.LEGAL, Role.BRANCH_HEAD)
    register(
        ApprovalKind(
            KIND,
            label="Take a document back",
            asks=frozenset(CANCELS_DOCUMENTS),
            decides=decides,
            apply=_apply,
            show=_show,
            address=lambda approval: reverse("document", args=[approval.subject_id]),
        )
    )
