"""What pay-offs show on pages of others: quotes of a loan, a borrower's money that no loan takes, rows of payments' home."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Min, Prefetch, Sum
from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.core.access import can
from tideover.core.business_time import business_date
from tideover.core.models import Role, User
from tideover.core.panels import ExceptionRow, Panel, register
from tideover.lending.models import Contract, PayoffQuote, PayoffUse
from tideover.lending.models.organisation import BookMode
from tideover.lending.payoff.held import held_of
from tideover.lending.payoff.selectors import asked_on, days_of, since_made, state_of
from tideover.lending.receipts.selectors import FILTERS, receipts_visible

BACK_DAYS = 3
SHOWN_MAX = 10


def quote_context(quote: PayoffQuote, today: date) -> dict[str, Any]:
    """One quote as pages show it: how it stands, today's sum, the days left, what was booked since."""
    return {
        "quote": quote, "state": f"quote_{state_of(quote, today)}", "today_minor": asked_on(quote, today),
        "days": [d for d in days_of(quote) if d.on >= today], "since": since_made(quote, today) if not quote.ended else None,
    }  # fmt: skip


def quotes_shown(contract: Contract, today: date) -> list[tuple[PayoffQuote, str, PayoffUse | None]]:
    """The quotes of a loan, the newest first: how each stands, and the money that paid the loan off under it."""
    live = PayoffUse.objects.filter(ended_at=None).select_related("part__receipt")
    found = contract.payoff_quotes.order_by("-pk").prefetch_related(Prefetch("uses", live, to_attr="live_uses"))[:SHOWN_MAX]
    return [(q, f"quote_{state_of(q, today)}", next(iter(q.live_uses), None)) for q in found]


def loan_side(user: User, contract: Contract) -> Mapping[str, Any] | None:
    """The quotes of a loan, and a link to the sums; nothing for a loan that is over and had none."""
    today = business_date()
    found = quotes_shown(contract, today)
    may_make = can(user, "payoff-quote-make") and contract.entity.book_mode == BookMode.RECORD
    if not found and not (may_make and contract.standing.bucket != "closed"):
        return None
    return {"quotes": [(q, state, use, asked_on(q, today)) for q, state, use in found], "contract": contract}


def held_mine(user: User, _thing: object) -> Mapping[str, Any] | None:
    """What of a borrower's money is with us and on no loan."""
    party = getattr(user, "party", None)
    total = sum(r.unapplied_minor for r in held_of(party)) if party is not None else 0
    return {"total_minor": total} if total else None


def home_rows(user: User, today: date) -> Mapping[str, Any]:
    """Money that people want back. What is kept for them counts as not yet placed (lending/panels.py)."""
    rows = receipts_visible(user, today).filter(FILTERS["wanted_back"])
    found = rows.aggregate(n=Count("pk"), first=Min("received_on"), total=Sum("unapplied_minor"))
    act_by = found["first"] + timedelta(days=BACK_DAYS) if found["first"] else None
    address = f"{reverse('receipts')}?show=wanted_back" if found["n"] else ""
    late, label, owner = act_by is not None and act_by < today, gettext_noop("Money that people want back"), Role.PAYMENTS.label
    return {"rows": [ExceptionRow(label, found["n"], found["first"], found["total"], str(owner), act_by, late, address)]}


def panels_register() -> None:
    """Put them into their slots."""
    register("loan.side", Panel("payoff", "lending/payoff/loan_panel.html", loan_side, "payoff-quotes", 60))
    register("borrower.home", Panel("held", "lending/payoff/held_panel.html", held_mine, "my-held", 20))
    register("home.rows", Panel("receipts-wanted-back", "", home_rows, "home-held", 125))
