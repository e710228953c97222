"""Pages of tills: those of a day with their differences, one till with its count and handover, and cash to report."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Max, Min
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.models import ActionLog, Approval, User
from tideover.core.problems import NotFound, Refused
from tideover.lending.counter import selectors as s
from tideover.lending.counter.policy import cash_rule, denominations
from tideover.lending.counter.tills import may_count, till_close, till_count
from tideover.lending.counter.views import listed, problems_of
from tideover.lending.forms import amount_read, date_read
from tideover.lending.models import Till
from tideover.lending.rules.counter import count_minor
from tideover.lending.scope import entities_visible
from tideover.lending.views import user_of

CASH_DAYS = timedelta(days=31)
IN = ("taken",)
OUT = ("cancelled", "returned")


def _day_asked(request: HttpRequest, name: str, otherwise: date) -> tuple[date, str]:
    typed = request.GET.get(name, "").strip()
    try:
        return (date_read(typed) if typed else otherwise), ""
    except ValueError:
        return otherwise, _("Enter a date, for example 2026-12-05")


@require("tills")
def tills(request: HttpRequest) -> HttpResponse:
    """The tills of a day with what was counted and what differs; `show=left`: those left open, and money nobody decided."""
    user, today = user_of(request), business_date()
    on, problem = _day_asked(request, "on", today)
    left = request.GET.get("show") == "left"
    visible = s.tills_visible(user, today)
    rows = s.tills_left(user, today) if left else visible.filter(day=on).order_by("branch__code", "pk")
    shown = [_row(t) for t in rows.prefetch_related("moves", "slips")]
    log(user.username, "till.list", "till", "", {"found": len(shown)})
    context = {
        "rows": shown, "on": on, "today": today, "left": left,
        "before": visible.filter(day__lt=on).aggregate(d=Max("day"))["d"],
        "after": visible.filter(day__gt=on).aggregate(d=Min("day"))["d"],
        "undecided": s.slips_undecided(user, today) if left else [], "problem": problem,
        "totals": {k: sum(r[k] or 0 for r in shown) for k in ("float", "came", "went", "counted", "difference", "bag", "vault")},
        "may_cash": can(user, "large-cash"),
    }  # fmt: skip
    return render(request, "lending/counter/tills.html", context)


def _row(till: Till) -> dict[str, Any]:
    """A till as lists show it. What it should hold is shown once it is counted."""
    count = getattr(till, "count", None)
    moves = list(till.moves.all())
    return {
        "t": till, "payments": len(till.slips.all()), "float": till.float_minor,
        "came": sum(m.amount_minor for m in moves if m.kind in IN), "went": -sum(m.amount_minor for m in moves if m.kind in OUT),
        "expected": count.expected_minor if count else None, "counted": count.counted_minor if count else None,
        "difference": count.difference_minor if count else None, "bag": till.bag_minor, "vault": till.vault_minor,
        "blind": till.state == "open", "tag": f"till_{till.state}",
    }  # fmt: skip


@require("till")
def till(request: HttpRequest, number: str) -> HttpResponse:
    """One till: its payments, its count, its handover and who did what. POST: check a count, enter it, hand over."""
    user, today = user_of(request), business_date()
    try:
        row = s.till_get(user, number, today)
    except NotFound as error:
        raise Http404(number) from error
    errors: dict[str, str] = {}
    checked: int | None = None
    if request.method == "POST":
        try:
            checked = _acted(request, row, user)
            if checked is None:
                return redirect("till", number)
        except Refused as refused:
            errors = problems_of(refused)
        except _Unreadable as unreadable:
            errors = unreadable.errors
        row = s.till_get(user, number, today)
    log(user.username, "till.read", "till", number)
    context = _till_context(request, row, user, errors) | {"checked": checked}
    return render(request, "lending/counter/till.html", context, status=422 if errors else 200)


class _Unreadable(Exception):
    """What was typed is no number."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(str(errors))
        self.errors = errors


def _acted(request: HttpRequest, row: Till, user: User) -> int | None:
    """Do what the form asks; for `check` what the typed count comes to (minor units), else None."""
    act = request.POST.get("act", "")
    if act in ("check", "count"):
        pieces = _pieces(request, row)
        if act == "check":
            return count_minor(pieces)
        till_count(row, pieces, actor=user)
        messages.success(request, _("The count is entered. Now hand the cash over."))
        return None
    if act != "close":
        raise Http404(act)
    amounts = {name: _amount(request.POST.get(name, ""), name) for name in ("bag", "vault")}
    done = till_close(
        row, bag_number=request.POST.get("bag_number", ""), bag_minor=amounts["bag"], vault_minor=amounts["vault"],
        reason=request.POST.get("reason", ""), actor=user,
    )  # fmt: skip
    if isinstance(done, Approval):
        text = _("A second person must decide: %(approval)s waits.") % {"approval": done.reference}
    else:
        text = _("The till is closed.")
    messages.success(request, text)
    return None


def _pieces(request: HttpRequest, row: Till) -> dict[int, int]:
    out, wrong = {}, {}
    for d in denominations(row.branch.entity.currency):
        typed = request.POST.get(f"n{d}", "").strip()
        if typed and not (typed.isdecimal() and len(typed) <= 7):
            wrong[f"n{d}"] = _("Enter how many notes and coins there are, as whole numbers")
        out[d] = int(typed) if typed.isdecimal() and len(typed) <= 7 else 0
    if wrong:
        raise _Unreadable(wrong)
    return out


def _amount(typed: str, field: str) -> int:
    if typed.strip() in ("", "0", "0.00"):
        return 0
    try:
        return amount_read(typed)
    except ValueError:
        raise _Unreadable({field: _("Enter an amount, for example 1200.00")}) from None


def _till_context(request: HttpRequest, row: Till, user: User, errors: dict[str, str]) -> dict[str, Any]:
    today = business_date()
    slips = list(s.slips_visible(user, today).filter(till=row).order_by("pk"))
    states = s.states_of(slips)
    count = getattr(row, "count", None)
    works = can(user, "api:counter-till-count") and may_count(row, user, today)
    asked = list(Approval.objects.filter(subject_type="till", subject_id=row.number).order_by("-pk"))
    waits = any(a.state == "open" for a in asked)
    given = request.POST.dict()
    typed = {d: given.get(f"n{d}", "") for d in denominations(row.branch.entity.currency)}
    acts = ActionLog.objects.filter(object_type="till", object_id=row.number).exclude(action__in=("till.read", "till.list"))
    return {
        "till": row, "row": _row(row), "slips": [(x, states[x.pk]) for x in slips], "count": count, "asked": asked,
        "may_count": works and row.state == "open", "may_close": works and row.state == "counted" and not waits,
        "denominations": list(typed.items()), "errors": errors, "problems": listed(errors), "given": given,
        "pieces": [(d, n, d * n) for d, n in count.pieces] if count else [], "acts": acts.order_by("pk"),
        "cancelling": row.state == "open" and Approval.objects.filter(
            kind="counter.cancel", state="open", subject_id__in=[x.number for x in slips]
        ).exists(), "left": row.day < today and row.state != "closed",
    }  # fmt: skip


@require("large-cash")
def large_cash(request: HttpRequest) -> HttpResponse:
    """People whose cash of a day reaches the threshold of the law: a line of a report, never a refusal."""
    user, today = user_of(request), business_date()
    last, problem = _day_asked(request, "last", today)
    lines = s.cash_lines(user, last - CASH_DAYS, last)
    lender = entities_visible(user, today).order_by("pk").first()
    log(user.username, "cash.list", "slip", "", {"found": len(lines)})
    context = {
        "lines": lines, "first": last - CASH_DAYS, "last": last, "problem": problem, "today": today,
        "rule": cash_rule(lender.jurisdiction, last) if lender else None, "linked": can(user, "person"),
    }  # fmt: skip
    return render(request, "lending/counter/large_cash.html", context)
