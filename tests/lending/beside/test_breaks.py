"""Thirty planted discrepancies in a book beside a core: each named with loan, component, day and cause, and no false alarm."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest

from tests.factories import House
from tests.lending.beside.books import BALANCES, DAYS, MOVEMENTS, Planted, book_build, core_figures, files_write, plant
from tideover.engine.replay import replay
from tideover.engine.standing import Depth
from tideover.engine.terms import day
from tideover.lending.beside.compare import file_compare
from tideover.lending.beside.files import file_take
from tideover.lending.columns import Loans
from tideover.lending.models import Break
from tideover.lending.rules.breaks import figures_of

Spell = tuple[str, str, date, str, date | None]


def expected(loans: Loans, planted: list[Planted]) -> set[Spell]:
    """(loan, component, first day on which the core's figure is another than replay's, cause, day on which both agree again)."""
    names = {n: i for i, n in enumerate(loans.names())}
    out: set[Spell] = set()
    for p in planted:
        since: dict[str, date] = {}
        for on in [d for d in DAYS if d >= p.on]:
            i, core = names[p.number], core_figures(p, on)
            own = figures_of(replay(loans.terms.at(i), loans.events.at(i), day(on), None, Depth.TOTALS))
            out |= {(p.number, n, since.pop(n), p.cause, on) for n in own if n in since and own[n] == core[n]}
            since |= {n: on for n in own if n not in since and own[n] != core[n]}
        out |= {(p.number, n, first, p.cause, None) for n, first in since.items()}
    return out


def days_run(house: House, tmp_path: Path, loans: Loans, planted: list[Planted]) -> float:
    """Take in and compare every day's files; how many loans were compared a second."""
    compared, seconds = 0, 0.0
    for on in DAYS:
        balances, movements = files_write(tmp_path, loans, planted, on)
        started = time.perf_counter()
        moved = file_take(house.entity, movements, MOVEMENTS, actor="test")
        taken = file_take(house.entity, balances, BALANCES, actor="test")
        assert (moved.state, taken.state) == ("taken", "taken"), (moved.rejects[:3], taken.rejects[:3])
        assert taken.file is not None
        compared += file_compare(taken.file, actor="test").loans
        seconds += time.perf_counter() - started
    return compared / seconds


def names_all(house: House, tmp_path: Path, count: int) -> None:
    loans = book_build(house, count)
    planted = plant(loans, 6)
    rate = days_run(house, tmp_path, loans, planted)
    wanted = expected(loans, planted)
    rows = Break.objects.filter(contract__in=loans.ids.tolist())
    found = {(b.number, b.component, b.first_on, b.cause, b.closed_on) for b in rows}
    print(f"{count} loans, {len(planted)} discrepancies on {len(wanted)} components: ", end="")
    print(f"{len(found - wanted)} false alarms, {len(wanted - found)} missed; in and compared {rate:,.0f} loans/s")
    assert found == wanted
    assert {p.number for p in planted} == {n for n, *_ in found}
    assert all(b.reason for b in rows.exclude(closed_on=None))


def test_each_planted_discrepancy_is_named_and_nothing_else(house: House, tmp_path: Path) -> None:
    names_all(house, tmp_path, 1_000)


@pytest.mark.soak
def test_the_same_among_ten_thousand_loans(house: House, tmp_path: Path) -> None:
    names_all(house, tmp_path, 10_000)
