"""The documents of a loan as pages list them, and the words for what a document was refused for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from tideover.core.access import can
from tideover.core.business_time import business_date
from tideover.core.documents.kinds import label_of
from tideover.core.models import Document, Signature, SignatureState, User
from tideover.core.problems import Problem, Refused
from tideover.lending.documents import KINDS
from tideover.lending.models import Contract

SHOWN_MAX = 20


def lines_of(rows: QuerySet[Document]) -> list[dict[str, Any]]:
    """The newest documents of some: kind and language in words, the document, its signature that was not refused.

    What they hold sealed is not read.
    """
    signatures = Prefetch("signatures", Signature.objects.only("document_id", "state"))
    found = rows.select_related("superseded_by").prefetch_related(signatures).defer("content", "data", "superseded_by__content")
    return [_line(d) for d in found.order_by("-issued_at", "-pk")[:SHOWN_MAX]]


def _line(document: Document) -> dict[str, Any]:
    signature = next((s for s in document.signatures.all() if s.state != SignatureState.REFUSED), None)
    written = dict(settings.LANGUAGES)[document.language]
    return {"kind": label_of(document.kind), "document": document, "signature": signature, "written": written}


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
    }


def refusal_words(error: Refused) -> list[str]:
    """What was wrong and what to do, in the page's language."""
    return [_words(p) for p in error.problems]


def _words(problem: Problem) -> str:
    known = {
        "not_paid_off": _("This loan is not paid off on that day, so there is no payoff letter yet."),
        "day_ahead": _("That day lies ahead. Choose today or a day before."),
        "before_payout": _("The loan was not yet paid out on that day. Choose a later day."),
        "no_glyph": _("A character of the name is not in our font. Please tell us: 400-000-0000."),
        "no_font": _("Documents cannot be made right now. Please try again later."),
        "expired": _("This document was kept as long as it had to be; it is no longer stored."),
        "missing": _("Say why: whoever decides reads it."),
        "already_asked": _("The same is waiting for a decision already."),
        "cancelled": _("This document is cancelled already."),
        "may_not_ask": _("Your role may not ask for this."),
        "signed_already": _("This document is signed already, or the signing service has not answered yet."),
        "no_service": _("No signing service is set up."),
    }
    return known.get(problem.code, problem.message)
