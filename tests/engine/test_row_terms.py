"""Loans whose rows carry their charges and whose money is allocated in steps: numbers of docs/method/allocation.md."""

from __future__ import annotations

import pytest

from tideover.engine import terms as T
from tideover.engine.columns import event_columns, kernel_gap
from tideover.engine.events import DebitStatus, Event, EventKind, EventRejected, PauseWhat
from tideover.engine.replay import replay
from tideover.engine.standing import Row, Standing
from tideover.engine.terms import (
    AllocateBy,
    AllocationStep,
    ChargeTiming,
    Component,
    FutureRule,
    KindRule,
    PlanChanges,
    RowTerms,
    RowTiming,
    Terms,
    TrancheRule,
    day,
)

FEE, PENALTY, PRINCIPAL, INTEREST = Component.FEE, Component.PENALTY, Component.PRINCIPAL, Component.INTEREST
ORDER = (PENALTY, FEE, PRINCIPAL, INTEREST)
BUCKETS = tuple(AllocationStep(rows, ORDER) for rows in (RowTiming.PAST_DUE, RowTiming.DUE_TODAY, RowTiming.IN_ADVANCE))
ACROSS = tuple(AllocationStep(s.rows, ORDER, AllocateBy.COMPONENT) for s in BUCKETS)
OLDEST_FIRST = (AllocationStep(RowTiming.ANY, (PENALTY, FEE, INTEREST, PRINCIPAL)),)


def loan(rows: RowTerms | None = None, **changes: object) -> Terms:
    """900.00 in three months from 15 January 2026 at 0 %: 300.00 on the 15th of February, March and April."""
    terms = Terms(
        principal_minor=90_000,
        disbursed_on=day("2026-01-15"),
        method=T.Method.FLAT,
        instalments=3,
        first_due_on=day("2026-02-15"),
        rounding=T.Rounding.HALF_EVEN,
        penalty=None,
        row_terms=rows or RowTerms(BUCKETS),
    )
    return terms.with_(**changes)


def event(seq: int, on: str, kind: EventKind, amount: int = 0, **more: object) -> Event:
    return Event(seq, day(on), kind, amount_minor=amount, **more)  # type: ignore[arg-type]


def fee(seq: int, on: str, amount: int, due: str, component: Component = FEE) -> Event:
    return event(seq, on, EventKind.CHARGE, amount, component=component, until=day(due))


def pay(seq: int, on: str, amount: int, kind: EventKind = EventKind.PAYMENT) -> Event:
    return event(seq, on, kind, amount)


def paid(s: Standing) -> list[int]:
    """What each row got, its charges included."""
    return [r.paid_minor + r.paid_charges_minor for r in s.rows]


def asked(s: Standing) -> list[int]:
    return [r.principal_minor for r in s.rows]


def amounts(s: Standing, seq: int) -> dict[str, int]:
    line = next(t for t in s.trace if t.seq == seq)
    return {c.name.lower(): line.amounts_minor[c] for c in Component if line.amounts_minor[c]}


def owed(r: Row) -> int:
    return r.outstanding_minor + r.outstanding_charges_minor


def test_past_due_first_then_the_next_row_with_its_fee_before_its_principal() -> None:
    s = replay(loan(), [fee(1, "2026-02-16", 1_200, "2026-03-01"), pay(2, "2026-02-20", 35_000)], day("2026-02-20"))
    assert paid(s) == [30_000, 5_000, 0]
    assert amounts(s, 2) == {"principal": 33_800, "fee": 1_200}
    assert (s.rows[0].late_minor, s.rows[1].early_minor) == (30_000, 5_000)
    assert [c.paid_minor for c in s.charges] == [1_200]


@pytest.mark.parametrize(
    ("future", "expected"),
    [
        (FutureRule.NEXT, [10_000, 0, 0]),
        (FutureRule.LAST, [0, 0, 10_000]),
        (FutureRule.EVEN, [3_333, 3_333, 3_334]),
    ],
)
def test_money_in_advance_goes_to_the_next_row_the_last_or_all_alike(future: FutureRule, expected: list[int]) -> None:
    assert paid(replay(loan(RowTerms(BUCKETS, future)), [pay(1, "2026-02-10", 10_000)], day("2026-02-10"))) == expected


def test_even_shares_that_a_row_cannot_take_go_round_again() -> None:
    events = [pay(1, "2026-01-20", 29_000), pay(2, "2026-02-10", 9_000, EventKind.MERCHANT_REFUND)]
    rows = RowTerms(BUCKETS, kinds=(KindRule(int(EventKind.MERCHANT_REFUND), FutureRule.EVEN),))
    assert paid(replay(loan(rows), events, day("2026-02-10"))) == [30_000, 4_000, 4_000]


def test_a_kind_of_payment_may_have_an_order_of_its_own() -> None:
    principal_first = tuple(AllocationStep(s.rows, (PRINCIPAL, FEE)) for s in BUCKETS)
    rows = RowTerms(BUCKETS, kinds=(KindRule(int(EventKind.GOODWILL), FutureRule.LAST, principal_first),))
    events = [fee(1, "2026-01-15", 1_200, "2026-02-15"), pay(2, "2026-02-15", 100, EventKind.GOODWILL), pay(3, "2026-02-15", 100)]
    s = replay(loan(rows), events, day("2026-02-15"))
    assert (amounts(s, 2), amounts(s, 3)) == ({"principal": 100}, {"fee": 100})


def test_component_by_component_a_bucket_is_paid_across_its_rows() -> None:
    events = [
        fee(1, "2026-01-15", 500, "2026-02-01"),
        fee(2, "2026-01-15", 700, "2026-03-01"),
        pay(3, "2026-03-20", 1_500),
    ]
    by_row = replay(loan(), events, day("2026-03-20"))
    across = replay(loan(RowTerms(ACROSS)), events, day("2026-03-20"))
    assert (paid(by_row), paid(across)) == ([1_500, 0, 0], [800, 700, 0])


@pytest.mark.parametrize(
    ("timing", "expected"), [(ChargeTiming.OWN, {"principal": 5_000}), (ChargeTiming.ROW, {"fee": 1_200, "principal": 3_800})]
)
def test_a_charge_is_due_with_its_row_or_on_its_own_day(timing: ChargeTiming, expected: dict[str, int]) -> None:
    steps = (AllocationStep(RowTiming.DUE, (FEE, PRINCIPAL)), AllocationStep(RowTiming.IN_ADVANCE, (PRINCIPAL, FEE)))
    due_row = (AllocationStep(RowTiming.ANY, (FEE, PRINCIPAL)),)
    rows = RowTerms(steps if timing == ChargeTiming.OWN else due_row, charges_due=timing)
    s = replay(loan(rows), [fee(1, "2026-01-15", 1_200, "2026-02-12"), pay(2, "2026-02-10", 5_000)], day("2026-02-10"))
    assert amounts(s, 2) == expected
    later = replay(loan(rows), [fee(1, "2026-01-15", 1_200, "2026-02-12"), pay(2, "2026-02-12", 5_000)], day("2026-02-12"))
    assert amounts(later, 2) == {"fee": 1_200, "principal": 3_800}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [(PlanChanges.FIRST, {"fee": 1_200, "principal": 28_800}), (PlanChanges.ON_DAY, {"principal": 30_000})],
)
def test_a_charge_counts_before_all_money_or_from_its_own_day(changes: PlanChanges, expected: dict[str, int]) -> None:
    rows = RowTerms(OLDEST_FIRST, plan_changes=changes)
    s = replay(loan(rows), [pay(1, "2026-02-10", 30_000), fee(2, "2026-02-20", 1_200, "2026-02-12")], day("2026-02-20"))
    assert amounts(s, 1) == expected
    assert sum(map(owed, s.rows)) == 61_200


def test_a_charge_after_the_last_due_day_makes_an_added_row_that_moves_to_the_latest() -> None:
    events = [fee(1, "2026-04-20", 700, "2026-04-20"), fee(2, "2026-04-25", 300, "2026-04-25", PENALTY)]
    s = replay(loan(), events, day("2026-04-25"))
    last = s.rows[-1]
    assert (last.nr, last.due_on, last.principal_minor) == (4, day("2026-04-25"), 0)
    assert (last.charged_fee_minor, last.charged_penalty_minor) == (700, 300)


def test_money_held_pays_a_charge_as_if_it_had_been_there() -> None:
    s = replay(loan(), [pay(1, "2026-02-20", 91_000), fee(2, "2026-02-25", 600, "2026-02-25")], day("2026-02-25"))
    assert s.surplus_minor == 400 and amounts(s, 1) == {"principal": 90_000, "fee": 600}
    assert s.rows[1].paid_on == day("2026-02-20")


def test_a_waived_charge_is_settled_and_a_credited_one_is_money() -> None:
    charge = fee(1, "2026-01-20", 1_200, "2026-02-10")
    waived = replay(loan(), [charge, event(2, "2026-01-25", EventKind.CHARGE_WAIVER, -1, of_seq=1)], day("2026-01-25"))
    assert (waived.charges[0].waived_minor, owed(waived.rows[0])) == (1_200, 30_000)
    credited = replay(loan(), [charge, event(2, "2026-02-15", EventKind.CHARGE_CREDIT, 1_500, of_seq=1)], day("2026-02-15"))
    assert amounts(credited, 2) == {"fee": 1_200, "principal": 300}
    with pytest.raises(EventRejected, match="no charge 9"):
        replay(loan(), [event(2, "2026-01-25", EventKind.CHARGE_WAIVER, -1, of_seq=9)], day("2026-01-25"))


def test_a_down_payment_is_due_on_the_day_of_its_tranche() -> None:
    terms = loan(RowTerms(BUCKETS, down_payment_ppm=250_000), principal_minor=100_100, instalment_multiple_minor=100)
    s = replay(terms, [pay(1, "2026-01-15", 25_000, EventKind.DOWN_PAYMENT)], day("2026-01-15"))
    assert asked(s) == [25_000, 25_000, 25_000, 25_100]
    assert [r.balance_minor for r in s.rows] == [75_100, 50_100, 25_100, 0]
    assert (s.rows[0].due_on, s.rows[0].paid_on, s.rows[0].early_minor) == (day("2026-01-15"), day("2026-01-15"), 0)


@pytest.mark.parametrize(
    ("rule", "expected"), [(TrancheRule.SPREAD_LEFT, [30_000, 45_000, 45_000]), (TrancheRule.LEVEL_ALL, [30_000, 40_000, 50_000])]
)
def test_a_late_tranche_is_spread_over_the_rows_left_or_levels_all(rule: TrancheRule, expected: list[int]) -> None:
    s = replay(
        loan(RowTerms(BUCKETS, tranches=rule)), [event(1, "2026-02-20", EventKind.DISBURSEMENT, 30_000)], day("2026-02-20")
    )
    assert asked(s) == expected and s.tranches == [(day("2026-01-15"), 90_000), (day("2026-02-20"), 30_000)]
    assert [r.balance_minor for r in s.rows] == [60_000, 120_000 - sum(expected[:2]), 0]


def test_a_tranche_after_the_last_due_day_is_owed_on_the_next_date() -> None:
    rows = RowTerms(OLDEST_FIRST, plan_changes=PlanChanges.FIRST, tranches=TrancheRule.LEVEL_ALL)
    s = replay(loan(rows), [event(1, "2026-04-20", EventKind.DISBURSEMENT, 30_000)], day("2026-04-20"))
    assert asked(s) == [30_000] * 4 and s.rows[-1].due_on == day("2026-05-15")


def test_money_held_pays_a_new_tranche_on_its_own_line() -> None:
    events = [pay(1, "2026-02-01", 95_000), event(2, "2026-02-03", EventKind.DISBURSEMENT, 20_000)]
    s = replay(loan(), events, day("2026-02-03"))
    assert amounts(s, 1) == {"principal": 90_000} and amounts(s, 2) == {"principal": 5_000}
    assert s.surplus_minor == 0 and sum(map(owed, s.rows)) == 15_000


def test_a_chargeback_joins_the_next_row_and_is_late_from_its_own_day() -> None:
    events = [pay(1, "2026-02-15", 30_000), event(2, "2026-02-20", EventKind.CHARGEBACK, 10_000, of_seq=1)]
    s = replay(loan(), events, day("2026-02-27"))
    assert asked(s) == [30_000, 40_000, 30_000]
    assert [r.balance_minor for r in s.rows] == [60_000, 30_000, 0]
    assert (s.days_past_due, s.total_overdue_minor, s.oldest_late_on) == (7, 10_000, day("2026-02-20"))
    again = replay(loan(), [*events, pay(3, "2026-02-25", 10_000)], day("2026-02-27"))
    assert (again.days_past_due, again.total_overdue_minor) == (0, 0)


def test_a_chargeback_restores_components_in_the_order_of_the_terms() -> None:
    events = [
        fee(1, "2026-01-15", 1_200, "2026-02-01"),
        pay(2, "2026-02-15", 31_200),
        event(3, "2026-02-20", EventKind.CHARGEBACK, 5_000, of_seq=2),
    ]
    s = replay(loan(RowTerms(BUCKETS, credit_order=(PENALTY, FEE, INTEREST, PRINCIPAL))), events, day("2026-02-20"))
    assert (s.rows[1].charged_fee_minor, s.rows[1].principal_minor) == (1_200, 33_800)


def test_a_refund_of_money_no_longer_held_is_owed_as_principal() -> None:
    events = [pay(1, "2026-02-20", 91_000), event(2, "2026-02-22", EventKind.CREDIT_REFUND, 1_000)]
    s = replay(loan(), events, day("2026-02-22"))
    assert s.surplus_minor == 0 and asked(s) == [30_000] * 3
    undone = replay(loan(), [*events, event(3, "2026-02-25", EventKind.REVERSAL, of_seq=1)], day("2026-02-25"))
    assert asked(undone) == [30_000, 31_000, 30_000] and sum(map(owed, undone.rows)) == 91_000


def test_re_age_moves_all_unpaid_principal_into_new_rows() -> None:
    re_age = event(2, "2026-03-20", EventKind.RE_AGE, rows=4, from_day=day("2026-05-01"), every=1, unit=T.Unit.MONTH)
    s = replay(loan(), [pay(1, "2026-02-15", 10_000), re_age], day("2026-03-20"))
    assert asked(s) == [10_000, 0, 20_000, 20_000, 20_000, 20_000]
    assert [r.balance_minor for r in s.rows] == [80_000, 80_000, 60_000, 40_000, 20_000, 0]
    assert (s.rows[1].paid_on, s.days_past_due, s.rows[2].due_on) == (day("2026-03-20"), 0, day("2026-05-01"))


def test_arrears_spread_over_the_rows_to_come() -> None:
    terms = loan(instalments=4, principal_minor=100_100)
    s = replay(terms, [event(1, "2026-02-20", EventKind.SPREAD_ARREARS)], day("2026-02-20"))
    assert asked(s) == [0, 33_367, 33_367, 33_366]
    with pytest.raises(EventRejected, match="nothing is past due"):
        replay(terms, [event(1, "2026-01-20", EventKind.SPREAD_ARREARS)], day("2026-01-20"))


def test_reschedule_shifts_rows_adds_rows_and_gives_rows_without_principal() -> None:
    def after(**more: object) -> Standing:
        change = event(1, "2026-02-01", EventKind.RESCHEDULE, from_day=day("2026-03-15"), **more)
        return replay(loan(), [change], day("2026-02-01"))

    shifted = after(until=day("2026-03-31"))
    assert [r.due_on for r in shifted.rows] == [day("2026-02-15"), day("2026-03-31"), day("2026-04-30")]
    more = after(rows=1)
    assert asked(more) == [30_000, 20_000, 20_000, 20_000] and more.rows[-1].due_on == day("2026-05-15")
    grace = after(grace_rows=1)
    assert asked(grace) == [30_000, 0, 30_000, 30_000]


def test_a_write_off_lists_the_claims_and_later_money_is_recovery() -> None:
    events = [fee(1, "2026-01-15", 500, "2026-02-01"), event(2, "2026-03-01", EventKind.WRITE_OFF), pay(3, "2026-03-05", 1_000)]
    s = replay(loan(), events, day("2026-03-05"))
    assert amounts(s, 2) == {"principal": 90_000, "fee": 500}
    assert s.written_off_minor[PRINCIPAL] == 90_000 and sum(s.recovered_minor) == 1_000
    with pytest.raises(EventRejected, match="written off"):
        replay(loan(), [*events, fee(4, "2026-03-06", 100, "2026-03-06")], day("2026-03-06"))


def test_pauses_stop_the_days_one_at_a_time_on_a_loan_that_owes() -> None:
    def stop(seq: int, start: str, end: str) -> Event:
        return event(seq, start, EventKind.PAUSE, from_day=day(start), until=day(end), pause_what=int(PauseWhat.DPD))

    dpd = T.DpdTerms(grace_days=3, restart_on_grace_end=True)
    s = replay(loan(dpd=dpd), [stop(1, "2026-02-20", "2026-02-28")], day("2026-03-05"))
    assert s.days_past_due == 18 - 3 - 8 and s.rows[0].days_past_due == 10
    with pytest.raises(EventRejected, match="another pause"):
        replay(loan(), [stop(1, "2026-02-20", "2026-02-28"), stop(2, "2026-02-25", "2026-03-10")], day("2026-03-05"))
    with pytest.raises(EventRejected, match="owes nothing"):
        replay(loan(), [pay(1, "2026-02-01", 90_000), stop(2, "2026-02-20", "2026-02-28")], day("2026-03-05"))


def test_a_debit_pays_once_when_it_succeeded() -> None:
    sent = event(1, "2026-02-15", EventKind.DEBIT, 30_000, debit_id="d", debit_status=DebitStatus.SENT)
    done = event(2, "2026-02-16", EventKind.DEBIT, 30_000, debit_id="d", debit_status=DebitStatus.SUCCESS)
    twice = event(3, "2026-02-16", EventKind.DEBIT, 30_000, debit_id="d", debit_status=DebitStatus.SUCCESS)
    assert replay(loan(), [sent], day("2026-02-15")).in_flight_minor == 30_000
    assert paid(replay(loan(), [sent, done, twice], day("2026-02-16"))) == [30_000, 0, 0]


def test_kinds_without_meaning_on_such_loans_are_refused_by_name() -> None:
    with pytest.raises(EventRejected, match="acceleration does not apply to a loan with row terms"):
        replay(loan(), [event(1, "2026-02-01", EventKind.ACCELERATION)], day("2026-02-01"))
    plain = loan(row_terms=None)
    for kind in (EventKind.RE_AGE, EventKind.SPREAD_ARREARS, EventKind.RESCHEDULE, EventKind.DOWN_PAYMENT):
        with pytest.raises(EventRejected):
            replay(plain, [event(1, "2026-02-01", kind, rows=1, every=1, from_day=day("2026-03-15"))], day("2026-02-01"))


def test_a_maturity_replaces_the_last_due_day() -> None:
    s = replay(loan(maturity_on=day("2026-04-15") - 1), [], day("2026-01-15"))
    assert [r.due_on for r in s.rows] == [day("2026-02-15"), day("2026-03-15"), day("2026-04-14")]
    assert loan(maturity_on=day("2026-03-15")).problems()


def test_impossible_row_terms_are_named() -> None:
    twice = (AllocationStep(RowTiming.ANY, (FEE, FEE)),)
    cases: list[tuple[Terms, str]] = [
        (loan(RowTerms(())), "steps are missing"),
        (loan(RowTerms(twice)), "component twice"),
        (loan(RowTerms((AllocationStep(RowTiming.ANY, (Component.COMPOUND,)),))), "nothing else"),
        (loan(RowTerms(BUCKETS, down_payment_ppm=1_000_000)), "down_payment_ppm"),
        (loan(penalty=T.PenaltyTerms()), "penalty has no meaning"),
        (loan(row_terms=None, level_rate=T.LevelRate.EACH_ROW), "level_rate"),
        (loan(method=T.Method.EQUAL_PRINCIPAL, interest_basis=T.InterestBasis.OUTSTANDING), "needs method annuity"),
    ]
    for terms, sentence in cases:
        assert any(sentence in p for p in terms.problems()), terms.problems()


def test_the_kernel_leaves_row_terms_and_columns_keep_every_field() -> None:
    assert kernel_gap(loan()) == "row_terms is not compiled"
    re_age = event(1, "2026-03-20", EventKind.RE_AGE, rows=4, from_day=day("2026-05-01"), every=2, unit=T.Unit.WEEK)
    moved = event(2, "2026-03-21", EventKind.RESCHEDULE, from_day=day("2026-03-15"), grace_rows=1)
    assert event_columns([[re_age, moved]]).at(0) == [re_age, moved]
