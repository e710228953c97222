"""`tideover outbox` and `tideover import calls`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

BATCH = 100
PAUSE_S = 2.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register both; `import` is there already (lending) and gets one more kind of file."""
    p = commands.add_parser(
        "outbox",
        help="send the messages that wait: work, status, seed",
        description="The outbox: messages wait in the database and are sent by workers; any number may run at once.",
    )
    what = p.add_subparsers(dest="outbox_command", metavar="WHAT", required=True)
    work = what.add_parser(
        "work",
        help="the worker",
        description="Claim, send, ask and settle until stopped. It may be killed at any instant: nothing is sent twice. "
        "`tideover serve` and `tideover demo` run one.",
    )
    work.add_argument("--once", action="store_true", help="stop when nothing is due")
    work.add_argument("--batch", type=int, default=BATCH, help="messages claimed at a time (default 100)")
    work.add_argument("--parent", type=int, default=0, metavar="PID", help="stop when this process is gone")
    work.add_argument("--json", action="store_true", help="with --once: print one JSON object and nothing else")
    work.set_defaults(func=run_work)
    status = what.add_parser("status", help="how many messages stand where", description="Messages by state, and what is stuck.")
    status.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    status.set_defaults(func=run_status)
    seed = what.add_parser(
        "seed",
        help="the package's templates",
        description="Put the package's templates in force where the book has none.",
    )
    seed.set_defaults(func=run_seed)
    _add_calls(commands)


def _add_calls(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    kinds = next(a for a in commands.choices["import"]._actions if isinstance(a, argparse._SubParsersAction))
    calls = kinds.add_parser(
        "calls",
        help="call records of the telephone system",
        description="Take in call records: call_id, number, direction, started_at, seconds, talked, recording_sha256, "
        "retention_until. Rows that cannot be are refused, the rest is stored; a call that is there already is passed over.",
    )
    calls.add_argument("file", type=Path, metavar="FILE", help="CSV (UTF-8 or GB18030) with these column names")
    calls.add_argument("--rejects", type=Path, metavar="CSV", help="write refused rows here: row, column, value, reason")
    calls.add_argument("--actor", default="import", metavar="NAME", help="who does this, for the action log")
    calls.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    calls.set_defaults(func=run_calls)


def run_work(args: argparse.Namespace) -> int:
    """Handle `outbox work`. SIGTERM ends it after the message in hand."""
    if not 1 <= args.batch <= 10_000:
        print("outbox work: --batch must lie between 1 and 10000", file=sys.stderr)
        return 2
    import django

    django.setup()
    from tideover.contact.outbox.worker import run

    total = run(batch=args.batch, once=args.once, parent=args.parent, pause_s=PAUSE_S, stopped=_stop_flag())
    if args.once:
        said = {name: getattr(total, name) for name in total.__dataclass_fields__}
        print(json.dumps(said) if args.json else ", ".join(f"{n} {name}" for name, n in said.items() if n) or "nothing is due")
    return 0


def _stop_flag() -> Any:
    """A function that says whether SIGTERM or SIGINT came."""
    seen: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: seen.append(got))
    return lambda: bool(seen)


def run_status(args: argparse.Namespace) -> int:
    """Handle `outbox status`: 1 when something is stuck."""
    import django

    django.setup()
    from datetime import timedelta

    from tideover.contact.models import Message, MessageTemplate
    from tideover.contact.selectors_messages import state_counts, stuck
    from tideover.core.business_time import now

    at = now()
    states, wrong = state_counts(Message.objects.all()), stuck(at, timedelta(minutes=10))
    due = Message.objects.filter(next_at__lte=at).count()
    said = {"states": states, "due": due, "templates": MessageTemplate.objects.filter(state="published").count(), "stuck": wrong}
    if args.json:
        print(json.dumps(said))
    else:
        for name, n in states.items():
            print(f"{name:<10} {n:>8,}")
        print(f"{'due now':<10} {due:>8,}")
        for name, n in wrong.items():
            if n:
                print(f"stuck: {name}: {n:,}", file=sys.stderr)
    return 1 if any(wrong.values()) else 0


def run_seed(args: argparse.Namespace) -> int:
    """Handle `outbox seed`."""
    import django

    django.setup()
    from tideover.contact.message_templates import templates_seed
    from tideover.core.business_time import business_date

    print(f"{templates_seed(business_date(), actor=os.environ.get('USER', 'outbox-seed'))} templates put in force")
    return 0


def run_calls(args: argparse.Namespace) -> int:
    """Handle `import calls`: 1 when rows were refused, 2 when the file cannot be used."""
    started = time.perf_counter()
    try:
        data = args.file.read_bytes()
    except OSError as error:
        print(f"import: {error}", file=sys.stderr)
        return 2
    import django

    django.setup()
    from tideover.contact.call_records import BadFile, calls_import, rejects_write
    from tideover.core.problems import Refused

    try:
        result = calls_import(data, file_name=args.file.name, actor=args.actor)
        if args.rejects is not None:
            rejects_write(args.rejects, result)
    except (BadFile, Refused, OSError) as error:
        print(f"import: {error}", file=sys.stderr)
        return 2
    said = {
        "kind": "calls", "rows": result.rows, "stored": result.stored, "already": result.already, "settled": result.settled,
        "unmatched": result.unmatched, "rejected": len({r.row for r in result.rejects}),
        "seconds": round(time.perf_counter() - started, 3),
    }  # fmt: skip
    print(json.dumps(said) if args.json else ", ".join(f"{n} {name}" for name, n in said.items() if name != "kind"))
    for r in result.rejects[:10] if not args.json else ():
        print(f"  row {r.row}, {r.column}: {r.value!r}: {r.reason}", file=sys.stderr)
    return 1 if result.rejects else 0
