"""Pay-off quotes: made, withdrawn. A quote promises what pays the loan off on each of its days (docs/payoff.md)."""

from __future__ import annotations

import secrets
from datetime import date, timedelta

from django.db import transaction

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.packs.rules.fixings import reset_days
from tideover.core.problems import refuse
from tideover.lending.contract_terms import reference_of
from tideover.lending.debits.selectors import money_in_flight
from tideover.lending.journal import OWN_KEYS
from tideover.lending.models import BankAccount, Contract, PayoffQuote
from tideover.lending.models.organisation import BookMode
from tideover.lending.payoff.figures import figures_of
from tideover.lending.payoff.policy import policy
from tideover.lending.rules.debits import OPEN
from tideover.lending.rules.payoff import DIGITS, Closing, number_of


def last_day(contract: Contract, today: date) -> date:
    """The last day for which a loan can be quoted today: the policy's, or the day before a rate reset that is not booked yet."""
    most = today + timedelta(days=policy().days_max)
    reset = next_reset(contract, today, most)
    return most if reset is None else reset - timedelta(days=1)


def next_reset(contract: Contract, today: date, until: date) -> date | None:
    """The first rate reset after today and by a day whose rate is not in the journal yet."""
    reference = reference_of(contract)
    if reference is None:
        return None
    days = [on for on in reset_days(reference, contract.disbursed_on, until) if on > today]
    booked = {
        key.rpartition(":")[2]
        for key in contract.events.filter(
            idempotency_key__in=[f"{OWN_KEYS}reset:{contract.number}:{on}" for on in days]
        ).values_list("idempotency_key", flat=True)
    }
    return next((on for on in days if on.isoformat() not in booked), None)


def payoff_days(contract: Contract, *, until: date, as_of: date | None = None) -> list[Closing]:
    """What pays a loan off on each day from today (or `as_of`) up to a day; nothing is written.

    Raises Refused where that cannot be promised: the core keeps the ledger, money is under way, nothing is owed, a day that is
    past, too far, or not certain yet.
    """
    today = as_of or business_date()
    if contract.entity.book_mode == BookMode.OVERLAY:
        raise refuse("core_decides", f"the core of {contract.entity.code} keeps this loan: the sum is the core's to say")
    if until < today:
        raise refuse("day_past", f"{until} is past", "valid_until")
    if until > today + timedelta(days=policy().days_max):
        message = f"a quote reaches at most {policy().days_max} days ahead, to {today + timedelta(days=policy().days_max)}"
        raise refuse("too_far", message, "valid_until")
    reset = next_reset(contract, today, until)
    if reset is not None:
        raise refuse("rate_reset", f"the rate is fixed anew on {reset}: quote up to the day before", "valid_until")
    if moving := money_in_flight([contract.pk]).get(contract.pk):
        raise refuse("in_flight", f"{moving} minor units are on their way from the bank: ask again when they are here")
    figures = figures_of(contract, until)
    out = [figures.closing(today + timedelta(days=n)) for n in range((until - today).days + 1)]
    if not out[0].amount_minor:
        raise refuse("nothing_owed", f"nothing is owed on loan {contract.number}")
    return out


def payoff_quote(contract: Contract, *, valid_until: date, actor: str, as_of: date | None = None) -> PayoffQuote:
    """Promise what pays a loan off on each day up to `valid_until`. Raises what `payoff_days` raises.

    The same request on the same journal is the same quote. Another one replaces it; money that comes by its number still counts.
    """
    today = as_of or business_date()
    with transaction.atomic():
        locked = Contract.objects.select_for_update(of=("self",), no_key=True).get(pk=contract.pk)
        contract.event_count = locked.event_count
        before = PayoffQuote.objects.filter(contract=contract, ended="").select_related("account").first()
        same = (today, valid_until, contract.event_count)
        if before is not None and (before.first_on, before.valid_until, before.tip) == same:
            return before
        days = payoff_days(contract, until=valid_until, as_of=today)
        if before is not None:
            _end(before, "replaced", actor)
        quote = PayoffQuote.objects.create(
            number=_number_new(), contract=contract, account=account_of(contract, today), first_on=today, valid_until=valid_until,
            tip=contract.event_count, days=[_kept(c) for c in days], saved_minor=max(0, days[0].saved_minor),
            held_minor=days[0].held_minor, made_at=now(), made_by=actor,
        )  # fmt: skip
        log(actor, "payoff.quote", "loan", contract.number, {"quote": quote.number, "until": valid_until.isoformat()})
    return quote


def _kept(c: Closing) -> list[object]:
    parts = {part.name.lower(): amount for part, amount in c.parts.items()}
    return [c.on.isoformat(), c.amount_minor, parts, c.compensation_minor]


def _number_new() -> str:
    while True:
        number = number_of(secrets.randbelow(10**DIGITS))
        if not PayoffQuote.objects.filter(number=number).exists():
            return number


def account_of(contract: Contract, on: date) -> BankAccount | None:
    """The account to which a loan is paid off: the lender's first open one in the loan's currency."""
    rows = BankAccount.objects.filter(entity=contract.entity, currency=contract.currency, opened_on__lte=on)
    return rows.exclude(closed_on__lte=on).order_by("pk").first()


def _end(quote: PayoffQuote, how: str, actor: str, reason: str = "") -> None:
    quote.ended, quote.ended_at, quote.ended_by, quote.reason = how, now(), actor, reason
    quote.save(update_fields=["ended", "ended_at", "ended_by", "reason"])


def quote_withdraw(quote: PayoffQuote, *, reason: str, actor: str) -> PayoffQuote:
    """Take a quote back: it promises nothing from tomorrow on; money that left its payer by today still counts. Again: no change.

    Raises Refused: no reason, used or replaced, or a debit for it is on its way.
    """
    if not reason.strip():
        raise refuse("missing", "say why the quote is withdrawn", "reason")
    with transaction.atomic():
        Contract.objects.select_for_update(of=("self",), no_key=True).get(pk=quote.contract_id)
        row = PayoffQuote.objects.select_related("contract__product", "contract__entity", "account").get(pk=quote.pk)
        if row.ended == "withdrawn":
            return row
        if row.ended:
            raise refuse("ended", f"{row.number} is {row.ended} already", "number")
        if row.debits.filter(state__in=OPEN).exists():
            raise refuse("in_flight", f"money for {row.number} is on its way from the bank", "number")
        _end(row, "withdrawn", actor, reason.strip()[:300])
        log(actor, "payoff.withdraw", "loan", row.contract.number, {"quote": row.number, "reason": row.reason})
    return row
