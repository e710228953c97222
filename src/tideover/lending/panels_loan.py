"""What the page of one loan shows: what is owed and how it came about, schedule, journal, where a payment went, what if."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from tideover.core.business_time import now, start_of_day
from tideover.core.written import percent_text as _percent
from tideover.engine.events import PAYMENT_KINDS, DebitStatus, Event, EventKind
from tideover.engine.replay import replay
from tideover.engine.standing import Depth, Row, Standing, TraceLine
from tideover.engine.terms import NO_DAY, Component, DayCount, Terms, date_of, day
from tideover.lending.contract_terms import terms_for
from tideover.lending.journal import engine_events
from tideover.lending.models import (
    Complaint,
    Contract,
    Debit,
    Dispute,
    HelpRequest,
    Hold,
    LoanEvent,
    Promise,
)  # fmt: skip
from tideover.lending.rules.debits import MOVING
from tideover.lending.selectors import loan_standing
from tideover.lending.services_holds import open_now
from tideover.lending.words import money

MONEY_IN = PAYMENT_KINDS | {
    EventKind.PREPAYMENT, EventKind.REPAY_PART, EventKind.PAYOFF, EventKind.GUARANTOR_PAYMENT, EventKind.PAY_GUARANTOR,
    EventKind.SETTLEMENT,
}  # fmt: skip
"""Kinds of event that bring money, so that it can be asked where the money went; a debit does when it succeeded."""
YEAR_DAYS = {DayCount.ACT_360: 360, DayCount.ACT_365F: 365}


@dataclass(frozen=True, slots=True)
class OwedLine:
    """One component on the day: what is owed, what was paid and waived so far (minor units), and how it comes about."""

    name: str
    owed_minor: int
    paid_minor: int
    waived_minor: int
    how: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """One instalment with what is due, paid and open by component (minor units). `state`: paid, late, due or to_come."""

    row: Row
    open_principal_minor: int
    open_interest_minor: int
    late_minor: int
    state: str

    @property
    def total_minor(self) -> int:
        return self.row.total_minor

    @property
    def open_minor(self) -> int:
        return self.open_principal_minor + self.open_interest_minor + self.late_minor


@dataclass(frozen=True, slots=True)
class TrailRow:
    """What one payment did to one instalment (minor units)."""

    nr: int
    due_on: int
    principal_minor: int
    interest_minor: int
    late_minor: int

    @property
    def total_minor(self) -> int:
        return self.principal_minor + self.interest_minor + self.late_minor


@dataclass(frozen=True, slots=True)
class Trail:
    """Where one payment went: by component, by instalment, and the loan on that day without and with it."""

    event: LoanEvent
    kind: str
    parts: list[tuple[str, int]]
    total_minor: int
    rows: list[TrailRow]
    before: Standing
    after: Standing
    taken_back: LoanEvent | None


def open_principal(r: Row) -> int:
    """Unpaid principal of a row, minor units."""
    return min(r.outstanding_minor, r.principal_minor - r.paid_principal_minor)


def parts_of(line: TraceLine) -> list[tuple[str, int]]:
    """Where an event's money went: (component, minor units), what is held for later last."""
    parts = [(c.name.lower(), line.amounts_minor[c]) for c in Component if line.amounts_minor[c]]
    return [*parts, ("held", line.held_minor)] if line.held_minor else parts


def end_of(on: date) -> datetime:
    """The last instant of a business date."""
    return start_of_day(on + timedelta(days=1)) - timedelta(microseconds=1)


def schedule_lines(standing: Standing, covered_by: str = "") -> list[ScheduleLine]:
    """The schedule on the standing's day. covered_by: what stands for late and due rows whose money is under way or here."""
    return [_schedule_line(r, standing.as_of, covered_by) for r in standing.rows]


def _schedule_line(r: Row, as_of: int, covered_by: str) -> ScheduleLine:
    principal = open_principal(r)
    late = r.penalty_minor + r.compound_minor
    state = "paid" if not r.outstanding_minor else "to_come" if r.due_on > as_of else "due" if r.due_on == as_of else "late"
    if covered_by and state in ("due", "late"):
        state = covered_by
    return ScheduleLine(r, principal, r.outstanding_minor - principal, late, state)


def schedule_totals(lines: list[ScheduleLine]) -> dict[str, int]:
    """The schedule's last row, in minor units."""
    rows = [line.row for line in lines]
    return {
        "principal": sum(r.principal_minor for r in rows),
        "interest": sum(r.interest_minor for r in rows),
        "total": sum(r.total_minor for r in rows),
        "paid_principal": sum(r.paid_principal_minor for r in rows),
        "paid_interest": sum(r.paid_interest_minor for r in rows),
        "paid": sum(r.paid_minor for r in rows),
        "open_principal": sum(line.open_principal_minor for line in lines),
        "open_interest": sum(line.open_interest_minor for line in lines),
        "late": sum(line.late_minor for line in lines),
        "open": sum(line.open_minor for line in lines),
    }


def owed_lines(contract: Contract, standing: Standing, events: list[LoanEvent]) -> list[OwedLine]:
    """Every component that is owed, was paid or was waived, in the order people read them; the parts add up to the pay-off."""
    s, terms = standing, terms_for(contract)
    waivers = {e.seq for e in events if e.kind == EventKind.WAIVER}
    paid, waived = [0] * len(Component), [0] * len(Component)
    for line in s.trace:
        into = waived if line.seq in waivers else paid
        for c in Component:
            into[c] += line.amounts_minor[c]
    paid[Component.PRINCIPAL] = sum(r.paid_principal_minor for r in s.rows) or paid[Component.PRINCIPAL]
    paid[Component.INTEREST] = sum(r.paid_interest_minor for r in s.rows) or paid[Component.INTEREST]
    owed = (
        ("principal", s.principal_minor, Component.PRINCIPAL),
        ("interest", s.interest_minor, Component.INTEREST),
        ("accrued", s.accrued_minor, None),
        ("penalty", s.penalty_minor, Component.PENALTY),
        ("compound", s.compound_minor, Component.COMPOUND),
        ("fee", s.fee_minor, Component.FEE),
        ("third_party_fee", s.third_party_fee_minor, Component.THIRD_PARTY_FEE),
        ("recovery_cost", s.recovery_cost_minor, Component.RECOVERY_COST),
    )
    how = _how(contract, terms, s)
    lines = [
        OwedLine(name, minor, 0 if c is None else paid[c], 0 if c is None else waived[c], how.get(name, []) if minor else [])
        for name, minor, c in owed
    ]
    return [line for line in lines if line.owed_minor or line.paid_minor or line.waived_minor or line.name == "principal"]


def _how(contract: Contract, terms: Terms, s: Standing) -> dict[str, list[str]]:
    """Sentences that say how a component comes about; a product is shown only where it gives the figure to the cent."""
    due = [r for r in s.rows if r.due_on <= s.as_of]
    open_due = [r for r in due if r.outstanding_minor or r.penalty_minor or r.compound_minor]
    interest = [
        _("No. %(nr)s of %(day)s: %(sum)s")
        % {"nr": r.nr, "day": _iso(r.due_on), "sum": money(r.outstanding_minor - open_principal(r))}
        for r in open_due
        if r.outstanding_minor > open_principal(r)
    ]
    return {
        "principal": [
            _("%(lent)s paid out, %(paid)s paid back")
            % {"lent": money(contract.principal_minor), "paid": money(contract.principal_minor - s.principal_minor)}
        ]
        if s.principal_minor <= contract.principal_minor
        else [],
        "interest": interest,
        "accrued": _how_accrued(s),
        "penalty": [h for r in open_due if (h := _how_late(terms, r, s.as_of, "penalty", _iso))],
        "compound": [h for r in open_due if (h := _how_late(terms, r, s.as_of, "compound", _iso))],
    }


def _how_accrued(s: Standing) -> list[str]:
    coming = next((r for r in s.rows if r.due_on > s.as_of), None)
    if coming is None:
        return []
    started = max((r.due_on for r in s.rows if r.due_on <= s.as_of), default=NO_DAY)
    days = s.as_of - started
    whole = coming.due_on - started
    if started != NO_DAY and _half_up(coming.interest_minor * days, whole) == s.accrued_minor:
        words = _("No. %(nr)s of %(day)s: %(sum)s × %(days)s of %(whole)s days")
        return [
            words
            % {"nr": coming.nr, "day": _iso(coming.due_on), "sum": money(coming.interest_minor), "days": days, "whole": whole}
        ]
    return [_("No. %(nr)s of %(day)s: interest up to this day") % {"nr": coming.nr, "day": _iso(coming.due_on)}]


def late_sentences(terms: Terms, s: Standing, written: Callable[[int], str]) -> list[str]:
    """How the interest on each late instalment comes about, and that on late interest; `written`: how a day is written."""
    due = [r for r in s.rows if r.due_on <= s.as_of and (r.penalty_minor or r.compound_minor)]
    return [h for name in ("penalty", "compound") for r in due if (h := _how_late(terms, r, s.as_of, name, written))]


def _how_late(terms: Terms, r: Row, as_of: int, name: str, written: Callable[[int], str]) -> str:
    """`No. 11: ¥3,750.00 × 5.45% × 3/2 ÷ 360 × 5 days = ¥4.26` where that is the figure; else the days and the figure."""
    amount = r.penalty_minor if name == "penalty" else r.compound_minor
    p = terms.penalty
    if not amount or p is None:
        return ""
    days = as_of - r.late_from
    rate, num, den = (p.rate_ppm, 1, 1) if p.rate_ppm >= 0 else (terms.annual_rate_ppm, p.ratio_num, p.ratio_den)
    count, base = p.day_count, open_principal(r)
    if name == "compound":
        rate, num, den, count = terms.annual_rate_ppm, 1, 1, p.compound_day_count
        base = r.outstanding_minor - base
    year = YEAR_DAYS.get(count, 0)
    values = {"nr": r.nr, "base": money(base), "rate": _percent(rate), "days": days, "year": year, "sum": money(amount)}
    if year and base and _half_up(base * rate * num * days, 1_000_000 * den * year) == amount:
        times = "" if num == den else f" × {num}/{den}"
        return _("No. %(nr)s: %(base)s × %(rate)s%(times)s ÷ %(year)s × %(days)s days = %(sum)s") % {**values, "times": times}
    return _("No. %(nr)s: day by day since %(day)s, less what was paid or waived: %(sum)s") % {
        **values,
        "day": written(r.late_from),
    }


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _iso(on: int) -> str:
    return date_of(on).isoformat()


def rates(contract: Contract) -> tuple[int, int | None]:
    """The contract's yearly rate and the yearly rate on the late part (ppm); None without one."""
    terms = terms_for(contract)
    if terms.penalty is None:
        return terms.annual_rate_ppm, None
    p = terms.penalty
    late = p.rate_ppm if p.rate_ppm >= 0 else _half_up(terms.annual_rate_ppm * p.ratio_num, p.ratio_den)
    return terms.annual_rate_ppm, late


def brings_money(event: LoanEvent) -> bool:
    """Whether an entry of the journal brought money."""
    if event.kind == EventKind.DEBIT:
        return (event.extra or {}).get("debit_status") == DebitStatus.SUCCESS.name.lower()
    return event.kind in MONEY_IN


def journal_lines(events: list[LoanEvent], standing: Standing) -> list[dict[str, Any]]:
    """The journal as a table; entries that the standing does not count (later, or learned later) are marked `future`."""
    traced = {t.seq: t for t in standing.trace}
    taken_back = {(e.extra or {}).get("of_seq") for e in events if e.kind == EventKind.REVERSAL}
    return [
        {
            "event": e,
            "kind": EventKind(e.kind).name.lower(),
            "parts": parts_of(traced[e.seq]) if e.seq in traced else [],
            "future": day(e.effective_on) > standing.as_of,
            "taken_back": e.seq in taken_back,
            "money_in": brings_money(e),
            "of_seq": (e.extra or {}).get("of_seq"),
        }
        for e in sorted(events, key=lambda e: (e.effective_on, e.seq))
    ]


def payment_trail(contract: Contract, seq: int) -> Trail | None:
    """Where entry `seq` of the journal went when it was booked; None when there is none or it brought no money.

    Two replays of what the journal held then, on the payment's own day: without it and with it.
    """
    events = list(contract.events.order_by("seq"))
    event = next((e for e in events if e.seq == seq), None)
    if event is None or not brings_money(event):
        return None
    known, terms, on = engine_events(events), terms_for(contract), day(event.effective_on)
    before = replay(terms, [e for e in known if e.seq < seq], on, None, Depth.TRACE)
    after = replay(terms, [e for e in known if e.seq <= seq], on, None, Depth.TRACE)
    line = next((t for t in after.trace if t.seq == seq), None)
    parts = parts_of(line) if line else []
    back = next((e for e in events if e.kind == EventKind.REVERSAL and (e.extra or {}).get("of_seq") == seq), None)
    kind = EventKind(event.kind).name.lower()
    return Trail(event, kind, parts, sum(a for _name, a in parts), _trail_rows(before, after), before, after, back)


def _trail_rows(before: Standing, after: Standing) -> list[TrailRow]:
    rows = [
        TrailRow(
            b.nr, b.due_on, b.paid_principal_minor - a.paid_principal_minor, b.paid_interest_minor - a.paid_interest_minor,
            a.penalty_minor + a.compound_minor - b.penalty_minor - b.compound_minor,
        )
        for a, b in zip(before.rows, after.rows, strict=False)
    ]  # fmt: skip
    return [r for r in rows if r.total_minor]


def around(contract: Contract) -> dict[str, Any]:
    """What stands around a loan: parties, holds, arrangements, disputes, complaints, help requests, debits under way."""
    mine = Q(contract=contract) | Q(contract=None, party=contract.borrower_id)
    return {
        "parties": contract.parties.select_related("party").order_by("pk"),
        "holds": Hold.objects.filter(mine, open_now(now())),
        "promises": Promise.objects.filter(contract=contract).order_by("-due_on")[:5],
        "disputes": Dispute.objects.filter(mine, closed_on=None),
        "complaints": Complaint.objects.filter(mine, closed_on=None),
        "helps": HelpRequest.objects.filter(mine, closed_at=None),
        "debits": Debit.objects.filter(contract=contract, state__in=MOVING),
    }


def what_if(contract: Contract, kind: EventKind, amount_minor: int, on: date) -> dict[str, Any]:
    """What a payment or pay-off on a day would do: the same replay with one more event. Raises EventRejected."""
    event = Event(seq=10**9, on=day(on), kind=kind, amount_minor=amount_minor)
    before, after = loan_standing(contract, on), loan_standing(contract, on, what_if=[event])
    line = next((t for t in after.trace if t.seq == event.seq), None)
    parts = parts_of(line) if line else []
    return {"before": before, "after": after, "parts": parts, "paid_minor": sum(a for _name, a in parts), "on": on}
