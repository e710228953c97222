"""The borrower's own pages: what is due, the plan, what was paid. Nothing here can be reached by anybody else."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from tideover.core.access import require
from tideover.core.business_time import business_date
from tideover.core.models import User
from tideover.lending.models import HelpRequest
from tideover.lending.panels_loan import schedule_lines, schedule_totals
from tideover.lending.panels_mine import loans_mine, my_loans, my_payments
from tideover.lending.panels_mine_notices import notices_of
from tideover.lending.receipts.panels import mine
from tideover.lending.services_rows import help_request_open
from tideover.lending.views import loan_or_404, user_of


def borrower_home(request: HttpRequest, user: User) -> HttpResponse:
    """What is due now, what comes next, and how to get help."""
    party, loans = getattr(user, "party", None), my_loans(user)
    context = {
        "party": party,
        "helps": list(HelpRequest.objects.filter(party=party, closed_at=None)) if party else [],
        "notices": notices_of(party) if party else [],
        "open_loans": [m for m in loans if not m.settled],
        "settled_loans": [m for m in loans if m.settled],
    }
    return render(request, "lending/borrower_home.html", context)


@require("my-help")
def my_help(request: HttpRequest) -> HttpResponse:
    """Ask for help: the first tap explains, the second sends. An open request is shown again, never doubled."""
    party = getattr(user_of(request), "party", None)
    if party is None:
        return render(request, "lending/my_help.html", {"nobody": True})
    open_one = HelpRequest.objects.filter(party=party, closed_at=None).first()
    if request.method == "POST":
        if open_one is None:
            pressing = next((m.contract for m in my_loans(user_of(request)) if not m.settled), None)
            help_request_open(party, pressing, reason="", actor=user_of(request).username)
        return HttpResponseRedirect(reverse("my-help"))
    return render(request, "lending/my_help.html", {"request_open": open_one})


@require("my-schedule")
def my_schedule(request: HttpRequest, number: str) -> HttpResponse:
    """The borrower's plan of repayments."""
    contract = loan_or_404(request, number)
    [mine_] = loans_mine([contract])
    lines = schedule_lines(mine_.standing, mine_.covered_by)
    context = {
        "contract": contract,
        "held": mine_.held,
        "lines": lines,
        "totals": schedule_totals(lines),
        "today": business_date(),
    }
    return render(request, "lending/my_schedule.html", context)


@require("my-receipts")
def my_receipts(request: HttpRequest) -> HttpResponse:
    """What the borrower paid, and where each cent went."""
    context = {"lines": my_payments(user_of(request)), "mine": mine(user_of(request))}
    return render(request, "lending/my_receipts.html", context)
