"""What pages read from the tapes of the daily closes: changes, roll rates and their trend, inside a person's scope.

Tape files carry the run in their names and never change, so every answer made from them can be kept in memory. A
file that is lost raises TapeLost: nothing is answered from a part.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import QuerySet

from tideover.core.models import Role, User
from tideover.daily.models import CloseRun
from tideover.daily.reading import read_files
from tideover.engine.classify import BAD_CLASSES
from tideover.lending.selectors import contracts_visible, post_of
from tideover.tape import store

MONTHS = 12
"""How many month ends a trend goes back."""
COLUMNS = (
    "data_cut_off_date", "loan_id", "originator_id", "branch", "current_principal_balance", "bucket", "five_category",
)  # fmt: skip
"""What these pages need of a row of the tape."""
LIVE = "bucket NOT IN ('closed', 'written_off')"
ROLLS_SQL = """
SELECT a.bucket AS was, b.bucket AS became, count(*) AS n, sum(a.current_principal_balance) AS amount
FROM loans a JOIN loans b ON a.loan_id = b.loan_id
WHERE a.data_cut_off_date = DATE '{first}' AND b.data_cut_off_date = DATE '{last}'
GROUP BY 1, 2
"""
MOVED_SQL = """
SELECT a.loan_id, a.bucket AS from_bucket, b.bucket AS to_bucket, a.current_principal_balance AS principal_minor
FROM loans a JOIN loans b ON a.loan_id = b.loan_id
WHERE a.data_cut_off_date = DATE '{first}' AND b.data_cut_off_date = DATE '{last}'
  AND a.bucket = '{was}' AND b.bucket = '{became}'
ORDER BY 4 DESC, 1
"""
CHANGES_SQL = """
SELECT t.kind, t.loan_id, t.from_bucket, t.to_bucket, l.current_principal_balance AS principal_minor
FROM transitions t JOIN loans l ON l.loan_id = t.loan_id ORDER BY 5 DESC, 2
"""
SHARES_SQL = f"""
SELECT count(*) AS n, sum(current_principal_balance) AS balance,
  sum(current_principal_balance) FILTER (bucket <> 'current') AS late,
  sum(current_principal_balance) FILTER (five_category IN ({", ".join(f"'{c}'" for c in sorted(BAD_CLASSES))})) AS bad
FROM loans WHERE {LIVE}
"""
Scope = tuple[str, Any] | None


class Tape(NamedTuple):
    """The files of one closed day."""

    as_of: date
    loans: tuple[str, ...]
    transitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shares:
    """Live principal of a closed day, and how much of it is late or bad (minor units); `n`: live loans."""

    as_of: date
    n: int
    balance_minor: int
    late_minor: int
    bad_minor: int


def closes_done() -> QuerySet[CloseRun]:
    """Finished closes whose tapes are kept, the latest day first."""
    return CloseRun.objects.filter(state="done", pruned_at__isnull=True).order_by("-as_of")


def tape_of(run: CloseRun) -> Tape:
    """The files that a finished close committed."""
    return Tape(run.as_of, tuple(run.manifest["loans"]), tuple(run.manifest["transitions"]))


def span() -> tuple[CloseRun | None, CloseRun | None]:
    """The latest closed day, and the day to compare with: the last month end if it is closed, else the oldest day since."""
    last = closes_done().first()
    if last is None:
        return None, None
    month_end = last.as_of.replace(day=1) - timedelta(days=1)
    return closes_done().filter(as_of__gte=month_end, as_of__lt=last.as_of).last(), last


def scope_of(user: User, on: date) -> Scope:
    """Which column of the tape holds the user's scope, and its value; None: the whole house; ("none", ""): nothing."""
    post = post_of(user, on)
    if post is None:
        return ("none", "")
    if user.role == Role.CUSTOMER_MANAGER:
        return ("loan_id", frozenset(contracts_visible(user, on).values_list("number", flat=True)))
    if post.branch is not None:
        return ("branch", post.branch.code)
    return ("originator_id", post.entity.code) if post.entity is not None else None


def changes(user: User, on: date) -> tuple[CloseRun | None, list[dict[str, Any]]]:
    """The latest close and what it saw change: kind, loan_id, from_bucket, to_bucket, principal_minor; the largest first."""
    last = closes_done().first()
    return (None, []) if last is None else (last, _changes(tape_of(last), scope_of(user, on)))


def rolls(first: CloseRun, last: CloseRun, scope: Scope) -> list[dict[str, Any]]:
    """Loans by bucket on two closed days: was, became, n, amount (principal on the first day, minor units)."""
    return _rolls(tape_of(first), tape_of(last), scope)


def moved(first: CloseRun, last: CloseRun, scope: Scope, was: str, became: str) -> list[dict[str, Any]]:
    """The loans of one cell of the roll-rate table. The buckets must be known ones: they go into SQL."""
    return _moved(tape_of(first), tape_of(last), scope, was, became)


def is_month_end(on: date) -> bool:
    """Whether a day is the last of its month."""
    return (on + timedelta(days=1)).day == 1


def month_ends() -> list[CloseRun]:
    """Closed month ends, oldest first, and the latest closed day when it is none."""
    done = list(closes_done()[: MONTHS * 31])
    ends = [r for r in done if is_month_end(r.as_of)]
    return (ends if not done or done[0] in ends else [done[0], *ends])[: MONTHS + 1][::-1]


def shares(run: CloseRun, scope: Scope) -> Shares:
    """Late and bad principal of one closed day."""
    return _shares(tape_of(run), scope)


def _loans(tape: Tape, scope: Scope) -> pa.Table:
    return _inside(read_files(tape.as_of, "loans", tape.loans, COLUMNS), scope)


def _inside(table: pa.Table, scope: Scope) -> pa.Table:
    if scope is None:
        return table
    name, value = scope
    if name == "none":
        return table.slice(0, 0)
    values = sorted(value) if isinstance(value, frozenset) else [value]
    return table.filter(pc.is_in(table[name], value_set=pa.array(values, pa.string())))


def _query(sql: str, loans: pa.Table, transitions: pa.Table | None = None) -> list[dict[str, Any]]:
    tables = {"loans": loans, "transitions": store.table_of("transitions", []) if transitions is None else transitions}
    return list(store.query(sql, tables).to_pylist())


@lru_cache(maxsize=128)
def _rolls(first: Tape, last: Tape, scope: Scope) -> list[dict[str, Any]]:
    return _query(ROLLS_SQL.format(first=first.as_of, last=last.as_of), _two(first, last, scope))


@lru_cache(maxsize=128)
def _moved(first: Tape, last: Tape, scope: Scope, was: str, became: str) -> list[dict[str, Any]]:
    sql = MOVED_SQL.format(first=first.as_of, last=last.as_of, was=was, became=became)
    return _query(sql, _two(first, last, scope))


@lru_cache(maxsize=128)
def _changes(tape: Tape, scope: Scope) -> list[dict[str, Any]]:
    return _query(CHANGES_SQL, _loans(tape, scope), read_files(tape.as_of, "transitions", tape.transitions))


@lru_cache(maxsize=512)
def _shares(tape: Tape, scope: Scope) -> Shares:
    row = _query(SHARES_SQL, _loans(tape, scope))[0]
    return Shares(tape.as_of, int(row["n"]), int(row["balance"] or 0), int(row["late"] or 0), int(row["bad"] or 0))


def _two(first: Tape, last: Tape, scope: Scope) -> pa.Table:
    return pa.concat_tables([_loans(first, scope), _loans(last, scope)])
