"""The documents of a loan as pages list them, and the words for what a document was refused for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Prefetch, QuerySet
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tideover.core.access import can
from tideover.core.business_time import business_date, now
from tideover.core.documents.kinds import label_of
from tideover.core.documents.settle import stuck
from tideover.core.models import Document, Role, Signature, SignatureState, User
from tideover.core.panels import ExceptionRow
from tideover.core.problems import Problem, Refused
from tideover.lending.documents import KINDS
from tideover.lending.models import Contract
from tideover.lending.signing import KINDS as SIGNED_BY_BORROWER
from tideover.lending.signing import signatures_visible

SHOWN_MAX = 20
OVER = (SignatureState.REFUSED, SignatureState.EXPIRED)


def language_of_page() -> str:
    """The language of documents that fits the page's."""
    return "zh-hans" if (get_language() or "").startswith("zh") else "en"


def lines_of(rows: QuerySet[Document]) -> list[dict[str, Any]]:
    """The newest documents of some: kind and language in words, the document, its signatures that stand or are open.

    What they hold sealed is not read.
    """
    signatures = Prefetch(
        "signatures", Signature.objects.only("document_id", "state", "how", "request_id").exclude(state__in=OVER)
    )
    found = rows.select_related("superseded_by").prefetch_related(signatures).defer("content", "data", "superseded_by__content")
    return [_line(d) for d in found.order_by("-issued_at", "-pk")[:SHOWN_MAX]]


def _line(document: Document) -> dict[str, Any]:
    found = list(document.signatures.all())
    return {
        "kind": label_of(document.kind),
        "document": document,
        "lender": next((s for s in found if s.how == "ca"), None),
        "borrower": next((s for s in found if s.how != "ca"), None),
        "written": dict(settings.LANGUAGES)[document.language],
        "is_signed": any(s.state == SignatureState.SIGNED for s in found),
        "by_borrower": document.kind in SIGNED_BY_BORROWER,
    }


GOOD_FOR = {
    "payoff_letter": lambda: _("Says that this loan is paid off, for a bank or an employer."),
    "balance_statement": lambda: _("What is left to pay today, to the cent."),
    "repayment_record": lambda: _("Every payment with its day and amount, for a landlord or a bank who asks how you pay."),
    "contract": lambda: _("What you signed, with all costs and the plan."),
}
"""What a borrower needs each of the four for."""


def kinds_for(settled: bool) -> list[tuple[str, str, str]]:
    """(code, words, what it is good for) of what a borrower may ask for; the payoff letter only for a loan that is paid off."""
    return [(k.code, _(k.label), GOOD_FOR[k.code]()) for k in KINDS if settled or k.code != "payoff_letter"]


def loan_documents(user: User, contract: Contract) -> Mapping[str, Any]:
    """Values of the panel on a loan's page: what was handed out, the newest first, and what the reader may do."""
    found = Document.objects.filter(subject_type="loan", subject_id=contract.number)
    return {
        "lines": lines_of(found),
        "contract": contract,
        "kinds": [(k.code, _(k.label)) for k in KINDS],
        "languages": settings.LANGUAGES,
        "today": business_date(),
        "may_issue": can(user, "loan-document-issue"),
        "may_open": can(user, "document"),
        "may_cancel": can(user, "document-cancel"),
        "may_sign": can(user, "document-sign"),
        "may_ask": can(user, "document-ask-signature"),
        "may_paper": can(user, "document-paper"),
    }


def signatures_stuck(user: User, on: date) -> Mapping[str, Any]:
    """The row of a home: signatures that no inquiry has settled for an hour; legal asks the authority by telephone."""
    rows = signatures_visible(user, on).filter(pk__in=stuck(now()).values("pk"))
    found = rows.aggregate(n=Count("pk"), first=Min("created_at"))
    first = business_date(found["first"]) if found["n"] else None
    act_by = first and first + timedelta(days=1)
    row = ExceptionRow(
        label="Signatures without an answer", count=found["n"], oldest=first, amount_minor=None, owner=str(Role.LEGAL.label),
        act_by=act_by, late=act_by is not None and act_by < on,
        address=f"{reverse('signature-list')}?show=stuck" if found["n"] else "",
    )  # fmt: skip
    return {"rows": [row]}


def refusal_words(error: Refused) -> list[str]:
    """What was wrong and what to do, in the page's language."""
    return [_words(p) for p in error.problems]


def _words(problem: Problem) -> str:
    line = {"hotline": settings.HOTLINE}
    known = {
        "not_paid_off": _("This loan is not paid off on that day, so there is no payoff letter yet."),
        "day_ahead": _("That day lies ahead. Choose today or a day before."),
        "before_payout": _("The loan was not yet paid out on that day. Choose a later day."),
        "no_glyph": _("A character of the name is not in our font. Please tell us: %(hotline)s.") % line,
        "no_font": _("Documents cannot be made right now. Please try again later."),
        "expired": _("This document was kept as long as it had to be; it is no longer stored."),
        "missing": _("Say why: whoever decides reads it."),
        "already_asked": _("The same is waiting for a decision already."),
        "cancelled": _("This document is cancelled already."),
        "may_not_ask": _("Your role may not ask for this."),
        "signed_already": _("This document is signed already, or the signing service has not answered yet."),
        "no_service": _("No signing service is set up."),
        "consent_missing": _("To sign here, tick that you agree to sign electronically. You may also sign on paper."),
        "code_missing": _("Enter the six figures of the code that we sent you"),
        "code_soon": _("A code is on its way. You can ask for another one in a minute."),
        "no_code": _("The code could not be sent just now. Nothing was signed. Try again in a few minutes, or sign on paper."),
        "not_open": _("This is not open for signing any more."),
        "too_late": _("The time to sign has passed. Nothing happened; ask us for a new one: %(hotline)s.") % line,
        "not_valid": _("This document was replaced or taken back, so it is not signed any more."),
        "other_out": _("Another signature on this document is under way. Try again in a minute."),
        "not_signed": _("This kind of document is not signed by the borrower."),
        "no_scan": _("Choose the scan: a PDF, JPEG or PNG file."),
        "too_large": _("The scan is larger than 10 MB."),
        "before_issue": _("It cannot have been signed before it was handed out. Check the day."),
    }
    return known.get(problem.code, problem.message)


def reason_words(reason: str) -> str:
    """Why a signature is not there, in the page's language; what an authority or a person wrote stays as it is."""
    fixed = {
        "wrong_code": _("The code was wrong or too old; nothing was signed."),
        "absent": _("It did not arrive at the signing service; nothing was signed."),
        "declined": _("The signer declined."),
        "signed on paper instead": _("It is signed on paper instead."),
        "the document is superseded": _("A newer document took its place."),
        "the document is cancelled": _("The document was taken back."),
        "the check of the paper was refused": _("The second person refused the paper."),
        "the check of the paper was withdrawn": _("The paper was withdrawn."),
        "the check of the paper was expired": _("Nobody checked the paper in time."),
    }
    if reason.startswith("declined: "):
        return _("The signer declined: %(why)s") % {"why": reason.removeprefix("declined: ")}
    if reason.startswith("not signed by "):
        return _("Not signed by %(day)s.") % {"day": reason.removeprefix("not signed by ")}
    return fixed.get(reason, reason)


def evidence_lines(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The evidence of a signature: names in words, values as they are kept."""
    names = {
        "agreed_at": _("Agreed to sign electronically at"),
        "agreed_to": _("Version of the words of consent"),
        "agreed_in": _("Language of the consent"),
        "agreed_by": _("Signed in as"),
        "signer": _("Name in the certificate"),
        "signers": _("Every signature in the file"),
        "serial": _("Serial number of the certificate"),
        "issuer": _("Issuer of the certificate"),
        "stamped_at": _("Time stamp"),
        "whole": _("Nothing was added after signing"),
        "request_id": _("Request at the authority"),
        "cms_sha256": _("Signature (SHA-256)"),
        "signed_on": _("Signed on"),
        "scan_sha256": _("Scan (SHA-256)"),
        "media": _("Kind of file"),
        "recorded_by": _("Brought in by"),
        "checked_by": _("Checked by"),
    }
    said = {True: _("yes"), False: _("no")}
    found = [(words, evidence[key]) for key, words in names.items() if key in evidence]
    return [(w, ", ".join(v) if isinstance(v, list) else said[v] if isinstance(v, bool) else str(v)) for w, v in found]
