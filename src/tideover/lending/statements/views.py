"""Pages of bank statements: files, their lines and what each became, taking in a file, accounts day by day."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.models import Approval
from tideover.core.problems import NotFound, Refused
from tideover.lending.models import BankAccount, BankLine, StatementFile
from tideover.lending.scope import entities_visible
from tideover.lending.statements import selectors as s
from tideover.lending.statements.approvals import line_become_ask
from tideover.lending.statements.correct import CREDIT_KINDS, DEBIT_KINDS, doubt_answer, line_settle
from tideover.lending.statements.rules.line import BadStatement
from tideover.lending.statements.services import file_settle, statement_import
from tideover.lending.statements.views_suspense import user_of
from tideover.lending.statements.words import REFUSALS, STATES, kind_named, masked, masked_account, reason_words

PAGE = 50
UPLOAD_MAX = 20 << 20
DAYS = 31


def number_of(text: str) -> int:
    """A place in a list from an address; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0


def file_shown(f: StatementFile) -> dict[str, Any]:
    """A file as a list shows it."""
    return {"f": f, "state": _(STATES[f.state]), "why": _(REFUSALS.get(f.code, f.problem)) if f.state == "refused" else ""}


@require("statements")
def statements(request: HttpRequest) -> HttpResponse:
    """Files and calls, the newest first; `show=work`: those that somebody must look at."""
    user, today = user_of(request), business_date()
    work = request.GET.get("show") == "work"
    rows = s.files_to_work(user, today) if work else s.files_visible(user, today)
    if not work and request.GET.get("show") != "calls":
        rows = rows.exclude(kind="webhook")
    elif not work:
        rows = rows.filter(kind="webhook")
    start = number_of(request.GET.get("after", ""))
    page = list(rows.defer("content", "rejects").select_related("entity")[start : start + PAGE + 1])
    context = {
        "rows": [file_shown(f) for f in page[:PAGE]],
        "show": "work" if work else request.GET.get("show", ""),
        "next": start + PAGE if len(page) > PAGE else None,
        "may": can(user, "statement-upload"),
        "to_work": s.files_to_work(user, today).count(),
        "open_lines": s.lines_to_work(user, today).count(),
    }
    return render(request, "lending/statements/statements.html", context)


def _file(request: HttpRequest, reference: str) -> StatementFile:
    try:
        return s.file_get(user_of(request), reference, business_date())
    except NotFound as error:
        raise Http404(reference) from error


@require("statement")
def statement(request: HttpRequest, reference: str) -> HttpResponse:
    """One file: balances, lines and what each became, rows that were not read. POST: nothing more is needed."""
    user, file = user_of(request), _file(request, reference)
    problem = ""
    if request.method == "POST":
        if not can(user, "statement-settle"):
            raise PermissionDenied("statement-settle")
        try:
            file_settle(file, reason=request.POST.get("reason", ""), actor=user.username)
            return redirect("statement", file.reference)
        except Refused as error:
            problem = str(error)
    log(user.username, "statement.read", "statement", file.reference)
    start = number_of(request.GET.get("after", ""))
    rows = list(s.lines_of_file(file)[start : start + PAGE + 1])
    context = {
        **file_shown(file),
        "lines": lines_shown(rows[:PAGE]),
        "next": start + PAGE if len(rows) > PAGE else None,
        "balances": list(file.balances.select_related("account")),
        "rejects": json.loads(file.rejects or "[]")[:PAGE],
        "open": file.state in ("refused", "partly") and file.seen_at is None,
        "may": can(user, "statement-settle"),
        "problem": problem,
    }
    return render(request, "lending/statements/statement.html", context, status=422 if problem else 200)


def lines_shown(rows: list[BankLine]) -> list[dict[str, Any]]:
    """Lines with what each is now and why."""
    matches = s.matches_of(rows)
    return [line_shown(x, matches.get(x.pk)) for x in rows]


def line_shown(x: BankLine, match: Any, *, full: bool = False) -> dict[str, Any]:
    """One line as a page shows it; full: with the name and account of the other side."""
    kind = kind_named(match.became) if match else _("being worked on")
    name, account = str(x.name), str(x.counter_account)
    return {
        "x": x, "m": match, "kind": kind, "why": reason_words(match.reasons) if match else "",
        "name": name if full else masked(name), "other": account if full else masked_account(account),
    }  # fmt: skip


@require("statement-rejects")
def statement_rejects(request: HttpRequest, reference: str) -> HttpResponse:
    """The rows that could not be read, as CSV: place, reason, the row itself. Logged."""
    user, file = user_of(request), _file(request, reference)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("place", "reason", "row"))
    for r in json.loads(file.rejects or "[]"):
        raw = r["raw"]
        writer.writerow((r["place"], r["reason"], f"'{raw}" if raw[:1] in "=+-@" else raw))
    log(user.username, "statement.rejects", "statement", file.reference)
    response = HttpResponse("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{file.reference}-rejects.csv"'
    return response


@require("statement-upload")
def statement_upload(request: HttpRequest) -> HttpResponse:
    """Take in a file: the format is found by its bytes; a table may need the account, or a mapping."""
    user, today = user_of(request), business_date()
    accounts = list(s.accounts_visible(user, today).filter(closed_on=None).order_by("number"))
    problems: list[tuple[str, str]] = []
    detail = ""
    if request.method == "POST":
        upload, account = request.FILES.get("file"), request.POST.get("account", "")
        if upload is None:
            problems = [("file", _("Choose a file."))]
        elif upload.size > UPLOAD_MAX:
            problems = [("file", _("The file is too large."))]
        elif account and account not in {a.number for a in accounts}:
            problems = [("account", _("Choose an account from the list."))]
        else:
            try:
                entities = list(entities_visible(user, today).values_list("pk", flat=True))
                mapping = request.POST.get("mapping", "")[:20_000]
                file = statement_import(
                    upload.read(), upload.name or "", actor=user.username, mapping=mapping, account=account, entity_ids=entities
                )
                messages.success(request, _("%(new)s new lines, %(known)s here already.") % {
                    "new": file.new_count, "known": file.known_count,
                })  # fmt: skip
                return redirect("statement", file.reference)
            except BadStatement as error:
                field = {"no_account": "account", "bad_mapping": "mapping", "no_header": "mapping"}.get(error.code, "file")
                problems, detail = [(field, _(REFUSALS.get(error.code, error.message)))], str(error)
    context = {
        "accounts": accounts, "problems": problems, "detail": detail, "account": request.POST.get("account", ""),
        "mapping": request.POST.get("mapping", ""),
    }  # fmt: skip
    return render(request, "lending/statements/upload.html", context, status=422 if problems else 200)


@require("bank-lines")
def bank_lines(request: HttpRequest) -> HttpResponse:
    """Lines that somebody must look at, the oldest first."""
    user = user_of(request)
    rows = list(s.lines_to_work(user, business_date())[:PAGE])
    log(user.username, "bank_line.list", "bank_line", "", {"found": len(rows)})
    return render(request, "lending/statements/lines.html", {"lines": lines_shown(rows), "size": PAGE})


@require("bank-line")
def bank_line(request: HttpRequest, reference: str) -> HttpResponse:
    """One line: what it says, what it is and was, in which files it stands.

    POST: correct it, answer a doubt, settle it, or see the other side in full, which is logged.
    """
    user = user_of(request)
    try:
        line = s.line_get(user, reference, business_date())
    except NotFound as error:
        raise Http404(reference) from error
    problem = ""
    reveal = request.method == "POST" and request.POST.get("act") == "reveal"
    if request.method == "POST" and not can(user, "bank-line-act"):
        raise PermissionDenied("bank-line-act")
    if request.method == "POST" and not reveal:
        try:
            return _line_act(request, line)
        except Refused as error:
            problem = str(error)
    log(user.username, "person.reveal" if reveal else "bank_line.read", "bank_line", line.reference)
    history = list(line.matches.select_related("receipt__party").order_by("-pk"))
    now_is = next((m for m in history if m.undone_at is None), None)
    kinds = CREDIT_KINDS if line.direction == "credit" else DEBIT_KINDS
    context = {
        **line_shown(line, now_is, full=reveal),
        "reveal": reveal,
        "history": [line_shown(line, m) for m in history if m.undone_at is not None],
        "seen": list(line.seen.select_related("file").order_by("pk")),
        "kinds": [(k, kind_named(k)) for k in kinds if now_is is None or k != now_is.became],
        "may": can(user, "bank-line-act"),
        "opens_receipts": can(user, "suspense-one"),
        "opens_batch": can(user, "debit-batch"),
        "problem": problem,
    }
    return render(request, "lending/statements/line.html", context, status=422 if problem else 200)


def _line_act(request: HttpRequest, line: BankLine) -> HttpResponse:
    user, said = user_of(request), request.POST
    act, reason = said.get("act", ""), said.get("reason", "")
    if act in ("same", "different"):
        doubt_answer(line, same=act == "same", reason=reason, actor=user.username)
    elif act == "settle":
        line_settle(line, reason=reason, actor=user.username)
    elif act == "become":
        done = line_become_ask(line, kind=said.get("kind", ""), of=said.get("of", "").strip(), reason=reason, actor=user)
        if isinstance(done, Approval):
            messages.success(request, _("A second person must decide: %(approval)s waits.") % {"approval": done.reference})
    else:
        raise Http404(act)
    return redirect("bank-line", line.reference)


@require("bank-accounts")
def bank_accounts(request: HttpRequest) -> HttpResponse:
    """The lender's accounts: the last statement of each, and which is late."""
    user, today = user_of(request), business_date()
    late = {a.pk: day for a, day, _due in reversed(s.statements_missing(user, now()))}
    accounts = list(s.accounts_visible(user, today).order_by("number")[:100])
    last = s.last_balances(accounts)
    rows = [{"a": a, "late": late.get(a.pk), "last": last.get(a.pk)} for a in accounts]
    return render(request, "lending/statements/accounts.html", {"rows": rows})


@require("bank-account")
def bank_account(request: HttpRequest, number: str) -> HttpResponse:
    """One account day by day: opening, lines, closing, what the bank says, and what is not in receipts."""
    user, today = user_of(request), business_date()
    account: BankAccount | None = s.accounts_visible(user, today).filter(number=number).first()
    if account is None:
        raise Http404(number)
    last = _day(request.GET.get("to", "")) or today
    context = {
        "a": account,
        "days": s.days_of(account, last - timedelta(days=DAYS - 1), last),
        "last": last,
        "earlier": last - timedelta(days=DAYS),
    }
    return render(request, "lending/statements/account.html", context)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if date(2000, 1, 1) < found < date(2199, 12, 31) else None
