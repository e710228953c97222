"""`tideover conform FILE…`: replay cases and report every cell that differs."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

PUBLISHED = ("apr", "dates", "daycount", "irr", "schedule")
"""Adapters of published tables; each names the kinds it compares."""
SHOWN = 20
"""Differing cells of a ledger that the screen shows."""


class ConformInputError(Exception):
    """A file that holds no cases: which, where, and what is wrong."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `conform`."""
    p = commands.add_parser(
        "conform",
        help="replay cases from another system; report every cent of difference",
        description="Replay cases (JSON lists) and compare every asserted cell: money exactly, published "
        "rates within their own tolerance. "
        "Exit code 0: all equal; 1: differences; 2: a file that cannot be read.",
    )
    p.add_argument("files", nargs="+", type=Path, metavar="FILE")
    p.add_argument("--mapping", type=Path, metavar="YAML", help="FILE is another system's ledger; its columns (docs/import.md)")
    p.add_argument("--differences", type=Path, metavar="CSV", help="with --mapping: write every differing cell here")
    p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Handle `conform`."""
    if args.mapping is not None:
        return _ledger(args)
    try:
        report = run(args.files)
    except ConformInputError as error:
        print(f"conform: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        _print(report)
    return 1 if report["differences"] else 0


def _ledger(args: argparse.Namespace) -> int:
    """Compare one ledger with the book that is stored."""
    import django

    django.setup()
    from tideover.conform.ledger import compare, differences_write, shown
    from tideover.lending.imports.files import BadFile
    from tideover.lending.imports.mapping import BadMapping

    try:
        if len(args.files) != 1:
            raise ConformInputError("a mapping goes with one file")
        report = compare(args.files[0], args.mapping.read_text(encoding="utf-8"))
        if args.differences is not None:
            differences_write(args.differences, report)
    except (ConformInputError, BadFile, BadMapping, OSError, UnicodeDecodeError) as error:
        print(f"conform: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        for name, (cells, differing, expected, got) in report.totals.items():
            print(f"{name}: {cells} cells, {differing} differ; file {shown(name, expected)}, replay {shown(name, got)}")
        for d in report.differing[:SHOWN]:
            print(f"{d.loan_id}  {d.on} {d.column}: expected {shown(d.column, d.expected)}, got {shown(d.column, d.got)}")
        if len(report.differing) > SHOWN:
            print(f"… {len(report.differing) - SHOWN} more; --differences FILE writes them all")
        for reason, count in report.not_compared.items():
            print(f"not compared: {count} lines ({reason})")
        print(f"{report.whole} of {report.compared} lines whole, {len(report.differing)} differences")
    return 1 if report.differing or report.not_compared else 0


def run(paths: list[Path]) -> dict[str, Any]:
    """Compare every case of the files; the object that DESIGN names for `conform`. Raises ConformInputError."""
    from tideover.conform.report import CaseResult

    results: list[CaseResult] = []
    for path in paths:
        for index, case in enumerate(_cases(path)):
            name = str(case.get("id", f"number {index + 1}"))
            compare = _adapter(case)
            if compare is None:
                kind = case.get("kind", "no kind")
                results.append(CaseResult(name, not_compared=f"kind {kind}"))
                continue
            try:
                results.append(compare(case))
            except (KeyError, TypeError, ValueError, ArithmeticError) as error:
                raise ConformInputError(f"{path}, case {name}: {type(error).__name__}: {error}") from error
    return _report(results)


def _adapter(case: dict[str, Any]) -> Callable[[dict[str, Any]], Any] | None:
    """What compares this case, found by its content and never by its file's name; None when its kind is not offered."""
    if "product" in case and "steps" in case:
        return importlib.import_module("tideover.conform.fineract").run_case
    if "periods" in case and "steps" in case:
        return importlib.import_module("tideover.conform.emi").run_case
    if "kind" in case and "terms" in case and "expect" in case:
        return importlib.import_module("tideover.conform.cn").run_case
    for name in PUBLISHED:
        module = importlib.import_module(f"tideover.conform.{name}")
        if case.get("kind") in module.KINDS:
            return module.run_case
    return None


def _cases(path: Path) -> list[dict[str, Any]]:
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConformInputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConformInputError(f"{path}: not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ConformInputError(f"{path}, line {error.lineno}, column {error.colno}: {error.msg}") from error
    if not isinstance(cases, list) or not all(isinstance(c, dict) for c in cases):
        raise ConformInputError(f"{path}: expected a JSON list of cases")
    return cases


def _report(results: list[Any]) -> dict[str, Any]:
    compared = [r for r in results if r.not_compared is None]
    failed = [d for r in compared for d in r.differences]
    return {
        "cases": len(results),
        "compared": len(compared),
        "passed": sum(not r.differences for r in compared),
        "cells": sum(r.compared_cells for r in compared),
        "differences": len(failed),
        "not_compared": _reasons(results),
        "failed": [{"id": d.id, "cell": d.cell, "expected": d.expected, "got": d.got} for d in failed],
    }


def _reasons(results: list[Any]) -> dict[str, int]:
    """How many cases, and how many cells of compared cases, each reason left out."""
    reasons = Counter(r.not_compared for r in results if r.not_compared)
    for r in results:
        if r.not_compared is None:
            reasons.update({f"cells: {reason}": count for reason, count in r.left_out.items()})
    return dict(reasons)


def _print(report: dict[str, Any]) -> None:
    for f in report["failed"]:
        print(f"{f['id']}  {f['cell']}: expected {f['expected']}, got {f['got']}")
    for reason, count in report["not_compared"].items():
        print(f"not compared: {count} of {reason}")
    print(f"{report['passed']} of {report['compared']} cases whole, {report['cells']} cells, {report['differences']} differences")
