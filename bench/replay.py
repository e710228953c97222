"""Replay speed: standard loans (12 instalments, 12 events) through the kernel on 2 threads.

Against, in the same run: QuantLib's schedule generation in Python for the same loans (dates alone, no money), and the machine's
memory copy of the bytes that replay reads and writes.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import timedelta
from typing import Any

import numpy as np

from tideover.engine.batch import replay_many
from tideover.engine.columns import EVENT, LOAN, EventPacker, TermsPacker
from tideover.engine.events import Event, EventKind
from tideover.engine.presets import consumer_annuity
from tideover.engine.terms import CustomRow, Method, Terms, date_of, day

THREADS = 2


def book(loans: int) -> tuple[Any, Any]:
    """Annuities of 12 months with 12 events each: payments on time, some late, some in part, one prepayment in eight loans."""
    rng = np.random.default_rng(7)
    packer = TermsPacker()
    start = day("2024-01-05")
    template = consumer_annuity(1_200_000, 151_200, start, 12)
    packer.add(template)
    records = np.zeros(loans, LOAN)
    for name, value in zip(LOAN.names or (), packer.loans[0], strict=True):
        records[name] = value
    shift = rng.integers(0, 28, loans)
    records["disbursed_on"] = start + shift
    records["first_due_on"] = start + 31 + shift
    records["principal"] = rng.integers(100_000, 9_000_000, loans)
    records["due_day"] = 0
    events = np.zeros(loans * 12, EVENT)
    loan_of = np.repeat(np.arange(loans), 12)
    nr = np.tile(np.arange(12), loans)
    monthly = records["principal"] * 0.0903
    late = np.where(rng.random(loans * 12) < 0.15, rng.integers(1, 40, loans * 12), 0)
    events["on"] = records["first_due_on"][loan_of] + nr * 30 + late
    events["seq"] = nr + 1
    part = np.where(rng.random(loans * 12) < 0.1, 0.5, 1.0)
    events["amount"] = (monthly[loan_of] * part).astype(np.int64) + 1
    events["kind"] = np.where((nr == 6) & (loan_of % 8 == 0), EventKind.PREPAYMENT, EventKind.PAYMENT)
    offsets = np.arange(loans + 1, dtype=np.int64) * 12
    return packer.columns(records), EventPacker().columns(offsets, events)


def quantlib_rate(loans: int) -> float:
    """Loans a second whose 12 due dates QuantLib lays out."""
    import QuantLib as ql

    calendar, tenor = ql.NullCalendar(), ql.Period(1, ql.Months)
    started = time.perf_counter()
    for k in range(loans):
        a = date_of(day("2024-01-05") + k % 28)
        b = a + timedelta(days=366)
        ql.Schedule(
            ql.Date(a.day, a.month, a.year), ql.Date(b.day, b.month, b.year), tenor, calendar, ql.Unadjusted, ql.Unadjusted,
            ql.DateGeneration.Forward, False,
        )  # fmt: skip
    return loans / (time.perf_counter() - started)


def long_loan(nr: int) -> tuple[Terms, list[Event], int]:
    """A loan of 2,000 demands in 2,400 days, half of them paid one by one: arrears that grow to 1,000 rows."""
    start = day("2018-01-01")
    rows = tuple(CustomRow(start + 1 + k, 1000 + nr) for k in range(2000))
    terms = Terms((1000 + nr) * 2000, start, Method.CUSTOM, 60_000, custom_rows=rows)
    events = [Event(k + 1, start + 30 + 2 * k, EventKind.PAYMENT, amount_minor=1000 + nr) for k in range(1000)]
    return terms, events, start + 2400


def long_loan_ms() -> dict[str, float]:
    """Milliseconds to replay `long_loan` from objects to objects (median of new ones), and the kernel's own part of it."""
    from tideover.engine.replay import columns_of, replay

    whole, kernel = [], []
    replay(*long_loan(0))
    for nr in range(1, 10):
        terms, events, as_of = long_loan(nr)
        started = time.thread_time()
        replay(terms, events, as_of)
        whole.append(time.thread_time() - started)
        columns = columns_of(terms, events)
        started = time.thread_time()
        replay_many(*columns, as_of)
        kernel.append(time.thread_time() - started)
    return {"long_loan_ms": 1000 * sorted(whole)[4], "long_loan_kernel_ms": 1000 * sorted(kernel)[4]}


def run(loans: int = 1_000_000) -> dict[str, Any]:
    """Measure; DESIGN's bench object. ratio: this rate / the other's."""
    terms, events = book(loans)
    as_of = day("2024-11-15")
    replay_many(*book(100), as_of)
    seconds, answer = float("inf"), None
    for _ in range(3):
        started = time.perf_counter()
        answer = replay_many(terms, events, as_of, threads=THREADS)
        seconds = min(seconds, time.perf_counter() - started)
    assert answer is not None and answer.by_reference <= loans // 1000
    rate, one, cpu = loans / seconds, time.perf_counter(), time.thread_time()
    replay_many(terms, events, as_of, threads=1)
    one, cpu = loans / (time.perf_counter() - one), time.thread_time() - cpu
    ql_rate = quantlib_rate(min(loans, 20_000))
    moved = terms.loans.nbytes + events.events.nbytes + answer.table.nbytes
    source = np.ones(moved, np.uint8)
    target = np.empty_like(source)
    np.copyto(target, source)
    started = time.perf_counter()
    np.copyto(target, source)
    copy = loans / (time.perf_counter() - started)
    return {
        "bench": "replay",
        "rate": rate,
        "unit": "loans/s",
        "seconds": seconds,
        "loans": loans,
        "by_reference": answer.by_reference,
        "cpu_ns_per_loan": 1e9 * cpu / loans,
        **long_loan_ms(),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "against": {
            "quantlib_schedule": {"rate": ql_rate, "ratio": rate / ql_rate},
            "memory_copy": {"rate": copy, "ratio": rate / copy},
            "one_thread": {"rate": one, "ratio": rate / one},
        },
    }


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:]))))
