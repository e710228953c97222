"""Where a person is reached: a page for staff, and the part of a borrower's settings that puts an address right."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.contact.channels.binding import joins_of, mini_program_bind
from tideover.contact.reach import BY_HAND, KINDS, address_end, address_set, address_verified, broken_of, masked_of
from tideover.core.access import require
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import Refused
from tideover.lending.models import Party
from tideover.lending.scope import parties_reachable
from tideover.lending.views import user_of

_SAYS = {
    "phone": lambda: _("Enter a telephone number, for example 13800000000"),
    "address": lambda: _("Enter the whole postal address"),
    "email": lambda: _("Enter an e-mail address, for example name@example.com"),
}


def address_rows(party: Party, *, join: bool = False) -> list[dict[str, Any]]:
    """A line for each kind of address: what it is called, the address masked, what is wrong with it, how to bind it."""
    broken = {b.kind: b for b in broken_of(party, now())}
    joins = joins_of(party) if join else {}
    rows = [
        {"kind": k, "masked": masked_of(party, k), "broken": broken.get(k), "typed": k in BY_HAND, "join": joins.get(k, "")}
        for k in KINDS
    ]
    return [r for r in rows if r["typed"] or r["masked"] or r["join"]]


def address_act(request: HttpRequest, party: Party, *, source: str, actor: str) -> dict[str, str]:
    """Do what a form says of one address: right, set or end. What is wrong, by kind."""
    kind, act = request.POST.get("kind", ""), request.POST.get("act", "")
    try:
        if act == "right":
            address_verified(party, kind, actor=actor)
        elif act == "end":
            address_end(party, kind, actor=actor)
        elif act == "set" and kind in BY_HAND:
            agreed = kind == "email" and request.POST.get("agree") == "yes"
            address_set(
                party, kind, request.POST.get("address", ""), source=source, actor=actor, given_how="app" if agreed else ""
            )  # fmt: skip
    except Refused as refused:
        if act == "set":
            return {kind: _SAYS[kind]()}
        if refused.problems[0].code == "unknown_kind":
            raise Http404(kind) from None
    return {}


@require("contact-addresses")
def addresses(request: HttpRequest, reference: str) -> HttpResponse:
    """A person's addresses for staff: which one is refused, that it is right after all, or another one."""
    user = user_of(request)
    party = parties_reachable(user, business_date()).select_related("user").filter(reference=reference).first()
    if party is None:
        raise Http404(reference)
    errors: dict[str, str] = {}
    if request.method == "POST":
        errors = address_act(request, party, source="staff", actor=user.username)
        if not errors:
            return HttpResponseRedirect(f"{reverse('contact-addresses', args=[party.reference])}?saved=1")
    log(user.username, "person.read", "party", party.reference)
    rows = [{**r, "error": errors.get(r["kind"], "")} for r in address_rows(party)]
    context = {
        "party": party, "rows": rows, "saved": request.GET.get("saved") == "1", "given": request.POST.dict(), "errors": errors,
        "problems": [(f"f-{k}", v) for k, v in errors.items()],
    }  # fmt: skip
    return render(request, "contact/addresses.html", context, status=422 if errors else 200)


@require("my-mini-program")
def my_mini_program(request: HttpRequest) -> HttpResponse:
    """The mini program opens this page with its login code; the person says yes, and it is connected."""
    user, code = user_of(request), request.POST.get("code") or request.GET.get("code", "")
    party = getattr(user, "party", None)
    if party is None:
        raise Http404("nobody to connect")
    failed = not 1 <= len(code) <= 200
    if request.method == "POST" and not failed:
        try:
            mini_program_bind(party, code)
            return HttpResponseRedirect(f"{reverse('my-contact')}?saved=1")
        except Refused:
            failed = True
    return render(request, "contact/my_mini_program.html", {"code": code, "failed": failed}, status=422 if failed else 200)
