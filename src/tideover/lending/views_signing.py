"""Signing on pages: the borrower reads, agrees and signs with a code; staff asks, brings in paper, and sees what is open."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from tideover.core.access import can, require
from tideover.core.business_time import business_date, now
from tideover.core.documents import ca, document_handed
from tideover.core.documents.consent import signing_code, signing_confirm, signing_decline
from tideover.core.documents.ink import SCAN_MAX, scan_open
from tideover.core.documents.kinds import label_of
from tideover.core.documents.settle import stuck
from tideover.core.models import Signature, SignatureState
from tideover.core.problems import NotFound, Refused
from tideover.lending.forms import date_read
from tideover.lending.panels_documents import evidence_lines, language_of_page, reason_words, refusal_words
from tideover.lending.signing import ToSign, borrower_ask, borrower_paper, signature_get, signatures_visible, to_sign
from tideover.lending.views import loan_or_404, user_of
from tideover.lending.views_documents import document_or_404, done_of, said_of

SHOWN_MAX = 100
OPEN = (SignatureState.PENDING, SignatureState.DRAFTED, SignatureState.SENT, SignatureState.UNKNOWN)


def _mine(request: HttpRequest, request_id: str) -> ToSign:
    try:
        return to_sign(user_of(request), request_id, business_date())
    except NotFound as error:
        raise Http404(str(error)) from error


@require("my-sign")
def my_sign(request: HttpRequest, request_id: str) -> HttpResponse:
    """A document in front of its signer: what matters first, the document, then consent and code, or no."""
    found = _mine(request, request_id)
    problems: list[tuple[str, str]] = []
    act = request.POST.get("act", "") if request.method == "POST" else ""
    if act:
        try:
            _act(request, found, act)
            return HttpResponseRedirect(reverse("my-sign", args=[request_id]) + ("?code=sent" if act == "code" else ""))
        except Refused as error:
            fields = {"consent_missing": "agree", "code_missing": "code", "no_code": "code", "code_soon": "code"}
            words = refusal_words(error)
            problems = [(fields.get(p.code, ""), w) for p, w in zip(error.problems, words, strict=True)]
    row = found.row
    row.refresh_from_db()
    if not act and row.state == SignatureState.PENDING and row.reason == "wrong_code":
        problems = [("code", _("That code was not right, or too old. Nothing was signed. Try again, or ask for another code."))]
    context: dict[str, Any] = {
        "row": row, "document": row.document, "contract": found.contract, "data": found.data, "problems": problems,
        "kind": label_of(row.document.kind), "phone": found.contract.borrower.masked_phone, "late": is_late(row),
        "code_sent": row.code_sent_at is not None, "service": ca.is_set_up(), "agreed": request.POST.get("agree") == "yes",
        "errors": dict(problems),
        "typed": request.POST.get("code", "")[:20], "first_due_on": found.first_due_on,
        "other_language": row.document.language != language_of_page(),
    }  # fmt: skip
    return render(request, "lending/sign.html", context, status=422 if act and problems else 200)


def is_late(row: Signature) -> bool:
    """Whether the time to sign has passed."""
    return row.expires_at is not None and row.expires_at <= now()


def _act(request: HttpRequest, found: ToSign, act: str) -> None:
    actor, at = user_of(request).username, now()
    if act == "code":
        signing_code(found.row, phone=found.contract.borrower.phone, at=at, actor=actor)
    elif act == "sign":
        signing_confirm(
            found.row, code=request.POST.get("code", "")[:20], agreed=request.POST.get("agree") == "yes",
            language=language_of_page(), at=at, actor=actor,
        )  # fmt: skip
    elif act == "decline":
        signing_decline(found.row, reason=request.POST.get("reason", ""), at=at, actor=actor)


@require("my-sign-file")
def my_sign_file(request: HttpRequest, request_id: str) -> HttpResponse:
    """The document itself, opened in the browser's own reader."""
    found = _mine(request, request_id)
    try:
        content = document_handed(found.row.document, user_of(request).username)
    except Refused as error:
        raise Http404(str(error)) from error
    return file_of(content, "application/pdf", f"{found.row.document.number}.pdf")


def file_of(content: bytes, media: str, name: str) -> HttpResponse:
    """A file that the browser shows by itself, never kept on the way, never run."""
    response = HttpResponse(content, content_type=media)
    response["Content-Disposition"] = f'inline; filename="{name}"'
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require("document-ask-signature")
@require_POST
def ask_signature(request: HttpRequest, number: str) -> HttpResponse:
    """Ask the borrower to sign a document electronically."""
    document = document_or_404(request, number)
    contract = loan_or_404(request, document.subject_id)
    user = user_of(request)
    return done_of(request, contract, lambda: borrower_ask(document, on=business_date(), at=now(), actor=user))


@require("document-paper")
@require_POST
def paper(request: HttpRequest, number: str) -> HttpResponse:
    """Bring in the scan of what the borrower signed by hand; a second person looks at it."""
    document = document_or_404(request, number)
    contract = loan_or_404(request, document.subject_id)
    file = request.FILES.get("scan")
    try:
        day = date_read(request.POST.get("signed_on", ""))
    except ValueError:
        return said_of(request, contract, [_("Enter a date, for example 2026-12-05")])
    if file is not None and (file.size or 0) > SCAN_MAX:
        return said_of(request, contract, [_("The scan is larger than 10 MB.")])
    scan = file.read() if file is not None else b""
    try:
        row = borrower_paper(
            document, signed_on=day, scan=scan, reason=request.POST.get("reason", ""), on=business_date(), at=now(),
            actor=user_of(request),
        )  # fmt: skip
    except Refused as error:
        return said_of(request, contract, refusal_words(error))
    return HttpResponseRedirect(reverse("signature", args=[row.request_id]))


@require("signature-list")
def signature_list(request: HttpRequest) -> HttpResponse:
    """Signatures in the reader's scope: those that no inquiry settled, those that wait, or the newest of all."""
    show = request.GET.get("show", "")
    rows = signatures_visible(user_of(request), business_date())
    if show == "stuck":
        rows = rows.filter(pk__in=stuck(now()).values("pk"))
    elif show == "open":
        rows = rows.filter(state__in=OPEN)
    else:
        show = ""
    found = rows.defer("prepared", "content", "document__content", "document__data").order_by("-created_at", "-pk")[:SHOWN_MAX]
    context = {"show": show, "lines": [(r, label_of(r.document.kind), reason_words(r.reason)) for r in found], "tabs": _tabs()}
    return render(request, "lending/signatures.html", context)


def _tabs() -> list[tuple[str, str]]:
    return [("", _("all")), ("open", _("not finished")), ("stuck", _("without an answer"))]


@require("signature")
def signature(request: HttpRequest, request_id: str) -> HttpResponse:
    """One signature: over what, by whom, how, and the evidence that is kept."""
    row = _visible(request, request_id)
    context = {
        "row": row, "document": row.document, "kind": label_of(row.document.kind), "reason": reason_words(row.reason),
        "evidence": evidence_lines(row.evidence),
        "may_scan": row.how == "ink" and can(user_of(request), "signature-scan"),
    }  # fmt: skip
    return render(request, "lending/signature.html", context)


def _visible(request: HttpRequest, request_id: str) -> Signature:
    try:
        return signature_get(user_of(request), request_id, business_date())
    except NotFound as error:
        raise Http404(str(error)) from error


@require("signature-scan")
def signature_scan(request: HttpRequest, request_id: str) -> HttpResponse:
    """The scan of a paper, for who checks it; logged."""
    row = _visible(request, request_id)
    try:
        scan, media, name = scan_open(row, actor=user_of(request).username)
    except Refused as error:
        raise Http404(str(error)) from error
    return file_of(scan, media, name)
