"""Many verdicts at once equal one verdict at a time: mask, order of rules, first free instant."""

from __future__ import annotations

from datetime import date

import pytest
from bench.gate import world
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contact.worlds import HOLD_KINDS, at, calls, facts, pasts, policy, proposals
from tideover.contact.rules.gate import may_contact
from tideover.contact.rules.gate_batch import (
    NEVER,
    may_contact_many,
    people_columns,
    policy_columns,
    proposal_columns,
    rules_of,
)
from tideover.contact.rules.local_time import instant_of, local_day, local_second
from tideover.contact.rules.model import Facts, PastContact, Proposal
from tideover.contact.zones import zone

POLICIES = {name: policy(name, date(2026, 3, 1)) for name in ("cn", "us")}
COLUMNS = {name: policy_columns(p, HOLD_KINDS) for name, p in POLICIES.items()}
people = st.lists(st.tuples(facts, st.one_of(pasts, calls), st.lists(proposals, min_size=1, max_size=3)), min_size=1, max_size=4)


@pytest.mark.parametrize("name", sorted(POLICIES))
@settings(max_examples=150, deadline=None)
@given(people=people)
def test_batch_equals_single(name: str, people: list[tuple[Facts, list[PastContact], list[Proposal]]]) -> None:
    rules, columns = POLICIES[name], COLUMNS[name]
    table = people_columns([(f, h) for f, h, _ in people], columns.hold_codes)
    asked = [(i, p) for i, (_, _, ps) in enumerate(people) for p in ps]
    got = may_contact_many(columns, table, proposal_columns(asked))
    for (i, p), answer in zip(asked, got, strict=True):
        one = may_contact(rules, people[i][0], people[i][1], p)
        assert tuple(f.rule for f in one.fired) == rules_of(columns, answer["fired"])
        assert (NEVER if one.next_at is None else one.next_at) == answer["next_at"]
        if one.next_at is not None and not one.allowed:
            assert one.next_at > p.at


@given(
    st.sampled_from(["Asia/Shanghai", "America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Sao_Paulo"]),
    st.integers(7_000, 22_000), st.integers(0, 86_399),
)  # fmt: skip
def test_the_first_instant_of_a_local_time(name: str, day: int, second: int) -> None:
    place = zone(name)
    instant = instant_of(place, day, second)
    shown = (local_day(place, instant), local_second(place, instant))
    assert shown >= (day, second)
    if shown == (day, second):
        earlier = [(local_day(place, t), local_second(place, t)) for t in range(instant - 7200, instant, 900)]
        assert (day, second) not in earlier
    else:
        assert shown > (day, second) > (local_day(place, instant - 1), local_second(place, instant - 1))


def test_the_skipped_hour_opens_at_the_skip() -> None:
    place = zone("America/New_York")
    assert instant_of(place, local_day(place, at("2026-03-08 12:00:00", "America/New_York")), 2 * 3600 + 1800) == at(
        "2026-03-08 03:00:00", "America/New_York"
    )


def test_the_benchmark_asks_about_people_as_the_gate_reads_them() -> None:
    rules, crowd, asked = world(200)
    fired = may_contact_many(rules, crowd, asked)["fired"]
    assert 0 < (fired == 0).sum() < len(asked)
