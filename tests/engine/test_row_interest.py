"""Equal instalments whose interest follows the outstanding principal: numbers of docs/method/allocation.md."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.engine.test_row_terms import BUCKETS, OLDEST_FIRST, amounts, event, owed, pay
from tideover.engine import terms as T
from tideover.engine.events import Event, EventKind, EventRejected
from tideover.engine.reference_level import Course, lay_out, levels_of
from tideover.engine.reference_schedule import PlanRow, planned_interest
from tideover.engine.replay import replay
from tideover.engine.standing import Standing
from tideover.engine.terms import EarlyMoney, JoinsBase, LateInterest, LevelRate, PayoffInterest, RowTerms, Terms, day


def loan(rows: RowTerms | None = None, **changes: Any) -> Terms:
    """1 200.00 at 12 %, three months from 1 January 2026, a month is a twelfth: 408.03, 408.03, 408.02."""
    terms = Terms(
        principal_minor=120_000,
        disbursed_on=day("2026-01-01"),
        method=T.Method.ANNUITY,
        annual_rate_ppm=120_000,
        instalments=3,
        first_due_on=day("2026-02-01"),
        part_period=T.PartPeriod.PROPORTION,
        rounding=T.Rounding.HALF_EVEN,
        round_where=T.RoundWhere.PER_PIECE,
        level_rate=LevelRate.EACH_ROW,
        interest_basis=T.InterestBasis.OUTSTANDING,
        penalty=None,
        row_terms=rows or RowTerms(BUCKETS),
    )
    return terms.with_(**changes)


def table(s: Standing) -> list[tuple[int, int]]:
    return [(r.principal_minor, r.interest_minor) for r in s.rows]


PLAN = [(39_603, 1_200), (39_999, 804), (40_398, 404)]


def test_the_plan_as_signed_and_paid_on_its_days() -> None:
    assert table(replay(loan(), [], day("2026-01-01"))) == PLAN
    on_time = [pay(1, "2026-02-01", 40_803), pay(2, "2026-03-01", 40_803), pay(3, "2026-04-01", 40_802)]
    s = replay(loan(), on_time, day("2026-04-01"))
    assert table(s) == PLAN and sum(map(owed, s.rows)) == 0 and s.surplus_minor == 0


@pytest.mark.parametrize(
    ("late", "second"), [(LateInterest.EVERY_ROW, (39_603, 1_200)), (LateInterest.RUNNING_ROW, (39_999, 804))]
)
def test_principal_that_stays_out_bears_interest_up_to_today(late: LateInterest, second: tuple[int, int]) -> None:
    """20 February: 19 of 28 days on 1 200.00 and 9 on 803.97 are 8.14 + 2.58."""
    terms = loan(RowTerms(BUCKETS, late_interest=late))
    assert table(replay(terms, [], day("2026-02-20"))) == [(39_603, 1_200), (39_731, 1_072), (40_666, 407)]
    assert table(replay(terms, [], day("2026-03-10")))[1] == second


def test_unpaid_interest_joins_what_bears_interest() -> None:
    """10 March: 9 of 31 days on 1 200.00 + 12.00 + 8.04, then 22 on 403.98: 3.54 + 2.87."""
    rows = RowTerms(BUCKETS, late_interest=LateInterest.RUNNING_ROW, unpaid_interest_joins=JoinsBase.EACH_ROW_DUE_DATE)
    assert table(replay(loan(rows), [], day("2026-03-10")))[2] == (40_398, 354 + 287)
    plain = RowTerms(BUCKETS, late_interest=LateInterest.RUNNING_ROW)
    assert table(replay(loan(plain), [], day("2026-03-10")))[2] == (40_398, 348 + 287)


def test_early_money_lowers_the_later_instalments_or_ends_the_loan_sooner() -> None:
    """500.00 on the first due day: 91.97 more principal; 712.00 left over two rows is 361.35 each, or still 408.03."""
    changes = {"level_rate": LevelRate.PERIOD, "interest_basis": T.InterestBasis.OUTSTANDING}
    lower = loan(RowTerms(OLDEST_FIRST, early_money=EarlyMoney.LOWER_LEVEL), **changes)
    s = replay(lower, [pay(1, "2026-02-01", 50_000)], day("2026-02-01"))
    assert table(s) == [(48_800, 1_200), (35_423, 712), (35_777, 358)]
    fewer = loan(RowTerms(OLDEST_FIRST, early_money=EarlyMoney.FEWER_ROWS), **changes)
    s = replay(fewer, [pay(1, "2026-02-01", 90_000)], day("2026-02-01"))
    assert table(s) == [(88_800, 1_200), (31_200, 312)]


def test_early_money_before_the_due_day_saves_interest_from_its_day() -> None:
    """600.00 after 21 of 31 days: 8.13 on 1 200.00 and 1.94 on 600.00; the row asks for 600.00 and its interest."""
    terms = loan(RowTerms(OLDEST_FIRST, early_money=EarlyMoney.LOWER_LEVEL), level_rate=LevelRate.PERIOD)
    s = replay(terms, [pay(1, "2026-01-22", 60_000)], day("2026-01-22"))
    assert table(s)[0] == (60_000, 813 + 194)
    assert (owed(s.rows[0]), s.rows[0].early_minor) == (1_007, 60_000)


def test_money_that_cures_arrears_leaves_the_instalment() -> None:
    terms = loan(RowTerms(OLDEST_FIRST, early_money=EarlyMoney.LOWER_LEVEL), level_rate=LevelRate.PERIOD)
    s = replay(terms, [pay(1, "2026-02-11", 60_000)], day("2026-02-11"))
    assert s.rows[0].paid_on == day("2026-02-11") and s.rows[1].principal_minor + s.rows[1].interest_minor == 40_803
    assert s.rows[1].paid_principal_minor == 60_000 - 40_803


@pytest.mark.parametrize(("rule", "interest"), [(PayoffInterest.TO_DAY, 402), (PayoffInterest.TO_ROW_END, 804)])
def test_a_payoff_settles_interest_to_its_day_or_to_the_end_of_the_row(rule: PayoffInterest, interest: int) -> None:
    events = [pay(1, "2026-02-01", 40_803), event(2, "2026-02-15", EventKind.PAYOFF)]
    s = replay(loan(RowTerms(BUCKETS, payoff_interest=rule)), events, day("2026-02-15"))
    assert amounts(s, 2) == {"principal": 80_397, "interest": interest}
    assert sum(map(owed, s.rows)) == 0 and s.rows[2].interest_minor == 0


def test_a_tranche_makes_new_instalments_of_the_rows_after_it_or_keeps_the_agreed_one() -> None:
    """600.00 more on 1 February: 1 403.97 over two rows is 712.53. Agreed on 1 800.00 from the start, it is 612.04."""
    more = [event(1, "2026-02-01", EventKind.DISBURSEMENT, 60_000)]
    s = replay(loan(interest_basis=T.InterestBasis.SCHEDULED), more, day("2026-02-01"))
    assert table(s) == [(39_603, 1_200), (69_849, 1_404), (70_548, 705)]
    assert [r.balance_minor for r in s.rows] == [80_397, 70_548, 0]
    agreed = loan(level_rate=LevelRate.PERIOD, interest_basis=T.InterestBasis.SCHEDULED, level_principal_minor=180_000)
    assert [r.principal_minor + r.interest_minor for r in replay(agreed, more, day("2026-02-01")).rows][:2] == [61_204, 61_204]


def test_the_first_row_s_days_may_give_the_instalment() -> None:
    """ACT/365: 31 days are 1.019 %, so 1 200.00 over three rows is 408.18 a row."""
    terms = loan(day_count=T.DayCount.ACT_365F, level_rate=LevelRate.FIRST_ROW)
    rows = replay(terms, [], day("2026-01-01")).rows
    assert [r.principal_minor + r.interest_minor for r in rows[:2]] == [40_818, 40_818]
    assert [r.interest_minor for r in rows] == [1_223, 740, 411]


def test_moving_principal_between_rows_is_refused_where_instalments_follow_it() -> None:
    with pytest.raises(EventRejected, match="re_age does not apply"):
        re_age = event(1, "2026-02-20", EventKind.RE_AGE, rows=2, from_day=day("2026-03-01"), every=1, unit=T.Unit.MONTH)
        replay(loan(), [re_age], day("2026-02-20"))


def test_the_fitted_instalment_never_leaves_the_last_row_further_off() -> None:
    moved = 0
    for seed in range(300):
        rng = random.Random(seed)
        count, rate = rng.randrange(3, 40), rng.randrange(10_000, 400_000)
        terms = loan(principal_minor=rng.randrange(10_000, 10_000_000), annual_rate_ppm=rate, instalments=count)
        tranches = [(terms.disbursed_on, terms.principal_minor)]
        rows = [PlanRow(r.nr, r.start_on, r.due_on, r.due_on, r.due_on) for r in replay(terms, [], terms.disbursed_on).rows]
        gap = {}
        for name, rule in (("fitted", LevelRate.EACH_ROW), ("plain", LevelRate.PERIOD)):
            of = terms.with_(level_rate=rule)
            levels = levels_of(rows, tranches, of)
            lay_out(rows, levels, Course(tranches), of)
            gap[name] = abs(rows[-1].principal + planned_interest(rows[-1], of) - levels[-1])
            assert sum(r.principal for r in rows) == terms.principal_minor
        assert gap["fitted"] <= gap["plain"], seed
        moved += gap["fitted"] < gap["plain"]
    assert moved > 3


def histories(rng: random.Random) -> list[Event]:
    out, on = [], day("2026-01-01")
    for seq in range(1, rng.randrange(2, 9)):
        on += rng.randrange(0, 25)
        out.append(Event(seq, on, EventKind.PAYMENT, amount_minor=rng.randrange(1, 60_000)))
    return out


@pytest.mark.parametrize("early", list(EarlyMoney))
def test_money_is_conserved_and_rows_are_never_overpaid(early: EarlyMoney) -> None:
    for seed in range(150):
        rng = random.Random(seed)
        events = histories(rng)
        on = day("2026-01-01") + rng.randrange(0, 160)
        s = replay(loan(RowTerms(OLDEST_FIRST, early_money=early)), events, on)
        money = sum(e.amount_minor for e in events if e.on <= on)
        off = replay(loan(RowTerms(OLDEST_FIRST, early_money=early)), [*events, Event(99, on, EventKind.PAYOFF)], on)
        taken = next(t for t in off.trace if t.seq == 99)
        assert sum(taken.amounts_minor) + taken.held_minor == max(0, s.payoff_minor), seed
        assert sum(map(owed, off.rows)) == 0, seed
        assert sum(r.paid_minor + r.paid_charges_minor for r in s.rows) + s.surplus_minor == money, seed
        assert all(owed(r) >= 0 for r in s.rows) and sum(r.principal_minor for r in s.rows) == 120_000, seed
        shuffled = events[:]
        rng.shuffle(shuffled)
        assert replay(loan(RowTerms(OLDEST_FIRST, early_money=early)), shuffled, on) == s, seed
        assert sum(sum(t.amounts_minor) + t.held_minor for t in s.trace) == money, seed
