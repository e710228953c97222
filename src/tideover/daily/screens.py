"""The standing cache after a close: rows that differ are rewritten from the tape, in batches of well under a second.

A loan with an event from after the cut-off, or whose row a later day wrote, is left alone: that row is the newer one. So are
loans that could not be replayed, and rows with a core's figures (lending/held.py) that this tape does not know of. Rewriting
needs nothing but the tape, so a killed close goes on here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pyarrow as pa
from django.db import connection, transaction

BATCH = 4_000
FROM_TAPE = {
    "as_of": "data_cut_off_date", "loan_status": "loan_status", "five_category": "five_category", "bucket": "bucket",
    "days_past_due": "days_past_due", "principal_minor": "current_principal_balance", "interest_minor": "interest_due",
    "accrued_minor": "accrued_interest", "penalty_minor": "penalty_outstanding", "compound_minor": "compound_outstanding",
    "fee_minor": "fees_outstanding", "recovery_cost_minor": "recovery_cost_outstanding", "surplus_minor": "surplus",
    "payoff_minor": "total_balance", "overdue_minor": "overdue_balance", "oldest_due_on": "arrears_since",
    "next_due_on": "next_payment_date", "next_due_minor": "next_payment_amount", "source": "standing_source",
}  # fmt: skip
"""Column of the standing cache: column of the loan tape."""
TAPE_COLUMNS = ("loan_id", "event_count", "replay_state", *FROM_TAPE.values())
STAGE = "close_standing"
TEXT, DAY = ("loan_status", "five_category", "bucket", "source"), ("as_of", "oldest_due_on", "next_due_on")
NAMES = ", ".join(FROM_TAPE)
MOVED = "s.as_of < t.as_of AND t.bucket <> 'closed'"
"""A closed loan keeps the day on which it was last written: nothing of it changes any more."""
DIFFERS = " OR ".join([MOVED, *(f"s.{c} IS DISTINCT FROM t.{c}" for c in FROM_TAPE if c != "as_of")])
CHOSEN = f"""
FROM {STAGE} t JOIN lending_contract c ON c.number = t.loan_id AND c.event_count = t.event_count
LEFT JOIN lending_standingrow s ON s.contract_id = c.id
WHERE s.contract_id IS NULL OR (s.as_of <= t.as_of AND (s.source = 'replay' OR t.source = 'core') AND ({DIFFERS}))
"""
LOCK_SQL = f"SELECT c.id {CHOSEN} ORDER BY c.id FOR NO KEY UPDATE OF c"
UPSERT_SQL = f"""
INSERT INTO lending_standingrow (contract_id, {NAMES})
SELECT c.id, {", ".join(f"t.{c}" for c in FROM_TAPE)} {CHOSEN}
ON CONFLICT (contract_id) DO UPDATE SET {", ".join(f"{c} = excluded.{c}" for c in FROM_TAPE)}
"""


def refresh(loans: pa.Table, said: Callable[[], None] = lambda: None) -> int:
    """Rewrite what differs from these rows of the tape (TAPE_COLUMNS); how many rows were written. said: called after a batch."""
    written = 0
    for rows in _batches(loans):
        with transaction.atomic(), connection.cursor() as cursor:
            _stage(cursor, rows)
            if connection.vendor == "postgresql":
                # The locks keep writers of events away; what one of them committed meanwhile is seen by the next statement.
                cursor.execute(LOCK_SQL)
            cursor.execute(UPSERT_SQL)
            written += max(0, cursor.rowcount)
        said()
    return written


def _batches(loans: pa.Table) -> Iterator[list[tuple[Any, ...]]]:
    names = ("loan_id", "event_count", *FROM_TAPE.values())
    for batch in loans.to_batches(max_chunksize=BATCH):
        kept = batch.filter(pa.compute.equal(batch["replay_state"].cast(pa.string()), "ok"))
        if len(kept):
            yield list(zip(*(_plain(kept[n]) for n in names), strict=True))


def _plain(column: pa.Array) -> list[Any]:
    values = column.to_pylist()
    return [v.isoformat() if isinstance(v, date) else v for v in values]


def _stage(cursor: Any, rows: list[tuple[Any, ...]]) -> None:
    """Lay the rows into a temporary table of this connection."""
    if connection.vendor == "postgresql":
        kinds = {c: "date" if c in DAY else "text" if c in TEXT else "bigint" for c in FROM_TAPE}
        columns = ", ".join(f"{c} {kind}" for c, kind in kinds.items())
        cursor.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {STAGE} (loan_id text, event_count integer, {columns}) ON COMMIT DELETE ROWS"
        )
        cursor.execute(f"TRUNCATE {STAGE}")
        with cursor.copy(f"COPY {STAGE} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {STAGE} (loan_id, event_count, {NAMES})")
    cursor.execute(f"DELETE FROM {STAGE}")
    marks = ", ".join(["%s"] * (2 + len(FROM_TAPE)))
    cursor.executemany(f"INSERT INTO {STAGE} VALUES ({marks})", rows)
