"""The page that answers a supervisor: how this person was contacted in these days, and which rules were kept."""

from __future__ import annotations

from datetime import date, timedelta

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from tideover.contact.proof import SPAN_MAX, Proof, proof_csv, proof_of
from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.lending.forms import date_read
from tideover.lending.models import Party
from tideover.lending.scope import parties_reachable
from tideover.lending.selectors import contracts_visible
from tideover.lending.views import user_of


def _party(request: HttpRequest, typed: str) -> Party | None:
    """The person of a person's or a loan's number, inside the reader's scope."""
    user, today = user_of(request), business_date()
    reachable = parties_reachable(user, today)
    found = reachable.filter(reference=typed).first()
    if found is None:
        contract = contracts_visible(user, today).filter(number=typed).first()
        found = reachable.filter(pk=contract.borrower_id).first() if contract else None
    return found


def _days(request: HttpRequest) -> tuple[date, date, list[tuple[str, str]]]:
    """The span that was asked for, and what is wrong with it. Nothing asked: the whole month before this one; only the first
    day: until today; only the last: its month."""
    end = business_date().replace(day=1) - timedelta(days=1)
    typed, problems = {}, []
    for name in ("from", "to"):
        try:
            typed[name] = date_read(request.GET[name].strip()) if request.GET.get(name, "").strip() else None
        except ValueError:
            problems.append((f"p-{name}", _("Enter a date, for example 2026-12-05")))
    last = typed.get("to") or (business_date() if typed.get("from") else end)
    days = {"from": typed.get("from") or last.replace(day=1), "to": last}
    if not problems and not 0 <= (days["to"] - days["from"]).days < SPAN_MAX:
        problems.append(("p-to", _("The last day must follow the first, within a year")))
    return days["from"], days["to"], problems


def _asked(request: HttpRequest) -> tuple[Proof | None, dict[str, object]]:
    user, typed = user_of(request), request.GET.get("person", "").strip().upper()[:30]
    first, last, problems = _days(request)
    party = _party(request, typed) if typed else None
    if typed and party is None:
        problems.append(("p-person", _("Nobody with this number is in your scope")))
    context: dict[str, object] = {"typed": typed, "first": first, "last": last, "problems": problems}
    if party is None or problems:
        return None, context
    loans = list(contracts_visible(user, business_date()).filter(borrower=party).select_related("entity").order_by("pk"))
    return proof_of(party, loans, first, last), context


@require("contact-proof")
def page(request: HttpRequest) -> HttpResponse:
    """The form, and once a person is named: totals, each rule, each contact. Reading it is logged."""
    proof, context = _asked(request)
    if proof is not None:
        detail = {"from": str(proof.first), "to": str(proof.last), "contacts": len(proof.contacts)}
        log(user_of(request).username, "contact.proof", "party", proof.party.reference, detail)
    context |= {"proof": proof, "may_export": can(user_of(request), "contact-proof-file")}
    return render(request, "contact/proof.html", context, status=422 if context["problems"] else 200)


@require("contact-proof-file")
def file(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The contacts of the page as CSV; logged."""
    proof, context = _asked(request)
    if proof is None:
        return render(request, "contact/proof.html", context, status=422)
    detail = {"from": str(proof.first), "to": str(proof.last), "contacts": len(proof.contacts)}
    log(user_of(request).username, "contact.proof.file", "party", proof.party.reference, detail)
    answer = StreamingHttpResponse(proof_csv(proof), "text/csv; charset=utf-8")
    name = f"contacts-{proof.party.reference}-{proof.first}-{proof.last}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
