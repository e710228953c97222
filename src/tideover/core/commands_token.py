"""`tideover token create | revoke | list`: bearer tokens for the REST."""

from __future__ import annotations

import argparse
import getpass
import json
import sys

DAYS_DEFAULT = 90


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `token`."""
    p = commands.add_parser(
        "token",
        help="create, revoke and list tokens for the REST",
        description="A token lets a program call the REST with the role and the scope of one account. Its text is shown once; "
        "only its SHA-256 is stored. Example: tideover token create payments nightly-file --days 30",
    )
    acts = p.add_subparsers(dest="act", metavar="ACT", required=True)
    create = acts.add_parser("create", help="make a token and print it")
    create.add_argument("username", help="account whose role and scope the token has")
    create.add_argument("name", help="what it is for: one word, unique among the account's live tokens")
    create.add_argument("--days", type=int, default=DAYS_DEFAULT, help="days until it expires (default %(default)s, at most 366)")
    revoke = acts.add_parser("revoke", help="make a token useless from this instant on")
    revoke.add_argument("username")
    revoke.add_argument("name")
    shown = acts.add_parser("list", help="every token: account, name, until when, last used")
    for act in (create, revoke, shown):
        act.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Handle `token`."""
    import django

    django.setup()
    from tideover.core.problems import Refused

    try:
        return {"create": _create, "revoke": _revoke, "list": _list}[args.act](args)
    except Refused as error:
        for problem in error.problems:
            print(f"token: {problem.message}", file=sys.stderr)
        return 2


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


def _create(args: argparse.Namespace) -> int:
    from tideover.core.tokens import token_create

    token, text = token_create(args.username, args.name, days=args.days, actor=_actor())
    until = token.expires_at.isoformat() if token.expires_at else None
    if args.json:
        print(json.dumps({"username": args.username, "name": args.name, "token": text, "expires_at": until}))
    else:
        print(text)
        print(
            f"Shown once. It holds until {until}; revoke it with: tideover token revoke {args.username} {args.name}",
            file=sys.stderr,
        )
    return 0


def _revoke(args: argparse.Namespace) -> int:
    from tideover.core.tokens import token_revoke

    count = token_revoke(args.username, args.name, actor=_actor())
    if args.json:
        print(json.dumps({"revoked": count}))
    elif count:
        print(f"revoked {args.name} of {args.username}")
    if not count:
        print(f"token: {args.username} has no live token {args.name}", file=sys.stderr)
    return 0 if count else 2


def _list(args: argparse.Namespace) -> int:
    from tideover.core.models import ApiToken

    def iso(at: object) -> str | None:
        return None if at is None else at.isoformat(timespec="seconds")  # type: ignore[attr-defined]

    rows = [
        {
            "username": t.user.username,
            "role": t.user.role,
            "name": t.name,
            "created_at": iso(t.created_at),
            "expires_at": iso(t.expires_at),
            "revoked_at": iso(t.revoked_at),
            "last_used_at": iso(t.last_used_at),
        }
        for t in ApiToken.objects.select_related("user").order_by("user__username", "name", "pk")
    ]
    if args.json:
        print(json.dumps({"tokens": rows}))
        return 0
    for r in rows:
        state = f"revoked {r['revoked_at']}" if r["revoked_at"] else f"until {r['expires_at'] or 'revoked'}"
        print(f"{r['username']} ({r['role']})  {r['name']}  {state}  last used {r['last_used_at'] or 'never'}")
    if not rows:
        print("no tokens")
    return 0
