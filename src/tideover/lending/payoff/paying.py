"""A borrower pays their loan off from the account of their mandate: one debit at their request, for today's sum of the quote."""

from __future__ import annotations

from datetime import datetime

from tideover.core.business_time import business_date, now
from tideover.core.problems import refuse
from tideover.lending.debits.planning import debit_request, request_now
from tideover.lending.models import Debit, DebitAccount, PayoffQuote
from tideover.lending.payoff.selectors import asked_on, since_made
from tideover.lending.rules.debits import NotPlanned


def asked_today(quote: PayoffQuote, at: datetime) -> int:
    """What a debit under a quote takes today: what it asks for, less what was paid since. Raises Refused: day_past, void."""
    today = business_date(at)
    said = asked_on(quote, today)
    if quote.ended or said is None:
        raise refuse("day_past", f"quote {quote.number} asks for nothing on {today}: make a new one")
    since = since_made(quote, today)
    if since.void:
        raise refuse("void", f"a payment that quote {quote.number} counted was taken back: make a new one")
    return said - since.lower_minor


def debit_possible(quote: PayoffQuote, at: datetime) -> DebitAccount | str:
    """The account that would be asked now, or why none can be (a code of rules.debits.WHY_NOT, overlay, missed_cut_off)."""
    said = request_now(quote.contract, asked_today(quote, at), at)
    return said.reason if isinstance(said, NotPlanned) else DebitAccount.objects.get(pk=said.account)


def payoff_by_debit(quote: PayoffQuote, *, shown_minor: int, actor: str, at: datetime | None = None) -> Debit:
    """Have the sum of today taken from the borrower's account. shown: the sum that they saw and agreed to.

    Raises Refused: `changed` when it is another sum by now, and what `asked_today` and `debit_request` raise.
    """
    when = at or now()
    amount = asked_today(quote, when)
    if amount != shown_minor:
        raise refuse("changed", f"the sum is {amount} minor units by now, not {shown_minor}")
    return debit_request(quote, amount_minor=amount, actor=actor, at=when)
