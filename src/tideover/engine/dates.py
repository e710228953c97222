"""Dates of contracts: business-day conventions, steps of months, rolls, and generated schedules.

Dates are int days since 1970-01-01; a `Calendar` says which are working days. Sources: ISDA 2006 Definitions section 4.12
(business-day conventions), 4.13 and market practice (end-of-month and stub rules, as FpML names them).
"""

from __future__ import annotations

import calendar as gregorian
from dataclasses import dataclass
from datetime import date

from tideover.engine.terms import NO_DAY, Calendar, date_of, day

CONVENTIONS = (
    "None", "Unadjusted", "Following", "ModifiedFollowing", "ModifiedFollowingBiMonthly", "HalfMonthModifiedFollowing",
    "Preceding", "ModifiedPreceding", "Nearest",
)  # fmt: skip
MID_MONTH = 15
SMART_STUB_DAYS = 7
"""A smart stub of fewer days than this joins the period beside it."""


def _walk(on: int, calendar: Calendar, by: int) -> int:
    while not calendar.is_business_day(on):
        on += by
    return on


def _same_half(a: int, b: int) -> bool:
    x, y = date_of(a), date_of(b)
    return (x.year, x.month, x.day > MID_MONTH) == (y.year, y.month, y.day > MID_MONTH)


def _same_month(a: int, b: int) -> bool:
    x, y = date_of(a), date_of(b)
    return (x.year, x.month) == (y.year, y.month)


def adjust(on: int, convention: str, calendar: Calendar) -> int:
    """`on` moved to a working day by a named convention. Raises ValueError for an unknown name.

    The half-month forms go back rather than cross the 15th or the month's end; Nearest goes forward when both are as near.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"no business-day convention named {convention!r}; known: {', '.join(CONVENTIONS)}")
    if convention in ("None", "Unadjusted") or calendar.is_business_day(on):
        return on
    after, before = _walk(on, calendar, 1), _walk(on, calendar, -1)
    if convention == "Nearest":
        return before if on - before < after - on else after
    if convention in ("Preceding", "ModifiedPreceding"):
        return after if convention == "ModifiedPreceding" and not _same_month(before, on) else before
    if convention == "ModifiedFollowing":
        return after if _same_month(after, on) else before
    if convention in ("ModifiedFollowingBiMonthly", "HalfMonthModifiedFollowing"):
        return after if _same_half(after, on) else before
    return after


def month_end(on: int) -> int:
    """The last day of the month of `on`."""
    d = date_of(on)
    return day(date(d.year, d.month, gregorian.monthrange(d.year, d.month)[1]))


def last_business_day(on: int, calendar: Calendar) -> int:
    """The last working day of the month of `on`."""
    return _walk(month_end(on), calendar, -1)


def add_months(on: int, months: int, rule: str = "NONE", calendar: Calendar = Calendar()) -> int:
    """`on` plus calendar months, clamped to the month's end.

    rule LAST_DAY: a month's last day goes to a month's last day; LAST_BUSINESS_DAY: so for last working days.
    Raises ValueError for another rule.
    """
    d = date_of(on)
    year, month0 = divmod(d.year * 12 + d.month - 1 + months, 12)
    to = day(date(year, month0 + 1, min(d.day, gregorian.monthrange(year, month0 + 1)[1])))
    if rule == "LAST_DAY":
        return month_end(to) if on == month_end(on) else to
    if rule == "LAST_BUSINESS_DAY":
        return last_business_day(to, calendar) if on == last_business_day(on, calendar) else to
    if rule != "NONE":
        raise ValueError(f"no rule of adding months named {rule!r}")
    return to


def advance(on: int, count: int, unit: str, convention: str, calendar: Calendar, *, end_of_month: bool = False) -> int:
    """`on` moved by `count` Days (working days), Weeks, Months or Years, then adjusted.

    end_of_month: a start on or after its month's last working day lands on a month's last working day; without adjustment
    (None, Unadjusted) calendar month ends take their place.
    Raises ValueError for an unknown unit.
    """
    if unit == "Days":
        for _ in range(abs(count)):
            on = _walk(on + (1 if count > 0 else -1), calendar, 1 if count > 0 else -1)
        return on if count else adjust(on, convention, calendar)
    if unit == "Weeks":
        return adjust(on + 7 * count, convention, calendar)
    if unit not in ("Months", "Years"):
        raise ValueError(f"no unit named {unit!r}")
    months = count * (12 if unit == "Years" else 1)
    if convention in ("None", "Unadjusted"):
        return add_months(on, months, "LAST_DAY" if end_of_month else "NONE")
    to = add_months(on, months)
    if end_of_month and on >= last_business_day(on, calendar):
        return last_business_day(to, calendar)
    return adjust(to, convention, calendar)


def roll_adjust(on: int, roll: str) -> int:
    """`on` moved inside its month to the roll day: "EOM" or "DAY_n" (clamped). Raises ValueError for another roll."""
    if roll == "EOM":
        return month_end(on)
    if not roll.startswith("DAY_") or not roll[4:].isdigit() or not 1 <= int(roll[4:]) <= 31:
        raise ValueError(f"no roll named {roll!r}")
    end = date_of(month_end(on))
    return day(end.replace(day=min(int(roll[4:]), end.day)))


def roll_step(on: int, months: int, roll: str) -> int:
    """The roll date `months` after (before, when negative) the month of `on`."""
    first = day(date_of(on).replace(day=1))
    return roll_adjust(add_months(first, months), roll)


@dataclass(frozen=True, slots=True)
class Periods:
    """What a generated schedule follows.

    months or days: the length of a period (the other 0). stub: STUB_NONE, SHORT_, LONG_ or SMART_ with INITIAL or FINAL,
    STUB_BOTH; "" is STUB_NONE unless regular dates are given. roll: "" follows from the dates.
    end_convention: how the last date is adjusted, "" as the others. first_regular, last_regular: where regular periods begin
    and end. forward: step from the start even without a stub.
    """

    start: int
    end: int
    months: int = 0
    days: int = 0
    stub: str = ""
    roll: str = ""
    first_regular: int = NO_DAY
    last_regular: int = NO_DAY
    convention: str = "None"
    end_convention: str = ""
    forward: bool = False


@dataclass(frozen=True, slots=True)
class Dates:
    """A schedule's boundaries before and after adjustment, and the roll that the regular ones follow."""

    unadjusted: tuple[int, ...]
    adjusted: tuple[int, ...]
    roll: str


def _on_roll(on: int, p: Periods, calendar: Calendar) -> int:
    """A date written as already adjusted stands for the roll date that the convention moves to it."""
    rolled = roll_adjust(on, p.roll) if p.roll else on
    return rolled if adjust(rolled, p.convention, calendar) == on else on


def _roll(p: Periods, start: int, end: int, backward: bool, calendar: Calendar) -> str:
    anchor = end if backward else start
    if p.roll == "EOM":
        return "EOM" if anchor >= last_business_day(anchor, calendar) else f"DAY_{date_of(anchor).day}"
    if p.roll:
        return p.roll
    both_ends = start == month_end(start) and end == month_end(end)
    if both_ends and date_of(start).day != date_of(end).day:
        return "EOM"
    return f"DAY_{date_of(anchor).day}"


def _regular(p: Periods, start: int, end: int, backward: bool, roll: str) -> list[int]:
    """Boundaries from start to end; those not on a whole period keep both ends, the rest being a stub."""
    if p.days:
        return [*range(start, end, p.days), end]
    anchor, sign = (end, -1) if backward else (start, 1)
    out, k = [anchor], 1
    while start < (at := roll_step(anchor, sign * k * p.months, roll)) < end:
        out.append(at)
        k += 1
    out.append(start if backward else end)
    return sorted(set(out))


def _merge_stub(dates: list[int], whole: int, stub: str, *, final: bool) -> list[int]:
    """Join a stub to its neighbour where the rule says so; `whole` is where a whole period would have ended."""
    if len(dates) < 3:
        return dates
    inner, edge = (dates[-2], dates[-1]) if final else (dates[1], dates[0])
    if edge == whole:
        return dates
    short = stub.startswith("SMART") and abs(edge - inner) < SMART_STUB_DAYS
    if stub.startswith("LONG") or short:
        return [*dates[:-2], edge] if final else [edge, *dates[2:]]
    return dates


def generate(p: Periods, calendar: Calendar) -> Dates:
    """The boundaries of a schedule. Raises ValueError: no length, an end before the start, or a stub that STUB_NONE forbids."""
    if (p.months < 1) == (p.days < 1) or p.end <= p.start:
        raise ValueError("a schedule needs one length of period and an end after its start")
    start, end = _on_roll(p.start, p, calendar), _on_roll(p.end, p, calendar)
    first = start if p.first_regular == NO_DAY else _on_roll(p.first_regular, p, calendar)
    last = end if p.last_regular == NO_DAY else _on_roll(p.last_regular, p, calendar)
    backward = p.stub.endswith("INITIAL") and first == start and not p.forward
    if first == last:
        roll = _roll(p, first, last, backward, calendar)
        dates = sorted({start, first, end})
    else:
        roll = _roll(p, first, last, backward, calendar)
        dates = _regular(p, first, last, backward, roll)
        if not p.days:
            dates = _stubs(p, dates, backward, roll)
        dates = sorted({start, *dates, end})
    adjusted = [adjust(d, p.convention, calendar) for d in dates[:-1]]
    adjusted.append(adjust(dates[-1], p.end_convention or p.convention, calendar))
    return Dates(tuple(dates), tuple(sorted(set(adjusted))), roll)


def _stubs(p: Periods, dates: list[int], backward: bool, roll: str) -> list[int]:
    edge, inner = (dates[0], dates[1]) if backward else (dates[-1], dates[-2])
    whole = roll_step(inner, (-1 if backward else 1) * p.months, roll)
    same_roll = roll_adjust(edge, roll) == whole
    # Under an end-of-month roll any day of the roll's month closes a whole period.
    if p.stub == "STUB_NONE" and edge != whole and not (same_roll and roll == "EOM"):
        raise ValueError("the dates are not whole periods apart and no stub is allowed")
    return dates if same_roll else _merge_stub(dates, whole, p.stub, final=not backward)
