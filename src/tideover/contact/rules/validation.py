"""Until when a debt can be disputed after a validation notice (12 CFR 1006.34(b)(5), A-US-07). Pure."""

from __future__ import annotations

from datetime import date

from tideover.engine.terms import Calendar, date_of, day


def validation_end(sent_on: date, calendar: Calendar, *, received_after: int, period: int) -> date:
    """The last day of the validation period: so many calendar days after the notice is assumed to be received.

    received_after: business days from sending on, weekends and public holidays left out (≥1).
    """
    at, left = day(sent_on), received_after
    while left > 0:
        at += 1
        left -= calendar.is_business_day(at)
    return date_of(at + period)
