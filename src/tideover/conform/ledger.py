"""Another system's ledger against replay: figures of loans on days, compared cell by cell with the book that was imported.

A lender runs it before it migrates: import contracts and events, then let its old system's own figures be compared. Columns are
named by a mapping (docs/import.md, kind ledger); any subset of the figures may be given. One case is one line: a loan on a day.

Figures of the line's day, after that day's payments:
  tape columns (current_principal_balance, arrears_balance, days_past_due, …): as in docs/import.md
  due_unpaid       what has fallen due by the evening of the day, that day's instalment included, and is not paid
  due_in_period    principal and interest that fell due since the loan's line before (since payout for its first line)
  paid_in_period   money received since the loan's line before
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tideover.engine.batch import STATUS_OK, rows_many
from tideover.engine.terms import date_of
from tideover.lending.columns import Conventions, Loans, loans_read
from tideover.lending.imports.checks import check
from tideover.lending.imports.files import file_read
from tideover.lending.imports.frame import Frame, frame_make
from tideover.lending.imports.mapping import BadMapping, mapping_read
from tideover.lending.imports.targets import LEDGER_FIGURES

LOANS_AT_ONCE = 20_000
STANDING_OF = {
    "current_principal_balance": ("principal",),
    "interest_due": ("interest",),
    "accrued_interest": ("accrued",),
    "penalty_outstanding": ("penalty",),
    "compound_outstanding": ("compound",),
    "fees_outstanding": ("fee", "third_party_fee"),
    "recovery_cost_outstanding": ("recovery_cost",),
    "surplus": ("surplus",),
    "total_balance": ("payoff",),
    "arrears_balance": ("overdue_principal", "overdue_interest"),
    "arrears_principal": ("overdue_principal",),
    "arrears_interest": ("overdue_interest",),
    "days_past_due": ("days_past_due",),
}
"""Tape columns as sums of the standing's fields."""


@dataclass(slots=True)
class Differing:
    """One cell that differs; money in minor units."""

    loan_id: str
    on: str
    column: str
    expected: int
    got: int


@dataclass(slots=True)
class LedgerReport:
    """What a comparison found. totals: by column, (cells, differing cells, sum of the file's figures, sum of replay's)."""

    lines: int = 0
    compared: int = 0
    whole: int = 0
    not_compared: Counter[str] = field(default_factory=Counter)
    totals: dict[str, list[int]] = field(default_factory=dict)
    differing: list[Differing] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The object that `conform` prints, with totals by column."""
        return {
            "cases": self.lines,
            "compared": self.compared,
            "passed": self.whole,
            "cells": sum(t[0] for t in self.totals.values()),
            "differences": len(self.differing),
            "not_compared": dict(self.not_compared),
            "totals": {
                name: {"cells": t[0], "differing": t[1], "expected": shown(name, t[2]), "got": shown(name, t[3])}
                for name, t in self.totals.items()
            },
            "failed": [
                {"id": d.loan_id, "cell": f"{d.on} {d.column}", "expected": shown(d.column, d.expected),
                 "got": shown(d.column, d.got)}
                for d in self.differing
            ],
        }  # fmt: skip


def shown(column: str, value: int) -> str:
    """A figure as people write it: money with two decimals, days whole."""
    if column == "days_past_due":
        return str(value)
    return f"{'-' if value < 0 else ''}{abs(value) // 100}.{abs(value) % 100:02d}"


def compare(path: Path, mapping_text: str) -> LedgerReport:
    """Compare every figure of the file with replay of the stored book.

    Raises BadFile and BadMapping. Lines that cannot be read or name no loan of the book are counted in `not_compared`.
    """
    mapping = mapping_read(mapping_text)
    if mapping.kind != "ledger":
        raise BadMapping(f"the mapping is for {mapping.kind}; a comparison needs kind: ledger")
    figures = [n for n in LEDGER_FIGURES if n in mapping.columns]
    if not figures:
        raise BadMapping(f"columns names no figure to compare; figures are {', '.join(LEDGER_FIGURES)}")
    source = file_read(path, skip=mapping.skip, sheet=mapping.sheet)
    frame = frame_make(source, mapping)
    links = check(frame)
    report = LedgerReport(lines=len(frame) + len(source.broken), totals={n: [0, 0, 0, 0] for n in figures})
    loan = np.array([t[0] if t else 0 for t in links.things["loan_id"]] or [0], np.int64)[links.at["loan_id"]]
    whole = np.ones(len(frame), bool)
    rows = np.flatnonzero(frame.ok)
    rows = rows[np.lexsort((frame.number("data_cut_off_date")[rows], loan[rows]))]
    shared, ids = Conventions.of_book(), np.unique(loan[rows])
    for start in range(0, len(ids), LOANS_AT_ONCE):
        part = ids[start : start + LOANS_AT_ONCE]
        own = rows[np.searchsorted(loan[rows], part[0]) : np.searchsorted(loan[rows], part[-1], side="right")]
        _compare_part(report, frame, figures, own, loan[own], loans_read(part, shared), whole)
    for reject in frame.rejects:
        report.not_compared[f"{reject.column or 'line'}: {reject.reason}"] += 1
    report.compared, report.whole = int(frame.ok.sum()), int((frame.ok & whole).sum())
    return report


def _compare_part(
    report: LedgerReport, frame: Frame, figures: list[str], rows: np.ndarray, loan: np.ndarray, loans: Loans,
    whole: np.ndarray,
) -> None:  # fmt: skip
    """Lines of some loans, sorted by loan and day: the k-th line of every loan in one batch, k after k."""
    at = np.searchsorted(loans.ids, loan)
    first = np.searchsorted(loan, loans.ids)
    nth = np.arange(len(rows)) - first[at]
    day = frame.number("data_cut_off_date")
    before = {"due": np.zeros(len(loans.ids), np.int64), "paid": np.zeros(len(loans.ids), np.int64)}
    for k in range(int(nth.max()) + 1 if len(nth) else 0):
        lines, of = rows[nth == k], at[nth == k]
        as_of = loans.disbursed.copy()
        as_of[of] = day[lines]
        standings, offsets, instalments = rows_many(loans.terms, loans.events, as_of)
        table = standings.table
        got = {n: sum(np.asarray(table[f]) for f in STANDING_OF[n]) for n in figures if n in STANDING_OF}
        owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        is_due = instalments["due_on"] <= as_of[owner]
        due = _sum(owner, (instalments["principal"] + instalments["interest"]) * is_due, len(as_of))
        got["due_unpaid"] = _sum(owner, instalments["outstanding"] * is_due, len(as_of))
        received = np.asarray(table["paid_total"]) + table["surplus"]  # what is held counts as received
        got["due_in_period"], got["paid_in_period"] = due - before["due"], received - before["paid"]
        before["due"][of], before["paid"][of] = due[of], received[of]
        fits = (np.asarray(table["status"])[of] == STATUS_OK) & (loans.refused[of] < 0)
        bad = np.zeros(len(frame), bool)
        bad[lines[~fits]] = True
        frame.reject(bad, "loan_id", "its terms or events are not compiled; ask for this loan alone")
        for name in figures:
            _compare_cells(report, frame, name, lines[fits], np.asarray(got[name])[of[fits]], loans, of[fits], whole)


def _sum(owner: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    out = np.zeros(count, np.int64)
    np.add.at(out, owner, values)
    return out


def _compare_cells(
    report: LedgerReport, frame: Frame, name: str, lines: np.ndarray, got: np.ndarray, loans: Loans, of: np.ndarray,
    whole: np.ndarray,
) -> None:  # fmt: skip
    given = frame.given(name)[lines]
    expected = frame.number(name)[lines]
    differs = given & (expected != got)
    total = report.totals[name]
    total[0] += int(given.sum())
    total[1] += int(differs.sum())
    total[2] += int(expected[given].sum())
    total[3] += int(got[given].sum())
    day, numbers = frame.number("data_cut_off_date"), loans.names() if differs.any() else []
    for i in np.flatnonzero(differs).tolist():
        on = date_of(int(day[lines[i]])).isoformat()
        report.differing.append(Differing(numbers[int(of[i])], on, name, int(expected[i]), int(got[i])))
    whole[lines[differs]] = False


def differences_write(path: Path, report: LedgerReport) -> None:
    """Every differing cell as CSV (UTF-8 with BOM), by loan and day."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("loan_id", "data_cut_off_date", "column", "expected", "got", "difference"))
        for d in sorted(report.differing, key=lambda d: (d.loan_id, d.on, d.column)):
            by = shown(d.column, d.got - d.expected)
            writer.writerow((d.loan_id, d.on, d.column, shown(d.column, d.expected), shown(d.column, d.got), by))
    part.replace(path)
