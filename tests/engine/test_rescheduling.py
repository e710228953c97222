"""Every way to change a plan, with sums by hand: extension, deferral, longer term, re-amortisation, rate cut, capitalised
arrears, new rows; and what may not be done."""

from __future__ import annotations

import pytest

from tideover.engine import reference
from tideover.engine.clocks import contractual_days_past_due, contractual_standing
from tideover.engine.columns import event_columns
from tideover.engine.events import DeferInterest, Event, EventKind, EventRejected, PrepayMode, RowPolicy
from tideover.engine.judgment import JudgmentTerms
from tideover.engine.replay import replay
from tideover.engine.terms import Component, CustomRow, DayCount, Method, PrepaymentInterest, Terms, day

THREE = Terms(
    1_200_000,
    day("2026-01-20"),
    Method.EQUAL_PRINCIPAL,
    60_000,
    day_count=DayCount.ACT_360,
    instalments=3,
    first_due_on=day("2026-02-20"),
    due_day=20,
)
P, I = Component.PRINCIPAL, Component.INTEREST
PAID = Event(1, day("2026-02-20"), EventKind.PAYMENT, amount_minor=406_200)


def event(kind: EventKind, on: str, seq: int = 2, **more: object) -> Event:
    return Event(seq, day(on), kind, **more)  # type: ignore[arg-type]


def rows(terms: Terms, events: list[Event], as_of: str) -> list[tuple[int, int]]:
    return [(r.principal_minor, r.interest_minor) for r in replay(terms, events, day(as_of)).rows]


def test_extension_moves_the_last_principal_and_leaves_its_interest() -> None:
    got = rows(THREE, [PAID, event(EventKind.EXTENSION, "2026-03-01", until=day("2026-06-20"))], "2026-03-01")
    assert got[2:] == [(0, 2_067), (400_000, 4_067)]  # 4,000 x 6 % x 31/360; x 61/360


def test_deferral_puts_the_waiting_time_into_the_first_moved_row() -> None:
    defer = event(EventKind.DEFER, "2026-03-01", rows=1, defer_interest=DeferInterest.FIRST_ROW)
    assert rows(THREE, [PAID, defer], "2026-03-01")[1:] == [(400_000, 7_867), (400_000, 2_000)]  # 59 days; 30 days


def test_a_longer_term_is_a_new_plan_of_more_rows() -> None:
    plan = event(EventKind.REAMORTISE, "2026-02-20", rows=4, from_day=day("2026-03-20"))
    assert rows(THREE, [PAID, plan], "2026-02-20")[1:] == [(200_000, 3_733), (200_000, 3_100), (200_000, 2_000), (200_000, 1_033)]


def test_reamortising_over_the_rows_left_keeps_their_dates() -> None:
    plan = event(EventKind.REAMORTISE, "2026-03-21", seq=3, components=(P,))
    s = replay(THREE, [PAID, plan], day("2026-03-21"))  # row 2's 4,000.00 are late and join row 3
    assert [(r.due_on, r.principal_minor) for r in s.rows] == [
        (day("2026-02-20"), 400_000),
        (day("2026-03-20"), 400_000),
        (day("2026-04-20"), 800_000),
    ]
    assert (s.interest_minor, s.principal_minor) == (3_733, 800_000)


def test_a_rate_cut_lowers_what_runs_from_that_day() -> None:
    cut = event(EventKind.RATE_CHANGE, "2026-03-06", rate_ppm=30_000, later_rows=RowPolicy.KEEP_PRINCIPAL)
    assert rows(THREE, [PAID, cut], "2026-03-06")[1:] == [(400_000, 2_800), (400_000, 1_033)]  # 14 days at 6 %, 14 at 3 %


def test_arrears_are_capitalised_by_component_and_traced() -> None:
    plan = event(EventKind.REAMORTISE, "2026-03-02", rows=3, from_day=day("2026-03-20"), components=(P, I, Component.PENALTY))
    s = replay(THREE, [plan], day("2026-03-02"))
    # 10 days late: 4,000 x 9 % x 10/360 = 10.00 of penalty; 62.00 of interest; compound 62 x 6 % x 10/360 = 0.10 stays due.
    assert s.principal_minor == 1_200_000 + 6_200 + 1_000
    assert (s.trace[0].amounts_minor[:3], s.compound_minor, s.days_past_due) == ([400_000, 6_200, 1_000], 10, 0)


def test_new_rows_inside_a_period_bear_interest_on_the_old_balance_until_that_day() -> None:
    late = (CustomRow(day("2026-04-01"), 406_200), CustomRow(day("2026-05-01"), 800_000, 1_234))
    plan = event(EventKind.NEW_ROWS, "2026-03-06", new_rows=late, components=(P, I), rate_ppm=30_000)
    s = replay(THREE, [plan], day("2026-03-06"))
    # 14 days on 8,000 at 6 % (18.67), then 26 days on 12,062 at 3 % (26.13): 44.80.
    assert [(r.principal_minor, r.interest_minor) for r in s.rows[1:]] == [(406_200, 4_480), (800_000, 1_234)]
    assert s.principal_minor == 1_206_200


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "carry 0 of principal"),
        ((CustomRow(day("2026-04-20"), 799_999),), "carry 799999 of principal; 800000"),
        ((CustomRow(day("2026-02-20"), 800_000),), "row 1 must fall due after"),
        ((CustomRow(day("2026-05-20"), 400_000), CustomRow(day("2026-04-20"), 400_000)), "row 2 must fall due after"),
        ((CustomRow(day("2026-04-20"), 800_000, -2),), "interest of -2"),
    ],
)
def test_impossible_new_rows_are_refused_with_the_reason(given: tuple[CustomRow, ...], says: str) -> None:
    with pytest.raises(EventRejected) as refused:
        replay(THREE, [PAID, event(EventKind.NEW_ROWS, "2026-02-20", new_rows=given)], day("2026-03-01"))
    assert says in refused.value.reason


def test_a_reversed_reschedule_leaves_the_plan_as_it_was() -> None:
    plan = event(EventKind.NEW_ROWS, "2026-02-20", new_rows=(CustomRow(day("2026-04-20"), 800_000),))
    undo = event(EventKind.REVERSAL, "2026-03-01", seq=3, of_seq=2)
    assert replay(THREE, [PAID, plan, undo], day("2026-03-25")) == replay(THREE, [PAID], day("2026-03-25"))


def test_two_clocks() -> None:
    defer = event(EventKind.DEFER, "2026-02-10", rows=3, defer_interest=DeferInterest.FIRST_ROW)
    some = event(EventKind.PAYMENT, "2026-05-30", seq=3, amount_minor=500_000)
    at = day("2026-06-10")
    # By the plan in force the first row falls due on 20 May and is cured by the 5,000.00 of 30 May.
    assert replay(THREE, [defer, some], day("2026-05-29")).days_past_due == 9
    assert replay(THREE, [defer, some], at).days_past_due == 0
    # As signed they pay row 1 and a part of row 2: late since 20 March.
    assert contractual_days_past_due(THREE, [defer, some], at) == 82
    assert contractual_days_past_due(THREE, [defer, some], day("2026-05-29")) == 98
    assert contractual_standing(THREE, [some], at) == replay(THREE, [some], at)


def test_the_contractual_clock_takes_the_money_that_really_closed_the_loan() -> None:
    plan = event(EventKind.REAMORTISE, "2026-02-20", rows=12, from_day=day("2026-03-20"), components=(P, I))
    close = event(EventKind.PAYOFF, "2026-03-20", seq=3)
    assert replay(THREE, [plan, close], day("2026-06-01")).payoff_minor == 0
    assert contractual_standing(THREE, [plan, close], day("2026-03-20")).surplus_minor > 0


def test_events_with_new_rows_and_judgments_survive_their_way_through_columns() -> None:
    events = [
        event(EventKind.NEW_ROWS, "2026-03-06", new_rows=(CustomRow(1, 2, 3),)),
        event(EventKind.JUDGMENT, "2026-03-06", seq=3, judgment=JudgmentTerms(5, 6)),
        PAID,
    ]
    assert event_columns([events]).at(0) == events


def test_a_judgment_starts_again_on_appeal_and_takes_no_new_plan() -> None:
    first = event(EventKind.JUDGMENT, "2026-05-01", judgment=JudgmentTerms(1_200_000, day("2026-05-10"), interest_minor=20_000))
    second = event(EventKind.JUDGMENT, "2026-07-01", seq=3, judgment=JudgmentTerms(1_000_000, day("2026-07-20")))
    s = replay(THREE, [first, second], day("2026-07-30"))
    assert (s.principal_minor, s.interest_minor, s.penalty_minor) == (1_000_000, 0, 1_750)  # 10 days of 1.75
    assert s.days_past_due == day("2026-07-30") - day("2026-02-20")
    for kind in (EventKind.DEFER, EventKind.REAMORTISE, EventKind.RATE_CHANGE):
        with pytest.raises(EventRejected) as refused:
            replay(THREE, [first, event(kind, "2026-06-01", seq=4, rows=2, rate_ppm=1)], day("2026-07-30"))
        assert "cannot change a judged debt" in refused.value.reason


def test_a_stay_and_bankruptcy_stop_the_double_part() -> None:
    judged = event(EventKind.JUDGMENT, "2026-05-01", judgment=JudgmentTerms(1_000_000, day("2026-06-01")))
    stay = event(EventKind.PAUSE, "2026-06-11", seq=3, from_day=day("2026-06-11"), until=day("2026-06-21"), pause_what=2)
    broke = event(EventKind.INSOLVENCY, "2026-07-01", seq=4)
    assert replay(THREE, [judged], day("2026-08-01")).penalty_minor == 61 * 175
    assert replay(THREE, [judged, stay], day("2026-08-01")).penalty_minor == 51 * 175
    assert replay(THREE, [judged, stay, broke], day("2026-08-01")).penalty_minor == 20 * 175


def test_settle_part_with_shorten_keeps_the_instalment() -> None:
    terms = THREE.with_(prepayment_interest=PrepaymentInterest.SETTLE_PART)
    early = event(EventKind.PREPAYMENT, "2026-02-05", amount_minor=300_000, prepay_mode=PrepayMode.SHORTEN)
    assert [r.principal_minor for r in replay(terms, [early], day("2026-02-05")).rows] == [400_000, 400_000, 100_798]


def test_interest_that_a_small_prepayment_settles_is_not_asked_for_again() -> None:
    terms = THREE.with_(prepayment_interest=PrepaymentInterest.SETTLE_ALL)
    early = event(EventKind.PREPAYMENT, "2026-02-05", amount_minor=1_000)  # 32.00 accrued; 10.00 come
    for of in (replay, reference.replay):
        s = of(terms, [early], day("2026-02-20"))
        assert s.interest_minor == 6_200 - 1_000


def test_settlement_waives_the_rest() -> None:
    s = replay(THREE, [PAID, event(EventKind.SETTLEMENT, "2026-05-01", amount_minor=500_000)], day("2026-08-01"))
    assert (s.payoff_minor, s.days_past_due, s.paid_total_minor) == (0, 0, 906_200)


@pytest.mark.parametrize(("undone", "paid"), [(0, 406_200), (1, 0), (2, 406_200), (3, 0), (4, 406_200)])
def test_a_chain_of_reversals_unwinds_from_its_end(undone: int, paid: int) -> None:
    chain = [event(EventKind.REVERSAL, "2026-02-21", seq=k + 1, of_seq=k) for k in range(1, undone + 1)]
    for of in (replay, reference.replay):
        assert of(THREE, [PAID, *chain][::-1], day("2026-03-01")).paid_total_minor == paid


def test_after_insolvency_nothing_accrues_and_all_is_due() -> None:
    broke = event(EventKind.INSOLVENCY, "2026-03-06")
    s, later = replay(THREE, [PAID, broke], day("2026-03-06")), replay(THREE, [PAID, broke], day("2027-03-06"))
    # 8,000.00 and 14 days of interest on them.
    assert (s.payoff_minor, later.payoff_minor, later.penalty_minor, later.principal_minor) == (801_867, 801_867, 0, 800_000)
