"""What nobody does by hand: requests without an answer are settled by inquiry, those whose time is over are closed with a reason.

The worker of `serve` does it every few minutes, the close once a day; run again it changes nothing more. A day's run also wipes
documents whose time is over (keep.py).
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.documents import ca
from tideover.core.documents.keep import documents_expire
from tideover.core.documents.sign import signature_apply
from tideover.core.models import Approval, ApprovalState, Document, Signature, SignatureState

SILENT_MAX = 3
"""After so many inquiries in a row that say nothing the rest waits for the next run."""
STUCK = timedelta(hours=1)
"""A request without an answer for longer than this is somebody's work."""


def documents_day(at: datetime, *, actor: str) -> dict[str, int]:
    """Everything of a day: signatures settled and closed, documents wiped. Counts by what happened, those of nothing left out."""
    counts = {f"signatures_{state}": n for state, n in signatures_settle(at, actor=actor, limit=20).items()}
    return {k: n for k, n in (counts | {"documents_wiped": documents_expire(business_date(at), actor=actor)}).items() if n}


def signatures_settle(at: datetime, *, actor: str = "system", limit: int = 100) -> dict[str, int]:
    """Ask what became of requests without an answer, and close what is over. Counts by the state that came of it.

    The lender's own request that never arrived is sent again under its name. A person's needs their code: it waits for them.
    """
    counts = Counter({"expired": signatures_expire(at, actor=actor), "refused": ink_close(actor=actor)})
    silent = 0
    for row in unanswered(at)[: limit if ca.is_set_up() else 0]:
        answer = ca.inquire(row.request_id)
        if answer.state == "absent" and row.how == "ca":
            Signature.objects.filter(pk=row.pk).update(state=SignatureState.SENT, asked_at=at)
            answer = ca.ask(row.request_id, row.signer, bytes(row.digest))
        counts[str(signature_apply(row, answer, actor=actor).state)] += 1
        silent = silent + 1 if answer.state == "unknown" else 0
        if silent == SILENT_MAX:
            break
    return {state: n for state, n in counts.items() if n}


def unanswered(at: datetime) -> QuerySet[Signature]:
    """Requests whose answer is unknown, or that were sent and left alone by a process that ended; the oldest first."""
    waited = at - timedelta(seconds=2 * settings.CA_TIMEOUT_S)
    since = Q(asked_at__lt=waited) | Q(asked_at=None, created_at__lt=waited)
    hung = Q(state__in=(SignatureState.SENT, SignatureState.DRAFTED)) & since
    rows = Signature.objects.filter(hung | Q(state=SignatureState.UNKNOWN)).exclude(how="ink")
    return rows.select_related("document").order_by("created_at", "pk")


def stuck(at: datetime) -> QuerySet[Signature]:
    """Those of them that inquiries have not settled for an hour."""
    return unanswered(at).filter(created_at__lt=at - STUCK)


def signatures_expire(at: datetime, *, actor: str) -> int:
    """Close, with the reason, what waits for a person past its time or for a document that is not valid any more; how many."""
    over = Q(expires_at__lte=at) | Q(document__cancelled_at__isnull=False) | Q(document__superseded_by__isnull=False)
    count = 0
    for row in Signature.objects.filter(over, state=SignatureState.PENDING).select_related("document"):
        day = row.expires_at and business_date(row.expires_at)
        late = row.document.state == "valid"
        reason = f"not signed by {day}" if late else f"the document is {row.document.state}"
        count += _close(row, SignatureState.PENDING, SignatureState.EXPIRED, reason, actor)
    return count


def ink_close(document: Document | None = None, *, actor: str) -> int:
    """Close papers whose check was refused, withdrawn or not decided in time; how many."""
    rows = Signature.objects.filter(how="ink", state=SignatureState.DRAFTED).select_related("document")
    if document is not None:
        rows = rows.filter(document=document)
    found = {a.reference: a for a in Approval.objects.filter(reference__in=[r.approval for r in rows])}
    closed = [(r, found.get(r.approval)) for r in rows]
    return sum(
        _close(r, SignatureState.DRAFTED, SignatureState.REFUSED, f"the check of the paper was {a.state}", actor)
        for r, a in closed
        if a is not None and a.state != ApprovalState.OPEN
    )


def _close(row: Signature, was: SignatureState, now: SignatureState, reason: str, actor: str) -> int:
    with transaction.atomic():
        changed = Signature.objects.filter(pk=row.pk, state=was).update(state=now, reason=reason[:200])
        if changed:
            detail = {"request": row.request_id, "reason": reason}
            log(actor, f"document.sign.{now}", "document", row.document.number, detail)
    return changed
