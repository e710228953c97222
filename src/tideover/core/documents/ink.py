"""A document that was signed by hand: its paper is scanned by one person, and counts once a second has looked at the scan."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.core.access import RECORDS_PAPER
from tideover.core.action_log import log
from tideover.core.approvals import ApprovalKind, Shown, approval_ask, register
from tideover.core.authority import one_of
from tideover.core.business_time import business_date, now
from tideover.core.crypto import seal, unseal
from tideover.core.documents.issue import SEALED
from tideover.core.documents.kinds import label_of
from tideover.core.documents.settle import ink_close
from tideover.core.ids import handle_new
from tideover.core.models import Approval, Document, Role, Signature, SignatureState, User
from tideover.core.problems import Problem, Refused, refuse

KIND = "document.ink"
SCAN_MAX = 10 * 2**20
MEDIA = ((b"%PDF-", "application/pdf", "pdf"), (b"\xff\xd8\xff", "image/jpeg", "jpg"), (b"\x89PNG\r\n\x1a\n", "image/png", "png"))
"""What a scan may be, by its first bytes: (begins with, media type, ending of its file name)."""


def media_of(scan: bytes) -> tuple[str, str]:
    """Media type and file ending of a scan; empty for what is none."""
    return next(((media, ending) for start, media, ending in MEDIA if scan.startswith(start)), ("", ""))


def ink_record(
    document: Document, *, signer: str, signed_on: date, scan: bytes, reason: str, at: datetime, actor: User,
    entity: str = "", branch: str = "",
) -> Signature:  # fmt: skip
    """Keep the scan of a paper that a person signed, and ask a second person to look at it.

    signer: their public reference. A request to sign the same electronically ends with it. Raises Refused: `not_valid`,
    `no_scan`, `too_large`, `day_ahead`, `before_issue`, `signed_already`, or as `approval_ask`.
    """
    problems = _problems(document, signed_on, scan, business_date(at))
    if problems:
        raise Refused(*problems)
    ink_close(document, actor=actor.username)
    evidence = {"signed_on": signed_on.isoformat(), "scan_sha256": hashlib.sha256(scan).hexdigest(), "media": media_of(scan)[0]}
    with transaction.atomic():
        waiting = Signature.objects.filter(document=document, signer=signer, state=SignatureState.PENDING)
        waiting.update(state=SignatureState.EXPIRED, reason="signed on paper instead")
        try:
            with transaction.atomic():
                row = Signature.objects.create(
                    document=document, signer=signer, how="ink", field="", request_id=handle_new("S"), evidence=evidence,
                    over_sha256=bytes(document.sha256), content=seal(scan, SEALED), created_at=at, created_by=actor.username,
                )  # fmt: skip
        except IntegrityError as error:
            raise refuse("signed_already", f"{document.number} is signed by them, or an answer is still open") from error
        payload = {"number": document.number, "request": row.request_id, **evidence}
        asked = approval_ask(
            KIND, subject=("signature", row.request_id), payload=payload, entity=entity, branch=branch, reason=reason, actor=actor
        )
        row.approval = asked.reference
        row.save(update_fields=["approval"])
        log(actor.username, "document.sign.ink", "document", document.number, {"request": row.request_id, "signer": signer})
    return row


def _problems(document: Document, signed_on: date, scan: bytes, today: date) -> list[Problem]:
    out = []
    if document.state != "valid":
        out.append(Problem("not_valid", f"{document.number} is {document.state}: only a valid document is signed"))
    if not media_of(scan)[0]:
        out.append(Problem("no_scan", "the scan must be a PDF, JPEG or PNG file", "scan"))
    elif len(scan) > SCAN_MAX:
        out.append(Problem("too_large", "the scan is larger than 10 MB", "scan"))
    if signed_on > today:
        out.append(Problem("day_ahead", f"{signed_on} lies ahead", "signed_on"))
    elif signed_on < business_date(document.issued_at):
        words = f"{document.number} was handed out on {business_date(document.issued_at)}: it cannot have been signed before"
        out.append(Problem("before_issue", words, "signed_on"))
    return out


def scan_open(row: Signature, *, actor: str) -> tuple[bytes, str, str]:
    """(scan, media type, file name) for somebody who looks at it; logged. Raises Refused: none is kept, or it was changed."""
    if row.how != "ink" or not row.content:
        raise refuse("expired", f"no scan is kept of {row.request_id}")
    scan = unseal(row.content, SEALED)
    if hashlib.sha256(scan).hexdigest() != row.evidence["scan_sha256"]:
        raise refuse("changed_at_rest", f"what is kept of {row.request_id} is not what was scanned")
    log(actor, "document.scan", "document", row.document.number, {"request": row.request_id})
    media, ending = media_of(scan)
    return scan, media, f"{row.document.number}-{row.request_id}.{ending}"


def _apply(approval: Approval, actor: User) -> dict[str, Any]:
    row = Signature.objects.select_for_update(of=("self",)).select_related("document").get(request_id=approval.subject_id)
    if row.state != SignatureState.DRAFTED or row.document.state != "valid":
        raise refuse("not_open", f"{row.request_id} is {row.state}, its document {row.document.state}")
    if row.evidence["scan_sha256"] != approval.payload["scan_sha256"]:
        raise refuse("changed_at_rest", f"the scan of {row.request_id} is not the one that was shown")
    row.state, row.signed_at, row.reason = SignatureState.SIGNED, now(), ""
    row.evidence = {**row.evidence, "recorded_by": row.created_by, "checked_by": actor.username}
    row.save(update_fields=["state", "signed_at", "reason", "evidence"])
    log(actor.username, "document.sign.signed", "document", row.document.number, {"request": row.request_id, "how": "ink"})
    return {"number": row.document.number}


def _show(approval: Approval) -> Iterable[Shown]:
    row = Signature.objects.select_related("document").filter(request_id=approval.subject_id).first()
    if row is None:
        return []
    return [
        Shown(f"{label_of(row.document.kind)} {row.document.number}", _("being checked"), _("signed on paper")),
        Shown(_("Signed on"), "", str(row.evidence["signed_on"])),
        Shown(_("Scan (SHA-256)"), "", str(row.evidence["scan_sha256"])[:16]),
    ]


def ink_register() -> None:
    """Make the approval kind known; from the app's `ready`."""
    register(
        ApprovalKind(
            KIND,
            label="Check a paper that was signed",
            asks=frozenset(RECORDS_PAPER),
            decides=one_of(Role.LEGAL, Role.BRANCH_HEAD, Role.COMPLIANCE),
            apply=_apply,
            show=_show,
            address=lambda approval: reverse("signature", args=[approval.subject_id]),
        )
    )
