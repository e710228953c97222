"""Pages of the books: what needs finance today, trial balance down to the journal, income, non-accrual, periods, exports."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.accounting import panels
from tideover.accounting.charts import accounts_known
from tideover.accounting.explain import explain
from tideover.accounting.export import write_beancount, write_csv
from tideover.accounting.law import nonaccrual_on, vat_on
from tideover.accounting.models import BookRun, Entry
from tideover.accounting.rules.chart import Account
from tideover.accounting.selectors import (
    currencies_of,
    days_posted,
    entities_of,
    entries_of,
    income_by_month,
    nonaccrual_list,
    periods_of,
    suspense_rows,
    trial_balance,
)
from tideover.accounting.services import CLOSE_PERIOD, period_close_ask
from tideover.accounting.words import kind_word, position_word
from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.cells import MARK
from tideover.core.models import Approval, User
from tideover.core.problems import Refused
from tideover.lending.forms import date_read
from tideover.lending.models import LegalEntity

PAGE_SIZE, PERIODS_SHOWN = 50, 13


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _entity(request: HttpRequest, code: str | None = None) -> tuple[LegalEntity | None, list[LegalEntity]]:
    """The entity asked for, or the first in scope; and all in scope."""
    found = entities_of(_user(request), business_date())
    code = request.GET.get("entity", "") if code is None else code
    if code and code not in {e.code for e in found}:
        raise Http404(code)
    return next((e for e in found if not code or e.code == code), None), found


def _day(request: HttpRequest, name: str, default: date) -> tuple[date, str]:
    """A day of the address, and what is wrong with it."""
    typed = request.GET.get(name, "").strip()
    try:
        return (date_read(typed) if typed else default), ""
    except ValueError:
        return default, _("Enter a date, for example 2026-12-05")


@require("books")
def books(request: HttpRequest) -> HttpResponse:
    """What needs finance today, the last runs, and the balances of each entity by class."""
    user, today = _user(request), business_date()
    entities = entities_of(user, today)
    first, last = days_posted()
    run = BookRun.objects.filter(state="done").order_by("-last_day", "-pk").first()
    suspense = suspense_rows(entities)
    context = {
        "today": today, "entities": entities, "first": first, "last": last, "run": run,
        "rows": panels.rows(entities, today),
        "totals": [(name, *pair) for name, pair in run.totals.items()] if run else [],
        "balances": [trial_balance(e, last) for e in entities] if last else [],
        "suspense": list(suspense[:PAGE_SIZE]), "may_export": can(user, "books-export"),
    }  # fmt: skip
    return render(request, "accounting/books.html", context)


@require("books-trial-balance")
def balance(request: HttpRequest) -> HttpResponse:
    """The trial balance of an entity on a day."""
    entity, entities = _entity(request)
    first, last = days_posted()
    if entity is None or first is None or last is None:
        return render(request, "accounting/trial_balance.html", {"entities": entities})
    asked, problem = _day(request, "on", last)
    on = min(max(asked, first), last)
    currencies = currencies_of(entity)
    currency = request.GET.get("currency", "")
    found = trial_balance(entity, on, currency if currency in currencies else currencies[0])
    context = {
        "entity": entity, "entities": entities, "balance": found, "on": on, "first": first, "last": last, "problem": problem,
        "typed": request.GET.get("on", ""), "currencies": currencies, "books": found.books, "memoranda": found.memoranda,
    }  # fmt: skip
    return render(request, "accounting/trial_balance.html", context)


@require("books-account")
def account(request: HttpRequest, code: str) -> HttpResponse:
    """The entries of one account, of a span of days."""
    entity, _entities = _entity(request)
    known = accounts_known(entity.pk) if entity else {}
    if entity is None or code not in known:
        raise Http404(code)
    end = days_posted()[1] or business_date()
    (last, bad_last), (first, bad_first) = _day(request, "to", end), (end, "")
    first, bad_first = _day(request, "from", last.replace(day=1))
    rows = entries_of(entity, first, last, code)
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "entity": entity, "account": known[code], "first": first, "last": last, "page": page, "problem": bad_first or bad_last,
        "rows": [_shown(e, known, code) for e in page.object_list],
    }  # fmt: skip
    return render(request, "accounting/account.html", context)


def _shown(e: Entry, known: dict[str, Account], code: str = "") -> dict[str, Any]:
    other = e.credit if e.debit == code else e.debit
    return {
        "entry": e, "what": position_word(e.position), "kind": kind_word(e), "debit": e.amount_minor if e.debit == code else None,
        "credit": e.amount_minor if e.credit == code else None, "other": known.get(other) or Account(other, "", other, other),
    }  # fmt: skip


@require("books-entry")
def entry(request: HttpRequest, pk: int) -> HttpResponse:
    """One entry: its accounts, its voucher, and the loans and journal events behind it."""
    row = Entry.objects.select_related("entity", "branch", "product", "contract__borrower", "run").filter(pk=pk).first()
    if row is None or row.entity not in entities_of(_user(request), business_date()):
        raise Http404(str(pk))
    known = accounts_known(row.entity_id)
    voucher = entries_of(row.entity, row.booked_on, row.booked_on).filter(period=row.period, voucher=row.voucher)
    log(_user(request).username, "books.entry.read", "voucher", str(pk))
    context = {
        "entry": row, "what": position_word(row.position), "kind": kind_word(row), "debit": known.get(row.debit),
        "credit": known.get(row.credit), "why": explain(row), "others": [_shown(e, known, e.debit) for e in voucher[:PAGE_SIZE]],
    }  # fmt: skip
    return render(request, "accounting/entry.html", context)


@require("books-income")
def income(request: HttpRequest) -> HttpResponse:
    """Interest income by month: what became income, what left it, what was received, fees and tax."""
    entity, entities = _entity(request)
    months = income_by_month(entity)[::-1] if entity else []
    rule = vat_on(entity.jurisdiction, entity.lender_type, business_date()) if entity else None
    return render(request, "accounting/income.html", {"entity": entity, "entities": entities, "months": months, "rule": rule})


@require("books-non-accrual")
def non_accrual(request: HttpRequest) -> HttpResponse:
    """Loans whose interest is income only when received."""
    today, entities = business_date(), entities_of(_user(request), business_date())
    rows = nonaccrual_list(entities)
    new = request.GET.get("new") == "1"
    if new:
        rows = rows.filter(nonaccrual_since__gt=date.fromordinal(today.toordinal() - panels.NEW_DAYS))
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    lines = [
        {
            "row": r, "principal": r.amounts.get("principal.nonaccrual", 0), "interest": r.amounts.get("off.interest", 0),
            "late": r.amounts.get("off.penalty", 0) + r.amounts.get("off.compound", 0),
        }
        for r in page.object_list
    ]  # fmt: skip
    rules = [(e, nonaccrual_on(e.jurisdiction, e.lender_type, today)) for e in entities]
    return render(request, "accounting/non_accrual.html", {"page": page, "lines": lines, "rules": rules, "new": new})


@require("books-periods")
def periods(request: HttpRequest) -> HttpResponse:
    """Months: open, asked about, closed. Asking to close one comes by POST; a second person decides among the approvals."""
    user = _user(request)
    problems: list[str] = []
    given = {"entity": "", "period": "", "reason": ""}
    if request.method == "POST":
        given = {k: request.POST.get(k, "").strip() for k in given}
        entity, _all = _entity(request, given["entity"])
        try:
            assert entity is not None
            asked = period_close_ask(entity, date.fromisoformat(given["period"]), reason=given["reason"], actor=user)
        except Refused as error:
            problems = [p.message for p in error.problems]
        except (ValueError, AssertionError):
            problems = [_("Choose a period")]
        else:
            return HttpResponseRedirect(f"{reverse('books-periods')}?asked={asked.reference}")
    waiting = {a.subject_id: a for a in Approval.objects.filter(kind=CLOSE_PERIOD, state="open")}
    every = request.GET.get("all") == "1"
    of_entities = [periods_of(e) for e in entities_of(user, business_date())]
    lines = [
        (line, waiting.get(f"{line.entity.code}:{line.period:%Y-%m}"))
        for found in of_entities for line in found
    ]  # fmt: skip
    newest = {line.period for found in of_entities for line in found[:PERIODS_SHOWN]}
    oldest = {}
    for line, asked_for in reversed(lines):
        if line.closed is None and line.is_whole and asked_for is None:
            oldest.setdefault(line.entity.pk, line)
    context = {
        "lines": [x for x in lines if every or x[0].closed is None or x[0].period in newest],
        "askable": list(oldest.values()), "may_ask": can(user, "books-period-close"),
        "may_export": can(user, "books-export"), "problems": problems, "given": given,
        "more": not every and any(len(found) > PERIODS_SHOWN for found in of_entities), "asked": request.GET.get("asked", ""),
    }  # fmt: skip
    return render(request, "accounting/periods.html", context, status=422 if problems else 200)


@require("books-export")
def export(request: HttpRequest) -> HttpResponse:
    """A span as a file: beancount or CSV."""
    entity, _entities = _entity(request)
    first, last = days_posted()
    if entity is None or first is None or last is None:
        raise Http404("nothing is posted")
    to, _bad = _day(request, "to", last)
    start, _bad = _day(request, "from", to.replace(day=1))
    kind = request.GET.get("format", "csv")
    write = {"beancount": write_beancount, "csv": write_csv}.get(kind)
    if write is None:
        raise Http404(kind)
    out = io.StringIO(newline="")
    try:
        write(out, entity, start, min(to, last))
    except Refused as error:
        raise Http404(str(error)) from error
    log(_user(request).username, "books.export", "entity", entity.code, {"format": kind, "from": str(start), "to": str(to)})
    content = "text/csv" if kind == "csv" else "text/plain"
    mark = MARK if kind == "csv" else ""
    response = HttpResponse(mark + out.getvalue(), content_type=f"{content}; charset=utf-8")
    name = f"{entity.code}-{start}-{min(to, last)}.{'csv' if kind == 'csv' else 'bean'}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
