"""Handing out a document: numbered without gaps, hashed, with a code that anybody can check, and the bytes kept sealed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.crypto import seal, unseal
from tideover.core.documents.kinds import DocumentKind, kind_of, missing, template_of
from tideover.core.documents.render import render, template_hash
from tideover.core.documents.values import canonical, plain
from tideover.core.ids import handle_grouped, handle_new
from tideover.core.models import Document, DocumentCount
from tideover.core.problems import Problem, Refused, refuse

CODE = "V"
"""Prefix of verification codes."""
SEALED = "document"


def document_issue(
    kind: str, *, subject: tuple[str, str], language: str, data: Mapping[str, object], as_of: date, actor: str
) -> Document:
    """Make a document and hand it out; the same kind, subject, language, day and data give the same document again.

    subject: what it is about, as (type, public handle): ("loan", "T-10482"), never a name. data: see `values.plain`; `issuer`
    (the lender's name) is always needed, the rest is the kind's. One with other data about the same day supersedes this one.
    Raises Refused: unknown kind or language, data that the kind refuses, a character without a font (nothing is numbered then).
    """
    known = kind_of(kind)
    template = template_of(known, language)
    problems = [*missing(data, "issuer"), *known.check(data)]
    if problems:
        raise Refused(*problems)
    values = plain(data, language)
    said = fingerprint(kind, subject, language, as_of, values)
    with transaction.atomic():
        at = now().replace(microsecond=0)
        count = _count_locked(kind, business_date(at).year)
        same = Document.objects.filter(fingerprint=said, cancelled_at=None).first()
        if same is not None:
            return same
        document = _made(known, count, template, subject, language, as_of, values, said, at, actor)
        if known.supersedes:
            before = Document.objects.filter(
                kind=kind, subject_type=subject[0], subject_id=subject[1], language=language, as_of=as_of
            )
            before.filter(cancelled_at=None, superseded_by=None).exclude(pk=document.pk).update(superseded_by=document)
        log(actor, "document.issue", "document", document.number, {"kind": kind, "subject": ":".join(subject)})
    return document


def fingerprint(kind: str, subject: tuple[str, str], language: str, as_of: date, values: Any) -> bytes:
    """SHA-256 over what makes two documents the same one (version 1)."""
    parts = [1, kind, list(subject), language, as_of.isoformat(), values]
    return hashlib.sha256(canonical(parts).encode()).digest()


def _count_locked(kind: str, year: int) -> DocumentCount:
    """The counter of a kind and year, locked to the end of the transaction: who comes next waits, and takes the next number."""
    DocumentCount.objects.bulk_create([DocumentCount(kind=kind, year=year)], ignore_conflicts=True)
    return DocumentCount.objects.select_for_update().get(kind=kind, year=year)


def _made(
    kind: DocumentKind, count: DocumentCount, template: bytes, subject: tuple[str, str], language: str, as_of: date,
    values: Any, said: bytes, at: datetime, actor: str,
) -> Document:  # fmt: skip
    sequence, code = count.last + 1, handle_new(CODE)
    number = f"{kind.prefix}-{count.year}-{sequence:06}"
    meta = {
        "number": number, "code": handle_grouped(code), "language": language, "kind": kind.code,
        "as_of": plain(as_of, language), "issued": plain(business_date(at), language), "site": settings.SITE_URL,
        "check": check_address(code),
    }  # fmt: skip
    whole = {"meta": meta, "data": values}
    content = render(template, whole, at)[0]
    document = Document.objects.create(
        kind=kind.code, year=count.year, sequence=sequence, number=number, code=code, subject_type=subject[0],
        subject_id=subject[1], language=language, as_of=as_of, issued_at=at, issued_by=actor, issuer=str(values["issuer"]),
        fingerprint=said, template_hash=template_hash(template), sha256=hashlib.sha256(content).digest(),
        content=seal(content, SEALED), data=canonical(whole), keep_until=years_later(business_date(at), kind.keep_years),
    )  # fmt: skip
    count.last = sequence
    count.save(update_fields=["last"])
    return document


def check_address(code: str) -> str:
    """Where a code can be checked, as the square code on the document holds it; empty without TIDEOVER_SITE."""
    return f"{settings.SITE_URL}/verify?code={handle_grouped(code)}" if settings.SITE_URL else ""


def years_later(on: date, years: int) -> date:
    """The same day in later years; 28 February for a leap day that is not there."""
    try:
        return on.replace(year=on.year + years)
    except ValueError:
        return on.replace(year=on.year + years, day=28)


def document_bytes(document: Document) -> bytes:
    """The PDF as it was handed out. Raises Refused when its time is over, or what is kept is not what was handed out."""
    if not document.content:
        raise refuse("expired", f"{document.number} was kept until {document.keep_until}: only its number and hash remain")
    content = unseal(document.content, SEALED)
    if hashlib.sha256(content).digest() != bytes(document.sha256):
        raise Refused(Problem("changed_at_rest", f"what is kept of {document.number} is not what was handed out"))
    return content
