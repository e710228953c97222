"""The outbox for staff: the list, one message with its life, taking back and sending again; answers that people sent."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from tideover.contact.models import InboundMessage, Message, MessageTemplate
from tideover.contact.outbox import message_cancel, message_resend
from tideover.contact.outbox.inbound import inbound_answered
from tideover.contact.panels_messages import life_lines, reason_shown, with_why
from tideover.contact.rules.message import State
from tideover.contact.rules.model import Channel
from tideover.contact.selectors_messages import (
    inbound_visible,
    message_get,
    messages_filtered,
    messages_visible,
    state_counts,
)
from tideover.contact.words_messages import refusal
from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.models import User
from tideover.core.problems import NotFound, Refused
from tideover.core.rest import ID_MAX

PAGE = 50
STATES = ("open", *(s.value for s in State))


def user_of(request: HttpRequest) -> User:
    """The signed-in user (views are guarded)."""
    assert isinstance(request.user, User)
    return request.user


def day_of(text: str) -> date | None:
    """A day from an address; None for none, and for what is no day."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def number_of(text: str) -> int:
    """A row number from an address; 0 for none, and for what is no number."""
    return int(text) if text.isascii() and text.isdecimal() and int(text) <= ID_MAX else 0


@require("message-list")
def message_list(request: HttpRequest) -> HttpResponse:
    """Messages within reach, the newest first, by state, channel, template, person and day."""
    user, get = user_of(request), request.GET
    wanted = {k: get.get(k, "").strip()[:60] for k in ("state", "channel", "template", "party")}
    day = day_of(get.get("day", ""))
    rows = messages_filtered(messages_visible(user, business_date()), day=day, **wanted)
    if before := number_of(get.get("before", "")):
        rows = rows.filter(pk__lt=before)
    found = with_why(rows.select_related("party", "template", "branch__entity").order_by("-pk")[: PAGE + 1])
    context = {
        "rows": found[:PAGE],
        "more": found[PAGE - 1].pk if len(found) > PAGE else None,
        "wanted": wanted,
        "day": day,
        "sees_answers": can(user, "answer-list"),
        "filtered": bool(day or any(wanted.values())),
        "states": STATES,
        "channels": [c.name.lower() for c in Channel],
        "codes": list(MessageTemplate.objects.order_by("code").values_list("code", flat=True).distinct()),
        "query": "".join(f"&{k}={v}" for k, v in {**wanted, "day": day or ""}.items() if v),
    }
    if not before:
        context["counts"] = [(s, n) for s, n in state_counts(messages_visible(user, business_date())).items() if n]
    return render(request, "contact/messages.html", context)


def message_or_404(request: HttpRequest, reference: str) -> Message:
    """A message within reach, or the page that says there is nothing."""
    try:
        return message_get(user_of(request), reference, business_date())
    except NotFound as error:
        raise Http404(reference) from error


@require("message")
def message(request: HttpRequest, reference: str) -> HttpResponse:
    """One message: what it says, why it was sent or not, and everything that happened to it. Opening it is logged.

    POST: take it back, or send anew what certainly did not arrive.
    """
    m = message_or_404(request, reference)
    if request.method == "POST":
        try:
            return HttpResponseRedirect(reverse("message", args=[_act(request, m).reference]))
        except Refused as error:
            return _message(request, m, refusal(error), 422)
    log(request.user.username, "message.read", "party", m.party.reference, {"message": m.reference})
    return _message(request, m)


def _act(request: HttpRequest, m: Message) -> Message:
    """What was asked for; the message to show then."""
    user, act = user_of(request), request.POST.get("act", "")
    if act not in ("cancel", "resend"):
        raise Http404("no such act")
    if not can(user, f"message-{act}"):
        raise PermissionDenied(f"message-{act}")
    if act == "cancel":
        return message_cancel(m, reason=request.POST.get("reason", ""), actor=user.username)
    return message_resend(m, actor=user.username, at=now())


def _message(request: HttpRequest, m: Message, error: str = "", status: int = 200) -> HttpResponse:
    user = user_of(request)
    context = {
        "m": m,
        "loans": list(m.contracts.all()),
        "life": life_lines(m),
        "reason": reason_shown(m),
        "says": can(user, "message-body"),
        "linked": can(user, "loan"),
        "may_cancel": can(user, "message-cancel") and m.state == State.DRAFTED and not m.final_at,
        "may_resend": can(user, "message-resend") and bool(m.body) and m.state in ("failed", "cancelled", "blocked"),
        "error": error,
    }
    return render(request, "contact/message.html", context, status=status)


@require("answer-list")
def answers(request: HttpRequest) -> HttpResponse:
    """What people wrote to us and nobody has dealt with yet; then the rest."""
    user, today = user_of(request), business_date()
    rows = inbound_visible(user, today)
    if request.method == "POST":
        if not can(user, "answer-done"):
            raise PermissionDenied("answer-done")
        row = rows.filter(pk=number_of(request.POST.get("row", ""))).first()
        if row is None:
            raise Http404("no such answer")
        with suppress(Refused):  # somebody else was faster: the page shows who
            inbound_answered(row, actor=user.username)
        return HttpResponseRedirect(reverse("answer-list"))
    context: dict[str, Any] = {
        "waiting": list(rows.filter(answered_at=None).order_by("at", "pk")[:PAGE]),
        "done": list(rows.exclude(answered_at=None).order_by("-at", "-pk")[:PAGE]),
        "may_answer": can(user, "answer-done"),
        "says": can(user, "message-body"),
    }
    _log_read(user, context["waiting"] + context["done"])
    return render(request, "contact/answers.html", context)


def _log_read(user: User, rows: list[InboundMessage]) -> None:
    if rows:
        log(user.username, "answers.read", "inbound", "", {"rows": len(rows)})
