"""`tideover lender init`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `lender`."""
    p = commands.add_parser("lender", help="make a lender: entities, branches, staff, products", description="A lender's frame.")
    what = p.add_subparsers(dest="lender_command", metavar="WHAT", required=True)
    init = what.add_parser(
        "init",
        help="from one YAML file, into an empty or existing database",
        description="Prepare the database, then write entities, branches, staff and products from FILE (docs/import.md), all or "
        "nothing. Run again it adds what is new. Exit codes: 0 done, 2 the file cannot be used.",
    )
    init.add_argument("file", type=Path, metavar="FILE", help="YAML: entities, staff, products")
    init.add_argument("--actor", default="lender-init", metavar="NAME", help="who does this, for the action log")
    init.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    init.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Handle `lender init`."""
    import django

    try:
        text = args.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        print(f"lender init: {args.file}: {error}", file=sys.stderr)
        return 2
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from tideover.core.problems import Refused
    from tideover.lending.lender import lender_init

    Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0)
    try:
        made = lender_init(text, args.file.parent, actor=args.actor)
    except Refused as error:
        for problem in error.problems:
            print(f"lender init: {problem.message}", file=sys.stderr)
        return 2
    said = asdict(made)
    print(json.dumps(said) if args.json else ", ".join(f"{n} {name}" for name, n in said.items()))
    return 0
