"""REST of receipts: money for a borrower, its parts on loans, and taking it back as one act."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.action_log import log
from tideover.core.api_approvals import WaitingOut, waiting_out
from tideover.core.business_time import business_date
from tideover.core.models import Approval
from tideover.core.problems import refuse
from tideover.core.rest import Amount, Cursor, Day, Key, Limit, Money, Strict, decimal, minor, one_of, page_of, route
from tideover.engine.terms import date_of
from tideover.lending.models import LegalEntity, Receipt, ReceiptPart
from tideover.lending.receipts.approvals import receipt_reverse_ask
from tideover.lending.receipts.correct import receipt_move_ask
from tideover.lending.receipts.panels import PartShown, parts_shown, undo_what_if
from tideover.lending.receipts.refunds import refund_ask
from tideover.lending.receipts.screening import release_ask
from tideover.lending.receipts.selectors import FILTERS, receipts_filtered, receipts_visible
from tideover.lending.receipts.selectors import receipt_get as receipt_visible
from tideover.lending.receipts.services import Payer, Source, receipt_record
from tideover.lending.scope import entities_visible, parties_reachable
from tideover.lending.selectors import contracts_visible

router = Router(tags=["receipts"])


class DesignationIn(Strict):
    debt: str = Field(max_length=30, description="number of the loan")
    amount: Money | None = Field(None, description="null: as much as the loan asks for")


class ReceiptIn(Strict):
    party: str | None = Field(None, max_length=20, description="null: nobody knows yet whose debt it pays; nothing is guessed")
    entity: str = Field(max_length=20)
    amount: Money
    received_on: Day
    source: Literal["bank", "app", "other"] = Field("other", description="where the money came in; a counter has its own address")
    reference: str = Field("", max_length=80, description="the number that the payment has there")
    payer_name: str = Field("", max_length=80)
    payer_account: str = Field("", max_length=40)
    payer_bank: str = Field("", max_length=80)
    designation: list[DesignationIn] | None = Field(None, max_length=100)


class StepOut(Schema):
    """What one step gave. `step`: designation, contract, law_…, not_yet_due, debit, by_hand (docs/receipts.md)."""

    step: str
    amount: Amount


class PartOut(Schema):
    """A part of a receipt that stands. `loan_id` is null for a loan of the same borrower outside your scope."""

    loan_id: str | None
    amount: Amount
    booked_on: date
    steps: list[StepOut]


class ReceiptOut(Schema):
    number: str
    party: str | None
    amount: Amount
    placed: Amount
    unapplied: Amount
    refunding: Amount
    refunded: Amount
    received_on: date
    reversed_at: datetime | None
    payer_is: str
    screening: str
    waiting: bool
    parts: list[PartOut]


class ReceiptPage(Schema):
    items: list[ReceiptOut]
    next_cursor: int | None


@route(router.get, "/receipts", "receipts-list", ReceiptPage)
def receipts_list(request: HttpRequest, cursor: Cursor, limit: Limit, party: str = "", show: str = "") -> dict[str, Any]:
    """Receipts in your scope. Logged.

    `party` filters, and `show`: unplaced, left, waiting, stopped, third_party, alerts, refunds, reversed.
    """
    if show and show not in FILTERS:
        raise refuse("unknown_filter", f"show is one of {', '.join(FILTERS)}", "show")
    rows = receipts_filtered(receipts_visible(request.user, business_date()), show=show, party=party)
    page = page_of(rows.select_related("party").prefetch_related("parts"), cursor, limit, lambda r: r)
    page["items"] = _receipts_out(request, page["items"])
    log(request.user.username, "receipt.list", "party", party, {"found": len(page["items"])})
    return page


@route(router.post, "/receipts", "receipts-create", ReceiptOut)
def receipt_create(request: HttpRequest, body: ReceiptIn, key: Key) -> dict[str, Any]:
    """Money for a borrower, divided over the loans; idempotent by the Idempotency-Key header."""
    today = business_date()
    party = one_of(parties_reachable(request.user, today), "party", "party", reference=body.party) if body.party else None
    entity: LegalEntity = one_of(entities_visible(request.user, today), "entity", "entity", code=body.entity)
    if party is not None and not contracts_visible(request.user, today).filter(borrower=party, entity=entity).exists():
        raise refuse("no_such_entity", f"{body.party} has no loan with {body.entity}", "entity")
    lines = [
        {"debt": d.debt, **({"amount": str(d.amount)} if d.amount is not None else {})} for d in body.designation or ()
    ] or None
    receipt = receipt_record(
        party=party,
        entity_id=entity.pk,
        amount_minor=minor(body.amount),
        received_on=body.received_on,
        payer=Payer(body.payer_name, body.payer_account, body.payer_bank),
        source=Source(body.source, body.reference),
        designation=lines,
        idempotency_key=key,
        actor=request.user.username,
    )
    return _receipts_out(request, [receipt])[0]


@route(router.get, "/receipts/{number}", "receipt-get", ReceiptOut)
def receipt_get(request: HttpRequest, number: str) -> dict[str, Any]:
    """One receipt and its parts; logged."""
    receipt = _receipt(request, number)
    log(request.user.username, "receipt.read", "receipt", number)
    return _receipts_out(request, [receipt])[0]


def _receipt(request: HttpRequest, number: str) -> Receipt:
    return receipt_visible(request.user, number, business_date())


class ComponentOut(Schema):
    name: str
    amount: Amount


class InstalmentOut(Schema):
    nr: int
    due_on: date
    principal: Amount
    interest: Amount
    late: Amount


class TrailPartOut(PartOut):
    """A part down to the component of each instalment, as it was booked; `ended`: it does not stand any more."""

    ended: bool
    seq: int | None
    components: list[ComponentOut]
    instalments: list[InstalmentOut]


class UndoneOut(Schema):
    """A loan today as it is, and as it would be without the receipt."""

    loan_id: str
    payoff: Amount
    payoff_without: Amount
    overdue: Amount
    overdue_without: Amount
    days_past_due: int
    days_past_due_without: int


class TrailOut(Schema):
    number: str
    parts: list[TrailPartOut]
    undone: list[UndoneOut]


@route(router.get, "/receipts/{number}/trail", "receipt-trail", TrailOut)
def receipt_trail(request: HttpRequest, number: str) -> dict[str, Any]:
    """Where the money went, down to the component of each instalment, and what today would be without it; logged."""
    receipt = _receipt(request, number)
    log(request.user.username, "receipt.read", "receipt", number)
    undone = [
        {
            "loan_id": u.contract.number, "payoff": decimal(u.now.payoff_minor), "payoff_without": decimal(u.then.payoff_minor),
            "overdue": decimal(u.now.total_overdue_minor), "overdue_without": decimal(u.then.total_overdue_minor),
            "days_past_due": u.now.days_past_due, "days_past_due_without": u.then.days_past_due,
        }
        for u in undo_what_if(request.user, receipt)
    ]  # fmt: skip
    return {"number": number, "parts": [_trail_out(p) for p in parts_shown(request.user, receipt)], "undone": undone}


def _trail_out(p: PartShown) -> dict[str, Any]:
    rows = p.trail.rows if p.trail else []
    return {
        **_part_out(p.part, p.contract.number if p.contract else None), "ended": p.ended,
        "seq": p.trail.event.seq if p.trail else None,
        "components": [{"name": n, "amount": decimal(a)} for n, a in (p.trail.parts if p.trail else [])],
        "instalments": [
            {
                "nr": r.nr, "due_on": date_of(r.due_on), "principal": decimal(r.principal_minor),
                "interest": decimal(r.interest_minor), "late": decimal(r.late_minor),
            }
            for r in rows
        ],
    }  # fmt: skip


class MovePartIn(Strict):
    loan: str = Field(max_length=30)
    amount: Money


class MoveIn(Strict):
    parts: list[MovePartIn] = Field(max_length=100, description="exactly these; empty: the money is nobody's again")
    reason: str = Field(min_length=1, max_length=1000)


@route(router.post, "/receipts/{number}/move", "receipt-move", {200: ReceiptOut, 202: WaitingOut})
def receipt_correct(request: HttpRequest, number: str, body: MoveIn, key: Key) -> Any:
    """Put the money on other loans as one act, of this person or of another; 202 where a second person must decide."""
    receipt = _receipt(request, number)
    loans = contracts_visible(request.user, business_date())
    for part in body.parts:
        one_of(loans, "loan", "parts", number=part.loan)
    parts = [(p.loan, minor(p.amount)) for p in body.parts]
    done = receipt_move_ask(receipt, parts=parts, reason=body.reason, actor=request.user, key=key)
    return (202, waiting_out(done)) if isinstance(done, Approval) else _receipts_out(request, [done])[0]


class RefundIn(Strict):
    amount: Money
    reason: str = Field(min_length=1, max_length=1000)


@route(router.post, "/receipts/{number}/refund", "receipt-refund", {202: WaitingOut})
def receipt_refund(request: HttpRequest, number: str, body: RefundIn, key: Key) -> Any:
    """Ask a second person to send money back to the account that it came from."""
    receipt = _receipt(request, number)
    asked = refund_ask(receipt, amount_minor=minor(body.amount), reason=body.reason, actor=request.user, key=key)
    return 202, waiting_out(asked)


class ReleaseIn(Strict):
    what: Literal["release", "keep"]
    reason: str = Field(min_length=1, max_length=1000)


@route(router.post, "/receipts/{number}/release", "receipt-release", {202: WaitingOut})
def receipt_release(request: HttpRequest, number: str, body: ReleaseIn, key: Key) -> Any:
    """Ask compliance to book money that a watch list stopped, or to keep it unplaced."""
    return 202, waiting_out(
        release_ask(_receipt(request, number), what=body.what, reason=body.reason, actor=request.user, key=key)
    )  # fmt: skip


class ReverseIn(Strict):
    reason: str = Field("", max_length=1000, description="why, for whoever decides")


@route(router.post, "/receipts/{number}/reverse", "receipt-reverse", {200: ReceiptOut, 202: WaitingOut})
def receipt_undo(request: HttpRequest, number: str, body: ReverseIn, key: Key) -> Any:
    """Reverse every part of a receipt as one act; 202 with the approval that waits where a second person must decide."""
    receipt = _receipt(request, number)
    done = receipt_reverse_ask(receipt, idempotency_key=key, reason=body.reason or "receipt.reverse", actor=request.user)
    if isinstance(done, Approval):
        return 202, waiting_out(done)
    return _receipts_out(request, [done])[0]


def _receipts_out(request: HttpRequest, receipts: list[Receipt]) -> list[dict[str, Any]]:
    """Receipts and their parts that stand; a loan outside the scope keeps its number to itself."""
    parts_of = {r.pk: list(r.parts.all()) for r in receipts}
    parts = [p for own in parts_of.values() for p in own]
    visible = contracts_visible(request.user, business_date()).filter(pk__in={p.contract_id for p in parts})
    numbers = dict(visible.values_list("pk", "number"))
    return [
        {
            "number": r.number,
            "party": r.party.reference if r.party else None,
            "amount": decimal(r.amount_minor),
            "placed": decimal(r.placed_minor),
            "unapplied": decimal(r.unapplied_minor),
            "refunding": decimal(r.refunding_minor),
            "refunded": decimal(r.refunded_minor),
            "received_on": r.received_on,
            "reversed_at": r.reversed_at,
            "payer_is": r.payer_is,
            "screening": r.screening,
            "waiting": r.waiting,
            "parts": [_part_out(p, numbers.get(p.contract_id)) for p in parts_of[r.pk] if p.ended_at is None],
        }
        for r in receipts
    ]


def _part_out(p: ReceiptPart, loan: str | None) -> dict[str, Any]:
    steps = [{"step": s, "amount": decimal(a)} for s, a in p.steps]
    return {"loan_id": loan, "amount": decimal(p.amount_minor), "booked_on": p.booked_on, "steps": steps}
