"""The suspense desk: money of nobody yet, the oldest first, with suggestions and their reasons; placed by one press."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.models import Approval, User
from tideover.core.problems import NotFound, Refused
from tideover.lending.models import Party, Receipt
from tideover.lending.receipts.refunds import refund_ask
from tideover.lending.rules.bank_match import Suggestion
from tideover.lending.statements.approvals import suspense_place_ask
from tideover.lending.statements.asking import ask_open
from tideover.lending.statements.selectors import (
    AGED_DAYS,
    Waiting,
    oldest,
    party_search,
    suspense_aged,
    suspense_get,
    suspense_shown,
    suspense_visible,
)
from tideover.lending.statements.words import masked, masked_account, reason_words, reasons_english, reasons_said
from tideover.lending.words import money

PAGE = 20
KEYS = "abcde"


def user_of(request: HttpRequest) -> User:
    """The signed-in user (views are guarded)."""
    assert isinstance(request.user, User)
    return request.user


def candidate(s: Suggestion, party: Party, key: str) -> dict[str, Any]:
    """A suggestion as a page shows it."""
    return {"party": party, "loans": s.loans, "points": s.points, "reasons": reasons_said(s.reasons), "key": key, "s": s}


def shown(w: Waiting, *, full: bool = False) -> dict[str, Any]:
    """An unplaced receipt as a page shows it; full: with the payer's name and account."""
    name, account = str(w.receipt.payer_name), str(w.receipt.payer_account)
    found = [candidate(s, p, k) for (s, p), k in zip(w.suggestions, KEYS, strict=False)]
    who = {"payer": name if full else masked(name), "account": account if full else masked_account(account)}
    return {"w": w, "r": w.receipt, **who, "why": reason_words(w.why), "candidates": found, "best": found[0] if found else None}


@require("suspense")
def suspense(request: HttpRequest) -> HttpResponse:
    """What waits, the oldest first, each with its likeliest owner; opening it is logged."""
    user, today = user_of(request), business_date()
    aged = request.GET.get("age") == str(AGED_DAYS)
    rows = suspense_aged(user, today) if aged else suspense_visible(user, today)
    after = request.GET.get("after", "")
    start = int(after) if after.isascii() and after.isdecimal() and len(after) < 7 else 0
    page = list(rows[start : start + PAGE + 1])
    log(user.username, "suspense.list", "receipt", "", {"found": len(page)})
    context = {
        "rows": [shown(w) for w in suspense_shown(page[:PAGE], today)],
        "totals": oldest(rows),
        "next": start + PAGE if len(page) > PAGE else None,
        "aged": aged,
        "may": can(user, "suspense-place"),
    }
    return render(request, "lending/statements/suspense.html", context)


@require("suspense")
def suspense_one(request: HttpRequest, number: str) -> HttpResponse:
    """One unplaced receipt: every candidate with its reasons, a search, and what can be done.

    POST: place, ask, or see the payer in full, which is logged.
    """
    user, today = user_of(request), business_date()
    try:
        receipt = suspense_get(user, number, today)
    except NotFound as error:
        raise Http404(number) from error
    problems: list[tuple[str, str]] = []
    reveal = request.method == "POST" and request.POST.get("act") == "reveal"
    if request.method == "POST" and not can(user, "suspense-place"):
        raise PermissionDenied("suspense-place")
    if request.method == "POST" and not reveal:
        try:
            return _act(request, user, receipt)
        except Refused as error:
            problems = [(p.field or "reason", p.message) for p in error.problems]
    log(user.username, "person.reveal" if reveal else "suspense.read", "receipt", receipt.number)
    [waiting] = suspense_shown([receipt], today)
    query = request.GET.get("q", "").strip()[:60]
    context = {
        **shown(waiting, full=reveal),
        "reveal": reveal,
        "problems": problems,
        "query": query,
        "found": party_search(receipt.entity_id, query, today) if query else [],
        "may": can(user, "suspense-place"),
        "linked": can(user, "person"),
        "sends_back": can(user, "receipt-refund") and bool(receipt.payer_account),
    }
    return render(request, "lending/statements/suspense_one.html", context, status=422 if problems else 200)


def _act(request: HttpRequest, user: User, receipt: Receipt) -> HttpResponse:
    said, act = request.POST, request.POST.get("act", "")
    party = Party.objects.filter(reference=said.get("party", ""), contracts__entity=receipt.entity_id).distinct().first()
    if act == "place" and party is not None:
        [waiting] = suspense_shown([receipt], business_date())
        found = next((s for s, p in waiting.suggestions if p.pk == party.pk), None)
        reason = said.get("reason", "").strip() or (reasons_english(found.reasons) if found else "")
        done = suspense_place_ask(receipt, party=party, loans=found.loans if found else (), reason=reason, actor=user)
        if isinstance(done, Approval):
            text = _("%(amount)s needs a second person: %(approval)s waits for a decision.")
            messages.success(request, text % {"amount": money(receipt.amount_minor), "approval": done.reference})
        else:
            text = _("%(amount)s is placed for %(who)s.")
            messages.success(request, text % {"amount": money(receipt.amount_minor), "who": party.reference})
        return _next(user)
    if act == "ask" and party is not None:
        item = ask_open(receipt, party, actor=user.username)
        messages.success(request, _("%(item)s: their branch asks %(who)s.") % {"item": item.reference, "who": party.reference})
        return redirect("suspense-one", receipt.number)
    if act == "send_back" and can(user, "receipt-refund"):
        asked = refund_ask(receipt, amount_minor=receipt.unapplied_minor, reason=said.get("reason", ""), actor=user)
        messages.success(request, _("A second person must decide: %(approval)s waits.") % {"approval": asked.reference})
        return redirect("suspense-one", receipt.number)
    raise Http404(act)


def _next(user: User) -> HttpResponse:
    """The oldest that waits, or the empty desk."""
    first = suspense_visible(user, business_date()).first()
    return redirect("suspense-one", first.number) if first else redirect("suspense")
