"""Documents on pages: a borrower's own list, the panel of a loan, downloads. Every issue and every download is logged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from tideover.core.access import require
from tideover.core.business_time import business_date
from tideover.core.documents import document_handed
from tideover.core.documents.cancel import document_cancel_ask
from tideover.core.documents.kinds import LANGUAGES
from tideover.core.documents.sign import document_sign_ask
from tideover.core.models import Document
from tideover.core.problems import NotFound, Refused
from tideover.lending import documents
from tideover.lending.forms import date_read
from tideover.lending.models import Contract
from tideover.lending.panels_documents import kinds_for, language_of_page, lines_of, refusal_words
from tideover.lending.panels_mine import my_loans
from tideover.lending.selectors import document_get, documents_visible
from tideover.lending.signing import waiting_of
from tideover.lending.views import loan_or_404, user_of


def document_or_404(request: HttpRequest, number: str) -> Document:
    """A visible document; others read as 404."""
    try:
        return document_get(user_of(request), number, business_date())
    except NotFound as error:
        raise Http404(str(error)) from error


def _file(request: HttpRequest, number: str) -> HttpResponse:
    """The PDF of a visible document, never cached on the way."""
    document = document_or_404(request, number)
    try:
        content = document_handed(document, user_of(request).username)
    except Refused as error:
        words = " ".join(refusal_words(error))
        context = {"heading": _("This document cannot be opened"), "words": words, "link": _("Back to the start")}
        shell = "web/borrower.html" if user_of(request).role == "borrower" else "web/staff.html"
        return render(request, "web/message.html", {**context, "shell_template": shell}, status=error.status)
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{document.number}.pdf"'
    response["Cache-Control"] = "no-store"
    return response


def _language(asked: str) -> str:
    return asked if asked in LANGUAGES else language_of_page()


def _issue(request: HttpRequest, contract: Contract) -> tuple[Document | None, list[str]]:
    """The document that the form asks for, or what is wrong."""
    kind, typed = request.POST.get("kind", ""), request.POST.get("as_of", "").strip()
    try:
        day: date | None = date_read(typed) if typed else None
    except ValueError:
        return None, [_("Enter a date, for example 2026-12-05")]
    if kind not in documents.CODES:
        return None, [_("Choose a document")]
    language = _language(request.POST.get("language", ""))
    try:
        return (
            documents.loan_document_issue(contract, kind, language=language, as_of=day, actor=user_of(request).username),
            [],
        )
    except Refused as error:
        return None, refusal_words(error)


@require("my-documents")
def my_documents(request: HttpRequest) -> HttpResponse:
    """The borrower's documents: what was handed out, and what can be asked for, each with one button."""
    problems: list[str] = []
    if request.method == "POST":
        made, problems = _issue(request, loan_or_404(request, request.POST.get("loan", "")))
        if made is not None:
            return HttpResponseRedirect(f"{reverse('my-documents')}?made={made.number}")
    loans = my_loans(user_of(request))
    rows = documents_visible(user_of(request), business_date()).filter(cancelled_at=None, superseded_by=None)
    made_number = request.GET.get("made", "")
    context: dict[str, Any] = {
        "problems": problems,
        "lines": lines_of(rows),
        "waiting": waiting_of(user_of(request), business_date()),
        "loans": [(m.contract, kinds_for(m.settled)) for m in loans],
        "made": rows.filter(number=made_number).first() if made_number else None,
    }
    return render(request, "lending/my_documents.html", context, status=422 if problems else 200)


@require("my-document")
def my_document(request: HttpRequest, number: str) -> HttpResponse:
    """The borrower's own document as a file."""
    return _file(request, number)


@require("document")
def document(request: HttpRequest, number: str) -> HttpResponse:
    """A document of a visible loan as a file."""
    return _file(request, number)


def said_of(request: HttpRequest, contract: Contract, problems: list[str]) -> HttpResponse:
    """Back to the loan, or what was wrong with a way back."""
    address = reverse("loan", args=[contract.number])
    if not problems:
        return HttpResponseRedirect(f"{address}#documents")
    context = {"heading": _("Nothing was done"), "words": " ".join(problems), "link": _("Back to the loan"), "address": address}
    return render(request, "web/message.html", {**context, "shell_template": "web/staff.html"}, status=422)


def done_of(request: HttpRequest, contract: Contract, act: Callable[[], object]) -> HttpResponse:
    """Act, then back to the loan, or what was wrong with a way back."""
    try:
        act()
    except Refused as error:
        return said_of(request, contract, refusal_words(error))
    return said_of(request, contract, [])


@require("loan-document-issue")
@require_POST
def loan_document_issue(request: HttpRequest, number: str) -> HttpResponse:
    """Issue a document of a loan; asked for again with the same figures it is the same file."""
    contract = loan_or_404(request, number)
    _made, problems = _issue(request, contract)
    return said_of(request, contract, problems)


@require("document-cancel")
@require_POST
def document_cancel(request: HttpRequest, number: str) -> HttpResponse:
    """Ask a second person to take a document back."""
    found, user = document_or_404(request, number), user_of(request)
    contract = loan_or_404(request, found.subject_id)
    place = {"entity": contract.entity.code, "branch": contract.branch.code}
    return done_of(
        request, contract, lambda: document_cancel_ask(found, reason=request.POST.get("reason", ""), actor=user, **place)
    )


@require("document-sign")
@require_POST
def document_sign(request: HttpRequest, number: str) -> HttpResponse:
    """Ask the certification authority for the lender's signature over a document."""
    found = document_or_404(request, number)
    contract = loan_or_404(request, found.subject_id)
    actor = user_of(request).username
    return done_of(request, contract, lambda: document_sign_ask(found, signer=contract.entity.code, actor=actor))
