"""Pages of the catalogue and of rates: versions and what changed between them, proposing a new one; coming resets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.contact.rate_notices import notices_send
from tideover.core.access import can, require
from tideover.core.business_time import business_date, now
from tideover.core.models import User
from tideover.core.packs.load import NoRule
from tideover.core.packs.rules.fixings import MissingFixing
from tideover.core.problems import Refused
from tideover.lending import publishing, rates
from tideover.lending.forms import date_read
from tideover.lending.models import Contract, Product, ResetNotice
from tideover.lending.resets import contracts_following
from tideover.lending.selectors import contracts_visible

WORDS = {
    "unknown_index": gettext_noop("Choose one of the reference rates."),
    "not_a_publication_day": gettext_noop("This rate is published on the 20th, or the next working day."),
    "in_the_future": gettext_noop("A rate is entered once it is published."),
    "bad_rate": gettext_noop("Enter a rate in percent, for example 3.45"),
    "published_already": gettext_noop("This rate is published already."),
    "missing": gettext_noop("Say why."),
    "already_asked": gettext_noop("The same is waiting for a decision already."),
}
SHOWN_MAX = 200


@require("products")
def page(request: HttpRequest) -> HttpResponse:
    """Every product with its version on offer and the next one."""
    today, rows = business_date(), {}
    for p in Product.objects.order_by("code", "version"):
        line = rows.setdefault(p.code, {"newest": p, "now": None, "next": None, "count": 0})
        line["newest"], line["count"] = p, line["count"] + 1
        if p.valid_from > today:
            line["next"] = p
        elif p.valid_to is None or p.valid_to > today:
            line["now"] = p
    return render(
        request,
        "web/products/list.html",
        {"lines": rows.values(), "may_ask": _may_ask(request), "sees_rates": can(request.user, "rates")},
    )


def _may_ask(request: HttpRequest) -> bool:
    return getattr(request.user, "role", None) in publishing.ASKS


@require("product")
def one(request: HttpRequest, code: str) -> HttpResponse:
    """One product: its versions, what the newest changed, and the form for the next one (with its text to begin from)."""
    versions = list(Product.objects.filter(code=code).order_by("-version"))
    if not versions:
        raise Http404(code)
    return _proposed(request, {"product": versions[0], "versions": versions, "text": versions[0].source_yaml})


@require("product-new")
def new(request: HttpRequest) -> HttpResponse:
    """The form for a product that is not there yet."""
    return _proposed(request, {"product": None, "versions": [], "text": _example()})


def _example() -> str:
    """The text of a product to begin from: the first one on offer under another code; empty where there is none."""
    first = Product.objects.filter(version=1).order_by("code").first()
    if first is None:
        return ""
    return first.source_yaml.replace(f"code: {first.code}", f"code: {first.code}-new", 1).replace(
        f"valid_from: {first.valid_from}", f"valid_from: {business_date()}", 1
    )


def _proposed(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Look at a text (problems with their articles, or what it changes), and ask for it when that is wanted."""
    user, product = request.user, context["product"]
    assert isinstance(user, User)
    problems: list[tuple[str, str]] = []
    context |= {"may_ask": _may_ask(request), "reason": request.POST.get("reason", ""), "diff": None}
    if product is not None:
        context["changed"] = publishing.product_diff(product.source_yaml) if product.version > 1 else []
    if request.method == "POST" and context["may_ask"]:
        text = context["text"] = request.POST.get("text", "").replace("\r\n", "\n")
        try:
            if request.POST.get("act") == "ask":
                asked = publishing.product_ask(text=text, reason=context["reason"], actor=user)
                return (
                    redirect("product", code=asked.code) if isinstance(asked, Product) else redirect("approval", asked.reference)
                )
            context["diff"] = publishing.product_diff(text)
        except Refused as error:
            problems = [("reason" if p.field == "reason" else "text", _(WORDS.get(p.code, p.message))) for p in error.problems]
    context["problems"] = problems
    return render(request, "web/products/one.html", context, status=422 if problems else 200)


@require("rates")
def rates_page(request: HttpRequest) -> HttpResponse:
    """Reference rates as published, the resets of the next 45 days with old and new instalment, and their notices."""
    user, today = request.user, business_date()
    assert isinstance(user, User)
    problems: list[tuple[str, str]] = []
    typed = {k: request.POST.get(k, "").strip() for k in ("index", "published_on", "rate", "reason")}
    following = contracts_following().filter(pk__in=contracts_visible(user, today).values("pk"))
    paying = following.exclude(standing__bucket__in=("closed", "written_off")).select_related("borrower", "branch")
    resets = rates.coming_resets(list(paying), today)
    if request.method == "POST" and _may_ask(request):
        if request.POST.get("act") == "notices":
            made, queued = notices_send(now(), actor=user.username)
            messages.success(request, _("Notices made: %(made)s, queued: %(queued)s") % {"made": made, "queued": queued})
            return redirect("rates")
        try:
            rate_ppm = int(Decimal(typed["rate"].rstrip("%")) * 10_000)
            on = date_read(typed["published_on"])
            asked = publishing.rate_ask(index=typed["index"], on=on, rate_ppm=rate_ppm, reason=typed["reason"], actor=user)
            return redirect("approval", asked.reference)
        except ArithmeticError:
            problems = [("rate", _(WORDS["bad_rate"]))]
        except ValueError:
            problems = [("published_on", _("Enter a date, for example 2026-12-05"))]
        except Refused as error:
            problems = [(p.field or "index", _(WORDS.get(p.code, p.message))) for p in error.problems]
    context = {
        "indices": [_index(name) for name in rates.indices()],
        "resets": resets[:SHOWN_MAX],
        "waiting": sum(r.effect is not None and r.notice is None for r in resets),
        "made": ResetNotice.objects.filter(contract__in=contracts_visible(user, today), message="").count(),
        "typed": typed,
        "problems": problems,
        "may_ask": _may_ask(request),
    }
    return render(request, "web/products/rates.html", context, status=422 if problems else 200)


def _index(name: str) -> dict[str, Any]:
    """An index with the rate that holds today, or the publication that is missing."""
    try:
        return {"name": name, "rate_ppm": rates.fixing(name, business_date()), "missing": None}
    except MissingFixing as error:
        return {"name": name, "rate_ppm": None, "missing": error.expected_on}
    except NoRule:
        return {"name": name, "rate_ppm": None, "missing": None}


def borrower_panel(user: User, thing: Any) -> dict[str, Any] | None:
    """On the borrower's home: what changes at the next reset of each of their loans."""
    mine = Contract.objects.filter(borrower__user=user)
    notices = ResetNotice.objects.filter(contract__in=mine, reset_on__gte=business_date()).select_related("contract")
    found = list(notices.order_by("reset_on", "pk"))
    return {"notices": found} if found else None
