"""The compiled kernel held to the reference: every figure, row and line of the trace, over random loans and histories.

TIDEOVER_RANDOM_LOANS sets how many loans (`make soak` runs 100,000); seeds make every failure repeatable.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.strategies import random_loan, wide_loan
from tideover.engine import batch, reference
from tideover.engine.columns import event_columns, kernel_gap, terms_columns
from tideover.engine.events import Event, EventKind, EventRejected
from tideover.engine.presets import consumer_annuity
from tideover.engine.replay import columns_of, replay
from tideover.engine.terms import BusinessDay, Calendar, CustomRow, Method, PenaltyTerms, Terms, day

COUNT = int(os.environ.get("TIDEOVER_RANDOM_LOANS", "1200"))
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
    gaps = compared = 0
    for seed in range(part, COUNT, PARTS):
        rng = random.Random(seed)
        terms, events, as_of = (wide_loan if seed % 2 else random_loan)(rng)
        if terms.problems() or kernel_gap(terms):
            continue
        known_at = rng.choice([None, None, as_of - 30])
        found = difference(terms, events, as_of, known_at)
        gaps += found == "gap"
        compared += 1
        assert found in ("", "gap"), f"seed {seed}: {found[:600]}"
    assert compared > COUNT // PARTS // 2 and gaps <= compared // 50 + 2


def test_a_batch_equals_its_loans_one_by_one_with_gaps_answered_by_the_reference() -> None:
    loans = [random_loan(random.Random(s)) for s in range(200)]
    loans.append((loans[0][0].with_(penalty=PenaltyTerms(cap_minor=5)), loans[0][1], loans[0][2]))
    terms, events = terms_columns([t for t, _, _ in loans]), event_columns([e for _, e, _ in loans])
    days = np.array([a for _, _, a in loans])
    for threads in (1, 2):
        answer = batch.replay_many(terms, events, days, threads=threads)
        assert answer.by_reference >= 1
        for i, (t, e, a) in enumerate(loans):
            expected = reference.replay(t, e, a)
            got = batch.standing_of(answer.table[i], a, answer.classes)
            expected.rows, expected.trace = [], []
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


def test_a_loan_of_2000_demands_over_2400_days_is_answered_by_the_kernel() -> None:
    start = day("2018-01-01")
    rows = tuple(CustomRow(start + 1 + k, 1000) for k in range(2000))
    terms = Terms(2_000_000, start, Method.CUSTOM, 60_000, custom_rows=rows)
    events = [Event(k + 1, start + 30 + 2 * k, EventKind.PAYMENT, amount_minor=1000) for k in range(1000)]
    assert difference(terms, events, start + 2400, None) == ""


def test_the_same_without_compiling() -> None:
    """The kernels as plain Python (NUMBA_DISABLE_JIT=1) give the same: nothing hangs on what a compiler does."""
    code = (
        "import random\n"
        "from tests.engine.test_kernel import difference\n"
        "from tests.strategies import wide_loan\n"
        "for seed in range(40):\n"
        "    terms, events, as_of = wide_loan(random.Random(seed))\n"
        "    if not terms.problems():\n"
        "        found = difference(terms, events, as_of, None)\n"
        "        assert found in ('', 'gap'), (seed, found[:500])\n"
        "print('same')\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, cwd=root,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "same", done.stderr[-2000:]
