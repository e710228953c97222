"""Days for kernels: civil dates, months later, business days, and day counts as whole numerators. Days since 1970-01-01."""

from __future__ import annotations

from tideover.engine.columns import CALENDAR_DAYS
from tideover.engine.compiled import inlined, kernel
from tideover.engine.terms import BusinessDay, DayCount

THIRTY_360, THIRTY_E = int(DayCount.THIRTY_360), int(DayCount.THIRTY_E_360)
ISDA, ACT_36525 = int(DayCount.ACT_ACT_ISDA), int(DayCount.ACT_36525)
UNADJUSTED, FOLLOWING = int(BusinessDay.UNADJUSTED), int(BusinessDay.FOLLOWING)
MODIFIED_FOLLOWING, MODIFIED_PRECEDING = int(BusinessDay.MODIFIED_FOLLOWING), int(BusinessDay.MODIFIED_PRECEDING)


@kernel
def civil(on):
    """(year, month, day of month) of a day."""
    z = on + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (1 if month <= 2 else 0), month, doy - (153 * mp + 2) // 5 + 1


@kernel
def day_of(year, month, dom):
    """The day of a civil date."""
    y = year - 1 if month <= 2 else year
    era = y // 400
    yoe = y - era * 400
    doy = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + dom - 1
    return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468


@inlined
def leap(year):
    """Whether a year has 366 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


@inlined
def month_length(year, month):
    """Days of a month."""
    if month == 2:
        return 29 if leap(year) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


@kernel
def months_later(anchor, months, due_day):
    """`due_day` (or the month's last day) of the month `months` after the anchor's."""
    year, month, _ = civil(anchor)
    index = year * 12 + month - 1 + months
    y, m = index // 12, index % 12 + 1
    return day_of(y, m, min(due_day, month_length(y, m)))


@kernel
def step(loan, conv, anchor, k):
    """The nominal date k periods after the anchor, on the terms' due day."""
    if conv.months:
        return months_later(anchor, k * conv.months, loan.due_day if loan.due_day else civil(anchor)[2])
    return anchor + k * conv.step_days


@kernel
def _walk(open_days, on, by):
    while 0 <= on < CALENDAR_DAYS and open_days[on] == 0:
        on += by
    return on


@inlined
def adjusted(conv, calendars, on):
    """`on` moved to a working day by the terms' convention. `row_dates` leaves days near the calendar's ends to the reference."""
    if conv.business_day == UNADJUSTED or on < 0 or on >= CALENDAR_DAYS or calendars[conv.calendar, on] == 1:
        return on
    return _moved(conv.business_day, calendars[conv.calendar], on)


@kernel
def _moved(how, open_days, on):
    by = 1 if how == FOLLOWING or how == MODIFIED_FOLLOWING else -1
    moved = _walk(open_days, on, by)
    if (how == MODIFIED_FOLLOWING or how == MODIFIED_PRECEDING) and civil(moved)[1] != civil(on)[1]:
        return _walk(open_days, on, -by)
    return moved


@inlined
def days_counted(day_count, start, end):
    """The share of a year between two days, times DAYS_OVER; twin of reference_schedule.year_share."""
    if day_count == THIRTY_360 or day_count == THIRTY_E or day_count == ISDA:
        return _by_calendar(day_count, start, end)
    return (end - start) * 4 if day_count == ACT_36525 else end - start


@kernel
def _by_calendar(day_count, start, end):
    """`days_counted` where it matters in which months or years the days lie."""
    if day_count == ISDA:
        total, at = 0, start
        while at < end:
            year = civil(at)[0]
            stop = min(end, day_of(year + 1, 1, 1))
            total += (stop - at) * (365 if leap(year) else 366)
            at = stop
        return total
    y1, m1, d1 = civil(start)
    y2, m2, d2 = civil(end)
    d1 = min(d1, 30)
    if day_count == THIRTY_E:
        d2 = min(d2, 30)
    elif d2 == 31 and d1 == 30:
        d2 = 30
    return (y2 - y1) * 360 + (m2 - m1) * 30 + d2 - d1
