"""`tideover close` and `tideover tape`."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register both commands."""
    close = commands.add_parser(
        "close",
        help="close the day",
        description="Replay every loan as known at the cut-off, state what changed and write the tape. Killed and run again, it "
        "goes on with the same cut-off. A day that is closed already is left as it is.",
    )
    close.add_argument("--as-of", type=date.fromisoformat, metavar="DATE", help="the business day (default: today)")
    close.add_argument("--through", type=date.fromisoformat, metavar="DATE", help="close every day up to this one")
    close.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    close.set_defaults(func=run_close)
    tape = commands.add_parser("tape", help="ask the tapes", description="Query all closed days, or list the columns.")
    ask = tape.add_subparsers(dest="tape_command", metavar="WHAT", required=True)
    query = ask.add_parser("query", help='SQL over the tables loans and transitions: tape query "SELECT …"')
    query.add_argument("sql")
    query.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    query.set_defaults(func=run_query)
    ask.add_parser("columns", help="every column with unit and meaning").set_defaults(func=run_columns)


def run_close(args: argparse.Namespace) -> int:
    """Handle `close`."""
    import django

    django.setup()
    from tideover.core.business_time import business_date
    from tideover.core.problems import Refused
    from tideover.daily.close import close_through
    from tideover.lending.resets import missing_fixings

    today = business_date()
    first = args.as_of or today
    try:
        for c in close_through(first, max(first, args.through or first), today=today):
            said = {"as_of": c.as_of.isoformat(), "loans": c.loans, "events": c.events, "seconds": round(c.seconds, 3)}
            said |= {"tape": c.tape, "digest": c.digest}
            print(
                json.dumps(said)
                if args.json
                else f"{c.as_of}: {c.loans} loans, {c.events} events, {c.seconds:.1f} s, {c.digest[:12]}"
            )
        for sentence in missing_fixings(max(first, args.through or first)):
            print(f"close: warning: {sentence}", file=sys.stderr)
    except Refused as error:
        print(f"close: {error}", file=sys.stderr)
        return 2
    return 0


def run_query(args: argparse.Namespace) -> int:
    """Handle `tape query`."""
    import django

    django.setup()
    from tideover.daily.close import tapes
    from tideover.tape.store import QueryRefused, query

    try:
        found = query(args.sql, tapes())
    except QueryRefused as error:
        print(f"tape query: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps({"columns": found.column_names, "rows": [list(r.values()) for r in found.to_pylist()]}, default=str))
        return 0
    print("\t".join(found.column_names))
    for row in found.to_pylist():
        print("\t".join("" if v is None else str(v) for v in row.values()))
    return 0


def run_columns(args: argparse.Namespace) -> int:
    """Handle `tape columns`."""
    from tideover.tape.schema import TABLES

    for table, columns in TABLES.items():
        for c in columns:
            print(f"{table}.{c.name}\t{c.type}\t{c.unit}\t{c.meaning}")
    return 0
