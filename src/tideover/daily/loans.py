"""Standings of a partition as rows of the loan tape. The words are those of lending.selectors, said for whole columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tideover.daily.lookups import Lookups
from tideover.engine.batch import STATUS_OK, Standings, replay_many
from tideover.engine.classify import CLASSES
from tideover.engine.clocks import RESCHEDULES, WHATEVER_CLOSES, contractual_days_past_due
from tideover.engine.columns import NO
from tideover.engine.events import EventKind
from tideover.engine.reference import effective
from tideover.engine.terms import Method, day
from tideover.lending.columns import Conventions, Loans, columns_of, event_counts, numbers, standings_of, subset
from tideover.lending.held import CORE, REPLAY, held_into
from tideover.lending.sources import Partition
from tideover.lending.standing_words import BUCKET_CODES, STATUSES, buckets_of, categories_of, ladders_of, status_of
from tideover.tape.schema import LOANS

STATES = ("ok", "event_rejected", "terms_impossible")
METHODS = tuple(m.name.lower() for m in Method)
CHANGES = np.array(
    [int(EventKind[k]) for k in ("DEFER", "EXTENSION", "REAMORTISE", "RESTRUCTURE", "NEW_ROWS", "SETTLEMENT", "JUDGMENT")]
)
"""Kinds that change the plan as signed."""
RESCHEDULED = np.array([int(k) for k in RESCHEDULES])
ON_THE_PLAN = np.array([int(k) for k in WHATEVER_CLOSES | {EventKind.REVERSAL, EventKind.ADJUSTMENT}])
"""Kinds that make a loan's other clock a matter of its own."""
MONEY = {
    "current_principal_balance": "principal", "interest_due": "interest", "accrued_interest": "accrued",
    "penalty_outstanding": "penalty", "compound_outstanding": "compound", "recovery_cost_outstanding": "recovery_cost",
    "surplus": "surplus", "total_balance": "payoff", "next_payment_amount": "next_due", "arrears_principal": "overdue_principal",
    "arrears_interest": "overdue_interest", "paid_total": "paid_total", "overdue_balance": "total_overdue",
    "debit_in_flight": "in_flight",
}  # fmt: skip
"""Tape column: field of STANDING."""
COUNTS = {
    "days_past_due": "days_past_due", "shown_days_past_due": "shown_days_past_due",
    "borrower_days_past_due": "borrower_days_past_due", "payments_due": "due_count", "payments_made": "paid_count",
}  # fmt: skip
DATES = {
    "next_payment_date": "next_due_on", "arrears_since": "oldest_due_on", "last_due_date": "last_due_on",
    "maturity_date": "maturity_on",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """What a change of a loan is told from. Arrays of n loans; bucket: index into BUCKET_CODES, -1 where replay could not."""

    bucket: np.ndarray
    days_past_due: np.ndarray
    balance: np.ndarray


@dataclass(frozen=True, slots=True)
class Replayed:
    """A partition's part of the loan tape. corrected: rows (in this part) whose day before looks different now, perhaps, and
    `before`: that day as it is now known. rejected: numbers of loans that could not be replayed."""

    table: pa.Table
    events: int
    corrected: np.ndarray
    before: Figures
    rejected: list[str]


@dataclass(frozen=True, slots=True)
class Moment:
    """What is asked of every loan: the day, what was known (microseconds), and what the close of the day before knew (None: that
    day is not closed)."""

    as_of: date
    known_us: int
    known_before_us: int | None


def replayed(partition: Partition, shared: Conventions, lookups: Lookups, moment: Moment) -> Replayed:
    """Replay a partition and lay its rows out."""
    loans = columns_of(partition, shared)
    today = day(moment.as_of)
    standings, state = standings_of(loans, today, moment.known_us)
    core = held_into(standings, state, loans, today, moment.known_us, lookups.figures)
    figures = figures_of(standings, state)
    late_news = _late_news(loans, moment, today)
    then, then_state = standings_of(loans, today - 1, moment.known_us, late_news)
    held_into(then, then_state, loans, today - 1, moment.known_us, lookups.figures_before, late_news)
    before = figures_of(then, then_state)
    table = _table(partition, loans, standings, state, figures, lookups, moment.as_of, core)
    rejected = partition.contracts["number"].filter(pa.array(state != 0)).to_pylist()
    return Replayed(table, pc.sum(table["event_count"]).as_py() or 0, late_news, before, rejected)


def figures_of(standings: Standings, state: np.ndarray) -> Figures:
    """Bucket, days past due and balance of each loan."""
    s = standings.table
    status = status_of(s)
    bucket = buckets_of(s, status)
    bucket[state != 0] = -1
    return Figures(bucket, s["days_past_due"], s["payoff"])


def _late_news(loans: Loans, moment: Moment, today: int) -> np.ndarray:
    """Loans about whose earlier days something was learned since the close of the day before."""
    if moment.known_before_us is None:
        return np.empty(0, np.int64)
    e = loans.events.events
    backward = np.isin(e["kind"], [int(EventKind.REVERSAL), int(EventKind.CHARGEBACK), int(EventKind.ADJUSTMENT)])
    news = (e["recorded_at"] > moment.known_before_us) & ((e["on"] < today) | backward)
    at = np.searchsorted(loans.events.offsets, np.flatnonzero(news), side="right") - 1
    return np.unique(at)


def _live(loans: Loans, kinds: np.ndarray, moment_us: int | None, today: int) -> tuple[np.ndarray, np.ndarray]:
    """(loan, day) of every event of these kinds up to today that no reversal took back."""
    e = loans.events.events
    at = np.flatnonzero(np.isin(e["kind"], kinds) & (e["on"] <= today))
    loan = np.searchsorted(loans.events.offsets, at, side="right") - 1
    reversed_ = np.flatnonzero(e["kind"] == int(EventKind.REVERSAL))
    doubtful = np.intersect1d(loan, np.searchsorted(loans.events.offsets, reversed_, side="right") - 1)
    if not len(doubtful):
        return loan, e["on"][at]
    keep = np.isin(loan, doubtful, invert=True)
    pairs = [
        (int(i), x.on)
        for i in doubtful
        for x in effective(loans.events.at(int(i)), moment_us)
        if x.on <= today and int(x.kind) in kinds
    ]
    more = np.array(pairs, np.int64).reshape(-1, 2)
    return np.concatenate([loan[keep], more[:, 0]]), np.concatenate([e["on"][at][keep], more[:, 1]])


def contractual_days(loans: Loans, standings: Standings, state: np.ndarray, today: int) -> np.ndarray:
    """Days past due by the rows as signed (engine.clocks): other than those of the plan only where a reschedule was granted.

    Most such loans are replayed together without their reschedules; those whose other events depend on the plan one by one.
    """
    days = standings.table["days_past_due"].copy()
    chosen = np.unique(_live(loans, RESCHEDULED, None, today)[0])
    chosen = chosen[state[chosen] == 0]
    terms, events = subset(loans, chosen)
    kind = events.events["kind"]
    loan = np.repeat(np.arange(len(chosen)), np.diff(events.offsets))
    alone = np.zeros(len(chosen), bool)
    alone[loan[np.isin(kind, ON_THE_PLAN)]] = True
    keep = np.isin(kind, RESCHEDULED, invert=True)
    signed = replace(events, offsets=np.searchsorted(loan[keep], np.arange(len(chosen) + 1)), events=events.events[keep])
    answer = replay_many(terms, signed, np.maximum(today, terms.loans["disbursed_on"]))
    alone |= answer.table["status"] != STATUS_OK
    days[chosen[~alone]] = answer.table["days_past_due"][~alone]
    for i in chosen[alone].tolist():
        days[i] = contractual_days_past_due(loans.terms.at(i), loans.events.at(i), today)
    return days


def _table(
    partition: Partition,
    loans: Loans,
    standings: Standings,
    state: np.ndarray,
    figures: Figures,
    look: Lookups,
    as_of: date,
    core: np.ndarray,
) -> pa.Table:
    c, s, n = partition.contracts, standings.table, len(state)
    bad = state != 0
    ids = {name: numbers(c[name], -1) for name in ("id", "entity_id", "branch_id", "manager_id", "product_id", "facility_id")}
    status = status_of(s)
    today = day(as_of)
    category = categories_of(standings, status, *ladders_of(loans, look.lenders, today))
    changed, written = np.zeros(n, bool), np.full(n, NO, np.int64)
    changed[_live(loans, CHANGES, None, today)[0]] = True
    np.maximum.at(written, *_live(loans, np.array([int(EventKind.WRITE_OFF)]), None, today))
    written[s["is_written_off"] == 0] = NO
    holds = look.held_loans.at(ids["id"]) + look.held_parties.at(numbers(c["borrower_id"]))
    floating = np.array([k.is_floating for k in loans.conventions], bool)[loans.convention]
    out = {
        "data_cut_off_date": dates(np.full(n, today)),
        "loan_id": c["number"],
        "borrower_id": c["borrower"],
        "originator_id": look.entities.column(ids["entity_id"]),
        "branch": look.branches.column(ids["branch_id"]),
        "product_code": look.products.column(ids["product_id"]),
        "product_version": look.versions.texts.take(look.versions.at(ids["product_id"])),
        "currency": c["currency"].combine_chunks().dictionary_encode(),
        "origination_date": c["disbursed_on"],
        "original_principal_balance": c["principal_minor"],
        "fees_outstanding": pa.array(s["fee"] + s["third_party_fee"], mask=bad),
        "interest_rate": c["annual_rate_ppm"],
        "arrears_balance": pa.array(s["overdue_principal"] + s["overdue_interest"], mask=bad),
        "bucket": codes(figures.bucket, BUCKET_CODES, bad),
        "loan_status": codes(status, STATUSES, bad),
        "five_category": codes(category, CLASSES, bad),
        "channel": c["channel"].combine_chunks().dictionary_encode(),
        "purpose": c["purpose"].combine_chunks().dictionary_encode(),
        "customer_manager": look.managers.column(ids["manager_id"]),
        "facility_id": look.facilities.column(ids["facility_id"]),
        "first_payment_date": c["first_due_on"],
        "original_maturity_date": c["maturity_on"],
        "original_term": counts(numbers(c["instalments"]), numbers(c["instalments"]) == 0),
        "remaining_term": counts(s["row_count"] - s["due_count"], bad),
        "amortisation_type": codes(loans.terms.conventions["method"][loans.terms.loans["convention"]], METHODS),
        "interest_rate_type": codes(floating.astype(np.int8), ("fixed", "floating")),
        "modification_flag": pa.array(changed, mask=bad),
        "guarantor_claim": pa.array(s["subrogated"].sum(axis=1), mask=bad),
        "write_off_date": dates(written, bad),
        "write_off_amount": pa.array(s["written_off"].sum(axis=1), mask=bad),
        "cumulative_recoveries": pa.array(s["recovered"].sum(axis=1), mask=bad),
        "holds_open": pa.array(holds),
        "is_held": pa.array(holds > 0),
        "event_count": counts(event_counts(loans)),
        "replay_state": codes(state.astype(np.int8), STATES),
        "contractual_days_past_due": counts(contractual_days(loans, standings, state, today), bad),
        "standing_source": codes(core.astype(np.int8), (REPLAY, CORE)),
        "rejected_event": counts(s["status_seq"], state != 1),
    }
    out |= {name: pa.array(np.ascontiguousarray(s[of]), mask=bad) for name, of in MONEY.items()}
    out |= {name: counts(s[of], bad) for name, of in COUNTS.items()}
    out["shown_days_past_due"] = counts(np.where(look.money_here.at(ids["id"]) > 0, 0, s["shown_days_past_due"]), bad)
    out |= {name: dates(s[of], bad) for name, of in DATES.items()}
    return pa.table({column.name: out.pop(column.name) for column in LOANS})


def codes(index: np.ndarray, texts: Sequence[str], absent: np.ndarray | None = None) -> pa.Array:
    """Codes of an index array, dictionary-encoded; null where `absent`."""
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int8), mask=absent), pa.array(texts, pa.string()))


def counts(values: np.ndarray, absent: np.ndarray | None = None) -> pa.Array:
    """int32 numbers; null where `absent`."""
    return pa.array(values.astype(np.int32), mask=absent)


def dates(values: np.ndarray, absent: np.ndarray | None = None) -> pa.Array:
    """Days since 1970-01-01 as dates; null for NO_DAY and where `absent`."""
    none = values == NO
    return pa.array(values.astype(np.int32), mask=none if absent is None else none | absent).view(pa.date32())
