"""The loan page's figures: components that add up, formulas that give the cent, where a payment went, what if."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.utils.translation import override

from tests.factories import House
from tideover.daily.transitions import KINDS
from tideover.engine.classify import CLASSES
from tideover.engine.events import EventKind
from tideover.engine.terms import Component, day
from tideover.lending import panels_loan
from tideover.lending.models import Contract, LoanParty
from tideover.lending.panels_loan import owed_lines, payment_trail, schedule_lines, schedule_totals
from tideover.lending.panels_mine import my_payments
from tideover.lending.selectors import BUCKET_ORDER, loan_standing
from tideover.lending.services import event_record
from tideover.lending.words import NAMES, word

LATE = date(2026, 3, 5)


def pay(loan: Contract, on: date, minor: int, key: str) -> None:
    event_record(loan, kind=EventKind.PAYMENT, effective_on=on, amount_minor=minor, idempotency_key=key, actor="a")


def owed(loan: Contract, on: date) -> dict[str, panels_loan.OwedLine]:
    return {line.name: line for line in owed_lines(loan, loan_standing(loan, on), list(loan.events.order_by("seq")))}


@pytest.mark.parametrize("on", [date(2026, 1, 25), date(2026, 2, 20), LATE, date(2026, 5, 1), date(2027, 1, 1)])
def test_the_components_add_up_to_the_pay_off(house: House, on: date) -> None:
    pay(house.loan, date(2026, 2, 25), 300_000, "p")
    standing = loan_standing(house.loan, on)
    lines = owed(house.loan, on).values()
    assert sum(line.owed_minor for line in lines) - standing.surplus_minor == standing.payoff_minor
    assert sum(line.paid_minor for line in lines) + standing.surplus_minor == standing.paid_total_minor


def test_a_late_instalment_shows_the_product_that_gives_its_cents(house: House) -> None:
    with override("en"):
        line = owed(house.loan, LATE)["penalty"]
    exact = Decimal(400_000) * 60_000 * 3 * 13 / (1_000_000 * 2 * 360)
    assert line.owed_minor == int(exact.quantize(Decimal(1), ROUND_HALF_UP)) == 1_300
    assert line.how == ["No. 1: ¥4,000.00 × 6% × 3/2 ÷ 360 × 13 days = ¥13.00"]


def test_a_figure_that_no_single_product_gives_is_not_dressed_up_as_one(house: House) -> None:
    pay(house.loan, date(2026, 2, 27), 100_000, "p")
    with override("en"):
        how = owed(house.loan, LATE)["penalty"].how
    assert how and "day by day" in how[0] and "÷" not in how[0]


def test_what_was_waived_is_not_called_paid(house: House) -> None:
    more = {"component": "penalty"}
    event_record(
        house.loan, kind=EventKind.WAIVER, effective_on=LATE, amount_minor=-1, idempotency_key="w", actor="a", extra=more
    )
    line = owed(house.loan, LATE)["penalty"]
    assert (line.owed_minor, line.paid_minor, line.waived_minor) == (0, 0, 1_300)


def test_the_schedule_adds_up_and_names_the_state_of_each_row(house: House) -> None:
    pay(house.loan, date(2026, 2, 20), 406_000, "p")
    lines = schedule_lines(loan_standing(house.loan, date(2026, 3, 25)))
    assert [line.state for line in lines] == ["paid", "late", "to_come"]
    assert [line.state for line in schedule_lines(loan_standing(house.loan, date(2026, 3, 20)))] == ["paid", "due", "to_come"]
    totals = schedule_totals(lines)
    assert totals["principal"] == 1_200_000 and totals["total"] == totals["paid"] + totals["open"] - totals["late"]
    assert totals["open"] == totals["open_principal"] + totals["open_interest"] + totals["late"]


def test_a_payment_is_followed_to_each_instalment(house: House) -> None:
    pay(house.loan, LATE, 500_000, "p")
    trail = payment_trail(house.loan, 1)
    assert trail is not None and trail.total_minor == 500_000
    assert [(r.nr, r.principal_minor, r.late_minor > 0) for r in trail.rows] == [(1, 400_000, True)]
    assert sum(r.total_minor for r in trail.rows) + dict(trail.parts)["held"] == 500_000
    assert trail.before.payoff_minor - trail.after.payoff_minor == 500_000
    assert (trail.before.days_past_due, trail.after.days_past_due) == (13, 0)
    assert trail.taken_back is None and payment_trail(house.loan, 2) is None


def test_a_payment_taken_back_still_says_where_it_had_gone(house: House) -> None:
    pay(house.loan, LATE, 406_000, "p")
    event_record(
        house.loan,
        kind=EventKind.REVERSAL,
        effective_on=LATE,
        amount_minor=0,
        idempotency_key="r",
        actor="a",
        extra={"of_seq": 1},
    )
    trail = payment_trail(house.loan, 1)
    assert trail is not None and trail.taken_back is not None and trail.taken_back.seq == 2 and trail.total_minor == 406_000
    assert payment_trail(house.loan, 2) is None
    events = list(house.loan.events.order_by("seq"))
    lines = panels_loan.journal_lines(events, loan_standing(house.loan, LATE))
    assert [line["taken_back"] for line in lines] == [True, False]


def test_what_if_agrees_with_what_then_happens(house: House) -> None:
    answer = panels_loan.what_if(house.loan, EventKind.PAYMENT, 500_000, LATE)
    payoff = panels_loan.what_if(house.loan, EventKind.PAYOFF, 0, LATE)
    assert payoff["paid_minor"] == answer["before"].payoff_minor and payoff["after"].payoff_minor == 0
    pay(house.loan, LATE, 500_000, "p")
    real = loan_standing(house.loan, LATE)
    assert (real.payoff_minor, real.as_of) == (answer["after"].payoff_minor, day(LATE))
    assert dict(answer["parts"]) == dict(panels_loan.parts_of(real.trace[0]))


def debited(loan: Contract, status: str, key: str) -> None:
    more = {"debit_id": "d1", "debit_status": status}
    event_record(loan, kind=EventKind.DEBIT, effective_on=LATE, amount_minor=100_000, idempotency_key=key, actor="a", extra=more)


def test_a_debit_is_money_once_it_succeeded(house: House) -> None:
    debited(house.loan, "sent", "s")
    assert payment_trail(house.loan, 1) is None and my_payments(house.borrower.user) == []
    debited(house.loan, "success", "t")
    trail = payment_trail(house.loan, 2)
    assert trail is not None and trail.total_minor == 100_000
    assert [p["total_minor"] for p in my_payments(house.borrower.user)] == [100_000]


def test_every_code_of_a_page_has_a_word_in_both_languages() -> None:
    roles, kinds = [role for role, _ in LoanParty.ROLES], [k.name.lower() for k in EventKind]
    codes = [*kinds, *(c.name.lower() for c in Component), *KINDS, *BUCKET_ORDER, *CLASSES, *roles]
    assert [c for c in codes if c not in NAMES] == []
    with override("zh-hans"):
        assert [c for c in codes if word(c).isascii()] == []
