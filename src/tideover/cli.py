"""The command line: `tideover COMMAND`. Each feature registers its commands; nothing heavy is imported before one runs."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

COMMAND_MODULES = (
    "tideover.simulate.commands",
    "tideover.daily.commands",
    "tideover.lending.commands",
    "tideover.accounting.commands",
    "tideover.contact.commands_outbox",
    "tideover.contact.commands",
    "tideover.conform.commands",
    "tideover.commands_doctor",
    "tideover.commands_backup",
    "tideover.commands_bench",
    "tideover.core.packs.commands",
    "tideover.core.commands_keys",
    "tideover.core.commands_token",
    "tideover.core.commands_documents",
    "tideover.contact.channels.commands",
    "tideover.core.commands_log",
    "tideover.core.commands_work",
)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="tideover",
        description="A lender's whole path around overdue loans: exact, kind, inside the law.",
        epilog="Data lives in $TIDEOVER_HOME (default ./var); the database in $TIDEOVER_DATABASE (default SQLite there).",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMAND_MODULES:
        importlib.import_module(name).add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit codes: 0 done, 1 done with differences or rejects, 2 bad input, 130 interrupted."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tideover.web.settings")
    args = parser().parse_args(argv)
    try:
        return int(args.func(args))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        # Django is looked up, not imported: a command that needs no database must not load it to say what went wrong.
        database = sys.modules.get("django.db")
        if database is None or not isinstance(error, database.DatabaseError):
            raise
        hint = "is there one? `tideover lender init` and `tideover demo` make one"
        print(f"{args.command}: the database answered: {str(error).strip()} ({hint})", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
