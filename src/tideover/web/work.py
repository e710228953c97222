"""Pages of the queue: what needs me, one case at a time; never two people on one."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, Min, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core import work
from tideover.core.access import can, require
from tideover.core.api_work import items_shown, why_words
from tideover.core.business_time import business_date, now, start_of_day
from tideover.core.models import Role, User, WorkItem
from tideover.core.panels import ExceptionRow
from tideover.core.problems import NotFound, Refused, refuse
from tideover.core.rules.escalation import below, escalated_to
from tideover.lending.models import Branch

PAGE_SIZE = 50
VIEWS = (
    ("queue", gettext_noop("To do")),
    ("mine", gettext_noop("Mine now")),
    ("late", gettext_noop("Past their time")),
    ("team", gettext_noop("Of my people")),
    ("asleep", gettext_noop("Waiting")),
    ("done", gettext_noop("Done by me")),
)
REFUSALS = {
    "taken": gettext_noop("Somebody else is working on it, or it is done. Take the next one."),
    "not_yours": gettext_noop("It is not yours now: your time on it had ended, or it is done."),
    "unknown_outcome": gettext_noop("Choose what came of it."),
    "missing": gettext_noop("Say why it can wait."),
    "bad_time": gettext_noop("Choose a day within a week."),
    "cannot_work_it": gettext_noop("This person has another role or belongs to another branch."),
    "may_not_give": gettext_noop("Only who answers for this role gives its work to a person."),
}


def _lines(items: list[WorkItem], user: User) -> list[dict[str, Any]]:
    at = now()
    return [
        {
            "item": i,
            "kind": work.kind_of(i.kind),
            "why": why_words(i),
            "owner": i.owner.username if i.owner else str(Role(i.owner_role).label),
            "late": i.done_at is None and i.due_at is not None and i.due_at <= at,
            "up": str(Role(up).label) if i.done_at is None and (up := escalated_to(i.owner_role, i.due_at, at)) else "",
            "taken": i.claimed_by_id not in (None, user.pk) and i.lease_until is not None and i.lease_until > at,
            "mine": i.claimed_by_id == user.pk and i.done_at is None,
        }
        for i in items
    ]


@require("work")
def page(request: HttpRequest) -> HttpResponse:
    """The queue of whoever signed in; a view is an address."""
    user, at = request.user, now()
    assert isinstance(user, User)
    views = [v for v in VIEWS if v[0] != "team" or below(user.role)]
    show = request.GET.get("show", "queue")
    show = show if show in dict(views) else "queue"
    start = int(request.GET.get("from", "0")) if request.GET.get("from", "0").isdigit() else 0
    found = list(items_shown(user, show, at)[start : start + PAGE_SIZE + 1])
    context = {
        "lines": _lines(found[:PAGE_SIZE], user),
        "show": show,
        "views": views,
        "after": request.GET.get("after", ""),
        "more": start + PAGE_SIZE if len(found) > PAGE_SIZE else None,
        "may_call": show == "queue" and can(user, "call-list"),
        "free": show == "queue" and work.work_next(user) is not None,
    }
    return render(request, "web/work/queue.html", context)


@require("work-item")
def item(request: HttpRequest, reference: str) -> HttpResponse:
    """One case: why it is here, its clock, who has it, and what can be done with it."""
    user = request.user
    assert isinstance(user, User)
    try:
        found = work.work_get(user, reference)
    except NotFound as error:
        raise Http404(str(error)) from error
    problems: list[str] = []
    if request.method == "POST":
        try:
            return _act(request, found, user)
        except Refused as error:
            problems = [_(REFUSALS[p.code]) if p.code in REFUSALS else p.message for p in error.problems]
    [line] = _lines([found], user)
    kind = line["kind"]
    people = User.objects.filter(role=found.owner_role, is_active=True).order_by("username")
    context = {
        **line,
        "address": kind.address(found) if kind.address else "",
        "branch": Branch.objects.filter(code=found.branch).first() if found.branch else None,
        "outcomes": sorted(kind.outcomes.items()),
        "days": [(n, business_date() + timedelta(days=n)) for n in (1, 2, 3, 7)],
        "people": list(people[:100]) if found.owner_role in below(user.role) and found.done_at is None else [],
        "problems": [("act", words) for words in problems],
        "typed": request.POST,
    }
    return render(request, "web/work/item.html", context, status=422 if problems else 200)


@require("work-start")
def start(request: HttpRequest) -> HttpResponse:
    """Take the first free case of the queue and open it."""
    user = request.user
    assert isinstance(user, User)
    return _next(user, None) if request.method == "POST" else redirect("work")


def _next(user: User, after: WorkItem | None) -> HttpResponse:
    """Claim and open the next free case; another may be faster, then the one behind it."""
    for _attempt in range(5):
        found = work.work_next(user, after)
        if found is None:
            break
        try:
            work.work_claim(found, actor=user)
        except Refused:
            continue
        return redirect("work-item", found.reference)
    return redirect(f"{reverse('work')}{f'?after={after.reference}' if after else ''}")


def _act(request: HttpRequest, found: WorkItem, user: User) -> HttpResponse:
    act, said = request.POST.get("act", ""), request.POST
    if act == "claim":
        work.work_claim(found, actor=user)
    elif act == "release":
        work.work_release(found, actor=user)
        return redirect(f"{reverse('work')}?after={found.reference}")
    elif act == "snooze":
        days = int(said["days"]) if said.get("days", "").isdigit() and len(said["days"]) < 3 else 0
        until = start_of_day(business_date() + timedelta(days=days)) + timedelta(hours=8)
        work.work_snooze(found, until=until, reason=said.get("reason", ""), actor=user)
        messages.success(request, _("It waits, and comes back by itself."))
        return _next(user, found)
    elif act == "give":
        to = User.objects.filter(username=said.get("to", ""), is_active=True).first()
        if to is None:
            raise refuse("cannot_work_it", "nobody has this name", "to")
        work.work_give(found, to=to, actor=user)
        messages.success(request, _("Given to %(name)s.") % {"name": to.username})
    elif act == "done":
        work.work_done(found, actor=user, outcome=said.get("outcome", ""), note=said.get("note", ""))
        messages.success(request, _("Done."))
        return _next(user, found)
    return redirect("work-item", found.reference)


def home_row(user: User, on: date) -> dict[str, Any]:
    """The row of a role home: the person's queue."""
    rows = work.work_queue(user, now()).order_by()
    found = rows.aggregate(n=Count("pk"), first=Min("opened_at"), due=Min("due_at"), total=Sum("amount_minor"))
    due = found["due"] and business_date(found["due"])
    row = ExceptionRow(
        gettext_noop("Cases in your queue"), found["n"], found["first"] and business_date(found["first"]), found["total"],
        str(Role(user.role).label), due, bool(found["due"] and found["due"] <= now()),
        reverse("work") if found["n"] and can(user, "work") else "",
    )  # fmt: skip
    return {"rows": [row]}
