"""Working-day calendars that published cases name: weekends, days listed in the case, or days from the `holidays` package."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from functools import cache

from tideover.engine.terms import Calendar, day

WEEKEND = frozenset({5, 6})
MARKETS = {"TARGET": ("ECB",), "NYSE": ("XNYS",), "US Government Bond": ("XNYS", "US")}
"""Calendar name -> markets or countries of the holidays package. Bonds: the exchange's days and the federal ones (SIFMA)."""
WRITTEN_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
COUNTRIES = {"UK": "GB", "NY": "US", "South Africa": "ZA", "Japan": "JP"}
WEEKENDS_ONLY = ("Sat/Sun", "weekends suffice")


@cache
def market_days(name: str, years: tuple[int, ...]) -> frozenset[int]:
    """Holidays (int days) of a named market or country in `years`. Raises ValueError for a name that is not known."""
    import holidays

    if name in MARKETS:
        return frozenset(day(d) for of in MARKETS[name] for d in _package_days(of, years))
    if name in COUNTRIES:
        return frozenset(day(d) for d in holidays.country_holidays(COUNTRIES[name], years=years))
    raise ValueError(f"no calendar named {name!r}")


def _package_days(of: str, years: tuple[int, ...]) -> Iterable[date]:
    import holidays

    if of in holidays.list_supported_financial():
        return holidays.financial_holidays(of, years=years)
    return holidays.country_holidays(of, years=years)


def calendar_named(name: str, years: Iterable[int], listed: Iterable[str] = ()) -> Calendar:
    """The calendar that a case names; days listed in the case win. Raises ValueError for an unknown name."""
    written = name
    name, _, remark = written.partition(" (")
    said = frozenset(day(d) for d in WRITTEN_DAY.findall(remark) if "is a holiday" in remark)
    days = frozenset(day(d) for d in listed)
    if name == "none":
        return Calendar()
    if not days and not any(w in written for w in WEEKENDS_ONLY):
        days = market_days(name, tuple(sorted(set(years))))
    return Calendar(name=name, weekend=WEEKEND, holidays=days | said)
