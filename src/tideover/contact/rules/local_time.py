"""Local days and minutes of an instant, and the first instant of a local minute, from a zone's table of offsets."""

from __future__ import annotations

from bisect import bisect_right

from tideover.contact.rules.model import Zone

DAY = 86_400


def offset_at(zone: Zone, at: int) -> int:
    """Seconds by which local time is ahead of UTC at an instant."""
    return zone.offsets[max(bisect_right(zone.starts, at) - 1, 0)]


def local_day(zone: Zone, at: int) -> int:
    """The local calendar day of an instant, as days since 1970-01-01."""
    return (at + offset_at(zone, at)) // DAY


def local_second(zone: Zone, at: int) -> int:
    """Seconds since local midnight by the clock on the wall (0..86,399)."""
    return (at + offset_at(zone, at)) % DAY


def instant_of(zone: Zone, day: int, second: int) -> int:
    """The first instant at which the wall clock shows `second` of `day`; where it skips that time, the instant of the skip.

    Assumes at most one change of offset within two days.
    """
    wall = day * DAY + second
    tries = sorted({wall - offset_at(zone, wall - DAY), wall - offset_at(zone, wall + DAY)})
    for at in tries:
        if at + offset_at(zone, at) == wall:
            return at
    return zone.starts[bisect_right(zone.starts, wall - DAY)]
