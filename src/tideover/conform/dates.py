"""Cases of dates (daycount.json): business-day adjustments, advances, rolls, adding months, and generated schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tideover.conform.calendars import calendar_named
from tideover.conform.report import CaseResult
from tideover.engine import dates as D
from tideover.engine.terms import NO_DAY, Calendar, date_of, day

Json = dict[str, Any]
YEARS_AROUND = 2
MONTHS_IN = {"M": 1, "Y": 12}
DAYS_IN = {"D": 1, "W": 7}


def calendar_of(case: Json) -> Calendar:
    """The calendar that the case names, weekends alone when it names none. Raises ValueError for an unknown name."""
    listed = [d for name, days in case.items() if name.startswith("holidays") for d in days]
    written = [v for k, v in case.items() if k in ("date", "start", "end", "expected_date") and isinstance(v, str)]
    years = {int(d[:4]) + n for d in written for n in range(-YEARS_AROUND, YEARS_AROUND + 1)}
    return calendar_named(case.get("calendar") or "Sat/Sun", years, listed)


def _iso(on: int) -> str:
    return date_of(on).isoformat()


def _adjust(case: Json, result: CaseResult) -> None:
    result.check("date", case["expected_date"], _iso(D.adjust(day(case["date"]), case["convention"], calendar_of(case))))


def _advance(case: Json, result: CaseResult) -> None:
    to = D.advance(
        day(case["start"]), case["period"], case["unit"], case["convention"], calendar_of(case),
        end_of_month=bool(case.get("end_of_month")),
    )  # fmt: skip
    result.check("date", case["expected_date"], _iso(to))


def _roll(case: Json, result: CaseResult) -> None:
    result.check("date", case["expected_date"], _iso(D.roll_adjust(day(case["date"]), case["roll"])))


def _roll_step(case: Json, result: CaseResult) -> None:
    to = D.roll_step(day(case["date"]), case["months"], case["roll"])
    result.check("date", case["expected_date"], _iso(to))


def _add_months(case: Json, result: CaseResult) -> None:
    to = D.add_months(day(case["date"]), case["months"], case["rule"], calendar_of(case))
    result.check("date", case["expected_date"], _iso(to))


def _schedule(case: Json, result: CaseResult) -> None:
    frequency = case["frequency"]
    count, unit = int(frequency[1:-1]), frequency[-1]
    optional = {n: day(case[n]) for n in ("first_regular", "last_regular") if case.get(n)}
    periods = D.Periods(
        start=day(case["start"]),
        end=day(case["end"]),
        months=count * MONTHS_IN.get(unit, 0),
        days=count * DAYS_IN.get(unit, 0),
        stub=case.get("stub") or ("SHORT_INITIAL" if case.get("direction") == "backward" else ""),
        roll="" if case.get("roll") in (None, "NONE") else case["roll"],
        convention=case["business_day_convention"],
        end_convention=case.get("termination_convention") or "",
        first_regular=optional.get("first_regular", NO_DAY),
        last_regular=optional.get("last_regular", NO_DAY),
        forward=case.get("direction") == "forward",
    )
    got = D.generate(periods, calendar_of(case))
    if case.get("expected_unadjusted"):
        result.check("unadjusted", case["expected_unadjusted"], [_iso(d) for d in got.unadjusted])
    if case.get("expected_adjusted"):
        result.check("adjusted", case["expected_adjusted"], [_iso(d) for d in got.adjusted])


RUNS: dict[str, Callable[[Json, CaseResult], None]] = {
    "business_day_adjust": _adjust,
    "date_advance": _advance,
    "roll_adjust": _roll,
    "roll_next": _roll_step,
    "roll_previous": _roll_step,
    "month_addition": _add_months,
    "date_schedule": _schedule,
}
KINDS = tuple(RUNS)


def run_case(case: Json) -> CaseResult:
    """Compare one case; a convention, roll or calendar that is not offered is named."""
    result = CaseResult(case["id"])
    try:
        RUNS[case["kind"]](case, result)
    except (KeyError, ValueError) as error:
        result.not_compared = f"{case['kind']}: {error}"
    return result
