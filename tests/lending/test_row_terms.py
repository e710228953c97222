"""Products with row terms: their plain values become terms, and their events are taken or refused by name."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.factories import House
from tideover.core.problems import Refused
from tideover.engine.columns_bulk import SAYS_MORE
from tideover.engine.events import EventKind
from tideover.engine.terms import AllocateBy, AllocationStep, Component, FutureRule, KindRule, PlanChanges, RowTerms, RowTiming
from tideover.lending.contract_terms import terms_build
from tideover.lending.journal import event_append
from tideover.lending.rules.events import SHAPES, engine_event_of, event_problems

CONVENTIONS: dict[str, Any] = {
    "method": "flat",
    "penalty": None,
    "row_terms": {
        "steps": [
            {"rows": "past_due", "order": ["fee", "principal"]},
            {"rows": "in_advance", "order": ["fee"], "by": "component"},
        ],
        "future": "last",
        "kinds": [{"kind": "goodwill", "future": "even"}],
        "credit_order": ["fee"],
        "plan_changes": "first",
        "down_payment_ppm": 100_000,
    },
}
COLUMNS = {"principal_minor": 90_000, "disbursed_on": 20_000, "instalments": 3, "first_due_on": 20_031}


def test_plain_values_become_row_terms() -> None:
    rows = terms_build(CONVENTIONS, COLUMNS).row_terms
    assert rows is not None
    assert rows.steps[1] == AllocationStep(RowTiming.IN_ADVANCE, (Component.FEE,), AllocateBy.COMPONENT)
    assert (rows.future, rows.kinds) == (FutureRule.LAST, (KindRule(int(EventKind.GOODWILL), FutureRule.EVEN),))
    rest = {"plan_changes": PlanChanges.FIRST, "down_payment_ppm": 100_000, "credit_order": (Component.FEE,)}
    assert rows == RowTerms(rows.steps, rows.future, rows.kinds, **rest)
    with pytest.raises(ValueError, match="plan_changes"):
        terms_build({**CONVENTIONS, "row_terms": {**CONVENTIONS["row_terms"], "plan_changes": "never"}}, COLUMNS)


@pytest.mark.parametrize(
    ("kind", "amount", "extra", "code"),
    [
        (EventKind.GOODWILL, 0, None, "amount_not_positive"),
        (EventKind.CHARGE_WAIVER, -1, {}, "missing_field"),
        (EventKind.RE_AGE, 0, {"rows": 3, "from_day": "2026-05-01", "every": 0, "unit": "month"}, "bad_event"),
        (EventKind.RE_AGE, 0, {"rows": 3, "from_day": "2026-05-01", "every": 1, "unit": "fortnight"}, "bad_event"),
        (EventKind.RESCHEDULE, 5, {"from_day": "2026-05-01"}, "amount_not_used"),
    ],
)
def test_events_of_rows_have_their_shape(kind: EventKind, amount: int, extra: dict[str, Any] | None, code: str) -> None:
    assert [p.code for p in event_problems(kind, amount, extra)] == [code]


def test_a_sound_re_age_reaches_the_engine() -> None:
    extra = {"rows": 3, "from_day": "2026-05-01", "every": 2, "unit": "week"}
    assert event_problems(EventKind.RE_AGE, 0, extra) == []
    event = engine_event_of(4, EventKind.RE_AGE, date(2026, 4, 1), 0, extra, recorded_us=1)
    assert (event.rows, event.every, event.unit.name) == (3, 2, "WEEK")


def test_a_waiver_of_a_charge_must_aim_at_a_charge(house: House) -> None:
    on = date(2026, 3, 5)
    event_append(house.loan, kind=EventKind.PAYMENT, effective_on=on, amount_minor=100, idempotency_key="p", actor="a")
    waiver = {"kind": EventKind.CHARGE_WAIVER, "effective_on": on, "amount_minor": -1, "actor": "a"}
    with pytest.raises(Refused, match="no charge"):
        event_append(house.loan, idempotency_key="w1", extra={"of_seq": 1}, **waiver)
    fee = {"component": "fee"}
    event_append(house.loan, kind=EventKind.CHARGE, effective_on=on, amount_minor=500, idempotency_key="c", actor="a", extra=fee)
    assert event_append(house.loan, idempotency_key="w2", extra={"of_seq": 2}, **waiver).seq == 3


def test_a_kind_that_needs_a_field_never_comes_to_the_engine_without_it() -> None:
    told_by_columns = {"component"}
    needy = {kind for kind, shape in SHAPES.items() if shape.needs - told_by_columns}
    assert needy <= SAYS_MORE
