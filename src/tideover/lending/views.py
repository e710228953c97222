"""Pages of the book: homes, lists, a loan on any day, a person's file. Reads only; every read of a person's file is logged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.crypto import search_hash
from tideover.core.models import ActionLog, Role, User
from tideover.core.problems import NotFound
from tideover.engine.events import Event, EventKind, EventRejected
from tideover.engine.standing import Row, Standing
from tideover.engine.terms import NO_DAY, Component, date_of, day
from tideover.lending.contract_terms import terms_for
from tideover.lending.forms import amount_read, date_read
from tideover.lending.models import Contract, Debit, HelpRequest
from tideover.lending.panels import OPEN_DEBITS, SOON_DAYS, exception_rows, shown, shown_label
from tideover.lending.selectors import (
    BUCKET_ORDER,
    contract_get,
    contracts_visible,
    loan_standing,
    loans_named,
    parties_visible,
    standings_visible,
)

PAGE_SIZE = 50


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _loan_or_404(request: HttpRequest, number: str) -> Contract:
    try:
        return contract_get(_user(request), number, business_date())
    except NotFound as error:
        raise Http404(str(error)) from error


@require("home")
def home(request: HttpRequest) -> HttpResponse:
    """The role's home: a borrower's loans, or what needs a member of staff today."""
    user = _user(request)
    if user.role == Role.BORROWER:
        return _borrower_home(request, user)
    today = business_date()
    rows = exception_rows(user, today, linked=can(user, "loan-list"))
    return render(request, "lending/home.html", {"rows": rows, "today": today, "quiet": not any(r.count for r in rows)})


@dataclass(frozen=True, slots=True)
class MyLoan:
    """One loan as its borrower reads it."""

    contract: Contract
    standing: Standing
    in_flight_minor: int

    @property
    def due_parts(self) -> list[tuple[str, int]]:
        """What is due today by component (minor units), the parts that are not zero."""
        s = self.standing
        due = [r for r in s.rows if r.due_on <= s.as_of]
        parts = [
            ("principal", sum(map(_open_principal, due))),
            ("penalty", s.penalty_minor),
            ("compound", s.compound_minor),
            ("fee", s.fee_minor),
            ("third_party_fee", s.third_party_fee_minor),
            ("recovery_cost", s.recovery_cost_minor),
        ]
        parts.insert(1, ("interest", sum(r.outstanding_minor for r in due) - parts[0][1]))
        return [(name, amount) for name, amount in parts if amount]

    @property
    def due_minor(self) -> int:
        return sum(amount for _, amount in self.due_parts)

    @property
    def late_minor(self) -> int:
        return self.standing.penalty_minor + self.standing.compound_minor

    @property
    def days_late(self) -> int:
        return self.standing.shown_days_past_due

    @property
    def late_rows(self) -> list[Row]:
        return [r for r in self.standing.rows if r.outstanding_minor and r.due_on < self.standing.as_of]

    @property
    def late_count(self) -> int:
        return max(1, len(self.late_rows))

    @property
    def late_since(self) -> int:
        return self.late_rows[0].due_on if self.late_rows else self.standing.oldest_due_on

    @property
    def settled(self) -> bool:
        return self.standing.payoff_minor <= 0

    @property
    def state(self) -> str:
        """settled, on_its_way, late, due, soon or fine: the words of the card."""
        s = self.standing
        if self.settled:
            return "settled"
        # Less than what is due would leave the borrower late while we said that nothing was to be done.
        if self.in_flight_minor and self.in_flight_minor >= self.due_minor:
            return "on_its_way"
        if s.shown_days_past_due:
            return "late"
        if self.due_minor:
            return "due"
        return "soon" if s.next_due_on != NO_DAY and s.next_due_on - s.as_of <= SOON_DAYS else "fine"

    @property
    def paid_rows(self) -> int:
        return sum(r.paid_on != NO_DAY for r in self.standing.rows)

    @property
    def pips(self) -> list[str]:
        s = self.standing
        return ["y" if r.paid_on != NO_DAY else "l" if r.due_on < s.as_of else "" for r in s.rows]


def _my_loans(user: User) -> list[MyLoan]:
    today = business_date()
    contracts = list(contracts_visible(user, today).select_related("product").order_by("disbursed_on"))
    moving = Debit.objects.filter(contract__in=contracts, state__in=OPEN_DEBITS)
    amounts = dict(moving.values_list("contract_id").annotate(Sum("amount_minor")))
    out = [MyLoan(c, loan_standing(c, today), amounts.get(c.pk, 0)) for c in contracts]
    return sorted(out, key=lambda m: (m.settled, -m.days_late, m.standing.next_due_on))


def _borrower_home(request: HttpRequest, user: User) -> HttpResponse:
    party, loans = getattr(user, "party", None), _my_loans(user)
    context = {
        "party": party,
        "helps": HelpRequest.objects.filter(party=party, closed_at=None) if party else [],
        "open_loans": [m for m in loans if not m.settled],
        "settled_loans": [m for m in loans if m.settled],
    }
    return render(request, "lending/borrower_home.html", context)


@require("my-schedule")
def my_schedule(request: HttpRequest, number: str) -> HttpResponse:
    """The borrower's plan of repayments."""
    contract = _loan_or_404(request, number)
    standing = loan_standing(contract, business_date())
    context = {"contract": contract, "standing": standing, "totals": _totals(standing)}
    return render(request, "lending/my_schedule.html", context)


def _totals(standing: Standing) -> dict[str, int]:
    """The schedule's last row, in minor units."""
    rows = standing.rows
    return {
        "principal": sum(r.principal_minor for r in rows),
        "interest": sum(r.interest_minor for r in rows),
        "late": sum(r.penalty_minor + r.compound_minor for r in rows),
        "paid": sum(r.paid_minor for r in rows),
        "open": sum(r.outstanding_minor for r in rows),
    }


@require("my-receipts")
def my_receipts(request: HttpRequest) -> HttpResponse:
    """What the borrower paid, and where each cent went."""
    lines = []
    for m in _my_loans(_user(request)):
        for line in m.standing.trace:
            if parts := _parts(line):
                lines.append({"contract": m.contract, "line": line, "parts": parts, "total_minor": sum(a for _, a in parts)})
    lines.sort(key=lambda r: (-r["line"].on, r["contract"].number))
    return render(request, "lending/my_receipts.html", {"lines": lines})


def _parts(line: Any) -> list[tuple[str, int]]:
    parts = [(c.name.lower(), line.amounts_minor[c]) for c in Component if line.amounts_minor[c]]
    return [*parts, ("held", line.held_minor)] if line.held_minor else parts


@require("loan-list")
def loan_list(request: HttpRequest) -> HttpResponse:
    """Loans by bucket, exception or search; 50 a page, by key. Personal search terms come by POST, never in the address."""
    user, today = _user(request), business_date()
    rows = standings_visible(user, today)
    bucket, show, q = (request.GET.get(k, "").strip() for k in ("bucket", "show", "q"))
    if bucket in BUCKET_ORDER:
        rows = rows.filter(bucket=bucket)
    rows = shown(rows, show, today)
    if q:
        rows = rows.filter(loans_named(q))
    personal = request.POST.get("personal", "").strip() if request.method == "POST" else ""
    if personal:
        h = search_hash(personal)
        rows = rows.filter(
            Q(contract__borrower__phone_hash=h) | Q(contract__borrower__id_hash=h) | Q(contract__borrower__name_hash=h)
        )
        log(user.username, "person.search", "party", "", {"found": rows.count()})
    after = request.GET.get("after", "")
    if after.isdigit():
        rows = rows.filter(contract_id__gt=int(after))
    page = list(rows.select_related("contract__borrower", "contract__branch").order_by("contract_id")[: PAGE_SIZE + 1])
    more = page[PAGE_SIZE - 1].contract_id if len(page) > PAGE_SIZE else None
    context = {
        "rows": page[:PAGE_SIZE],
        "more": more,
        "bucket": bucket if bucket in BUCKET_ORDER else "",
        "show": show,
        "label": shown_label(show),
        "q": q,
        "personal": bool(personal),
        "buckets": BUCKET_ORDER,
    }
    return render(request, "lending/loan_list.html", context)


def _end_of(on: date) -> datetime:
    zone = ZoneInfo(settings.BUSINESS_TIME_ZONE)
    return datetime.combine(on + timedelta(days=1), time(), zone).astimezone(UTC) - timedelta(microseconds=1)


def _asked_day(request: HttpRequest, contract: Contract) -> date:
    try:
        asked = date_read(request.GET["as_of"]) if request.GET.get("as_of") else business_date()
    except ValueError:
        asked = business_date()
    return min(max(asked, contract.disbursed_on), contract.disbursed_on + timedelta(days=40 * 365))


@require("loan")
def loan(request: HttpRequest, number: str) -> HttpResponse:
    """One loan on any day, as known then or as known now."""
    contract = _loan_or_404(request, number)
    today = business_date()
    as_of = _asked_day(request, contract)
    known = request.GET.get("known") == "then"
    standing = loan_standing(contract, as_of, _end_of(as_of) if known else None)
    _log_read(request, contract)
    events = list(contract.events.order_by("effective_on", "seq"))
    stops = sorted({e.effective_on for e in events} | {date_of(r.due_on) for r in standing.rows} | {contract.disbursed_on})
    last = max(today, stops[-1])
    context = {
        "contract": contract,
        "standing": standing,
        "as_of": as_of,
        "today": today,
        "known": known,
        "journal": [_journal_line(e, standing) for e in events],
        "parties": contract.parties.select_related("party"),
        "previous": max((d for d in stops if d < as_of), default=None),
        "next": min((d for d in stops if d > as_of), default=None),
        "span": (last - contract.disbursed_on).days,
        "at": (as_of - contract.disbursed_on).days,
        "ticks": [(d - contract.disbursed_on).days for d in stops],
        "fees_minor": standing.fee_minor + standing.third_party_fee_minor,
        "why": _why(contract, standing),
        "totals": _totals(standing),
    }
    name = "lending/loan.html#ledger" if request.headers.get("HX-Request") else "lending/loan.html"
    return render(request, name, context)


def _percent(ppm: int) -> str:
    return f"{Decimal(ppm) / 10_000:f}".rstrip("0").rstrip(".") + "%" if ppm else "0%"


def _open_principal(r: Row) -> int:
    return min(r.outstanding_minor, r.principal_minor - r.paid_principal_minor)


def _why(contract: Contract, standing: Standing) -> dict[str, Any]:
    """How the figures come about, in words and by instalment: what is open of each row that fell due."""
    terms = terms_for(contract)
    interest = _("Interest = unpaid principal × %(rate)s a year × time.") % {"rate": _percent(terms.annual_rate_ppm)}
    penalty = ""
    if terms.penalty is not None:
        p = terms.penalty
        times = "" if p.rate_ppm >= 0 else f" × {p.ratio_num / p.ratio_den:g}"
        late = f"{_percent(p.rate_ppm if p.rate_ppm >= 0 else terms.annual_rate_ppm)}{times}"
        penalty = _("On the late part: %(rate)s a year, for each day late.") % {"rate": late}
    rows = [
        {
            "nr": r.nr,
            "due_on": r.due_on,
            "open_principal_minor": _open_principal(r),
            "open_interest_minor": r.outstanding_minor - _open_principal(r),
            "late_minor": r.penalty_minor + r.compound_minor,
        }
        for r in standing.rows
        if r.due_on <= standing.as_of and (r.outstanding_minor or r.penalty_minor or r.compound_minor)
    ]
    return {"interest": interest, "penalty": penalty, "rows": rows}


def _log_read(request: HttpRequest, contract: Contract) -> None:
    """Log every page of a loan that is opened; a swap inside an open page adds nothing once the day has an entry."""
    user = _user(request)
    if request.headers.get("HX-Request"):
        start = datetime.combine(business_date(), time(), ZoneInfo(settings.BUSINESS_TIME_ZONE))
        seen = ActionLog.objects.filter(object_id=contract.number, actor=user.username, action="loan.read", at__gte=start)
        if seen.exists():
            return
    log(user.username, "loan.read", "loan", contract.number)


def _journal_line(event: Any, standing: Standing) -> dict[str, Any]:
    line = next((t for t in standing.trace if t.seq == event.seq), None)
    return {
        "event": event,
        "kind": EventKind(event.kind).name.lower(),
        "parts": _parts(line) if line else [],
        "future": day(event.effective_on) > standing.as_of,
    }


@require("loan-what-if")
def loan_what_if(request: HttpRequest, number: str) -> HttpResponse:
    """What a payment or a pay-off on a day would do: the same replay with one more event; nothing is written."""
    contract = _loan_or_404(request, number)
    _log_read(request, contract)
    context: dict[str, Any] = {"contract": contract, "given": request.GET, "error": "", "after": None}
    try:
        on = date_read(request.GET.get("on", ""))
        kind = EventKind.PAYOFF if request.GET.get("kind") == "payoff" else EventKind.PAYMENT
        amount = amount_read(request.GET.get("amount", "")) if kind == EventKind.PAYMENT else 0
        if on < contract.disbursed_on:
            raise ValueError("date")
        event = Event(seq=10**9, on=day(on), kind=kind, amount_minor=amount)
        before = loan_standing(contract, on)
        after = loan_standing(contract, on, what_if=[event])
        line = next((t for t in after.trace if t.seq == event.seq), None)
        context |= {"before": before, "after": after, "parts": _parts(line) if line else [], "on": on}
    except EventRejected as error:
        context["error"] = error.reason
    except ValueError as error:
        wrong_date = str(error) == "date"
        context["error"] = _("Enter a date, for example 2026-12-05") if wrong_date else _("Enter an amount, for example 1200.00")
    return render(request, "lending/what_if.html", context, status=422 if context["error"] else 200)


@require("person")
def person(request: HttpRequest, reference: str) -> HttpResponse:
    """A person's file: masked; a role that may asks to see it in full, which is logged."""
    user, today = _user(request), business_date()
    party = parties_visible(user, today).filter(reference=reference).first()
    if party is None:
        raise Http404(reference)
    reveal = request.method == "POST"
    if reveal and not can(user, "reveal-personal"):
        raise PermissionDenied("reveal-personal")
    log(user.username, "person.reveal" if reveal else "person.read", "party", party.reference)
    loans = standings_visible(user, today).filter(contract__borrower=party)
    context = {
        "party": party,
        "reveal": reveal,
        "may_reveal": can(user, "reveal-personal"),
        "loans": loans.select_related("contract"),
    }
    return render(request, "lending/person.html", context)


@require("action-log")
def action_log(request: HttpRequest) -> HttpResponse:
    """The newest entries of the action log; older ones by key."""
    rows = ActionLog.objects.order_by("-id")
    before = request.GET.get("before", "")
    if before.isdigit():
        rows = rows.filter(pk__lt=int(before))
    page = list(rows[:PAGE_SIZE])
    return render(request, "lending/action_log.html", {"rows": page, "more": page[-1].pk if len(page) == PAGE_SIZE else None})
