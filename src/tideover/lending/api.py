"""REST of the book. Money is a decimal string, dates are ISO; every read of a loan takes `as_of` and `known_at`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import wraps
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Header, Router, Schema
from pydantic import ConfigDict, Field

from tideover.core.access import can
from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.problems import NotFound, Problem, Refused, refuse
from tideover.engine.events import Event, EventKind, EventRejected
from tideover.engine.standing import Standing
from tideover.engine.terms import NO_DAY, Component, date_of, day
from tideover.lending.models import LoanEvent, Product, Receipt, StandingRow
from tideover.lending.selectors import (
    bucket_of,
    contract_get,
    contracts_visible,
    loan_standing,
    loan_status,
    parties_visible,
)
from tideover.lending.services import event_record, receipt_record, receipt_reverse

router = Router()
Money = Annotated[Decimal, Field(max_digits=15, decimal_places=2)]
Key = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=80)]
PAGE_MAX = 200


class Forbidden(Refused):
    """The role may not."""

    status = 403


def guarded(permission: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An operation that only the permission's roles may call."""

    def decorate(operation: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(operation)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not can(request.user, permission):
                raise Forbidden(Problem("forbidden", f"your role lacks {permission}"))
            return operation(request, *args, **kwargs)

        return checked

    return decorate


class Strict(Schema):
    """Input that refuses fields it does not know, by name."""

    model_config = ConfigDict(extra="forbid")


class EventIn(Strict):
    kind: str
    effective_on: date
    amount: Money | None = None
    extra: dict[str, Any] | None = None


class ReceiptIn(Strict):
    party: str
    entity: str
    amount: Money
    received_on: date
    channel: str = Field(max_length=20)
    reference: str = Field("", max_length=80)
    payer_name: str = Field("", max_length=80)
    designation: list[dict[str, str]] | None = None


class WhatIfIn(Strict):
    on: date
    kind: str = "payment"
    amount: Money | None = None


class BatchIn(Strict):
    payments: list[PaymentIn] = Field(min_length=1, max_length=1000)


class PaymentIn(Strict):
    loan: str
    amount: Money
    effective_on: date
    idempotency_key: str = Field(min_length=1, max_length=80)


BatchIn.model_rebuild()


def decimal(minor: int) -> str:
    """Decimal string of minor units."""
    return f"{Decimal(minor) / 100:.2f}"


def minor(amount: Decimal | None) -> int:
    """Minor units of a decimal (two places, checked by the schema)."""
    return int((amount or Decimal(0)) * 100)


def iso(value: int) -> str | None:
    return None if value == NO_DAY else date_of(value).isoformat()


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
            **{c.name.lower(): decimal(t.amounts_minor[c]) for c in Component if t.amounts_minor[c]},
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


@router.get("/loans", url_name="loans-list")
@guarded("api:loans-list")
def loans_list(request: HttpRequest, cursor: int = 0, limit: int = 50, bucket: str = "") -> dict[str, Any]:
    """Loans in your scope, by cursor; `bucket` filters."""
    rows = StandingRow.objects.filter(contract__in=contracts_visible(request.user, business_date()), contract_id__gt=cursor)
    if bucket:
        rows = rows.filter(bucket=bucket)
    size = max(1, min(limit, PAGE_MAX))
    page = list(rows.select_related("contract__borrower").order_by("contract_id")[: size + 1])
    return {
        "items": [
            {
                "loan_id": r.contract.number,
                "borrower_id": r.contract.borrower.reference,
                "as_of": r.as_of.isoformat(),
                "loan_status": r.loan_status,
                "five_category": r.five_category,
                "bucket": r.bucket,
                "days_past_due": r.days_past_due,
                "principal": decimal(r.principal_minor),
                "overdue": decimal(r.overdue_minor),
                "payoff": decimal(r.payoff_minor),
            }
            for r in page[:size]
        ],
        "next_cursor": page[size - 1].contract_id if len(page) > size else None,
    }


def _asked(request: HttpRequest, number: str, as_of: date | None, known_at: datetime | None) -> tuple[Any, Standing]:
    contract = contract_get(request.user, number, business_date())
    if known_at is not None and known_at.tzinfo is None:
        raise refuse("no_time_zone", "known_at needs a time zone, for example 2026-05-03T24:00:00+08:00", "known_at")
    on = as_of or business_date()
    if not 0 <= (on - contract.disbursed_on).days <= 40 * 366:
        raise refuse("as_of_out_of_range", f"the loan began on {contract.disbursed_on} and is asked within 40 years", "as_of")
    return contract, loan_standing(contract, on, known_at)


@router.get("/loans/{number}", url_name="loan-get")
@guarded("api:loan-get")
def loan_get(request: HttpRequest, number: str, as_of: date | None = None, known_at: datetime | None = None) -> dict[str, Any]:
    """One loan and its standing on `as_of`, from what was recorded by `known_at`."""
    contract, s = _asked(request, number, as_of, known_at)
    log(request.user.username, "loan.read", "loan", number)
    return {
        "loan_id": contract.number,
        "borrower_id": contract.borrower.reference,
        "product_code": contract.product.code,
        "product_version": contract.product.version,
        "currency": contract.currency,
        "origination_date": contract.disbursed_on.isoformat(),
        "original_principal_balance": decimal(contract.principal_minor),
        "annual_rate_ppm": contract.annual_rate_ppm,
        "standing": standing_out(s),
    }


@router.get("/loans/{number}/schedule", url_name="loan-schedule")
@guarded("api:loan-schedule")
def loan_schedule(
    request: HttpRequest, number: str, as_of: date | None = None, known_at: datetime | None = None
) -> dict[str, Any]:
    """The rows, and where each payment went."""
    _, s = _asked(request, number, as_of, known_at)
    return {"as_of": iso(s.as_of), "rows": rows_out(s), "trace": trace_out(s)}


@router.get("/loans/{number}/events", url_name="loan-events")
@guarded("api:loan-events")
def loan_events(request: HttpRequest, number: str) -> dict[str, Any]:
    """The journal of a loan."""
    contract = contract_get(request.user, number, business_date())
    return {"items": [event_out(e) for e in contract.events.order_by("seq")]}


@router.post("/loans/{number}/events", url_name="loan-event-create")
@guarded("api:loan-event-create")
def loan_event_create(request: HttpRequest, number: str, body: EventIn, key: Key) -> dict[str, Any]:
    """Append one event; idempotent by the Idempotency-Key header."""
    contract = contract_get(request.user, number, business_date())
    event = event_record(
        contract,
        kind=_kind(body.kind),
        effective_on=body.effective_on,
        amount_minor=minor(body.amount),
        extra=body.extra,
        idempotency_key=key,
        actor=request.user.username,
    )
    return {"event": event_out(event), "standing": standing_out(loan_standing(contract, business_date()))}


@router.post("/loans/{number}/what-if", url_name="loan-what-if")
@guarded("api:loan-what-if")
def what_if(request: HttpRequest, number: str, body: WhatIfIn) -> dict[str, Any]:
    """The standing with one hypothetical event; nothing is written."""
    contract = contract_get(request.user, number, business_date())
    if body.on < contract.disbursed_on:
        raise refuse("before_disbursement", f"the loan was disbursed on {contract.disbursed_on}", "on")
    if body.kind not in ("payment", "payoff"):
        raise refuse("unknown_kind", "kind is payment or payoff", "kind")
    if body.kind == "payment" and minor(body.amount) <= 0:
        raise refuse("amount_not_positive", "the amount must be more than zero", "amount")
    event = Event(seq=10**9, on=day(body.on), kind=_kind(body.kind), amount_minor=minor(body.amount))
    try:
        after = loan_standing(contract, body.on, what_if=[event])
    except EventRejected as error:
        raise refuse("event_rejected", error.reason) from error
    return {"standing": standing_out(after), "rows": rows_out(after), "trace": trace_out(after)[-1:]}


@router.post("/payments", url_name="payments-create")
@guarded("api:payments-create")
def payment_create(request: HttpRequest, body: PaymentIn) -> dict[str, Any]:
    """One payment on one loan; idempotent by its key."""
    return event_out(_payment(request, body))


@router.post("/payments/batch", url_name="payments-batch")
@guarded("api:payments-batch")
def payments_batch(request: HttpRequest, body: BatchIn) -> dict[str, Any]:
    """Up to 1,000 payments; each stands or falls alone, and says so."""
    out: list[dict[str, Any]] = []
    for index, p in enumerate(body.payments):
        try:
            out.append({"index": index, "ok": True, "seq": _payment(request, p).seq})
        except Refused as error:
            problems = [{"code": e.code, "message": e.message, "field": e.field} for e in error.problems]
            out.append({"index": index, "ok": False, "errors": problems})
    return {"accepted": sum(o["ok"] for o in out), "results": out}


def _payment(request: HttpRequest, p: PaymentIn) -> LoanEvent:
    return event_record(
        contract_get(request.user, p.loan, business_date()),
        kind=EventKind.PAYMENT,
        effective_on=p.effective_on,
        amount_minor=minor(p.amount),
        idempotency_key=p.idempotency_key,
        actor=request.user.username,
    )


@router.post("/receipts", url_name="receipts-create")
@guarded("api:receipts-create")
def receipt_create(request: HttpRequest, body: ReceiptIn, key: Key) -> dict[str, Any]:
    """Money for a borrower, divided over the loans; idempotent by the Idempotency-Key header."""
    party = parties_visible(request.user, business_date()).filter(reference=body.party).first()
    if party is None:
        raise NotFound(Problem("no_such_party", f"there is no borrower {body.party} in your scope", "party"))
    entity = party.contracts.filter(entity__code=body.entity).values_list("entity_id", flat=True).first()
    if entity is None:
        raise refuse("no_such_entity", f"{body.party} has no loan with {body.entity}", "entity")
    receipt = receipt_record(
        party=party,
        entity_id=entity,
        amount_minor=minor(body.amount),
        received_on=body.received_on,
        channel=body.channel,
        reference=body.reference,
        payer_name=body.payer_name,
        designation=body.designation,
        idempotency_key=key,
        actor=request.user.username,
    )
    return receipt_out(receipt)


@router.post("/receipts/{number}/reverse", url_name="receipt-reverse")
@guarded("api:receipt-reverse")
def receipt_undo(request: HttpRequest, number: str, key: Key) -> dict[str, Any]:
    """Reverse every part of a receipt as one act."""
    visible = parties_visible(request.user, business_date())
    receipt = Receipt.objects.filter(number=number, party__in=visible).first()
    if receipt is None:
        raise NotFound(Problem("no_such_receipt", f"there is no receipt {number} in your scope", "number"))
    return receipt_out(receipt_reverse(receipt, idempotency_key=key, actor=request.user.username))


def receipt_out(r: Receipt) -> dict[str, Any]:
    """A receipt and its parts."""
    return {
        "number": r.number,
        "amount": decimal(r.amount_minor),
        "unapplied": decimal(r.unapplied_minor),
        "received_on": r.received_on.isoformat(),
        "reversed_at": r.reversed_at.isoformat() if r.reversed_at else None,
        "parts": [{"loan_id": p.contract.number, "amount": decimal(p.amount_minor)} for p in r.parts.select_related("contract")],
    }


@router.get("/products", url_name="products-list")
@guarded("api:products-list")
def products_list(request: HttpRequest) -> dict[str, Any]:
    """Every product version."""
    return {
        "items": [
            {"code": p.code, "version": p.version, "name_zh": p.name_zh, "name_en": p.name_en, "conventions": p.conventions}
            for p in Product.objects.order_by("code", "version")
        ]
    }
