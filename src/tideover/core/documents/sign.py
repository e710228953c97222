"""Signatures over documents: prepared, sent, signed or refused; unknown until an inquiry says which. Never two of one signer.

The PDF with the room for the signature is kept from the start, so that an answer that comes late fits the same bytes. The request
is committed as `sent` before it leaves, and always goes by the same name: after a crash the authority is asked what became of it.
Each signature goes over those before it, so one request of a document is out at a time. What a person signs: consent.py.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.crypto import seal, unseal
from tideover.core.documents import ca
from tideover.core.documents.issue import SEALED, document_bytes
from tideover.core.ids import handle_new
from tideover.core.models import Document, Signature, SignatureState
from tideover.core.problems import Refused, refuse

ROOM = 24_576
"""Bytes kept free for the CMS with its certificates and time stamp, in hexadecimal."""


def document_sign_ask(document: Document, *, signer: str, actor: str) -> Signature:
    """Have a document signed by the certification authority in the name of `signer`; call it outside of a transaction.

    Raises Refused: no service, a document that is not valid any more, signed already or an answer is still open.
    """
    if not ca.is_set_up():
        raise refuse("no_service", "no signing service is set up: TIDEOVER_CA")
    return signature_send(signature_draft(document, signer=signer, actor=actor), actor=actor)


def signature_send(row: Signature, *, actor: str, code: str | None = None) -> Signature:
    """Send a drafted request and take the answer in. `code`: what a person typed; None for the lender's own."""
    Signature.objects.filter(pk=row.pk, state=SignatureState.DRAFTED).update(state=SignatureState.SENT, asked_at=now())
    return signature_apply(row, ca.ask(row.request_id, row.signer, bytes(row.digest), code=code), actor=actor)


def signature_draft(document: Document, *, signer: str, actor: str) -> Signature:
    """The request of a signature, kept and not yet sent. Raises Refused as `document_sign_ask`."""
    if document.state != "valid":
        raise refuse("not_valid", f"{document.number} is {document.state}: only a valid document is signed")
    closed = (SignatureState.REFUSED, SignatureState.EXPIRED)
    if Signature.objects.filter(document=document, signer=signer).exclude(state__in=closed).exists():
        raise refuse("signed_already", f"{document.number} is signed, or its request is still open")
    try:
        with transaction.atomic():
            row = Signature.objects.create(
                document=document, signer=signer, how="ca", request_id=handle_new("S"), over_sha256=bytes(document.sha256),
                created_at=now(), created_by=actor,
            )  # fmt: skip
            prepare(row)
            log(actor, "document.sign", "document", document.number, {"request": row.request_id, "signer": signer})
    except IntegrityError as error:
        raise refuse("signed_already", f"{document.number} is signed, or its request is still open") from error
    return row


def prepare(row: Signature) -> None:
    """Make room for the signature in the document as it is now. In the transaction that made `row` the one request that is out:
    from then on no other signature can come between. What was prepared of the same bytes stays, so that an answer to it fits."""
    content = bytes_now(row.document)
    if row.prepared and unseal(row.prepared, SEALED).startswith(content):
        return
    prepared, row.digest, row.room_start, row.room_end = prepared_for(content, row.field)
    row.prepared = seal(prepared, SEALED)
    row.save(update_fields=["prepared", "digest", "room_start", "room_end"])


def prepared_for(content: bytes, field: str) -> tuple[bytes, bytes, int, int]:
    """(PDF with room for a signature, digest to sign, where the room starts, where it ends)."""
    from pyhanko.pdf_utils.generic import pdf_name
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
    from pyhanko.sign.signers import cms_embedder
    from pyhanko.sign.signers.pdf_byterange import PdfSignedData

    steps = cms_embedder.PdfCMSEmbedder(SigFieldSpec(field)).write_cms(field, IncrementalPdfFileWriter(io.BytesIO(content)))
    next(steps)
    room = PdfSignedData(obj_type=pdf_name("/Sig"), subfilter=SigSeedSubFilter.PADES, bytes_reserved=ROOM)
    steps.send(cms_embedder.SigObjSetup(sig_placeholder=room))
    digest, output = steps.send(cms_embedder.SigIOSetup(md_algorithm="sha256", in_place=False))
    return output.getvalue(), digest.document_digest, digest.reserved_region_start, digest.reserved_region_end


def _filled(row: Signature, signature: bytes) -> bytes:
    from pyhanko.sign.signers.pdf_byterange import PreparedByteRangeDigest

    output = io.BytesIO(unseal(row.prepared, SEALED))
    PreparedByteRangeDigest(bytes(row.digest), row.room_start, row.room_end).fill_with_cms(output, signature)
    return output.getvalue()


def signature_apply(signature: Signature, answer: ca.Answer, *, actor: str) -> Signature:
    """Take an answer of the authority in: the first that is certain holds, every later one changes nothing."""
    ready, reason = b"", answer.reason
    evidence: dict[str, Any] = {}
    if answer.state == "signed":
        try:
            ready, evidence = _ready(signature, answer.signature)
        except Refused as error:
            reason = str(error)[:200]
        except (ValueError, TypeError, KeyError) as error:
            reason = f"the signature cannot be read ({type(error).__name__})"
    with transaction.atomic():
        row = Signature.objects.select_for_update().get(pk=signature.pk)
        if row.state not in (SignatureState.DRAFTED, SignatureState.SENT, SignatureState.UNKNOWN):
            return row
        row.state, row.reason = SignatureState.UNKNOWN, reason
        if ready:
            row.state, row.reason, row.evidence, row.signed_at = SignatureState.SIGNED, "", {**row.evidence, **evidence}, now()
            row.content, row.signed_sha256 = seal(ready, SEALED), hashlib.sha256(ready).digest()
        elif answer.state == "refused":
            row.state = SignatureState.REFUSED
        elif answer.state in ("wrong_code", "absent") and row.how == "consent":
            row.state, row.reason = SignatureState.PENDING, answer.state  # nothing was signed, which is certain: they try again
        row.save()
        detail = {"request": row.request_id, "state": row.state, "signer": row.signer}
        log(actor, f"document.sign.{row.state}", "document", row.document.number, detail)
    return row


def _ready(row: Signature, signature: bytes) -> tuple[bytes, dict[str, Any]]:
    """The signed and time-stamped PDF and its evidence. Raises Refused or ValueError: nothing of it is kept then."""
    if ca.message_digest(signature) != bytes(row.digest):
        raise refuse("other_hash", "the authority signed another hash")
    stamped = ca.with_stamp(signature, ca.stamp(ca.signature_value(signature)))
    content = _filled(row, stamped)
    checked = signature_check(content)
    if not checked["ok"]:
        raise refuse("bad_signature", f"the signature does not hold: {checked['why']}")
    return content, {**checked, "request_id": row.request_id, "cms_sha256": hashlib.sha256(stamped).hexdigest()}


def signature_check(content: bytes) -> dict[str, Any]:
    """Whether every signature of a PDF is intact, valid and trusted under TIDEOVER_CA_ROOTS; by whom, and when by its time stamp.

    `ok`; `why` when not; of the last one `signer`, `serial`, `issuer`, `stamped_at` (ISO), `whole`: nothing was added after
    signing; `signers`: all of them, in order.
    """
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    reader = PdfFileReader(io.BytesIO(content))
    if not reader.embedded_signatures:
        return {"ok": False, "why": "it bears no signature"}
    context = ValidationContext(trust_roots=_roots(), allow_fetching=False, revocation_mode="soft-fail")
    found = [validate_pdf_signature(s, context, context) for s in reader.embedded_signatures]
    status, certificate = found[-1], found[-1].signing_cert
    why = next((words for s in found if (words := _why_not(s))), "")
    return {
        "ok": not why,
        "why": why,
        "signer": certificate.subject.native.get("common_name", ""),
        "signers": [s.signing_cert.subject.native.get("common_name", "") for s in found],
        "serial": str(certificate.serial_number),
        "issuer": certificate.issuer.human_friendly,
        "stamped_at": status.timestamp_validity.timestamp.isoformat() if status.timestamp_validity else "",
        "whole": status.coverage is not None and status.coverage.name == "ENTIRE_FILE",
    }


def _why_not(status: Any) -> str:
    """Why one signature does not hold, in words; empty when it does. What was added after it may only be a further signature."""
    stamp = status.timestamp_validity
    faults = {
        "the bytes were changed": not status.intact,
        "the signature is wrong": not status.valid,
        "the signer's certificate is not trusted": not status.trusted,
        "the document was changed after signing": status.docmdp_ok is False,
        "it has no time stamp": stamp is None,
        "its time stamp does not hold": stamp is not None and not (stamp.intact and stamp.valid and stamp.trusted),
    }
    return next((words for words, found in faults.items() if found), "")


def _roots() -> list[Any]:
    """The certificates that are trusted: PEM, one after the other, in the file of TIDEOVER_CA_ROOTS."""
    from asn1crypto import pem, x509

    if not settings.CA_ROOTS:
        return []
    found = pem.unarmor(Path(settings.CA_ROOTS).read_bytes(), multiple=True)
    return [x509.Certificate.load(der) for _name, _headers, der in found]


def signed_bytes(document: Document) -> bytes:
    """The PDF of a document with every electronic signature that it bears; empty when it bears none."""
    signed = Signature.objects.filter(document=document, state=SignatureState.SIGNED).exclude(how="ink")
    row = signed.order_by("-signed_at", "-pk").first()
    return unseal(row.content, SEALED) if row is not None and row.content else b""


def bytes_now(document: Document) -> bytes:
    """The PDF as it is now: with its signatures, else as it was handed out. Raises Refused as `document_bytes`."""
    return signed_bytes(document) or document_bytes(document)


def document_handed(document: Document, actor: str) -> bytes:
    """The PDF for somebody who takes it away, signed where it was signed; logged. Raises Refused as `document_bytes`."""
    content = bytes_now(document)
    log(actor, "document.download", "document", document.number, {"kind": document.kind})
    return content
