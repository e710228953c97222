"""REST of documents: issue, list, fetch, verify, take back, have signed."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.business_time import business_date, now
from tideover.core.documents import document_handed, document_verify
from tideover.core.documents.cancel import document_cancel_ask
from tideover.core.documents.sign import document_sign_ask
from tideover.core.ids import handle_grouped
from tideover.core.models import Document, Signature
from tideover.core.problems import refuse
from tideover.core.rest import Cursor, Day, Limit, Strict, page_of, route
from tideover.lending.documents import loan_document_issue
from tideover.lending.selectors import contract_get, document_get, documents_visible
from tideover.lending.signing import borrower_ask, borrower_paper

router = Router(tags=["documents"])


class DocumentIn(Strict):
    kind: Literal["payoff_letter", "balance_statement", "repayment_record", "contract"]
    language: Literal["zh-hans", "en"] = "zh-hans"
    as_of: Day | None = Field(None, description="null: today; a contract is always as of its signing, a payoff letter of its day")


class DocumentOut(Schema):
    number: str
    code: str
    kind: str
    loan: str
    language: str
    as_of: date
    issued_at: datetime
    issued_by: str
    issuer: str
    sha256: str
    state: str
    superseded_by: str | None
    keep_until: date


class FileOut(Schema):
    number: str
    sha256: str = Field(description="of the document as it was handed out, before it was signed")
    pdf: str = Field(description="base64; signed where it was signed")


class VerifyIn(Strict):
    code: str = Field("", max_length=60, description="the verification code, in any grouping")
    pdf: str = Field("", max_length=14 * 2**20, description="base64 of the file; it says more than the code")


class VerifyOut(Schema):
    state: Literal["genuine", "superseded", "cancelled", "altered", "unknown"]
    by: str
    number: str
    code: str
    kind: str
    issuer: str
    issued_on: date | None
    as_of: date | None
    since: date | None
    sha256: str
    signed: bool | None
    signed_by: str
    signed_at: str
    signature_why: str


class CancelIn(Strict):
    reason: str = Field(min_length=1, max_length=200)


class AskedOut(Schema):
    approval: str


class PaperIn(Strict):
    signed_on: Day
    scan: str = Field(min_length=1, max_length=14 * 2**20, description="base64 of a PDF, JPEG or PNG, up to 10 MB")
    reason: str = Field(min_length=1, max_length=200, description="where, and who was present; read by whoever decides")


class SignatureOut(Schema):
    request: str
    state: str = Field(description="pending, drafted, sent, signed, refused, unknown or expired")
    signer: str
    how: str = Field(description="ca (the lender), consent (a person, by a code), ink (on paper)")
    reason: str
    evidence: dict[str, Any]
    expires_at: datetime | None
    signed_at: datetime | None
    approval: str


def _out(d: Document) -> dict[str, Any]:
    return {
        "number": d.number, "code": handle_grouped(d.code), "kind": d.kind, "loan": d.subject_id, "language": d.language,
        "as_of": d.as_of, "issued_at": d.issued_at, "issued_by": d.issued_by, "issuer": d.issuer,
        "sha256": bytes(d.sha256).hex(), "state": d.state, "keep_until": d.keep_until,
        "superseded_by": d.superseded_by.number if d.superseded_by else None,
    }  # fmt: skip


def _signature(row: Signature) -> dict[str, Any]:
    names = ("state", "signer", "how", "reason", "evidence", "expires_at", "signed_at", "approval")
    return {"request": row.request_id, **{name: getattr(row, name) for name in names}}


class DocumentsOut(Schema):
    items: list[DocumentOut]
    next_cursor: int | None


@route(router.get, "/loans/{number}/documents", "loan-documents-list", DocumentsOut)
def loan_documents(request: HttpRequest, number: str, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """Every document that was handed out about a loan."""
    contract = contract_get(request.user, number, business_date())  # type: ignore[arg-type]
    rows = documents_visible(request.user, business_date()).filter(subject_id=contract.number)  # type: ignore[arg-type]
    return page_of(rows, cursor, limit, _out)


@route(router.post, "/loans/{number}/documents", "loan-documents-issue", DocumentOut)
def loan_document_create(request: HttpRequest, number: str, body: DocumentIn) -> dict[str, Any]:
    """Issue a document; with the same figures it is the same document again. A loan that is not paid off has no payoff letter."""
    contract = contract_get(request.user, number, business_date())  # type: ignore[arg-type]
    made = loan_document_issue(
        contract, body.kind, language=body.language, as_of=body.as_of, actor=request.user.username  # type: ignore[union-attr]
    )  # fmt: skip
    return _out(made)


@route(router.get, "/documents/{number}/file", "document-file", FileOut)
def document_file(request: HttpRequest, number: str) -> dict[str, Any]:
    """The PDF of a document; logged."""
    found = document_get(request.user, number, business_date())  # type: ignore[arg-type]
    content = document_handed(found, request.user.username)  # type: ignore[union-attr]
    return {"number": found.number, "sha256": bytes(found.sha256).hex(), "pdf": base64.b64encode(content).decode()}


@route(router.post, "/documents/{number}/cancel", "document-cancel", AskedOut)
def document_cancel(request: HttpRequest, number: str, body: CancelIn) -> dict[str, Any]:
    """Ask a second person to take a document back."""
    user: Any = request.user
    found = document_get(user, number, business_date())
    contract = contract_get(user, found.subject_id, business_date())
    place = {"entity": contract.entity.code, "branch": contract.branch.code}
    return {"approval": document_cancel_ask(found, reason=body.reason, actor=user, **place).reference}


@route(router.post, "/documents/{number}/sign", "document-sign", SignatureOut, keyed=False)
def document_sign(request: HttpRequest, number: str) -> dict[str, Any]:
    """Have a document signed by the certification authority; one signature a document, however often it is asked for."""
    user: Any = request.user
    found = document_get(user, number, business_date())
    contract = contract_get(user, found.subject_id, business_date())
    row = document_sign_ask(found, signer=contract.entity.code, actor=user.username)
    return _signature(row)


@route(router.get, "/documents/{number}/signatures", "document-signatures", list[SignatureOut])
def document_signatures(request: HttpRequest, number: str) -> list[dict[str, Any]]:
    """Every signature of a document, those that were refused or lapsed too, the oldest first."""
    found = document_get(request.user, number, business_date())  # type: ignore[arg-type]
    return [_signature(row) for row in found.signatures.order_by("pk")]


@route(router.post, "/documents/{number}/ask-signature", "document-ask-signature", SignatureOut, keyed=False)
def document_ask_signature(request: HttpRequest, number: str) -> dict[str, Any]:
    """Ask the borrower to sign a document electronically, on their own page. While it waits, asked again it is the same."""
    user: Any = request.user
    found = document_get(user, number, business_date())
    return _signature(borrower_ask(found, on=business_date(), at=now(), actor=user))


@route(router.post, "/documents/{number}/paper", "document-paper", AskedOut)
def document_paper(request: HttpRequest, number: str, body: PaperIn) -> dict[str, Any]:
    """Bring in the scan of what the borrower signed by hand; it counts once a second person has looked at it."""
    user: Any = request.user
    found = document_get(user, number, business_date())
    try:
        scan = base64.b64decode(body.scan, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refuse("bad_base64", "scan is not base64", "scan") from error
    row = borrower_paper(
        found, signed_on=body.signed_on, scan=scan, reason=body.reason, on=business_date(), at=now(), actor=user
    )  # fmt: skip
    return {"approval": row.approval}


@route(router.post, "/documents/verify", "documents-verify", VerifyOut, keyed=False)
def documents_verify(request: HttpRequest, body: VerifyIn) -> dict[str, Any]:
    """Whether a document is genuine: by its file, else by its code."""
    if body.pdf:
        try:
            return asdict(document_verify(base64.b64decode(body.pdf, validate=True)))
        except (binascii.Error, ValueError) as error:
            raise refuse("bad_base64", "pdf is not base64", "pdf") from error
    if not body.code:
        raise refuse("missing", "send a code or a pdf", "code")
    return asdict(document_verify(body.code))
