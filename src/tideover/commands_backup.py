"""`tideover backup` and `tideover restore`."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from pathlib import Path
from typing import Any


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register both commands."""
    for name, help, description in (
        (
            "backup",
            "the database and the tapes in one file",
            "Write one tar file: the database as of one moment, the committed tapes, and the digest of every part. The site may "
            "go on. Field keys are not inside: keep TIDEOVER_FIELD_KEY elsewhere.",
        ),
        (
            "restore",
            "put a backup into an empty installation",
            "Verify every digest of a backup and restore it. A database that holds users or loans is refused, so nothing is ever "
            "overwritten.",
        ),
    ):
        p = commands.add_parser(name, help=help, description=description)
        p.add_argument("file", type=Path, metavar="FILE", help="the tar file")
        p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        p.set_defaults(func=run_backup if name == "backup" else run_restore)


def run_backup(args: argparse.Namespace) -> int:
    """Handle `backup`."""
    return _run("backup", args)


def run_restore(args: argparse.Namespace) -> int:
    """Handle `restore`."""
    return _run("restore", args)


def _run(name: str, args: argparse.Namespace) -> int:
    import django

    django.setup()
    from django.conf import settings

    from tideover.core.problems import Refused
    from tideover.daily import backup

    Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True)
    try:
        said = (backup.backup if name == "backup" else backup.restore)(args.file, actor=getpass.getuser())
    except (Refused, OSError) as error:
        print(f"{name}: {str(error).strip()}", file=sys.stderr)
        return 2
    if name == "restore" and not backup.keys_fit():
        print("restore: TIDEOVER_FIELD_KEY is not the key of this book: personal fields cannot be read", file=sys.stderr)
    _say(name, args, said)
    return 0


def _say(name: str, args: argparse.Namespace, said: dict[str, Any]) -> None:
    size = sum(f["bytes"] for f in said["files"].values())
    short = {k: said[k] for k in ("made_at", "database", "loans", "events")} | {"files": len(said["files"]), "bytes": size}
    if args.json:
        print(json.dumps({"file": str(args.file), **short}))
    else:
        print(f"{name}: {said['loans']} loans, {said['events']} events, {len(said['files'])} files, {size / 2**20:,.1f} MiB")
