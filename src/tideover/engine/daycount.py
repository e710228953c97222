"""Day counts: how many days, and what part of a year, lie between two dates.

Dates are int days since 1970-01-01; the first day counts, the last does not. `day_count` gives an int, `year_fraction` an
exact Fraction. Sources: ISDA 2006 Definitions section 4.16; ICMA rule 251; the French AFB master agreement (1994).
Two sources disagree on ACT/ACT AFB that ends on 28 February: here counting back a year keeps the 28th (as Strata does).
"""

from __future__ import annotations

import calendar as gregorian
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from tideover.engine.terms import NO_DAY, date_of


@dataclass(frozen=True, slots=True)
class Period:
    """What some conventions need beside the two dates.

    maturity: last day of the loan (30E/360 ISDA). end_of_month: 30U/360 rolls at month ends. end: end of the coupon period and
    per_year: periods a year (ACT/365L). parts: (days, days in the quasi period, periods a year) of ACT/ACT ICMA.
    """

    maturity: int = NO_DAY
    end_of_month: bool = False
    end: int = NO_DAY
    per_year: int = 1
    parts: tuple[tuple[int, int, int | Fraction], ...] = ()


PLAIN = Period()
Count = Callable[[date, date, Period], int]
Fractional = Callable[[date, date, Period], Fraction]


def _last_of_february(d: date) -> bool:
    return d.month == 2 and d.day == gregorian.monthrange(d.year, 2)[1]


def _leap_days(start: date, end: date) -> int:
    """29 Februaries in start < d <= end."""

    def before(d: date) -> int:
        years = d.year if (d.month, d.day) >= (2, 29) else d.year - 1
        return years // 4 - years // 100 + years // 400

    return before(end) - before(start)


def _thirty(start: date, end: date, d1: int, d2: int) -> int:
    return 360 * (end.year - start.year) + 30 * (end.month - start.month) + d2 - d1


def actual_days(start: date, end: date, _: Period) -> int:
    """Calendar days."""
    return (end - start).days


def no_leap_days(start: date, end: date, _: Period) -> int:
    """Calendar days less each 29 February after the start, up to the end."""
    return (end - start).days - _leap_days(start, end)


def bond_basis_days(start: date, end: date, _: Period) -> int:
    """30/360: day 31 is 30; at the end only when the start is the 30th or later. ISDA 2006 4.16(f)."""
    d1 = min(start.day, 30)
    return _thirty(start, end, d1, 30 if end.day == 31 and d1 == 30 else end.day)


def european_days(start: date, end: date, _: Period) -> int:
    """30E/360: day 31 is 30 at both ends. ISDA 2006 4.16(g)."""
    return _thirty(start, end, min(start.day, 30), min(end.day, 30))


def european_isda_days(start: date, end: date, period: Period) -> int:
    """30E/360 ISDA: every month's last day is 30, save the end of February that is the maturity. ISDA 2006 4.16(h)."""
    d1 = 30 if _last_of_february(start) else min(start.day, 30)
    at_maturity = period.maturity != NO_DAY and end == date_of(period.maturity)
    d2 = 30 if _last_of_february(end) and not at_maturity else min(end.day, 30)
    return _thirty(start, end, d1, d2)


def month_end_days(start: date, end: date, _: Period) -> int:
    """30E/365: every month's last day is 30."""
    return european_isda_days(start, end, PLAIN)


def european_plus_days(start: date, end: date, _: Period) -> int:
    """30E+/360: an end on the 31st is the 1st of the next month."""
    carry = 1 if end.day == 31 else 0
    return _thirty(start, end, min(start.day, 30), 1 if carry else end.day) + 30 * carry


def nasd_days(start: date, end: date, _: Period) -> int:
    """30/360 US: as the bond basis; the end of February is 30, at the end only when both are one."""
    d1, d2 = start.day, end.day
    if _last_of_february(start):
        d2 = 30 if _last_of_february(end) else d2
        d1 = 30
    d1 = min(d1, 30)
    return _thirty(start, end, d1, 30 if d2 == 31 and d1 == 30 else d2)


def psa_days(start: date, end: date, _: Period) -> int:
    """30/360 PSA: a start at the end of February is 30; the end of February as an end stays."""
    d1 = 30 if _last_of_february(start) else min(start.day, 30)
    return _thirty(start, end, d1, 30 if end.day == 31 and d1 == 30 else end.day)


def thirty_u_days(start: date, end: date, period: Period) -> int:
    """30U/360: 30/360 US where the loan rolls at month ends, else the bond basis."""
    return (nasd_days if period.end_of_month else bond_basis_days)(start, end, period)


def _act_act_isda(start: date, end: date, _: Period) -> Fraction:
    total = Fraction(0)
    for year in range(start.year, end.year + 1):
        low, high = max(start, date(year, 1, 1)), min(end, date(year + 1, 1, 1))
        total += Fraction((high - low).days, 366 if gregorian.isleap(year) else 365)
    return total


def _years_before(d: date, years: int) -> date:
    last = gregorian.monthrange(d.year - years, d.month)[1]
    return date(d.year - years, d.month, min(d.day, last))


def _act_act_afb(start: date, end: date, _: Period) -> Fraction:
    years = 0
    while _years_before(end, years + 1) >= start:
        years += 1
    rest_end = _years_before(end, years)
    # The 29th counts when it is one of the days of interest: the first day counts, the last does not.
    leap = any(start <= date(y, 2, 29) < rest_end for y in range(start.year, rest_end.year + 1) if gregorian.isleap(y))
    return years + Fraction((rest_end - start).days, 366 if leap else 365)


def _act_act_icma(start: date, end: date, period: Period) -> Fraction:
    if sum(days for days, _, _ in period.parts) != (end - start).days:
        raise ValueError("ACT/ACT ICMA needs quasi-coupon parts that add up to the days between the dates")
    return sum((Fraction(days) / (whole * per_year) for days, whole, per_year in period.parts), Fraction(0))


def _act_365_actual(start: date, end: date, _: Period) -> Fraction:
    return Fraction((end - start).days, 366 if _leap_days(start, end) else 365)


def _act_365_l(start: date, end: date, period: Period) -> Fraction:
    if period.end == NO_DAY:
        raise ValueError("ACT/365L needs the end of the coupon period")
    last = date_of(period.end)
    leap = _leap_days(start, last) > 0 if period.per_year == 1 else gregorian.isleap(last.year)
    return Fraction((end - start).days, 366 if leap else 365)


def _over(count: Count, year: Fraction) -> tuple[Count, Fractional]:
    return count, lambda start, end, period: count(start, end, period) / year


Y360, Y365 = Fraction(360), Fraction(365)
CONVENTIONS: dict[str, tuple[Count, Fractional]] = {
    "ACT/360": _over(actual_days, Y360),
    "ACT/364": _over(actual_days, Fraction(364)),
    "ACT/365F": _over(actual_days, Y365),
    "ACT/365.25": _over(actual_days, Fraction(1461, 4)),
    "ACT/365 Actual": (actual_days, _act_365_actual),
    "ACT/365L": (actual_days, _act_365_l),
    "ACT/ACT ISDA": (actual_days, _act_act_isda),
    "ACT/ACT AFB": (actual_days, _act_act_afb),
    "ACT/ACT ICMA": (actual_days, _act_act_icma),
    "NL/360": _over(no_leap_days, Y360),
    "NL/365": _over(no_leap_days, Y365),
    "30/360 ISDA (Bond Basis)": _over(bond_basis_days, Y360),
    "30/360 US (NASD, Feb EOM)": _over(nasd_days, Y360),
    "30/360 PSA": _over(psa_days, Y360),
    "30U/360": _over(thirty_u_days, Y360),
    "30E/360": _over(european_days, Y360),
    "30E/365": _over(month_end_days, Y365),
    "30E/360 ISDA": _over(european_isda_days, Y360),
    "30E+/360": _over(european_plus_days, Y360),
}
"""Name of a convention -> (days, part of a year)."""


def _find(name: str, start: int, end: int) -> tuple[Count, Fractional]:
    if name not in CONVENTIONS:
        raise ValueError(f"no day count named {name!r}; known: {', '.join(sorted(CONVENTIONS))}")
    if end < start:
        raise ValueError(f"a day count runs forward: {date_of(end)} lies before {date_of(start)}")
    return CONVENTIONS[name]


def day_count(name: str, start: int, end: int, period: Period = PLAIN) -> int:
    """Days from `start` to `end` (int days) by convention `name`. Raises ValueError: unknown name, or end before start."""
    count = _find(name, start, end)[0]
    # A day to itself is no time; the PSA rule for the end of February would say -1.
    return count(date_of(start), date_of(end), period) if start < end else 0


def year_fraction(name: str, start: int, end: int, period: Period = PLAIN) -> Fraction:
    """Part of a year from `start` to `end` by convention `name`, exact. Raises ValueError as `day_count` does."""
    fraction = _find(name, start, end)[1]
    return fraction(date_of(start), date_of(end), period) if start < end else Fraction(0)
