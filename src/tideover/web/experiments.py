"""Pages of experiments: the registry, one with its counts per arm; starting and stopping with a second person."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core import experiments
from tideover.core.access import require
from tideover.core.business_time import business_date
from tideover.core.models import Approval, Experiment, Role, User
from tideover.core.problems import NotFound, Refused
from tideover.lending.forms import date_read

WORDS = {
    "bad_code": gettext_noop("1 to 40 small letters, digits, dots, hyphens and underscores, for example reminder.tone"),
    "missing": gettext_noop("Say in a sentence what is to be learned, and why."),
    "bad_design": gettext_noop("Choose a holdout or a split."),
    "bad_arms": gettext_noop("Name at least two arms with shares that add up to 100, for example: control 10, text 90"),
    "in_the_past": gettext_noop("It starts today or later."),
    "bad_dates": gettext_noop("It ends after it starts, within a year."),
    "surface_taken": gettext_noop("Another experiment runs about this in that time."),
    "over": gettext_noop("It is over already."),
    "already_asked": gettext_noop("The same is waiting for a decision already."),
}
FIELDS = ("code", "title", "design", "surface", "arms", "starts_on", "ends_on", "reason")


def _lines(rows: list[Experiment]) -> list[dict[str, Any]]:
    today, found = business_date(), experiments.counted(rows)
    return [
        {
            "e": e,
            "state": experiments.state_of(e, today),
            "arms": experiments.arms_words(e.arms),
            "counts": experiments.counts(e, found[e.pk]),
        }
        for e in rows
    ]


def _arms_read(text: str) -> list[tuple[str, int]]:
    """`control 10, text 90` as shares in parts per million; what cannot be read is no division."""
    out = []
    for part in text.replace("，", ",").replace("%", " ").split(","):
        code, _space, share = part.strip().rpartition(" ")
        try:
            out.append((code.strip(), int(Decimal(share) * 10_000)))
        except (ArithmeticError, ValueError):
            return []
    return out


@require("experiments")
def page(request: HttpRequest) -> HttpResponse:
    """The registry; risk asks here for a new experiment."""
    user, today = request.user, business_date()
    assert isinstance(user, User)
    typed = {f: request.POST.get(f, "").strip() for f in FIELDS}
    problems: list[tuple[str, str]] = []
    if request.method == "POST" and user.role in experiments.ASKS:
        try:
            return redirect("approval", _asked(typed, user).reference)
        except ValueError:
            problems = [("starts_on", _("Enter a date, for example 2026-12-05"))]
        except Refused as error:
            problems = [(p.field or "code", _(WORDS.get(p.code, p.message))) for p in error.problems]
    if request.method != "POST":
        typed |= {"starts_on": today.isoformat(), "ends_on": (today + timedelta(days=90)).isoformat()}
    rows = list(Experiment.objects.order_by("-starts_on", "-pk")[:200])
    context = {
        "lines": _lines(rows),
        "typed": typed,
        "problems": problems,
        "may_ask": user.role in experiments.ASKS,
    }
    return render(request, "web/experiments/list.html", context, status=422 if problems else 200)


def _asked(typed: dict[str, str], user: User) -> Approval:
    dates = {f: date_read(typed[f]) for f in ("starts_on", "ends_on")}
    words = {f: typed[f] for f in ("code", "title", "design", "surface", "reason")}
    return experiments.experiment_ask(**words, **dates, arms=_arms_read(typed["arms"]), actor=user)


@require("experiment")
def one(request: HttpRequest, code: str, version: int) -> HttpResponse:
    """One version: what is learned, its arms as planned and as seen, its end."""
    user = request.user
    assert isinstance(user, User)
    try:
        found = experiments.experiment_get(code, version)
    except NotFound as error:
        raise Http404(str(error)) from error
    problems: list[tuple[str, str]] = []
    if request.method == "POST":
        try:
            return _stopped(request, found, user)
        except Refused as error:
            problems = [("reason", _(WORDS.get(p.code, p.message))) for p in error.problems]
    [line] = _lines([found])
    over = line["state"] in ("stopped", "ended")
    context = {
        **line,
        "total": sum(c["exposed"] for c in line["counts"]),
        "may_stop": not over and user.role in experiments.ASKS | {Role.COMPLIANCE},
        "at_once": user.role == Role.COMPLIANCE,
        "problems": problems,
    }
    return render(request, "web/experiments/one.html", context, status=422 if problems else 200)


def _stopped(request: HttpRequest, found: Experiment, user: User) -> HttpResponse:
    reason = request.POST.get("reason", "")
    if user.role == Role.COMPLIANCE:
        experiments.experiment_stop(found, reason=reason, actor=user)
        messages.success(request, _("Stopped."))
        return redirect("experiment", found.code, found.version)
    return redirect("approval", experiments.experiment_stop_ask(found, reason=reason, actor=user).reference)
