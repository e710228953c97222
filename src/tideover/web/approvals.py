"""Pages of approvals: what waits for me, what I asked for, what is done; one approval in words, decided with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _

from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.approvals import (
    approval_decide,
    approval_get,
    approval_withdraw,
    approvals_to_decide,
    approvals_visible,
    kind_of,
    kinds,
    why_not,
)
from tideover.core.authority import Lines, table_read, text_in_force
from tideover.core.authority_publish import authority_ask, line_words
from tideover.core.business_time import business_date, now
from tideover.core.models import Approval, ApprovalState, Role, User
from tideover.core.panels import ExceptionRow
from tideover.core.problems import NotFound, Refused
from tideover.lending.forms import date_read
from tideover.lending.models import Branch, LegalEntity, Product
from tideover.lending.words import word

PAGE_SIZE = 50
WHY_NOT = {
    "not_open": gettext_noop("It is decided already."),
    "expired": gettext_noop("Nobody decided in time: it must be asked for again."),
    "own_request": gettext_noop("You asked for it: a second person must decide."),
    "decided_before": gettext_noop("You decided an earlier step: another person must decide this one."),
    "no_authority": gettext_noop("Your role has no authority for this step."),
    "out_of_reach": gettext_noop("It belongs to another branch than your post."),
    "changed_payload": gettext_noop("It does not hold what was asked for. Tell compliance; nothing was done."),
}
"""Why somebody may not decide, in the words of a page (codes of core/approvals.py)."""


def said(error: Refused) -> list[str]:
    """A refusal in the words of a page: known codes translated, others as the use case says them."""
    return [_(WHY_NOT[p.code]) if p.code in WHY_NOT else p.message for p in error.problems]


@require("approvals")
def page(request: HttpRequest) -> HttpResponse:
    """Approvals by tab: to decide, asked by me, done."""
    user, at = request.user, now()
    assert isinstance(user, User)
    tab = request.GET.get("show", "decide")
    waiting = approvals_to_decide(user, at)
    rows: list[Approval] = waiting
    if tab == "asked":
        rows = list(approvals_visible(user).filter(asked_by=user).order_by("-asked_at", "-pk")[:PAGE_SIZE])
    elif tab == "done":
        done = approvals_visible(user).exclude(closed_at=None).order_by("-closed_at", "-pk")
        rows = list(done[:PAGE_SIZE])
    elif tab == "others":
        mine = [a.pk for a in waiting]
        rest = (
            approvals_visible(user)
            .filter(state=ApprovalState.OPEN, expires_at__gt=at)
            .exclude(asked_by=user)
            .exclude(pk__in=mine)
        )
        rows = list(rest.order_by("expires_at", "pk")[:PAGE_SIZE])
    if tab not in ("asked", "done", "others"):
        tab = "decide"
    tabs = [
        ("decide", _("To decide"), len(waiting)),
        ("others", _("With others"), None),
        ("asked", _("Asked by me"), None),
        ("done", _("Done"), None),
    ]
    about = subjects_named(rows)
    lines = [{"a": a, "what": what_asked(a), "about": about[a.pk], "with": _next_roles(a)} for a in rows]
    context = {"rows": lines, "tab": tab, "tabs": tabs, "at": at, "size": PAGE_SIZE}
    return render(request, "web/approvals/list.html", context)


def what_asked(a: Approval) -> str:
    """What an approval is for, in words: its kind, and for an entry in a journal which event."""
    kind = kind_of(a.kind)
    return act_name(f"{a.kind}.{kind.part(a.payload)}" if kind.part else a.kind)


def act_name(name: str) -> str:
    """An act as the authority table names it (kind, or kind.part), in words."""
    for kind in kinds():
        if name == kind.code:
            return _(kind.label)
        if kind.part and name.startswith(f"{kind.code}."):
            return f"{_(kind.label)}{_marks()[0]}{word(name.removeprefix(f'{kind.code}.'))}"
    return name


def _marks() -> tuple[str, str]:
    """The colon and the comma of a list in the page's language."""
    return ("：", "、") if (get_language() or "").startswith("zh") else (": ", ", ")


def subjects_named(rows: list[Approval]) -> dict[int, str]:
    """What each is about, as people call it: product, wording, entity and month; else its number."""
    zh = (get_language() or "").startswith("zh")
    field = "name_zh" if zh else "name_en"
    ids = {kind: {a.subject_id for a in rows if a.kind == kind} for kind in {a.kind for a in rows}}
    products = dict(
        Product.objects.filter(code__in=ids.get("product.publish", ())).order_by("version").values_list("code", field)
    )
    codes = {i.partition(":")[0] for i in ids.get("books.close_period", ())}
    entities = dict(LegalEntity.objects.filter(code__in=codes).values_list("code", field)) if codes else {}
    out = {}
    for a in rows:
        code, _colon, month = a.subject_id.partition(":")
        if a.kind == "books.close_period":
            out[a.pk] = f"{entities.get(code, code)} {month}"
        else:
            out[a.pk] = products.get(a.subject_id, a.subject_id) if a.kind == "product.publish" else a.subject_id
    return out


def _next_roles(a: Approval) -> str:
    """The roles whose decision is next; empty when it is decided."""
    if a.closed_at is not None:
        return ""
    return " / ".join(str(Role(r).label) for r in a.steps_needed[len(a.steps.all())])


def _found(request: HttpRequest, reference: str) -> Approval:
    assert isinstance(request.user, User)
    try:
        return approval_get(request.user, reference)
    except NotFound as error:
        raise Http404(str(error)) from error


@require("approval")
def one(request: HttpRequest, reference: str) -> HttpResponse:
    """One approval: what would change in words, who decided what, and the decision of the reader where they may."""
    approval, user = _found(request, reference), request.user
    assert isinstance(user, User)
    problems: list[str] = []
    if request.method == "POST":
        try:
            return _decided(request, approval, user)
        except Refused as error:
            problems = said(error)
            approval = _found(request, reference)
    else:
        log(user.username, "approval.read", "approval", reference)
    kind, hinder = kind_of(approval.kind), why_not(approval, user)
    context: dict[str, Any] = {
        "approval": approval,
        "kind": kind,
        "changes": list(kind.show(approval)),
        "address": kind.address(approval) if kind.address else "",
        "steps": _steps(approval),
        "hindered": _(WHY_NOT[hinder.code]) if hinder else "",
        "what": what_asked(approval),
        "about": subjects_named([approval])[approval.pk],
        "branch": Branch.objects.filter(code=approval.branch).first() if approval.branch else None,
        "with": _next_roles(approval),
        "following": [a.reference for a in approvals_to_decide(user) if a.pk != approval.pk] if hinder else [],
        "mine": approval.asked_by_id == user.pk and approval.state == "open",
        "problems": [("reason", words) for words in problems],
        "typed": request.POST.get("reason", ""),
        "at": now(),
        "sha": bytes(approval.payload_hash).hex(),
    }
    return render(request, "web/approvals/one.html", context, status=422 if problems else 200)


def _decided(request: HttpRequest, approval: Approval, user: User) -> HttpResponse:
    act, reason = request.POST.get("act", ""), request.POST.get("reason", "")
    if act == "withdraw":
        approval_withdraw(approval, actor=user)
        messages.success(request, _("Withdrawn."))
    elif act in ("grant", "refuse"):
        done = approval_decide(approval, grant=act == "grant", reason=reason, actor=user)
        if done.closed_why in ("stale", "asker", "authority"):
            messages.warning(request, _("Nothing was done: what it is about has changed since it was asked for."))
        else:
            messages.success(request, _("Your decision is recorded."))
    return redirect("approval", approval.reference)


def _steps(approval: Approval) -> list[dict[str, Any]]:
    """Every step: the roles that may take it, and the decision once there is one."""
    taken = {s.step: s for s in approval.steps.all()}
    return [
        {"roles": " / ".join(str(Role(r).label) for r in roles), "taken": taken.get(n)}
        for n, roles in enumerate(approval.steps_needed, start=1)
    ]


@require("authority")
def authority(request: HttpRequest) -> HttpResponse:
    """Who decides what, in words; a role that may asks for another table."""
    user, today = request.user, business_date()
    assert isinstance(user, User)
    may_ask, problems = user.role == Role.RISK, []
    text = text_in_force(today)
    if request.method == "POST" and may_ask:
        try:
            on = date_read(request.POST.get("valid_from", ""))
            asked = authority_ask(
                text=request.POST.get("text", ""), valid_from=on, reason=request.POST.get("reason", ""), actor=user
            )
            return redirect("approval", asked.reference)
        except ValueError:
            problems = [("valid_from", _("Enter a date, for example 2026-12-05"))]
        except Refused as error:
            problems = [(p.field or "text", p.message) for p in error.problems]
    table = table_read(text)
    context = {
        "table": _alike(table),
        "text": request.POST.get("text", text),
        "valid_from": request.POST.get("valid_from", today.isoformat()),
        "reason": request.POST.get("reason", ""),
        "may_ask": may_ask,
        "problems": problems,
        "today": today,
    }
    return render(request, "web/approvals/authority.html", context, status=422 if problems else 200)


def _alike(table: Mapping[str, Lines]) -> list[tuple[list[str], str]]:
    """The table in words, acts with the same lines together."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in sorted(table):
        label, colon, part = act_name(name).partition(_marks()[0])
        parts = found.setdefault(line_words(table[name]), {}).setdefault(label, [])
        parts += [part] if colon else []
    return [
        ([f"{label}{_marks()[0]}{_marks()[1].join(parts)}" if parts else label for label, parts in acts.items()], words)
        for words, acts in found.items()
    ]


def home_row(user: User, on: date) -> dict[str, Any]:
    """The row of a role home: approvals that this person may decide now."""
    waiting = approvals_to_decide(user)
    oldest = min((business_date(a.asked_at) for a in waiting), default=None)
    act_by = min((business_date(a.expires_at) for a in waiting), default=None)
    amounts = [a.amount_minor for a in waiting if a.amount_minor is not None]
    return {
        "rows": [
            ExceptionRow(
                gettext_noop("Approvals waiting for your decision"), len(waiting), oldest, sum(amounts) if amounts else None,
                str(Role(user.role).label), act_by, act_by is not None and act_by < on,
                reverse("approvals") if waiting and can(user, "approvals") else "",
            )
        ]
    }  # fmt: skip
