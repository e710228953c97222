"""Write the calendar files of the packs from the packages `holidays` and `chinese_calendar`. Run by hand; commit the result.

A version that exists is never written again (contracts pin it): when the State Council announces a year, upgrade the packages,
raise LAST_ANNOUNCED, run this, and commit the new file beside the old one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import holidays
from chinese_calendar.constants import holidays as cn_days
from chinese_calendar.constants import workdays as cn_workdays

PACKS = Path(__file__).parents[1] / "src/tideover/core/packs"
FIRST, LAST_ANNOUNCED, LAST = 2010, 2026, 2046


def days(found: Iterable[date]) -> str:
    """A YAML list of dates."""
    return "[" + ", ".join(d.isoformat() for d in sorted(found)) + "]"


def entry(id: str, year: int, status: str, cite: str, source: str, note: str, off: str, on: str, provisional: bool) -> str:
    """One year of one calendar version."""
    flag = "true" if provisional else "false"
    return (
        f"  - id: calendar.{id}\n    valid_from: {year}-01-01\n    valid_to: {year + 1}-01-01\n    status: {status}\n"
        f'    citation: {cite}\n    source: {source}\n    note: "{note}"\n'
        f"    values:\n      weekend: [5, 6]\n      provisional: {flag}\n      holidays: {off}\n      workdays: {on}\n"
    )


def china() -> str:
    """Announced years from chinese_calendar, later ones provisional from holidays (statutory days, no moved weekends)."""
    out = [f"# Written by scripts/packs_calendars.py: announced years to {LAST_ANNOUNCED}.\npack: cn\nrules:\n"]
    statutory = '{instrument: "全国年节及纪念日放假办法", article: "art. 2"}'
    for year in range(FIRST, LAST + 1):
        known = year <= LAST_ANNOUNCED
        cite = f'{{instrument: "国务院办公厅关于{year}年部分节假日安排的通知", article: "whole"}}' if known else statutory
        source = "chinese_calendar 1.11.0" if known else f"holidays {holidays.__version__}"
        note = (
            "Days off and make-up workdays as announced." if known else "Not announced: statutory days only, no make-up workdays."
        )
        off = [d for d in cn_days if d.year == year] if known else list(holidays.country_holidays("CN", years=[year]))
        on = [d for d in cn_workdays if d.year == year] if known else []
        status = "normative" if known else "regulation"
        out.append(entry(f"cn@{LAST_ANNOUNCED}", year, status, cite, source, note, days(off), days(on), not known))
    return "".join(out)


def united_states() -> str:
    """Federal legal public holidays with their observed days. They follow from the statute, so no year is provisional."""
    out = ["# Written by scripts/packs_calendars.py.\npack: us\nrules:\n"]
    cite, note = (
        '{instrument: "5 USC 6103", article: "(a), (b)"}',
        "Federal legal public holidays and the days they are observed.",
    )
    for year in range(FIRST, LAST + 1):
        off = [d for d in holidays.country_holidays("US", years=[year]) if d.year == year]
        source = f"holidays {holidays.__version__}"
        out.append(entry(f"us-federal@{LAST_ANNOUNCED}", year, "law", cite, source, note, days(off), "[]", False))
    return "".join(out)


def main() -> None:
    """Write what is not there yet."""
    for path, text in (
        (PACKS / "cn" / f"calendar_{LAST_ANNOUNCED}.yaml", china()),
        (PACKS / "us" / f"calendar_{LAST_ANNOUNCED}.yaml", united_states()),
    ):
        if path.exists():
            print(f"{path.name} of {path.parent.name} exists; a published version is not rewritten")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
