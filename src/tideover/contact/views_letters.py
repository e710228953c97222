"""Letters for staff: what waits, batches, their addresses and pages, posted and returned, proofs of delivery."""

from __future__ import annotations

import io
import zipfile

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from tideover.contact.letters import (
    address_list,
    letter_back,
    letter_batch_make,
    letter_batch_post,
    letter_delivered,
    letter_file,
    letter_returned,
)
from tideover.contact.models import LetterBatch, Message
from tideover.contact.panels_messages import with_why
from tideover.contact.selectors_messages import batches_visible, letters_waiting
from tideover.contact.views_outbox import day_of, number_of, user_of
from tideover.contact.words_messages import refusal
from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import Refused, refuse
from tideover.lending.selectors import post_of

PAGE = 50


@require("letter-batches")
def batch_list(request: HttpRequest) -> HttpResponse:
    """Letters that wait, and the batches. POST: make a batch of what waits."""
    user, error = user_of(request), ""
    waiting = letters_waiting(user, now())
    if request.method == "POST":
        if not can(user, "letter-batch"):
            raise PermissionDenied("letter-batch")
        post = post_of(user, business_date())
        try:
            made = letter_batch_make(waiting, branch=post.branch if post else None, at=now(), actor=user.username)
            return HttpResponseRedirect(reverse("letter-batch", args=[made.number]))
        except Refused as refused:
            error = refusal(refused)
    context = {
        "waiting": with_why(waiting[:PAGE]),
        "waiting_count": waiting.count(),
        "batches": list(batches_visible(user, business_date())[:PAGE]),
        "may": can(user, "letter-batch"),
        "error": error,
    }
    return render(request, "contact/letters.html", context, status=422 if error else 200)


def batch_or_404(request: HttpRequest, number: str) -> LetterBatch:
    """A batch within reach."""
    found = batches_visible(user_of(request), business_date()).filter(number=number).first()
    if found is None:
        raise Http404(number)
    return found


@require("letter-batch")
def batch(request: HttpRequest, number: str) -> HttpResponse:
    """One batch: print, post, enter what came back. POST: act on the batch or one letter."""
    found, error = batch_or_404(request, number), ""
    if request.method == "POST":
        try:
            _act(request, found)
            return HttpResponseRedirect(reverse("letter-batch", args=[number]))
        except Refused as refused:
            error = refusal(refused)
    log(request.user.username, "letters.read", "letter_batch", found.number)
    return _page(request, found, error)


def _page(request: HttpRequest, found: LetterBatch, error: str) -> HttpResponse:
    context = {"b": found, "letters": _letters(found), "today": business_date(), "error": error}
    return render(request, "contact/letter_batch.html", context, status=422 if error else 200)


def _act(request: HttpRequest, found: LetterBatch) -> None:
    post, actor = request.POST, request.user.username
    on = day_of(post.get("on", "")) or business_date()
    act = post.get("act", "")
    if act == "post":
        letter_batch_post(found, on=on, carrier=post.get("carrier", ""), actor=actor)
        return
    m = found.letters.filter(pk=number_of(post.get("letter", ""))).first()
    if m is None:
        raise Http404("no such letter")
    if act == "delivered":
        letter_delivered(m, on=on, proof=post.get("words", ""), actor=actor)
    elif act == "returned":
        letter_returned(m, on=on, reason=post.get("words", ""), actor=actor)
    elif act == "back":
        letter_back(m, actor=actor)
    else:
        raise refuse("unknown_act", "choose what happened to the letter", "act")


@require("letter-addresses")
def addresses_csv(request: HttpRequest, number: str) -> HttpResponse:
    """The address list of a batch; taking it is logged."""
    found = batch_or_404(request, number)
    log(request.user.username, "letters.addresses", "letter_batch", found.number)
    response = HttpResponse(address_list(_letters(found)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{found.number}.csv"'
    return response


@require("letter-files")
def letters_zip(request: HttpRequest, number: str) -> HttpResponse:
    """The letters of a batch as PDF files, each under its document's number."""
    found, out = batch_or_404(request, number), io.BytesIO()
    log(request.user.username, "letters.files", "letter_batch", found.number)
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as files:
            for m in _letters(found):
                files.writestr(*letter_file(m, actor=request.user.username))
    except Refused as refused:  # no font, or a character without one
        return _page(request, found, refusal(refused))
    response = HttpResponse(out.getvalue(), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{found.number}.zip"'
    return response


def _letters(found: LetterBatch) -> list[Message]:
    return list(found.letters.select_related("party", "template").order_by("pk"))
