"""REST of bank statements: take a file in, lines and what they became, the suspense desk, accounts day by day."""

from __future__ import annotations

import base64
from datetime import date, datetime, timedelta
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.action_log import log
from tideover.core.api_approvals import WaitingOut, waiting_out
from tideover.core.business_time import business_date
from tideover.core.models import Approval
from tideover.core.problems import NotFound, Problem, refuse
from tideover.core.rest import Amount, Cursor, Day, Key, Limit, Strict, decimal, one_of, page_of, route
from tideover.lending.models import BankLine, Match, Party, Receipt, StatementFile
from tideover.lending.scope import entities_visible
from tideover.lending.statements import selectors as s
from tideover.lending.statements.approvals import line_become_ask, suspense_place_ask
from tideover.lending.statements.correct import doubt_answer
from tideover.lending.statements.rules.line import BadStatement
from tideover.lending.statements.services import statement_import
from tideover.lending.statements.words import reasons_english

router = Router(tags=["statements"])
CONTENT_MAX = 28_000_000
DAYS_MAX = 92


class FileIn(Strict):
    """A statement file. Its format is found by its bytes."""

    name: str = Field(max_length=200)
    content: str = Field(max_length=CONTENT_MAX, description="the file, in base64")
    account: str = Field("", max_length=40, description="whose a table is, where it does not say so")
    mapping: str = Field("", max_length=20_000, description="YAML: what the columns of another bank's table mean")


class FileOut(Schema):
    reference: str
    name: str
    kind: str
    state: Literal["storing", "done", "partly", "refused"]
    problem: str
    place: str
    lines_count: int
    new_count: int
    known_count: int
    rejected_count: int
    pending_count: int
    received_at: datetime


class FilePage(Schema):
    items: list[FileOut]
    next_cursor: int | None


class LineOut(Schema):
    """A bank line and what it is now; `receipt`: the receipt that it made or took back."""

    reference: str
    account: str
    booked_on: date
    value_on: date
    amount: Amount
    direction: Literal["credit", "debit"]
    bank_id: str
    became: str | None
    of: str
    receipt: str | None


class LinePage(Schema):
    items: list[LineOut]
    next_cursor: int | None


class CandidateOut(Schema):
    party: str
    loans: list[str]
    points: int
    reasons: str


class SuspenseOut(Schema):
    receipt: str
    amount: Amount
    received_on: date
    days: int
    candidates: list[CandidateOut]


class SuspensePage(Schema):
    items: list[SuspenseOut]
    next_cursor: int | None


class PlaceIn(Strict):
    party: str = Field(max_length=20)
    loans: list[str] = Field([], max_length=20, description="loans that the payer named")
    reason: str = Field(max_length=300, description="how you know whose money it is")


class PlacedOut(Schema):
    receipt: str
    party: str | None


class BecomeIn(Strict):
    kind: Literal["suspense", "settlement", "own", "returned_out", "refund", "returned", "payout", "fee", "other"]
    of: str = Field("", max_length=60, description="the batch, line, refund or loan that it is about")
    reason: str = Field(max_length=300)


class DoubtIn(Strict):
    same: bool
    reason: str = Field(max_length=300)


class AccountOut(Schema):
    number: str
    name: str
    bank: str
    entity: str


class AccountPage(Schema):
    items: list[AccountOut]
    next_cursor: int | None


class DayOut(Schema):
    """A day of an account; `said`: the bank's closing; `open`: money in that is in no receipt, settlement or own transfer."""

    on: date
    lines: int
    credit: Amount
    debit: Amount
    receipts: Amount
    suspense: Amount
    open: Amount
    opening: Amount | None
    closing: Amount | None
    said: Amount | None


class DaysOut(Schema):
    items: list[DayOut]


@route(router.get, "/statements", "statements-list", FilePage)
def statements_list(request: HttpRequest, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """Files and calls of banks."""
    rows = s.files_visible(request.user, business_date()).defer("content", "rejects").order_by()
    return page_of(rows, cursor, limit, lambda f: f)


@route(router.post, "/statements", "statements-import", FileOut)
def statements_import(request: HttpRequest, body: FileIn) -> StatementFile:
    """Take a file in. The same bytes again answer with the file that is here. 422 names the place of what is wrong."""
    try:
        data = base64.b64decode(body.content, validate=True)
    except ValueError as error:
        raise refuse("bad_content", "content is not base64", "content") from error
    entities = list(entities_visible(request.user, business_date()).values_list("pk", flat=True))
    try:
        return statement_import(
            data, body.name, actor=request.user.username, mapping=body.mapping, account=body.account, entity_ids=entities
        )
    except BadStatement as error:
        raise refuse(error.code, str(error), "content") from error


@route(router.get, "/statements/{reference}", "statement-get", FileOut)
def statement_get(request: HttpRequest, reference: str) -> StatementFile:
    """One file."""
    return s.file_get(request.user, reference, business_date())


@route(router.get, "/bank-lines", "bank-lines-list", LinePage)
def bank_lines_list(
    request: HttpRequest, cursor: Cursor, limit: Limit, file: str = "", account: str = "", to_work: bool = False
) -> dict[str, Any]:
    """Lines, of a file or an account, or those that somebody must look at; logged. Names of payers are not answered."""
    user, today = request.user, business_date()
    rows = (s.lines_to_work if to_work else s.lines_visible)(user, today).order_by()
    rows = rows.filter(seen__file__reference=file).distinct() if file else rows
    rows = rows.filter(account__number=account) if account else rows
    page = page_of(rows, cursor, limit, lambda x: x)
    matches = s.matches_of(page["items"])
    page["items"] = [_line_out(x, matches.get(x.pk)) for x in page["items"]]
    log(user.username, "bank_line.list", "bank_line", "", {"found": len(page["items"])})
    return page


def _line_out(x: BankLine, m: Match | None) -> dict[str, Any]:
    return {
        "reference": x.reference, "account": x.account.number, "booked_on": x.booked_on, "value_on": x.value_on,
        "amount": decimal(x.amount_minor), "direction": x.direction, "bank_id": x.bank_id, "became": m.became if m else None,
        "of": m.of if m else "", "receipt": m.receipt.number if m and m.receipt else None,
    }  # fmt: skip


@route(router.post, "/bank-lines/{reference}/become", "bank-line-become", {200: LineOut, 202: WaitingOut})
def bank_line_become(request: HttpRequest, reference: str, body: BecomeIn, key: Key) -> Any:
    """Say what a line is; 202 with the approval where a receipt above the limit would be taken back."""
    line = s.line_get(request.user, reference, business_date())
    done = line_become_ask(line, kind=body.kind, of=body.of, reason=body.reason, actor=request.user, key=key)
    return (202, waiting_out(done)) if isinstance(done, Approval) else _line_out(line, done)


@route(router.post, "/bank-lines/{reference}/doubt", "bank-line-doubt", LineOut)
def bank_line_doubt(request: HttpRequest, reference: str, body: DoubtIn) -> dict[str, Any]:
    """Say whether a line in doubt is the same as the other one, or a payment of its own."""
    line = s.line_get(request.user, reference, business_date())
    return _line_out(line, doubt_answer(line, same=body.same, reason=body.reason, actor=request.user.username))


@route(router.get, "/suspense", "suspense-list", SuspensePage)
def suspense_list(request: HttpRequest, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """Money of nobody yet, each with candidates and why; logged."""
    user, today = request.user, business_date()
    page = page_of(s.suspense_visible(user, today).order_by(), cursor, limit, lambda r: r)
    page["items"] = [_waiting_out(w) for w in s.suspense_shown(page["items"], today)]
    log(user.username, "suspense.list", "receipt", "", {"found": len(page["items"])})
    return page


def _waiting_out(w: s.Waiting) -> dict[str, Any]:
    return {
        "receipt": w.receipt.number, "amount": decimal(w.receipt.unapplied_minor), "received_on": w.receipt.received_on,
        "days": w.days,
        "candidates": [
            {"party": p.reference, "loans": list(c.loans), "points": c.points, "reasons": reasons_english(c.reasons)}
            for c, p in w.suggestions
        ],
    }  # fmt: skip


@route(router.post, "/suspense/{number}/place", "suspense-place", {200: PlacedOut, 202: WaitingOut})
def suspense_place(request: HttpRequest, number: str, body: PlaceIn, key: Key) -> Any:
    """Say whose money it is; 202 with the approval above the limit."""
    receipt: Receipt = s.suspense_get(request.user, number, business_date())
    people = Party.objects.filter(contracts__entity=receipt.entity_id).distinct()
    party = one_of(people, "party", "party", reference=body.party)
    done = suspense_place_ask(receipt, party=party, loans=body.loans, reason=body.reason, actor=request.user, key=key)
    if isinstance(done, Approval):
        return 202, waiting_out(done)
    return {"receipt": done.number, "party": party.reference}


@route(router.get, "/bank-accounts", "bank-accounts-list", AccountPage)
def bank_accounts_list(request: HttpRequest, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """The lender's accounts in your scope."""
    rows = s.accounts_visible(request.user, business_date()).order_by()
    return page_of(
        rows, cursor, limit, lambda a: {"number": a.number, "name": a.name, "bank": a.bank, "entity": a.entity.code}
    )  # fmt: skip


@route(router.get, "/bank-accounts/{number}/days", "bank-account-days", DaysOut)
def bank_account_days(
    request: HttpRequest, number: str, first: Day | None = None, last: Day | None = None
) -> dict[str, Any]:  # fmt: skip
    """An account day by day between two days (the last 31 when left out), the newest first; at most 92 days."""
    account = s.accounts_visible(request.user, business_date()).filter(number=number).first()
    if account is None:
        raise NotFound(Problem("no_such_account", f"there is no account {number} in your scope", "number"))
    last = last or business_date()
    first = first or last - timedelta(days=30)
    if not timedelta(0) <= last - first < timedelta(days=DAYS_MAX):
        raise refuse("bad_days", f"last lies 0 to {DAYS_MAX - 1} days after first", "last")
    return {"items": [_day_out(d) for d in s.days_of(account, first, last)]}


def _day_out(d: s.Day) -> dict[str, Any]:
    def text(minor: int | None) -> str | None:
        return None if minor is None else decimal(minor)

    sums = {k: decimal(getattr(d, k)) for k in ("credit", "debit", "receipts", "suspense")}
    balances = {k: text(getattr(d, k)) for k in ("opening", "closing", "said")}
    return {"on": d.on, "lines": d.lines, **sums, **balances, "open": decimal(d.open_)}
