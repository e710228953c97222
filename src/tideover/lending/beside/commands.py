"""`tideover beside`: a core's files in, the comparison with replay, breaks, instructions, the policy."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

PAUSE_S = 2.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `beside`."""
    about = "life beside a core bank: its files, breaks, instructions"
    p = commands.add_parser("beside", help=about, description="An entity whose ledger is a core: see docs/beside-a-core.md.")
    what = p.add_subparsers(dest="beside_command", metavar="WHAT", required=True)
    take = what.add_parser(
        "take-in",
        help="take a daily file of the core in",
        description="Balances or movements of one day, by a mapping. One refused row keeps the whole file out; a file that came "
        "before is recognised. Exit codes: 0 taken in (or there already), 1 refused, 2 bad input.",
        epilog="Example: tideover beside take-in bal-0621.csv --mapping balances.yaml --entity BANK --compare",
    )
    take.add_argument("file", type=Path, metavar="FILE")
    take.add_argument("--mapping", type=Path, required=True, metavar="YAML", help="kind: core_balances or core_movements")
    take.add_argument("--dry-run", action="store_true", help="check only")
    take.add_argument("--compare", action="store_true", help="compare balances at once")
    take.add_argument("--rejects", type=Path, metavar="FILE", help="write refused rows there")
    compare = what.add_parser(
        "compare",
        help="compare the newest balances with replay",
        description="Every loan, every component; breaks are opened, renewed and closed. Run again it renews the same breaks. "
        "Exit codes: 0 both agree, 1 breaks are open, 2 refused.",
    )
    compare.add_argument("--day", type=date.fromisoformat, metavar="DATE", help="the day (default: the newest taken in)")
    breaks = what.add_parser("breaks", help="list open breaks", description="Loan, component, since when, amount, cause, mend.")
    breaks.add_argument("--cause", metavar="CAUSE", help="of one cause only")
    instructions = what.add_parser(
        "instructions",
        help="hand instructions over, ask after them, take answers",
        description="One round with the core whose address TIDEOVER_CORES names. Exit codes: 0 done, 1 something had no answer, "
        "2 refused.",
    )
    instructions.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many (default: 100)")
    work = what.add_parser(
        "work",
        help="the worker of instructions",
        description="Rounds with every core that TIDEOVER_CORES names, again and again. `tideover serve` runs one. It may be "
        "killed at any instant: nothing is asked of a core twice.",
    )
    work.add_argument("--once", action="store_true", help="stop when a round moves nothing")
    work.add_argument("--parent", type=int, default=0, metavar="PID", help="stop when this process is gone")
    policy = what.add_parser("policy", help="publish the policy of an entity from a day on", description="docs/beside-a-core.md")
    policy.add_argument("file", type=Path, metavar="YAML")
    policy.add_argument("--from", type=date.fromisoformat, dest="first", required=True, metavar="DATE")
    acts = {"take": take, "compare": compare, "breaks": breaks, "instructions": instructions, "policy": policy, "work": work}
    for name, q in acts.items():
        if q is not work:
            q.add_argument("--entity", metavar="CODE", help="the legal entity (default: the only one beside a core)")
        q.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        q.set_defaults(func=run, act_of=name)


def run(args: argparse.Namespace) -> int:
    """Handle `beside`."""
    import django

    django.setup()
    from tideover.core.problems import Refused
    from tideover.lending.imports.files import BadFile
    from tideover.lending.imports.mapping import BadMapping

    try:
        return int(ACTS[args.act_of](args))
    except Refused as error:
        for problem in error.problems:
            print(f"beside: {problem.message}", file=sys.stderr)
    except (BadFile, BadMapping, OSError) as error:
        print(f"beside: {error}", file=sys.stderr)
    return 2


def _say(args: argparse.Namespace, data: dict[str, Any], lines: Sequence[str]) -> None:
    print(json.dumps(data, ensure_ascii=False, default=str) if args.json else "\n".join(lines))


def _entity(args: argparse.Namespace) -> Any:
    from tideover.core.problems import refuse
    from tideover.lending.models import LegalEntity

    found = LegalEntity.objects.filter(code=args.entity) if args.entity else LegalEntity.objects.filter(book_mode="overlay")
    rows = list(found.order_by("code")[:2])
    if len(rows) != 1:
        raise refuse("which_entity", "say which entity with --entity (one with book_mode overlay)", "entity")
    return rows[0]


def _take(args: argparse.Namespace) -> int:
    from tideover.lending.beside.files import file_take
    from tideover.lending.imports.frame import rejects_write

    taken = file_take(
        _entity(args), args.file, args.mapping.read_text(encoding="utf-8"), actor="command", dry_run=args.dry_run
    )  # fmt: skip
    data = {"state": taken.state, "rows": taken.rows, "rejected": len(taken.rejects), "unknown_loans": taken.unknown}
    lines = [f"{args.file.name}: {taken.state}, {taken.rows} rows"]
    lines += [f"row {r.row} {r.column}: {r.value!r}, {r.reason}" for r in taken.rejects[:10]]
    lines += [f"loans that the book does not have: {', '.join(taken.unknown[:10])}"] if taken.unknown else []
    if args.rejects and taken.rejects:
        rejects_write(args.rejects, taken.rejects, taken.source)
    if args.compare and taken.state == "taken" and taken.file is not None and taken.file.kind == "balances":
        data["compared"], more = _compared(taken.file)
        lines += more
    _say(args, data, lines)
    return 1 if taken.rejects else 0


def _compared(file: Any) -> tuple[dict[str, Any], list[str]]:
    from tideover.lending.beside.compare import file_compare
    from tideover.lending.beside.services import work_renew

    out = file_compare(file, actor="command")
    work_renew()
    data = {"day": file.day, "loans": out.loans, "opened": out.opened, "closed": out.closed, "open": out.open_now}
    line = f"{file.day}: {out.loans} loans compared, {out.opened} breaks opened, {out.closed} closed, {out.open_now} open"
    more = [f"cannot be replayed: {', '.join(out.not_replayed[:10])}"] if out.not_replayed else []
    return data, [line, *more]


def _compare(args: argparse.Namespace) -> int:
    from tideover.core.problems import refuse
    from tideover.lending.models import CoreFile

    rows = CoreFile.objects.filter(entity=_entity(args), kind="balances", state="taken").order_by("-day")
    file = (rows.filter(day=args.day) if args.day else rows).first()
    if file is None:
        raise refuse("no_file", "no balances of that day are taken in", "day")
    data, lines = _compared(file)
    _say(args, data, lines)
    return 1 if data["open"] else 0


def _breaks(args: argparse.Namespace) -> int:
    from tideover.core.business_time import business_date
    from tideover.lending.beside.breaks import as_dict
    from tideover.lending.models import Break

    rows = Break.objects.filter(entity=_entity(args), state="open").order_by("first_on", "number", "component")
    rows = rows.filter(cause=args.cause) if args.cause else rows
    found = [as_dict(b, business_date()) for b in rows]
    lines = [
        f"{b['loan_id']} {b['component']} since {b['first_day']} ({b['age_days']} days): {b['amount_minor']}"
        f"{' days' if b['component'] == 'days_past_due' else ' minor units'}, {b['cause']}, {b['mend']}"
        for b in found
    ]
    _say(args, {"breaks": found}, lines or ["core and replay agree on every loan"])
    return 0


def _instructions(args: argparse.Namespace) -> int:
    from tideover.lending.beside.instructions import instructions_work

    counts = asdict(instructions_work(_entity(args), limit=args.limit))
    _say(args, counts, [", ".join(f"{n} {count}" for n, count in counts.items())])
    return 1 if counts["unanswered"] else 0


def _work(args: argparse.Namespace) -> int:
    from tideover.lending.beside.worker import run

    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _frame: stopped.append(n))
    counts = asdict(run(once=args.once, parent=args.parent, pause_s=PAUSE_S, stopped=lambda: bool(stopped)))
    _say(args, counts, [", ".join(f"{n} {count}" for n, count in counts.items())])
    return 0


def _policy(args: argparse.Namespace) -> int:
    from tideover.lending.beside.policies import policy_publish

    entity = _entity(args)
    row = policy_publish(entity, args.file.read_text(encoding="utf-8"), valid_from=args.first, actor="command")
    _say(args, {"entity": entity.code, "valid_from": row.valid_from}, [f"{entity.code}: in force from {row.valid_from}"])
    return 0


ACTS = {"take": _take, "compare": _compare, "breaks": _breaks, "instructions": _instructions, "policy": _policy, "work": _work}
