"""The rule that plans debits, and the layout of files: tables and properties."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tideover.lending.debits.policy import HERE, policy, reasons
from tideover.lending.rules.debit_files import BadFile, Line, batch_write, result_read
from tideover.lending.rules.debits import (
    MOVES,
    OPEN,
    WHY_NOT,
    Account,
    Effect,
    Leave,
    Loan,
    NotPlanned,
    Planned,
    Policy,
    State,
    Tried,
    debit_days,
    effect_of,
    next_debit,
    payday_after,
    plan,
    policy_read,
)

DUE = date(2026, 3, 20)
EVENING = datetime(2026, 3, 20, 18, tzinfo=UTC)
RAW = yaml.safe_load((HERE / "policy.yaml").read_text(encoding="utf-8"))
RULES: Policy = policy_read(RAW)
LEAVE = Leave(1, date(2026, 1, 1), None, 1_000_000, 5_000_000, False, 25, (Account(11), Account(12)))
LOAN = Loan(7, due_minor=40_000, owed_minor=90_000, rows=(DUE,), mandate=LEAVE)


def always(_: date) -> bool:
    return True


def weekdays(on: date) -> bool:
    return on.weekday() < 5


def one(loan: Loan, at: datetime = EVENING, rules: Policy = RULES) -> Planned | NotPlanned:
    return plan([loan], rules, at, always)[0]


def tried(reason: str = "insufficient_funds", on: date = DUE, account: int = 11, state: State = State.FAILED) -> Tried:
    return Tried(DUE, on, account, reason, state, True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"due_minor": 0}, "nothing_due"),
        ({"moving_minor": 1}, "in_flight"),
        ({"tries": (tried(state=State.UNKNOWN),)}, "in_flight"),
        ({"disputed": True}, "dispute"),
        ({"holds": ("dispute",)}, "dispute"),
        ({"holds": ("hardship_request",)}, "hold"),
        ({"mandate": None}, "no_mandate"),
        ({"mandate": replace(LEAVE, valid_from=date(2026, 3, 21))}, "outside_mandate"),
        ({"mandate": replace(LEAVE, valid_to=date(2026, 3, 19))}, "outside_mandate"),
        ({"mandate": replace(LEAVE, accounts=(Account(11, "account_closed"),))}, "no_account"),
        ({"arrived_minor": 40_000}, "arrived"),
        ({"mandate": replace(LEAVE, cap_take_minor=39_999)}, "over_cap"),
        ({"mandate": replace(LEAVE, used_month_minor=4_960_001)}, "over_month"),
        ({"due_minor": 99}, "too_small"),
        ({"rows": (date(2026, 3, 19),)}, "not_today"),
        ({"tries": (tried("over_limit"),)}, "no_more_tries"),
        ({"tries": (tried(), tried(account=12))}, "no_more_tries"),
        ({"tries": (tried(on=date(2026, 3, 1)),) * 3}, "no_more_tries"),
    ],
)
def test_why_a_loan_is_not_debited(changes: dict[str, Any], reason: str) -> None:
    assert one(replace(LOAN, **changes)) == NotPlanned(7, reason)
    assert reason in WHY_NOT


def test_what_is_due_less_what_is_here_is_taken_in_the_evening_of_the_due_day() -> None:
    assert one(LOAN) == Planned(7, 1, 11, 40_000, DUE, 1, False)
    assert one(LOAN, EVENING.replace(hour=17, minute=59)) == NotPlanned(7, "not_today")
    assert one(replace(LOAN, arrived_minor=15_000)) == Planned(7, 1, 11, 25_000, DUE, 1, False)
    assert one(replace(LOAN, owed_minor=30_000)) == Planned(7, 1, 11, 30_000, DUE, 1, False)
    assert one(LOAN, EVENING.replace(day=25)) == Planned(7, 1, 11, 40_000, DUE, 1, False)


def test_the_next_account_follows_on_the_same_day_as_a_try_of_its_own() -> None:
    once = replace(LOAN, tries=(tried(),))
    assert one(once, rules=replace(RULES, next_account=True)) == Planned(7, 1, 12, 40_000, DUE, 2, False)
    assert one(once) == NotPlanned(7, "no_more_tries")
    assert one(once, EVENING.replace(day=25)) == Planned(7, 1, 12, 40_000, DUE, 2, False)


def test_a_part_is_taken_only_where_policy_and_mandate_both_allow_it() -> None:
    tight = replace(LEAVE, cap_take_minor=10_000)
    allowed = replace(tight, part_allowed=True)
    assert one(replace(LOAN, mandate=tight)) == NotPlanned(7, "over_cap")
    assert one(replace(LOAN, mandate=allowed)) == Planned(7, 1, 11, 10_000, DUE, 1, True)
    assert one(replace(LOAN, mandate=allowed), rules=replace(RULES, part=False)) == NotPlanned(7, "over_cap")


def test_loans_of_one_mandate_share_its_month_and_loans_of_one_borrower_what_has_arrived() -> None:
    leave = replace(LEAVE, cap_month_minor=60_000, cap_take_minor=60_000)
    loans = [replace(LOAN, id=n, mandate=leave, arrived_minor=50_000) for n in (1, 2, 3)]
    said = plan(loans, RULES, EVENING, always, borrower=dict.fromkeys((1, 2, 3), 5))
    assert said == [NotPlanned(1, "arrived"), Planned(2, 1, 11, 30_000, DUE, 1, False), NotPlanned(3, "over_month")]


def test_the_days_of_a_row() -> None:
    assert debit_days(DUE, RULES, 25, always) == [(DUE, time(18)), (date(2026, 3, 25), time(18))]
    assert debit_days(DUE, RULES, None, always) == [(DUE, time(18)), (date(2026, 3, 25), time(10))]
    assert [on for on, _ in debit_days(DUE, RULES, 15, always)] == [DUE, date(2026, 3, 25), date(2026, 4, 15)]
    saturday, shifted = date(2026, 3, 21), replace(RULES, business_days="following")
    assert debit_days(saturday, shifted, None, weekdays)[0] == (date(2026, 3, 23), time(18))
    assert next_debit([DUE], RULES, 15, always, EVENING.replace(hour=19)) == (date(2026, 3, 25), DUE)
    assert next_debit([], RULES, 15, always, EVENING) is None
    assert payday_after(date(2026, 1, 31), 31) == date(2026, 2, 28)
    assert payday_after(date(2026, 12, 31), 5) == date(2027, 1, 5)


LOANS = st.builds(
    Loan,
    id=st.integers(1, 9),
    due_minor=st.integers(0, 200_000),
    owed_minor=st.integers(0, 200_000),
    rows=st.lists(st.sampled_from([DUE, date(2026, 3, 15), date(2026, 2, 20)]), max_size=2, unique=True).map(sorted).map(tuple),
    moving_minor=st.sampled_from([0, 0, 0, 5]),
    arrived_minor=st.integers(0, 50_000),
    holds=st.sampled_from([(), (), ("dispute",), ("complaint",), ("death",)]),
    mandate=st.sampled_from([LEAVE, None, replace(LEAVE, cap_take_minor=30_000, part_allowed=True)]),
    tries=st.lists(
        st.builds(
            Tried, st.just(DUE), st.sampled_from([DUE, date(2026, 3, 19)]), st.sampled_from([11, 12]),
            st.sampled_from(["insufficient_funds", "over_limit"]), st.sampled_from([State.FAILED, State.TAKEN]), st.booleans(),
        ),
        max_size=4,
    ).map(tuple),
)  # fmt: skip


@given(st.lists(LOANS, max_size=6, unique_by=lambda x: x.id))
def test_never_more_than_owed_never_more_tries_never_over_a_cap(loans: list[Loan]) -> None:
    said = plan(loans, RULES, EVENING, always, borrower={x.id: 1 for x in loans})
    assert [s.loan for s in said] == [x.id for x in loans]
    for x, s in zip(loans, said, strict=True):
        if isinstance(s, Planned):
            assert x.mandate is not None
            assert 0 < s.amount_minor <= min(x.due_minor, x.owed_minor, x.mandate.cap_take_minor)
            assert x.moving_minor == 0 and s.attempt <= RULES.tries_max and "dispute" not in x.holds and "death" not in x.holds
    assert sum(s.amount_minor for s in said if isinstance(s, Planned)) <= LEAVE.cap_month_minor


def test_nothing_that_was_sent_leads_back_and_only_a_failure_can_turn_into_money() -> None:
    assert not any(State.DRAFTED in after for after in MOVES.values())
    assert [s for s, after in MOVES.items() if State.SENT in after] == [State.DRAFTED]
    assert MOVES[State.TAKEN] == frozenset() and MOVES[State.FAILED] == {State.TAKEN}
    assert effect_of(State.TAKEN, 5, State.FAILED, 0) == Effect.CONFLICT
    assert effect_of(State.TAKEN, 5, State.TAKEN, 5) == Effect.REPEATED
    assert effect_of(State.TAKEN, 5, State.TAKEN, 6) == Effect.CONFLICT
    assert effect_of(State.FAILED, 0, State.TAKEN, 5) == Effect.CONFLICT
    assert effect_of(State.DRAFTED, 0, State.TAKEN, 5) == Effect.CONFLICT
    assert all(effect_of(s, 0, State.TAKEN, 5) == Effect.APPLIED for s in OPEN[1:])


def test_the_files_of_the_package_can_be_read_and_bad_policies_say_what_is_wrong() -> None:
    assert policy() == RULES and reasons()["1001"].reason == "insufficient_funds"
    for change in ({"tries_max": 0}, {"business_days": "never"}, {"tries": [{"when": "christmas", "at": "18:00"}]}, {"more": 1}):
        with pytest.raises(ValueError):
            policy_read({**RAW, **change})


def result(*rows: str, count: int | None = None, taken: int = 1, total: int = 500) -> bytes:
    n = len(rows) if count is None else count
    body = "".join(f"{x}\n" for x in (f"H|TIDEOVER-RESULT|1|B1|{n}|{taken}|{total}|2026-03-20T19:00:00+08:00", *rows))
    return (body + f"T|B1|{n}|{total}|{hashlib.sha256(body.encode()).hexdigest()}\n").encode()


TAKEN = "R|D1|0000|500|2026-03-20T23:59:59+08:00|K1"


def test_a_result_is_read_whole_or_not_at_all() -> None:
    good = result(TAKEN, "R|D2|1001|0||K2")
    batch, found = result_read(good)
    assert batch == "B1" and [(r.reference, r.code, r.amount_minor) for r in found] == [("D1", "0000", 500), ("D2", "1001", 0)]
    for end in range(len(good)):
        with pytest.raises(BadFile):
            result_read(good[:end])
    bad = (
        result(TAKEN, total=501), result(TAKEN, count=2), result(TAKEN, TAKEN, taken=2, total=1000), good.replace(b"500", b"501"),
        result(TAKEN.replace("+08:00", "")), result(TAKEN.replace("2026-03-20T", "")), result("R|D1|0000|500||K1"), good + b"x",
        good.decode().encode("utf-16"),
    )  # fmt: skip
    for data in bad:
        with pytest.raises(BadFile):
            result_read(data)


@given(st.lists(st.tuples(st.text(max_size=20), st.integers(1, 10**12)), min_size=1, max_size=5))
def test_a_batch_has_a_line_a_debit_and_totals_that_match(rows: list[tuple[str, int]]) -> None:
    at = datetime(2026, 3, 20, 15, tzinfo=UTC)
    lines = [Line(f"D{n}", "6222", holder, "ICBC", amount, "CNY", False, "M-1") for n, (holder, amount) in enumerate(rows)]
    text = batch_write("B1", "BANK", DUE, at, at, lines).decode()
    found = [x.split("|") for x in text.split("\n")[:-1]]
    assert [len(x) for x in found] == [10, *[10] * len(rows), 5]
    assert int(found[0][7]) == sum(int(x[6]) for x in found[1:-1]) == int(found[-1][3])
