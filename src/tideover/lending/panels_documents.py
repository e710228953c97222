"""The documents of a loan as pages list them, and the words for what a document was refused for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from tideover.core.access import can
from tideover.core.business_time import business_date
from tideover.core.documents.kinds import kind_of
from tideover.core.models import Document, User
from tideover.core.problems import Problem, Refused
from tideover.lending.documents import KINDS
from tideover.lending.models import Contract

SHOWN_MAX = 20


def line_of(document: Document) -> dict[str, Any]:
    """A document in a list: its kind in words, itself, and the newest signature that came about."""
    signature = document.signatures.exclude(state="refused").order_by("-pk").first()
    written = dict(settings.LANGUAGES)[document.language]
    return {"kind": _(kind_of(document.kind).label), "document": document, "signature": signature, "written": written}


def loan_documents(user: User, contract: Contract) -> Mapping[str, Any]:
    """Values of the panel on a loan's page: what was handed out, the newest first, and what the reader may do."""
    found = Document.objects.filter(subject_type="loan", subject_id=contract.number)
    rows = found.select_related("superseded_by").order_by("-issued_at", "-pk")[:SHOWN_MAX]
    return {
        "lines": [line_of(d) for d in rows],
        "contract": contract,
        "kinds": [(k.code, _(k.label)) for k in KINDS],
        "languages": settings.LANGUAGES,
        "today": business_date(),
        "may_issue": can(user, "loan-document-issue"),
        "may_open": can(user, "document"),
        "may_cancel": can(user, "document-cancel"),
        "may_sign": can(user, "document-sign"),
    }


def refusal_words(error: Refused, day: date | None = None) -> list[str]:
    """What was wrong and what to do, in the page's language."""
    return [_words(p, day) for p in error.problems]


def _words(problem: Problem, day: date | None) -> str:
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
