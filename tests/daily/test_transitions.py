"""Each kind of transition, on loans that differ in one thing from the day before."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from tideover.daily.loans import Figures
from tideover.daily.transitions import BEFORE, Corrections, transitions
from tideover.lending.standing_words import BUCKET_OF
from tideover.tape.schema import arrow_schema

AS_OF = date(2026, 3, 2)
NOBODY = Corrections.joined([])


def tape(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist([{"originator_id": "BANK", "branch": "HZ", **r} for r in rows], arrow_schema("loans"))


def loan(number: str, bucket: str | None, days: int = 0, balance: int = 100, last_due: date | None = None) -> dict:
    return {
        "loan_id": number, "bucket": bucket, "days_past_due": days, "total_balance": balance, "last_due_date": last_due,
    }  # fmt: skip


def told(now: list[dict], before: list[dict], corrections: Corrections = NOBODY) -> list[tuple]:
    found = transitions(tape(now), tape(before).select(list(BEFORE)), corrections, AS_OF)
    return [(r["loan_id"], r["kind"], r["from_bucket"], r["to_bucket"]) for r in found.to_pylist()]


def test_every_move_has_its_word() -> None:
    moves = {
        "became_overdue": ("current", "d1_30"), "rolled": ("d1_30", "d31_60"), "cured": ("d61_90", "d1_30"),
        "paid_off": ("d31_60", "closed"), "written_off": ("d180p", "written_off"), "reopened": ("closed", "current"),
    }  # fmt: skip
    now = [loan(kind, to) for kind, (_, to) in moves.items()] + [loan("same", "d1_30"), loan("new", "current")]
    before = [loan(kind, old) for kind, (old, _) in moves.items()] + [loan("same", "d1_30"), loan("gone", "current")]
    assert told(now, before[::-1]) == [(k, k, *moves[k]) for k in moves] + [("new", "opened", None, "current")]


def test_a_paid_written_off_loan_is_paid_off_and_a_cure_to_current_is_a_cure() -> None:
    now = [loan("a", "closed"), loan("b", "current")]
    assert [t[1] for t in told(now, [loan("a", "written_off"), loan("b", "d180p")])] == ["paid_off", "cured"]


def test_a_row_that_falls_due_today_is_named_beside_other_changes() -> None:
    now = [loan("a", "d1_30", last_due=AS_OF), loan("b", "current", last_due=date(2026, 3, 1))]
    assert told(now, [loan("a", "current"), loan("b", "current")]) == [
        ("a", "became_due", "current", "d1_30"),
        ("a", "became_overdue", "current", "d1_30"),
    ]


def test_a_loan_that_cannot_be_replayed_is_not_compared() -> None:
    assert told([loan("a", None), loan("b", "current")], [loan("a", "current"), loan("b", None)]) == []


def test_a_correction_states_the_day_before_anew_and_goes_on_from_there() -> None:
    figures = Figures(np.array([BUCKET_OF["current"]], np.int8), np.array([0]), np.array([70]))
    late = Corrections(np.array([1]), figures)
    now, before = [loan("x", "current"), loan("a", "d1_30", 1, 71)], [loan("a", "d31_60", 33, 170), loan("x", "current")]
    assert told(now, before, late) == [("a", "corrected", "d31_60", "current"), ("a", "became_overdue", "current", "d1_30")]
    same = Corrections(np.array([1]), Figures(np.array([BUCKET_OF["d31_60"]], np.int8), np.array([33]), np.array([170])))
    assert [t[1] for t in told(now, before, same)] == ["cured"]


def test_a_correction_of_money_alone_is_stated_with_both_balances() -> None:
    late = Corrections(np.array([0]), Figures(np.array([BUCKET_OF["current"]], np.int8), np.array([0]), np.array([40])))
    found = transitions(tape([loan("a", "current", 0, 40)]), tape([loan("a", "current")]).select(list(BEFORE)), late, AS_OF)
    assert [(r["kind"], r["from_balance"], r["to_balance"]) for r in found.to_pylist()] == [("corrected", 100, 40)]


def test_without_the_day_before_nothing_is_told() -> None:
    assert len(transitions(tape([loan("a", "current")]), None, NOBODY, AS_OF)) == 0
