"""`tideover keys`: under which secret personal data are sealed, and re-sealing them under the one that writes."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `keys`."""
    keys = commands.add_parser(
        "keys",
        help="the key of personal fields: status, rotate",
        description="Personal fields are sealed under TIDEOVER_FIELD_KEY; secrets in TIDEOVER_FIELD_KEYS_ALSO are read as well. "
        "To exchange the key: (1) add the new secret to TIDEOVER_FIELD_KEYS_ALSO and restart everything; (2) make it "
        "TIDEOVER_FIELD_KEY, move the old one to TIDEOVER_FIELD_KEYS_ALSO, restart; (3) tideover keys rotate, while people work; "
        "(4) when status counts nothing under the old one, take it away. Keep it as long as a backup from before is kept.",
    )
    ask = keys.add_subparsers(dest="keys_command", metavar="WHAT", required=True)
    for name, func, help in (
        ("status", run_status, "how many values are under which key"),
        ("rotate", run_rotate, "re-seal what is under another key; killed, run it again"),
    ):
        p = ask.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        p.set_defaults(func=func)


def run_status(args: argparse.Namespace) -> int:
    """Handle `keys status`. Exit code 1 when a value is under a secret that this installation does not have."""
    import django

    django.setup()
    return _told(args, {})


def run_rotate(args: argparse.Namespace) -> int:
    """Handle `keys rotate`. Exit code 1 when values stay under another key."""
    import django

    django.setup()
    from tqdm import tqdm

    from tideover.core.keys import rotate

    with tqdm(desc="keys rotate", unit="row", disable=args.json or not sys.stderr.isatty(), file=sys.stderr) as bar:
        done = rotate("command", bar.update)
    return _told(args, {"rotated": done})


def _told(args: argparse.Namespace, more: dict[str, Any]) -> int:
    from tideover.core.crypto import current_id
    from tideover.core.keys import old_and_unknown, status

    found = status()
    old, unknown = old_and_unknown(found)
    if args.json:
        tables = {s.table: s.by_key for s in found}
        print(json.dumps({**more, "key": current_id().hex(), "old": old, "unknown": unknown, "tables": tables}))
    else:
        for table, count in more.get("rotated", {}).items():
            print(f"{table}: {count} rows sealed again")
        for s in found:
            print(f"{s.table}\t" + ", ".join(f"{n} under {key}" for key, n in sorted(s.by_key.items())) if s.by_key else s.table)
        print(
            f"writes under {current_id().hex()}; {old} values under another key of this installation, {unknown} under none of its"
        )
    return 1 if unknown or (more and old) else 0
