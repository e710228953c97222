"""How tape rows become contracts: by their product, as level instalments, by rows of their own, or as they stood.

As they stood (`balances`): the file gives no history, so the contract is a CUSTOM plan that owes from the first day what the
file says, and shows the file's figures on the cut-off date to the cent:
  - arrears: one row, due days_past_due before the cut-off, with arrears_principal and arrears_interest;
  - interest of the running period (accrued_interest - arrears_interest): one row whose period ends on the cut-off and whose
    due day is the next payment date. Its dates come apart by a calendar, pinned by the contract, that is closed in between;
  - what is left: rows of the product's own method from the next payment date; the first one's interest is less what has
    already accrued;
  - penalty and fees: CHARGE events on the cut-off, after a PAUSE of penalty up to it, so that the engine adds none of its own
    for days that the old system has already charged.
Days before the cut-off are not the loan's history: only an import of events gives that.

Everything here is columns: int64[n] minor units, ppm and engine days (NO_DAY and 0 where empty).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tideover.engine.batch import rows_many
from tideover.engine.columns import EVENT, LOAN, EventPacker, TermsPacker
from tideover.engine.events import EventKind, PauseWhat
from tideover.engine.terms import NO_DAY, Unit, date_of
from tideover.lending.contract_terms import terms_build
from tideover.lending.imports.bulk import EventBatch, batch_of

FREE = {"settlement_day": 0, "debit_day": 0, "grace_principal_rows": 0, "grace_interest_rows": 0, "interest_free_rows": 0}
"""Conventions of a product that would move or change the rows that a file states."""
OWED = {"penalty_outstanding": "penalty", "fees_outstanding": "fee"}
"""What a file says is owed besides principal and interest, and the component that charges it."""
STEPPED = ("annuity", "equal_principal", "flat")
Columns = Mapping[str, np.ndarray]


@dataclass(slots=True)
class Rows:
    """Custom rows of n loans: those of loan i are [offsets[i] : offsets[i + 1]]. interest -1: by the day count."""

    offsets: np.ndarray
    due: np.ndarray
    principal: np.ndarray
    interest: np.ndarray

    def of(self, i: int) -> list[dict[str, Any]]:
        """Loan i's rows as a contract's `custom_rows`."""
        own = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return [
            {"due_on": date_of(d).isoformat(), "principal_minor": p, "interest_minor": c}
            for d, p, c in zip(self.due[own].tolist(), self.principal[own].tolist(), self.interest[own].tolist(), strict=True)
        ]

    def part(self, loans: np.ndarray) -> Rows:
        """The rows of some loans (int64 indices), in that order."""
        sizes = np.diff(self.offsets)[loans]
        offsets = np.zeros(len(loans) + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        at = np.repeat(self.offsets[loans] - offsets[:-1], sizes) + np.arange(offsets[-1])
        return Rows(offsets, self.due[at], self.principal[at], self.interest[at])

    def texts(self) -> pa.Array:
        """Each loan's rows as the JSON of `of`."""
        days = pa.array(self.due.astype(np.int32)).view(pa.date32()).cast(pa.string())
        money = (pa.array(self.principal).cast(pa.string()), pa.array(self.interest).cast(pa.string()))
        marks = ('{"due_on": "', '", "principal_minor": ', ', "interest_minor": ', "}")
        rows = pc.binary_join_element_wise(marks[0], days, marks[1], money[0], marks[2], money[1], marks[3], "")
        return pc.binary_join(pa.LargeListArray.from_arrays(pa.array(self.offsets), rows), ", ")

    def out_of_order(self, start: np.ndarray) -> np.ndarray:
        """bool[n]: loans of which a row does not fall due after the one before it, the first after `start` (int64[n])."""
        of = np.repeat(np.arange(len(start)), np.diff(self.offsets))
        before = np.concatenate([[0], self.due[:-1]]) if len(self.due) else self.due
        before = np.where(np.isin(np.arange(len(self.due)), self.offsets[:-1]), start[of], before)
        bad = np.zeros(len(start), bool)
        bad[of[self.due <= before]] = True
        return bad


@dataclass(slots=True)
class Openings:
    """Contracts about to be written: columns of each, what their terms override, the events that open them.

    cut, ahead: for the calendar of a loan that opens with accrued interest (0: none). bad: (where, target, reason).
    """

    principal: np.ndarray
    instalments: np.ndarray
    first_due: np.ndarray
    due_day: np.ndarray
    maturity: np.ndarray
    rows: Rows | None = None
    shared: dict[str, Any] = field(default_factory=dict)
    cut: np.ndarray | None = None
    ahead: np.ndarray | None = None
    row: Columns = field(default_factory=dict)
    bad: list[tuple[np.ndarray, str, str]] = field(default_factory=list)

    def conventions(self, i: int) -> dict[str, Any]:
        """Loan i's overrides without its rows: equal for all loans that share them."""
        if self.ahead is None or self.cut is None or not self.ahead[i]:
            return self.shared
        closed = [date_of(d).isoformat() for d in range(int(self.cut[i]), int(self.ahead[i]))]
        return {
            **self.shared, "business_day": "following", "accrual_dates": "nominal", "late_from": "shifted",
            "calendar": {"name": "opening", "weekend": [], "holidays": closed, "workdays": []},
        }  # fmt: skip

    def kinds(self, loans: np.ndarray) -> np.ndarray:
        """Numbers that are equal where two loans have equal `conventions` (int64[n])."""
        if self.ahead is None or self.cut is None:
            return np.zeros(len(loans), np.int64)
        ahead = self.ahead[loans]
        return np.where(ahead != 0, (self.cut[loans] << 32) + ahead, 0)

    def events(self, loans: np.ndarray, numbers: Sequence[str]) -> EventBatch:
        """The events that open some loans; `contract_ids` of the batch are places in `loans`. numbers: the loans' own."""
        if self.cut is None:
            return batch_of([])
        row, cut = {n: self.row[n][loans] for n in ("origination_date", "days_past_due", *OWED)}, self.cut[loans]
        owed = np.stack([row["days_past_due"], *(row[n] for n in OWED)], axis=1)
        of, what = np.nonzero(owed)
        nr = (np.cumsum(owed != 0, axis=1) - 1)[of, what].tolist()
        start, end = row["origination_date"][of], cut[of]
        said = [{"component": component} for component in OWED.values()]
        extras = [
            said[w - 1] if w else _no_penalty(a, b) for w, a, b in zip(what.tolist(), start.tolist(), end.tolist(), strict=True)
        ]
        return EventBatch(
            of, np.where(what, int(EventKind.CHARGE), int(EventKind.PAUSE)), np.where(what, end, start),
            np.where(what, owed[of, what], 0), np.full(len(of), -1, np.int64),
            [f"open:{numbers[i]}:{k}" for i, k in zip(of.tolist(), nr, strict=True)], extras,
        )  # fmt: skip


def _no_penalty(start: int, cut: int) -> dict[str, Any]:
    """What a pause of penalty between two days says."""
    return {"from_day": date_of(start).isoformat(), "until": date_of(cut).isoformat(), "pause_what": int(PauseWhat.PENALTY)}


def by_product(row: Columns, methods: np.ndarray) -> Openings:
    """Terms of the product version; `methods`: its method, a name a loan."""
    stepped, first = np.isin(methods, STEPPED), row["first_payment_date"]
    return Openings(
        row["original_principal_balance"], np.where(stepped, row["original_term"], 0), first, day_of_month(first),
        np.where(stepped, NO_DAY, row["maturity_date"]),
    )  # fmt: skip


def _custom(principal: np.ndarray, rows: Rows) -> Openings:
    none = np.zeros(len(principal), np.int64)
    return Openings(principal, none, none + NO_DAY, none, none + NO_DAY, rows, {**FREE, "method": "custom"})


def by_level(row: Columns) -> Openings:
    """N equal shares of principal and of what is due above it; the last row takes what division leaves."""
    count, principal = np.maximum(row["original_term"], 1), row["original_principal_balance"]
    offsets = np.concatenate([[0], np.cumsum(count)])
    of = np.repeat(np.arange(len(count)), count)
    k = np.arange(offsets[-1]) - offsets[of]

    def shares(total: np.ndarray) -> np.ndarray:
        each = (total // count)[of]
        return np.where(k + 1 == count[of], total[of] - each * k, each)

    first, every = row["first_payment_date"][of], row["payment_every_days"][of]
    due = np.where(every > 0, first + every * k, months_later(first, k, day_of_month(first)))
    return _custom(principal, Rows(offsets, due, shares(principal), shares(row["total_due"] - principal)))


def by_rows(offsets: np.ndarray, due: np.ndarray, principal: np.ndarray, interest: np.ndarray) -> Openings:
    """The rows that a file states, in order of due day; lines of one loan on one day are one instalment."""
    of = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    new = np.ones(len(due), bool)
    new[1:] = (due[1:] != due[:-1]) | (of[1:] != of[:-1])
    at = np.flatnonzero(new)
    if len(at) < len(due):
        principal, interest = np.add.reduceat(principal, at), np.add.reduceat(interest, at)
        due, offsets = due[at], np.concatenate([[0], np.cumsum(np.bincount(of[at], minlength=len(offsets) - 1))])
    sums = np.add.reduceat(principal, offsets[:-1]) if len(offsets) > 1 else np.zeros(0, np.int64)
    return _custom(sums, Rows(offsets, due, principal, interest))


def as_it_stood(row: Columns, products: Sequence[Mapping[str, Any]], product_of: np.ndarray) -> Openings:
    """What each loan owed on the cut-off, and the product's rows from there. products: conventions; product_of: index a loan."""
    n, cut, principal = len(product_of), row["data_cut_off_date"], row["current_principal_balance"]
    late_principal, late_interest = row["arrears_principal"], row["arrears_interest"]
    accrued = row["accrued_interest"] - late_interest
    ahead = np.where(row["next_payment_date"] != NO_DAY, row["next_payment_date"], row["maturity_date"])
    left, every = principal - late_principal, np.arange(n)
    parts = [_part(every, late_principal + late_interest > 0, cut - row["days_past_due"], late_principal, late_interest)]
    parts.append(_part(every, accrued > 0, cut, np.zeros(n, np.int64), accrued))
    bad = []
    for p, conventions in enumerate(products):
        own = np.flatnonzero((product_of == p) & (left > 0))
        try:
            parts.append(_ahead({k: v[own] for k, v in row.items()}, conventions, left[own], accrued[own], ahead[own], own))
        except (ValueError, TypeError, KeyError) as error:
            where = np.zeros(n, bool)
            where[own] = True
            bad.append((where, "product_code", f"its terms give no plan: {error}"))
    of, due, part, interest = (np.concatenate(c) for c in zip(*parts, strict=True))
    order = np.lexsort((due, of))
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(of, minlength=n), out=offsets[1:])
    out = _custom(principal, Rows(offsets, due[order], part[order], interest[order]))
    out.shared["business_day"] = "unadjusted"
    out.cut, out.ahead, out.row, out.bad = cut, np.where(accrued > 0, ahead, 0), row, bad
    return out


_Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _part(every: np.ndarray, where: np.ndarray, due: np.ndarray, principal: np.ndarray, interest: np.ndarray) -> _Part:
    return every[where], due[where], principal[where], interest[where]


def _ahead(
    row: Columns, conventions: Mapping[str, Any], principal: np.ndarray, accrued: np.ndarray, ahead: np.ndarray, loans: np.ndarray
) -> _Part:
    """Rows of the product's method from the next payment date on, (loan, due, principal, interest) each."""
    method = conventions.get("method")
    if method == "bullet" or not len(loans):
        return loans, np.maximum(ahead, row["maturity_date"]), principal, np.full(len(loans), -1, np.int64)
    if method not in (*STEPPED, "interest_only"):
        raise ValueError(f"method {method} says nothing of the rows to come; give them with plan: rows")
    made = np.zeros(len(loans), LOAN)
    made["principal"], made["rate"] = principal, row["interest_rate"]
    made["first_due_on"], made["due_day"], made["maturity_on"] = ahead, day_of_month(ahead), NO_DAY
    if method == "interest_only":
        made["maturity_on"] = np.maximum(ahead + 1, row["maturity_date"])
    else:
        made["instalments"] = np.maximum(1, row["remaining_term"])
    plain = {k: v for k, v in conventions.items() if k not in FREE}
    # One whole period before the next payment date: its interest is the period's, of which `accrued` has run already.
    every, unit = int(plain.get("every", 1)), Unit[str(plain.get("unit", "month")).upper()]
    months = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}.get(unit, 0) * every
    days = every * (7 if unit == Unit.WEEK else 1)
    made["disbursed_on"] = months_later(ahead, np.full(len(loans), -months), made["due_day"]) if months else ahead - days
    packer = TermsPacker()
    terms = terms_build(plain, {"principal_minor": 1, "disbursed_on": 0}, None)
    made["convention"] = packer.convention(terms)
    columns = packer.columns(made)
    if method == "annuity":
        columns.conventions = np.repeat(columns.conventions, len(loans)).view(np.recarray)
        columns.conventions["fixed_instalment"] = row["scheduled_payment"]
        columns.loans["convention"] = np.arange(len(loans))
    none = EventPacker().columns(np.zeros(len(loans) + 1, np.int64), np.zeros(0, EVENT))
    _, offsets, rows = rows_many(columns, none, made["disbursed_on"])
    first = np.zeros(len(rows), bool)
    first[offsets[:-1][np.diff(offsets) > 0]] = True
    of = np.repeat(np.arange(len(loans)), np.diff(offsets))
    interest = np.where(first, np.maximum(0, rows["interest"] - accrued[of]), rows["interest"])
    return loans[of], np.asarray(rows["due_on"]), np.asarray(rows["principal"]), interest


def _months(days: np.ndarray) -> np.ndarray:
    return np.asarray(days, np.int64).astype("datetime64[D]").astype("datetime64[M]")


def day_of_month(days: np.ndarray) -> np.ndarray:
    """Day of the month (1..31) of engine days, 0 for NO_DAY."""
    on = np.asarray(days, np.int64).astype("datetime64[D]")
    return np.where(days == NO_DAY, 0, (on - _months(days).astype("datetime64[D]")).astype(np.int64) + 1)


def months_later(anchor: np.ndarray, months: np.ndarray, due_day: np.ndarray) -> np.ndarray:
    """Engine days `months` months after each anchor's month, on `due_day` or the month's last day."""
    month = _months(anchor) + np.asarray(months, "timedelta64[M]")
    start = month.astype("datetime64[D]").astype(np.int64)
    last = (month + np.timedelta64(1, "M")).astype("datetime64[D]").astype(np.int64) - start
    return start + np.minimum(np.asarray(due_day), last) - 1
