"""Standings of many loans: replay in one batch, columns of the standing cache, one statement that writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tideover.core.business_time import business_date
from tideover.core.problems import refuse
from tideover.core.sql_columns import columns_insert
from tideover.engine import reference
from tideover.engine.batch import Standings
from tideover.engine.classify import CLASSES
from tideover.engine.events import EventRejected
from tideover.engine.terms import NO_DAY, day
from tideover.lending.columns import OK, Loans, loans_read, standings_of
from tideover.lending.held import CORE, REPLAY, figures_held, held_into
from tideover.lending.models import LegalEntity, StandingRow
from tideover.lending.standing_words import BUCKET_CODES, STATUSES, buckets_of, categories_of, ladders_of, status_of

DAYS = ("as_of", "oldest_due_on", "next_due_on")


def standings_refresh(ids: Sequence[int]) -> None:
    """Rewrite the cached standing of many loans by replay; call it in the transaction that changed them.

    Raises Refused when a loan's journal holds what cannot happen (another writer came between the check and the write).
    """
    loans = loans_read(np.unique(np.array(ids, np.int64)))
    standings_write(loans.ids, standings_now(loans))


def standings_now(loans: Loans) -> dict[str, Any]:
    """Columns of `StandingRow` today (a loan that is not paid out yet: on that day). Raises Refused as above."""
    as_of = np.maximum(day(business_date()), loans.disbursed)
    found, state = standings_of(loans, as_of)
    if (state != OK).any():
        i = int(np.flatnonzero(state != OK)[0])
        raise refuse("event_rejected", f"{loans.names()[i]}: event {int(found.table['status_seq'][i])} cannot happen")
    figures = figures_held(loans.ids.tolist(), business_date())
    core = held_into(found, state, loans, as_of, None, figures)
    return standing_columns(found, as_of, loans) | {"source": np.where(core, CORE, REPLAY)}


def standing_columns(found: Standings, as_of: np.ndarray, loans: Loans) -> dict[str, Any]:
    """Columns of `StandingRow` by name (numpy, days as engine days): `selectors.standing_fields` of every loan at once."""
    t = found.table
    status = status_of(t)
    return {
        "as_of": as_of,
        "loan_status": np.array(STATUSES)[status],
        "five_category": np.array(CLASSES)[_categories(found, status, as_of, loans)],
        "bucket": np.array(BUCKET_CODES)[buckets_of(t, status)],
        "days_past_due": np.asarray(t["days_past_due"]),
        **{f"{n}_minor": np.asarray(t[n]) for n in _AS_THEY_ARE},
        "fee_minor": t["fee"] + t["third_party_fee"],
        "overdue_minor": np.asarray(t["total_overdue"]),
        "oldest_due_on": np.asarray(t["oldest_due_on"]),
        "next_due_on": np.asarray(t["next_due_on"]),
        "next_due_minor": np.asarray(t["next_due"]),
    }


_AS_THEY_ARE = ("principal", "interest", "accrued", "penalty", "compound", "recovery_cost", "surplus", "payoff")


def _categories(found: Standings, status: np.ndarray, as_of: np.ndarray, loans: Loans) -> np.ndarray:
    """Index into CLASSES by the ladder of each loan's lender and product in force on its day."""
    lenders = {pk: (where, kind) for pk, where, kind in LegalEntity.objects.values_list("pk", "jurisdiction", "lender_type")}
    return categories_of(found, status, *ladders_of(loans, lenders, as_of))


def standings_write(ids: np.ndarray, columns: dict[str, Any], *, new: bool = False) -> None:
    """Insert or replace the cached standings of loans. new: none of them has one yet."""
    told = {"contract_id": pa.array(ids), "source": REPLAY, **{n: _values(n, v) for n, v in columns.items()}}
    columns_insert(StandingRow, told, replace_on="" if new else "contract_id")


def _values(name: str, values: np.ndarray) -> pa.Array:
    """Values as Arrow: days as dates, NO_DAY as null."""
    if name not in DAYS:
        return pa.array(values)
    return pa.array(values.astype(np.int32), pa.int32(), mask=values == NO_DAY).cast(pa.date32())


def why_not(loans: Loans, i: int, on: int) -> str:
    """Why loan i (index) cannot be replayed to the engine day `on`, in one sentence."""
    terms = loans.terms.at(i)
    if found := terms.problems():
        return found[0]
    try:
        reference.replay(terms, loans.events.at(i), on, None)
    except EventRejected as error:
        return error.reason
    return "it does not fit this loan"
