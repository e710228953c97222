"""`tideover bank` (the lender's accounts, and secrets with which banks sign their calls) and `tideover import statement`."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `bank`."""
    bank = commands.add_parser(
        "bank",
        help="the lender's bank accounts, and secrets of banks that report by webhook",
        description="Accounts whose statements are taken in, and secrets with which banks sign calls of POST /hooks/bank "
        "(docs/bank-files.md). To exchange a secret: new, give it to the bank, end the old one when the bank has changed over.",
    )
    ask = bank.add_subparsers(dest="bank_command", metavar="WHAT", required=True)
    account = ask.add_parser("account", help="make an account known", description="Make an account of the lender known.")
    account.add_argument("number", metavar="NUMBER")
    account.add_argument("--entity", required=True, metavar="CODE")
    account.add_argument("--name", required=True, help="what it is for, as pages show it")
    account.add_argument("--bank", default="")
    account.add_argument("--opened-on", type=date.fromisoformat, default=date(2000, 1, 1), metavar="DAY")
    account.add_argument(
        "--due-hour", type=int, default=9, metavar="H", help="a day's statement is late from this hour of the next day; -1: never"
    )
    account.add_argument(
        "--calendar", default="", metavar="NAME", help="working days that have a statement, as cn; without: every day has one"
    )
    secret = ask.add_parser("secret", help="make a secret; it is shown this once", description="Make a secret for a bank.")
    secret.add_argument("bank", metavar="BANK")
    secret.add_argument("--entity", required=True, metavar="CODE")
    end = ask.add_parser("end-secret", help="let a secret end", description="Let a secret end, now or at an instant.")
    end.add_argument("key", metavar="KEY")
    end.add_argument("--at", type=datetime.fromisoformat, metavar="INSTANT", help="with a time zone: 2026-12-01T00:00+08:00")
    for p, func in ((account, run_account), (secret, run_secret), (end, run_end)):
        p.add_argument("--actor", default="bank", metavar="NAME", help="who does this, for the action log")
        p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        p.set_defaults(func=func)


def _told(args: argparse.Namespace, said: dict[str, Any], text: str) -> int:
    print(json.dumps(said) if args.json else text)
    return 0


def _entity(code: str) -> Any:
    from tideover.core.problems import refuse
    from tideover.lending.models import LegalEntity

    found = LegalEntity.objects.filter(code=code).first()
    if found is None:
        raise refuse("no_such_entity", f"there is no entity {code}", "entity")
    return found


def _guarded(act: Any) -> int:
    """Do it; a refusal is told on standard error."""
    import django

    django.setup()
    from tideover.core.problems import Refused

    try:
        return int(act())
    except Refused as error:
        print(f"bank: {error}", file=sys.stderr)
        return 2


def run_account(args: argparse.Namespace) -> int:
    """Handle `bank account`."""

    def act() -> int:
        from tideover.lending.statements.services import account_open

        made = account_open(
            entity=_entity(args.entity), number=args.number, name=args.name, bank=args.bank, opened_on=args.opened_on,
            due_hour=args.due_hour, calendar=args.calendar, actor=args.actor,
        )  # fmt: skip
        return _told(args, {"account": made.number}, f"account {made.number} is known")

    return _guarded(act)


def run_secret(args: argparse.Namespace) -> int:
    """Handle `bank secret`."""

    def act() -> int:
        from tideover.lending.statements.secrets import secret_new

        made, text = secret_new(bank=args.bank, entity=_entity(args.entity), actor=args.actor)
        return _told(args, {"key": made.key_id, "secret": text}, f"key     {made.key_id}\nsecret  {text}\n(shown this once)")

    return _guarded(act)


def run_end(args: argparse.Namespace) -> int:
    """Handle `bank end-secret`."""

    def act() -> int:
        from tideover.core.business_time import now
        from tideover.core.problems import refuse
        from tideover.lending.statements.secrets import secret_end

        if args.at is not None and args.at.tzinfo is None:
            raise refuse("bad_instant", "say the time zone of --at, for example +08:00", "at")
        made = secret_end(args.key, at=args.at or now(), actor=args.actor)
        return _told(args, {"key": made.key_id, "ends_at": str(made.ends_at)}, f"{made.key_id} ends at {made.ends_at}")

    return _guarded(act)


def add_import(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `import statement` beside the other imports."""
    k = kinds.add_parser(
        "statement",
        help="a bank statement (CAMT.053, MT940, CSV or XLS of a bank)",
        description="Take in a bank statement. The format is found by the bytes; each line is recognised once, whatever file or "
        "call brings it, and becomes one thing. Exit codes: 0 done, 1 rows could not be read, 2 the file is refused as a whole.",
    )
    k.add_argument("file", type=Path, metavar="FILE")
    k.add_argument("--account", default="", metavar="NUMBER", help="whose a table is, where it does not say so")
    k.add_argument("--mapping", type=Path, metavar="YAML", help="what the columns of another bank's table mean")
    k.add_argument("--rejects", type=Path, metavar="CSV", help="write rows that could not be read here: place, reason, row")
    k.add_argument("--actor", default="import", metavar="NAME", help="who does this, for the action log")
    k.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    k.set_defaults(func=run_import)


def run_import(args: argparse.Namespace) -> int:
    """Handle `import statement`."""
    import django

    django.setup()
    from tideover.lending.statements.rules.line import BadStatement
    from tideover.lending.statements.services import statement_import

    try:
        mapping = args.mapping.read_text(encoding="utf-8") if args.mapping else ""
        file = statement_import(args.file.read_bytes(), args.file.name, actor=args.actor, mapping=mapping, account=args.account)
    except (BadStatement, OSError, UnicodeDecodeError) as error:
        print(f"import statement: {error}", file=sys.stderr)
        return 2
    rejects = json.loads(file.rejects or "[]")
    if args.rejects is not None:
        _rejects_write(args.rejects, rejects)
    counts = {
        "lines": file.lines_count, "new": file.new_count, "known": file.known_count, "rejected": file.rejected_count,
        "pending": file.pending_count,
    }  # fmt: skip
    if args.json:
        print(json.dumps({"file": file.reference, "kind": file.kind, "state": file.state, **counts}))
    else:
        print(f"{file.reference} ({file.kind}): " + ", ".join(f"{n} {what}" for what, n in counts.items()))
        for r in rejects[:10]:
            print(f"  {r['place']}: {r['reason']}", file=sys.stderr)
    return 1 if rejects else 0


def _rejects_write(path: Path, rejects: list[dict[str, str]]) -> None:
    import csv

    with path.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("place", "reason", "row"))
        writer.writerows((r["place"], r["reason"], r["raw"]) for r in rejects)
