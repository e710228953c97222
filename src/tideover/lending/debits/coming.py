"""What is taken next from a borrower: the day and the amount, loan by loan, under their mandate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tideover.engine.terms import date_of, day
from tideover.lending.debits.planning import due_on_day, is_business
from tideover.lending.debits.policy import local, policy
from tideover.lending.debits.selectors import money_in_flight
from tideover.lending.models import Contract, Mandate
from tideover.lending.models.organisation import BookMode
from tideover.lending.rules.debits import next_debit
from tideover.lending.selectors import loan_standing


@dataclass(frozen=True, slots=True)
class Coming:
    """The next debit of a loan. on None: none is foreseen; moving_minor: under way now."""

    contract: Contract
    on: date | None
    amount_minor: int
    moving_minor: int


def coming(mandate: Mandate, at: datetime) -> list[Coming]:
    """The next debit of each loan under a mandate, by what is known now; a loan that is paid off is left out. Beside a core none
    is foreseen: it takes the money itself."""
    named = set(mandate.contracts.values_list("pk", flat=True))
    loans = Contract.objects.filter(borrower=mandate.party, entity=mandate.entity).select_related("product", "entity")
    rows = [c for c in loans.order_by("pk") if not named or c.pk in named]
    moving = money_in_flight([c.pk for c in rows])
    found = [_coming(c, mandate, at, moving.get(c.pk, 0)) for c in rows]
    return [x for x in found if x is not None]


def _coming(contract: Contract, mandate: Mandate, at: datetime, moving_minor: int) -> Coming | None:
    here = local(at)
    s = loan_standing(contract, here.date())
    if s.payoff_minor <= 0:
        return None
    rows = [date_of(r.due_on) for r in s.rows if r.outstanding_minor]
    found = next_debit(rows, policy(), mandate.payday, is_business(contract.entity), here)
    beside = contract.entity.book_mode != BookMode.RECORD
    if found is None or beside or (mandate.valid_to is not None and found[0] > mandate.valid_to):
        return Coming(contract, None, 0, moving_minor)
    on = found[0]
    ahead = sum(r.outstanding_minor for r in s.rows if day(here.date()) < r.due_on <= day(on))
    amount = due_on_day(s, here.date()) + ahead - max(0, s.surplus_minor) - moving_minor
    return Coming(contract, on, max(0, amount), moving_minor)
