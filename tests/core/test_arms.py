"""Arms: stable, balanced, independent between salts, the same in SQL; who is never touched."""

from __future__ import annotations

import itertools
from math import sqrt

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tideover.core.rules.arms import PPM, Design, Outreach, arm_of, arms_problem, left_out, place_of, place_sql

N = 20_000
PEOPLE = [f"P-{n:06}" for n in range(N)]


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_place_is_stable_and_inside(salt: str, reference: str) -> None:
    assert place_of(salt, reference) == place_of(salt, reference) and 0 <= place_of(salt, reference) < PPM


def test_known_places() -> None:
    """The layout is fixed: these were computed by hand (sha256sum) and may never change, or people would change arms."""
    assert [place_of("X-A", r) for r in ("P-1", "P-2")] == [706_714, 544_082]


@pytest.mark.parametrize("salt", ["X-A", "X-B", "X-C", "X-D", "X-E"])
def test_arms_are_balanced(salt: str) -> None:
    arms = [("a", 100_000), ("b", 300_000), ("c", 600_000)]
    found = [arm_of(place_of(salt, r), arms) for r in PEOPLE]
    for code, share in arms:
        p = share / PPM
        assert abs(found.count(code) - N * p) < 4.5 * sqrt(N * p * (1 - p)), (code, found.count(code))


def test_two_salts_divide_independently() -> None:
    half = [("a", PPM // 2), ("b", PPM // 2)]
    both = sum(arm_of(place_of("X-A", r), half) == arm_of(place_of("X-B", r), half) for r in PEOPLE)
    assert abs(both - N / 2) < 4.5 * sqrt(N) / 2


@given(st.lists(st.integers(1, PPM), min_size=1, max_size=6), st.integers(0, PPM - 1))
def test_every_place_has_exactly_one_arm(cuts: list[int], place: int) -> None:
    edges = sorted({0, PPM, *cuts})
    arms = [(f"a{n}", b - a) for n, (a, b) in enumerate(itertools.pairwise(edges))]
    n = int(arm_of(place, arms)[1:])
    assert edges[n] <= place < edges[n + 1]


def test_sql_over_a_tape_gives_the_same() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE people AS SELECT printf('P-%06d', range) AS party_id FROM range(2000)")
    found = con.execute(f"SELECT party_id, {place_sql('X-A', 'party_id')} FROM people").fetchall()
    assert len(found) == 2000 and all(place_of("X-A", r) == place for r, place in found)


@pytest.mark.parametrize(
    ("design", "outreach", "vulnerable", "excluded", "why"),
    [
        ("holdout", "unrequested", False, False, ""),
        ("holdout", "unrequested", True, False, "vulnerable"),
        ("holdout", "requested_help", False, False, "requested_help"),
        ("split", "requested_help", False, False, ""),
        ("split", "unrequested", True, False, ""),
        *[(d, o, v, False, o) for d in Design for o in ("hardship", "statutory_notice") for v in (True, False)],
        *[(d, "unrequested", False, True, "excluded") for d in Design],
    ],
)
def test_who_is_never_touched(design: str, outreach: str, vulnerable: bool, excluded: bool, why: str) -> None:
    found = left_out(Design(design), Outreach(outreach), is_vulnerable=vulnerable, is_excluded=excluded)
    assert found == why


@pytest.mark.parametrize(
    "arms",
    [[], [("a", PPM)], [("a", 1), ("a", PPM - 1)], [("a", 0), ("b", PPM)], [("a", 1), ("b", 1)], [("a b", 1), ("c", PPM - 1)]],
)
def test_a_division_that_is_none_is_refused(arms: list[tuple[str, int]]) -> None:
    assert arms_problem(arms)
