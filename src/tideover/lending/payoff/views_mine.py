"""The borrower pays a loan off: what it costs, a sum that holds for some days, by debit or transfer; and money that is left."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.core.access import require
from tideover.core.business_time import business_date, now
from tideover.core.models import User
from tideover.core.problems import Refused
from tideover.lending.debits.selectors import money_in_flight
from tideover.lending.models import Collateral, Contract, DebitAccount, PayoffQuote, PayoffUse, Receipt
from tideover.lending.payoff.figures import figures_of
from tideover.lending.payoff.held import can_go_back, held_of, wish_set
from tideover.lending.payoff.panels import quote_context
from tideover.lending.payoff.paying import asked_today, debit_possible, payoff_by_debit
from tideover.lending.payoff.policy import policy
from tideover.lending.payoff.selectors import debit_of, quote_open
from tideover.lending.payoff.services import last_day, payoff_days, payoff_quote
from tideover.lending.payoff.words import said
from tideover.lending.rules.debits import OPEN
from tideover.lending.rules.payoff import Closing
from tideover.lending.selectors import loan_standing, loan_status
from tideover.lending.views import loan_or_404, user_of

SHOWN_DAYS = 7
CHOICES = (2, 6)
"""Days from today that are offered for a quote, beside the last one that can be."""


@require("my-payoff")
def my_payoff(request: HttpRequest, number: str) -> HttpResponse:
    """What pays the loan off today and on the next days; the sum in writing, and the ways to pay it."""
    contract = loan_or_404(request, number)
    problems: list[tuple[str, str]] = []
    if request.method == "POST":
        problems = _act(request, contract)
        if not problems:
            return HttpResponseRedirect(reverse("my-payoff", args=[number]))
    context = {"contract": contract, "problems": problems, **_state(contract)}
    return render(request, "lending/payoff/mine.html", context, status=422 if problems else 200)


def _act(request: HttpRequest, contract: Contract) -> list[tuple[str, str]]:
    """Do what the form says; what is wrong with it, by the field."""
    actor, today = user_of(request).username, business_date()
    try:
        if request.POST.get("act") == "quote":
            until = _chosen(request.POST.get("until", ""))
            if until is None:
                return [("f-until", _("Choose until which day the sum should hold."))]
            payoff_quote(contract, valid_until=until, actor=actor, as_of=today)
        elif request.POST.get("act") == "pay":
            quote = quote_open(contract)
            if quote is None or quote.number != request.POST.get("quote"):
                return [("pay", said("changed", ""))]
            quote.contract = contract
            shown = request.POST.get("shown", "")
            payoff_by_debit(quote, shown_minor=int(shown) if shown.isascii() and shown.isdecimal() else 0, actor=actor)
    except Refused as refused:
        code = refused.problems[0].code
        # Pressed twice: the first press is on its way, and the page says so.
        pressed_twice = code == "in_flight" and request.POST.get("act") == "pay"
        return [] if pressed_twice else [("pay", said(code, refused.problems[0].message))]
    return []


def _chosen(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _state(contract: Contract) -> dict[str, Any]:
    """What the page says of a loan now: over, under way, quoted, or what it would cost."""
    today, at = business_date(), now()
    standing = loan_standing(contract, today)
    if loan_status(standing) == "paid_off":
        use = PayoffUse.objects.filter(quote__contract=contract, ended_at=None).select_related("quote", "part__receipt").first()
        return {"over": True, "use": use, "pledged": Collateral.objects.filter(contract=contract).exists()}
    quote = quote_open(contract)
    out: dict[str, Any] = {"pledged": Collateral.objects.filter(contract=contract).exists(), "today": today}
    if quote is not None:
        quote.contract = contract
        debit = debit_of(quote)
        if debit is not None and debit.state in OPEN:
            return out | {"moving": debit, "quote": quote}
        out |= {"quoted": quote_context(quote, today), "failed": debit if debit is not None and debit.state == "failed" else None}
        out |= _by_debit(quote, at) | {"tolerance_minor": policy().under_minor}
    try:
        last = last_day(contract, today)
        days = payoff_days(contract, until=min(last, today + timedelta(days=SHOWN_DAYS - 1)), as_of=today)
    except Refused as refused:
        moving = money_in_flight([contract.pk]).get(contract.pk, 0)
        code = refused.problems[0].code
        return out | {"refused": said(code, refused.problems[0].message), "moving_minor": moving}
    return out | _cost(contract, days, last, today)


def _cost(contract: Contract, days: list[Closing], last: date, today: date) -> dict[str, Any]:
    near = [today + timedelta(days=n) for n in CHOICES if today + timedelta(days=n) < last]
    fees = figures_of(contract, today).compensation(today)
    return {"days": days, "first": days[0], "fees": fees, "choices": [*near, last]}


def _by_debit(quote: PayoffQuote, at: Any) -> dict[str, Any]:
    """Whether today's sum can be taken from the borrower's account, from which, or why not."""
    try:
        amount, possible = asked_today(quote, at), debit_possible(quote, at)
    except Refused:
        return {}
    if isinstance(possible, DebitAccount):
        return {"take_minor": amount, "from_account": possible}
    return {"no_debit": said(possible, "")}


@require("my-held")
def my_held(request: HttpRequest) -> HttpResponse:
    """Money of the borrower's that is on no loan: keep it for the next instalment, or have it sent back."""
    user = user_of(request)
    party = getattr(user, "party", None)
    problems: list[tuple[str, str]] = []
    if request.method == "POST" and party is not None:
        receipt = held_of(party).filter(number=request.POST.get("receipt", "")).first()
        if receipt is None:
            raise Http404("receipt")
        problems = _wish(receipt, request.POST.get("wish", ""), user)
        if not problems:
            return HttpResponseRedirect(reverse("my-held"))
    rows = [(r, getattr(r, "held_wish", None), can_go_back(r)) for r in held_of(party)] if party is not None else []
    going = Receipt.objects.filter(party=party, refunding_minor__gt=0, reversed_at=None) if party is not None else []
    context = {"rows": rows, "going": list(going), "problems": problems}
    return render(request, "lending/payoff/held.html", context, status=422 if problems else 200)


def _wish(receipt: Receipt, wish: str, user: User) -> list[tuple[str, str]]:
    try:
        wish_set(receipt, wish, actor=user.username)
    except Refused as refused:
        code = refused.problems[0].code
        words = {"no_source_account": _("We do not know from which account it came. Call us: we find a way.")}
        return [(f"r-{receipt.number}", words.get(code, refused.problems[0].message))]
    return []
