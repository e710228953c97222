"""`tideover packs`: the rules in force on a day, and whether every pack can be read."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `packs`."""
    p = commands.add_parser(
        "packs", help="the law as data: list, show, check", description="Dated rules, each with its citation."
    )
    what = p.add_subparsers(dest="packs_command", metavar="WHAT", required=True)
    for name, help in (("list", "every rule with its days and its citation"), ("check", "read every pack strictly")):
        what.add_parser(name, help=help).set_defaults(func=run_list if name == "list" else run_check)
    show = what.add_parser("show", help="one rule on a day: packs show penalty.overdue_ratio --on 2026-01-31")
    show.add_argument("rule")
    show.add_argument("--on", type=date.fromisoformat, required=True, metavar="DATE")
    show.add_argument("--pack", default="cn", help="the jurisdiction (default: cn)")
    show.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    show.set_defaults(func=run_show)


def run_list(args: argparse.Namespace) -> int:
    """Handle `packs list`."""
    print(table())
    return 0


def table() -> str:
    """Every rule but the years of calendars, as a Markdown table; docs/packs.md holds it."""
    from tideover.core.packs.load import pack, pack_names

    lines = ["| pack | rule | from | to | status | citation |", "|---|---|---|---|---|---|"]
    for name in pack_names():
        shown = set()
        for r in pack(name):
            if r.id.startswith("calendar."):
                if r.id in shown:
                    continue
                shown.add(r.id)
            spans = pack(name).rules[r.id]
            last = spans[-1].valid_to if r.id.startswith("calendar.") else r.valid_to
            lines.append(f"| {name} | {r.id} | {r.valid_from} | {last or ''} | {r.status} | {r.citation} |")
    return "\n".join(lines)


def run_check(args: argparse.Namespace) -> int:
    """Handle `packs check`."""
    from tideover.core.packs.load import FOLDER, PackError, folder_read, pack_names

    bad = 0
    for name in pack_names():
        try:
            print(f"{name}: {sum(1 for _ in folder_read(FOLDER / name))} rules")
        except PackError as error:
            bad = 1
            for problem in error.problems:
                print(problem, file=sys.stderr)
    return bad


def run_show(args: argparse.Namespace) -> int:
    """Handle `packs show`."""
    from tideover.core.packs.load import NoRule, rule

    try:
        r = rule(args.pack, args.rule, args.on)
    except NoRule as error:
        print(f"packs show: {error}", file=sys.stderr)
        return 2
    said = {
        "pack": args.pack, "id": r.id, "valid_from": r.valid_from, "valid_to": r.valid_to, "status": r.status,
        "citation": str(r.citation), "url": r.citation.url, "source": r.source, "note": r.note, "values": r.values,
        "at": f"{r.file}:{r.line}",
    }  # fmt: skip
    if args.json:
        print(json.dumps(said, default=str, ensure_ascii=False))
    else:
        for key, value in said.items():
            print(f"{key:10} {json.dumps(value, default=str, ensure_ascii=False) if key == 'values' else value or '-'}")
    return 0
