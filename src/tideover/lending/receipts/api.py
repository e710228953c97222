"""REST of receipts: money for a borrower, its parts on loans, and taking it back as one act."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.action_log import log
from tideover.core.api_approvals import WaitingOut, waiting_out
from tideover.core.business_time import business_date
from tideover.core.models import Approval
from tideover.core.problems import NotFound, Problem, refuse
from tideover.core.rest import Amount, Cursor, Day, Key, Limit, Money, Strict, decimal, minor, one_of, page_of, route
from tideover.lending.models import LegalEntity, Receipt
from tideover.lending.receipts.approvals import receipt_reverse_ask
from tideover.lending.receipts.services import Payer, Source, receipt_record
from tideover.lending.scope import entities_visible, parties_reachable
from tideover.lending.selectors import contracts_visible

router = Router(tags=["receipts"])


class DesignationIn(Strict):
    debt: str = Field(max_length=30, description="number of the loan")
    amount: Money | None = Field(None, description="null: as much as the loan asks for")


class ReceiptIn(Strict):
    party: str = Field(max_length=20)
    entity: str = Field(max_length=20)
    amount: Money
    received_on: Day
    source: Literal["counter", "bank", "app", "other"] = Field("other", description="where the money came in")
    reference: str = Field("", max_length=80, description="the number that the payment has there")
    payer_name: str = Field("", max_length=80)
    payer_account: str = Field("", max_length=40)
    payer_bank: str = Field("", max_length=80)
    designation: list[DesignationIn] | None = Field(None, max_length=100)


class PartOut(Schema):
    """A part of a receipt. `loan_id` is null for a loan of the same borrower outside your scope."""

    loan_id: str | None
    amount: Amount


class ReceiptOut(Schema):
    number: str
    party: str | None
    amount: Amount
    unapplied: Amount
    received_on: date
    reversed_at: datetime | None
    parts: list[PartOut]


class ReceiptPage(Schema):
    items: list[ReceiptOut]
    next_cursor: int | None


@route(router.get, "/receipts", "receipts-list", ReceiptPage)
def receipts_list(request: HttpRequest, cursor: Cursor, limit: Limit, party: str = "") -> dict[str, Any]:
    """Receipts of the people in your scope; `party` filters. Logged."""
    rows = _receipts(request)
    rows = rows.filter(party__reference=party) if party else rows
    page = page_of(rows.select_related("party").prefetch_related("parts"), cursor, limit, lambda r: r)
    page["items"] = _receipts_out(request, page["items"])
    log(request.user.username, "receipt.list", "party", party, {"found": len(page["items"])})
    return page


def _receipts(request: HttpRequest) -> Any:
    reached = parties_reachable(request.user, business_date()).filter(pk=OuterRef("party"))
    return Receipt.objects.filter(Exists(reached), entity__in=entities_visible(request.user, business_date()))


@route(router.post, "/receipts", "receipts-create", ReceiptOut)
def receipt_create(request: HttpRequest, body: ReceiptIn, key: Key) -> dict[str, Any]:
    """Money for a borrower, divided over the loans; idempotent by the Idempotency-Key header."""
    today = business_date()
    party = one_of(parties_reachable(request.user, today), "party", "party", reference=body.party)
    entity: LegalEntity = one_of(entities_visible(request.user, today), "entity", "entity", code=body.entity)
    if not contracts_visible(request.user, today).filter(borrower=party, entity=entity).exists():
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
    receipt = _receipts(request).filter(number=number).first()
    if receipt is None:
        raise NotFound(Problem("no_such_receipt", f"there is no receipt {number} in your scope", "number"))
    return receipt


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
    """Receipts and their parts; a loan outside the scope keeps its number to itself."""
    parts = [p for r in receipts for p in r.parts.all()]
    visible = contracts_visible(request.user, business_date()).filter(pk__in={p.contract_id for p in parts})
    numbers = dict(visible.values_list("pk", "number"))
    return [
        {
            "number": r.number,
            "party": r.party.reference if r.party else None,
            "amount": decimal(r.amount_minor),
            "unapplied": decimal(r.unapplied_minor),
            "received_on": r.received_on,
            "reversed_at": r.reversed_at,
            "parts": [{"loan_id": numbers.get(p.contract_id), "amount": decimal(p.amount_minor)} for p in r.parts.all()],
        }
        for r in receipts
    ]
