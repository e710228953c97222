"""Working-day calendars that published cases name: weekends, days listed in the case, or days from the `holidays` package."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from tideover.engine.terms import Calendar, day

WEEKEND = frozenset({5, 6})
MARKETS = {"TARGET": "ECB", "NYSE": "XNYS"}
"""Calendar name -> market of the holidays package."""
COUNTRIES = {"UK": "GB", "NY": "US", "South Africa": "ZA", "Japan": "JP"}
WEEKENDS_ONLY = ("Sat/Sun", "weekends suffice")


@cache
def market_days(name: str, years: tuple[int, ...]) -> frozenset[int]:
    """Holidays (int days) of a named market or country in `years`. Raises ValueError for a name that is not known."""
    import holidays

    if name in MARKETS:
        return frozenset(day(d) for d in holidays.financial_holidays(MARKETS[name], years=years))
    if name in COUNTRIES:
        return frozenset(day(d) for d in holidays.country_holidays(COUNTRIES[name], years=years))
    raise ValueError(f"no calendar named {name!r}")


def calendar_named(name: str, years: Iterable[int], listed: Iterable[str] = ()) -> Calendar:
    """The calendar that a case names; days listed in the case win. Raises ValueError for an unknown name."""
    days = frozenset(day(d) for d in listed)
    if name == "none":
        return Calendar()
    if not days and not any(w in name for w in WEEKENDS_ONLY):
        days = market_days(name, tuple(sorted(set(years))))
    return Calendar(name=name, weekend=WEEKEND, holidays=days)
