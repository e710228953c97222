"""REST of the book. Money is a decimal string, dates are ISO; every read of a loan takes `as_of` and `known_at`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.action_log import log
from tideover.core.api_approvals import waiting_out
from tideover.core.business_time import business_date
from tideover.core.models import Approval
from tideover.core.problems import Refused, refuse
from tideover.core.rest import Amount, Cursor, Day, Key, Limit, Money, Strict, decimal, minor, page_of, route
from tideover.engine.events import Event, EventKind, EventRejected
from tideover.engine.standing import Standing
from tideover.engine.terms import NO_DAY, Component, date_of, day
from tideover.lending.approvals import event_ask
from tideover.lending.held import Held, standing_held
from tideover.lending.models import Contract, Instruction, LoanEvent, StandingRow
from tideover.lending.payments import NewPayment
from tideover.lending.selectors import bucket_of, contract_get, loan_status, standings_visible
from tideover.lending.services import payments_record

router = Router(tags=["loans and money"])
YEARS_ASKED = 40


class EventIn(Strict):
    kind: str = Field(max_length=30, examples=["payment"])
    effective_on: Day
    amount: Money | None = None
    extra: dict[str, Any] | None = None
    reason: str = Field("", max_length=500, description="why; read by whoever decides, where a second person must")


class WhatIfIn(Strict):
    on: Day = Field(description="day of the hypothetical event")
    kind: str = Field("payment", pattern="^(payment|payoff)$")
    amount: Money | None = None
    as_of: Day | None = Field(None, description="day of the standing; the day of the event when null")
    known_at: datetime | None = None


class PaymentIn(Strict):
    loan: str = Field(max_length=30)
    amount: Money
    effective_on: Day
    idempotency_key: str = Field(min_length=1, max_length=80)


class BatchIn(Strict):
    payments: list[PaymentIn] = Field(min_length=1, max_length=1000)
    all_or_nothing: bool = Field(False, description="true: one that is refused keeps every other one out (422)")


class StandingOut(Schema):
    """The standing of a loan on a day; money as decimal strings."""

    as_of: date
    loan_status: str
    days_past_due: int
    bucket: str
    oldest_due_on: date | None
    next_due_on: date | None
    next_due: Amount
    total_overdue: Amount
    payoff: Amount
    principal: Amount
    interest: Amount
    accrued: Amount
    penalty: Amount
    compound: Amount
    fee: Amount
    third_party_fee: Amount
    recovery_cost: Amount
    surplus: Amount
    source: str = Field("replay", description="whose figures these are: replay, or core while a break is open")
    core_day: date | None = Field(None, description="the day of the core's file, where its figures hold")


class EventAskedOut(Schema):
    """What is not in force yet: the approval that waits, or the instruction that the core has not confirmed."""

    state: str
    approval: str | None = None
    steps: list[list[str]] = Field([], description="for each step of the approval the roles of which one person decides")
    until: datetime | None = None
    instruction: str | None = None


class RowOut(Schema):
    """One instalment."""

    nr: int
    due_on: date
    principal: Amount
    interest: Amount
    paid: Amount
    outstanding: Amount
    penalty: Amount
    compound: Amount
    balance: Amount
    paid_on: date | None


class TraceOut(Schema):
    """Where one event's money went; `parts` by component."""

    seq: int
    on: date
    held: Amount
    parts: dict[str, Amount]


class ScheduleOut(Schema):
    as_of: date
    rows: list[RowOut]
    trace: list[TraceOut]


class TracePage(Schema):
    as_of: date
    items: list[TraceOut]


class EventOut(Schema):
    seq: int
    kind: str
    effective_on: date
    recorded_at: str
    amount: Amount
    extra: dict[str, Any] | None
    actor: str
    hash: str


class EventPage(Schema):
    items: list[EventOut]
    next_cursor: int | None


class EventDone(Schema):
    event: EventOut
    standing: StandingOut


class LoanLine(Schema):
    loan_id: str
    borrower_id: str
    as_of: date
    loan_status: str
    five_category: str
    bucket: str
    days_past_due: int
    principal: Amount
    overdue: Amount
    payoff: Amount


class LoanPage(Schema):
    items: list[LoanLine]
    next_cursor: int | None


class LoanOut(Schema):
    loan_id: str
    borrower_id: str
    product_code: str
    product_version: int
    currency: str
    origination_date: date
    original_principal_balance: Amount
    annual_rate_ppm: int
    standing: StandingOut


class PayoffOut(Schema):
    """What pays the loan off on a day, by component: the parts add up to `payoff`."""

    loan_id: str
    as_of: date
    payoff: Amount
    parts: dict[str, Amount]


class WhatIfOut(Schema):
    standing: StandingOut
    rows: list[RowOut]
    trace: list[TraceOut]


class BatchLine(Schema):
    index: int
    ok: bool
    seq: int | None = None
    errors: list[dict[str, str]] | None = None


class BatchOut(Schema):
    accepted: int
    results: list[BatchLine]


def iso(value: int) -> str | None:
    return None if value == NO_DAY else date_of(value).isoformat()


def held_out(held: Held) -> dict[str, Any]:
    """A standing as JSON, with whose figures it shows."""
    return standing_out(held.standing) | {"source": held.source, "core_day": held.core_on}


def standing_out(s: Standing) -> dict[str, Any]:
    """A standing as JSON."""
    names = ("principal", "interest", "accrued", "penalty", "compound", "fee", "third_party_fee", "recovery_cost", "surplus")
    return {
        "as_of": iso(s.as_of),
        "loan_status": loan_status(s),
        "days_past_due": s.days_past_due,
        "bucket": bucket_of(s.days_past_due),
        "oldest_due_on": iso(s.oldest_due_on),
        "next_due_on": iso(s.next_due_on),
        "next_due": decimal(s.next_due_minor),
        "total_overdue": decimal(s.total_overdue_minor),
        "payoff": decimal(s.payoff_minor),
        **{n: decimal(getattr(s, f"{n}_minor")) for n in names},
    }


def rows_out(s: Standing) -> list[dict[str, Any]]:
    """Rows as JSON."""
    return [
        {
            "nr": r.nr,
            "due_on": iso(r.due_on),
            "principal": decimal(r.principal_minor),
            "interest": decimal(r.interest_minor),
            "paid": decimal(r.paid_minor),
            "outstanding": decimal(r.outstanding_minor),
            "penalty": decimal(r.penalty_minor),
            "compound": decimal(r.compound_minor),
            "balance": decimal(r.balance_minor),
            "paid_on": iso(r.paid_on),
        }
        for r in s.rows
    ]


def trace_out(s: Standing) -> list[dict[str, Any]]:
    """Where each event's money went."""
    return [
        {
            "seq": t.seq,
            "on": iso(t.on),
            "held": decimal(t.held_minor),
            "parts": {c.name.lower(): decimal(t.amounts_minor[c]) for c in Component if t.amounts_minor[c]},
        }
        for t in s.trace
    ]


def event_out(e: LoanEvent) -> dict[str, Any]:
    """A journal event as JSON."""
    return {
        "seq": e.seq,
        "kind": EventKind(e.kind).name.lower(),
        "effective_on": e.effective_on.isoformat(),
        "recorded_at": e.recorded_at.isoformat(),
        "amount": decimal(e.amount_minor),
        "extra": e.extra,
        "actor": e.actor,
        "hash": bytes(e.hash).hex(),
    }


def _kind(name: str) -> EventKind:
    try:
        return EventKind[name.upper()]
    except KeyError:
        known = ", ".join(k.name.lower() for k in EventKind)
        raise refuse("unknown_kind", f"kind {name} is not one of {known}", "kind") from None


@route(router.get, "/loans", "loans-list", LoanPage)
def loans_list(request: HttpRequest, cursor: Cursor, limit: Limit, bucket: str = "") -> dict[str, Any]:
    """Loans in your scope with their latest standing; `bucket` filters. Ask one loan for another day."""
    rows = standings_visible(request.user, business_date())
    rows = rows.filter(bucket=bucket) if bucket else rows
    return page_of(rows.select_related("contract__borrower"), cursor, limit, _line_out, by="contract_id")


def _line_out(r: StandingRow) -> dict[str, Any]:
    return {
        "loan_id": r.contract.number,
        "borrower_id": r.contract.borrower.reference,
        "as_of": r.as_of,
        "loan_status": r.loan_status,
        "five_category": r.five_category,
        "bucket": r.bucket,
        "days_past_due": r.days_past_due,
        "principal": decimal(r.principal_minor),
        "overdue": decimal(r.overdue_minor),
        "payoff": decimal(r.payoff_minor),
    }


def known_read(known_at: datetime | None) -> datetime | None:
    """`known_at` as given. Raises Refused without a time zone or out of range."""
    if known_at is not None and known_at.tzinfo is None:
        raise refuse("no_time_zone", "known_at needs a time zone, for example 2026-05-03T23:59:59+08:00", "known_at")
    if known_at is not None and not 1971 <= known_at.year < 2199:
        raise refuse("known_at_out_of_range", "known_at must lie between 1971 and 2198", "known_at")
    return known_at


def _day_asked(contract: Contract, on: date, field: str = "as_of") -> date:
    if not 0 <= (on - contract.disbursed_on).days <= YEARS_ASKED * 366:
        message = f"the loan began on {contract.disbursed_on} and is asked within {YEARS_ASKED} years"
        raise refuse(f"{field}_out_of_range", message, field)
    return on


def _asked(request: HttpRequest, number: str, as_of: date | None, known_at: datetime | None) -> tuple[Contract, Held]:
    """The loan and its standing; the read is logged (a loan is part of a person's file)."""
    contract = contract_get(request.user, number, business_date())
    known = known_read(known_at)
    held = standing_held(contract, _day_asked(contract, as_of or max(business_date(), contract.disbursed_on)), known)
    log(request.user.username, "loan.read", "loan", number)
    return contract, held


@route(router.get, "/loans/{number}", "loan-get", LoanOut)
def loan_get(request: HttpRequest, number: str, as_of: Day | None = None, known_at: datetime | None = None) -> dict[str, Any]:
    """One loan and its standing on `as_of`, from what was recorded by `known_at`."""
    contract, held = _asked(request, number, as_of, known_at)
    return {
        "loan_id": contract.number,
        "borrower_id": contract.borrower.reference,
        "product_code": contract.product.code,
        "product_version": contract.product.version,
        "currency": contract.currency,
        "origination_date": contract.disbursed_on,
        "original_principal_balance": decimal(contract.principal_minor),
        "annual_rate_ppm": contract.annual_rate_ppm,
        "standing": held_out(held),
    }


def schedule_out(s: Standing) -> dict[str, Any]:
    """Rows and trace, as the schedule and its preview before signing show them."""
    return {"as_of": iso(s.as_of), "rows": rows_out(s), "trace": trace_out(s)}


@route(router.get, "/loans/{number}/schedule", "loan-schedule", ScheduleOut)
def loan_schedule(request: HttpRequest, number: str, as_of: Day | None = None, known_at: datetime | None = None) -> Any:
    """The rows, and where each payment went."""
    return schedule_out(_asked(request, number, as_of, known_at)[1].standing)


@route(router.get, "/loans/{number}/trace", "loan-trace", TracePage)
def loan_trace(request: HttpRequest, number: str, as_of: Day | None = None, known_at: datetime | None = None) -> Any:
    """Where each event's money went."""
    s = _asked(request, number, as_of, known_at)[1].standing
    return {"as_of": iso(s.as_of), "items": trace_out(s)}


@route(router.get, "/loans/{number}/payoff", "loan-payoff", PayoffOut)
def loan_payoff(request: HttpRequest, number: str, as_of: Day | None = None, known_at: datetime | None = None) -> Any:
    """What pays the loan off on a day (today when not given), by component."""
    contract, held = _asked(request, number, as_of, known_at)
    s = held.standing
    names = ("principal", "interest", "accrued", "penalty", "compound", "fee", "third_party_fee", "recovery_cost")
    parts = {n: getattr(s, f"{n}_minor") for n in names}
    # What is held pays first; anything else between the parts and the pay-off (interest settled early) is shown as itself.
    parts["held"] = -s.surplus_minor
    parts["adjustment"] = s.payoff_minor - sum(parts.values())
    shown = {n: decimal(v) for n, v in parts.items() if v}
    return {"loan_id": contract.number, "as_of": iso(s.as_of), "payoff": decimal(s.payoff_minor), "parts": shown}


@route(router.get, "/loans/{number}/events", "loan-events", EventPage)
def loan_events(
    request: HttpRequest,
    number: str,
    cursor: Cursor,
    limit: Limit,
    as_of: Day | None = None,
    known_at: datetime | None = None,
) -> Any:
    """The journal of a loan: events effective by `as_of` and recorded by `known_at`."""
    contract = contract_get(request.user, number, business_date())
    events = contract.events.all()
    events = events.filter(effective_on__lte=as_of) if as_of else events
    known = known_read(known_at)
    events = events.filter(recorded_at__lte=known) if known else events
    log(request.user.username, "loan.read", "loan", number)
    return page_of(events, cursor, limit, event_out, by="seq")


@route(router.post, "/loans/{number}/events", "loan-event-create", {200: EventDone, 202: EventAskedOut})
def loan_event_create(request: HttpRequest, number: str, body: EventIn, key: Key) -> Any:
    """Append one event; idempotent by the Idempotency-Key header. Which kinds a role may append is in the permission matrix.

    Where authority by amount asks for a second person, nothing is recorded yet: 202 with the approval that waits. The same
    request again answers 200 with the event once it was granted. On a loan whose ledger is a core's, a change is asked of it: 202
    with the instruction.
    """
    contract = contract_get(request.user, number, business_date())
    event = event_ask(
        contract, kind=_kind(body.kind), effective_on=body.effective_on, amount_minor=minor(body.amount), extra=body.extra,
        idempotency_key=key, actor=request.user, reason=body.reason or body.kind,
    )  # fmt: skip
    if isinstance(event, Approval):
        return 202, waiting_out(event)
    if isinstance(event, Instruction):
        return 202, {"instruction": event.reference, "state": event.state}
    on = max(business_date(), contract.disbursed_on)
    return {"event": event_out(event), "standing": held_out(standing_held(contract, on))}


@route(router.post, "/loans/{number}/what-if", "loan-what-if", WhatIfOut, keyed=False)
def what_if(request: HttpRequest, number: str, body: WhatIfIn) -> dict[str, Any]:
    """The standing with one hypothetical payment or pay-off; nothing is written."""
    contract = contract_get(request.user, number, business_date())
    on, as_of = _day_asked(contract, body.on, "on"), _day_asked(contract, body.as_of or body.on)
    if body.kind == "payment" and minor(body.amount) <= 0:
        raise refuse("amount_not_positive", "the amount must be more than zero", "amount")
    event = Event(seq=10**9, on=day(on), kind=_kind(body.kind), amount_minor=minor(body.amount))
    # The hypothetical event is known by whoever asks, whatever was known of the rest.
    try:
        held = standing_held(contract, as_of, known_read(body.known_at), what_if=[event])
    except EventRejected as error:
        raise refuse("event_rejected", error.reason) from error
    log(request.user.username, "loan.read", "loan", number)
    mine = [t for t in trace_out(held.standing) if t["seq"] == event.seq]
    return {"standing": held_out(held), "rows": rows_out(held.standing), "trace": mine}


@route(router.post, "/payments", "payments-create", EventOut, keyed=False)
def payment_create(request: HttpRequest, body: PaymentIn) -> dict[str, Any]:
    """One payment on one loan; idempotent by its key."""
    [done] = payments_record(request.user, [_payment(body)])
    if isinstance(done, Refused):
        raise done
    return event_out(done)


@route(router.post, "/payments/batch", "payments-batch", BatchOut, keyed=False)
def payments_batch(request: HttpRequest, body: BatchIn) -> dict[str, Any]:
    """Up to 1,000 payments; each stands or falls alone, and says so. With `all_or_nothing` they are booked all or not at all: 422
    then lists every problem, its `field` beginning with the payment's place (`payments.3.loan`, counted from 0)."""
    out: list[dict[str, Any]] = []
    found = payments_record(request.user, [_payment(p) for p in body.payments], all_or_nothing=body.all_or_nothing)
    for index, done in enumerate(found):
        if isinstance(done, Refused):
            problems = [{"code": e.code, "message": e.message, "field": e.field} for e in done.problems]
            out.append({"index": index, "ok": False, "errors": problems})
        else:
            out.append({"index": index, "ok": True, "seq": done.seq})
    return {"accepted": sum(o["ok"] for o in out), "results": out}


def _payment(p: PaymentIn) -> NewPayment:
    return NewPayment(p.loan, minor(p.amount), p.effective_on, p.idempotency_key)
