"""Named failures of peers, each a test that the engine passes by design. Numbers: the table of peers' complaints (5, 5b)."""

from __future__ import annotations

import itertools
import os
import random
import statistics
import time
from fractions import Fraction

import pytest

from tests.strategies import random_loan, random_terms
from tideover.engine import batch, reference
from tideover.engine.columns import kernel_gap
from tideover.engine.events import Event, EventKind, PauseWhat
from tideover.engine.reference import Replay
from tideover.engine.replay import columns_of, replay, schedule
from tideover.engine.terms import (
    AllocateBy,
    Component,
    DayCount,
    Method,
    PenaltyTerms,
    Terms,
    Unit,
    day,
)

P, I = Component.PRINCIPAL, Component.INTEREST
BULLET = Terms(
    1_000_000, day("2026-03-01"), Method.BULLET, 120_000, day_count=DayCount.ACT_360, maturity_on=day("2026-03-31")
)  # fmt: skip
THREE = Terms(
    1_200_000, day("2026-01-05"), Method.EQUAL_PRINCIPAL, 60_000, day_count=DayCount.ACT_360, instalments=3,
    first_due_on=day("2026-02-05"), due_day=5,
)  # fmt: skip
SLOW_MACHINE = float(os.environ.get("TIDEOVER_TIME_FACTOR", "10"))
"""Wall times are asserted with this factor: a busy machine must not fail the arithmetic."""


def pay(seq: int, on: str, amount: int) -> Event:
    return Event(seq, day(on), EventKind.PAYMENT, recorded_at=seq, amount_minor=amount)


def test_1_a_payment_entered_late_equals_entry_in_order() -> None:
    """Row 1, Frappe #878: demand on 5 March; paid 20 March; then a payment of 16 March is added."""
    first, later = pay(1, "2026-03-20", 150_000), pay(2, "2026-03-16", 200_000)
    in_order = [pay(1, "2026-03-16", 200_000), pay(2, "2026-03-20", 150_000)]
    got, wanted = replay(THREE, [first, later], day("2026-04-30")), replay(THREE, in_order, day("2026-04-30"))
    assert got.rows == wanted.rows
    assert [line.amounts_minor for line in got.trace] == [line.amounts_minor for line in wanted.trace]


@pytest.mark.parametrize("seed", range(60))
def test_1_any_insert_order_gives_the_identical_state(seed: int) -> None:
    """Row 1: every order in which the same events are handed in, for random loans."""
    rng = random.Random(seed)
    terms, events, as_of = random_loan(rng)
    wanted = replay(terms, events, as_of)
    orders = itertools.permutations(events) if len(events) <= 4 else (rng.sample(events, len(events)) for _ in range(10))
    for order in orders:
        assert replay(terms, list(order), as_of) == wanted


def _long_loan() -> tuple[Terms, list[Event], int]:
    """2,100 daily instalments over 2,400 days, each paid a day late."""
    start = day("2019-01-01")
    terms = Terms(
        2_100_000_00, start, Method.EQUAL_PRINCIPAL, 60_000, day_count=DayCount.ACT_360, instalments=2_100, unit=Unit.DAY,
        first_due_on=start + 300,
    )  # fmt: skip
    events = [Event(k + 1, start + 301 + k, EventKind.PAYMENT, amount_minor=150_000) for k in range(2_000)]
    return terms, events, start + 2_450


def test_2_two_thousand_days_and_demands_replay_in_under_five_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    """Row 2, Frappe #1384 (350 s after its fix): the compiled path, best of five."""
    terms, events, as_of = _long_loan()
    assert as_of - terms.disbursed_on > 2_000 and terms.instalments > 2_000
    assert terms.problems() == [] and kernel_gap(terms) is None
    columns = columns_of(terms, events)
    assert batch.replay_one(*columns, as_of, None) is not None  # compiles
    best = min(_seconds(lambda: batch.replay_many(*columns, as_of)) for _ in range(5))
    with capsys.disabled():
        print(f"\none loan, {as_of - terms.disbursed_on} days, {terms.instalments} demands: {best * 1000:.2f} ms")
    assert best < 0.005 * SLOW_MACHINE


def _seconds(work: object) -> float:
    begin = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - begin


def _spans(terms: Terms, events: list[Event], as_of: int, monkeypatch: pytest.MonkeyPatch) -> int:
    count = itertools.count()
    original = Replay._accrue
    with monkeypatch.context() as patched:
        patched.setattr(Replay, "_accrue", lambda self, today, until: (next(count), original(self, today, until))[1])
        reference.replay(terms, events, as_of)
    return next(count)


def test_3_reading_day_700_costs_no_more_than_day_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 3, Fineract 2234: work is counted in spans between changes, of which days are not one."""
    terms = BULLET.with_(maturity_on=BULLET.disbursed_on + 1_000)
    assert _spans(terms, [], terms.disbursed_on + 700, monkeypatch) == _spans(terms, [], terms.disbursed_on + 1, monkeypatch)
    overdue = BULLET.disbursed_on + 40
    assert _spans(BULLET, [], overdue + 700, monkeypatch) <= 1.2 * _spans(BULLET, [], overdue, monkeypatch)


def test_3_the_compiled_read_does_not_grow_with_age(capsys: pytest.CaptureFixture[str]) -> None:
    """Row 3, measured: the same loan, the same stored events, read on day 1 and on day 700."""
    terms = BULLET.with_(maturity_on=BULLET.disbursed_on + 1_000)
    columns = columns_of(terms, [])
    batch.replay_many(*columns, terms.disbursed_on + 1)
    times = {}
    for d in (1, 700):
        on = terms.disbursed_on + d
        times[d] = statistics.median(_seconds(lambda on=on: batch.replay_many(*columns, on)) for _ in range(200))
    with capsys.disabled():
        print(f"\nread on day 1: {times[1] * 1e6:.0f} us, on day 700: {times[700] * 1e6:.0f} us")
    assert times[700] < 1.2 * times[1] * SLOW_MACHINE


def test_4_nothing_is_kept_between_two_replays() -> None:
    """Row 4, Fineract 5853, 5472: no cached truth. Asking in between, or in another order, changes no answer."""
    loans = [random_loan(random.Random(s)) for s in range(20)]
    once = [replay(*loan) for loan in loans]
    for terms, events, as_of in loans:
        for d in range(terms.disbursed_on, as_of, 37):
            replay(terms, events, d)
    assert [replay(*loan) for loan in reversed(loans)] == once[::-1]


def test_5_a_payment_before_the_close_equals_one_after_it() -> None:
    """Row 5, Fineract 5445: 00:05 and 23:55 of one business day are one day; recorded_at orders knowledge only."""
    before = Event(1, day("2026-04-10"), EventKind.PAYMENT, recorded_at=5, amount_minor=300_000)
    after = Event(1, day("2026-04-10"), EventKind.PAYMENT, recorded_at=1_435, amount_minor=300_000)
    assert replay(BULLET, [before], day("2026-04-11")) == replay(BULLET, [after], day("2026-04-11"))


@pytest.mark.parametrize(
    ("count", "start", "end", "interest"),
    [
        (DayCount.THIRTY_360, "2026-01-15", "2026-02-15", 100_000),  # 100,000.00 at 12 %: 1,000.00 a month
        (DayCount.THIRTY_360, "2026-02-15", "2026-03-15", 100_000),
        (DayCount.THIRTY_360, "2024-02-28", "2024-03-31", 110_000),  # 33 days
        (DayCount.THIRTY_E_360, "2024-02-28", "2024-03-31", 106_667),  # 32 days
        (DayCount.ACT_360, "2026-01-15", "2026-02-15", 103_333),  # 31 days
        (DayCount.ACT_360, "2024-02-15", "2024-03-15", 96_667),  # 29 days
        (DayCount.ACT_365F, "2026-01-15", "2026-02-15", 101_918),
        (DayCount.ACT_365F, "2024-01-01", "2025-01-01", 1_203_288),  # 366 days over 365
        (DayCount.ACT_ACT_ISDA, "2024-01-01", "2025-01-01", 1_200_000),
        (DayCount.ACT_ACT_ISDA, "2023-12-02", "2024-01-02", 101_909),  # 30/365 + 1/366: 986.30 + 32.79
        (DayCount.PERIODS, "2026-01-15", "2026-02-15", 100_000),
    ],
)
def test_6_known_answers_of_day_counts(count: DayCount, start: str, end: str, interest: int) -> None:
    """Row 6, Fineract 2359, 343, 3201: 100,000.00 at 12 %, and 20,000.00, which must give 200.00 where this gives 1,000.00."""
    for principal, expected in ((10_000_000, Fraction(interest)), (2_000_000, Fraction(interest, 5))):
        terms = Terms(principal, day(start), Method.BULLET, 120_000, day_count=count, maturity_on=day(end), first_due_on=day(end))
        assert abs(schedule(terms)[0].interest_minor - expected) < 1
        assert schedule(terms) == reference.schedule(terms)


@pytest.mark.parametrize("seed", range(60))
def test_7_the_preview_is_the_booked_schedule(seed: int) -> None:
    """Row 7, Fineract 1302: byte for byte, for random products; on the day of payout and on any day while nothing happened."""
    terms = random_terms(random.Random(seed))
    preview = repr(schedule(terms)).encode()
    assert repr(replay(terms, [], terms.disbursed_on).rows).encode() == preview
    assert repr(reference.schedule(terms)).encode() == preview
    plan = [(r.due_on, r.principal_minor, r.interest_minor) for r in schedule(terms)]
    later = replay(terms, [], terms.disbursed_on + 400).rows
    assert [(r.due_on, r.principal_minor, r.interest_minor) for r in later] == plan


def test_8_a_partial_payment_moves_the_oldest_unpaid_date() -> None:
    """Row 8, killbill 2297: the first row is paid, the second in part."""
    terms = THREE.with_(penalty=None)
    at = day("2026-03-20")
    assert replay(terms, [], at).oldest_due_on == day("2026-02-05")
    assert replay(terms, [pay(1, "2026-03-10", 406_199)], at).oldest_due_on == day("2026-02-05")
    moved = replay(terms, [pay(1, "2026-03-10", 406_200 + 100_000)], at)
    assert (moved.oldest_due_on, moved.days_past_due) == (day("2026-03-05"), 15)


def test_8_days_past_due_never_depend_on_when_a_job_ran() -> None:
    """Row 8, and 5b (322 days shown, 294 in the log): it follows from the journal alone, also after a late entry."""
    late_entry = Event(2, day("2026-02-20"), EventKind.PAYMENT, recorded_at=day("2026-06-01"), amount_minor=406_200)
    for d in range(0, 200, 7):
        on = day("2026-02-05") + d
        assert replay(THREE, [], on).days_past_due == d
    at = day("2026-06-10")
    # 15 days of penalty (15.00) and compound (0.16) were paid first, so 15.16 of principal stay late since 5 February.
    assert replay(THREE, [late_entry], at, day("2026-05-31")).days_past_due == 125
    assert replay(THREE, [late_entry], at).days_past_due == 125
    assert replay(THREE.with_(penalty=None), [late_entry], at).days_past_due == at - day("2026-03-05")


def test_11_paying_principal_only_leaves_interest_open_until_it_is_waived() -> None:
    """Row 11, erpnext 58220: interest stays as an explicit item and only an explicit waiver takes it away."""
    terms = BULLET.with_(
        penalty=None, allocation_order=(P, I), allocation_by=AllocateBy.COMPONENT
    )  # fmt: skip
    s = replay(terms, [pay(1, "2026-03-31", 1_000_000)], day("2026-08-01"))
    assert (s.principal_minor, s.interest_minor, s.payoff_minor, s.rows[0].outstanding_minor) == (0, 10_000, 10_000, 10_000)
    waived = Event(2, day("2026-08-01"), EventKind.WAIVER, component=I, amount_minor=-1)
    s = replay(terms, [pay(1, "2026-03-31", 1_000_000), waived], day("2026-08-01"))
    assert (s.payoff_minor, s.trace[1].amounts_minor[I]) == (0, 10_000)


def test_13_a_pause_is_edited_in_place() -> None:
    """Row 13, backoffice-ui 283: one event, one recast; equal to a pause entered right at once."""
    pause = Event(1, day("2026-04-10"), EventKind.PAUSE, from_day=day("2026-04-10"), until=day("2026-04-20"), pause_what=7)
    edit = Event(2, day("2026-04-12"), EventKind.ADJUSTMENT, of_seq=1, until=day("2026-04-15"))
    right = Event(1, day("2026-04-10"), EventKind.PAUSE, from_day=day("2026-04-10"), until=day("2026-04-15"), pause_what=7)
    at = day("2026-05-10")
    assert PauseWhat.INTEREST | PauseWhat.PENALTY | PauseWhat.DPD == 7
    assert replay(BULLET, [pause, edit], at) == replay(BULLET, [right], at)
    assert replay(BULLET, [pause], at).penalty_minor == 30 * 500
    assert replay(BULLET, [pause, edit], at).penalty_minor == 35 * 500
    moved = Event(3, day("2026-04-13"), EventKind.ADJUSTMENT, of_seq=1, from_day=day("2026-04-12"), until=day("2026-04-15"))
    assert replay(BULLET, [pause, edit, moved], at).penalty_minor == 37 * 500


def test_5b_a_backdated_payment_earlier_than_another_is_taken_and_recomputes_lateness() -> None:
    """5b: refused by the peer; and its days past due and penalty stayed as they were."""
    later, earlier = pay(1, "2026-06-01", 100_000), pay(2, "2026-04-05", 1_010_250)
    at = day("2026-06-10")
    assert replay(BULLET, [later], at).days_past_due == 71
    s = replay(BULLET, [later, earlier], at)
    # On 5 April: interest 100.00, 5 days of penalty 25.00 and of compound 0.25, and 9,977.25 of principal; the rest on 1 June.
    assert (s.days_past_due, s.principal_minor) == (0, 0)


def test_5b_penalty_has_no_every_second_day_gap() -> None:
    """5b: the peer's daily run charged every second day, and its rebuild gave another sum."""
    sums = [replay(BULLET, [], BULLET.maturity_on + d).penalty_minor for d in range(0, 120)]
    assert [b - a for a, b in itertools.pairwise(sums)] == [500] * 119


def test_5b_after_maturity_lateness_runs_on_what_is_outstanding() -> None:
    """5b: the peer accrued on the original principal once the overdue base was zero."""
    s = replay(BULLET, [pay(1, "2026-03-31", 910_000)], day("2026-04-30"))
    assert (s.principal_minor, s.penalty_minor) == (100_000, 30 * 50)
    assert replay(BULLET, [pay(1, "2026-03-31", 1_010_000)], day("2027-03-31")).payoff_minor == 0


def test_5b_the_demand_equals_what_accrued() -> None:
    """5b: 1,019.28 accrued day by day against a demand of 1,019.18."""
    terms = Terms(
        10_000_003, day("2026-01-01"), Method.BULLET, 120_000, day_count=DayCount.ACT_365F, maturity_on=day("2026-02-01")
    )
    eve, due = replay(terms, [], terms.maturity_on - 1), replay(terms, [], terms.maturity_on)
    assert due.interest_minor == schedule(terms)[0].interest_minor == 101_918
    assert 0 <= due.interest_minor - eve.accrued_minor - 3_288 <= 1


def test_5b_the_due_date_itself_is_not_day_one() -> None:
    """5b: on the due date nothing is late; the day after it is day 1 and bears one day's penalty."""
    on_due, after = replay(BULLET, [], BULLET.maturity_on), replay(BULLET, [], BULLET.maturity_on + 1)
    assert (on_due.days_past_due, on_due.penalty_minor, on_due.total_overdue_minor) == (0, 0, 0)
    assert (after.days_past_due, after.penalty_minor) == (1, 500)
    assert replay(BULLET, [pay(1, "2026-03-31", 1_010_000)], BULLET.maturity_on + 1).payoff_minor == 0


def test_5b_the_same_sum_whether_asked_daily_or_rebuilt() -> None:
    """5b: 779 of 1,553 penal days by the daily run, 1,563 by the rebuild. Here the daily growth adds up to the answer at once."""
    terms = THREE.with_(penalty=PenaltyTerms(ratio_num=13, ratio_den=10))
    days = range(terms.disbursed_on, terms.disbursed_on + 400)
    claims = [replay(terms, [pay(1, "2026-04-01", 123_456)], d) for d in days]
    grown = sum(b.penalty_minor - a.penalty_minor for a, b in itertools.pairwise(claims))
    assert grown == reference.replay(terms, [pay(1, "2026-04-01", 123_456)], days[-1]).penalty_minor
