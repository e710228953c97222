"""Published loan scenarios: a small one of our own everywhere, the shared ones where they are present."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tideover.conform import emi, fineract
from tideover.conform.fineract_books import Line, lines_of
from tideover.conform.fineract_terms import NotOffered, steps_of_order, steps_of_strategy
from tideover.engine.standing import TraceLine
from tideover.engine.terms import AllocateBy, Component, RowTiming

SHARED = Path(os.environ.get("TIDEOVER_SHARED", Path(__file__).parents[3] / "shared"))
ROW = {"interest": 0, "penalties": 0, "late": 0}
SCENARIO: dict[str, Any] = {
    "id": "own-1",
    "product": {
        "currency": "EUR", "decimals": 2, "rounding": "half_even", "installment_multiple_of": 1, "day_count_year": "actual",
        "day_count_month": "actual", "schedule_type": "cumulative", "schedule_processing": None, "over_applied_pct": 50,
        "grace_on_arrears_days": 3, "multi_disburse": True, "repayment_start": "disbursement_date", "down_payment": None,
        "recalculation": None, "credit_allocation": None,
    },
    "config": {},
    "terms": {
        "submitted": "2026-01-15", "principal": 500, "annual_rate": 0, "interest_type": "flat",
        "interest_period": "same_as_repayment_period", "amortization": "equal_installments", "every": 1, "unit": "months",
        "repayments": 2, "grace_principal": 0, "grace_interest": 0, "strategy": "pen_fee_int_prin",
    },
    "steps": [
        {"n": 1, "now": "2026-01-15", "type": "approve", "date": "2026-01-15", "amount": 500,
         "expected_disbursement": "2026-01-15"},
        {"n": 2, "now": "2026-01-15", "type": "disburse", "date": "2026-01-15", "amount": 500},
        {"n": 3, "now": "2026-02-01", "type": "charge", "date": "2026-02-01", "amount": 7.5, "kind": "fee", "name": "late"},
        {"n": 4, "now": "2026-02-20", "type": "repay", "date": "2026-02-20", "amount": 100},
        {"n": 5, "now": "2026-02-20", "type": "repay", "date": "2026-02-21", "amount": 100, "rejected": True},
    ],
    "expect": [
        {
            "after": 5,
            "as_of": "2026-02-20",
            "status": "active",
            "outstanding": 407.5,
            "schedule": [
                {"date": "2026-01-15", "balance": 500, "fees": 0, "due": 0, "paid": 0},
                {"nr": 1, "days": 31, "date": "2026-02-15", "balance": 250, "principal": 250, "fees": 7.5, "due": 257.5,
                 "paid": 100, "in_advance": 0, "outstanding": 157.5, **ROW, "late": 100},
                {"nr": 2, "days": 28, "date": "2026-03-15", "balance": 0, "principal": 250, "fees": 0, "due": 250, "paid": 0,
                 "in_advance": 0, "outstanding": 250, **ROW},
            ],
            "transactions": [
                {"date": "2026-01-15", "type": "disburse", "amount": 500, "principal": 0, "balance": 500},
                {"date": "2026-02-20", "type": "repay", "amount": 100, "principal": 92.5, "fees": 7.5, "balance": 407.5},
            ],
            "delinquency": {"range": "r1", "amount": 157.5, "date": "2026-02-18", "days": 2, "past_due_days": 5},
            "journal": [
                {
                    "type": "repay", "date": "2026-02-20",
                    "lines": [
                        {"account": "loans_receivable", "cr": 92.5}, {"account": "interest_fee_receivable", "cr": 7.5},
                        {"account": "suspense_clearing", "dr": 100},
                    ],
                }
            ],
        }
    ],
}  # fmt: skip


def changed(**changes: Any) -> dict[str, Any]:
    case = copy.deepcopy(SCENARIO)
    for path, value in changes.items():
        *way, last = path.split("__")
        at: Any = case
        for key in way:
            at = at[int(key) if key.isdigit() else key]
        at[int(last) if last.isdigit() else last] = value
    return case


def test_a_scenario_of_our_own_is_whole_and_says_what_it_left_out() -> None:
    result = fineract.run_case(SCENARIO)
    assert result.differences == [] and result.not_compared is None
    assert result.compared_cells > 40 and result.left_out == {}


def test_a_differing_cell_is_named() -> None:
    result = fineract.run_case(changed(expect__0__schedule__1__outstanding=150))
    assert [(d.cell, d.expected, d.got) for d in result.differences] == [
        ("after 5 on 2026-02-20 schedule row 1 outstanding", "150", "157.5")
    ]


def test_a_step_that_should_be_refused_but_is_taken_is_a_difference() -> None:
    result = fineract.run_case(changed(steps__4__date="2026-02-20"))
    assert ("step 5 repay", "refused", "taken") in [(d.cell, d.expected, d.got) for d in result.differences]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"steps__3__type": "refund_active"}, "step refund_active"),
        ({"terms__strategy": "fee_then_luck"}, "strategy fee_then_luck"),
        ({"terms__repayments": 0}, "terms that are refused"),
        ({"terms__annual_rate": 9.123456}, "rate finer"),
    ],
)
def test_what_is_not_offered_is_reported_and_stops_nothing(changes: dict[str, Any], reason: str) -> None:
    result = fineract.run_case(changed(**changes))
    assert result.not_compared is not None and reason in result.not_compared


def test_the_same_key_twice_is_one_step() -> None:
    twice = copy.deepcopy(SCENARIO)
    twice["steps"].insert(4, {**twice["steps"][3], "n": 9, "duplicate_of": 4})
    assert fineract.run_case(twice).differences == []


def test_orders_become_steps() -> None:
    due, ahead = steps_of_strategy("due_pen_fee_int_prin__adv_prin_pen_fee_int")
    assert (due.rows, ahead.rows) == (RowTiming.DUE, RowTiming.IN_ADVANCE) and ahead.order[0] == Component.PRINCIPAL
    steps = steps_of_order(["past_due_fee", "past_due_principal", "due_fee", "in_advance_principal"], AllocateBy.COMPONENT)
    assert [(s.rows, len(s.order)) for s in steps] == [
        (RowTiming.PAST_DUE, 2),
        (RowTiming.DUE_TODAY, 1),
        (RowTiming.IN_ADVANCE, 1),
    ]
    with pytest.raises(NotOffered):
        steps_of_strategy("pen_pen_wrong")


def cases(name: str) -> list[dict[str, Any]]:
    path = SHARED / "cases" / name
    if not path.exists():
        pytest.skip(f"{path} is not here: set TIDEOVER_SHARED to the folder of shared cases")
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def test_every_compared_scenario_agrees() -> None:
    results = [fineract.run_case(c) for c in cases("fineract.json")]
    assert [d for r in results for d in r.differences] == []
    assert sum(r.not_compared is None for r in results) >= 251
    assert sum(r.compared_cells for r in results) >= 32_000


def test_every_table_of_equal_instalments_agrees() -> None:
    results = [emi.run_case(c) for c in cases("fineract_emi.json")]
    assert [d for r in results for d in r.differences] == [] and len(results) == 12


def test_a_word_that_is_not_known_is_named_and_stops_no_other_scenario() -> None:
    case = copy.deepcopy(SCENARIO)
    case["terms"]["unit"] = "fortnights"
    assert "fortnights" in (fineract.run_case(case).not_compared or "")


@pytest.mark.parametrize(
    ("name", "amounts", "held", "written_off", "expected"),
    [
        (
            "repay",
            {0: 90, 1: 7, 4: 3},
            20,
            False,
            {"loans_receivable": -90, "interest_fee_receivable": -10, "overpayment_liability": -20, "suspense_clearing": 120},
        ),
        ("repay", {0: 90}, 0, True, {"recoveries": -90, "suspense_clearing": 90}),
        ("chargeback", {0: 60}, -40, False, {"loans_receivable": 60, "overpayment_liability": 40, "suspense_clearing": -100}),
        (
            "charge_off",
            {0: 60, 4: 5},
            0,
            False,
            {"loans_receivable": -60, "interest_fee_receivable": -5, "credit_loss": 60, "fee_charge_off": 5},
        ),
        (
            "goodwill_credit",
            {0: 60, 1: 5},
            0,
            False,
            {"loans_receivable": -60, "interest_fee_receivable": -5, "interest_income_charge_off": 5, "goodwill_expense": 60},
        ),
    ],
)
def test_a_line_of_the_trace_goes_to_the_accounts_of_its_cause(
    name: str, amounts: dict[int, int], held: int, written_off: bool, expected: dict[str, int]
) -> None:
    line = TraceLine(1, 0, [amounts.get(c, 0) for c in range(7)], held)
    found = lines_of(name, line, written_off)
    assert found and {x.account: x.minor for x in found} == expected and sum(x.minor for x in found) == 0
    assert found[0] == Line(found[0].account, found[0].minor)
