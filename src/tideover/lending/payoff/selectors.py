"""Reading pay-off quotes: who sees which, what each asks for on a day, how it stands, and which a payer named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from tideover.core.business_time import business_date
from tideover.core.models import User
from tideover.core.problems import NotFound, Problem, Refused
from tideover.engine.events import Event
from tideover.engine.terms import Component
from tideover.lending.models import Contract, Debit, PayoffQuote, PayoffUse
from tideover.lending.payoff.figures import figures_of
from tideover.lending.payoff.policy import policy
from tideover.lending.rules.bank_match import Quote
from tideover.lending.rules.debits import OPEN
from tideover.lending.rules.payoff import is_binding, number_ok, quote_matches
from tideover.lending.selectors import contracts_visible


@dataclass(frozen=True, slots=True)
class QuoteDay:
    """What a quote asks for on one of its days, by component (minor units); compensation: the part of it for paying early."""

    on: date
    amount_minor: int
    parts: dict[Component, int]
    compensation_minor: int


def days_of(quote: PayoffQuote) -> list[QuoteDay]:
    """The days of a quote, in order."""
    return [
        QuoteDay(date.fromisoformat(on), amount, {Component[n.upper()]: a for n, a in parts.items()}, early)
        for on, amount, parts, early in quote.days
    ]


def asked_on(quote: PayoffQuote, on: date) -> int | None:
    """What a quote asks for on a day; None outside its days, and after the day on which it was withdrawn."""
    if quote.ended == "withdrawn" and quote.ended_at is not None and on > business_date(quote.ended_at):
        return None
    return next((d.amount_minor for d in days_of(quote) if d.on == on), None)


def promised(quotes: Sequence[PayoffQuote], events: Sequence[Event], on: date) -> tuple[PayoffQuote, int] | None:
    """The quote that asks for least on a day among those that bind, with its amount."""
    found = [(q, a) for q in quotes if (a := asked_on(q, on)) is not None and is_binding(events, q.tip)]
    return min(found, key=lambda f: (f[1], -f[0].pk), default=None)


def quotes_visible(user: User, on: date) -> QuerySet[PayoffQuote]:
    """The quotes of the loans that a person may see, the newest first."""
    seen = contracts_visible(user, on).filter(pk=OuterRef("contract"))
    live = PayoffUse.objects.filter(ended_at=None).select_related("part__receipt")
    rows = PayoffQuote.objects.filter(Exists(seen)).select_related("contract__product", "contract__entity", "account")
    return rows.prefetch_related(Prefetch("uses", live, to_attr="live_uses")).order_by("-pk")


def quote_get(user: User, number: str, on: date) -> PayoffQuote:
    """One visible quote. Raises NotFound for others."""
    found = quotes_visible(user, on).filter(number=number).first()
    if found is None:
        raise NotFound(Problem("no_such_quote", f"there is no pay-off quote {number} in your scope", "number"))
    return found


def quote_open(contract: Contract) -> PayoffQuote | None:
    """The quote of a loan that nobody ended; its days may be over."""
    return contract.payoff_quotes.filter(ended="").select_related("account").first()


def state_of(quote: PayoffQuote, today: date) -> str:
    """open, run_out, or how it ended: withdrawn, replaced, used. Dates are compared; no job moves it."""
    return quote.ended or ("run_out" if today > quote.valid_until else "open")


@dataclass(frozen=True, slots=True)
class Since:
    """What happened to an open quote since it was made. lower: so much less is asked for today than it says; higher: the promise
    covers so much; void: money that it counted was taken back, so that it promises nothing."""

    lower_minor: int = 0
    higher_minor: int = 0
    void: bool = False


def since_made(quote: PayoffQuote, today: date) -> Since:
    """Compare an open quote with the journal as it is; one replay, and none where nothing was booked since."""
    said = asked_on(quote, today)
    if said is None or quote.contract.event_count == quote.tip:
        return Since()
    found = figures_of(quote.contract, today)
    if not is_binding(found.events, quote.tip):
        return Since(void=True)
    try:
        now = found.closing(today).amount_minor
    except Refused:
        return Since()
    return Since(max(0, said - now), max(0, now - said))


def debit_of(quote: PayoffQuote) -> Debit | None:
    """The debit that was asked for under a quote and has no result yet, or the last one that had."""
    rows = quote.debits.order_by("-pk")
    return rows.filter(state__in=OPEN).first() or rows.first()


def quotes_named(entity_id: int, words: frozenset[str], amount_minor: int, on: date) -> list[Quote]:
    """The quotes of a lender that a payer's words name, and whether the money pays the loan off within the tolerance.

    A number with a wrong digit is no number. A quote that was used already fits nothing: a second payment is a person's to place.
    """
    numbers = [w for w in words if number_ok(w)]
    if not numbers:
        return []
    rows = PayoffQuote.objects.filter(number__in=numbers, contract__entity=entity_id)
    return [
        Quote(q.number, q.contract.number, _fits(q, amount_minor, on))
        for q in rows.select_related("contract__product", "contract__entity").order_by("pk")
    ]


def _fits(quote: PayoffQuote, amount_minor: int, on: date) -> bool:
    if quote.ended == "used":
        return False
    found = figures_of(quote.contract, on)
    try:
        owed = found.closing(on).amount_minor
    except Refused:
        return False
    least = promised(list(quote.contract.payoff_quotes.all()), found.events, on)
    match = quote_matches(amount_minor, least[1] if least else None, owed, policy())
    return match.pays and match.over_minor <= policy().over_minor
