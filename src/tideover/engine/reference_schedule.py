"""The plan, slowly and exactly: row dates, each row's interest, and the principal that a method gives it.

Part of the reference implementation (Python integers and fractions only).
"""

from __future__ import annotations

import calendar as gregorian
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from tideover.engine.apr import eu_years
from tideover.engine.dates import adjust
from tideover.engine.daycount import PLAIN, Period, year_fraction
from tideover.engine.terms import (
    BUSINESS_DAY_NAMES,
    DAY_COUNT_NAMES,
    NO_DAY,
    BusinessDay,
    DayCount,
    FirstPeriod,
    Method,
    OddFirst,
    PartPeriod,
    Residue,
    Rounding,
    RoundWhere,
    Shift,
    Terms,
    Unit,
    date_of,
    day,
)

PPM = 1_000_000


def round_exact(value: Fraction, mode: Rounding, unit: int = 1) -> int:
    """`value` (minor units) rounded to a multiple of `unit`; halves away from zero or to even, or always up or down."""
    scaled = value / unit
    floor = scaled.numerator // scaled.denominator
    rest = scaled - floor
    if mode == Rounding.DOWN or rest == 0:
        return floor * unit
    if mode == Rounding.UP:
        return (floor + 1) * unit
    if rest == Fraction(1, 2):
        up = floor % 2 == 1 if mode == Rounding.HALF_EVEN else True
        return (floor + int(up)) * unit
    return (floor + int(rest > Fraction(1, 2))) * unit


def months_later(anchor: int, months: int, due_day: int) -> int:
    """The day `months` months after `anchor`'s month, on `due_day` or the month's last day."""
    d = date_of(anchor)
    year, month0 = divmod(d.year * 12 + d.month - 1 + months, 12)
    last = gregorian.monthrange(year, month0 + 1)[1]
    return day(date(year, month0 + 1, min(due_day, last)))


def months_per_step(terms: Terms) -> int:
    """Months in one period; 0 for days and weeks."""
    return {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}.get(terms.unit, 0) * terms.every


def step(terms: Terms, anchor: int, k: int) -> int:
    """The nominal date k periods after `anchor`, which keeps the terms' due day."""
    months = months_per_step(terms)
    if months:
        return months_later(anchor, k * months, terms.due_day or date_of(anchor).day)
    return anchor + k * terms.every * (7 if terms.unit == Unit.WEEK else 1)


def later(terms: Terms, first: int, k: int) -> int:
    """The day k periods after `first`, on its own day of the month."""
    months = months_per_step(terms)
    return months_later(first, k * months, date_of(first).day) if months else first + step(terms, 0, 1) * k


def adjusted(on: int, terms: Terms) -> int:
    """`on` moved to a business day by the terms' convention."""
    if terms.business_day == BusinessDay.UNADJUSTED:
        return on
    return adjust(on, BUSINESS_DAY_NAMES[terms.business_day], terms.calendar)


BASIS = {
    DayCount.PERIODS: Fraction(360),
    DayCount.ACT_360: Fraction(360),
    DayCount.ACT_365F: Fraction(365),
    DayCount.ACT_364: Fraction(364),
    DayCount.ACT_36525: Fraction(1461, 4),
}


def year_share(convention: DayCount, start: int, end: int, period: Period = PLAIN) -> Fraction:
    """The share of a year between two days, first counted and last not; PERIODS counts as ACT/360 here."""
    basis = BASIS.get(convention)
    if basis is not None:
        return (end - start) / basis
    return year_fraction(DAY_COUNT_NAMES[convention], start, end, period)


@dataclass(slots=True)
class PlanRow:
    """One row of the plan and what became of it. `pieces`: (from day, balance, rate ppm) while the period runs."""

    nr: int
    start: int
    end: int
    due_on: int
    late_from: int
    pieces: list[tuple[int, int, int]] = field(default_factory=list)
    periods: int = 1
    odd: bool = False
    """The interest of the first, odd period follows `first_period` instead of whole periods."""
    extra_interest: int = 0
    fixed_interest: int = -1
    interest_waived_share: Fraction = Fraction(0)
    """Year share of waiting time that bears no interest in this row (a deferral that waived or spread it)."""
    principal: int = 0
    balance: int = 0
    settled_at: int = NO_DAY
    """Interest was settled on this day; what the row still accrues starts here."""
    paused: list[tuple[int, int]] = field(default_factory=list)
    interest_free: bool = False
    carried_interest: Fraction = Fraction(0)
    """Exact interest of earlier rows in interest grace, due with this row."""
    defer_interest_out: bool = False
    """This row's interest is not due with it; it is carried to the next row that has it."""
    max_paid_day: int = NO_DAY
    closed: bool = False
    """The row was settled into a new plan: it stays listed with what was due and paid."""


def _unpaused(row: PlanRow, start: int, end: int) -> list[tuple[int, int]]:
    spans = [(start, end)] if start < end else []
    for stop, go in row.paused:
        spans = [
            part
            for a, b in spans
            for part in ((a, min(b, stop)), (max(a, go), b))
            if part[0] < part[1]
        ]  # fmt: skip
    return spans


def row_interest_exact(row: PlanRow, terms: Terms, until: int) -> Fraction:
    """Exact interest of the row from its start (or last settlement) up to `until`, in minor units."""
    if row.interest_free:
        return Fraction(0)
    begin = row.start if row.settled_at == NO_DAY else max(row.start, row.settled_at)
    until = min(until, row.end)
    if until <= begin or not row.pieces:
        return Fraction(0)
    spans: list[tuple[int, int, int, int]] = []
    for index, (at, balance, rate) in enumerate(row.pieces):
        stop = row.pieces[index + 1][0] if index + 1 < len(row.pieces) else until
        spans += [(a, b, balance, rate) for a, b in _unpaused(row, max(at, begin), min(stop, until))]
    whole = len(spans) == 1 and spans[0][:2] == (row.start, row.end)
    if terms.round_where == RoundWhere.PER_DAY:
        total = Fraction(0)
        for a, b, balance, rate in spans:
            for d in range(a, b):
                exact = Fraction(balance * rate, PPM) * row_share(row, terms, d, d + 1)
                total += round_exact(exact, terms.rounding, terms.rounding_unit_minor)
        return total
    if terms.round_where == RoundWhere.PER_PIECE:
        parts = [Fraction(balance * rate, PPM) * _share(row, terms, a, b, whole) for a, b, balance, rate in spans]
        return Fraction(sum(round_exact(part, terms.rounding, terms.rounding_unit_minor) for part in parts))
    total = Fraction(0)
    for a, b, balance, rate in spans:
        total += Fraction(balance * rate, PPM) * _share(row, terms, a, b, whole)
    return total - (Fraction(spans[0][2] * spans[0][3], PPM) * row.interest_waived_share if whole and spans else 0)


def row_share(row: PlanRow, terms: Terms, start: int, end: int) -> Fraction:
    """The share of a year of days inside a row, which is the period that some day counts ask for."""
    return year_share(terms.day_count, start, end, _period(row, terms, start, end))


def _period(row: PlanRow, terms: Terms, start: int, end: int) -> Period:
    months = months_per_step(terms)
    if terms.day_count == DayCount.ACT_365L:
        return Period(end=row.end, per_year=max(1, 12 // months))
    if terms.day_count == DayCount.THIRTY_E_360_ISDA:
        return Period(maturity=terms.maturity_on)
    if terms.day_count == DayCount.THIRTY_U_360:
        return Period(end_of_month=terms.due_day == 31)
    if terms.day_count == DayCount.ACT_ACT_ICMA:
        return Period(parts=_quasi_periods(row, months, start, end))
    return PLAIN


def _quasi_periods(row: PlanRow, months: int, start: int, end: int) -> tuple[tuple[int, int, Fraction], ...]:
    """Regular periods that end with the row, cut to the days from `start` to `end` (ICMA rule 251)."""
    out: list[tuple[int, int, Fraction]] = []
    k, stop = 0, row.end
    while stop > start:
        k += 1
        begin = months_later(row.end, -months * k, date_of(row.end).day)
        days = min(end, stop) - max(start, begin)
        if days > 0:
            out.append((days, stop - begin, Fraction(12, months)))
        stop = begin
    return tuple(out)


def _share(row: PlanRow, terms: Terms, start: int, end: int, whole: bool) -> Fraction:
    if terms.day_count != DayCount.PERIODS:
        return row_share(row, terms, start, end)
    months = months_per_step(terms)
    period = Fraction(months, 12) if months else Fraction((step(terms, 0, 1)), 360)
    if whole and row.odd:
        return _odd_share(row, terms)
    if whole:
        return period * row.periods
    if terms.part_period == PartPeriod.PROPORTION:
        full = _odd_share(row, terms) if row.odd else period * row.periods
        return full * Fraction(end - start, row.end - row.start)
    return year_share(DayCount.ACT_360, start, end)


def whole_share(row: PlanRow, terms: Terms) -> Fraction:
    """The share of a year of a whole row."""
    return _share(row, terms, row.start, row.end, True)


def _odd_share(row: PlanRow, terms: Terms) -> Fraction:
    if terms.first_period == FirstPeriod.DAYS:
        return Fraction(row.end - row.start, 360)
    if terms.first_period == FirstPeriod.MONTHS_PLUS_DAYS_EU:
        return eu_years(row.start, row.end)
    months = 0
    anchor_day = date_of(row.start).day
    while months_later(row.start, months + 1, anchor_day) <= row.end:
        months += 1
    return Fraction(months, 12) + Fraction(row.end - months_later(row.start, months, anchor_day), 360)


def planned_interest(row: PlanRow, terms: Terms) -> int:
    """The row's interest, rounded once: what has been fixed, else what the pieces give up to the period's end."""
    if row.fixed_interest >= 0:
        return row.fixed_interest
    exact = row_interest_exact(row, terms, row.end) + row.carried_interest
    if row.defer_interest_out:
        return 0
    return round_exact(exact, terms.rounding, terms.rounding_unit_minor) + row.extra_interest


def period_share(terms: Terms) -> Fraction:
    """The share of a year of one nominal period."""
    months = months_per_step(terms)
    return Fraction(months, 12) if months else Fraction(step(terms, 0, 1), 360)


def annuity(balance: int, rate_ppm: int, count: int, terms: Terms, first_share: Fraction | None = None) -> int:
    """A = half-up of P*i/(1-(1+i)^-n), i = annual rate x period; P/n at 0 %.

    first_share: year share of an odd first period that the level allows for; the debt is then P*(1 + rate x share)/(1+i) at 0.
    """
    if terms.fixed_instalment_minor:
        return terms.fixed_instalment_minor
    i = Fraction(rate_ppm, PPM) * period_share(terms)
    owed = Fraction(balance)
    if first_share is not None:
        owed = owed * (1 + Fraction(rate_ppm, PPM) * first_share) / (1 + i)
    if i == 0:
        exact = owed / count
    else:
        growth = (1 + i) ** count
        exact = (owed * growth - terms.balloon_minor) * i / (growth - 1)
    if i == 0 and terms.balloon_minor:
        exact = Fraction(balance - terms.balloon_minor, count)
    unit = max(terms.rounding_unit_minor, terms.instalment_multiple_minor)
    return round_exact(exact, terms.rounding, unit)


def boundaries(terms: Terms) -> list[tuple[int, int, int, int]]:
    """(start, end, due_on, late_from) of each regular row, from the terms' own dates."""
    if terms.method == Method.CUSTOM:
        nominal = [r.due_on for r in terms.custom_rows]
    elif terms.method in (Method.BULLET, Method.INTEREST_ONLY):
        nominal = _dates_to_maturity(terms)
    else:
        nominal = [step(terms, terms.first_due_on, k) for k in range(terms.instalments)]
        nominal[0] = terms.first_due_on
        if terms.row_terms is not None and terms.maturity_on != NO_DAY:
            nominal[-1] = terms.maturity_on
    return dated_rows(nominal, terms.disbursed_on, terms, terms.maturity_on)


def _dates_to_maturity(terms: Terms) -> list[int]:
    if terms.method == Method.BULLET:
        return [terms.maturity_on]
    first = terms.first_due_on
    if first == NO_DAY:
        anchor_day = terms.due_day or terms.settlement_day or date_of(terms.disbursed_on).day
        first = months_later(terms.disbursed_on, 0, anchor_day)
        if first <= terms.disbursed_on:
            first = step(terms.with_(due_day=anchor_day), first, 1)
    out, k = [], 0
    while (at := step(terms, first, k) if k else first) < terms.maturity_on:
        out.append(at)
        k += 1
    return [*out, terms.maturity_on]


def dated_rows(nominal: list[int], start: int, terms: Terms, maturity: int) -> list[tuple[int, int, int, int]]:
    """Interest period, due day and the day lateness counts from, for nominal due dates in order."""
    out, at = [], start
    for index, on in enumerate(nominal):
        due = adjusted(on, terms)
        end = due if terms.accrual_dates == Shift.SHIFTED else on
        if terms.settlement_day and not (index + 1 == len(nominal) and terms.method in (Method.BULLET, Method.INTEREST_ONLY)):
            end = months_later(on, 0, terms.settlement_day) + int(terms.settlement_day_counted)
            nominal_due = months_later(on, 0, terms.debit_day) if terms.debit_day else on
            due = adjusted(nominal_due, terms)
            on = nominal_due
        late = due if terms.late_from == Shift.SHIFTED else on
        out.append((at, end, due, late))
        at = end
    return out


def _is_odd(terms: Terms) -> bool:
    """Regular only if the first due date is one period after disbursement, or that is itself a due-day date."""
    if terms.first_due_on == NO_DAY or not months_per_step(terms):
        return terms.first_due_on != NO_DAY and terms.first_due_on != step(terms, terms.disbursed_on, 1)
    if terms.first_due_on == months_later(terms.disbursed_on, months_per_step(terms), date_of(terms.disbursed_on).day):
        return False
    return step(terms, terms.first_due_on, -1) != terms.disbursed_on


def plan(terms: Terms) -> list[PlanRow]:
    """The rows as signed."""
    rows = [PlanRow(k + 1, *dates) for k, dates in enumerate(boundaries(terms))]
    if terms.day_count == DayCount.PERIODS and rows:
        rows[0].odd = _is_odd(terms)
    for row in rows[: terms.interest_free_rows]:
        row.interest_free = True
    for row in rows[: terms.grace_interest_rows]:
        row.defer_interest_out = True
    fill(rows, terms, terms.principal_minor, terms.annual_rate_ppm, first_plan=True)
    return rows


def fill(
    rows: list[PlanRow],
    terms: Terms,
    balance: int,
    rate_ppm: int,
    *,
    first_plan: bool = False,
    keep_principal: bool = False,
    level: int = -1,
    annuity_rows: int = -1,
) -> int:
    """Give `rows` their balances, interest and principal from `balance` on; returns the level used (instalment or principal).

    keep_principal: principals stay, the last row takes what is left. level: an instalment or principal to keep (shorten).
    A first row that is already broken keeps its pieces; its last piece must carry `balance` and the rate.
    """
    count = len(rows) if annuity_rows < 0 else annuity_rows
    count -= terms.grace_principal_rows if first_plan else 0
    if level < 0 and not keep_principal:
        odd = rows[0].odd if rows and first_plan and terms.odd_first == OddFirst.LEVEL else False
        level = _level(terms, balance, rate_ppm, max(count, 1), _odd_share(rows[0], terms) if odd else None)
    flat = _flat_interest(terms) if terms.method == Method.FLAT and first_plan else []
    left, carried = balance, Fraction(0)
    for index, row in enumerate(rows):
        if not row.pieces or (row.pieces[0][0] >= row.start and len(row.pieces) == 1):
            row.pieces = [(row.start, left, rate_ppm)]
        elif row.pieces[-1][1] != left:
            row.pieces[-1] = (row.pieces[-1][0], left, row.pieces[-1][2])
        row.carried_interest = Fraction(0)
        if row.defer_interest_out:
            carried += row_interest_exact(row, terms, row.end)
        else:
            row.carried_interest, carried = carried, Fraction(0)
        if flat:
            row.fixed_interest = flat[index]
        if terms.method == Method.CUSTOM and first_plan and terms.custom_rows[index].interest_minor >= 0:
            row.fixed_interest = terms.custom_rows[index].interest_minor
        last = index + 1 == len(rows)
        if not keep_principal:
            row.principal = _principal(row, terms, index, level, left, last, first_plan, rate_ppm)
        elif last:
            row.principal = left
        row.principal = max(0, min(row.principal, left))
        left -= row.principal
        row.balance = left
    return level


def _level(terms: Terms, balance: int, rate_ppm: int, count: int, first_share: Fraction | None = None) -> int:
    if terms.method == Method.ANNUITY:
        return annuity(balance, rate_ppm, count, terms, first_share)
    unit = max(terms.rounding_unit_minor, terms.instalment_multiple_minor)
    if terms.method == Method.EQUAL_PRINCIPAL and terms.fixed_instalment_minor:
        return terms.fixed_instalment_minor
    if terms.method == Method.EQUAL_PRINCIPAL:
        return round_exact(Fraction(balance - terms.balloon_minor, count), terms.rounding, unit)
    if terms.method == Method.FLAT:
        interest = sum(_flat_interest(terms))
        if terms.instalment_multiple_minor > 1:
            return round_exact(Fraction(balance + interest, count), terms.rounding, unit)
        return round_exact(Fraction(balance, count), terms.rounding, unit)
    return 0


def _principal(row: PlanRow, terms: Terms, index: int, level: int, left: int, last: bool, first_plan: bool, rate_ppm: int) -> int:
    if terms.method == Method.CUSTOM and first_plan:
        return terms.custom_rows[index].principal_minor
    if last:
        return left
    if first_plan and index < terms.grace_principal_rows:
        return 0
    if terms.method == Method.EQUAL_PRINCIPAL:
        if first_plan and index == 0 and terms.residue == Residue.FIRST:
            return terms.principal_minor - level * (terms.instalments - 1)
        return level
    if terms.method == Method.FLAT:
        return level - row.fixed_interest if terms.instalment_multiple_minor > 1 else level
    if terms.method != Method.ANNUITY:
        return 0
    if first_plan and index == 0 and row.odd and terms.odd_first == OddFirst.EXTRA_INTEREST:
        regular = Fraction(left * rate_ppm, PPM) * Fraction(months_per_step(terms), 12)
        return level - round_exact(regular, terms.rounding, terms.rounding_unit_minor)
    return level - planned_interest(row, terms)


def _flat_interest(terms: Terms) -> list[int]:
    months = months_per_step(terms)
    years = Fraction(months * terms.instalments, 12) if months else Fraction(step(terms, 0, 1) * terms.instalments, 360)
    unit = terms.rounding_unit_minor
    total = round_exact(Fraction(terms.principal_minor * terms.annual_rate_ppm, PPM) * years, terms.rounding, unit)
    each = round_exact(Fraction(total, terms.instalments), terms.rounding, unit)
    return [each] * (terms.instalments - 1) + [total - each * (terms.instalments - 1)]
