"""`tideover debits`: plan, send, take-in, inquire, status and work."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

PAUSE_S = 2.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    p = commands.add_parser(
        "debits",
        help="money taken from borrowers' accounts: plan, send, take-in, inquire, status, work",
        description="Debits 代扣 under the borrowers' mandates. Any step may be run twice or killed: nothing is taken twice.",
    )
    what = p.add_subparsers(dest="debits_command", metavar="WHAT", required=True)
    plan = what.add_parser("plan", help="draft what is to be taken now", description="Draft batches for what is due and allowed.")
    plan.add_argument("--entity", default="", metavar="CODE", help="one legal entity (default: all whose ledger is here)")
    plan.add_argument("--dry-run", action="store_true", help="say what would be drafted, loan by loan, and write nothing")
    plan.set_defaults(func=run_plan)
    send = what.add_parser("send", help="hand drafted batches to the bank", description="Write or post every batch that waits.")
    send.set_defaults(func=run_send)
    take = what.add_parser(
        "take-in", help="take in result files", description="Apply result files: those named, or all in the folder `in`."
    )
    take.add_argument("files", nargs="*", type=Path, metavar="FILE")
    take.set_defaults(func=run_take)
    ask = what.add_parser("inquire", help="ask the bank about open debits", description="Ask about what has no result in time.")
    ask.set_defaults(func=run_inquire)
    status = what.add_parser("status", help="debits by state, and what is stuck", description="Debits by state; 1 when stuck.")
    status.set_defaults(func=run_status)
    work = what.add_parser("work", help="the worker", description="All of it, again and again. `tideover serve` runs one.")
    work.add_argument("--once", action="store_true", help="stop when a round finds nothing")
    work.add_argument("--parent", type=int, default=0, metavar="PID", help="stop when this process is gone")
    work.set_defaults(func=run_work)
    for one in (plan, send, take, ask, status, work):
        one.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _setup() -> Any:
    import django

    django.setup()
    from tideover.core.business_time import now

    return now()


def _say(args: argparse.Namespace, said: dict[str, Any], text: str) -> None:
    print(json.dumps(said, default=str, ensure_ascii=False) if args.json else text)


def run_plan(args: argparse.Namespace) -> int:
    """Handle `debits plan`."""
    at = _setup()
    from tideover.lending.debits.planning import debits_plan, decide
    from tideover.lending.models import LegalEntity
    from tideover.lending.models.organisation import BookMode
    from tideover.lending.rules.debits import Planned

    entities = LegalEntity.objects.filter(book_mode=BookMode.RECORD, **({"code": args.entity} if args.entity else {}))
    if not entities:
        print(f"debits plan: no entity {args.entity or 'whose ledger is here'}", file=sys.stderr)
        return 2
    if args.dry_run:
        found = [(c.number, p) for e in entities for c, p in decide(e, at)]
        lines = [
            {"loan": n, "amount_minor": p.amount_minor} if isinstance(p, Planned) else {"loan": n, "why_not": p.reason}
            for n, p in found
        ]
        text = "\n".join(f"{x['loan']}  {x.get('why_not') or x['amount_minor']}" for x in lines)
        _say(args, {"loans": lines}, text or "no loan with a mandate has anything due")
        return 0
    batches, why_not = [], dict[str, int]()
    for entity in entities:
        made, reasons = debits_plan(entity, actor=os.environ.get("USER", "debits-plan"), at=at)
        batches += made
        for reason, n in reasons.items():
            why_not[reason] = why_not.get(reason, 0) + n
    said = {"batches": [b.number for b in batches], "debits": sum(b.count for b in batches), "not_debited": why_not}
    _say(args, said, f"{said['debits']} debits in {len(batches)} batches; not debited: {why_not or 'none'}")
    return 0


def run_send(args: argparse.Namespace) -> int:
    """Handle `debits send`."""
    at = _setup()
    from tideover.lending.debits.sending import batches_send

    count = 0
    while sent := batches_send(at):
        count += sent
    _say(args, {"batches": count}, f"{count} batches sent")
    return 0


def run_take(args: argparse.Namespace) -> int:
    """Handle `debits take-in`: 1 when a file was refused, 2 when one cannot be read."""
    at = _setup()
    from tideover.lending.debits.answers import file_take
    from tideover.lending.debits.worker import files_take

    try:
        found = [file_take(p, at=at, actor="take-in") for p in args.files] if args.files else files_take(at, "take-in")
    except OSError as error:
        print(f"debits take-in: {error}", file=sys.stderr)
        return 2
    said = [{"file": f.name, "state": f.state, "lines": f.lines, "problem": f.problem} for f in found]
    text = "\n".join(f"{f.name}: {f.state}, {f.lines} answers{': ' + f.problem if f.problem else ''}" for f in found)
    _say(args, {"files": said}, text or "no result file waits")
    return int(any(f.state == "refused" for f in found))


def run_inquire(args: argparse.Namespace) -> int:
    """Handle `debits inquire`."""
    at = _setup()
    from tideover.lending.debits import bank
    from tideover.lending.debits.worker import debits_inquire

    asked = debits_inquire(at)
    _say(args, {"asked": asked, "bank": bank.is_set_up()}, f"{asked} asked" if bank.is_set_up() else "TIDEOVER_BANK is not set")
    return 0


def run_status(args: argparse.Namespace) -> int:
    """Handle `debits status`: 1 when debits are of unknown result or a batch is stuck."""
    at = _setup()
    from django.db.models import Count, Sum

    from tideover.lending.models import Debit, DebitBatch, DebitFile

    rows = Debit.objects.order_by().values("state").annotate(n=Count("pk"), total=Sum("amount_minor"))
    states = {r["state"]: {"count": r["n"], "amount_minor": r["total"]} for r in rows}
    stuck = DebitBatch.objects.filter(state__in=("drafted", "ready", "handing"), cut_off_at__lt=at).count()
    refused = DebitFile.objects.filter(state="refused").count()
    said = {"states": states, "batches_stuck": stuck, "files_refused": refused}
    lines = [f"{name:<10} {r['count']:>8,} {r['amount_minor'] / 100:>16,.2f}" for name, r in states.items()]
    _say(args, said, "\n".join([*lines, f"batches stuck {stuck}, result files refused {refused}"]))
    return int(bool(stuck or "unknown" in states))


def run_work(args: argparse.Namespace) -> int:
    """Handle `debits work`. SIGTERM ends it after the round in hand."""
    _setup()
    from tideover.lending.debits.worker import run

    seen: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: seen.append(got))
    total = run(once=args.once, parent=args.parent, pause_s=PAUSE_S, stopped=lambda: bool(seen))
    if args.once:
        said = {name: getattr(total, name) for name in total.__dataclass_fields__}
        _say(args, said, ", ".join(f"{n} {name}" for name, n in said.items() if n) or "nothing is due")
    return 0
