"""Pages of the book for staff: lists, a loan on any day, a person's file. Reads only; every read of a person's file is logged."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date, start_of_day
from tideover.core.crypto import search_hash
from tideover.core.models import ActionLog, User
from tideover.core.problems import NotFound
from tideover.engine.events import EventKind, EventRejected
from tideover.engine.terms import date_of
from tideover.lending import panels_loan
from tideover.lending.forms import amount_read, date_read
from tideover.lending.held import standing_held
from tideover.lending.models import Contract, LoanEvent, Party, StandingRow
from tideover.lending.panels import dated, loans_shown, order_of, shown_label
from tideover.lending.scope import parties_reachable
from tideover.lending.selectors import BUCKET_ORDER, contract_get, contracts_visible
from tideover.lending.words import word

PAGE_SIZE = 50


def user_of(request: HttpRequest) -> User:
    """Who is signed in; the views here are guarded, so there is somebody."""
    assert isinstance(request.user, User)
    return request.user


def loan_or_404(request: HttpRequest, number: str) -> Contract:
    """A visible loan; others read as 404, so that numbers cannot be probed."""
    try:
        return contract_get(user_of(request), number, business_date())
    except NotFound as error:
        raise Http404(str(error)) from error


@require("loan-list")
def loan_list(request: HttpRequest) -> HttpResponse:
    """Loans by bucket or exception, 50 a page. What somebody types to find a person comes by POST, never in the address."""
    user, today = user_of(request), business_date()
    if request.method == "POST":
        return _find(request, user, today)
    bucket, show = (request.GET.get(k, "").strip() for k in ("bucket", "show"))
    bucket, show = bucket if bucket in BUCKET_ORDER else "", show if shown_label(show) else ""
    order = order_of(show, bucket)
    rows = _after(loans_shown(user, today, show=show, bucket=bucket), order, request.GET.get("after", ""))
    page = list(rows[: PAGE_SIZE + 1])
    context = {
        "rows": dated(page[:PAGE_SIZE], user, today, show),
        "today": today,
        "after": _key(page[PAGE_SIZE - 1], order) if len(page) > PAGE_SIZE else "",
        "bucket": bucket,
        "show": show,
        "filtered": bool(show),
        "heading": _(shown_label(show)) if show else word(bucket) if bucket else _("Loans"),
        "buckets": BUCKET_ORDER,
        "nothing": _("No loan is here now. Choose another bucket."),
    }
    return render(request, "lending/loan_list.html", context)


def _key(row: StandingRow, order: tuple[str, ...]) -> str:
    """Where the next page starts: the values of the sort columns of the last row."""
    return "~".join(str(getattr(row, name.removeprefix("-"))) for name in order)


def _after(rows: QuerySet[StandingRow], order: tuple[str, ...], key: str) -> QuerySet[StandingRow]:
    """The rows behind a key; all of them when the key cannot be read."""
    values = key.split("~")
    if len(values) != len(order) or not values[-1].isdigit():
        return rows
    last = Q(contract_id__gt=int(values[-1]))
    if len(order) == 1:
        return rows.filter(last)
    name = order[0].removeprefix("-")
    try:
        value: Any = date.fromisoformat(values[0]) if name == "next_due_on" else int(values[0])
    except ValueError:
        return rows
    beyond = Q(**{f"{name}__{'lt' if order[0].startswith('-') else 'gt'}": value})
    return rows.filter(beyond | Q(last, **{name: value}))


def _find(request: HttpRequest, user: User, today: date) -> HttpResponse:
    """One box for everything: a loan's or a borrower's number opens it; else phone, identity number or full name."""
    typed = request.POST.get("find", "").strip()
    visible = contracts_visible(user, today)
    if typed and visible.filter(number=typed.upper()).exists():
        return HttpResponseRedirect(reverse("loan", args=[typed.upper()]))
    if Party.objects.filter(reference=typed.upper()).exists() and _reached(user, today, typed.upper()) is not None:
        return HttpResponseRedirect(reverse("person", args=[typed.upper()]))
    h = search_hash(typed)
    person = Q(contract__borrower__phone_hash=h) | Q(contract__borrower__id_hash=h) | Q(contract__borrower__name_hash=h)
    rows = list(loans_shown(user, today).filter(person)[:PAGE_SIZE]) if typed else []
    log(user.username, "person.search", "party", "", {"found": len(rows)})
    context = {
        "rows": rows,
        "filtered": True,
        "found_by_person": True,
        "heading": _("Loans found"),
        "buckets": BUCKET_ORDER,
        "nothing": _("Nothing fits. Check the number; a phone, an identity number or a name must be typed in full."),
    }
    return render(request, "lending/loan_list.html", context)


def _asked_day(request: HttpRequest, contract: Contract) -> tuple[date, str]:
    """The day asked for, kept within the loan's life, and what is wrong with what was typed."""
    typed, problem = request.GET.get("as_of", "").strip(), ""
    try:
        asked = date_read(typed) if typed else business_date()
    except ValueError:
        asked, problem = business_date(), _("Enter a date, for example 2026-12-05")
    return min(max(asked, contract.disbursed_on), contract.disbursed_on + timedelta(days=40 * 365)), problem


@require("loan")
def loan(request: HttpRequest, number: str) -> HttpResponse:
    """One loan on any day, as known then or as known now."""
    contract, today = loan_or_404(request, number), business_date()
    (as_of, problem), known = _asked_day(request, contract), request.GET.get("known") == "then"
    _log_read(request, contract)
    events = list(contract.events.select_related("receipt_part__receipt").order_by("seq"))
    held = standing_held(contract, as_of, panels_loan.end_of(as_of) if known else None, events=events)
    standing = held.standing
    lines = panels_loan.schedule_lines(standing)
    owed = panels_loan.owed_lines(contract, standing, events)
    rate, late_rate = panels_loan.rates(contract)
    context = {
        "contract": contract,
        "row": StandingRow.objects.filter(contract=contract).first(),
        "standing": standing,
        "held": held,
        "as_of": as_of,
        "today": today,
        "known": known,
        "problem": problem,
        "typed": request.GET.get("as_of", ""),
        "owed": owed,
        "any_waived": any(line.waived_minor for line in owed),
        "rate_ppm": rate,
        "late_rate_ppm": late_rate,
        "journal": panels_loan.journal_lines(events, standing),
        "lines": lines,
        "totals": panels_loan.schedule_totals(lines),
        "what_if": {"kind": "payment", "amount": "", "on": as_of.isoformat()},
        "may_receipts": can(user_of(request), "receipt"),
        **_stops(contract, as_of, today, events, [date_of(line.row.due_on) for line in lines]),
        **panels_loan.around(contract),
    }
    name = "lending/loan.html#ledger" if request.headers.get("HX-Request") else "lending/loan.html"
    return render(request, name, context)


def _stops(contract: Contract, as_of: date, today: date, events: list[LoanEvent], due: list[date]) -> dict[str, Any]:
    """The slider: its length and place in days since payout, and the days on which something happens."""
    start = contract.disbursed_on
    stops = sorted({start, *due, *(e.effective_on for e in events)})
    return {
        "previous": max((d for d in stops if d < as_of), default=None),
        "next": min((d for d in stops if d > as_of), default=None),
        "span": (max(today, stops[-1]) - start).days,
        "at": (as_of - start).days,
        "ticks": [(d - start).days for d in stops],
    }


def _log_read(request: HttpRequest, contract: Contract) -> None:
    """Log every page of a loan that is opened; a swap inside an open page adds nothing once the day has an entry."""
    user = user_of(request)
    if request.headers.get("HX-Request"):
        seen = ActionLog.objects.filter(
            object_id=contract.number, actor=user.username, action="loan.read", at__gte=start_of_day(business_date())
        )
        if seen.exists():
            return
    log(user.username, "loan.read", "loan", contract.number)


@require("loan-payment")
def loan_payment(request: HttpRequest, number: str, seq: int) -> HttpResponse:
    """Where one payment went, by component and by instalment, and what it changed."""
    contract = loan_or_404(request, number)
    trail = panels_loan.payment_trail(contract, seq)
    if trail is None:
        raise Http404(str(seq))
    _log_read(request, contract)
    return render(request, "lending/payment.html", {"contract": contract, "trail": trail})


@require("loan-what-if")
def loan_what_if(request: HttpRequest, number: str) -> HttpResponse:
    """What a payment or a pay-off on a day would do; nothing is written. Bad input: 422, beside the field, kept as typed."""
    contract = loan_or_404(request, number)
    _log_read(request, contract)
    given = {k: request.GET.get(k, "").strip() for k in ("kind", "amount", "on")}
    kind = EventKind.PAYOFF if given["kind"] == "payoff" else EventKind.PAYMENT
    amount, on, errors = 0, contract.disbursed_on, {}
    try:
        on = date_read(given["on"])
        if on < contract.disbursed_on:
            errors["on"] = _("Choose a day after the loan was paid out: %(day)s or later") % {"day": contract.disbursed_on}
    except ValueError:
        errors["on"] = _("Enter a date, for example 2026-12-05")
    try:
        amount = amount_read(given["amount"]) if kind == EventKind.PAYMENT else 0
    except ValueError:
        errors["amount"] = _("Enter an amount, for example 1200.00")
    answer: dict[str, Any] = {}
    if not errors:
        try:
            answer = panels_loan.what_if(contract, kind, amount, on)
        except EventRejected:
            errors["on"] = _("The loan cannot take this on that day. Choose another day or act.")
    context = {"contract": contract, "what_if": given, "errors": errors, "answer": answer}
    return render(request, "lending/what_if.html", context, status=422 if errors else 200)


def _reached(user: User, today: date, reference: str) -> Party | None:
    return parties_reachable(user, today).select_related("branch").filter(reference=reference).first()


@require("person")
def person(request: HttpRequest, reference: str) -> HttpResponse:
    """A person's file: masked; a role that may asks to see it in full, which is logged."""
    user, today = user_of(request), business_date()
    party = _reached(user, today, reference)
    if party is None:
        raise Http404(reference)
    reveal = request.method == "POST"
    if reveal and not can(user, "reveal-personal"):
        raise PermissionDenied("reveal-personal")
    log(user.username, "person.reveal" if reveal else "person.read", "party", party.reference)
    stands_in = Q(contract__borrower=party) | Q(contract__in=party.loan_roles.values("contract"))
    loans = StandingRow.objects.filter(stands_in, contract__in=contracts_visible(user, today))
    context = {
        "party": party,
        "reveal": reveal,
        "may_reveal": can(user, "reveal-personal"),
        "rows": loans.select_related("contract__borrower", "contract__branch").order_by("-days_past_due", "contract_id"),
    }
    return render(request, "lending/person.html", context)
