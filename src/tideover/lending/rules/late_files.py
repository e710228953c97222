"""Which files of an outside party ought to be here and are not, and where statements do not follow on one another. Pure.

A file of a day is expected when the day counts in the party's calendar (every day, or its working days), and it is due at an
hour of the next such day. A day that lies between two statements whose balances meet held no money: nothing is missing. Where
the closing balance of one is not the opening of the next, a statement was skipped or altered: a gap, named by both days.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from tideover.engine.terms import Calendar, day

LOOK_DAYS = 30
"""How far back days without a file are named."""
ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a party sends. since: the first day of which there is a file; until: the last one (None: goes on); hour: 0..23, by
    when on the next day of the calendar; calendar: the days that have a file (None: every day)."""

    since: date
    hour: int
    until: date | None = None
    calendar: Calendar | None = None

    def has(self, on: date) -> bool:
        """Whether there is a file of this day."""
        inside = self.since <= on and (self.until is None or on <= self.until)
        return inside and (self.calendar is None or self.calendar.is_business_day(day(on)))

    def due_at(self, on: date) -> datetime:
        """By when the file of a day must be here, in the party's own time (naive)."""
        following = on + ONE
        while self.calendar is not None and not self.calendar.is_business_day(day(following)):
            following += ONE
        return datetime.combine(following, time(self.hour))


class Balances(NamedTuple):
    """What one statement says: its days, and the money at their beginning and end (minor units, negative: overdrawn)."""

    first_on: date
    last_on: date
    opening_minor: int
    closing_minor: int


class Gap(NamedTuple):
    """Statements that do not meet: the last day before and the first day after, and the balances that ought to be the same."""

    after: date
    before: date
    closing_minor: int
    opening_minor: int

    @property
    def off_minor(self) -> int:
        """By how much the money moved between the two statements without one (minor units)."""
        return self.opening_minor - self.closing_minor


def missing(expected: Expected, newest: date | None, at: datetime) -> list[tuple[date, datetime]]:
    """(day, when it was due) of each file that is due at `at` and newer than the newest that is here (None: none ever came).

    at: naive, in the party's own time. At most LOOK_DAYS days back, the oldest first.
    """
    on = max(at.date() - timedelta(days=LOOK_DAYS), expected.since if newest is None else newest + ONE)
    out = []
    while on < at.date():
        if expected.has(on) and (due := expected.due_at(on)) <= at:
            out.append((on, due))
        on += ONE
    return out


def gaps(statements: Iterable[Balances]) -> list[Gap]:
    """Where statements of one account do not meet, the oldest first. Of statements that say the same day the last given holds."""
    rows: Sequence[Balances] = sorted(
        {(b.first_on, b.last_on): b for b in statements}.values(), key=lambda b: (b.first_on, b.last_on)
    )
    out, reached = [], None
    for b in rows:
        if reached is None or b.first_on > reached.last_on:
            if reached is not None and b.opening_minor != reached.closing_minor:
                out.append(Gap(reached.last_on, b.first_on, reached.closing_minor, b.opening_minor))
            reached = b
        elif b.last_on > reached.last_on:
            reached = b
    return out
