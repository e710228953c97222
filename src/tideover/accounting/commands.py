"""`tideover books`: post days, trial balance, close a period, export, charts of accounts."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `books`."""
    p = commands.add_parser("books", help="double entry: post, trial balance, close a period, export", description="The books.")
    what = p.add_subparsers(dest="books_command", metavar="WHAT", required=True)
    post = what.add_parser(
        "post",
        help="post every day after the last posted one",
        description="Post the difference between what the journal says now and what has been posted, for every day up to "
        "--through; news of earlier days becomes adjusting entries. Killed and run again it goes on; run again it posts nothing. "
        "The close of a day does the same. Exit codes: 0 done, 1 loans could not be valued, 2 refused.",
        epilog="Examples: tideover books post · tideover books post --from 2024-11-25 --through 2026-11-24",
    )
    post.add_argument("--through", type=date.fromisoformat, metavar="DATE", help="the last day to post (default: today)")
    post.add_argument("--from", type=date.fromisoformat, dest="first", metavar="DATE", help="the first day of books that begin")
    balance = what.add_parser(
        "trial-balance", help="balances of an entity on a day", description="Opening, turnover and balance of every account."
    )
    balance.add_argument("--on", type=date.fromisoformat, metavar="DATE", help="the day (default: the last posted one)")
    close = what.add_parser(
        "close-period",
        help="close a month: asked by finance, decided by a second person",
        description="Without --decide: ask to close PERIOD. With --decide REFERENCE: grant (or --refuse) what another person "
        "asked. A closed period takes no entry any more. Exit codes: 0 done, 2 refused.",
        epilog="Examples: tideover books close-period 2026-10 --entity BANK --as finance --reason 'month end' · "
        "tideover books close-period --decide A-7K2M --as risk --reason 'looked at'",
    )
    close.add_argument("period", nargs="?", metavar="PERIOD", help="the month, like 2026-10")
    close.add_argument("--decide", metavar="REFERENCE", help="decide a request instead of asking")
    close.add_argument("--refuse", action="store_true", help="with --decide: refuse it")
    close.add_argument("--as", dest="who", required=True, metavar="USER", help="whose act it is")
    close.add_argument("--reason", required=True, metavar="TEXT", help="why; the other person reads it")
    export = what.add_parser(
        "export",
        help="beancount or CSV of a span",
        description="beancount: a whole ledger that bean-check can judge, with every balance asserted. csv: voucher lines for an "
        "ERP. Exit codes: 0 done, 2 refused.",
        epilog="Example: tideover books export --format beancount --entity BANK --from 2026-10-01 --to 2026-10-31 --out oct.bean",
    )
    export.add_argument("--format", choices=("beancount", "csv"), required=True)
    export.add_argument("--from", type=date.fromisoformat, dest="first", required=True, metavar="DATE")
    export.add_argument("--to", type=date.fromisoformat, dest="last", required=True, metavar="DATE")
    export.add_argument("--out", type=Path, metavar="FILE", help="where to write (default: standard output)")
    chart = what.add_parser("chart", help="check or load a lender's own chart of accounts", description="See docs/accounting.md.")
    chart.add_argument("act", choices=("check", "load"), help="check: say what is wrong; load: store it for --entity")
    chart.add_argument("file", type=Path, metavar="FILE")
    for q in (balance, close, export, chart):
        q.add_argument("--entity", metavar="CODE", help="the legal entity (default: the only one)")
    for name, q in (("post", post), ("balance", balance), ("close", close), ("export", export), ("chart", chart)):
        q.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        q.set_defaults(func=run, act_of=name)


def run(args: argparse.Namespace) -> int:
    """Handle `books`."""
    import django

    django.setup()
    from tideover.core.problems import Refused

    try:
        return int(ACTS[args.act_of](args))
    except Refused as error:
        for problem in error.problems:
            print(f"books: {problem.message}", file=sys.stderr)
        return 2


def _say(args: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    print(json.dumps(data, ensure_ascii=False, default=str) if args.json else text)


def _entity(args: argparse.Namespace) -> Any:
    from tideover.core.problems import refuse
    from tideover.lending.models import LegalEntity

    found = LegalEntity.objects.filter(code=args.entity) if args.entity else LegalEntity.objects.all()
    rows = list(found.order_by("code")[:2])
    if len(rows) != 1:
        codes = ", ".join(LegalEntity.objects.order_by("code").values_list("code", flat=True))
        raise refuse("which_entity", f"say which entity with --entity: {codes or 'there is none'}", "entity")
    return rows[0]


def _post(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from tqdm import tqdm

    from tideover.accounting.posting import books_post
    from tideover.core.business_time import business_date
    from tideover.core.problems import refuse
    from tideover.lending.clock import cut_off_take

    today = business_date()
    through = args.through or today
    if through > today:
        raise refuse("day_not_come", f"{through} has not come yet; today is {today}", "through")
    with tqdm(desc="post", unit="loan", disable=args.json or not sys.stderr.isatty(), file=sys.stderr) as bar:
        found = books_post(through, cut_off=cut_off_take(), first=args.first, said=bar.update)
    if found is None:
        _say(args, {"posted": False, "through": through}, f"nothing to post through {through}")
        return 0
    span = f"{found.first_day} to {found.last_day}" if found.first_day <= found.last_day else f"news through {found.last_day}"
    said = f"{span}: {found.loans} loans, {found.entries} entries in {found.seconds:.1f} s"
    _say(
        args, {"posted": True, **asdict(found)}, said + (f"; {found.skipped} loans could not be valued" if found.skipped else "")
    )
    return 1 if found.skipped else 0


def _balance(args: argparse.Namespace) -> int:
    from tideover.accounting.selectors import currencies_of, days_posted, decimal_of, trial_balance
    from tideover.core.problems import refuse

    entity, on = _entity(args), args.on or days_posted()[1]
    if on is None:
        raise refuse("not_posted", "no day is posted yet: tideover books post")
    found = [trial_balance(entity, on, c) for c in currencies_of(entity)]
    lines = [
        {
            "account": x.account.code, "name_zh": x.account.name_zh, "name_en": x.account.name_en, "class": x.account.kind,
            "currency": t.currency, "opening": decimal_of(x.opening_minor), "debit": decimal_of(x.debit_minor),
            "credit": decimal_of(x.credit_minor), "balance": decimal_of(x.net_minor),
        }
        for t in found for x in t.lines
    ]  # fmt: skip
    zero = all(t.is_zero for t in found)
    text = "\n".join(f"{x['account']:<12}{x['balance']:>20}  {x['name_zh']}" for x in lines)
    _say(args, {"entity": entity.code, "on": on, "zero": zero, "lines": lines}, f"{entity.code} {on}\n{text}\nzero: {zero}")
    return 0 if zero else 1


def _user(name: str) -> Any:
    from tideover.core.models import User
    from tideover.core.problems import refuse

    found = User.objects.filter(username=name, is_active=True).first()
    if found is None:
        raise refuse("no_such_user", f"there is no user {name}", "as")
    return found


def _close(args: argparse.Namespace) -> int:
    from tideover.accounting.services import period_close_ask
    from tideover.core.approvals import approval_decide, approval_get
    from tideover.core.problems import refuse

    user = _user(args.who)
    if args.decide:
        row = approval_decide(approval_get(user, args.decide), grant=not args.refuse, reason=args.reason, actor=user)
        _say(args, {"approval": row.reference, "state": row.state, "outcome": row.outcome}, f"{row.reference}: {row.state}")
        return 0
    try:
        period = date.fromisoformat(f"{args.period}-01")
    except ValueError as error:
        raise refuse("bad_period", "a period is a month like 2026-10", "period") from error
    row = period_close_ask(_entity(args), period, reason=args.reason, actor=user)
    _say(args, {"approval": row.reference, "state": row.state}, f"asked as {row.reference}; another person must decide")
    return 0


def _export(args: argparse.Namespace) -> int:
    import io
    from dataclasses import asdict

    from tideover.accounting.export import write_beancount, write_csv

    entity, write = _entity(args), {"beancount": write_beancount, "csv": write_csv}[args.format]
    buffer = io.StringIO(newline="")
    found = write(buffer, entity, args.first, args.last)
    if args.out is None:
        if not args.json:
            sys.stdout.write(buffer.getvalue())
            return 0
    else:
        part = args.out.with_name(args.out.name + ".part")
        try:
            encoding = "utf-8-sig" if args.format == "csv" else "utf-8"  # the mark lets spreadsheets read Chinese
            part.write_text(buffer.getvalue(), encoding=encoding, newline="")
            part.replace(args.out)
        except OSError as error:
            print(f"books: {args.out}: {error}", file=sys.stderr)
            return 2
    content = {} if args.out else {"content": buffer.getvalue()}
    _say(
        args, {**asdict(found), "file": args.out, **content}, f"{found.vouchers} vouchers, {found.entries} entries in {args.out}"
    )
    return 0


def _chart(args: argparse.Namespace) -> int:
    from tideover.accounting.charts import chart_load
    from tideover.accounting.rules.chart import ChartError, chart_read

    try:
        text = args.file.read_text(encoding="utf-8")
        chart = chart_read(text, args.file.name)
    except (OSError, UnicodeDecodeError) as error:
        print(f"books: {args.file}: {error}", file=sys.stderr)
        return 2
    except ChartError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 2
    said = {"chart": chart.name, "valid_from": chart.valid_from, "accounts": len(chart.accounts), "entries": len(chart.entries)}
    if args.act == "load":
        chart_load(_entity(args), text, args.file.name, actor="books")
    _say(args, said, f"{chart.name} from {chart.valid_from}: {len(chart.accounts)} accounts, {len(chart.entries)} positions")
    return 0


ACTS = {"post": _post, "balance": _balance, "close": _close, "export": _export, "chart": _chart}
