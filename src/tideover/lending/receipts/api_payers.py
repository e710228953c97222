"""REST of what surrounds receipts: refunds on their way, alerts about payers, proposals to divide anew."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.api_approvals import WaitingOut, waiting_out
from tideover.core.business_time import business_date
from tideover.core.rest import Amount, Cursor, Day, Limit, Strict, decimal, one_of, page_of, route
from tideover.lending.models import LegalEntity, Party, PayerAlert, Refund
from tideover.lending.receipts.payer import alert_close
from tideover.lending.receipts.proposals import redivide_ask
from tideover.lending.receipts.refunds import refund_move
from tideover.lending.receipts.selectors import alerts_visible, refunds_visible, row_of
from tideover.lending.scope import entities_visible, parties_reachable

router = Router(tags=["receipts"])


class RefundOut(Schema):
    """`state`: approved, sent, gone, returned. `from_unapplied`: what of it was not placed on a loan."""

    reference: str
    receipt: str
    approval: str
    amount: Amount
    from_unapplied: Amount
    state: str
    bank_reference: str
    approved_at: datetime
    sent_at: datetime | None
    ended_on: date | None


class RefundPage(Schema):
    items: list[RefundOut]
    next_cursor: int | None


def _refund_out(r: Refund) -> dict[str, Any]:
    return {
        "reference": r.reference, "receipt": r.receipt.number, "approval": r.approval.reference,
        "amount": decimal(r.amount_minor), "from_unapplied": decimal(r.unapplied_minor), "state": r.state,
        "bank_reference": r.bank_reference, "approved_at": r.approved_at, "sent_at": r.sent_at, "ended_on": r.ended_on,
    }  # fmt: skip


@route(router.get, "/refunds", "refunds-list", RefundPage)
def refunds_list(request: HttpRequest, cursor: Cursor, limit: Limit, state: str = "") -> dict[str, Any]:
    """Refunds of receipts in your scope; `state` filters. One that waits for its second person is an approval."""
    rows = refunds_visible(request.user, business_date())
    return page_of(rows.filter(state=state) if state else rows, cursor, limit, _refund_out)


class RefundStateIn(Strict):
    state: Literal["sent", "gone", "returned"]
    on: Day | None = None
    bank_reference: str = Field("", max_length=80)
    reason: str = Field("", max_length=200)


@route(router.post, "/refunds/{reference}/state", "refund-state", RefundOut)
def refund_state(request: HttpRequest, reference: str, body: RefundStateIn) -> dict[str, Any]:
    """Say what the bank did: sent, gone, or returned (then the money is here again)."""
    refund: Refund = row_of(Refund, refunds_visible(request.user, business_date()), reference=reference)
    done = refund_move(
        refund, body.state, actor=request.user.username, on=body.on, bank_reference=body.bank_reference, reason=body.reason
    )  # fmt: skip
    done.receipt, done.approval = refund.receipt, refund.approval
    return _refund_out(done)


class AlertOut(Schema):
    """Something about a payer that people look at. `kind`: third_party, repeated, many_borrowers, watch_list."""

    id: int
    receipt: str
    party: str | None
    kind: str
    detail: dict[str, Any]
    raised_at: datetime
    closed_at: datetime | None
    outcome: str
    note: str


class AlertPage(Schema):
    items: list[AlertOut]
    next_cursor: int | None


def _alert_out(a: PayerAlert) -> dict[str, Any]:
    return {
        "id": a.pk, "receipt": a.receipt.number, "party": a.receipt.party.reference if a.receipt.party else None, "kind": a.kind,
        "detail": a.detail, "raised_at": a.raised_at, "closed_at": a.closed_at, "outcome": a.outcome, "note": a.note,
    }  # fmt: skip


@route(router.get, "/payer-alerts", "payer-alerts-list", AlertPage)
def payer_alerts_list(request: HttpRequest, cursor: Cursor, limit: Limit, open_only: bool = True) -> dict[str, Any]:
    """Alerts about payers; those that nobody has closed, unless `open_only` is false."""
    rows = alerts_visible(request.user, business_date())
    return page_of(rows.filter(closed_at=None) if open_only else rows, cursor, limit, _alert_out)


class AlertCloseIn(Strict):
    outcome: Literal["plain", "explained", "reported"]
    note: str = Field(min_length=1, max_length=300)


@route(router.post, "/payer-alerts/{alert_id}/close", "payer-alert-close", AlertOut)
def payer_alert_close(request: HttpRequest, alert_id: int, body: AlertCloseIn) -> dict[str, Any]:
    """Say what came of an alert."""
    alert: PayerAlert = row_of(PayerAlert, alerts_visible(request.user, business_date()), pk=alert_id)
    return _alert_out(alert_close(alert, outcome=body.outcome, note=body.note, actor=request.user))


class RedivideIn(Strict):
    party: str = Field(max_length=20)
    entity: str = Field(max_length=20)
    reason: str = Field(min_length=1, max_length=1000)


@route(router.post, "/receipt-proposals", "receipts-redivide", {202: WaitingOut})
def receipts_redivide(request: HttpRequest, body: RedivideIn) -> Any:
    """Ask a second person to divide a person's waiting receipts anew; the approval shows every part as it is and would be."""
    today = business_date()
    party: Party = one_of(parties_reachable(request.user, today), "party", "party", reference=body.party)
    entity: LegalEntity = one_of(entities_visible(request.user, today), "entity", "entity", code=body.entity)
    return 202, waiting_out(redivide_ask(party, entity.pk, reason=body.reason, actor=request.user))
