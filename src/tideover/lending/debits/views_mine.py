"""The borrower's page of automatic payment: give a mandate, order the accounts, withdraw it, see what is taken next."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tideover.core.access import require
from tideover.core.business_time import now
from tideover.core.problems import Refused
from tideover.lending.debits.coming import coming
from tideover.lending.debits.forms import ACCOUNTS, BANKS, bank_named, mandate_read, words, words_agreed
from tideover.lending.debits.mandates import accounts_order, mandate_give, mandate_withdraw
from tideover.lending.debits.selectors import mandate_live
from tideover.lending.models import LegalEntity, Mandate, Party
from tideover.lending.views import user_of

SAVED = ("given", "withdrawn", "order")


@require("my-debits")
def my_debits(request: HttpRequest) -> HttpResponse:
    """One section a lender: the mandate in force with what comes next, or the form to give one."""
    party = getattr(user_of(request), "party", None)
    if party is None:
        return render(request, "lending/debits/mine.html", {"nobody": True})
    lenders = list(LegalEntity.objects.filter(contract__borrower=party).distinct().order_by("pk"))
    problems: list[tuple[str, str]] = []
    if request.method == "POST":
        lender = next((e for e in lenders if e.code == request.POST.get("lender")), None)
        if lender is not None:
            done, problems = _act(request, party, lender)
            if done:
                return HttpResponseRedirect(f"{reverse('my-debits')}?saved={done}")
    saved, given = request.GET.get("saved", ""), request.POST.dict() if problems else {}
    context = {
        "sections": [_section(party, e) for e in lenders],
        "saved": saved if saved in SAVED else "",
        "problems": problems,
        "given": given,
        "banks": [(code, bank_named(code, code)) for code in BANKS],
        "slots": [{"n": n, "bank": given.get(f"bank{n}", ""), "number": given.get(f"number{n}", "")} for n in ACCOUNTS],
        "asked": request.POST.get("lender", "") if problems else "",
    }
    return render(request, "lending/debits/mine.html", context, status=422 if problems else 200)


def _lender_name(lender: LegalEntity) -> str:
    return str(lender.name_zh if (get_language() or "").startswith("zh") else lender.name_en)


def _section(party: Party, lender: LegalEntity) -> dict[str, Any]:
    mandate = mandate_live(party.pk, lender.pk)
    section: dict[str, Any] = {
        "lender": lender,
        "mandate": mandate,
        "words": words(_lender_name(lender), _("the first amount above"), _("the second amount above")),
    }
    if mandate is not None:
        accounts = mandate.accounts.filter(ended_at=None).order_by("rank")
        section["accounts"] = [(a, bank_named(a.bank_code, a.bank_name)) for a in accounts]
        section["coming"] = coming(mandate, now())
        section["acts"] = list(mandate.acts.order_by("pk"))
    return section


def _act(request: HttpRequest, party: Party, lender: LegalEntity) -> tuple[str, list[tuple[str, str]]]:
    """Do what the form says: (what was done, problems)."""
    actor, act = user_of(request).username, request.POST.get("act", "")
    mandate = mandate_live(party.pk, lender.pk)
    if act == "withdraw":
        if mandate is not None:
            mandate_withdraw(mandate, how="app", actor=actor)
        return "withdrawn", []
    if act == "order" and mandate is not None:
        return _order(request, mandate, actor), []
    if act != "give":
        return "", []
    form = mandate_read(request.POST, party.name)
    if form.problems:
        return "", form.problems
    try:
        mandate_give(
            party, lender, accounts=form.accounts, cap_take_minor=form.cap_take_minor, cap_month_minor=form.cap_month_minor,
            words=words_agreed(_lender_name(lender), form), how="app", actor=actor, part_allowed=form.part_allowed,
            payday=form.payday,
        )  # fmt: skip
    except Refused as refused:
        return "", [("f-number1", p.message) for p in refused.problems]
    return "given", []


def _order(request: HttpRequest, mandate: Mandate, actor: str) -> str:
    """Put one account first."""
    order = list(mandate.accounts.filter(ended_at=None).order_by("rank").values_list("pk", flat=True))
    wanted = request.POST.get("first", "")
    if wanted.isascii() and wanted.isdecimal() and int(wanted) in order:
        accounts_order(mandate, [int(wanted), *(pk for pk in order if pk != int(wanted))], how="app", actor=actor)
    return "order"
