"""The compiled kernel held to the reference: every figure, row and line of the trace, over random loans and histories.

TIDEOVER_RANDOM_LOANS sets how many loans (`make soak` runs 100,000), TIDEOVER_RANDOM_FIRST the first seed; a seed makes its loan
again. The whole folder also runs without compiling (NUMBA_DISABLE_JIT=1, `scripts/check.sh`): a silent overflow fails there.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

from tests.strategies import random_loan, wide_loan
from tideover.engine import batch, reference
from tideover.engine.columns import event_columns, kernel_gap, terms_columns
from tideover.engine.events import Event, EventKind, EventRejected
from tideover.engine.presets import consumer_annuity
from tideover.engine.replay import columns_of, replay
from tideover.engine.standing import Depth
from tideover.engine.terms import BusinessDay, Calendar, CustomRow, Method, PenaltyTerms, PrepaymentInterest, Terms, day

FIRST, COUNT = int(os.environ.get("TIDEOVER_RANDOM_FIRST", "0")), int(os.environ.get("TIDEOVER_RANDOM_LOANS", "1200"))
PARTS = 8


def difference(terms: Terms, events: list[Event], as_of: int, known_at: int | None) -> str:
    """What kernel and reference say differently; empty when nothing. `gap` where the kernel declines."""
    try:
        expected = reference.replay(terms, events, as_of, known_at)
    except EventRejected:
        expected = None
    got = batch.replay_one(*columns_of(terms, events), as_of, known_at)
    if got is None:
        return "gap" if expected is not None else ""
    if expected is None:
        return "the reference rejects what the kernel replays"
    names = [n for n in expected.__slots__ if getattr(got, n) != getattr(expected, n)]
    return "; ".join(f"{n}: {getattr(got, n)} is not {getattr(expected, n)}" for n in names)


@pytest.mark.parametrize("part", range(PARTS))
def test_kernel_equals_reference(part: int) -> None:
    gaps, compared, different = 0, 0, []
    for seed in range(FIRST + part, FIRST + COUNT, PARTS):
        rng = random.Random(seed)
        terms, events, as_of = (wide_loan if seed % 2 else random_loan)(rng)
        if terms.problems() or kernel_gap(terms):
            continue
        known_at = rng.choice([None, None, as_of - 30])
        found = difference(terms, events, as_of, known_at)
        gaps += found == "gap"
        compared += 1
        if found not in ("", "gap"):
            different.append(f"seed {seed}: {found[:600]}")
    print(
        f"kernel against reference: seeds {FIRST + part}, {FIRST + part + PARTS}, ... below {FIRST + COUNT}; "
        f"compared {compared}, differences {len(different)}, left to the reference while replaying {gaps}"
    )
    assert not different, f"{len(different)} loans differ\n" + "\n".join(different[:20])
    assert compared > COUNT // PARTS // 2 and gaps <= compared // 50 + 2


def test_a_batch_equals_its_loans_one_by_one_with_gaps_answered_by_the_reference() -> None:
    loans = [random_loan(random.Random(s)) for s in range(200)]
    loans.append((loans[0][0].with_(prepayment_interest=PrepaymentInterest.SETTLE_PART), loans[0][1], loans[0][2]))
    terms, events = terms_columns([t for t, _, _ in loans]), event_columns([e for _, e, _ in loans])
    days = np.array([a for _, _, a in loans])
    for threads in (1, 2):
        answer = batch.replay_many(terms, events, days, threads=threads)
        assert answer.by_reference >= 1
        for i, (t, e, a) in enumerate(loans):
            expected = reference.replay(t, e, a)
            got = batch.standing_of(answer.table[i], a, answer.classes)
            expected.rows, expected.trace, expected.moves = [], [], []
            assert got == expected, i


def test_columns_give_back_the_terms_and_events_they_were_made_of() -> None:
    loans = [wide_loan(random.Random(s)) for s in range(100)]
    terms, events = terms_columns([t for t, _, _ in loans]), event_columns([e for _, e, _ in loans])
    for i, (t, e, _) in enumerate(loans):
        assert terms.at(i) == t
        assert events.at(i) == e


def test_a_rejected_event_is_named_in_a_batch_and_raised_alone() -> None:
    terms = consumer_annuity(1_000_000, 60_000, day("2025-01-01"), 12)
    events = [Event(3, day("2025-02-01"), EventKind.CREDIT_REFUND, amount_minor=5)]
    answer = batch.replay_many(terms_columns([terms]), event_columns([events]), day("2025-03-01"))
    assert (answer.table[0].status, answer.table[0].status_seq) == (batch.STATUS_REJECTED, 3)
    with pytest.raises(EventRejected):
        replay(terms, events, day("2025-03-01"))


def test_large_amounts_do_not_overflow() -> None:
    terms = consumer_annuity(10**13, 3_600_000, day("2024-01-31"), 60)
    events = [Event(1, day("2026-01-31"), EventKind.PAYMENT, amount_minor=10**12)]
    assert difference(terms, events, day("2030-01-31"), None) == ""
    steep = terms.with_(penalty=PenaltyTerms(ratio_num=99, ratio_den=100))
    assert difference(steep, events, day("2030-01-31"), None) == ""
    assert kernel_gap(terms.with_(penalty=PenaltyTerms(ratio_num=9999, ratio_den=1000)))
    more = [Event(n, day("2024-02-10"), EventKind.DISBURSEMENT, amount_minor=10**13) for n in (2, 3, 4)]
    assert difference(terms, more, day("2024-03-31"), None) == "gap"


def test_days_beyond_the_calendar_are_left_to_the_reference() -> None:
    weekends = Calendar("weekends", weekend=frozenset({5, 6}))
    terms = Terms(
        1_000_000, day("2160-01-04"), Method.ANNUITY, 60_000, instalments=200, first_due_on=day("2160-02-04"), calendar=weekends,
        business_day=BusinessDay.FOLLOWING,
    )  # fmt: skip
    assert difference(terms, [], day("2165-01-01"), None) == "gap"
    assert difference(terms.with_(instalments=24), [], day("2161-01-01"), None) == ""
    assert replay(terms, [], day("2165-01-01")) == reference.replay(terms, [], day("2165-01-01"))


def demands(count: int) -> tuple[Terms, list[Event], int]:
    """A demand a day and a payment of one demand every other day: arrears that grow all the time."""
    start = day("2018-01-01")
    rows = tuple(CustomRow(start + 1 + k, 1000) for k in range(count))
    terms = Terms(1000 * count, start, Method.CUSTOM, 60_000, custom_rows=rows)
    events = [Event(k + 1, start + 30 + 2 * k, EventKind.PAYMENT, amount_minor=1000) for k in range(count // 2)]
    return terms, events, start + count * 6 // 5


def test_depth_says_what_is_kept_whoever_answers() -> None:
    terms, events, as_of = random_loan(random.Random(5))
    for t in (terms, terms.with_(prepayment_interest=PrepaymentInterest.SETTLE_PART)):
        kept = [replay(t, events, as_of, depth=depth) for depth in Depth]
        assert [(bool(s.rows), bool(s.trace)) for s in kept] == [(False, False), (True, False), (True, True)]
        kept[2].trace, kept[2].moves = [], []
        assert kept[1] == kept[2] and len(kept[1].rows) == kept[0].row_count


def test_a_settlement_within_the_grace_leaves_nothing_owed() -> None:
    terms = consumer_annuity(1_200_000, 60_000, day("2026-01-20"), 3).with_(penalty=PenaltyTerms(grace_days=20))
    events = [Event(1, day("2026-03-01"), EventKind.SETTLEMENT, amount_minor=100)]
    assert reference.replay(terms, events, day("2026-03-05")).payoff_minor == 0
    assert difference(terms, events, day("2026-03-05"), None) == ""


def test_a_loan_of_many_demands_equals_the_reference() -> None:
    assert difference(*demands(120), None) == ""


def test_2000_demands_over_2400_days_are_answered_by_the_kernel() -> None:
    answer = batch.replay_one(*columns_of(*demands(2000)[:2]), demands(2000)[2], None)
    assert answer is not None and answer.row_count == 2000
    assert answer.principal_minor == 1000 * 2000 - sum(line.amounts_minor[0] for line in answer.trace)


@pytest.mark.parametrize(
    ("own", "event"),
    [
        ({"principal": 10**13 + 1}, {}), ({"principal": 0}, {}), ({"rate": 10**9}, {}), ({"rate": -1}, {}), ({"due_day": 32}, {}),
        ({"instalments": 0}, {}), ({"instalments": 10**6}, {}), ({"disbursed_on": 10**7}, {}), ({"first_due_on": 10**12}, {}),
        ({}, {"amount": 10**15}), ({}, {"amount": -1}), ({}, {"on": 2**31 - 1}), ({}, {"detail": 7}), ({}, {"detail": -1}),
        ({}, {"kind": int(EventKind.PAUSE)}), ({}, {"kind": int(EventKind.RATE_CHANGE)}), ({}, {"kind": int(EventKind.CHARGE)}),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_left_to_the_reference(own: dict[str, int], event: dict[str, int]) -> None:
    terms = consumer_annuity(1_200_000, 151_200, day("2024-01-05"), 12)
    packed, events = columns_of(terms, [Event(1, day("2024-02-05"), EventKind.PAYMENT, amount_minor=5)])
    assert batch.replay_one(packed, events, day("2024-03-01"), None) is not None
    for table, changes in ((packed.loans, own), (events.events, event)):
        for name, value in changes.items():
            table[name] = value
    assert batch.replay_one(packed, events, day("2024-03-01"), None) is None


def test_columns_whose_indices_point_outside_them_are_refused() -> None:
    for table, name, value in (("loans", "convention", 1), ("loans", "custom_count", 1), ("offsets", 1, 5)):
        terms, events = columns_of(consumer_annuity(1_200_000, 151_200, day("2024-01-05"), 12), [])
        getattr(terms if table == "loans" else events, table)[name] = value
        with pytest.raises(AssertionError):
            batch.replay_many(terms, events, day("2024-03-01"))
