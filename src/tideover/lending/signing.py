"""What a borrower signs: which of their documents wait, what a page says first of one, and who may ask for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet

from tideover.core.documents.consent import signing_ask
from tideover.core.documents.ink import ink_record
from tideover.core.models import Document, Signature, SignatureState, User
from tideover.core.problems import NotFound, Problem, refuse
from tideover.lending.models import Contract
from tideover.lending.selectors import contract_get, documents_visible

KINDS = ("contract",)
"""Documents that a borrower signs; the others are the lender's own word."""


@dataclass(frozen=True, slots=True)
class ToSign:
    """One document in front of its signer: the signature, the loan, and what the document says (`data`, as it was made)."""

    row: Signature
    contract: Contract
    data: Mapping[str, Any]

    @property
    def first_due_on(self) -> date | None:
        """The day of the first payment, where the document has one."""
        said = (self.data.get("terms") or {}).get("first_due_on")
        return date.fromisoformat(said["iso"]) if said else None


def _of_borrower(document: Document, user: User, on: date) -> Contract:
    contract = contract_get(user, document.subject_id, on)
    if document.kind not in KINDS:
        raise refuse("not_signed", f"a {document.kind} is not signed by the borrower", "kind")
    return contract


def borrower_ask(document: Document, *, on: date, at: datetime, actor: User) -> Signature:
    """Ask the borrower of a document's loan to sign it. Raises Refused: `not_signed` (its kind), as `signing_ask`; NotFound."""
    contract = _of_borrower(document, actor, on)
    return signing_ask(document, signer=contract.borrower.reference, at=at, actor=actor.username)


def borrower_paper(
    document: Document, *, signed_on: date, scan: bytes, reason: str, on: date, at: datetime, actor: User
) -> Signature:
    """Bring in the paper that the borrower signed; a second person looks at it. Raises Refused as `ink_record`; NotFound."""
    contract = _of_borrower(document, actor, on)
    return ink_record(
        document, signer=contract.borrower.reference, signed_on=signed_on, scan=scan, reason=reason, at=at, actor=actor,
        entity=contract.entity.code, branch=contract.branch.code,
    )  # fmt: skip


def signatures_visible(user: User, on: date) -> QuerySet[Signature]:
    """Signatures of the documents that a person may see; a borrower's own only."""
    rows = Signature.objects.filter(document__in=documents_visible(user, on).values("pk")).select_related("document")
    party = getattr(user, "party", None)
    return rows.filter(signer=party.reference).exclude(how="ca") if party is not None else rows


def signature_get(user: User, request_id: str, on: date) -> Signature:
    """One visible signature. Raises NotFound for others."""
    found = signatures_visible(user, on).filter(request_id=request_id).first()
    if found is None:
        raise NotFound(Problem("no_such_signature", f"there is no signature {request_id} in your scope", "request"))
    return found


def waiting_of(user: User, on: date) -> list[Signature]:
    """What waits for the borrower, or has no certain answer yet; the oldest first."""
    states = (SignatureState.PENDING, SignatureState.DRAFTED, SignatureState.SENT, SignatureState.UNKNOWN)
    rows = signatures_visible(user, on).filter(how="consent", state__in=states)
    return list(rows.defer("prepared", "content", "document__content", "document__data").order_by("created_at"))


def to_sign(user: User, request_id: str, on: date) -> ToSign:
    """A document in front of its signer. Raises NotFound when it is not theirs."""
    row = signature_get(user, request_id, on)
    contract = contract_get(user, row.document.subject_id, on)
    said = json.loads(row.document.data)["data"] if row.document.data else {}
    return ToSign(row, contract, said)
