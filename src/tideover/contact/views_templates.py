"""Wordings for staff: the list, one with its versions, what changed, a preview with a real loan; drafting and review."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from tideover.contact import addresses
from tideover.contact.approvals import template_recall, template_send
from tideover.contact.channels.text import parts
from tideover.contact.forms_templates import TemplateForm
from tideover.contact.loan_values import LOAN_NEEDS, preview_values
from tideover.contact.message_templates import (
    CHANNELS_OF,
    SIGNED,
    VARIANTS,
    is_in_force,
    newest_of_each,
    speaker_of,
    template_draft,
    template_get,
    template_problems,
    template_retire,
    text_make,
    types_of,
    versions_of,
)
from tideover.contact.models import MessageTemplate
from tideover.contact.models.messages import TemplateState
from tideover.contact.rules.model import Channel, Purpose, Recipient
from tideover.contact.rules.wording import LANGUAGES, TYPES, ZH
from tideover.contact.rules.words_diff import words_diff
from tideover.contact.views_outbox import day_of, user_of
from tideover.contact.words_messages import all_said, at_fields
from tideover.core.access import can, require
from tideover.core.business_time import business_date
from tideover.core.models import Approval, Role
from tideover.core.problems import NotFound, Problem, Refused
from tideover.lending.models import Contract
from tideover.lending.selectors import contracts_visible

SHOWN_AS = {"app": Channel.APP, "sms": Channel.SMS, "mail": Channel.EMAIL, "letter": Channel.LETTER, "call": Channel.CALL}
"""The channel as which a variant is previewed."""


@require("message-templates")
def template_list(request: HttpRequest) -> HttpResponse:
    """Every wording by its newest version, and which is in force."""
    today, wanted = business_date(), request.GET.get("state", "")
    new = request.GET.get("code", "").strip()
    if new and can(user_of(request), "message-template-edit"):
        return HttpResponseRedirect(reverse("message-template-edit", args=[new[:40]]))
    in_force = {t.code: t for t in MessageTemplate.objects.filter(state=TemplateState.PUBLISHED) if is_in_force(t, today)}
    rows = [(t, in_force.get(t.code)) for t in newest_of_each() if wanted in ("", t.state)]
    context = {
        "rows": rows,
        "wanted": wanted,
        "states": [s.value for s in TemplateState],
        "may_edit": can(user_of(request), "message-template-edit"),
    }
    return render(request, "contact/templates.html", context)


@dataclass(frozen=True, slots=True)
class Side:
    """One variant in one language: the text, what changed since the version before, and how it reads with a real loan."""

    language: str
    subject: str
    body: str
    changed: list[tuple[str, str]]
    preview_subject: str
    preview: str
    faults: tuple[str, ...]
    segments: int


def version_or_404(code: str, version: str) -> MessageTemplate:
    """A version of a template, the newest when none is named."""
    try:
        return template_get(code, int(version) if version.isascii() and version.isdecimal() and len(version) < 6 else None)
    except NotFound as error:
        raise Http404(code) from error


@require("message-template")
def template(request: HttpRequest, code: str) -> HttpResponse:
    """One wording: both languages side by side, what changed, a preview. POST: send for review, take back, retire."""
    t = version_or_404(code, request.GET.get("version", ""))
    problems: list[Problem] = []
    if request.method == "POST":
        if not can(user_of(request), "message-template-edit"):
            raise PermissionDenied("message-template-edit")
        try:
            _act(request, t)
            return HttpResponseRedirect(f"{reverse('message-template', args=[code])}?version={t.version}")
        except Refused as error:
            problems = list(error.problems)
    return _page(request, t, problems)


def _act(request: HttpRequest, t: MessageTemplate) -> None:
    user, post, today = user_of(request), request.POST, business_date()
    match post.get("act", ""):
        case "send":
            template_send(t, valid_from=day_of(post.get("from", "")) or today, reason=post.get("reason", ""), actor=user)
        case "recall":
            template_recall(t, actor=user)
        case "retire":
            template_retire(t, on=day_of(post.get("on", "")) or today, reason=post.get("reason", ""), actor=user.username)
        case _:
            raise Http404("no such act")


def _page(request: HttpRequest, t: MessageTemplate, problems: list[Problem]) -> HttpResponse:
    today, user = business_date(), user_of(request)
    versions = versions_of(t.code)
    before = next((v for v in versions if v.version < t.version and v.state != TemplateState.DRAFT), None)
    loan, loan_problem = _loan(request, today)
    context: dict[str, Any] = {
        "t": t,
        "versions": versions,
        "before": before,
        "blocks": _blocks(t, before, loan, today),
        "purpose": Purpose(t.purpose).name.lower(),
        "recipient": Recipient(t.recipient).name.lower(),
        "types": sorted(types_of(t).items()),
        "own": t.variables,
        "stood_in": preview_values(t, loan, today)[1] if loan else [],
        "loan": loan,
        "asked_loan": request.GET.get("loan", ""),
        "loan_problem": loan_problem,
        "problems": all_said(problems),
        "faults": all_said(template_problems(t, today)) if t.state == TemplateState.DRAFT else [],
        "approval": Approval.objects.filter(reference=t.approval).first() if t.approval else None,
        "deciders": _deciders(t),
        "in_force": is_in_force(t, today),
        "may_edit": can(user, "message-template-edit"),
        "may_retire": can(user, "message-template-edit") and t.state == TemplateState.PUBLISHED,
        "today": today,
    }
    return render(request, "contact/template.html", context, status=422 if problems else 200)


def _deciders(t: MessageTemplate) -> str:
    """The roles of which one must grant a version in review."""
    asked = Approval.objects.filter(reference=t.approval, state="open").first() if t.approval else None
    return " / ".join(str(Role(r).label) for steps in asked.steps_needed for r in steps) if asked else ""


def _loan(request: HttpRequest, today: date) -> tuple[Contract | None, bool]:
    """The loan for the preview: the one asked for, else the latest-paying; and whether the one asked for is missing."""
    rows = contracts_visible(user_of(request), today).select_related(*LOAN_NEEDS)
    if number := request.GET.get("loan", "").strip()[:30]:
        found = rows.filter(number=number).first()
        return found, found is None
    late = rows.filter(standing__days_past_due__gt=0).order_by("-standing__days_past_due", "pk")
    return late.first() or rows.order_by("pk").first(), False


def _blocks(t: MessageTemplate, before: MessageTemplate | None, loan: Contract | None, today: date) -> list[Any]:
    """(variant, its channels, both languages) of every text that the version has."""
    written = [v for v in VARIANTS if any(v in texts for texts in t.texts.values())]
    return [
        (v, [c.name.lower() for c in CHANNELS_OF[v]], [_side(t, before, v, lang, loan, today) for lang in LANGUAGES])
        for v in written
    ]


def _side(
    t: MessageTemplate, before: MessageTemplate | None, variant: str, language: str, loan: Contract | None, today: date
) -> Side:
    wording = t.texts.get(language, {}).get(variant, {"body": ""})
    was = before.texts.get(language, {}).get(variant, {}) if before else {}
    whole, old = (f"{x.get('subject', '')}\n{x.get('body', '')}".strip() for x in (wording, was))
    changed = words_diff(old, whole) if before is not None and old != whole else []
    subject, body = wording.get("subject", ""), wording["body"]
    if loan is None or not body:
        return Side(language, subject, body, changed, "", "", (), 0)
    channel = SHOWN_AS[variant]
    values = preview_values(t, loan, today)[0] | addresses.standard_values(loan.borrower, [loan], language, None)
    values["name"] = loan.borrower.masked_name  # the preview is about the words, not about who the person is
    speaker = speaker_of(loan.borrower, [loan])
    names = speaker.names
    made = text_make(t, channel, language, values, speaker, wording, today)
    shown, count = made.body, 0
    if channel in SIGNED and shown:
        shown = f"【{names[0] if language == ZH else names[1]}】{shown}"
        count = len(parts(shown))
    return Side(language, subject, body, changed, made.subject, shown, made.faults, count)


@require("message-template-edit")
def edit(request: HttpRequest, code: str) -> HttpResponse:
    """Change the wording in a draft: the newest version is copied, or an open draft goes on."""
    user = user_of(request)
    may_flag = can(user, "message-template-flag")
    last = MessageTemplate.objects.filter(code=code).order_by("-version").first()
    form = TemplateForm.of(last)
    if request.method == "POST":
        form = TemplateForm.read(request.POST, may_flag=may_flag)
        if not form.problems:
            try:
                made = template_draft(code, given=form.given, note=form.shown["note"], may_flag=may_flag, actor=user.username)
                return HttpResponseRedirect(f"{reverse('message-template', args=[code])}?version={made.version}")
            except Refused as error:
                form.problems = list(error.problems)
    context = {
        "code": code,
        "last": last,
        "form": form.shown,
        "problems": at_fields(form.problems),
        "may_flag": may_flag,
        "types": TYPES,
        "purposes": [p.name.lower() for p in Purpose],
        "recipients": [r.name.lower() for r in Recipient],
        "standard": sorted(addresses.STANDARD_TYPES),
    }
    return render(request, "contact/template_edit.html", context, status=422 if form.problems else 200)
