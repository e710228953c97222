"""`tideover import`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tideover.lending.statements.commands import add_import

KINDS = {
    "tape": "a loan tape: one row a loan (CSV, XLSX, Parquet)",
    "payments": "payments on loans",
    "people": "borrowers",
    "history": "the past: journal events, contacts, promises, complaints (the mapping says which)",
}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `import`."""
    p = commands.add_parser(
        "import",
        help="take in files: tape, payments, people, history, bank statements",
        description="Read a file by a mapping, refuse rows by row and column, and store the rest. By default one refused row "
        "keeps the whole file out. Exit codes: 0 done, 1 rows were refused, 2 the file or the mapping cannot be used.",
    )
    kinds = p.add_subparsers(dest="import_kind", metavar="WHAT", required=True)
    for name, text in KINDS.items():
        k = kinds.add_parser(name, help=text, description=f"Take in {text}.")
        k.add_argument("file", type=Path, metavar="FILE", help="CSV (UTF-8 or GB18030), XLSX or Parquet")
        k.add_argument("--mapping", type=Path, required=True, metavar="YAML", help="what the columns mean (docs/import.md)")
        k.add_argument("--dry-run", action="store_true", help="check only; write nothing")
        k.add_argument(
            "--rejects", type=Path, metavar="CSV", help="write refused rows here: row, column, value, reason, and the row itself"
        )
        k.add_argument("--partial", action="store_true", help="store the rows that fit although others were refused")
        k.add_argument("--actor", default="import", metavar="NAME", help="who does this, for the action log")
        k.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        k.set_defaults(func=run)
    add_import(kinds)


def run(args: argparse.Namespace) -> int:
    """Handle `import`."""
    import django

    django.setup()
    from tideover.core.problems import Refused
    from tideover.lending.imports.files import BadFile
    from tideover.lending.imports.frame import rejects_write
    from tideover.lending.imports.mapping import BadMapping
    from tideover.lending.imports.run import import_file

    try:
        result = import_file(
            args.import_kind, args.file, args.mapping.read_text(encoding="utf-8"), actor=args.actor, dry_run=args.dry_run,
            partial=args.partial, bar=_bar,
        )  # fmt: skip
        if args.rejects is not None:
            rejects_write(args.rejects, result.rejects, result.source)
    except (BadFile, BadMapping, Refused, OSError, UnicodeDecodeError) as error:
        print(f"import: {error}", file=sys.stderr)
        return 2
    said = {
        "kind": result.kind, "state": result.state, "rows": result.rows, "accepted": result.accepted,
        "rejected": len({r.row for r in result.rejects}), "stored": result.stored, "already": result.already,
        "seconds": {k: round(v, 3) for k, v in result.seconds.items()},
    }  # fmt: skip
    if args.json:
        print(json.dumps(said))
    else:
        _say(said, result)
    return 1 if result.rejects else 0


def _say(said: dict[str, Any], result: Any) -> None:
    print(
        f"{said['kind']}: {said['rows']} rows, {said['rejected']} refused, {said['stored']} stored, "
        f"{said['already']} already there ({said['state']})"
    )
    for r in sorted(result.rejects, key=lambda r: r.row)[:10]:
        print(f"  row {r.row}, {r.column or 'row'}: {r.value!r}: {r.reason}", file=sys.stderr)
    if len(result.rejects) > 10:
        print(f"  … {len(result.rejects) - 10} more; --rejects FILE writes them all", file=sys.stderr)
    if result.state == "rejected":
        print("nothing was stored; mend the file, or store the rest with --partial", file=sys.stderr)


def _bar(name: str, total: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc=name, unit="row", file=sys.stderr, disable=None)
