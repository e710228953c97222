"""Debits for staff: the batches, one batch, and the life of one debit. Reads only; money moves by the worker and the bank."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import NotFound
from tideover.lending.debits import bank
from tideover.lending.debits.policy import reason_words, reasons
from tideover.lending.debits.selectors import (
    batch_get,
    batches_to_work,
    batches_visible,
    debit_get,
    debits_to_work,
    debits_visible,
    files_unusable,
)
from tideover.lending.debits.worker import debit_ask
from tideover.lending.models import Debit, Receipt
from tideover.lending.rules.debits import MOVING, OPEN, State
from tideover.lending.views import user_of

PAGE = 50
STATES = [s.value for s in State]
SHOWN = {
    "unknown": gettext_noop("Debits with an unknown result"),
    "failed": gettext_noop("Debits that failed in the last 7 days"),
    "conflict": gettext_noop("Answers of the bank against what stands"),
}
"""Lists of debits that somebody works (selectors.debits_to_work)."""
BATCHES = {
    "drafted": gettext_noop("Debit batches not sent yet"),
    "unanswered": gettext_noop("Debit batches without an answer"),
    "half": gettext_noop("Debit batches answered in part"),
    "uncredited": gettext_noop("Debit batches that the bank has not credited"),
}
"""Lists of batches (selectors.batches_to_work)."""


def _page(request: HttpRequest, rows: QuerySet[Any]) -> tuple[list[Any], int | None]:
    """The newest PAGE rows below the address's `before`, and the next `before`."""
    before = request.GET.get("before", "")
    if before.isascii() and before.isdecimal() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows.order_by("-pk")[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None


@require("debits")
def debits(request: HttpRequest) -> HttpResponse:
    """The batches, newest first, with what became of their debits; failures by reason; files that could not be used."""
    user, today = user_of(request), business_date()
    mine = debits_visible(user, today)
    state = request.GET.get("state", "")
    counts = dict(mine.filter(state__in=OPEN).order_by().values_list("state").annotate(n=Count("pk")))
    context: dict[str, Any] = {"state": state if state in STATES else ""}
    context["tabs"] = [{"state": s, "n": counts.get(s, 0)} for s in STATES]
    show, reason = request.GET.get("show", ""), request.GET.get("reason", "")
    if show in SHOWN or context["state"]:
        rows = debits_to_work(mine, show) if show in SHOWN else mine.filter(state=state)
        rows = rows.filter(reason=reason) if "reason" in request.GET else rows
        context["rows"], context["more"] = _page(request, rows)
        _worded(context["rows"])
        context |= {"show": SHOWN.get(show, ""), "reason": reason_words(reason), "query": _query(request)}
        return render(request, "lending/debits/list.html", context)
    if show == "files":
        context["refused"] = list(files_unusable().order_by("-pk")[:PAGE])
        return render(request, "lending/debits/files.html", context)
    counted = {s: Count("debits", filter=Q(debits__state=s)) for s in STATES}
    money = {
        "took_minor": Sum("debits__taken_minor"),
        "moving_minor": Sum("debits__amount_minor", filter=Q(debits__state__in=MOVING)),
    }
    waits, found = request.GET.get("batches", ""), batches_visible(user, today)
    found = batches_to_work(found, waits) if waits in BATCHES else found
    context["batches"], context["more"] = _page(request, found.annotate(**counted, **money))
    context |= {"waits": BATCHES.get(waits, ""), "uncredited": waits == "uncredited", "query": _query(request)}
    if "before" not in request.GET and not context["waits"]:
        failed = debits_to_work(mine, "failed").order_by().values("reason")
        context["failed"] = [
            {**r, "words": reason_words(r["reason"])}
            for r in failed.annotate(n=Count("pk"), total=Sum("amount_minor")).order_by("-n")
        ]
        context["refused"] = list(files_unusable().order_by("-pk")[:9])
    return render(request, "lending/debits/batches.html", context)


def _query(request: HttpRequest) -> str:
    """The address's filters, for the link to the next page."""
    kept = request.GET.copy()
    kept.pop("before", None)
    return f"{kept.urlencode()}&" if kept else ""


def _worded(rows: list[Debit]) -> None:
    for d in rows:
        d.words = reason_words(d.reason)  # type: ignore[attr-defined]


@require("debit-batch")
def batch(request: HttpRequest, number: str) -> HttpResponse:
    """One batch: what went out, when, with which hash, and what became of each debit that the reader may see."""
    user, today = user_of(request), business_date()
    try:
        found = batch_get(user, number, today)
    except NotFound as error:
        raise Http404(number) from error
    rows, more = _page(request, debits_visible(user, today).filter(batch=found))
    _worded(rows)
    context = {
        "batch": found, "rows": rows, "more": more, "files": list(found.files.order_by("pk")),
        "missing_minor": found.taken_minor - found.credited_minor if found.state == "settled" else 0,
        "opens_line": can(user, "bank-line"),
    }  # fmt: skip
    return render(request, "lending/debits/batch.html", context)


@require("debit")
def debit(request: HttpRequest, reference: str) -> HttpResponse:
    """One debit: what it is for, everything that happened to it, and what the bank said. Opening it is logged.

    POST: ask the bank now.
    """
    user = user_of(request)
    try:
        d = debit_get(user, reference, business_date())
    except NotFound as error:
        raise Http404(reference) from error
    may_ask = can(user, "api:debit-inquire") and d.state in MOVING and bank.is_set_up()
    if request.method == "POST":
        if not may_ask:
            raise Http404("nothing to ask")
        debit_ask(d, at=now(), actor=user.username)
        return HttpResponseRedirect(reverse("debit", args=[reference]))
    log(user.username, "debit.read", "loan", d.contract.number, {"debit": reference})
    _worded([d])
    known = reasons()
    context = {
        "d": d,
        "moves": [(m, reason_words(m.reason)) for m in d.moves.order_by("pk")],
        "answers": [(a, reason_words(known[a.code].reason) if a.code in known else "") for a in d.answers.order_by("pk")],
        "receipt": Receipt.objects.filter(source_kind="debit", source_reference=d.reference).first(),
        "may_ask": may_ask,
        "opens_receipt": can(user, "receipt"),
    }
    return render(request, "lending/debits/debit.html", context)
