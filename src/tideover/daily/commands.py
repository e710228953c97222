"""`tideover close` and `tideover tape`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register both commands."""
    close = commands.add_parser(
        "close",
        help="close the day",
        description="Replay every loan as known at the cut-off, state what changed and write the tapes. Killed and run again, it "
        "goes on with the same cut-off. A day that is closed already is left as it is. With --through alone every day since the "
        "last closed one is closed.",
        epilog="Examples: tideover close · tideover close --as-of 2026-05-31 · tideover close --through 2026-06-05",
    )
    close.add_argument("--as-of", type=date.fromisoformat, metavar="DATE", help="the business day (default: today)")
    close.add_argument("--through", type=date.fromisoformat, metavar="DATE", help="close every day up to this one, skipping none")
    close.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    close.set_defaults(func=run_close)
    tape = commands.add_parser("tape", help="ask the tapes", description="Query all closed days, or list the columns.")
    ask = tape.add_subparsers(dest="tape_command", metavar="WHAT", required=True)
    query = ask.add_parser(
        "query",
        help='SQL over the tapes: tape query "SELECT …"',
        description="One SELECT over loans, transitions, people and facilities of all closed days. Only the files and columns "
        "that the query asks for are read: name the days in data_cut_off_date.",
    )
    query.add_argument("sql")
    query.set_defaults(func=run_query)
    show = ask.add_parser("show", help="one loan, day by day", description="The rows of one loan and what changed for it.")
    show.add_argument("loan", metavar="LOAN", help="number of the loan")
    show.add_argument("--as-of", type=date.fromisoformat, metavar="DATE", help="every column on this day (default: latest)")
    show.set_defaults(func=run_show)
    prune = ask.add_parser(
        "prune",
        help="delete the tapes of days that need not be kept",
        description="Delete the tapes of days before the last TIDEOVER_TAPE_MONTHS months; the last closed day of each month is "
        "kept for good. Each close does the same. The days stay closed and say that their tapes were pruned.",
    )
    prune.add_argument("--dry-run", action="store_true", help="say which days, and delete nothing")
    prune.add_argument("--months", type=int, metavar="N", help="instead of TIDEOVER_TAPE_MONTHS; 0 keeps everything")
    prune.set_defaults(func=run_prune)
    for p in (query, show, prune):
        p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    columns = ask.add_parser("columns", help="every column with unit and meaning")
    columns.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    columns.set_defaults(func=run_columns)


def run_close(args: argparse.Namespace) -> int:
    """Handle `close`."""
    import django

    django.setup()
    from tideover.core.business_time import business_date
    from tideover.core.problems import Refused
    from tideover.daily.close import close_through, first_open
    from tideover.lending.resets import missing_fixings

    today = business_date()
    first = args.as_of or (min(first_open(today), args.through) if args.through else today)
    last = args.through or first
    if last < first:
        print(f"close: --through {last} lies before {first}", file=sys.stderr)
        return 2
    if last > today:
        print(f"close: {last} has not come yet; today is {today}", file=sys.stderr)
        return 2
    quiet = args.json or not sys.stderr.isatty()
    said: list[dict[str, Any]] = []
    try:
        for c in close_through(first, last, today=today, quiet=quiet):
            said.append(_said(c))
            if not args.json:
                print(f"{c.as_of}: {c.loans} loans, {c.events} events, {c.seconds:.1f} s, {c.digest[:12]}{_did(c)}", flush=True)
            if c.committed:
                print(f"close: {c.as_of}: {_again(c)}", file=sys.stderr)
            if c.rejected:
                print(f"close: warning: {c.as_of}: {c.rejected} loans could not be replayed: {_named(c.as_of)}", file=sys.stderr)
        for sentence in missing_fixings(last):
            print(f"close: warning: {sentence}", file=sys.stderr)
    except Refused as error:
        print(f"close: {error}", file=sys.stderr)
        return 2
    finally:
        if args.json and said:
            print(json.dumps(said[-1] if len(said) == 1 else said[-1] | {"days": said}))
    _warn_of_gap(first)
    return 0


def _did(c: Any) -> str:
    """What the steps of a day did, as the end of its line."""
    return "".join(f", {n} {name.replace('_', ' ')}" for name, n in c.counts.items())


def _again(c: Any) -> str:
    """What is said of a day whose lost tape was made again."""
    if c.digest == c.committed:
        return "its tape was lost and is made again, with the same digest"
    return (
        f"warning: its tape was lost and is made again, but the digest was {c.committed[:12]}: names, branches, managers, "
        "limits or parties have changed since that day (they carry no recorded time)"
    )


def _said(c: Any) -> dict[str, Any]:
    """DESIGN §7's object of one day."""
    out = {"as_of": c.as_of.isoformat(), "loans": c.loans, "events": c.events, "seconds": round(c.seconds, 3)}
    return out | {"tape": c.tape, "digest": c.digest, "rejected": c.rejected, "counts": dict(c.counts)}


def _named(as_of: date) -> str:
    from tideover.daily.models import CloseRun

    run = CloseRun.objects.get(as_of=as_of)
    return ", ".join(run.rejected[:10]) + (" …" if run.rejected_count > 10 else "")


def _warn_of_gap(first: date) -> None:
    """Say that days before the first one closed are open, so that their changes are stated nowhere."""
    from tideover.daily.models import runs_closed

    last = runs_closed().filter(as_of__lt=first).last()
    if last is not None and last.as_of < first - timedelta(days=1):
        gap = f"{last.as_of + timedelta(days=1)} to {first - timedelta(days=1)}"
        print(f"close: warning: {gap} are not closed, so {first} states no transitions; use --through next time", file=sys.stderr)


def run_query(args: argparse.Namespace) -> int:
    """Handle `tape query`."""
    import django

    django.setup()
    from tideover.core.problems import Refused
    from tideover.daily.reading import pruned_days, pruned_says, query
    from tideover.tape.store import QueryRefused

    try:
        found = query(args.sql)
    except (QueryRefused, Refused) as error:
        print(f"tape query: {error}", file=sys.stderr)
        return 2
    for run in pruned_days(args.sql):
        print(f"tape query: warning: {pruned_says(run)}", file=sys.stderr)
    if args.json:
        print(json.dumps({"columns": found.column_names, "rows": [list(r.values()) for r in found.to_pylist()]}, default=str))
        return 0
    _lines(found.column_names, (row.values() for row in found.to_pylist()))
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Handle `tape show`."""
    import django

    django.setup()
    from tideover.core.problems import Refused
    from tideover.daily.reading import loan_days

    try:
        found = loan_days(args.loan, args.as_of)
    except Refused as error:
        print(f"tape show: {error}", file=sys.stderr)
        return 2
    if not found["days"]:
        on = f" on {args.as_of}" if args.as_of else ""
        print(f"tape show: no closed day has a loan {args.loan}{on}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps({"loan": args.loan, **found}, default=str))
        return 0
    for name, value in found["days"][-1].items():
        print(f"{name}\t{'' if value is None else value}")
    print()
    _lines(("day", "kind", "from", "to"), (tuple(m.values()) for m in found["transitions"]))
    return 0


def run_prune(args: argparse.Namespace) -> int:
    """Handle `tape prune`."""
    import django

    django.setup()
    from tideover.core.business_time import business_date
    from tideover.daily.retention import prunable, prune

    if args.months is not None and args.months < 0:
        print("tape prune: --months cannot be negative", file=sys.stderr)
        return 2
    today = business_date()
    found = [r.as_of for r in prunable(today, args.months)]
    if not args.dry_run:
        found = prune(today, actor="command", months=args.months)
    days = [d.isoformat() for d in found]
    if args.json:
        print(json.dumps({"dry_run": args.dry_run, "days": days}))
        return 0
    print("\n".join([*days, f"{len(days)} days {'would be' if args.dry_run else ''} pruned".replace("  ", " ")]))
    return 0


def run_columns(args: argparse.Namespace) -> int:
    """Handle `tape columns`."""
    from tideover.tape.schema import SCHEMA_VERSION, TABLES

    if args.json:
        items = [
            {"table": t, "name": c.name, "type": str(c.type), "unit": c.unit, "meaning": c.meaning, "since": c.since}
            for t, columns in TABLES.items()
            for c in columns
        ]
        print(json.dumps({"schema_version": SCHEMA_VERSION, "columns": items}))
        return 0
    for table, columns in TABLES.items():
        for c in columns:
            print(f"{table}.{c.name}\t{c.type}\t{c.unit}\t{c.meaning}")
    return 0


def _lines(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Rows on the screen, cells apart by tabs."""
    print("\t".join(names))
    for row in rows:
        print("\t".join("" if v is None else str(v) for v in row))
