"""Calls for staff: lists of whom to call, one list with the gate before each call, and the telephone system's records."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.contact.call_records import BYTES_MAX, BadFile, calls_import
from tideover.contact.models import CallList, CallListLine, CallRecord, MessageTemplate
from tideover.contact.models.messages import TemplateState
from tideover.contact.panels_messages import why
from tideover.contact.rules.model import Recipient
from tideover.contact.rules.wording import ZH
from tideover.contact.selectors_messages import lists_visible
from tideover.contact.views_outbox import number_of, user_of
from tideover.contact.voice import LINES_MAX, OUTCOMES, call_begin, call_end, call_list_make
from tideover.contact.words_messages import refusal
from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.models import User
from tideover.core.problems import Refused
from tideover.lending.models import ContactRecord, Contract
from tideover.lending.panels import EXCEPTIONS, loans_shown, shown_label
from tideover.lending.scope import parties_reachable
from tideover.lending.selectors import contracts_visible, post_of

SOURCES = tuple(k for k, e in EXCEPTIONS.items() if e.loans is not None)
PAGE = 50


@require("call-lists")
def call_lists(request: HttpRequest) -> HttpResponse:
    """The lists, and calls of the telephone system. POST: make a list from loans that need somebody, or take in call records."""
    user, error = user_of(request), ""
    if request.method == "POST" and request.POST.get("act") == "import":
        return _import(request)
    if request.method == "POST":
        if not can(user, "call-list"):
            raise PermissionDenied("call-list")
        try:
            made = _make(request, user)
            return HttpResponseRedirect(reverse("call-list", args=[made.number]))
        except Refused as refused:
            error = refusal(refused)
    return _lists(request, error=error)


def _make(request: HttpRequest, user: User) -> CallList:
    post, today = request.POST, business_date()
    show, size = post.get("show", ""), min(number_of(post.get("size", "")) or 30, LINES_MAX)
    wanted = [r.contract_id for r in loans_shown(user, today, show=show)[:size]] if show in SOURCES else []
    loans = Contract.objects.filter(pk__in=wanted).select_related(
        "borrower__user", "borrower__branch__entity", "manager", "entity", "product"
    )
    at = post_of(user, today)
    return call_list_make(
        post.get("name", ""), loans, why=shown_label(show), template=post.get("template", ""), branch=at.branch if at else None,
        at=now(), actor=user.username,
    )  # fmt: skip


def _lists(request: HttpRequest, *, error: str = "", imported: object = None) -> HttpResponse:
    user = user_of(request)
    reached = parties_reachable(user, business_date()).values("pk")
    records = CallRecord.objects.filter(party__in=reached).select_related("party", "line__list")
    templates = MessageTemplate.objects.filter(state=TemplateState.PUBLISHED, recipient=Recipient.DEBTOR).order_by("code")
    context = {
        "lists": list(lists_visible(user, business_date())[:PAGE]),
        "records": list(records.order_by("-started_at")[:PAGE]),
        "sources": [(k, shown_label(k)) for k in SOURCES],
        "scripts": [t for t in templates if "call" in t.texts[ZH] and t.variables],
        "may_make": can(user, "call-list"),
        "may_import": can(user, "call-import"),
        "error": error,
        "imported": imported,
    }
    return render(request, "contact/calls.html", context, status=422 if error else 200)


def _import(request: HttpRequest) -> HttpResponse:
    """Take in call records from a file; rows that were refused are shown with their reason."""
    if not can(user_of(request), "call-import"):
        raise PermissionDenied("call-import")
    given = request.FILES.get("file")
    if given is None:
        return _lists(request, error=_("Choose a file first."))
    try:
        data = given.read(BYTES_MAX + 1)
        result = calls_import(data, file_name=given.name or "calls.csv", actor=user_of(request).username)
    except BadFile as bad:
        return _lists(request, error=str(bad))
    return _lists(request, imported=result)


@require("call-list")
def call_list(request: HttpRequest, number: str) -> HttpResponse:
    """One list. POST: begin a call (the gate is asked, then the number shows) or say how it ended."""
    user = user_of(request)
    found = lists_visible(user, business_date()).filter(number=number).first()
    if found is None:
        raise Http404(number)
    error, calling = "", 0
    if request.method == "POST":
        line = found.lines.filter(pk=number_of(request.POST.get("line", ""))).first()
        if line is None or not contracts_visible(user, business_date()).filter(pk=line.contract_id).exists():
            raise Http404("no such line")
        try:
            calling = _act(request, line, user)
        except Refused as refused:
            error = refusal(refused)
        if not error and not calling:
            return _onward(found, line)
    lines = _lines(found)
    log(user.username, "calls.read", "call_list", found.number)
    said = next((line for line in lines if request.GET.get("said") == str(line.pk) and line.done_at), None)
    context = {
        "c": found, "lines": lines, "calling": calling, "outcomes": list(OUTCOMES), "error": error, "at": now(), "said": said,
        "next": next((line for line in lines if _waits(line)), None),
    }  # fmt: skip
    return render(request, "contact/call_list.html", context, status=422 if error else 200)


def _waits(line: CallListLine) -> bool:
    """Whether the list has still to call this person, and no rule was in the way when it was last asked."""
    return line.done_at is None and not line.blocked


def _onward(found: CallList, line: CallListLine) -> HttpResponse:
    """To the next person who may be called, or to the line itself when a rule was in the way."""
    line.refresh_from_db()
    then = next((x for x in _lines(found) if _waits(x)), line) if line.done_at else line
    said = f"?said={line.pk}" if line.done_at else ""
    return HttpResponseRedirect(f"{reverse('call-list', args=[found.number])}{said}#line-{then.pk}")


def _lines(found: CallList) -> list[CallListLine]:
    """The lines of a list: who may be called first, then who may not now by when that ends, then the calls made."""
    newest = ContactRecord.objects.filter(party=OuterRef("party")).order_by("-at", "-pk").values("pk")[:1]
    rows = found.lines.select_related("party", "contract__standing", "contract__entity", "template").annotate(
        newest=Subquery(newest)
    )
    lines = list(rows.order_by("pk"))
    records = ContactRecord.objects.in_bulk([line.newest for line in lines if line.newest])
    for line in lines:
        line.shut = why(line.blocked, line.contract.entity.jurisdiction, business_date())
        line.last_contact = records.get(line.newest)
    return sorted(lines, key=lambda x: (x.done_at is not None, bool(x.blocked), x.next_at.timestamp() if x.next_at else 0, x.pk))


def _act(request: HttpRequest, line: CallListLine, user: User) -> int:
    """Begin or end a call; the line whose number is to be shown, or 0."""
    post, at = request.POST, now()
    if post.get("act") == "begin":
        begun = call_begin(line, at=at, actor=user.username)
        return begun.pk if not begun.blocked else 0
    seconds = post.get("seconds", "").strip()
    call_end(line, outcome=post.get("outcome", ""), seconds=number_of(seconds) if seconds else None, at=at, actor=user.username)
    return 0
