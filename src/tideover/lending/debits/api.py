"""REST of debits and mandates: what was sent and what became of it; planning, asking; mandates on paper or by telephone."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import NotFound, Problem, refuse
from tideover.core.rest import Amount, Cursor, Day, Limit, Money, Strict, decimal, minor, one_of, page_of, route
from tideover.lending.debits import bank
from tideover.lending.debits.mandates import Account, mandate_give, mandate_withdraw
from tideover.lending.debits.planning import debits_plan
from tideover.lending.debits.selectors import batch_get, batches_visible, debit_get, debits_visible, mandates_visible
from tideover.lending.debits.worker import debit_ask
from tideover.lending.models import Debit, DebitBatch, Mandate
from tideover.lending.rules.debits import MOVING, State
from tideover.lending.scope import entities_visible, parties_reachable
from tideover.lending.selectors import contracts_visible

router = Router(tags=["debits"])


class BatchOut(Schema):
    number: str
    entity: str
    channel: str
    state: str
    debit_on: date
    cut_off_at: datetime
    count: int
    total: Amount
    out_at: datetime | None
    settled_at: datetime | None
    taken: Amount = Field(description="what its debits took, once every result is here")
    credited: Amount = Field(description="what bank statements say came for it")
    credited_on: date | None
    sha256: str


class BatchPage(Schema):
    items: list[BatchOut]
    next_cursor: int | None


class DebitOut(Schema):
    """One debit. `taken` and `value_date`: what left the customer's account, and on which day; accounts are masked."""

    reference: str
    loan_id: str
    batch: str
    account: str
    due_on: date
    debit_on: date
    attempt: int
    amount: Amount
    state: str
    reason: str
    taken: Amount
    value_date: date | None


class DebitPage(Schema):
    items: list[DebitOut]
    next_cursor: int | None


class PlannedOut(Schema):
    batches: list[BatchOut]
    not_debited: dict[str, int] = Field(description="loans by the reason why nothing is taken")


class AccountIn(Strict):
    bank_code: str = Field(max_length=12)
    bank_name: str = Field(max_length=80)
    holder: str = Field(max_length=80)
    number: str = Field(max_length=40)


class MandateIn(Strict):
    party: str = Field(max_length=20)
    entity: str = Field(max_length=20)
    accounts: list[AccountIn] = Field(min_length=1, max_length=5)
    cap_take: Money
    cap_month: Money
    words: str = Field(
        min_length=1, max_length=5000, description="what the borrower read and agreed to; it is kept, with its hash"
    )
    how: Literal["paper", "telephone"]
    loans: list[str] = Field([], max_length=100, description="numbers; empty: every loan with the entity")
    valid_from: Day | None = None
    valid_to: Day | None = None
    part_allowed: bool = False
    payday: int | None = Field(None, ge=1, le=31)


class MandateOut(Schema):
    reference: str
    party: str
    entity: str
    signed_at: datetime
    signed_how: str
    valid_from: date
    valid_to: date | None
    cap_take: Amount
    cap_month: Amount
    part_allowed: bool
    payday: int | None
    accounts: list[str]
    words_sha256: str
    withdrawn_at: datetime | None


class MandatePage(Schema):
    items: list[MandateOut]
    next_cursor: int | None


class WithdrawIn(Strict):
    how: Literal["paper", "telephone"]
    reason: str = Field("", max_length=200)


class PlanIn(Strict):
    entity: str = Field(max_length=20)


@route(router.get, "/debit-batches", "debit-batches-list", BatchPage)
def debit_batches_list(request: HttpRequest, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """Batches of your entities."""
    return page_of(batches_visible(request.user, business_date()), cursor, limit, _batch_out)


@route(router.get, "/debit-batches/{number}", "debit-batch-get", BatchOut)
def debit_batch_get(request: HttpRequest, number: str) -> dict[str, Any]:
    """One batch."""
    return _batch_out(batch_get(request.user, number, business_date()))


@route(router.get, "/debits", "debits-list", DebitPage)
def debits_list(
    request: HttpRequest, cursor: Cursor, limit: Limit, loan: str = "", batch: str = "", state: State | None = None
) -> dict[str, Any]:
    """Debits of the loans in your scope; `loan`, `batch` and `state` filter. Logged."""
    rows = debits_visible(request.user, business_date())
    rows = rows.filter(contract__number=loan) if loan else rows
    rows = rows.filter(batch__number=batch) if batch else rows
    rows = rows.filter(state=state) if state else rows
    page = page_of(rows, cursor, limit, _debit_out)
    log(request.user.username, "debit.list", "loan", loan, {"found": len(page["items"])})
    return page


@route(router.get, "/debits/{reference}", "debit-get", DebitOut)
def debit_one(request: HttpRequest, reference: str) -> dict[str, Any]:
    """One debit. Logged."""
    found = debit_get(request.user, reference, business_date())
    log(request.user.username, "debit.read", "loan", found.contract.number, {"debit": reference})
    return _debit_out(found)


@route(router.post, "/debit-batches", "debits-plan", PlannedOut)
def debits_plan_now(request: HttpRequest, body: PlanIn) -> dict[str, Any]:
    """Draft what is to be taken now; the worker sends it. Doing it twice drafts nothing twice."""
    entity = one_of(entities_visible(request.user, business_date()), "entity", "entity", code=body.entity)
    batches, why_not = debits_plan(entity, actor=request.user.username)
    return {"batches": [_batch_out(b) for b in batches], "not_debited": why_not}


@route(router.post, "/debits/{reference}/inquire", "debit-inquire", DebitOut)
def debit_inquire(request: HttpRequest, reference: str) -> dict[str, Any]:
    """Ask the bank what became of a debit, now. 422 where it has a result or there is no bank to ask."""
    found = debit_get(request.user, reference, business_date())
    if found.state not in MOVING or not bank.is_set_up():
        raise refuse("nothing_to_ask", "this debit has a result, or no bank is set up to be asked", "reference")
    debit_ask(found, at=now(), actor=request.user.username)
    return _debit_out(debit_get(request.user, reference, business_date()))


@route(router.get, "/mandates", "mandates-list", MandatePage)
def mandates_list(request: HttpRequest, cursor: Cursor, limit: Limit, party: str = "") -> dict[str, Any]:
    """Mandates of the people in your scope; `party` filters. Account numbers are masked. Logged."""
    rows = mandates_visible(request.user, business_date()).prefetch_related("accounts")
    rows = rows.filter(party__reference=party) if party else rows
    page = page_of(rows, cursor, limit, _mandate_out)
    log(request.user.username, "mandate.list", "party", party, {"found": len(page["items"])})
    return page


@route(router.post, "/mandates", "mandates-give", MandateOut)
def mandates_give(request: HttpRequest, body: MandateIn) -> dict[str, Any]:
    """Record a mandate that a borrower gave on paper or by telephone; it replaces the one before."""
    today = business_date()
    party = one_of(parties_reachable(request.user, today), "party", "party", reference=body.party)
    entity = one_of(entities_visible(request.user, today), "entity", "entity", code=body.entity)
    mine = contracts_visible(request.user, today)
    loans = [one_of(mine, "loan", f"loans.{n}", number=number) for n, number in enumerate(body.loans)]
    mandate = mandate_give(
        party, entity, accounts=[Account(**a.dict()) for a in body.accounts], cap_take_minor=minor(body.cap_take),
        cap_month_minor=minor(body.cap_month), words=body.words, how=body.how, actor=request.user.username, contracts=loans,
        valid_from=body.valid_from, valid_to=body.valid_to, part_allowed=body.part_allowed, payday=body.payday,
    )  # fmt: skip
    return _mandate_out(mandate)


@route(router.post, "/mandates/{reference}/withdraw", "mandate-withdraw", MandateOut)
def mandate_withdrawn(request: HttpRequest, reference: str, body: WithdrawIn) -> dict[str, Any]:
    """A borrower takes their mandate back on paper or by telephone; what has not left never leaves."""
    found = mandates_visible(request.user, business_date()).filter(reference=reference).first()
    if found is None:
        raise NotFound(Problem("no_such_mandate", f"there is no mandate {reference} in your scope", "reference"))
    return _mandate_out(mandate_withdraw(found, how=body.how, reason=body.reason, actor=request.user.username))


def _batch_out(b: DebitBatch) -> dict[str, Any]:
    return {
        "number": b.number, "entity": b.entity.code, "channel": b.channel, "state": b.state, "debit_on": b.debit_on,
        "cut_off_at": b.cut_off_at, "count": b.count, "total": decimal(b.total_minor), "out_at": b.out_at,
        "settled_at": b.settled_at, "taken": decimal(b.taken_minor), "credited": decimal(b.credited_minor),
        "credited_on": b.credited_on, "sha256": b.hash_hex,
    }  # fmt: skip


def _debit_out(d: Debit) -> dict[str, Any]:
    return {
        "reference": d.reference, "loan_id": d.contract.number, "batch": d.batch.number, "account": d.account.masked,
        "due_on": d.due_on, "debit_on": d.debit_on, "attempt": d.attempt, "amount": decimal(d.amount_minor), "state": d.state,
        "reason": d.reason, "taken": decimal(d.taken_minor), "value_date": d.value_date,
    }  # fmt: skip


def _mandate_out(m: Mandate) -> dict[str, Any]:
    accounts = sorted((a for a in m.accounts.all() if a.ended_at is None), key=lambda a: a.rank)
    return {
        "reference": m.reference, "party": m.party.reference, "entity": m.entity.code, "signed_at": m.signed_at,
        "signed_how": m.signed_how, "valid_from": m.valid_from, "valid_to": m.valid_to, "cap_take": decimal(m.cap_take_minor),
        "cap_month": decimal(m.cap_month_minor), "part_allowed": m.part_allowed, "payday": m.payday,
        "accounts": [f"{a.bank_name} {a.masked}" for a in accounts], "words_sha256": bytes(m.words_hash).hex(),
        "withdrawn_at": m.withdrawn_at,
    }  # fmt: skip
