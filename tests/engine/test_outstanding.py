"""Interest on the principal really outstanding: hand-computed loans, and what must hold for any of them."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from tests.strategies import random_loan
from tideover.engine import reference
from tideover.engine.columns import kernel_gap
from tideover.engine.events import Event, EventKind, EventRejected, PauseWhat
from tideover.engine.replay import replay
from tideover.engine.terms import (
    BusinessDay,
    Calendar,
    DayCount,
    InterestBasis,
    Method,
    PenaltyTerms,
    PrepaymentInterest,
    Shift,
    Surplus,
    Terms,
    day,
)

OUT = InterestBasis.OUTSTANDING
THREE = Terms(
    1_200_000,
    day("2026-01-20"),
    Method.EQUAL_PRINCIPAL,
    60_000,
    day_count=DayCount.ACT_360,
    instalments=3,
    first_due_on=day("2026-02-20"),
    due_day=20,
    interest_basis=OUT,
    penalty=None,
)
DAILY = 200
"""Interest a day on 12,000.00 at 6 % ACT/360: 2.00."""


def pay(seq: int, on: str, amount: int, kind: EventKind = EventKind.PAYMENT) -> Event:
    return Event(seq, day(on), kind, amount_minor=amount)


def test_the_kernel_takes_it() -> None:
    assert kernel_gap(THREE) is None


def test_interest_of_a_row_in_interest_grace_falls_due_with_the_next() -> None:
    s = replay(THREE.with_(grace_interest_rows=1), [], day("2026-03-20"))
    assert [r.interest_minor for r in s.rows] == [0, 6_200 + 5_600, 6_200]


def test_paid_on_its_days_it_equals_the_scheduled_loan() -> None:
    events = [pay(1, "2026-02-20", 406_200), pay(2, "2026-03-20", 403_733), pay(3, "2026-04-20", 402_067)]
    a = replay(THREE, events, day("2026-05-20"))
    b = replay(THREE.with_(interest_basis=InterestBasis.SCHEDULED), events, day("2026-05-20"))
    assert a.rows == b.rows and a.payoff_minor == b.payoff_minor == 0


def test_nothing_paid_every_day_costs_two_yuan() -> None:
    for on in ("2026-01-21", "2026-02-20", "2026-03-13", "2026-04-20", "2026-06-01"):
        s = replay(THREE, [], day(on))
        assert s.interest_minor + s.accrued_minor == DAILY * (day(on) - THREE.disbursed_on), on
        assert s.payoff_minor == 1_200_000 + DAILY * (day(on) - THREE.disbursed_on)


def test_a_reversed_payment_never_saved_anything() -> None:
    events = [pay(1, "2026-03-06", 406_200), Event(2, day("2026-04-02"), EventKind.REVERSAL, of_seq=1)]
    assert replay(THREE, events, day("2026-05-01")).payoff_minor == replay(THREE, [], day("2026-05-01")).payoff_minor


def test_with_penalty_terms_late_principal_bears_penalty_instead() -> None:
    s = replay(THREE.with_(penalty=PenaltyTerms(compound_on_interest=False)), [], day("2026-03-20"))
    assert s.rows[1].interest_minor == 3_733  # 8,000 x 6 % x 28/360
    assert s.penalty_minor == 2_800  # 4,000 x 9 % x 28/360


def test_a_prepayment_replans_and_the_late_part_goes_on_bearing_interest() -> None:
    # Row 1 is late; on 6 March 6,062.00 come: 4,062.00 cure it, 2,000.00 are prepaid: 6,000.00 stay, 3,000.00 a row.
    s = replay(THREE, [pay(1, "2026-03-06", 606_200, EventKind.PREPAYMENT)], day("2026-03-20"))
    assert [r.principal_minor for r in s.rows] == [400_000, 300_000, 300_000]
    assert s.rows[1].interest_minor == 4_200  # 14 days on 12,000.00 (28.00) and 14 on 6,000.00 (14.00)


def test_settle_all_leaves_only_what_accrues_from_that_day() -> None:
    terms = THREE.with_(prepayment_interest=PrepaymentInterest.SETTLE_ALL)
    s = replay(terms, [pay(1, "2026-02-05", 303_200, EventKind.PREPAYMENT)], day("2026-02-20"))
    assert (s.trace[0].amounts_minor[1], s.rows[0].interest_minor) == (3_200, 2_250)  # 9,000 x 6 % x 15/360
    assert s.principal_minor == 900_000


def test_an_annuity_keeps_its_planned_principal_and_the_saved_interest_is_saved() -> None:
    terms = THREE.with_(method=Method.ANNUITY, surplus=Surplus.NEXT)
    planned = replay(terms, [], terms.disbursed_on).rows
    s = replay(terms, [pay(1, "2026-02-05", 200_000)], day("2026-02-20"))
    assert s.rows[0].principal_minor == planned[0].principal_minor - 196_800
    assert planned[0].interest_minor - 3_200 - s.rows[0].interest_minor == 492  # 1,968 x 6 % x 15/360


def test_early_money_stays_paid_through_a_rate_change() -> None:
    # 1,968.00 were prepaid on 5 February; from the 10th the rate is 9 %: 5 days at 6 %, 10 days at 9 % on 10,032.00.
    events = [pay(1, "2026-02-05", 200_000), Event(2, day("2026-02-10"), EventKind.RATE_CHANGE, rate_ppm=90_000)]
    s = replay(THREE.with_(surplus=Surplus.NEXT), events, day("2026-02-20"))
    assert (s.principal_minor, s.surplus_minor) == (1_003_200, 0)
    assert s.rows[0].interest_minor == 836 + 2_508  # 8.36 + 25.08; 32.00 were paid


def test_interest_free_days_of_a_pause_are_free_after_maturity_too() -> None:
    pause = Event(1, day("2026-05-01"), EventKind.PAUSE, from_day=day("2026-05-01"), until=day("2026-05-11"), pause_what=1)
    assert PauseWhat.INTEREST == 1
    got = replay(THREE, [pause], day("2026-05-20")).interest_minor
    assert replay(THREE, [], day("2026-05-20")).interest_minor - got == 10 * DAILY


def test_principal_is_out_until_the_business_day_on_which_it_is_paid() -> None:
    weekend = Calendar("w", frozenset({5, 6}))
    # 20 February 2027 is a Saturday; the row is due on Monday the 22nd. Two more days on 4,000.00 fall into row 2.
    terms = THREE.with_(
        disbursed_on=day("2027-01-20"), first_due_on=day("2027-02-20"), business_day=BusinessDay.FOLLOWING, calendar=weekend
    )
    s = replay(terms, [pay(1, "2027-02-22", 406_200)], day("2027-03-22"))
    assert terms.late_from == Shift.SHIFTED
    assert s.rows[1].interest_minor == 3_867  # 2 days on 12,000.00 (4.00) + 26 days on 8,000.00 (34.67)


def test_a_bullet_costs_for_every_day_that_it_is_late() -> None:
    terms = Terms(
        1_000_000, day("2026-03-01"), Method.BULLET, 120_000, day_count=DayCount.ACT_360, maturity_on=day("2026-03-31"),
        interest_basis=OUT, penalty=None,
    )  # fmt: skip
    s = replay(terms, [pay(1, "2026-04-30", 500_000)], day("2026-05-10"))
    # 60 days at 3.33: 200.00, paid first; 4,800.00 of principal; then 10 days on 5,200.00: 17.33.
    assert (s.principal_minor, s.interest_minor, s.days_past_due) == (520_000, 1_733, 40)


@pytest.mark.parametrize("seed", range(120))
def test_any_loan_is_conserved_and_does_not_depend_on_when_it_is_asked(seed: int) -> None:
    rng = random.Random(seed)
    terms, events, as_of = random_loan(rng)
    terms = terms.with_(interest_basis=OUT)
    if terms.problems():
        return
    try:
        s = reference.replay(terms, events, as_of)
    except EventRejected:
        return
    money = {EventKind.PAYMENT, EventKind.PREPAYMENT}
    counted = [e for e in reference.effective(events, None) if e.on <= as_of]
    assert sum(e.amount_minor for e in counted if e.kind in money) == s.paid_total_minor + s.surplus_minor
    assert min(s.principal_minor, s.interest_minor, s.accrued_minor, s.penalty_minor, s.surplus_minor) >= 0
    # A read half-way through changes nothing: a void event on every tenth day cuts the spans elsewhere.
    marks = [Event(1000 + k, terms.disbursed_on + 10 * k, EventKind.CHARGE, component=4) for k in range(1, 60)]  # type: ignore[arg-type]
    cut = reference.replay(terms, [*events, *marks], as_of)
    assert (cut.interest_minor, cut.accrued_minor, cut.penalty_minor) == (s.interest_minor, s.accrued_minor, s.penalty_minor)


def test_interest_equals_the_sum_of_days_over_random_payments() -> None:
    """An independent day-by-day account: what is out each day x rate, for a plain bullet with early and late part payments."""
    rng = random.Random(7)
    start = day("2026-03-01")
    terms = Terms(
        5_000_000, start, Method.BULLET, 73_000, day_count=DayCount.ACT_365F, maturity_on=start + 90, interest_basis=OUT,
        surplus=Surplus.NEXT, penalty=None,
    )  # fmt: skip
    for _ in range(20):
        days = sorted(rng.sample(range(1, 150), 4))
        events = [
            Event(k, start + d, EventKind.PAYMENT, amount_minor=rng.randrange(10_000, 900_000)) for k, d in enumerate(days, 1)
        ]
        left, ran, owed = terms.principal_minor, Fraction(0), 0
        for d in range(151):
            paid_in = sum(e.amount_minor for e in events if e.on == start + d)
            if (paid_in and d < 90) or d == 90:
                # Interest is rounded when it is paid out or falls due; after maturity its total runs on.
                owed, ran = owed + int(ran + Fraction(1, 2)), Fraction(0)
            shown = owed + int(ran + Fraction(1, 2))
            part = min(paid_in, shown)
            owed -= part
            left -= min(left, paid_in - part)
            ran += Fraction(left * 73_000, 365_000_000) if d < 150 else 0
        s = replay(terms, events, start + 150)
        assert s.principal_minor == left
        assert s.interest_minor == owed + int(ran + Fraction(1, 2))
