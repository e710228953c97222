"""`tideover contact check | export`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

CHANNELS = ("app", "push", "sms", "email", "call", "ai_call", "wecom", "letter", "visit", "mini_program")
PURPOSES = ("collection", "service", "statutory", "reply")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    top = commands.add_parser(
        "contact",
        help="may this person be contacted; the contact log for a regulator",
        description="Ask the compliance gate about a person, or export what it decided and what took place.",
    )
    acts = top.add_subparsers(dest="act", metavar="ACT", required=True)
    check = acts.add_parser(
        "check",
        help="what is allowed with a person, and why not",
        description="What is allowed with a person at an instant, channel by channel. Nothing is stored. Exit code 1 when the "
        "channel asked about is not allowed.",
    )
    check.add_argument("person", help="reference of the person, as P-0001")
    check.add_argument("--channel", choices=CHANNELS, help="one channel (default: all)")
    check.add_argument("--purpose", choices=PURPOSES, default="collection", help="what for (default collection)")
    check.add_argument("--at", type=_instant, help="an instant like 2026-12-05T21:59 (business time zone); default now")
    check.add_argument("--loan", action="append", default=[], help="number of a loan that it is about (again for more)")
    check.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    check.set_defaults(func=run_check)
    export = acts.add_parser(
        "export",
        help="decisions and contacts of some days, for a regulator",
        description="Every decision of the gate in some business days, with rules, sources and the contact that followed. JSON "
        "lines hold the facts too, enough to give each decision again.",
    )
    export.add_argument("--from", dest="first", type=date.fromisoformat, required=True, help="first business day")
    export.add_argument("--to", dest="last", type=date.fromisoformat, required=True, help="last business day")
    export.add_argument("--format", choices=("csv", "jsonl"), default="csv", help="default csv")
    export.add_argument("--out", help="file to write (default: standard output)")
    export.set_defaults(func=run_export)


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not an instant; write it like 2026-12-05T21:59") from None


def run_check(args: argparse.Namespace) -> int:
    """Handle `contact check`."""
    import django

    django.setup()
    from django.utils.timezone import localtime, make_aware
    from django.utils.translation import override

    from tideover.contact.now import allowed_now
    from tideover.contact.rules.model import Channel, Purpose
    from tideover.core.business_time import now
    from tideover.lending.models import Contract, Party

    party = Party.objects.select_related("branch__entity").filter(reference=args.person).first()
    if party is None:
        print(f"contact: there is nobody {args.person}", file=sys.stderr)
        return 2
    loans = list(Contract.objects.filter(number__in=args.loan, borrower=party).select_related("entity").order_by("pk"))
    missing = sorted(set(args.loan) - {c.number for c in loans})
    if missing:
        print(f"contact: {args.person} has no loan {missing[0]}", file=sys.stderr)
        return 2
    at = args.at if args.at is None or args.at.tzinfo else make_aware(args.at)
    channels = [Channel[args.channel.upper()]] if args.channel else list(Channel)
    with override("en"):
        found = allowed_now(party, loans, at=at or now(), purpose=Purpose[args.purpose.upper()], channels=channels)
    if args.json:
        print(json.dumps(asdict(found), default=lambda d: d.isoformat(), ensure_ascii=False))
    else:
        print(f"{args.person} at {localtime(found.at):%Y-%m-%d %H:%M:%S}; their clock: {found.zone}")
        for c in found.channels:
            opens = (
                "" if c.allowed else f", opens {localtime(c.next_at):%Y-%m-%d %H:%M:%S}" if c.next_at else ", not by time alone"
            )
            print(f"  {c.channel:<8} {'allowed' if c.allowed else 'not allowed'}{opens}")
            for w in c.whys:
                print(f"           {w.rule}: {w.says}{f' ({w.cited})' if w.cited else ''}")
    return 1 if args.channel and not found.channels[0].allowed else 0


def run_export(args: argparse.Namespace) -> int:
    """Handle `contact export`."""
    if args.last < args.first:
        print("contact: --to lies before --from", file=sys.stderr)
        return 2
    import django

    django.setup()
    from django.db.models import QuerySet

    from tideover.contact.log import FORMATS, export_rows
    from tideover.contact.models import VerdictRow
    from tideover.core.action_log import log
    from tideover.core.business_time import start_of_day

    following = date.fromordinal(args.last.toordinal() + 1)
    rows: QuerySet[Any] = VerdictRow.objects.filter(at__gte=start_of_day(args.first), at__lt=start_of_day(following))
    lines = FORMATS[args.format][0](export_rows(rows.select_related("party")))
    said = {"format": args.format, "from": str(args.first), "to": str(args.last)}
    log("command", "contact.export", "", "", said)
    if not args.out:
        sys.stdout.writelines(lines)
        return 0
    part = Path(f"{args.out}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
    part.replace(args.out)
    print(f"{rows.count()} decisions in {args.out}")
    return 0
