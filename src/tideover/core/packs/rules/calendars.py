"""Working-day calendars from pack data. A version never changes: a newly announced year makes a new version."""

from __future__ import annotations

from datetime import date, timedelta

from tideover.core.packs.rules.pack import NoRule, Pack
from tideover.engine.terms import Calendar, day

PREFIX = "calendar."


def calendar_versions(pack: Pack) -> list[str]:
    """Names of the calendars of a pack, `cn@2026`, the newest of a kind last."""
    return sorted(id.removeprefix(PREFIX) for id in pack.rules if id.startswith(PREFIX))


def calendar_newest(pack: Pack, name: str) -> str:
    """`name` itself when it names a version, else its newest version. Raises NoRule for an unknown calendar."""
    known = calendar_versions(pack)
    found = [v for v in known if v == name or v.split("@")[0] == name]
    if not found:
        raise NoRule(f"there is no calendar {name}; calendars are {', '.join(known)}")
    return max(found, key=lambda v: int(v.split("@")[1]))


def calendar(pack: Pack, name: str) -> Calendar:
    """The engine's calendar of a version (a bare name: the newest). Days outside its years follow the weekend alone."""
    version = calendar_newest(pack, name)
    years = pack.rules[PREFIX + version]
    holidays = frozenset(day(d) for r in years for d in r.values["holidays"])
    workdays = frozenset(day(d) for r in years for d in r.values["workdays"])
    return Calendar(version, frozenset(years[0].values["weekend"]), holidays, workdays)


def is_provisional(pack: Pack, name: str, on: date) -> bool:
    """Whether the official days of that year were not yet announced when the calendar's version was made (or it is not in it)."""
    for r in pack.rules[PREFIX + calendar_newest(pack, name)]:
        if r.in_force(on):
            return bool(r.values["provisional"])
    return True


def business_day_from(days: Calendar, on: date) -> date:
    """The first working day on or after a day."""
    while not days.is_business_day(day(on)):
        on += timedelta(days=1)
    return on
