"""The command line: `tideover COMMAND`. Each feature registers its commands; nothing heavy is imported before one runs."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

COMMAND_MODULES = (
    "tideover.simulate.commands",
    "tideover.daily.commands",
    "tideover.lending.commands",
    "tideover.lending.debits.commands",
    "tideover.lending.beside.commands",
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


WANTED = {
    "fromisoformat": "a date like 2026-11-25",
    "_port": "a port, a whole number from 1 to 65535",
    "int": "a whole number",
    "float": "a number",
}
"""What an argument should have been, by the name of the function that reads it."""
MISREAD = re.compile(r"argument (?P<name>[^:]+): invalid (?P<kind>\w+) value: '(?P<given>.*)'$")
CHOICE = re.compile(r"invalid choice: '(?P<given>[^']*)' \(choose from (?P<known>.*)\)$")


class Parser(argparse.ArgumentParser):
    """Says what was wrong with an argument in words, what was meant perhaps, and where the help is. Exits with 2."""

    def error(self, message: str) -> NoReturn:
        """Print the fault to standard error and leave."""
        misread, choice = MISREAD.search(message), CHOICE.search(message)
        if misread and misread["kind"] in WANTED:
            message = f"{misread['name']}: {misread['given']!r} is not {WANTED[misread['kind']]}"
        elif choice:
            near = difflib.get_close_matches(choice["given"], re.findall(r"[\w-]+", choice["known"]), n=1)
            known = choice["known"].replace("'", "")
            message = f"there is no {choice['given']!r}" + (f"; did you mean {near[0]}?" if near else f"; there are {known}")
        print(f"{self.prog}: {message}\n(`{self.prog} --help` explains)", file=sys.stderr)
        raise SystemExit(2)


def _database_fault(command: str, error: Exception) -> str:
    """What the database said, which one it is (without its password), and what to do."""
    from django.conf import settings

    at = settings.DATABASES["default"]
    where = f"{at['HOST']}:{at['PORT'] or 5432}/{at['NAME']}" if at.get("HOST") else str(at["NAME"])
    hint = "`tideover lender init` and `tideover demo` make one; TIDEOVER_HOME and TIDEOVER_DATABASE say where it is"
    return f"{command}: the database {where} answered: {' '.join(str(error).split())} ({hint})"


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
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
        database, misset = sys.modules.get("django.db"), sys.modules.get("django.core.exceptions")
        if misset is not None and isinstance(error, misset.ImproperlyConfigured):
            print(f"{args.command}: {error}", file=sys.stderr)
        elif database is not None and isinstance(error, database.DatabaseError):
            print(_database_fault(args.command, error), file=sys.stderr)
        else:
            raise
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
