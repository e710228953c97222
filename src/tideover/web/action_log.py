"""Pages of the action log: by who, what, on what and day; one entry between its neighbours; the file of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from tideover.core.access import can, require
from tideover.core.act_words import ACTS, act_words
from tideover.core.action_log import entry_hash, first_break, log, newest_breaks
from tideover.core.business_time import business_date
from tideover.core.cells import cell
from tideover.core.log_file import FIELDS, entries, line_of, lines
from tideover.core.models import ActionLog, User
from tideover.lending.forms import date_read
from tideover.lending.words import word

PAGE_SIZE = 50
FILTERS = ("actor", "action", "object_id", "first", "last")
CHECKED_AT_ONCE = 500
CHECKED_MAX = 300_000
"""A page checks at most this many entries in one request; `tideover doctor` checks any number."""


def _asked(request: HttpRequest) -> tuple[dict[str, str], QuerySet[ActionLog], list[tuple[str, str]]]:
    """What was typed, the entries it means, and what could not be read."""
    typed = {f: request.GET.get(f, "").strip().replace("\0", "") for f in FILTERS}
    days: dict[str, date | None] = {"first": None, "last": None}
    problems = []
    for name in days:
        try:
            days[name] = date_read(typed[name]) if typed[name] else None
        except ValueError:
            problems.append((name, _("Enter a date, for example 2026-12-05")))
    return typed, entries(**{k: typed[k] for k in ("actor", "action", "object_id")}, **days), problems


@require("action-log")
def page(request: HttpRequest) -> HttpResponse:
    """The newest entries first; older ones by key."""
    typed, rows, problems = _asked(request)
    before = request.GET.get("before", "")
    if before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = [] if problems else list(rows.order_by("-id")[: PAGE_SIZE + 1])
    query = urlencode({k: v for k, v in typed.items() if v})
    whole = _whole() if request.GET.get("check") == "all" else None
    context = {
        "rows": found[:PAGE_SIZE],
        "more": found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None,
        "typed": typed,
        "acts": _acts(typed["action"]),
        "query": query,
        "filtered": bool(query),
        "problems": problems,
        "broken": newest_breaks(CHECKED_AT_ONCE),
        "checked": CHECKED_AT_ONCE,
        "whole": whole,
        "may_export": can(request.user, "action-log-export"),
    }
    return render(request, "web/log/list.html", context, status=422 if problems else 200)


def _acts(typed: str) -> list[tuple[str, str]]:
    """Acts to choose from by their words, entries in a journal as one; what an address asks for is among them."""
    found = {code: act_words(code) for code in ACTS} | {"event.": _("entered in a loan's journal")}
    if typed and typed not in found:
        found[typed] = word(typed.removeprefix("event."))
    return sorted(found.items(), key=lambda pair: pair[1])


def _whole() -> dict[str, Any]:
    """The check of every entry, where one request can do it."""
    count = ActionLog.objects.count()
    if count > CHECKED_MAX:
        return {"too_many": count}
    return {"count": count, "broken": first_break()}


@require("action-log-entry")
def one(request: HttpRequest, number: int) -> HttpResponse:
    """One entry with its neighbours in the chain, and whether it holds."""
    found = ActionLog.objects.filter(pk=number).first() if number < 2**63 else None
    if found is None:
        raise Http404(str(number))
    before = ActionLog.objects.filter(pk__lt=found.pk).order_by("-pk").first()
    after = ActionLog.objects.filter(pk__gt=found.pk).order_by("pk").first()
    context = {
        "e": found,
        "line": line_of(found),
        "before": before and line_of(before),
        "after": after and line_of(after),
        "own": _own(found),
        "linked": bytes(found.prev_hash) == (bytes(before.hash) if before else bytes(32)),
        "next_linked": after is None or bytes(after.prev_hash) == bytes(found.hash),
    }
    return render(request, "web/log/one.html", context)


def _own(e: ActionLog) -> bool:
    expected = entry_hash(bytes(e.prev_hash), e.at.isoformat(), e.actor, e.action, e.object_type, e.object_id, e.detail)
    return bytes(e.hash) == expected


class _Echo:
    """A file that gives back what is written, so that CSV can be sent row by row."""

    def write(self, value: str) -> str:
        return value


@require("action-log-export")
def export(request: HttpRequest) -> HttpResponseBase:
    """The filtered entries as JSON lines or CSV, oldest first; the export itself is logged."""
    typed, rows, problems = _asked(request)
    if problems:
        return HttpResponse(problems[0][1], status=422, content_type="text/plain; charset=utf-8")
    user = request.user
    assert isinstance(user, User)
    last = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
    rows = rows.filter(pk__lte=last)
    form = "csv" if request.GET.get("as") == "csv" else "jsonl"
    log(user.username, "log.export", "log", "", {"as": form, **{k: v for k, v in typed.items() if v}})
    text: Iterator[str] = _csv(rows) if form == "csv" else (f"{line}\n" for line in lines(rows))
    kind = "text/csv" if form == "csv" else "application/x-ndjson"
    response = StreamingHttpResponse(text, content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="action-log-{business_date()}.{form}"'
    return response


def _csv(rows: QuerySet[ActionLog]) -> Iterator[str]:
    out = csv.writer(_Echo())
    yield out.writerow(FIELDS)
    for e in rows.order_by("pk").iterator(chunk_size=2000):
        yield out.writerow([cell(v) for v in line_of(e).values()])
