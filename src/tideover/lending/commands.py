"""`tideover doctor`, `tideover import` and `tideover lender`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from tideover.lending import commands_import, commands_lender


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register them."""
    commands_import.add_parser(commands)
    commands_lender.add_parser(commands)
    p = commands.add_parser(
        "doctor",
        help="check journal chains, triggers, standing = replay",
        description="Check what must always be true of the book. Exit code 1 when a check fails.",
    )
    p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Handle `doctor`."""
    import django

    django.setup()
    from tideover.lending.doctor import checks

    found = checks()
    ok = all(c.ok for c in found)
    if args.json:
        print(json.dumps({"ok": ok, "checks": [asdict(c) for c in found]}))
    else:
        for c in found:
            print(f"{'ok  ' if c.ok else 'FAIL'} {c.name}: {c.detail}")
    return 0 if ok else 1
