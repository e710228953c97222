"""Which files are late, and where statements do not meet: the rule by itself."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tideover.core.packs.load import calendar
from tideover.lending.rules.late_files import LOOK_DAYS, Balances, Expected, Gap, gaps, missing

D = date(2026, 3, 2)
"""A Monday."""


def at(day: date, hour: int = 12) -> datetime:
    return datetime.combine(day, time(hour))


def test_a_file_is_late_from_its_hour_of_the_next_day() -> None:
    daily = Expected(D, 9)
    assert missing(daily, D, at(D + timedelta(2), 8)) == []
    assert missing(daily, D, at(D + timedelta(2), 9)) == [(D + timedelta(1), at(D + timedelta(2), 9))]
    assert [on for on, _ in missing(daily, None, at(D + timedelta(3)))] == [D, D + timedelta(1), D + timedelta(2)]
    assert missing(daily, D + timedelta(2), at(D + timedelta(3))) == []


def test_working_days_alone_have_a_file_where_the_account_says_so() -> None:
    working = Expected(D, 9, calendar=calendar("cn"))
    friday = D + timedelta(4)
    assert missing(working, friday - timedelta(1), at(friday + timedelta(2))) == []
    monday = friday + timedelta(3)
    assert missing(working, friday - timedelta(1), at(monday, 9)) == [(friday, at(monday, 9))]
    # 2026-10-01 to 10-07 are holidays in China: what is of 09-30 comes on the 8th.
    eve = date(2026, 9, 30)
    assert missing(working, eve - timedelta(1), at(date(2026, 10, 8), 8)) == []
    assert missing(working, eve - timedelta(1), at(date(2026, 10, 8), 9)) == [(eve, at(date(2026, 10, 8), 9))]


def test_a_closed_account_sends_nothing_more_and_old_days_are_not_named_for_ever() -> None:
    assert missing(Expected(D, 9, until=D), D, at(D + timedelta(9))) == []
    found = missing(Expected(D, 0), None, at(D + timedelta(400)))
    assert len(found) == LOOK_DAYS and found[0][0] == D + timedelta(400 - LOOK_DAYS)


def test_a_skipped_day_with_money_is_a_gap_and_one_without_is_none() -> None:
    first, third = Balances(D, D, 0, 100), Balances(D + timedelta(2), D + timedelta(2), 100, 250)
    assert gaps([third, first]) == []
    moved = third._replace(opening_minor=130)
    [gap] = gaps([moved, first])
    assert gap == Gap(D, D + timedelta(2), 100, 130) and gap.off_minor == 30


def test_a_day_sent_again_or_within_a_longer_statement_is_no_gap() -> None:
    week = Balances(D, D + timedelta(6), 0, 700)
    inside = Balances(D + timedelta(2), D + timedelta(3), 200, 400)
    after = Balances(D + timedelta(7), D + timedelta(7), 700, 750)
    assert gaps([after, inside, week, after]) == []


@given(st.lists(st.integers(-500, 500), min_size=2, max_size=12), st.data())
def test_a_statement_left_out_of_a_chain_is_a_gap_when_its_day_moved_money(moves: list[int], data: st.DataObject) -> None:
    chain, balance = [], 0
    for n, moved in enumerate(moves):
        chain.append(Balances(D + timedelta(n), D + timedelta(n), balance, balance + moved))
        balance += moved
    assert gaps(chain) == []
    out = data.draw(st.integers(1, len(moves) - 1))
    found = gaps(chain[:out] + chain[out + 1 :])
    if out == len(moves) - 1 or moves[out] == 0:
        assert found == []
    else:
        assert [(g.after, g.before, g.off_minor) for g in found] == [(D + timedelta(out - 1), D + timedelta(out + 1), moves[out])]
