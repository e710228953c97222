"""`tideover log export | verify`: the action log as a file, and the check of such a file."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from datetime import date
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `log`."""
    p = commands.add_parser(
        "log",
        help="export the action log with its chain; verify such a file",
        description="The log of who did what, one JSON object a line, each with its hash and that of the line before. A file can "
        "be verified anywhere, without the database. Example: tideover log export --from 2026-01-01 --to 2026-03-31 -o q1.jsonl",
    )
    acts = p.add_subparsers(dest="act", metavar="ACT", required=True)
    export = acts.add_parser("export", help="write entries of some days, oldest first, without a gap")
    export.add_argument("--from", dest="first", type=date.fromisoformat, help="first business day (left out: the log's first)")
    export.add_argument("--to", dest="last", type=date.fromisoformat, help="last business day (today when left out)")
    export.add_argument("-o", "--output", type=Path, help="the file (standard output when left out)")
    verify = acts.add_parser("verify", help="check every line and that none is missing; exit 1 when the chain is broken")
    verify.add_argument("file", type=Path)
    for act in (export, verify):
        act.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Handle `log`."""
    import django

    django.setup()
    return _verify(args) if args.act == "verify" else _export(args)


def _export(args: argparse.Namespace) -> int:
    from tideover.core.action_log import log
    from tideover.core.log_file import entries, lines

    if args.json and not args.output:
        print("log: --json needs --output: standard output holds one of the two", file=sys.stderr)
        return 2
    if args.first and args.last and args.last < args.first:
        print("log: --to lies before --from", file=sys.stderr)
        return 2
    rows, count = entries(first=args.first, last=args.last), 0
    temporary = args.output.with_name(f"{args.output.name}.part") if args.output else None
    try:
        out = temporary.open("w", encoding="utf-8") if temporary else sys.stdout
    except OSError as error:
        print(f"log: {error}", file=sys.stderr)
        return 2
    for line in lines(rows):
        out.write(f"{line}\n")
        count += 1
    if temporary:
        out.close()
        temporary.replace(args.output)
    said = {"from": str(args.first or ""), "to": str(args.last or ""), "entries": count}
    log(f"cli:{getpass.getuser()}", "log.export", "log", "", said)
    if args.json:
        print(json.dumps({**said, "file": str(args.output)}))
    elif args.output:
        print(f"{count} entries in {args.output}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from tideover.core.log_file import verify

    try:
        with args.file.open(encoding="utf-8") as text:
            found = verify(text)
    except (OSError, UnicodeDecodeError) as error:
        print(f"log: {error}", file=sys.stderr)
        return 2
    if args.json:
        broken = [{"line": n, "problem": words} for n, words in found.broken]
        print(json.dumps({"entries": found.count, "first": found.first, "last": found.last, "broken": broken}))
    elif found.broken:
        for n, words in found.broken:
            print(f"line {n}: {words}", file=sys.stderr)
    else:
        print(f"whole: {found.count} entries, no. {found.first} to {found.last}")
    return 1 if found.broken else 0
