"""REST of pay-off quotes: made, read, withdrawn. Money is a decimal string, dates are ISO."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.rest import Amount, Cursor, Day, Limit, Strict, decimal, page_of, route
from tideover.lending.models import PayoffQuote
from tideover.lending.payoff.selectors import days_of, quote_get, quotes_visible, since_made, state_of
from tideover.lending.payoff.services import payoff_quote, quote_withdraw
from tideover.lending.selectors import contract_get

router = Router(tags=["pay-off"])


class QuoteIn(Strict):
    valid_until: Day = Field(description="last day of the promise; how far it may lie is the policy's (docs/payoff.md)")


class WithdrawIn(Strict):
    reason: str = Field(min_length=1, max_length=300)


class DayOut(Schema):
    """What pays the loan off on a day. Σ parts = amount + held; `compensation`: the part of it for paying early."""

    on: date
    amount: Amount
    parts: dict[str, Amount]
    compensation: Amount


class SinceOut(Schema):
    """What was booked since: how much less the loan now needs, how much more the promise covers, and whether it ended (void)."""

    lower: Amount
    higher: Amount
    void: bool


class QuoteOut(Schema):
    number: str = Field(description="to be written into the purpose of a transfer; the last digit is a check digit")
    loan_id: str
    state: Literal["open", "run_out", "withdrawn", "replaced", "used"]
    first_on: date
    valid_until: date
    days: list[DayOut]
    held: Amount
    saved: Amount
    pay_to: str = Field(description="account of the lender; empty where none is kept here")
    made_at: datetime
    made_by: str
    receipt: str | None = Field(description="the receipt that paid the loan off under it")
    waived: Amount
    since: SinceOut


class QuotePage(Schema):
    items: list[QuoteOut]
    next_cursor: int | None


def quote_out(q: PayoffQuote) -> dict[str, Any]:
    """A quote as JSON."""
    today = business_date()
    use = next(iter(q.live_uses), None)  # type: ignore[attr-defined]
    since = since_made(q, today) if not q.ended else None
    return {
        "number": q.number, "loan_id": q.contract.number, "state": state_of(q, today), "first_on": q.first_on,
        "valid_until": q.valid_until, "held": decimal(q.held_minor), "saved": decimal(q.saved_minor),
        "days": [
            {
                "on": d.on, "amount": decimal(d.amount_minor), "compensation": decimal(d.compensation_minor),
                "parts": {c.name.lower(): decimal(a) for c, a in d.parts.items()},
            }
            for d in days_of(q)
        ],
        "pay_to": q.account.number if q.account else "", "made_at": q.made_at, "made_by": q.made_by,
        "receipt": use.part.receipt.number if use else None, "waived": decimal(use.waived_minor if use else 0),
        "since": {
            "lower": decimal(since.lower_minor if since else 0), "higher": decimal(since.higher_minor if since else 0),
            "void": bool(since and since.void),
        },
    }  # fmt: skip


@route(router.post, "/loans/{number}/payoff-quotes", "payoff-quotes-make", QuoteOut)
def quotes_make(request: HttpRequest, number: str, body: QuoteIn) -> Any:
    """Promise what pays a loan off on each day up to a day. The same request on the same journal is the same quote."""
    contract = contract_get(request.user, number, business_date())
    quote = payoff_quote(contract, valid_until=body.valid_until, actor=request.user.username)
    return quote_out(quote_get(request.user, quote.number, business_date()))


@route(router.get, "/loans/{number}/payoff-quotes", "payoff-quotes-list", QuotePage)
def quotes_list(request: HttpRequest, number: str, cursor: Cursor, limit: Limit) -> Any:
    """The quotes of a loan, in the order in which they were made."""
    contract = contract_get(request.user, number, business_date())
    rows = quotes_visible(request.user, business_date()).filter(contract=contract)
    return page_of(rows.order_by("pk"), cursor, limit, quote_out)


@route(router.get, "/payoff-quotes/{number}", "payoff-quote-get", QuoteOut)
def quote_read(request: HttpRequest, number: str) -> Any:
    """One quote, how it stands, and what was booked since."""
    quote = quote_get(request.user, number, business_date())
    log(request.user.username, "payoff.read", "loan", quote.contract.number, {"quote": number})
    return quote_out(quote)


@route(router.post, "/payoff-quotes/{number}/withdraw", "payoff-quote-withdraw", QuoteOut)
def quote_end(request: HttpRequest, number: str, body: WithdrawIn) -> Any:
    """Withdraw a quote. Money that left its payer by today still counts."""
    quote = quote_get(request.user, number, business_date())
    quote_withdraw(quote, reason=body.reason, actor=request.user.username)
    return quote_out(quote_get(request.user, number, business_date()))
