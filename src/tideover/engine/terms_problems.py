"""What makes terms impossible, term by term: each sentence begins with the name of the term at fault and says why.

Terms that pass replay without an exception other than `EventRejected` (tests/engine/test_terms_problems.py tries at random).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from functools import cache, lru_cache
from typing import Any, get_type_hints

from tideover.engine.terms import (
    NO_DAY,
    PERIOD_COUNTS,
    PRINCIPAL_MINOR_MAX,
    RATE_PPM_MAX,
    ROW_COUNT_MAX,
    AllocationStep,
    BusinessDay,
    Component,
    DpdTerms,
    InterestBasis,
    LevelRate,
    Method,
    PenaltyTerms,
    RoundWhere,
    RowTerms,
    Shift,
    SubsidyTerms,
    Terms,
    Unit,
    day,
)

FIRST_DAY, LAST_DAY = day("1900-01-01"), day("2299-12-31")
GRACE_DAYS_MAX = 3_660
RATIO_MAX = 10_000
EXPONENT_MAX = 4
LEVEL_METHODS = (Method.ANNUITY, Method.EQUAL_PRINCIPAL, Method.FLAT)
DATED_METHODS = (Method.INTEREST_ONLY, Method.BULLET)
ROW_COMPONENTS = frozenset(Component) - {Component.COMPOUND}
NOT_WITH_ROWS = (
    "allocation_order", "allocation_by", "allocation_over_dpd", "allocation_over_order", "allocation_over_by", "surplus",
    "prepayment_interest", "accruals", "subsidy",
)  # fmt: skip
Sentences = Iterator[str]


@lru_cache(maxsize=4096)
def problems(terms: Terms) -> tuple[str, ...]:
    """Every problem of these terms. Later checks read what earlier ones found sound, so they run only then."""
    found = [*_types(terms, Terms)]
    for nested, kind in (
        (terms.penalty, PenaltyTerms),
        (terms.dpd, DpdTerms),
        (terms.subsidy, SubsidyTerms),
        (terms.row_terms, RowTerms),
    ):
        if isinstance(nested, kind):
            found += _types(nested, kind)
    for check in CHECKS if not found else ():
        found += check(terms)
    if not found:
        found += _row_dates(terms)
    return tuple(found)


@cache
def _plain_fields(kind: type) -> tuple[tuple[str, type, dict[str, int]], ...]:
    """Fields of whole numbers, flags and enumerations: name, type, and the members of an enumeration by name."""
    hints = get_type_hints(kind)
    plain = [(n, t) for n, t in hints.items() if isinstance(t, type) and issubclass(t, int)]
    return tuple((n, t, {m.name.lower(): int(m) for m in t} if issubclass(t, IntEnum) else {}) for n, t in plain)


def _types(value: Any, kind: type) -> Sentences:
    for name, wanted, members in _plain_fields(kind):
        given = getattr(value, name)
        if members:
            if given not in members.values():
                yield f"{name} {given!r} is none of {', '.join(members)}"
        elif not isinstance(given, int) or (isinstance(given, bool) and wanted is int):
            yield f"{name} {given!r} must be a whole number"


def _between(terms: Any, name: str, low: int, high: int) -> Sentences:
    value = getattr(terms, name)
    if not low <= value <= high:
        yield f"{name} {value} must lie in {low}..{high}"


def _amounts(t: Terms) -> Sentences:
    yield from _between(t, "principal_minor", 1, PRINCIPAL_MINOR_MAX)
    yield from _between(t, "annual_rate_ppm", 0, RATE_PPM_MAX)
    yield from _between(t, "exponent", 0, EXPONENT_MAX)
    yield from _between(t, "rounding_unit_minor", 1, PRINCIPAL_MINOR_MAX)
    yield from _between(t, "instalment_multiple_minor", 1, PRINCIPAL_MINOR_MAX)
    yield from _between(t, "fixed_instalment_minor", 0, PRINCIPAL_MINOR_MAX)
    unit, multiple = t.rounding_unit_minor, t.instalment_multiple_minor
    if unit > 0 and multiple > 1 and multiple % unit:
        yield f"instalment_multiple_minor {multiple} is not a multiple of rounding_unit_minor {unit}"
    level = (Method.ANNUITY, Method.EQUAL_PRINCIPAL)
    if t.fixed_instalment_minor and t.method not in level:
        yield f"fixed_instalment_minor is only read by the methods annuity and equal_principal, not by {t.method.name.lower()}"
    if t.balloon_minor and t.method not in level:
        yield f"balloon_minor is only read by the methods annuity and equal_principal, not by {t.method.name.lower()}"
    if not 0 <= t.balloon_minor < max(1, t.principal_minor):
        yield f"balloon_minor {t.balloon_minor} must be less than principal_minor {t.principal_minor}"
    if t.method == Method.FLAT and t.interest_basis == InterestBasis.OUTSTANDING:
        yield "interest_basis outstanding has no meaning for method flat, whose interest is fixed at the start"


def _periods(t: Terms) -> Sentences:
    longest = 366 if t.unit in (Unit.DAY, Unit.WEEK) else 120
    yield from _between(t, "every", 1, longest)
    yield from _between(t, "instalments", 0, ROW_COUNT_MAX)
    for name in ("due_day", "settlement_day", "debit_day"):
        yield from _between(t, name, 0, 31)
    yield from _between(t, "disbursed_on", FIRST_DAY, LAST_DAY)
    for name in ("first_due_on", "maturity_on"):
        if getattr(t, name) != NO_DAY:
            yield from _between(t, name, FIRST_DAY, LAST_DAY)
    days = t.unit in (Unit.DAY, Unit.WEEK)
    if t.settlement_day and days:
        yield "settlement_day needs periods of months, quarters or years"
    if t.debit_day and not t.settlement_day:
        yield "debit_day is only read together with settlement_day"
    if t.day_count in PERIOD_COUNTS and days:
        yield f"day_count {t.day_count.name.lower()} needs periods of months, quarters or years"


def _dates(t: Terms) -> Sentences:
    name = t.method.name.lower()
    if t.method in LEVEL_METHODS:
        if t.instalments < 1:
            yield f"instalments must be at least 1 for method {name}"
        if t.first_due_on == NO_DAY:
            yield f"first_due_on is missing for method {name}"
    if t.method in DATED_METHODS and t.maturity_on == NO_DAY:
        yield f"maturity_on is missing for method {name}"
    for field in ("first_due_on", "maturity_on"):
        if NO_DAY != getattr(t, field) <= t.disbursed_on:
            yield f"{field} must be after disbursed_on"
    if t.method == Method.INTEREST_ONLY and NO_DAY not in (t.first_due_on, t.maturity_on) and t.first_due_on > t.maturity_on:
        yield "first_due_on must not be after maturity_on"
    if len(set(t.calendar.weekend)) > 6 and t.business_day != BusinessDay.UNADJUSTED:
        yield "calendar has no working day in the week"


def _custom(t: Terms) -> Sentences:
    rows = t.custom_rows
    if t.method != Method.CUSTOM:
        if rows:
            yield f"custom_rows are only read by method custom, not by {t.method.name.lower()}"
        return
    if not 0 < len(rows) <= ROW_COUNT_MAX:
        yield f"custom_rows must be 1 to {ROW_COUNT_MAX} rows, not {len(rows)}"
    yield from row_problems("custom_rows", rows, t.disbursed_on)
    if sum(r.principal_minor for r in rows) != t.principal_minor:
        yield "custom_rows must add up to principal_minor"


def row_problems(name: str, rows: Any, start: int) -> Sentences:
    """What is wrong with given rows (terms or a new plan), which must follow `start`."""
    before = start
    for nr, row in enumerate(rows, 1):
        if not before < row.due_on <= LAST_DAY:
            yield f"{name} row {nr} must fall due after the date before it"
        if not 0 <= row.principal_minor <= PRINCIPAL_MINOR_MAX:
            yield f"{name} row {nr} has a principal of {row.principal_minor}; it must lie in 0..{PRINCIPAL_MINOR_MAX}"
        if not -1 <= row.interest_minor <= PRINCIPAL_MINOR_MAX:
            yield f"{name} row {nr} has an interest of {row.interest_minor}; -1 means by the day count, less is impossible"
        before = row.due_on


def _grace_rows(t: Terms) -> Sentences:
    count = row_count(t)
    for name in ("grace_principal_rows", "grace_interest_rows"):
        if not 0 <= getattr(t, name) < max(count, 1):
            yield f"{name} {getattr(t, name)} must be less than the number of rows, {count}"
    if not 0 <= t.interest_free_rows <= count:
        yield f"interest_free_rows {t.interest_free_rows} must be at most the number of rows, {count}"
    if count > ROW_COUNT_MAX:
        yield f"maturity_on makes {count} rows; {ROW_COUNT_MAX} are the most"


def row_count(t: Terms) -> int:
    """How many rows the terms make; of dated methods an upper bound that is exact to a row."""
    if t.method == Method.CUSTOM:
        return len(t.custom_rows)
    if t.method == Method.BULLET:
        return 1
    if t.method != Method.INTEREST_ONLY:
        return t.instalments
    if t.maturity_on == NO_DAY or t.every < 1:
        return 1
    length = {Unit.DAY: 1, Unit.WEEK: 7}.get(t.unit)
    if length is not None:
        return (t.maturity_on - t.disbursed_on) // (length * t.every) + 1
    months = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}[t.unit] * t.every
    return (t.maturity_on - t.disbursed_on) // (30 * months) + 1


def _penalty(t: Terms) -> Sentences:
    p = t.penalty
    if p is None:
        return
    if not (0 <= p.ratio_num <= RATIO_MAX and 1 <= p.ratio_den <= RATIO_MAX):
        yield f"penalty ratio {p.ratio_num}/{p.ratio_den} is no ratio: 0..{RATIO_MAX} over 1..{RATIO_MAX}"
    if not -1 <= p.rate_ppm <= 10 * RATE_PPM_MAX:
        yield f"penalty rate_ppm {p.rate_ppm} must lie in 0..{10 * RATE_PPM_MAX}, or be -1 for the ratio"
    if not 0 <= p.grace_days <= GRACE_DAYS_MAX:
        yield f"penalty grace_days {p.grace_days} must lie in 0..{GRACE_DAYS_MAX}"
    if p.cap_minor < -1:
        yield f"penalty cap_minor {p.cap_minor} must be 0 or more, or -1 for none"
    for name in ("day_count", "compound_day_count"):
        if getattr(p, name) in PERIOD_COUNTS:
            yield f"penalty {name} {getattr(p, name).name.lower()} needs a period, which lateness has not"
    if p.compound_on_compound and not p.compound_on_interest:
        yield "penalty compound_on_compound needs compound_on_interest: there is no other compound to bear it"


def _allocation(t: Terms) -> Sentences:
    for name in ("allocation_order", "allocation_over_order"):
        order = getattr(t, name)
        if any(c not in set(Component) for c in order):
            yield f"{name} names something that is no component"
        if len(set(order)) != len(order):
            yield f"{name} names a component twice"
    wanted = [Component.PRINCIPAL, Component.INTEREST]
    if t.penalty is not None:
        wanted += [Component.PENALTY, *([Component.COMPOUND] if t.penalty.compound_on_interest else [])]
    for missing in (c for c in wanted if c not in t.allocation_order):
        yield f"allocation_order does not name {missing.name.lower()}, which this loan can owe"
    if t.allocation_over_dpd < -1:
        yield f"allocation_over_dpd {t.allocation_over_dpd} must be 0 or more, or -1 for never"
    if t.allocation_over_dpd >= 0 and not t.allocation_over_order:
        yield "allocation_over_order is missing for allocation_over_dpd"


def _dpd(t: Terms) -> Sentences:
    d = t.dpd
    if not (d.counts_principal or d.counts_interest):
        yield "dpd counts neither principal nor interest: nothing would ever be past due"
    if d.materiality_abs_minor < 0:
        yield f"dpd materiality_abs_minor {d.materiality_abs_minor} must be 0 or more"
    if not 0 <= d.materiality_rel_ppm <= 1_000_000:
        yield f"dpd materiality_rel_ppm {d.materiality_rel_ppm} must lie in 0..1000000"
    if not 0 <= d.grace_days <= GRACE_DAYS_MAX:
        yield f"dpd grace_days {d.grace_days} must lie in 0..{GRACE_DAYS_MAX}"


def _subsidy(t: Terms) -> Sentences:
    s = t.subsidy
    if s is None:
        return
    if s.max_share_den < 1 or not 0 <= s.max_share_num <= s.max_share_den:
        yield f"subsidy max_share {s.max_share_num}/{s.max_share_den} must be a share from 0 to 1"
    for name in ("points_ppm", "cap_per_year_minor", "eligible_principal_minor"):
        if getattr(s, name) < 0:
            yield f"subsidy {name} {getattr(s, name)} must be 0 or more"
    if s.from_day > s.to_day:
        yield "subsidy from_day must not be after to_day"


def _row_terms(t: Terms) -> Sentences:
    """Rows that carry charges and steps of allocation: what they need, and what they leave without meaning."""
    from tideover.engine.reference_schedule import later

    r = t.row_terms
    if r is None:
        if t.level_principal_minor or t.level_rate != LevelRate.PERIOD or t.round_where == RoundWhere.PER_PIECE:
            yield "level_rate, level_principal_minor and round_where per_piece are only read together with row_terms"
        return
    if not r.steps:
        yield "row_terms steps are missing: no payment could be allocated"
    for steps in (r.steps, *(k.steps for k in r.kinds)):
        yield from _steps(steps)
    if not 0 <= r.down_payment_ppm < 1_000_000:
        yield f"row_terms down_payment_ppm {r.down_payment_ppm} must lie in 0..999999"
    if t.penalty is not None:
        yield "penalty has no meaning with row_terms: a penalty is a charge there, so penalty must be null"
    plain = Terms(1, 0, Method.BULLET)
    for name in NOT_WITH_ROWS:
        if getattr(t, name) != getattr(plain, name):
            yield f"{name} has no meaning with row_terms, whose steps say where money goes"
    if t.maturity_on != NO_DAY and t.instalments > 1 and t.first_due_on != NO_DAY:
        before = later(t, t.first_due_on, t.instalments - 2)
        if t.maturity_on <= before:
            yield "maturity_on must be after the row before the last, whose due day it replaces with row_terms"
    if t.method not in LEVEL_METHODS:
        yield f"row_terms need instalments, which method {t.method.name.lower()} has not"
    if not 0 <= t.level_principal_minor <= PRINCIPAL_MINOR_MAX:
        yield f"level_principal_minor {t.level_principal_minor} must lie in 0..{PRINCIPAL_MINOR_MAX}"
    if t.interest_basis == InterestBasis.OUTSTANDING:
        if t.method != Method.ANNUITY:
            yield f"interest_basis outstanding with row_terms needs method annuity, not {t.method.name.lower()}"
        if t.grace_principal_rows or t.grace_interest_rows or t.interest_free_rows:
            yield "interest_basis outstanding with row_terms takes no grace and no interest-free rows"


def _steps(steps: tuple[AllocationStep, ...]) -> Sentences:
    for step in steps:
        if len(set(step.order)) != len(step.order):
            yield "row_terms steps name a component twice in one step"
        if not set(step.order) <= ROW_COMPONENTS:
            yield "row_terms steps order principal, interest, penalty and the three fees, nothing else"


def _row_dates(t: Terms) -> Sentences:
    """Dates that only the finished rows show: beyond the calendar, or a period without a day."""
    from tideover.engine.reference_schedule import boundaries

    length = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 31, Unit.QUARTER: 92, Unit.YEAR: 366}[t.unit] * t.every
    if t.method in LEVEL_METHODS and t.first_due_on + length * t.instalments > LAST_DAY:
        yield "instalments reach beyond the year 2299"
        return
    moved = t.business_day != BusinessDay.UNADJUSTED and t.accrual_dates == Shift.SHIFTED
    if not (t.settlement_day or moved):
        return
    for nr, (start, end, due, _) in enumerate(boundaries(t), 1):
        if end <= start:
            yield f"settlement_day or the business days leave row {nr} without a day of interest"
            return
        if due < t.disbursed_on:
            yield f"debit_day makes row {nr} fall due before the loan is paid out"
            return


CHECKS: tuple[Callable[[Terms], Sentences], ...] = (
    _amounts, _periods, _dates, _custom, _grace_rows, _penalty, _allocation, _dpd, _subsidy, _row_terms,
)  # fmt: skip
