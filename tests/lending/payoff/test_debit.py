"""Paid off by a debit that the borrower asks for: one take, the day that the money left, and every reason against it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.factories import House
from tests.lending.debits.worlds import TODAY, clock, debtor, due_today, result
from tideover.core.problems import Refused
from tideover.engine.events import EventKind
from tideover.lending.debits.answers import result_take
from tideover.lending.debits.mandates import mandate_withdraw
from tideover.lending.debits.planning import debits_plan
from tideover.lending.debits.sending import batches_send
from tideover.lending.models import Contract, Debit, Hold, PayoffQuote, PayoffUse, Receipt
from tideover.lending.payoff.paying import debit_possible, payoff_by_debit
from tideover.lending.payoff.selectors import asked_on
from tideover.lending.payoff.services import payoff_quote, quote_withdraw
from tideover.lending.receipts.services import Payer, Source, receipt_record
from tideover.lending.selectors import loan_standing, loan_status

NOON = clock(12)


@pytest.fixture(autouse=True)
def transfer(settings: object, tmp_path: Path) -> Iterator[Path]:
    settings.DEBIT_FOLDER = tmp_path  # type: ignore[attr-defined]
    yield tmp_path


@pytest.fixture
def contract(house: House) -> Contract:
    return due_today(house, cap_take_minor=2_000_000, cap_month_minor=2_000_000)


def quoted(contract: Contract) -> tuple[PayoffQuote, int]:
    q = payoff_quote(contract, valid_until=TODAY + timedelta(days=5), actor="debtor", as_of=TODAY)
    return q, asked_on(q, TODAY) or 0


def ask(contract: Contract) -> Debit:
    q, amount = quoted(contract)
    return payoff_by_debit(q, shown_minor=amount, actor="debtor", at=NOON)


def taken(d: Debit, amount: int | None = None, days: int = 0) -> None:
    said = (d.reference, "0000", d.amount_minor if amount is None else amount, clock(13, days))
    assert result_take(result(said, batch=d.batch.number), source="http", at=clock(14, days), actor="bank") == {"applied": 1}


def test_one_debit_takes_it_and_the_loan_ends_on_that_day(house: House, contract: Contract) -> None:
    d = ask(contract)
    assert (d.state, d.payoff.number, d.batch.count, d.part_allowed) == ("drafted", PayoffQuote.objects.get().number, 1, False)
    assert debits_plan(house.entity, actor="t", at=clock(18))[1] == {"in_flight": 1}, "never two takes"
    assert batches_send(NOON) == 1
    assert loan_standing(contract, TODAY).in_flight_minor == d.amount_minor
    assert Hold.objects.get().kind == "debit_in_flight"
    taken(d)
    s = loan_standing(contract, TODAY + timedelta(days=60))
    assert loan_status(s) == "paid_off" and (s.payoff_minor, s.surplus_minor, s.in_flight_minor) == (0, 0, 0)
    last = contract.events.order_by("-seq").first()
    assert (last.kind, last.amount_minor, last.extra) == (EventKind.PAYOFF, d.amount_minor, {"debit_id": d.reference})
    assert PayoffUse.objects.get().rule == "exact" and Hold.objects.get().lifted_at is not None
    assert Receipt.objects.get().unapplied_minor == 0


def test_pressed_twice_is_asked_once(house: House, contract: Contract) -> None:
    ask(contract)
    with pytest.raises(Refused) as refused:
        payoff_by_debit(PayoffQuote.objects.get(), shown_minor=quoted_sum(), actor="debtor", at=NOON)
    assert refused.value.problems[0].code == "in_flight" and Debit.objects.count() == 1
    with pytest.raises(Refused, match="on its way"):
        quote_withdraw(PayoffQuote.objects.get(), reason="x", actor="p")


def quoted_sum() -> int:
    return asked_on(PayoffQuote.objects.get(ended=""), TODAY) or 0


def test_what_came_in_between_is_not_taken_again(house: House, contract: Contract) -> None:
    d = ask(contract)
    receipt_record(
        entity_id=house.entity.pk, party=debtor(house), amount_minor=100_000, received_on=TODAY, payer=Payer(),
        source=Source("counter"), idempotency_key="k", actor="payments", designation=[{"debt": contract.number}], as_of=TODAY,
    )  # fmt: skip
    batches_send(NOON)
    sent = Debit.objects.get()
    assert sent.amount_minor == d.amount_minor - 100_000
    taken(sent)
    assert loan_status(loan_standing(contract, TODAY)) == "paid_off"


def test_a_result_three_days_later_counts_as_of_the_day(house: House, contract: Contract) -> None:
    d = ask(contract)
    batches_send(NOON)
    said = (d.reference, "0000", d.amount_minor, clock(13))
    result_take(result(said, batch=d.batch.number), source="inquiry", at=clock(9, 3), actor="bank")
    assert PayoffUse.objects.get().on == TODAY
    assert loan_status(loan_standing(contract, TODAY + timedelta(days=3))) == "paid_off"


def test_a_debit_that_fails_leaves_the_quote_open(house: House, contract: Contract) -> None:
    d = ask(contract)
    batches_send(NOON)
    result_take(result((d.reference, "1001", 0, None), batch=d.batch.number), source="http", at=clock(14), actor="bank")
    assert Debit.objects.get().state == "failed" and PayoffQuote.objects.get().ended == ""
    assert loan_standing(contract, TODAY).in_flight_minor == 0


def code_of(contract: Contract, at: object = NOON) -> str:
    q, _amount = quoted(contract)
    said = debit_possible(q, at)  # type: ignore[arg-type]
    assert isinstance(said, str)
    return said


def test_reasons_against_a_debit(house: House) -> None:
    contract = due_today(house, cap_take_minor=100_000, cap_month_minor=100_000)
    assert code_of(contract) == "over_cap"
    m = contract.borrower.mandates.get()
    m.cap_take_minor = 2_000_000
    m.save()
    assert code_of(contract) == "over_month"
    m.cap_month_minor = 2_000_000
    m.save()
    assert debit_possible(quoted(contract)[0], NOON) == m.accounts.earliest("rank")
    assert code_of(contract, clock(23, minute=30)) == "missed_cut_off"
    mandate_withdraw(m, how="app", actor="debtor")
    assert code_of(contract) == "no_mandate"


def test_another_sum_than_the_one_shown_is_not_taken(house: House, contract: Contract) -> None:
    q, amount = quoted(contract)
    with pytest.raises(Refused) as refused:
        payoff_by_debit(q, shown_minor=amount - 1, actor="debtor", at=NOON)
    assert refused.value.problems[0].code == "changed" and not Debit.objects.exists()
    with pytest.raises(Refused) as past:
        payoff_by_debit(q, shown_minor=amount, actor="debtor", at=clock(12, 6))
    assert past.value.problems[0].code == "day_past"
