"""No row term is accepted and then ignored: each one, changed, changes the answer for some loan and history."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from tests.engine.test_row_interest import loan as interest_loan
from tests.engine.test_row_terms import BUCKETS, FEE, OLDEST_FIRST, event, fee, loan, pay
from tideover.engine import terms as T
from tideover.engine.events import EventKind
from tideover.engine.reference import replay
from tideover.engine.terms import FutureRule, KindRule, RowTerms, Terms, day

HISTORIES = [
    [],
    [pay(1, "2026-02-10", 35_000)],
    [pay(1, "2026-01-20", 45_000), pay(2, "2026-02-15", 60_000)],
    [pay(1, "2026-02-10", 30_000), fee(2, "2026-02-20", 1_200, "2026-02-12")],
    [fee(1, "2026-01-15", 1_200, "2026-02-12"), pay(2, "2026-02-10", 5_000), pay(3, "2026-02-12", 5_000)],
    [pay(1, "2026-02-10", 35_000, EventKind.GOODWILL), event(2, "2026-02-20", EventKind.DISBURSEMENT, 30_000)],
    [
        fee(1, "2026-01-15", 1_200, "2026-02-01"), pay(2, "2026-02-15", 31_200),
        event(3, "2026-02-20", EventKind.CHARGEBACK, 5_000, of_seq=2),
    ],
    [pay(1, "2026-02-01", 40_803), event(2, "2026-02-15", EventKind.PAYOFF)],
]  # fmt: skip
OWN = RowTerms(
    (
        T.AllocationStep(T.RowTiming.DUE, (FEE, T.Component.PRINCIPAL)),
        T.AllocationStep(T.RowTiming.IN_ADVANCE, (T.Component.PRINCIPAL, FEE)),
    )
)
LOANS = [loan(), loan(RowTerms(OLDEST_FIRST)), loan(OWN), interest_loan(), interest_loan(RowTerms(OLDEST_FIRST))]
LOANS += [interest_loan(RowTerms(BUCKETS, late_interest=T.LateInterest.RUNNING_ROW))]
AS_OF = [day("2026-02-12"), day("2026-02-20"), day("2026-03-10"), day("2026-04-20")]
OTHER: dict[str, list[Any]] = {
    "steps": [BUCKETS, OLDEST_FIRST],
    "future": list(FutureRule),
    "kinds": [(KindRule(int(EventKind.GOODWILL), FutureRule.LAST),)],
    "charges_due": list(T.ChargeTiming),
    "plan_changes": list(T.PlanChanges),
    "tranches": list(T.TrancheRule),
    "down_payment_ppm": [250_000],
    "credit_order": [(FEE,)],
    "early_money": list(T.EarlyMoney),
    "late_interest": list(T.LateInterest),
    "unpaid_interest_joins": list(T.JoinsBase),
    "payoff_interest": list(T.PayoffInterest),
}


def differs(terms: Terms, changed: Terms) -> bool:
    if changed == terms or changed.problems():
        return False
    return any(replay(terms, h, d) != replay(changed, h, d) for h in HISTORIES for d in AS_OF)


@pytest.mark.parametrize("name", sorted(OTHER))
def test_a_changed_row_term_changes_the_answer(name: str) -> None:
    for value in OTHER[name]:
        pairs = [(t, t.with_(row_terms=replace(t.row_terms, **{name: value}))) for t in LOANS if t.row_terms is not None]
        assert any(differs(a, b) for a, b in pairs) or value == getattr(RowTerms(()), name), f"{name} {value!r} is never read"


@pytest.mark.parametrize(
    "change",
    [
        {"level_rate": T.LevelRate.PERIOD, "day_count": T.DayCount.ACT_365F},
        {"level_rate": T.LevelRate.FIRST_ROW, "day_count": T.DayCount.ACT_365F},
        {"level_principal_minor": 150_000},
        {"round_where": T.RoundWhere.PER_ROW},
        {"interest_basis": T.InterestBasis.SCHEDULED},
    ],
)
def test_a_changed_term_of_instalments_changes_the_answer(change: dict[str, Any]) -> None:
    base = {"day_count": change["day_count"]} if "day_count" in change else {}
    assert any(differs(t.with_(**base), t.with_(**change)) for t in LOANS if t.annual_rate_ppm)


def test_no_row_term_is_forgotten_here() -> None:
    assert {f.name for f in fields(RowTerms)} == set(OTHER)


@pytest.mark.parametrize(
    "ignored", [{"surplus": T.Surplus.NEXT}, {"accruals": T.Accruals.SEGMENT}, {"allocation_by": T.AllocateBy.COMPONENT}]
)
def test_a_term_that_row_terms_leave_without_meaning_is_refused(ignored: dict[str, Any]) -> None:
    assert any("no meaning with row_terms" in p for p in loan().with_(**ignored).problems())
