"""Columns made from arrays equal those packed object by object, and impossible terms are found as `Terms.problems` finds them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.strategies import wide_loan
from tideover.engine.batch import replay_many
from tideover.engine.columns import OWN, EventColumns, TermsColumns, event_columns, terms_columns
from tideover.engine.columns_bulk import OWN_COLUMNS, SAYS_MORE, events_bulk, terms_bulk, unsound
from tideover.engine.events import Event, EventKind, PrepayMode
from tideover.engine.terms import CustomRow, Method, Terms, day

LOANS = [loan for loan in (wide_loan(random.Random(seed)) for seed in range(120)) if not loan[0].problems()]


def bulk_terms(terms: list[Terms]) -> TermsColumns:
    templates = list({t.with_(**{n: getattr(terms[0], n) for n in OWN}): None for t in terms})
    of = {t: k for k, t in enumerate(templates)}
    custom = [(r.due_on, r.principal_minor, r.interest_minor) for t in terms for r in t.custom_rows]
    return terms_bulk(
        {n: np.array([getattr(t, n) for t in terms]) for n in OWN_COLUMNS},
        templates,
        np.array([of[t.with_(**{n: getattr(terms[0], n) for n in OWN})] for t in terms]),
        np.array(custom, np.int64).reshape(-1, 3),
        np.cumsum([0] + [len(t.custom_rows) for t in terms]),
    )


def bulk_events(loans: list[list[Event]]) -> EventColumns:
    flat = [e for loan in loans for e in loan]
    plain = {EventKind.PAYMENT, EventKind.CHARGE, EventKind.WAIVER}
    return events_bulk(
        np.cumsum([0] + [len(x) for x in loans]),
        *(np.array([getattr(e, n) for e in flat]) for n in ("seq", "on", "kind", "amount_minor", "recorded_at", "component")),
        special=[(i, e) for i, e in enumerate(flat) if e.kind not in plain or e.until >= 0],
    )


def test_terms_from_arrays_equal_packed_terms() -> None:
    terms = [t for t, _, _ in LOANS]
    packed, made = terms_columns(terms), bulk_terms(terms)
    assert (made.loans == packed.loans).all()
    assert [made.at(i) for i in range(len(terms))] == terms
    assert (made.conventions == packed.conventions).all() and (made.calendars == packed.calendars).all()
    assert made.custom.tolist() == packed.custom.tolist()


def test_events_from_arrays_equal_packed_events_and_replay_alike() -> None:
    loans = [[e for e in events if e.class_min == ""] for _, events, _ in LOANS]
    packed, made = event_columns(loans), bulk_events(loans)
    assert made.offsets.tolist() == packed.offsets.tolist()
    assert (made.events == packed.events).all() and (made.details == packed.details).all()
    terms = [t for t, _, _ in LOANS]
    one = replay_many(terms_columns(terms), packed, day("2025-06-01"))
    two = replay_many(bulk_terms(terms), made, day("2025-06-01"))
    assert (one.table == two.table).all()


def test_unsound_is_what_problems_finds() -> None:
    start = day("2024-01-05")
    good = Terms(1_200_000, start, Method.ANNUITY, 60_000, instalments=12, first_due_on=start + 31)
    custom = Terms(3_000, start, Method.CUSTOM, custom_rows=(CustomRow(start + 5, 1_000), CustomRow(start + 9, 2_000)))
    changes: list[dict[str, object]] = [
        {}, {"principal_minor": 0}, {"principal_minor": 10**15}, {"annual_rate_ppm": -1}, {"annual_rate_ppm": 10**9},
        {"instalments": 0}, {"instalments": 10**6}, {"due_day": 32}, {"first_due_on": start}, {"maturity_on": start},
        {"method": Method.BULLET}, {"method": Method.INTEREST_ONLY, "maturity_on": start + 99},
        {"method": Method.INTEREST_ONLY, "maturity_on": start + 9, "first_due_on": start + 10}, {"balloon_minor": 1_200_000},
        {"disbursed_on": day("1899-12-31")}, {"first_due_on": day("2300-01-01")}, {"grace_interest_rows": 12},
        {"interest_free_rows": 13}, {"interest_free_rows": 12},
    ]  # fmt: skip
    terms = [good.with_(**c) for c in changes] + [custom, custom.with_(principal_minor=2_999), good]
    assert unsound(terms_columns(terms)).tolist() == [bool(t.problems()) for t in terms]


def test_kinds_that_say_more_must_come_as_objects() -> None:
    ones = np.ones(2, np.int64)
    for kind in SAYS_MORE:
        kinds = np.array([int(EventKind.PAYMENT), int(kind)])
        with pytest.raises(ValueError, match=f"event 1 of kind {kind.name}"):
            events_bulk(np.array([0, 2]), ones, ones, kinds, ones, ones)
    shortens = Event(4, 9, EventKind.PREPAYMENT, amount_minor=7, prepay_mode=PrepayMode.SHORTEN)
    made = events_bulk(np.array([0, 0, 2]), ones, ones, ones * int(EventKind.PAYMENT), ones, ones, special=[(1, shortens)])
    assert made.at(0) == [] and made.at(1)[1] == shortens


@pytest.mark.parametrize(
    ("offsets", "seq"), [([0, 1], [1, 2]), ([1, 2], [1, 2]), ([0, 2, 1, 2], [1, 2]), ([0, 2], [1, 2**31]), ([0, 3], [1, 2, 3])]
)
def test_columns_that_do_not_fit_are_refused(offsets: list[int], seq: list[int]) -> None:
    ones = np.ones(2, np.int64)
    with pytest.raises(ValueError):
        events_bulk(np.array(offsets), np.array(seq), ones, ones * int(EventKind.PAYMENT), ones, ones)


def test_columns_of_terms_that_do_not_fit_are_refused() -> None:
    ones, plain = np.ones(2, np.int64), Terms(1, 0, Method.BULLET)
    own = {"principal_minor": ones, "annual_rate_ppm": ones, "disbursed_on": ones}
    for columns, at in ((own | {"colour": ones}, ones * 0), ({}, ones * 0), (own | {"due_day": ones[:1]}, ones * 0), (own, ones)):
        with pytest.raises(ValueError):
            terms_bulk(columns, [plain], at)
    empty = terms_bulk(dict.fromkeys(own, ones[:0]), [plain], ones[:0])
    assert len(empty.loans) == 0 and not unsound(empty).any()


def test_custom_rows_are_unsound_where_problems_says_so() -> None:
    rng, start = random.Random(5), day("2024-01-05")
    terms = [Terms(3_000, start, Method.CUSTOM)]
    for _ in range(400):
        count = rng.choice([1, 2, 3, 5])
        due, rows = start, []
        for _ in range(count):
            due += rng.choice([30, 30, 30, 1, 0, -3, 200_000]) if rng.random() < 0.2 else 30
            rows.append(CustomRow(due, rng.choice([1_000] * 12 + [0, -1, 10**14]), rng.choice([-1] * 9 + [0, 5, -2, 10**14])))
        principal = sum(r.principal_minor for r in rows) + rng.choice([0, 0, 0, 1])
        terms.append(Terms(principal, start, Method.CUSTOM, custom_rows=tuple(rows)))
    expected = [bool(t.problems()) for t in terms]
    assert 50 < sum(expected) < 350
    assert unsound(terms_columns(terms)).tolist() == expected
