"""Reference-rate fixings: the rate that holds on a day, and the days on which a loan takes a new one.

A loan prime rate is published at 9:00 on the 20th of each month, on the next working day when that is none (PBC announcement
[2019] No. 15). A rate holds from its publication to the next one. When a publication that should have come is not in the
data, asking for a rate is an error: the last known value is never carried on in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from tideover.core.packs.rules.calendars import business_day_from, calendar
from tideover.core.packs.rules.pack import NoRule, Pack
from tideover.engine.terms import Calendar

PREFIX = "fixing."
PUBLISHED_ON = 20


class MissingFixing(LookupError):
    """A fixing that should have been published is not in the data. `index` and `expected_on` say which."""

    def __init__(self, index: str, expected_on: date, on: date) -> None:
        self.index, self.expected_on = index, expected_on
        super().__init__(f"the fixing of {index} of {expected_on} is missing, so there is no rate for {on}; add it to the pack")


@dataclass(frozen=True, slots=True)
class Reference:
    """Reference rate plus spread (ppm a year, may be negative), taken anew every `reset_months` from `first_reset_on`."""

    index: str
    spread_ppm: int
    reset_months: int = 12
    first_reset_on: date | None = None


def published_on(days: Calendar, year: int, month: int) -> date:
    """The day on which a month's rate is published."""
    return business_day_from(days, date(year, month, PUBLISHED_ON))


def expected_fixing(days: Calendar, on: date) -> date:
    """The latest publication day on or before a day."""
    this = published_on(days, on.year, on.month)
    if this <= on:
        return this
    return published_on(days, on.year - (on.month == 1), (on.month - 2) % 12 + 1)


def fixing(pack: Pack, index: str, on: date, days: Calendar | None = None) -> int:
    """The rate of an index (`lpr_1y`, `lpr_5y`) on a day, ppm a year. Raises MissingFixing, or NoRule for an unknown index.

    days: the index's calendar, where somebody asks often.
    """
    rules = pack.rules.get(PREFIX + index)
    if rules is None:
        known = sorted(id.removeprefix(PREFIX) for id in pack.rules if id.startswith(PREFIX))
        raise NoRule(f"there is no reference rate {index}; they are {', '.join(known)}")
    expected = expected_fixing(days or calendar(pack, rules[0].values["calendar"]), on)
    for r in rules:
        for published, rate_ppm in r.values["series"]:
            if published == expected:
                return int(rate_ppm)
    raise MissingFixing(index, expected, on)


def with_fixings(pack: Pack, found: Iterable[tuple[str, date, int]]) -> Pack:
    """The pack with more fixings (index, day of publication, ppm) behind its own, which always hold where both have one."""
    rules = dict(pack.rules)
    for index, published, rate_ppm in found:
        id = PREFIX + index
        if id in rules:
            *before, last = rules[id]
            values = {**last.values, "series": [*last.values["series"], [published, rate_ppm]]}
            rules[id] = (*before, replace(last, values=values))
    return replace(pack, rules=rules)


def fixings_missing(pack: Pack, on: date) -> dict[str, list[date]]:
    """By index, the days up to `on` on which a fixing should have been published that is not in the data, oldest first.

    Counted from the first fixing that the data has: a series may begin later than the index.
    """
    out: dict[str, list[date]] = {}
    for id, rules in sorted(pack.rules.items()):
        if not id.startswith(PREFIX):
            continue
        days, have = calendar(pack, rules[0].values["calendar"]), {d for r in rules for d, _ in r.values["series"]}
        at = min(have)
        lacking = []
        for n in range((on.year - at.year) * 12 + on.month - at.month + 1):
            year, month = divmod(at.year * 12 + at.month - 1 + n, 12)
            due = published_on(days, year, month + 1)
            if due <= on and due not in have:
                lacking.append(due)
        out[id.removeprefix(PREFIX)] = lacking
    return out


def reference_read(raw: Mapping[str, Any]) -> Reference:
    """The reference of a contract from plain values. Raises ValueError naming what is wrong."""
    known = {"index", "spread_ppm", "reset_months", "first_reset_on"}
    for key in raw:
        if key not in known:
            raise ValueError(f"reference has no key {key}; keys are {', '.join(sorted(known))}")
    for key in ("index", "spread_ppm"):
        if key not in raw:
            raise ValueError(f"reference needs {key}")
    spread, months = raw["spread_ppm"], raw.get("reset_months", 12)
    if type(spread) is not int or type(months) is not int or not 1 <= months <= 120:
        raise ValueError("reference: spread_ppm is a whole number, and reset_months one of 1..120")
    first = raw.get("first_reset_on")
    return Reference(str(raw["index"]), spread, months, date.fromisoformat(str(first)) if first else None)


def reset_days(reference: Reference, disbursed_on: date, until: date) -> list[date]:
    """Every reset day after disbursement up to and with `until`; the 29th to 31st fall on the last day of a shorter month."""
    first = reference.first_reset_on or _months_on(disbursed_on, reference.reset_months)
    out, n = [], 0
    while (on := _months_on(first, n * reference.reset_months)) <= until:
        if on > disbursed_on:
            out.append(on)
        n += 1
    return out


def _months_on(start: date, months: int) -> date:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    for last in (start.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(start.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has a 28th")
