"""`tideover doctor`: what must always be true of an installation and its book."""

from __future__ import annotations

import argparse
import importlib
import json
from dataclasses import asdict

MODULES = (
    "tideover.core.doctor",
    "tideover.lending.doctor",
    "tideover.lending.beside.doctor",
    "tideover.contact.doctor",
    "tideover.contact.doctor_outbox",
    "tideover.daily.doctor",
    "tideover.accounting.doctor",
)
"""Each has `checks()`; a feature with something to check adds its own."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `doctor`."""
    p = commands.add_parser(
        "doctor",
        help="what is installed; chains, triggers, standing = replay, tape = replay",
        description="Check what must always be true: libraries, packs, the action log's chain, triggers, reference rates, the "
        "journal's chains, standing = replay, the last tape. Exit code 1 when a check fails.",
    )
    p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Handle `doctor`. A database that cannot be read is bad input: 2."""
    import django

    django.setup()
    found = []
    for name in MODULES:
        for check in importlib.import_module(name).checks():
            found.append(check)
            if not args.json:
                print(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}", flush=True)
    ok = all(c.ok for c in found)
    if args.json:
        print(json.dumps({"ok": ok, "checks": [asdict(c) for c in found]}, ensure_ascii=False))
    return 0 if ok else 1
