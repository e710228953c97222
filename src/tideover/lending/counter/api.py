"""REST of the counter: open a till, take a payment, slips, cancel and give back, count, hand over, cash to report."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from django.db.models import Count
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.action_log import log
from tideover.core.api_approvals import WaitingOut, waiting_out
from tideover.core.business_time import business_date
from tideover.core.models import Approval
from tideover.core.problems import refuse
from tideover.core.rest import Amount, Cursor, Day, Key, Limit, Money, Strict, decimal, minor, one_of, page_of, route
from tideover.lending.counter import selectors as s
from tideover.lending.counter.taking import Paid, payment_take, slip_ask_again, slip_cancel_ask, slip_give_back
from tideover.lending.counter.tills import till_close, till_count
from tideover.lending.counter.tills import till_open as open_till
from tideover.lending.models import Branch, Slip, Till
from tideover.lending.receipts.api import DesignationIn
from tideover.lending.scope import branches_visible, parties_reachable
from tideover.lending.selectors import contracts_visible

router = Router(tags=["counter"])
DAYS_MAX = 92


class TillIn(Strict):
    branch: str = Field(max_length=20)
    float_: Annotated[str, Field(alias="float", pattern=r"^\d{1,9}(\.\d{1,2})?$", examples=["1000.00"])]


class TillOut(Schema):
    """A till. `expected` and `difference` are null until the count is entered: it is counted blind."""

    number: str
    branch: str
    teller: str
    day: date
    state: Literal["open", "counted", "closed"]
    float: Amount
    payments: int
    counted: Amount | None
    expected: Amount | None
    difference: Amount | None
    difference_reason: str
    bag_number: str
    bag: Amount
    vault: Amount
    approval: str


class TillPage(Schema):
    items: list[TillOut]
    next_cursor: int | None


class PaymentIn(Strict):
    party: str = Field(max_length=20)
    amount: Money
    method: Literal["cash", "pos", "transfer"] = "cash"
    reference: str = Field("", max_length=80, description="number on the terminal's or the bank's slip; needed unless it is cash")
    payer_name: str = Field("", max_length=80, description="of a payer who is not the borrower, as their paper says")
    payer_id: str = Field("", max_length=40, description="number of the identity paper that they showed")
    note: str = Field("", max_length=300, description="for the second person; needed above the limit")
    designation: list[DesignationIn] | None = Field(None, max_length=100)


class ComponentOut(Schema):
    name: str
    amount: Amount


class SlipPartOut(Schema):
    """What went to one loan, as it was booked. `loan_id` is null for a loan outside your scope."""

    loan_id: str | None
    amount: Amount
    components: list[ComponentOut]


class SlipOut(Schema):
    """A slip. `state`: slip_awaiting (a second person decides), slip_to_return, slip_booked, slip_taken_back, slip_cancelled,
    slip_returned. `receipt` and `parts` are there once it is booked."""

    number: str
    code: str
    till: str
    branch: str
    party: str
    method: str
    amount: Amount
    day: date
    taken_at: datetime
    taken_by: str
    third_party: bool
    state: str
    approval: str
    receipt: str | None


class SlipWhole(SlipOut):
    end_reason: str
    parts: list[SlipPartOut]


class SlipPage(Schema):
    items: list[SlipOut]
    next_cursor: int | None


class ReasonIn(Strict):
    reason: str = Field(min_length=1, max_length=300)


class PiecesIn(Strict):
    denomination: Money
    pieces: int = Field(ge=0, le=1_000_000)


class CountIn(Strict):
    pieces: list[PiecesIn] = Field(max_length=20, description="each denomination once; what is left out was not there")


class CloseIn(Strict):
    bag_number: str = Field("", max_length=40, description="of the bag that goes to the bank")
    bag: Annotated[str, Field(pattern=r"^\d{1,11}(\.\d{1,2})?$", examples=["5000.00"])] = "0"
    vault: Annotated[str, Field(pattern=r"^\d{1,11}(\.\d{1,2})?$", examples=["1000.00"])] = "0"
    reason: str = Field("", max_length=300, description="why counted and expected cash differ")


class GiveBackIn(ReasonIn):
    till: str = Field(max_length=40, description="your open till of today, out of which the cash goes")


class CashOut(Schema):
    """Cash of one person on one day at or above the threshold, summed over all branches of the lender."""

    party: str
    entity: str
    day: date
    amount: Amount
    payments: int
    report_by: date


def _minor(text: str) -> int:
    yuan, _dot, cents = text.partition(".")
    return int(yuan) * 100 + int(f"{cents:0<2}")


def _till_out(t: Till) -> dict[str, Any]:
    count = getattr(t, "count", None)
    payments = t.__dict__["payments"] if "payments" in t.__dict__ else t.slips.count()
    return {
        "number": t.number, "branch": t.branch.code, "teller": t.teller.username, "day": t.day, "state": t.state,
        "float": decimal(t.float_minor), "payments": payments,
        "counted": decimal(count.counted_minor) if count else None,
        "expected": decimal(count.expected_minor) if count else None,
        "difference": decimal(count.difference_minor) if count else None, "difference_reason": t.difference_reason,
        "bag_number": t.bag_number, "bag": decimal(t.bag_minor), "vault": decimal(t.vault_minor), "approval": t.approval,
    }  # fmt: skip


def _slips_out(rows: list[Slip]) -> list[dict[str, Any]]:
    states = s.states_of(rows)
    return [
        {
            "number": x.number, "code": x.code, "till": x.till.number, "branch": x.till.branch.code, "party": x.party.reference,
            "method": x.method, "amount": decimal(x.amount_minor), "day": x.day, "taken_at": x.taken_at, "taken_by": x.taken_by,
            "third_party": bool(x.payer_name), "state": states[x.pk], "approval": x.approval,
            "receipt": x.receipt.number if x.receipt else None,
        }
        for x in rows
    ]  # fmt: skip


def _slip_whole(request: HttpRequest, slip: Slip) -> dict[str, Any]:
    seen = set(contracts_visible(request.user, business_date()).filter(borrower=slip.party).values_list("number", flat=True))
    parts = [
        {
            "loan_id": p.loan if p.loan in seen else None, "amount": decimal(p.amount_minor),
            "components": [{"name": n, "amount": decimal(a)} for n, a in p.components],
        }
        for p in s.parts_of(slip)
    ]  # fmt: skip
    return {**_slips_out([slip])[0], "end_reason": slip.end_reason, "parts": parts}


@route(router.get, "/counter/tills", "counter-tills-list", TillPage)
def tills_list(request: HttpRequest, cursor: Cursor, limit: Limit, on: Day | None = None) -> dict[str, Any]:
    """Tills in your scope, of one day or of all. Logged."""
    rows = s.tills_visible(request.user, business_date()).annotate(payments=Count("slips"))
    page = page_of(rows.filter(day=on) if on else rows, cursor, limit, _till_out)
    log(request.user.username, "till.list", "till", "", {"found": len(page["items"])})
    return page


@route(router.post, "/counter/tills", "counter-till-open", TillOut)
def till_open(request: HttpRequest, body: TillIn, key: Key) -> dict[str, Any]:
    """Open your till of today with the cash from the vault."""
    branch: Branch = one_of(branches_visible(request.user, business_date()), "branch", "branch", code=body.branch)
    return _till_out(open_till(branch, float_minor=_minor(body.float_), idempotency_key=key, actor=request.user))


def _till(request: HttpRequest, number: str) -> Till:
    return s.till_get(request.user, number, business_date())


@route(router.get, "/counter/tills/{number}", "counter-till-get", TillOut)
def till_get(request: HttpRequest, number: str) -> dict[str, Any]:
    """One till. Logged."""
    till = _till(request, number)
    log(request.user.username, "till.read", "till", number)
    return _till_out(till)


@route(router.post, "/counter/tills/{number}/payments", "counter-payment", SlipWhole)
def payment(request: HttpRequest, number: str, body: PaymentIn, key: Key) -> dict[str, Any]:
    """Take a payment: booked at once, or above the limit waiting for a second person (state slip_awaiting)."""
    till = _till(request, number)
    party = one_of(parties_reachable(request.user, business_date()), "party", "party", reference=body.party)
    lines = [
        {"debt": d.debt, **({"amount": str(d.amount)} if d.amount is not None else {})} for d in body.designation or ()
    ]  # fmt: skip
    paid = Paid(
        party, body.method, minor(body.amount), lines or None, body.payer_name, body.payer_id, body.reference, body.note
    )  # fmt: skip
    if len(key) > 60:
        raise refuse("bad_idempotency_key", "an idempotency key has 1 to 60 characters", "Idempotency-Key")
    return _slip_whole(request, payment_take(till, paid, idempotency_key=key, actor=request.user))


@route(router.post, "/counter/tills/{number}/count", "counter-till-count", TillOut)
def count(request: HttpRequest, number: str, body: CountIn) -> dict[str, Any]:
    """Enter what was counted. It is never changed; the answer says what was expected."""
    till = _till(request, number)
    pieces = {minor(p.denomination): p.pieces for p in body.pieces}
    if len(pieces) != len(body.pieces):
        raise refuse("bad_count", "each denomination stands once", "pieces")
    till_count(till, pieces, actor=request.user)
    return _till_out(_till(request, number))


@route(router.post, "/counter/tills/{number}/close", "counter-till-close", {200: TillOut, 202: WaitingOut})
def close(request: HttpRequest, number: str, body: CloseIn, key: Key) -> Any:
    """Hand over the counted cash and close; 202 where a second person must accept the difference."""
    done = till_close(
        _till(request, number), bag_number=body.bag_number, bag_minor=_minor(body.bag), vault_minor=_minor(body.vault),
        reason=body.reason, actor=request.user, key=key,
    )  # fmt: skip
    return (202, waiting_out(done)) if isinstance(done, Approval) else _till_out(_till(request, number))


@route(router.get, "/counter/slips", "counter-slips-list", SlipPage)
def slips_list(
    request: HttpRequest, cursor: Cursor, limit: Limit, till: str = "", party: str = "", on: Day | None = None
) -> dict[str, Any]:  # fmt: skip
    """Slips in your scope. Logged."""
    rows = s.slips_visible(request.user, business_date())
    for value, column in ((till, "till__number"), (party, "party__reference"), (on, "day")):
        rows = rows.filter(**{column: value}) if value else rows
    page = page_of(rows, cursor, limit, lambda x: x)
    page["items"] = _slips_out(page["items"])
    log(request.user.username, "slip.list", "party", party, {"found": len(page["items"])})
    return page


def _slip(request: HttpRequest, number: str) -> Slip:
    return s.slip_get(request.user, number, business_date())


@route(router.get, "/counter/slips/{number}", "counter-slip-get", SlipWhole)
def slip_get(request: HttpRequest, number: str) -> dict[str, Any]:
    """One slip and what it paid, by component. Logged."""
    slip = _slip(request, number)
    log(request.user.username, "slip.read", "slip", number)
    return _slip_whole(request, slip)


@route(router.post, "/counter/slips/{number}/cancel", "counter-slip-cancel", {202: WaitingOut})
def slip_cancel(request: HttpRequest, number: str, body: ReasonIn, key: Key) -> Any:
    """Ask a second person to cancel a slip of today before its till is counted."""
    return 202, waiting_out(slip_cancel_ask(_slip(request, number), reason=body.reason, actor=request.user, key=key))


@route(router.post, "/counter/slips/{number}/give-back", "counter-slip-give-back", SlipWhole)
def give_back(request: HttpRequest, number: str, body: GiveBackIn) -> dict[str, Any]:
    """Give money that was never booked back to its payer."""
    slip = _slip(request, number)
    till = one_of(s.tills_visible(request.user, business_date()), "till", "till", number=body.till)
    slip_give_back(slip, till, reason=body.reason, actor=request.user)
    return _slip_whole(request, _slip(request, number))


@route(router.post, "/counter/slips/{number}/ask", "counter-slip-ask", {202: WaitingOut})
def ask_again(request: HttpRequest, number: str, body: ReasonIn) -> Any:
    """Ask a second person once more about money that is here."""
    return 202, waiting_out(slip_ask_again(_slip(request, number), reason=body.reason, actor=request.user))


class CashPage(Schema):
    items: list[CashOut]
    next_cursor: int | None = None


@route(router.get, "/counter/large-cash", "counter-large-cash", CashPage)
def large_cash(request: HttpRequest, first: Day | None = None, last: Day | None = None) -> Any:
    """Cash of a day at or above the threshold between two days (the last 31 when left out); at most 92 days. Logged."""
    last = last or business_date()
    first = first or last - timedelta(days=31)
    if not 0 <= (last - first).days <= DAYS_MAX:
        raise refuse("bad_dates", f"`last` lies 0 to {DAYS_MAX} days after `first`", "last")
    lines = s.cash_lines(request.user, first, last)
    log(request.user.username, "cash.list", "slip", "", {"found": len(lines)})
    items = [
        {
            "party": x.party.reference, "entity": x.entity.code, "day": x.found.day, "amount": decimal(x.found.amount_minor),
            "payments": x.found.payments, "report_by": x.report_by,
        }
        for x in lines
    ]  # fmt: skip
    return {"items": items}
