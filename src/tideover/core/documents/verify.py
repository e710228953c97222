"""Whether a document is genuine: by its bytes (every bit counts) or by the code that is printed on it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from tideover.core.business_time import business_date
from tideover.core.documents.issue import CODE
from tideover.core.documents.sign import signature_check
from tideover.core.ids import handle_grouped, handle_typed
from tideover.core.models import Document, Signature

GROUPED = re.compile(rb"\bV-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{3}\b")
"""A code as the PDF's metadata holds it."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What is said about a document to whoever holds it: nothing personal.

    `state`: genuine, superseded, cancelled, altered (it bears a code of ours, but the bytes are not those handed out) or
    unknown. `number`, `kind`, `issuer`, `issued_on`, `as_of` are of the document with that code; empty when unknown.
    `by`: file or code. `since`: the day it was superseded or cancelled. `signed`: whether the lender's signature over it holds;
    None when the bytes bear none (a code never says). `signed_by`, `signed_at`: the certificate's name, the time stamp (ISO).
    """

    state: str
    by: str
    number: str = ""
    code: str = ""
    kind: str = ""
    issuer: str = ""
    issued_on: date | None = None
    as_of: date | None = None
    since: date | None = None
    sha256: str = ""
    signed: bool | None = None
    signed_by: str = ""
    signed_at: str = ""
    signature_why: str = ""

    @property
    def genuine(self) -> bool:
        """Whether it was handed out by us as it is; it may have been superseded or cancelled since."""
        return self.state in ("genuine", "superseded", "cancelled")


_codes: dict[str, Callable[[str], Verification | None]] = {}


def code_register(prefix: str, find: Callable[[str], Verification | None]) -> None:
    """Let papers that are no document of this kit be checked by their code: `find(handle)` says what one is, or None."""
    _codes[prefix] = find


def document_verify(what: bytes | str) -> Verification:
    """Check the bytes of a PDF, or a code in any grouping. Never raises: what cannot be read is unknown."""
    if isinstance(what, str):
        code = handle_typed(CODE, what)
        found = Document.objects.filter(code=code).first() if code else None
        if found:
            return _said(found, "code")
        others = (find(handle) for prefix, find in _codes.items() if (handle := handle_typed(prefix, what)))
        return next((said for said in others if said), Verification("unknown", "code"))
    digest = hashlib.sha256(what).digest()
    found = Document.objects.filter(sha256=digest).first()
    if found is not None:
        return _said(found, "file")
    signed = Signature.objects.filter(signed_sha256=digest).select_related("document__superseded_by").first()
    if signed is not None:
        return _with_signature(_said(signed.document, "file", digest=digest), what)
    for code in codes_in(what):
        named = Document.objects.filter(code=code).first()
        if named is not None:
            return _said(named, "file", "altered", digest)
    return Verification("unknown", "file", sha256=digest.hex())


def _with_signature(said: Verification, content: bytes) -> Verification:
    """With what the signature in the bytes says; one that does not hold is said so, with why."""
    found = signature_check(content)
    return replace(
        said, signed=bool(found["ok"]), signed_by=found.get("signer", ""), signed_at=found.get("stamped_at", ""),
        signature_why=found["why"],
    )  # fmt: skip


def codes_in(content: bytes) -> list[str]:
    """The codes that the bytes of a PDF bear in their metadata, each once."""
    typed = (handle_typed(CODE, m.decode()) for m in dict.fromkeys(GROUPED.findall(content)))
    return [code for code in typed if code]


def _said(d: Document, by: str, state: str = "", digest: bytes = b"") -> Verification:
    since: datetime | None = d.cancelled_at or (d.superseded_by.issued_at if d.superseded_by else None)
    return Verification(
        state or ("genuine" if d.state == "valid" else d.state), by, d.number, handle_grouped(d.code), d.kind, d.issuer,
        business_date(d.issued_at), d.as_of, business_date(since) if since else None, (digest or bytes(d.sha256)).hex(),
    )  # fmt: skip
