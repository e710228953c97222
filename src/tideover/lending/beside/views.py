"""Pages beside a core: breaks to work, files of the core, instructions to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.access import can, require
from tideover.core.business_time import business_date, start_of_day
from tideover.core.models import Approval, ApprovalState, User
from tideover.core.problems import Refused
from tideover.core.work import work_claim, work_done
from tideover.engine.events import EventKind
from tideover.lending.beside.panels import mend_words, told_of
from tideover.lending.beside.policies import policy_of
from tideover.lending.beside.selectors import (
    Broken,
    breaks_visible,
    by_loan,
    entities_overlay,
    file_days,
    files_refused,
    instructions_to_work,
    instructions_visible,
)
from tideover.lending.beside.services import ACCEPT, MENDS, break_accept, break_mend, broken_get, item_of, items_of, work_renew
from tideover.lending.models.beside import CAUSES
from tideover.lending.views import user_of

PAGE = 50
AGES = ("1", "2", "7", "30")
"""Ages to choose from: at least so many days."""
REFUSALS = {
    "missing": gettext_noop("Say why the difference is accepted."),
    "accepted": gettext_noop("Nothing is open on this loan."),
    "no_break": gettext_noop("Both agree on this loan."),
    "no_mend": gettext_noop("The house cannot mend this by itself."),
    "asked_already": gettext_noop("An instruction that asks the core for the same is on its way: its answer books it."),
    "taken": gettext_noop("Somebody else has taken it."),
    "already_asked": gettext_noop("A second person is asked about it already."),
}
"""Why an act of this page was refused, in the page's language."""
SHOWN = {"open": ("open",), "accepted": ("accepted",), "closed": ("closed",)}


class _Around:
    """What stands around the breaks of a page of loans, a query each: open approvals, work items, what the core was told."""

    def __init__(self, groups: list[Broken]) -> None:
        numbers = [b.number for b in groups]
        rows = Approval.objects.filter(kind=ACCEPT, state=ApprovalState.OPEN, subject_id__in=numbers)
        self.asked = {a.subject_id: a for a in rows}
        self.items = items_of(groups)
        self.told = told_of([b.head for b in groups])

    def line(self, b: Broken, user: User) -> dict[str, Any]:
        """One loan as the page shows it."""
        is_open, today = b.head.state == "open", b.head.closed_on or business_date()
        item = self.items.get((b.entity.pk, b.number)) if is_open else None
        told = self.told.get(b.head.pk)
        return {
            "b": b,
            "age": (today - b.first_on).days,
            "mend": mend_words(b.head),
            "taken_by": item.claimed_by if item and item.claimed_by_id else None,
            "is_mine": bool(item and item.claimed_by_id == user.pk),
            "can_mend": is_open and b.head.mend in MENDS and (told is None or told.state == "rejected"),
            "told": told,
            "waits": self.asked.get(b.number),
        }


@require("breaks")
def breaks(request: HttpRequest) -> HttpResponse:
    """Breaks by loan, the oldest or the largest first, of one cause or all."""
    user, today = user_of(request), business_date()
    show, cause, loan = (request.GET.get(n, "") for n in ("show", "cause", "loan"))
    show = show if show in SHOWN else "open"
    rows = breaks_visible(user, today).filter(state__in=("open", "accepted", "closed") if loan else SHOWN[show])
    rows = rows.filter(cause=cause) if cause in CAUSES else rows
    rows = rows.filter(number=loan) if loan else rows
    age = request.GET.get("age", "")
    if age in AGES:
        rows = rows.filter(first_on__lte=today - timedelta(days=int(age)))
    groups = by_loan(list(rows.order_by("first_on", "number", "pk")[: PAGE * 10]))
    if request.GET.get("by") == "amount":
        groups.sort(key=lambda b: -b.amount_minor)
    around = _Around(groups[:PAGE])
    context = {
        "lines": [around.line(b, user) for b in groups[:PAGE]],
        "more": len(groups) > PAGE,
        "show": show,
        "cause": cause,
        "age": age,
        "ages": AGES,
        "by": request.GET.get("by", ""),
        "loan": loan,
        "causes": CAUSES,
        "tabs": [("open", _("Open")), ("accepted", _("Accepted")), ("closed", _("Agree again"))],
        "may": can(user, "break-work"),
        "entities": entities_overlay(user, today),
    }
    return render(request, "beside/breaks.html", context)


@require("break-work")
def break_work(request: HttpRequest, number: str) -> HttpResponse:
    """Take the breaks of a loan, accept them with a reason, or let the journal follow the core."""
    user, today = user_of(request), business_date()
    rows = list(breaks_visible(user, today).filter(number=number, closed_at=None))
    if not rows or request.method != "POST":
        raise Http404(number)
    try:
        messages.success(request, _act(request, user, broken_get(rows)))
    except Refused as refusal:
        messages.warning(request, "; ".join(_(REFUSALS[p.code]) if p.code in REFUSALS else p.message for p in refusal.problems))
    return HttpResponseRedirect(f"{reverse('breaks')}?loan={number}")


def _act(request: HttpRequest, user: User, broken: Broken) -> str:
    act = request.POST.get("act", "")
    if act == "take":
        work_renew()
        item = item_of(broken)
        if item is not None:
            work_claim(item, actor=user)
        return _("You have taken this loan's differences.")
    if act == "mend" and broken.head.mend == "tell_core":
        break_mend(broken, actor=user)
        return _("The core was asked to book it. The difference closes itself when a file of the core shows it.")
    if act == "mend":
        agrees = break_mend(broken, actor=user)
        return _("Mended: both agree now.") if agrees else _("Booked. Something still differs.")
    if act == "pass":
        item = item_of(broken)
        if item is not None:
            work_done(work_claim(item, actor=user), actor=user, outcome="passed_on")
        return _("Noted: the core's people have it.")
    done = break_accept(broken, reason=request.POST.get("reason", ""), actor=user)
    if isinstance(done, Approval):
        return _("A second person must accept this amount: %(number)s waits for them.") % {"number": done.reference}
    return _("Accepted.")


@require("core-files")
def core_files(request: HttpRequest) -> HttpResponse:
    """The files of each day: taken in, late, refused, missing; and what their comparison found."""
    today = business_date()
    entities = entities_overlay(user_of(request), today)
    parts = [(e, file_days(e, today), files_refused(e, today), policy_of(e, today)) for e in entities]
    return render(request, "beside/files.html", {"parts": parts})


@require("instructions")
def instructions(request: HttpRequest) -> HttpResponse:
    """What the core was asked for, and what became of it."""
    user, today, show = user_of(request), business_date(), request.GET.get("show", "way")
    rows = instructions_visible(user, today)
    chosen = {
        "way": rows.filter(state__in=("requested", "sent", "confirmed")),
        "rejected": rows.filter(state="rejected"),
        "problem": instructions_to_work(user, today),
        "done": rows.filter(state="reflected"),
    }
    show = show if show in chosen else "way"
    within = max((policy_of(e, today).reflect_days for e in entities_overlay(user, today)), default=2)
    unseen = start_of_day(today - timedelta(days=within))
    lines = [
        (i, EventKind(i.kind).name.lower(), i.state == "confirmed" and i.answered_at is not None and i.answered_at < unseen)
        for i in chosen[show].order_by("-requested_at", "-pk")[:PAGE]
    ]
    tabs = [
        ("way", _("On their way")), ("rejected", _("Rejected")), ("problem", _("To look at")), ("done", _("Seen in the core")),
    ]  # fmt: skip
    context = {"lines": lines, "show": show, "tabs": tabs, "within": within}
    return render(request, "beside/instructions.html", context)
