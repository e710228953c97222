"""No term is accepted and then ignored: each one, changed, changes the answer for some loan. And the rules by hand."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from tideover.engine import terms as T
from tideover.engine.events import Event, EventKind
from tideover.engine.reference import replay
from tideover.engine.terms import Component, CustomRow, DayCount, DpdTerms, Method, PenaltyTerms, Terms, day

P, I, PEN, COM, FEE = (Component(k) for k in range(5))
START = day("2026-01-20")
THREE = Terms(
    1_200_000, START, Method.EQUAL_PRINCIPAL, 60_000, day_count=DayCount.ACT_360, instalments=3,
    first_due_on=day("2026-02-20"), due_day=20,
)  # fmt: skip
TWELVE = THREE.with_(method=Method.ANNUITY, day_count=DayCount.PERIODS, instalments=12, principal_minor=12_000_000)
ODD = TWELVE.with_(first_due_on=day("2026-03-03"), due_day=3)
QUARTERS = Terms(
    5_000_000, day("2026-01-05"), Method.INTEREST_ONLY, 43_500, day_count=DayCount.ACT_360, every=3, due_day=21,
    first_due_on=day("2026-03-21"), maturity_on=day("2026-12-21"), settlement_day=20,
)  # fmt: skip
BULLET = Terms(1_000_000, START, Method.BULLET, 120_000, day_count=DayCount.ACT_360, maturity_on=day("2026-03-21"))
WRITTEN = Terms(
    900, START, Method.CUSTOM, 200_000, custom_rows=(CustomRow(START + 40, 400), CustomRow(START + 90, 500)), penalty=None
)
WEEKEND = T.Calendar("w", frozenset({5, 6}))
MOVED = ODD.with_(calendar=WEEKEND, business_day=T.BusinessDay.FOLLOWING)
SEVEN = MOVED.with_(method=Method.EQUAL_PRINCIPAL, day_count=DayCount.ACT_360, principal_minor=10_000_000, instalments=7)
SUBSIDY = T.SubsidyTerms(10_000, 1, 2, 300_000, START, START + 300, 5_000_000)
EVENTS = [
    Event(1, START + 25, EventKind.PAYMENT, amount_minor=12_345),
    Event(2, START + 34, EventKind.CHARGE, component=FEE, amount_minor=900, until=START + 34),
    Event(3, START + 47, EventKind.PREPAYMENT, amount_minor=700_000),
    Event(4, START + 95, EventKind.PAYMENT, amount_minor=1_100),
    Event(5, START + 160, EventKind.PAYMENT, amount_minor=2_200),
]
LOANS = (THREE, TWELVE, ODD, QUARTERS, BULLET, WRITTEN, MOVED, SEVEN, THREE.with_(subsidy=SUBSIDY))
LOANS += (SEVEN.with_(business_day=T.BusinessDay.UNADJUSTED),)
AS_OF = [START + d for d in (0, 40, 62, 100, 200, 400)]
OTHER: dict[str, list[Any]] = {
    "principal_minor": [1_300_000],
    "disbursed_on": [START + 1],
    "method": [Method.ANNUITY, Method.FLAT],
    "annual_rate_ppm": [61_000],
    "day_count": list(DayCount),
    "part_period": [T.PartPeriod.PROPORTION],
    "first_period": list(T.FirstPeriod),
    "odd_first": list(T.OddFirst),
    "instalments": [4],
    "every": [2],
    "unit": [T.Unit.QUARTER],
    "first_due_on": [day("2026-02-27")],
    "due_day": [25],
    "maturity_on": [day("2026-12-28")],
    "settlement_day": [10],
    "settlement_day_counted": [True],
    "debit_day": [28],
    "business_day": list(T.BusinessDay),
    "accrual_dates": [T.Shift.SHIFTED],
    "late_from": [T.Shift.NOMINAL],
    "calendar": [T.Calendar("none")],
    "interest_basis": [T.InterestBasis.OUTSTANDING],
    "rounding": list(T.Rounding),
    "rounding_unit_minor": [10],
    "round_where": [T.RoundWhere.PER_DAY],
    "accruals": [T.Accruals.SEGMENT],
    "instalment_multiple_minor": [100],
    "fixed_instalment_minor": [500_000],
    "balloon_minor": [300_000],
    "grace_principal_rows": [1],
    "grace_interest_rows": [1],
    "interest_free_rows": [1],
    "residue": [T.Residue.FIRST],
    "penalty": [None],
    "allocation_order": [(P, I, PEN, COM, FEE, Component.THIRD_PARTY_FEE, Component.RECOVERY_COST)],
    "allocation_by": [T.AllocateBy.COMPONENT],
    "surplus": list(T.Surplus),
    "prepayment_interest": list(T.PrepaymentInterest),
    "dpd": [DpdTerms(counts_principal=False)],
    "subsidy": [SUBSIDY],
    "custom_rows": [(CustomRow(START + 40, 300), CustomRow(START + 90, 600))],
}
PENALTY_OTHER: dict[str, list[Any]] = {
    "ratio_num": [4],
    "ratio_den": [3],
    "rate_ppm": [200_000],
    "base": [T.PenaltyBase.PRINCIPAL_INTEREST],
    "day_count": [DayCount.ACT_365F],
    "grace_days": [40],
    "restart_on_grace_end": [True],
    "compound_on_interest": [False],
    "compound_on_compound": [True],
    "compound_joins_base": [T.JoinsBase.EACH_ROW_DUE_DATE],
    "compound_rate_before_maturity": [T.CompoundRate.PENALTY],
    "compound_rate_after_maturity": [T.CompoundRate.CONTRACT],
    "compound_day_count": [DayCount.ACT_365F],
    "cap_minor": [100],
    "grace_from": [T.Shift.NOMINAL],
}
DPD_OTHER: dict[str, list[Any]] = {
    "counts_principal": [False],
    "counts_interest": [False],
    "materiality_abs_minor": [600_000],
    "materiality_rel_ppm": [500_000],
    "materiality_per": [T.MaterialityPer.INSTALMENT],
    "grace_days": [50],
    "restart_on_grace_end": [True],
}
ROWS_ONLY = {"row_terms", "level_rate", "level_principal_minor"}
"""Terms of loans with row terms: tests/engine/test_row_terms_are_read.py changes each."""
NOT_ARITHMETIC = {"currency", "exponent"}
TOGETHER = {"allocation_over_dpd", "allocation_over_order", "allocation_over_by"}
"""Read only together: see the test of the second order below."""


def changes_something(terms: Terms, changed: Terms) -> bool:
    if changed == terms or changed.problems():
        return False
    return any(replay(terms, EVENTS, d) != replay(changed, EVENTS, d) for d in AS_OF)


@pytest.mark.parametrize("name", sorted(OTHER))
def test_a_changed_term_changes_the_answer(name: str) -> None:
    for value in OTHER[name]:
        bases = [t for t in LOANS if getattr(t, name) != value]
        changed = any(changes_something(t, t.with_(**{name: value})) for t in bases)
        assert changed or value == getattr(THREE, name), f"{name} {value!r} is never read"


@pytest.mark.parametrize("name", sorted(PENALTY_OTHER))
def test_a_changed_penalty_term_changes_the_answer(name: str) -> None:
    graced = PenaltyTerms(grace_days=4)
    nominal = MOVED.with_(late_from=T.Shift.NOMINAL, first_due_on=day("2026-02-28"), due_day=28)
    bases = [(t, p) for t in (*LOANS, nominal) for p in (PenaltyTerms(), graced)]
    # The day on which the two ways of counting a grace differ: 28 February 2026 is a Saturday, moved to Monday, 2 March.
    late = [Event(9, day("2026-03-05"), EventKind.PAYMENT, amount_minor=1_200_000)]
    for value in PENALTY_OTHER[name]:
        found = any(changes_something(t.with_(penalty=p), t.with_(penalty=replace(p, **{name: value}))) for t, p in bases)
        a, b = nominal.with_(penalty=graced), nominal.with_(penalty=replace(graced, **{name: value}))
        assert found or replay(a, late, day("2026-03-20")) != replay(b, late, day("2026-03-20")), f"penalty.{name} is never read"


@pytest.mark.parametrize("name", sorted(DPD_OTHER))
def test_a_changed_lateness_term_changes_the_answer(name: str) -> None:
    bases = [(t, d) for t in LOANS for d in (DpdTerms(), DpdTerms(grace_days=3, materiality_abs_minor=450_000))]
    for value in DPD_OTHER[name]:
        assert any(changes_something(t.with_(dpd=d), t.with_(dpd=replace(d, **{name: value}))) for t, d in bases), name


def test_no_term_is_forgotten_here() -> None:
    assert {f.name for f in fields(Terms)} == set(OTHER) | NOT_ARITHMETIC | TOGETHER | ROWS_ONLY
    assert {f.name for f in fields(PenaltyTerms)} == set(PENALTY_OTHER)
    assert {f.name for f in fields(DpdTerms)} == set(DPD_OTHER)


# --- by hand -----------------------------------------------------------------------------------------------------------


def plan(terms: Terms) -> list[tuple[int, int]]:
    return [(r.principal_minor, r.interest_minor) for r in replay(terms, [], terms.disbursed_on).rows]


def test_a_second_order_past_a_threshold_of_days() -> None:
    over = {"allocation_over_dpd": 90, "allocation_over_order": (P, I), "allocation_over_by": T.AllocateBy.COMPONENT}
    terms = THREE.with_(**over)
    for d, component in ((90, COM), (91, P)):  # more than 90 days late: principal first
        s = replay(terms, [Event(1, day("2026-02-20") + d, EventKind.PAYMENT, amount_minor=10)], day("2026-02-20") + d)
        assert s.trace[0].amounts_minor[component] == 10, d
    by_row = terms.with_(allocation_over_by=T.AllocateBy.INSTALMENT)
    big = [Event(1, day("2026-06-20"), EventKind.PAYMENT, amount_minor=410_000)]
    assert replay(terms, big, day("2026-06-20")).trace[0].amounts_minor[P] == 410_000
    assert replay(by_row, big, day("2026-06-20")).trace[0].amounts_minor[:2] == [400_000, 6_200]


def test_what_a_surplus_does() -> None:
    money = [Event(1, day("2026-02-20"), EventKind.PAYMENT, amount_minor=806_200)]  # 4,062.00 due, 4,000.00 more

    def after(surplus: T.Surplus) -> tuple[int, list[tuple[int, int]]]:
        s = replay(THREE.with_(surplus=surplus), money, day("2026-02-20"))
        return s.surplus_minor, [(r.outstanding_minor, r.interest_minor) for r in s.rows[1:]]

    assert after(T.Surplus.HOLD) == (400_000, [(403_733, 3_733), (402_067, 2_067)])
    assert after(T.Surplus.NEXT) == (0, [(3_733, 3_733), (402_067, 2_067)])
    assert after(T.Surplus.SHORTEN) == (0, [(401_867, 1_867)])
    assert after(T.Surplus.KEEP_TERM) == (0, [(201_867, 1_867), (201_033, 1_033)])


def test_rounding_modes_units_and_multiples() -> None:
    # Row 2 bears 37.333, row 3 20.667.
    def interest(**more: Any) -> list[int]:
        return [i for _, i in plan(THREE.with_(**more))]

    assert interest(rounding=T.Rounding.UP) == [6_200, 3_734, 2_067]
    assert interest(rounding=T.Rounding.DOWN) == [6_200, 3_733, 2_066]
    assert interest(rounding_unit_minor=10) == [6_200, 3_730, 2_070]
    assert [p for p, _ in plan(THREE.with_(instalments=7, instalment_multiple_minor=100))] == [171_400] * 6 + [171_600]
    assert [p for p, _ in plan(THREE.with_(instalments=7, residue=T.Residue.FIRST))] == [171_426] + [171_429] * 6
    half = Terms(100, START, Method.FLAT, 50_000, instalments=1, unit=T.Unit.YEAR, first_due_on=START + 365, penalty=None)
    for mode, expected in ((T.Rounding.HALF_UP, 3), (T.Rounding.HALF_EVEN, 2)):
        assert plan(half.with_(principal_minor=50, rounding=mode)) == [(50, expected)]  # 2.5


def test_fixed_instalment_and_balloon() -> None:
    fixed = plan(TWELVE.with_(fixed_instalment_minor=2_000_000))
    assert [p + i for p, i in fixed[:6]] == [2_000_000] * 6 and fixed[7:] == [(0, 0)] * 5
    assert [p for p, _ in plan(THREE.with_(fixed_instalment_minor=500_000))] == [500_000, 500_000, 200_000]
    assert [p for p, _ in plan(THREE.with_(balloon_minor=300_000))] == [300_000, 300_000, 600_000]


def test_grace_on_principal_on_interest_and_free_rows() -> None:
    assert plan(THREE.with_(grace_principal_rows=1)) == [(0, 6_200), (600_000, 5_600), (600_000, 3_100)]
    assert plan(THREE.with_(grace_interest_rows=1)) == [(400_000, 0), (400_000, 9_933), (400_000, 2_067)]  # 62.00 + 37.33
    assert plan(THREE.with_(interest_free_rows=2)) == [(400_000, 0), (400_000, 0), (400_000, 2_067)]
    both = THREE.with_(grace_principal_rows=1, grace_interest_rows=1, balloon_minor=200_000)
    assert plan(both) == [(0, 0), (500_000, 11_800), (700_000, 3_617)]  # 62.00 + 56.00; 7,000 x 6 % x 31/360


def test_materiality_by_loan_and_by_instalment() -> None:
    # 4,062.00 due; 4,060.00 paid on the day: 2.00 stay open on row 1; row 2 (4,037.33) is paid but for 3.00.
    money = [
        Event(1, day("2026-02-20"), EventKind.PAYMENT, amount_minor=406_000),
        Event(2, day("2026-03-20"), EventKind.PAYMENT, amount_minor=403_633),
    ]
    terms = THREE.with_(penalty=None)
    at = day("2026-03-30")
    for abs_minor, per, days in (
        (0, T.MaterialityPer.LOAN, 10),
        (299, T.MaterialityPer.LOAN, 10),
        (300, T.MaterialityPer.LOAN, 0),
        (300, T.MaterialityPer.INSTALMENT, 0),
    ):
        s = replay(terms.with_(dpd=DpdTerms(materiality_abs_minor=abs_minor, materiality_per=per)), money, at)
        assert (s.total_overdue_minor, s.days_past_due) == (300, days), (abs_minor, per)
    relative = terms.with_(dpd=DpdTerms(materiality_rel_ppm=1_000))  # 0.1 % of 4,003.00 is 4.00
    assert replay(relative, money, at).days_past_due == 0


def test_custom_rows_with_given_and_counted_interest() -> None:
    rows = (CustomRow(START + 30, 300_000, 1_111), CustomRow(START + 60, 0), CustomRow(START + 90, 900_000))
    terms = THREE.with_(method=Method.CUSTOM, custom_rows=rows, instalments=0, first_due_on=T.NO_DAY)
    assert plan(terms) == [(300_000, 1_111), (0, 4_500), (900_000, 4_500)]  # 9,000 x 6 % x 30/360
