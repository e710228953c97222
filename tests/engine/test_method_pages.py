"""The worked examples of docs/method: each is read out of its page, replayed, and compared with the table under it."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tideover.conform.cn import money
from tideover.engine.events import Event, EventKind
from tideover.engine.reference import replay
from tideover.engine.standing import Standing
from tideover.engine.terms import Terms, date_of, day
from tideover.lending.contract_terms import terms_from
from tideover.lending.rules.events import engine_event_of, event_problems

PAGES = sorted((Path(__file__).parents[2] / "docs" / "method").glob("*.md"))
EXAMPLE = re.compile(r"```json\n(?P<case>.*?)```\n+(?P<table>(?:\|[^\n]*\n)+)", re.DOTALL)
DATES = ("disbursed_on", "first_due_on", "maturity_on")
COLUMNS = (*DATES, "principal_minor", "annual_rate_ppm", "instalments", "due_day")


def examples() -> list[Any]:
    """(page and number, case, rows of the table)."""
    out = []
    for page in PAGES:
        for nr, found in enumerate(EXAMPLE.finditer(page.read_text(encoding="utf-8")), 1):
            rows = [[c.strip() for c in line.strip("|").split("|")] for line in found["table"].strip().splitlines()[2:]]
            out.append(pytest.param(json.loads(found["case"]), rows, id=f"{page.stem}-{nr}"))
    return out


def terms_of(given: dict[str, Any]) -> Terms:
    columns = {k: day(v) if k in DATES else v for k, v in given.items() if k in COLUMNS}
    return terms_from({k: v for k, v in given.items() if k not in COLUMNS}, columns)


def event_of(seq: int, given: dict[str, Any]) -> Event:
    kind, on = EventKind[given["kind"].upper()], date.fromisoformat(given["on"])
    extra = {k: v for k, v in given.items() if k not in ("kind", "on", "amount_minor")}
    amount = given.get("amount_minor", 0)
    assert event_problems(kind, amount, extra) == []
    return engine_event_of(seq, kind, on, amount, extra, recorded_us=day(on))


def cell(s: Standing, name: str) -> str:
    """A cell by its name: `interest`, `row 2 interest`, `row 2 due`, `days past due`, `trace 1 principal`."""
    if name == "days past due":
        return str(s.days_past_due)
    if name.startswith("row "):
        _, nr, what = name.split()
        row = s.rows[int(nr) - 1]
        return date_of(row.due_on).isoformat() if what == "due" else money(getattr(row, f"{what}_minor"))
    return money(getattr(s, f"{name.replace(' ', '_')}_minor"))


@pytest.mark.parametrize(("case", "rows"), examples())
def test_worked_example(case: dict[str, Any], rows: list[list[str]]) -> None:
    terms = terms_of(case["terms"])
    events = [event_of(seq, e) for seq, e in enumerate(case["events"], 1)]
    assert rows
    for as_of, name, expected, *_ in rows:
        assert (name, cell(replay(terms, events, day(as_of)), name)) == (name, expected), as_of


def test_every_page_has_an_example() -> None:
    assert {p.stem for p in PAGES} >= {"schedule", "accrual", "penalty", "prepayment", "judgment"}
    with_one = {p.stem for p in PAGES if EXAMPLE.search(p.read_text(encoding="utf-8"))}
    assert with_one >= {"schedule", "accrual", "penalty", "prepayment", "judgment"}
