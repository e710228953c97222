"""Many loans from arrays: terms and events as the kernel reads them, without a Python step a loan or an event.

For whoever already holds columns (the close, an import). What loans share comes as a few `Terms` (product versions), what
each has of its own as arrays; events that say more than day, kind, component and amount, about one in a hundred, as objects.
The result equals `columns.terms_columns` and `columns.event_columns` of the same loans, bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tideover.engine.columns import EVENT, LOAN, NO, EventColumns, EventPacker, TermsColumns, TermsPacker
from tideover.engine.events import Event, EventKind
from tideover.engine.terms import (
    PRINCIPAL_MINOR_MAX,
    RATE_PPM_MAX,
    ROW_COUNT_MAX,
    Component,
    CustomRow,
    Method,
    Shift,
    Terms,
    Unit,
)
from tideover.engine.terms_problems import FIRST_DAY, LAST_DAY

OWN_COLUMNS: Mapping[str, tuple[str, int]] = {
    "principal_minor": ("principal", 0),
    "annual_rate_ppm": ("rate", 0),
    "disbursed_on": ("disbursed_on", 0),
    "first_due_on": ("first_due_on", NO),
    "maturity_on": ("maturity_on", NO),
    "instalments": ("instalments", 0),
    "due_day": ("due_day", 0),
}
"""Column as `Terms` names it: field of LOAN, and what it is where the column is left out. Required: OWN_REQUIRED."""
BY_ROWS = (Method.ANNUITY, Method.EQUAL_PRINCIPAL, Method.FLAT)
"""Methods whose contract names a number of rows."""
OWN_REQUIRED = ("principal_minor", "annual_rate_ppm", "disbursed_on")
SAYS_MORE = frozenset(
    {
        EventKind.REVERSAL, EventKind.RATE_CHANGE, EventKind.DEFER, EventKind.EXTENSION, EventKind.REAMORTISE,
        EventKind.RESTRUCTURE, EventKind.GUARANTOR_PAYMENT, EventKind.DEBIT, EventKind.PAUSE, EventKind.JUDGMENT,
        EventKind.ADJUSTMENT, EventKind.NEW_ROWS, EventKind.CHARGEBACK, EventKind.CHARGE_CREDIT, EventKind.CHARGE_WAIVER,
        EventKind.RE_AGE, EventKind.RESCHEDULE,
    }
)  # fmt: skip
"""Kinds that mean nothing without a detail: they must come as objects."""
NEEDS_OBJECT = np.isin(np.arange(max(EventKind) + 1), [int(k) for k in SAYS_MORE])


def terms_bulk(
    own: Mapping[str, np.ndarray],
    conventions: Sequence[Terms],
    convention: np.ndarray,
    custom: np.ndarray | None = None,
    custom_offsets: np.ndarray | None = None,
) -> TermsColumns:
    """Terms of n loans from columns.

    Shapes: own: name -> int[n], names of OWN_COLUMNS (NO_DAY where absent; only OWN_REQUIRED must be there); convention: int[n],
        an index into `conventions`, whose fields of OWN_COLUMNS and `custom_rows` are not read; custom: int64[m, 3] due day,
        principal, interest (-1: by the day count), those of loan i at custom_offsets[i] : custom_offsets[i + 1].
    Units: minor units, ppm a year, days since 1970-01-01.
    Errors: ValueError for an unknown or missing column, unequal lengths, an index out of range. Whether the terms are sound is
        asked with `unsound`.
    """
    unknown, missing = set(own) - set(OWN_COLUMNS), set(OWN_REQUIRED) - set(own)
    if unknown or missing:
        raise ValueError(f"columns unknown {sorted(unknown)}, missing {sorted(missing)}")
    n = len(convention)
    _same_length(n, own)
    if n and not (int(convention.min()) >= 0 and int(convention.max()) < len(conventions)):
        raise ValueError(f"convention must lie in 0..{len(conventions) - 1}")
    packer = TermsPacker()
    rows = np.array([packer.convention(t) for t in conventions], np.int64)
    loans = np.empty(n, LOAN)
    for name, (field, absent) in OWN_COLUMNS.items():
        loans[field] = own.get(name, absent)
    loans["convention"] = rows[convention] if n else 0
    loans["custom_at"] = loans["custom_count"] = 0
    made = packer.columns(loans)
    if custom is not None and custom_offsets is not None:
        offsets = _offsets(custom_offsets, n, len(custom))
        loans["custom_at"], loans["custom_count"] = offsets[:-1], np.diff(offsets)
        made.custom = np.array(custom, np.int64).reshape(-1, 3)
    return made


def unsound(terms: TermsColumns) -> np.ndarray:
    """bool[n]: where the terms are impossible, as `Terms.problems` would find; those loans must not be replayed."""
    loans, of = terms.loans, terms.loans["convention"]
    method = terms.conventions["method"][of]
    every = np.array([t.every for t in terms.templates])[of]
    twice = np.array([len(set(t.allocation_order)) != len(t.allocation_order) for t in terms.templates], bool)[of]
    by_rows = np.isin(method, BY_ROWS)
    to_maturity = np.isin(method, [Method.INTEREST_ONLY, Method.BULLET])
    first, last = loans["first_due_on"], loans["maturity_on"]
    bad = (loans["principal"] <= 0) | (loans["principal"] > PRINCIPAL_MINOR_MAX) | (every < 1) | twice
    bad |= (loans["rate"] < 0) | (loans["rate"] > RATE_PPM_MAX) | (loans["due_day"] < 0) | (loans["due_day"] > 31)
    bad |= (loans["instalments"] < 0) | (loans["instalments"] > ROW_COUNT_MAX)
    for days in (loans["disbursed_on"], first, last):
        bad |= (days != NO) & ((days < FIRST_DAY) | (days > LAST_DAY))
    bad |= loans["disbursed_on"] == NO
    bad |= by_rows & (first + 31 * loans["instalments"] > LAST_DAY)
    bad |= by_rows & ((loans["instalments"] < 1) | (first == NO))
    bad |= to_maturity & (last == NO)
    bad |= (first != NO) & (first <= loans["disbursed_on"])
    bad |= (last != NO) & (last <= loans["disbursed_on"])
    running = (method == Method.INTEREST_ONLY) & (last != NO)
    length = np.array([_row_days(t) for t in terms.templates], np.int64)[of]
    bad |= running & ((last - loans["disbursed_on"]) // length + 1 > ROW_COUNT_MAX)
    bad |= running & (first != NO) & (first > last)
    bad |= (method != Method.CUSTOM) & (loans["custom_count"] > 0)
    bad |= (method == Method.CUSTOM) & _custom_wrong(terms)
    bad |= np.array([bool(_probe(t).problems()) for t in terms.templates], bool)[of]
    rare = np.array([_depends_on_the_loan(t) for t in terms.templates], bool)[of]
    for i in np.flatnonzero(rare & ~bad).tolist():
        bad[i] = bool(terms.at(i).problems())
    return bad


def _row_days(t: Terms) -> int:
    """Days of a row at least, by which `terms_problems.row_count` bounds the rows of an interest-only loan."""
    days = {Unit.DAY: 1, Unit.WEEK: 7}.get(t.unit)
    return max(1, t.every) * (days or 30 * {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}[t.unit])


def _probe(t: Terms) -> Terms:
    """A plain loan under the conventions: what is impossible in it is impossible in every loan under them."""
    own: dict[str, Any] = {
        "principal_minor": PRINCIPAL_MINOR_MAX,
        "disbursed_on": 0,
        "first_due_on": 31,
        "instalments": ROW_COUNT_MAX,
    }
    if t.method in (Method.INTEREST_ONLY, Method.BULLET):
        own |= {"first_due_on": NO, "maturity_on": 31}
    if t.method == Method.CUSTOM:
        own |= {"custom_rows": (CustomRow(31, PRINCIPAL_MINOR_MAX),)}
    if _depends_on_the_loan(t) or t.every > 1 or t.unit not in (Unit.DAY, Unit.WEEK, Unit.MONTH):
        own |= {"instalments": 1}
    plain = {"grace_principal_rows": 0, "grace_interest_rows": 0, "interest_free_rows": 0, "settlement_day": 0, "debit_day": 0}
    return t.with_(**own, **plain)


def _depends_on_the_loan(t: Terms) -> bool:
    """Whether these conventions can be impossible for one loan and sound for another: asked loan by loan."""
    rows = t.grace_principal_rows or t.grace_interest_rows or t.interest_free_rows
    far = t.method in BY_ROWS and (t.every > 1 or t.unit not in (Unit.DAY, Unit.WEEK, Unit.MONTH))
    dates = t.settlement_day or t.debit_day or t.accrual_dates == Shift.SHIFTED
    return bool(rows or t.balloon_minor or far or dates)


def _custom_wrong(terms: TermsColumns) -> np.ndarray:
    """bool[n]: custom rows that `terms_problems` refuses: how many, out of order, impossible sums, not the principal."""
    loans = terms.loans
    count, n = loans["custom_count"], len(loans)
    of, first = np.repeat(np.arange(n), count), np.cumsum(count) - count
    rows = terms.custom[np.repeat(loans["custom_at"] - first, count) + np.arange(len(of))]
    due, principal, interest = rows[:, 0], rows[:, 1], rows[:, 2]
    before = np.concatenate([[0], due[:-1]]) if len(due) else due
    before[first[count > 0]] = loans["disbursed_on"][count > 0]
    wrong = (due <= before) | (due > LAST_DAY) | (principal < 0) | (interest < -1)
    wrong |= (principal > PRINCIPAL_MINOR_MAX) | (interest > PRINCIPAL_MINOR_MAX)
    out = (count < 1) | (count > ROW_COUNT_MAX)
    out[of[wrong]] = True
    sums = np.zeros(n, np.int64)
    np.add.at(sums, of, np.clip(principal, -PRINCIPAL_MINOR_MAX, PRINCIPAL_MINOR_MAX))
    return np.asarray(out | (sums != loans["principal"]))


def events_bulk(
    offsets: np.ndarray,
    seq: np.ndarray,
    on: np.ndarray,
    kind: np.ndarray,
    amount_minor: np.ndarray,
    recorded_at: np.ndarray,
    component: np.ndarray | None = None,
    special: Sequence[tuple[int, Event]] = (),
) -> EventColumns:
    """Events of n loans from columns, sorted by loan: those of loan i at offsets[i] : offsets[i + 1], in any order there.

    Shapes: offsets: int[n + 1]; seq, on, kind, amount_minor, recorded_at, component: int[m], m = offsets[n].
    special: (index, event): that event stands at this index instead of what the columns say there. Kinds of SAYS_MORE must come
        so, and any other event that sets more than its day, kind, component and amount (a prepayment that shortens the term).
    Units: minor units, days since 1970-01-01; recorded_at: whatever orders knowledge, as in `Event`.
    Errors: ValueError for unequal lengths, offsets out of order, a seq or day beyond 32 bits, an unknown kind or component, or a
        kind of SAYS_MORE without its event.
    """
    m = len(seq)
    columns = {"on": on, "kind": kind, "amount_minor": amount_minor, "recorded_at": recorded_at}
    _same_length(m, columns | ({} if component is None else {"component": component}))
    _within("seq", seq, -(2**31), 2**31 - 1)
    _within("on", on, -(2**31), 2**31 - 1)
    _within("kind", kind, min(EventKind), max(EventKind))
    events = np.empty(m, EVENT)
    events["recorded_at"], events["amount"], events["on"], events["seq"], events["kind"] = (
        recorded_at,
        amount_minor,
        on,
        seq,
        kind,
    )
    events["component"], events["detail"] = Component.PRINCIPAL, 0
    if component is not None:
        _within("component", component, min(Component), max(Component))
        events["component"] = component
    packer = EventPacker()
    for at, event in special:
        events[at] = packer.record(event)
    needs = NEEDS_OBJECT[events["kind"]]
    needs[[at for at, _ in special]] = False
    if needs.any():
        at = int(np.flatnonzero(needs)[0])
        raise ValueError(f"event {at} of kind {EventKind(int(events['kind'][at])).name} must come as an object")
    return packer.columns(_offsets(offsets, len(offsets) - 1, m), events)


def _same_length(n: int, columns: Mapping[str, np.ndarray]) -> None:
    for name, column in columns.items():
        if len(column) != n:
            raise ValueError(f"{name} has {len(column)} values, not {n}")


def _within(name: str, column: np.ndarray, low: int, high: int) -> None:
    if len(column) and not (low <= int(column.min()) and int(column.max()) <= high):
        raise ValueError(f"{name} must lie in {low}..{high}")


def _offsets(offsets: np.ndarray, n: int, m: int) -> np.ndarray:
    """int64[n + 1] from 0 to m, never falling."""
    out = np.array(offsets, np.int64)
    if len(out) != n + 1 or out[0] != 0 or out[-1] != m or (np.diff(out) < 0).any():
        raise ValueError(f"offsets must be {n + 1} numbers from 0 to {m} that never fall")
    return out
