"""Pay-off quotes for staff: the sums of a loan day by day, its quotes, making and withdrawing one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.core.access import can, require
from tideover.core.business_time import business_date
from tideover.core.problems import NotFound, Refused
from tideover.lending.forms import date_read
from tideover.lending.models import Contract
from tideover.lending.payoff.panels import quote_context, quotes_shown
from tideover.lending.payoff.selectors import quote_get, quote_open
from tideover.lending.payoff.services import last_day, payoff_days, payoff_quote, quote_withdraw
from tideover.lending.payoff.words import STAFF, said
from tideover.lending.views import loan_or_404, user_of

SHOWN_DAYS = 7


@require("payoff-quotes")
def quotes(request: HttpRequest, number: str) -> HttpResponse:
    """What pays a loan off on each of the next days, and its quotes."""
    return _page(request, loan_or_404(request, number))


def _page(request: HttpRequest, contract: Contract, errors: dict[str, str] | None = None) -> HttpResponse:
    user, today = user_of(request), business_date()
    found = quote_open(contract)
    if found is not None:
        found.contract = contract
    last, days, refused = last_day(contract, today), [], ""
    try:
        days = payoff_days(contract, until=min(last, today + timedelta(days=SHOWN_DAYS - 1)), as_of=today)
    except Refused as problem:
        refused = said(problem.problems[0].code, problem.problems[0].message, STAFF)
    context = {
        "contract": contract, "shown": quote_context(found, today) if found else None, "quotes": quotes_shown(contract, today),
        "days": days, "refused": refused, "last_day": last, "today": today,
        "may_make": can(user, "payoff-quote-make") and not refused, "may_withdraw": can(user, "payoff-quote-withdraw"),
        "errors": errors or {}, "problems": [(f"f-{k}", v) for k, v in (errors or {}).items()], "given": request.POST.dict(),
    }  # fmt: skip
    return render(request, "lending/payoff/quotes.html", context, status=422 if errors else 200)


def _done(request: HttpRequest, contract: Contract, field: str, act: Callable[[], object]) -> HttpResponse:
    """Do one act of the page: back to it, or the page again with what is wrong."""
    if request.method == "POST":
        try:
            act()
        except ValueError:
            return _page(request, contract, {field: _("Enter a day, for example 2026-12-05")})
        except Refused as refused:
            return _page(request, contract, {field: said(refused.problems[0].code, refused.problems[0].message, STAFF)})
    return HttpResponseRedirect(reverse("payoff-quotes", args=[contract.number]))


@require("payoff-quote-make")
def quote_make(request: HttpRequest, number: str) -> HttpResponse:
    """Make a quote up to a day."""
    contract = loan_or_404(request, number)

    def act() -> object:
        until = date_read(request.POST.get("until", ""))
        return payoff_quote(contract, valid_until=until, actor=user_of(request).username)

    return _done(request, contract, "until", act)


@require("payoff-quote-withdraw")
def quote_take_back(request: HttpRequest, number: str) -> HttpResponse:
    """Withdraw a quote, with the reason."""
    try:
        quote = quote_get(user_of(request), number, business_date())
    except NotFound as error:
        raise Http404(number) from error
    contract = loan_or_404(request, quote.contract.number)

    def act() -> object:
        return quote_withdraw(quote, reason=request.POST.get("reason", ""), actor=user_of(request).username)

    return _done(request, contract, "reason", act)
