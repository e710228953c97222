"""`tideover verify` and `tideover documents`: whether a document is genuine; signatures that wait; what is kept too long."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

SAYS = {
    "genuine": "genuine: handed out by us, bit for bit",
    "superseded": "genuine, but a newer one took its place",
    "cancelled": "genuine, but taken back since",
    "altered": "ALTERED: it bears a code of ours, but these are not the bytes that were handed out",
    "unknown": "unknown: no document of ours has this code or these bytes",
}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register both."""
    p = commands.add_parser(
        "verify",
        help="whether a document is genuine, by its file or its code",
        description="Say whether a document is genuine, altered, superseded, cancelled or unknown. A file is compared bit by "
        "bit, and the signature in it is checked; a code (V-0000-0000-000, in any grouping) says what was handed out under it. "
        "Exit code: 0 genuine (and its signature holds), 1 anything else.",
    )
    p.add_argument("what", metavar="FILE|CODE", help="a PDF, or the verification code at its foot")
    p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=run_verify)
    d = commands.add_parser(
        "documents",
        help="settle signatures without an answer; wipe what is kept too long",
        description="settle: ask the certification authority what became of requests without an answer, and close those "
        "whose time is over. The worker and the close do both by themselves. expire: wipe the bytes "
        "and the data of documents whose time is over; number and hash stay, so that they can still be verified.",
    )
    acts = d.add_subparsers(dest="act", metavar="ACT", required=True)
    acts.add_parser("settle", help="inquire about signatures without an answer")
    expire = acts.add_parser("expire", help="wipe documents whose time is over")
    expire.add_argument("--as-of", type=date.fromisoformat, default=None, help="the day (default: today)")
    for act in acts.choices.values():
        act.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    d.set_defaults(func=run_documents)


def run_verify(args: argparse.Namespace) -> int:
    """Handle `verify`."""
    import django

    django.setup()
    from tideover.core.documents import document_verify

    path = Path(args.what)
    if path.is_file():
        said = document_verify(path.read_bytes())
    elif path.suffix.lower() == ".pdf" or path.is_dir():
        print(f"verify: there is no file {args.what}", file=sys.stderr)
        return 2
    else:
        said = document_verify(args.what)
    if args.json:
        print(json.dumps(asdict(said), default=str))
    else:
        print(SAYS[said.state])
        facts = {
            "number": said.number,
            "kind": said.kind,
            "issuer": said.issuer,
            "issued on": said.issued_on,
            "as of": said.as_of,
        }
        facts |= {"since": said.since, "sha256": said.sha256}
        if said.signed is not None:
            held = "holds" if said.signed else f"DOES NOT HOLD: {said.signature_why}"
            facts |= {"signature": f"{held} ({said.signed_by}, {said.signed_at})"}
        print("\n".join(f"  {name:10} {value}" for name, value in facts.items() if value))
    return 0 if said.state == "genuine" and said.signed is not False else 1


def run_documents(args: argparse.Namespace) -> int:
    """Handle `documents`."""
    import django

    django.setup()
    from tideover.core.business_time import business_date, now
    from tideover.core.documents.keep import documents_expire
    from tideover.core.documents.settle import signatures_settle

    actor = f"cli:{getpass.getuser()}"
    counts = (
        signatures_settle(now(), actor=actor)
        if args.act == "settle"
        else {"wiped": documents_expire(args.as_of or business_date(), actor=actor)}
    )
    if args.json:
        print(json.dumps(counts))
    else:
        print(", ".join(f"{n} {state}" for state, n in counts.items()) or "nothing was waiting")
    return 1 if counts.get("unknown") else 0
