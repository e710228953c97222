"""`tideover work sync`: let the queue follow what needs somebody, between two closes."""

from __future__ import annotations

import argparse
import json


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `work`."""
    p = commands.add_parser(
        "work",
        help="bring the queue of work up to now",
        description="Opens an item for everything that needs somebody (holds to review, complaints, files and closes that "
        "stopped half-way) and settles those whose cause is gone; ends approvals that nobody decided in time. The close does "
        "it every evening. Run again it changes nothing.",
    )
    acts = p.add_subparsers(dest="act", metavar="ACT", required=True)
    sync = acts.add_parser("sync", help="open and settle items, end approvals whose time is over")
    sync.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Handle `work`."""
    import django

    django.setup()
    from tideover.core.approvals import approvals_expire
    from tideover.core.business_time import business_date, now
    from tideover.core.work_sources import work_sync

    found, expired = work_sync(business_date()), approvals_expire(now())
    said = {"opened": found.opened, "settled": found.settled, "expired": expired}
    print(json.dumps(said) if args.json else ", ".join(f"{n} {word}" for word, n in said.items()))
    return 0
