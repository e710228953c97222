"""A document that a person signs electronically: asked by the lender, read, agreed to, confirmed by a code, or declined.

The certification authority sends the code to the telephone on file and signs in the person's name only with it, so that the
means of signing are theirs alone and under their control at that moment (电子签名法 art. 13). Nobody is made to sign
electronically (art. 3): paper stays open to them (ink.py). Times are given in; nothing is signed after `expires_at`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from tideover.core.action_log import log
from tideover.core.documents import ca
from tideover.core.documents.sign import prepare, signature_send
from tideover.core.ids import handle_new
from tideover.core.models import Document, Signature, SignatureState
from tideover.core.problems import refuse

OPEN_DAYS = 14
"""How long a person may take to sign."""
CODE_WAIT = timedelta(seconds=60)
"""How long before another code is sent."""
CONSENT_VERSION = "2026-11"
"""Names the words that were agreed to (templates/lending/sign.html); it changes when they do."""
FIELD = "Signer"


def signing_ask(document: Document, *, signer: str, at: datetime, actor: str) -> Signature:
    """Ask a person to sign a document electronically; the same that waits already is returned.

    signer: their public reference. Raises Refused: `not_valid`, `signed_already` (signed, or an answer is open).
    """
    if document.state != "valid":
        raise refuse("not_valid", f"{document.number} is {document.state}: only a valid document is signed")
    waiting = Signature.objects.filter(document=document, signer=signer, state=SignatureState.PENDING).first()
    if waiting is not None:
        return waiting
    try:
        with transaction.atomic():
            row = Signature.objects.create(
                document=document, signer=signer, how="consent", field=FIELD, state=SignatureState.PENDING,
                request_id=handle_new("S"), over_sha256=bytes(document.sha256), created_at=at, created_by=actor,
                expires_at=at + timedelta(days=OPEN_DAYS),
            )  # fmt: skip
            log(actor, "document.sign.ask", "document", document.number, {"request": row.request_id, "signer": signer})
    except IntegrityError as error:
        raise refuse("signed_already", f"{document.number} is signed by them, or an answer is still open") from error
    return row


def signing_code(row: Signature, *, phone: str, at: datetime, actor: str) -> None:
    """Have the authority send a code to the telephone on file. Raises Refused: not open, `code_soon`, `no_code` (not sent)."""
    row = _open(row, at)
    if row.code_sent_at is not None and at < row.code_sent_at + CODE_WAIT:
        raise refuse("code_soon", "a code is on its way; another can be sent after a minute")
    answer = ca.send_code(row.request_id, phone)
    if answer.state != "code_sent":
        raise refuse("no_code", f"the code could not be sent: {answer.reason}")
    Signature.objects.filter(pk=row.pk, state=SignatureState.PENDING).update(code_sent_at=at, reason="")
    log(actor, "document.sign.code", "document", row.document.number, {"request": row.request_id})


def signing_confirm(row: Signature, *, code: str, agreed: bool, language: str, at: datetime, actor: str) -> Signature:
    """Sign with the code that was sent; call it outside of a transaction. Returns the row: signed, pending (wrong code), unknown.

    Raises Refused: `consent_missing`, `code_missing`, not open, `other_out` (another signature of the document is under way).
    """
    if not agreed:
        raise refuse("consent_missing", "signing electronically needs consent", "agree")
    typed = "".join(c for c in code if c.isdigit())
    if len(typed) != 6:
        raise refuse("code_missing", "the code has six figures", "code")
    row = _open(row, at)
    evidence = {"agreed_at": at.isoformat(), "agreed_to": CONSENT_VERSION, "agreed_in": language, "agreed_by": actor}
    try:
        with transaction.atomic():
            taken = Signature.objects.filter(pk=row.pk, state=SignatureState.PENDING).update(
                state=SignatureState.DRAFTED, evidence=evidence, reason="", asked_at=at
            )
            row.refresh_from_db()
            if taken:
                prepare(row)
    except IntegrityError as error:
        raise refuse("other_out", f"another signature of {row.document.number} is under way; try again in a minute") from error
    if not taken:
        raise refuse("not_open", f"{row.request_id} is not open any more")
    return signature_send(row, actor=actor, code=typed)


def signing_decline(row: Signature, *, reason: str, at: datetime, actor: str) -> Signature:
    """The person does not sign; why is theirs to say or not. Raises Refused when it is not open any more."""
    row = _open(row, at)
    said = reason.strip()[:180]
    with transaction.atomic():
        taken = Signature.objects.filter(pk=row.pk, state=SignatureState.PENDING).update(
            state=SignatureState.REFUSED, reason=f"declined: {said}" if said else "declined"
        )
        if not taken:
            raise refuse("not_open", f"{row.request_id} is not open any more")
        log(actor, "document.sign.decline", "document", row.document.number, {"request": row.request_id})
    row.refresh_from_db()
    return row


def _open(row: Signature, at: datetime) -> Signature:
    """The row as it is now, if it may be signed at an instant. Raises Refused: no service, not open, `too_late`, `not_valid`."""
    if not ca.is_set_up():
        raise refuse("no_service", "no signing service is set up: TIDEOVER_CA")
    row = Signature.objects.select_related("document").get(pk=row.pk)
    if row.state != SignatureState.PENDING or row.how != "consent":
        raise refuse("not_open", f"{row.request_id} is {row.state}: it is not open for signing")
    if row.expires_at is not None and row.expires_at <= at:
        raise refuse("too_late", f"{row.request_id} could be signed until {row.expires_at:%Y-%m-%d}")
    if row.document.state != "valid":
        raise refuse("not_valid", f"{row.document.number} is {row.document.state}: only a valid document is signed")
    return row
