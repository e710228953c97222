"""Frappe Lending #878 and the run of PEERS §5b: money entered late, in any order, is the same money.

There a repayment dated before an existing one was refused, or was taken without counting days past due and penalty again.
"""

from __future__ import annotations

import random
from datetime import date

import pytest

from tests.factories import House, loan
from tests.peers_book.history import HISTORY, enter, payment_record, said
from tideover.engine.events import EventKind
from tideover.lending.journal import chain_break
from tideover.lending.models import Contract, StandingRow
from tideover.lending.selectors import loan_standing
from tideover.lending.services import standing_refresh

SEED = 20261125


def pay(contract: Contract, on: str, amount_minor: int) -> None:
    payment_record(
        contract, amount_minor=amount_minor, received_on=date.fromisoformat(on), idempotency_key=f"{contract.number}:{on}",
        actor="a", as_of=date(2026, 4, 10),
    )  # fmt: skip


def test_a_repayment_earlier_than_an_existing_one_counts_days_and_penalty_anew(house: House) -> None:
    late, in_order = house.loan, house.second_loan
    pay(late, "2026-03-28", 100_000)
    before = loan_standing(late, date(2026, 4, 10))
    assert before.days_past_due == 49 and before.penalty_minor > 0
    pay(late, "2026-02-20", 406_000)
    pay(in_order, "2026-02-20", 406_000)
    pay(in_order, "2026-03-28", 100_000)
    after = loan_standing(late, date(2026, 4, 10))
    assert (after.days_past_due, after.penalty_minor < before.penalty_minor) == (21, True)
    assert said(late, date(2026, 4, 10)) == said(in_order, date(2026, 4, 10))
    cached = [StandingRow.objects.filter(contract=c).values().get() for c in (late, in_order)]
    assert {k: v for k, v in cached[0].items() if k != "contract_id"} == {
        k: v for k, v in cached[1].items() if k != "contract_id"
    }


def test_the_example_of_the_ticket(house: House) -> None:
    """A demand of early March; money of the 20th is entered, then money of the 16th."""
    for contract, days in ((house.loan, ("2026-03-20", "2026-03-16")), (house.second_loan, ("2026-03-16", "2026-03-20"))):
        for day in days:
            pay(contract, day, 300_000)
    assert said(house.loan, date(2026, 4, 10)) == said(house.second_loan, date(2026, 4, 10))


@pytest.mark.parametrize("n", range(8))
def test_any_order_of_entry_through_the_journal_gives_the_same_state(house: House, n: int) -> None:
    order = list(range(len(HISTORY)))
    enter(house.loan, order)
    random.Random(SEED + n).shuffle(order)
    other = loan("T-8", house.borrower, house.branch)
    enter(other, order)
    for day in ("2026-02-26", "2026-04-11", "2026-05-01", "2026-06-30"):
        assert said(house.loan, date.fromisoformat(day)) == said(other, date.fromisoformat(day)), (
            f"seed {SEED + n}, order {order}"
        )
    assert chain_break(house.loan) is None and chain_break(other) is None


def test_days_past_due_do_not_depend_on_when_anybody_looked(house: House) -> None:
    """killbill #2297: the state of a day is a function of the events and the day, not of the checks made before."""
    enter(house.loan, range(len(HISTORY)))
    enter(house.second_loan, range(len(HISTORY)))
    for day in (date(2026, 3, 1), date(2026, 3, 2), date(2026, 4, 20), date(2026, 6, 1)):
        standing_refresh(house.loan, as_of=day)
    assert said(house.loan) == said(house.second_loan)
    assert loan_standing(house.loan, date(2026, 3, 1)).days_past_due == 9


def test_principal_paid_alone_leaves_interest_as_an_open_item(house: House) -> None:
    """erpnext #58220: interest that was not paid stays owed until it is paid or waived by name."""
    terms = {"allocation_order": ["principal", "interest", "penalty", "compound", "fee", "third_party_fee", "recovery_cost"]}
    house.loan.overrides = {**terms, "allocation_by": "component"}
    house.loan.save(update_fields=["overrides"])
    for nr, day in enumerate(("2026-02-20", "2026-03-20", "2026-04-20")):
        pay(house.loan, day, 400_000)
        assert loan_standing(house.loan, date.fromisoformat(day)).principal_minor == 800_000 - nr * 400_000
    standing = loan_standing(house.loan, date(2026, 6, 30))
    assert (standing.principal_minor, standing.interest_minor) == (0, 12_000) and standing.days_past_due > 0
    assert EventKind.WAIVER not in set(house.loan.events.values_list("kind", flat=True))
