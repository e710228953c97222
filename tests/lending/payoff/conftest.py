"""A house with an account to pay to, and how its tests quote and pay."""

from __future__ import annotations

from datetime import date

import pytest

from tests.factories import House
from tideover.lending.models import BankAccount, Contract, PayoffQuote, Receipt
from tideover.lending.payoff.services import payoff_quote
from tideover.lending.receipts.services import Payer, Source, receipt_record

TODAY, UNTIL = date(2026, 2, 10), date(2026, 2, 17)
ACCOUNT = "6222 0001 9999"


@pytest.fixture
def account(house: House) -> BankAccount:
    return BankAccount.objects.create(
        entity=house.entity, number="1100099", name="Repayments", bank="ICBC", opened_on=date(2020, 1, 1)
    )  # fmt: skip


def quote(contract: Contract, until: date = UNTIL, today: date = TODAY) -> PayoffQuote:
    return payoff_quote(contract, valid_until=until, actor="counter", as_of=today)


def asked(q: PayoffQuote, on: date) -> int:
    return next(amount for day, amount, _parts, _early in q.days if day == on.isoformat())


def pay(house: House, amount: int, *, on: date = TODAY, names: str = "", key: str = "p", **more: object) -> Receipt:
    """Money of the borrower's own account; names: the loan or quote that it names."""
    return receipt_record(
        party=house.borrower, entity_id=house.entity.pk, amount_minor=amount, received_on=on,
        payer=Payer("李明", ACCOUNT, "ICBC"), source=Source("counter"), idempotency_key=key, actor="payments",
        designation=[{"debt": names}] if names else None, as_of=on, **more,  # type: ignore[arg-type]
    )  # fmt: skip
