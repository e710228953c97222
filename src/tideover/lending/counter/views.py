"""Pages of a teller: the till of today, who stands here and what they owe, the payment, the slip and its printing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.ids import handle_grouped, handle_new
from tideover.core.models import Approval, User
from tideover.core.problems import NotFound, Refused
from tideover.lending.counter import selectors as s
from tideover.lending.counter.taking import Paid, approval_of, payment_take, slip_ask_again, slip_cancel_ask, slip_give_back
from tideover.lending.counter.tills import till_open
from tideover.lending.counter.words import said
from tideover.lending.forms import amount_read
from tideover.lending.models import Branch, Party, Slip, SlipPrint, Till
from tideover.lending.models.counter import METHODS
from tideover.lending.receipts.views import masked
from tideover.lending.scope import branches_visible, party_get
from tideover.lending.views import user_of
from tideover.lending.words import money

BRANCHES_MAX = 200
PRINTS = {"slip_booked": "receipt", "slip_awaiting": "awaiting", "slip_to_return": "awaiting"}
"""What a slip prints as while it stands like this; anything else prints as cancelled."""


def problems_of(refused: Refused) -> dict[str, str]:
    """What was refused, by the field it stands beside, in the page's language."""
    return {p.field.split(".")[0] or "act": said(p.code, p.message) for p in refused.problems}


def listed(errors: dict[str, str]) -> list[tuple[str, str]]:
    """Errors as the summary on top of a page lists them: (id of the control, words)."""
    return [(f"f-{field}", words) for field, words in errors.items()]


@require("counter")
def counter(request: HttpRequest) -> HttpResponse:
    """The till of today with its payments, and the box that finds who stands here. POST: open a till, or find somebody."""
    user = user_of(request)
    errors: dict[str, str] = {}
    found: list[Party] | None = None
    typed = request.POST.get("find", "").strip()[:60]
    till = s.till_at_work(user)
    if request.method == "POST" and request.POST.get("act") == "open":
        errors = _opened(request, user)
        if not errors:
            return redirect("counter")
    elif request.method == "POST" and till is not None:
        found = s.people_found(user, typed, till.branch.entity, business_date())
        log(user.username, "person.search", "party", "", {"found": len(found)})
        if len(found) == 1:
            return redirect("counter-take", found[0].reference)
    return render(request, "lending/counter/counter.html", _counter(request, user, till, errors, found), status=_status(errors))


def _status(errors: dict[str, str]) -> int:
    return 422 if errors else 200


def _counter(
    request: HttpRequest, user: User, till: Till | None, errors: dict[str, str], found: list[Party] | None
) -> dict[str, Any]:  # fmt: skip
    today = business_date()
    slips = list(s.slips_visible(user, today).filter(till=till).order_by("-pk")) if till else []
    states = s.states_of(slips)
    branches = list(branches_visible(user, today).order_by("code")[:BRANCHES_MAX]) if till is None else []
    return {
        "till": till, "stale": till is not None and till.day != today, "today": today, "branches": branches,
        "slips": [(x, states[x.pk]) for x in slips], "unfinished": s.tills_unfinished(user), "found": found,
        "undecided": [x for x in s.slips_undecided(user, today) if till is None or x.till.branch_id == till.branch_id],
        "given": request.POST.dict(), "key": request.POST.get("key") or handle_new("K"), "errors": errors,
        "problems": listed(errors),
    }  # fmt: skip


def _opened(request: HttpRequest, user: User) -> dict[str, str]:
    """Open a till as the form says; what is wrong."""
    branches = branches_visible(user, business_date())
    branch: Branch | None = branches.filter(code=request.POST.get("branch", "")).first()
    if branch is None:
        return {"branch": _("Choose the branch where you sit")}
    typed = request.POST.get("float", "").strip()
    try:
        float_minor = 0 if typed in ("0", "0.00") else amount_read(typed)
    except ValueError:
        return {"float": _("Enter the cash that the vault gave you, for example 1000.00, or 0")}
    try:
        till_open(branch, float_minor=float_minor, idempotency_key=request.POST.get("key", "")[:60], actor=user)
    except Refused as refused:
        return problems_of(refused)
    return {}


@require("counter-take")
def take(request: HttpRequest, reference: str) -> HttpResponse:
    """Who stands here, what they owe today and to pay off, and the payment. POST: take it."""
    user, today = user_of(request), business_date()
    try:
        party = party_get(user, reference, today)
    except NotFound as error:
        raise Http404(reference) from error
    till, errors = s.till_at_work(user), dict[str, str]()
    if request.method == "POST" and till is not None:
        try:
            slip = payment_take(till, _paid(request, party), idempotency_key=request.POST.get("key", "")[:60], actor=user)
        except ValueError:
            errors = {"amount": _("Enter an amount, for example 1200.00")}
        except Refused as refused:
            errors = problems_of(refused)
        else:
            return redirect("counter-slip", slip.number)
    log(user.username, "person.read", "party", reference)
    loans = s.owing(user, party, till.branch.entity, today) if till else []
    context = {
        "party": party, "till": till, "stale": till is not None and till.day != today, "loans": loans, "methods": METHODS,
        "due": sum(x.due_minor for x in loans), "payoff": sum(x.payoff_minor for x in loans),
        "moving": sum(x.moving_minor for x in loans), "given": request.POST.dict(),
        "key": request.POST.get("key") or handle_new("K"), "errors": errors, "problems": listed(errors),
        "waiting": _waiting(party),
    }  # fmt: skip
    return render(request, "lending/counter/take.html", context, status=_status(errors))


def _waiting(party: Party) -> list[Slip]:
    """Money of theirs that is here already."""
    return list(Slip.objects.filter(party=party, state="awaiting").order_by("pk"))


def _paid(request: HttpRequest, party: Party) -> Paid:
    """The payment that the form says. Raises ValueError for an amount that cannot be read."""
    given = {k: request.POST.get(k, "").strip() for k in ("method", "loan", "payer_name", "payer_id", "reference", "note")}
    designation = [{"debt": given["loan"]}] if given["loan"] else None
    return Paid(
        party, given["method"], amount_read(request.POST.get("amount", "")), designation, given["payer_name"][:80],
        given["payer_id"][:40], given["reference"][:80], given["note"][:300],
    )  # fmt: skip


def _slip_or_404(user: User, number: str) -> Slip:
    try:
        return s.slip_get(user, number, business_date())
    except NotFound as error:
        raise Http404(number) from error


@require("counter-slip")
def slip(request: HttpRequest, number: str) -> HttpResponse:
    """One slip: where its money went, who decides, and what can be done about it. POST: cancel, ask again, give back."""
    user = user_of(request)
    row = _slip_or_404(user, number)
    errors: dict[str, str] = {}
    if request.method == "POST":
        if not can(user, "counter-take"):
            raise PermissionDenied("counter-take")
        try:
            return _acted(request, row, user)
        except Refused as refused:
            errors = problems_of(refused)
            row = _slip_or_404(user, number)
    log(user.username, "slip.read", "slip", number)
    return render(request, "lending/counter/slip.html", _slip_context(request, row, user, errors), status=_status(errors))


def _acted(request: HttpRequest, row: Slip, user: User) -> HttpResponse:
    reason, act = request.POST.get("reason", ""), request.POST.get("act", "")
    acts: dict[str, Callable[[], Any]] = {
        "cancel": lambda: slip_cancel_ask(row, reason=reason, actor=user),
        "ask": lambda: slip_ask_again(row, reason=reason, actor=user),
        "give_back": lambda: slip_give_back(row, _own_till(user), reason=reason, actor=user),
    }
    if act not in acts:
        raise Http404(act)
    done = acts[act]()
    if isinstance(done, Approval):
        text = _("A second person must decide: %(approval)s waits.") % {"approval": done.reference}
    else:
        text = _("Give %(amount)s back to the payer now.") % {"amount": money(row.amount_minor)}
    messages.success(request, text)
    return redirect("counter-slip", row.number)


def _own_till(user: User) -> Till:
    till = s.till_at_work(user)
    if till is None:
        raise Refused(*s.no_till())
    return till


def _slip_context(request: HttpRequest, row: Slip, user: User, errors: dict[str, str]) -> dict[str, Any]:
    state = s.states_of([row])[row.pk]
    teller = can(user, "counter-take")
    mine = row.till.teller_id == user.pk and row.till.state == "open" and row.till.day == business_date()
    full = can(user, "reveal-payer")
    asked = Approval.objects.filter(subject_type="slip", subject_id=row.number).order_by("-pk")
    return {
        "slip": row, "state": state, "parts": s.parts_of(row), "code": handle_grouped(row.code), "asked": asked,
        "left": row.receipt.unapplied_minor if row.receipt else 0, "prints": row.prints.order_by("pk"),
        "may_cancel": teller and mine and state == "slip_booked" and not any(a.state == "open" for a in asked),
        "may_return": teller and state == "slip_to_return", "may_print": can(user, "counter-print"),
        "payer": str(row.payer_name) if full else masked(str(row.payer_name)), "paper": str(row.payer_id) if full else "",
        "perms_person": can(user, "person"), "may_receipt": can(user, "receipt"),
        "may_take": teller, "last": approval_of(row), "given": request.POST.dict(), "errors": errors, "problems": listed(errors),
        "moves": row.moves.order_by("pk"),
    }  # fmt: skip


@require("counter-print")
def slip_print(request: HttpRequest, number: str) -> HttpResponse:
    """The slip as paper: the first of each form is the original, every later one says that it is a copy. POST prints, GET leads
    back to the slip."""
    user = user_of(request)
    row = _slip_or_404(user, number)
    if request.method != "POST":
        return redirect("counter-slip", number)
    state = s.states_of([row])[row.pk]
    form = PRINTS.get(state, "cancelled")
    before = row.prints.filter(form=form).count()
    printed = SlipPrint.objects.create(slip=row, form=form, at=now(), actor=user.username)
    log(user.username, "slip.print", "slip", number, {"form": form, "copy": before})
    context = {
        "slip": row, "form": form, "state": state, "copy": before, "printed": printed, "parts": s.parts_of(row),
        "left": row.receipt.unapplied_minor if row.receipt else 0, "code": handle_grouped(row.code),
        "branch": row.till.branch, "entity": row.till.branch.entity, "hotline": settings.HOTLINE, "site": settings.SITE_URL,
        "verify": reverse("verify"),
    }  # fmt: skip
    return render(request, "lending/counter/print.html", context)
