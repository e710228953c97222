"""`tideover watch-list`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `watch-list`."""
    p = commands.add_parser(
        "watch-list",
        help="load a sanctions or watch list that payers are compared with",
        description="Load FILE (CSV, UTF-8, columns name and reference; docs/receipts.md) as the list NAME. The list of that "
        "name that held before ends. Money of a payer on a list stays unplaced until compliance has decided. Exit codes: 0 done, "
        "2 the file cannot be used.",
    )
    p.add_argument("file", type=Path, metavar="FILE", help="CSV with a name on each line")
    p.add_argument("--list", required=True, dest="name", metavar="NAME", help="what the list is called, at most 40 characters")
    p.add_argument("--actor", default="watch-list", metavar="NAME", help="who does this, for the action log")
    p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Handle `watch-list`."""
    import django

    try:
        content = args.file.read_bytes()
    except OSError as error:
        print(f"watch-list: {args.file}: {error}", file=sys.stderr)
        return 2
    django.setup()
    from tideover.core.problems import Refused
    from tideover.lending.receipts.payer import watch_list_load

    try:
        made = watch_list_load(args.name, content, actor=args.actor)
    except Refused as error:
        for problem in error.problems:
            print(f"watch-list: {problem.message}", file=sys.stderr)
        return 2
    said = {"list": made.name, "names": made.names, "loaded_at": made.loaded_at.isoformat()}
    print(json.dumps(said) if args.json else f"{made.name}: {made.names} names")
    return 0
