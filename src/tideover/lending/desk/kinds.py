"""The kinds of rows of payments operations' desk: each is counted from the very rows that the list behind its link shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, F, Min, QuerySet, Sum, Value
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.core.business_time import business_date
from tideover.core.models import User
from tideover.lending.beside.selectors import breaks_visible, by_loan, instructions_to_work
from tideover.lending.debits.selectors import (
    batches_to_work,
    batches_visible,
    debits_to_work,
    debits_visible,
    files_unusable,
)
from tideover.lending.desk.late import LateFile, late_files
from tideover.lending.models import Receipt
from tideover.lending.receipts.selectors import receipts_filtered, receipts_visible, refunds_visible
from tideover.lending.statements.selectors import files_to_work, lines_to_work, suspense_aged, suspense_visible

DEBITS = gettext_noop("Debits")
MONEY = gettext_noop("Money in")
CORE = gettext_noop("Beside the core")
FILES = gettext_noop("Files expected")
BACK = gettext_noop("Refunds and payers")
Found = Mapping[str, Any]
"""n: how many; first: the oldest (day or instant); total: minor units, where it has money; due: by when, where that is set."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A row: its words, what it counts, the list behind it (route?query), who sees it. target: a key of policy.yaml."""

    target: str
    group: str
    label: str
    found: Callable[[User, date], Found]
    place: str
    permission: str

    @property
    def address(self) -> str:
        """Where the rows are listed."""
        name, _sep, query = self.place.partition("?")
        return reverse(name) + (f"?{query}" if query else "")


def sums(rows: QuerySet[Any], oldest: str, amount: str = "") -> Found:
    """Number, oldest and amount of rows, in one query."""
    total = {"total": Sum(amount)} if amount else {}
    return rows.order_by().aggregate(n=Count("pk"), first=Min(oldest), **total)


def _batches(show: str) -> Callable[[User, date], Found]:
    return lambda user, on: sums(batches_to_work(batches_visible(user, on), show), "made_at", "total_minor")


def _uncredited(user: User, on: date) -> Found:
    rows = batches_to_work(batches_visible(user, on), "uncredited")
    return sums(rows.annotate(missing_minor=F("taken_minor") - F("credited_minor")), "debit_on", "missing_minor")


def _debits(show: str, oldest: str) -> Callable[[User, date], Found]:
    return lambda user, on: sums(debits_to_work(debits_visible(user, on), show), oldest, "amount_minor")


def _result_files(user: User, on: date) -> Found:
    return sums(files_unusable(), "at")


def _money(name: str) -> Callable[[User, date], Found]:
    return lambda user, on: _money_in(user, on)[name]


def _money_in(user: User, on: date) -> dict[str, Found]:
    """Everything about receipts, by name; within one request it is read once."""
    if user.memo is None:
        return _money_read(user, on)
    if ("money_in", on) not in user.memo:
        user.memo["money_in", on] = _money_read(user, on)
    found: dict[str, Found] = user.memo["money_in", on]
    return found


def _money_read(user: User, on: date) -> dict[str, Found]:
    """All rows about receipts in one query."""
    visible = receipts_visible(user, on)
    under_way = refunds_visible(user, on).filter(state__in=("approved", "sent"))
    received, unapplied = F("received_on"), "unapplied_minor"
    parts = [
        _summed("suspense", suspense_visible(user, on), received, unapplied),
        _summed("aged", suspense_aged(user, on), received, unapplied),
        *(_summed(x, _listed(visible, x), received, unapplied) for x in ("stopped", "left")),
        *(_summed(x, _listed(visible, x), received, "amount_minor") for x in ("waiting", "alerts", "refunds")),
        _summed("under_way", under_way, TruncDate("approved_at"), "amount_minor"),
    ]
    found: dict[str, Found] = {row["row"]: row for row in parts[0].union(*parts[1:], all=True)}
    money_back = {k: found["under_way"][k] for k in ("first", "total")}
    return {**found, "refunds": {**found["refunds"], **money_back}}


def _listed(visible: QuerySet[Receipt], show: str) -> QuerySet[Receipt]:
    """The receipts of a list, each once."""
    return Receipt.objects.filter(pk__in=receipts_filtered(visible, show=show).values("pk"))


def _summed(name: str, rows: QuerySet[Any], oldest: Any, amount: str) -> QuerySet[Any, dict[str, Any]]:
    named = rows.select_related(None).order_by().values(row=Value(name))
    return named.annotate(n=Count("pk"), first=Min(oldest), total=Sum(amount))


def _breaks(user: User, on: date) -> Found:
    groups = by_loan(list(breaks_visible(user, on).filter(state="open")))
    first = min((b.first_on for b in groups), default=None)
    return {"n": len(groups), "first": first, "total": sum(b.amount_minor for b in groups)}


def late_found(files: Iterable[LateFile], kind: str) -> Found:
    """Late files of one kind; of gaps the money that moved without a statement."""
    mine = [f for f in files if f.kind == kind]
    due = min((business_date(f.due_at) for f in mine if f.due_at is not None), default=None)
    off = sum(abs(f.off_minor) for f in mine if f.off_minor is not None) if kind == "gap" else None
    return {"n": len(mine), "first": min((f.day for f in mine), default=None), "due": due, "total": off}


def _statement_files(user: User, on: date) -> Found:
    return sums(files_to_work(user, on), "received_at")


def _lines(user: User, on: date) -> Found:
    return sums(lines_to_work(user, on), "booked_on", "amount_minor")


def _instructions(user: User, on: date) -> Found:
    return sums(instructions_to_work(user, on), "requested_at")


def _late_of(kind: str) -> Callable[[User, date], Found]:
    return lambda user, on: late_found(late_files(user, on, kind=kind), kind)


PAYMENTS, RECEIPTS, PAYERS, BESIDE = "debits-home", "home-receipts", "home-payers", "home-beside"
KINDS: tuple[Kind, ...] = (
    Kind(
        "debits_drafted",
        DEBITS,
        gettext_noop("Debit batches not sent yet"),
        _batches("drafted"),
        "debits?batches=drafted",
        PAYMENTS,
    ),
    Kind(
        "debits_unanswered",
        DEBITS,
        gettext_noop("Debit batches without an answer"),
        _batches("unanswered"),
        "debits?batches=unanswered",
        PAYMENTS,
    ),
    Kind(
        "debits_half", DEBITS, gettext_noop("Debit batches answered in part"), _batches("half"), "debits?batches=half", PAYMENTS
    ),
    Kind(
        "debits_uncredited",
        DEBITS,
        gettext_noop("Debit batches that the bank has not credited"),
        _uncredited,
        "debits?batches=uncredited",
        PAYMENTS,
    ),
    Kind(
        "debits_unknown",
        DEBITS,
        gettext_noop("Debits with an unknown result"),
        _debits("unknown", "sent_at"),
        "debits?show=unknown",
        PAYMENTS,
    ),
    Kind(
        "debits_failed",
        DEBITS,
        gettext_noop("Debits that failed in the last 7 days"),
        _debits("failed", "settled_at"),
        "debits?show=failed",
        PAYMENTS,
    ),
    Kind(
        "debits_conflict",
        DEBITS,
        gettext_noop("Answers of the bank against what stands"),
        _debits("conflict", "sent_at"),
        "debits?show=conflict",
        PAYMENTS,
    ),
    Kind(
        "debit_files",
        DEBITS,
        gettext_noop("Result files of the bank that cannot be used"),
        _result_files,
        "debits?show=files",
        PAYMENTS,
    ),
    Kind("suspense", MONEY, gettext_noop("Money in that nobody has claimed"), _money("suspense"), "suspense", "suspense"),
    Kind("suspense_old", MONEY, gettext_noop("Of it unclaimed for over 30 days"), _money("aged"), "suspense?age=30", "suspense"),
    Kind(
        "receipts_stopped",
        MONEY,
        gettext_noop("Payers on a watch list"),
        _money("stopped"),
        "receipts?show=stopped",
        PAYERS,
    ),
    Kind(
        "receipts_waiting",
        MONEY,
        gettext_noop("Receipts to divide anew"),
        _money("waiting"),
        "receipts?show=waiting",
        RECEIPTS,
    ),
    Kind(
        "receipts_left",
        MONEY,
        gettext_noop("Receipts with money not yet placed"),
        _money("left"),
        "receipts?show=left",
        PAYMENTS,
    ),
    Kind("bank_lines", MONEY, gettext_noop("Bank lines to look at"), _lines, "bank-lines", "bank-lines"),
    Kind("breaks", CORE, gettext_noop("Loans that differ from the core"), _breaks, "breaks", BESIDE),
    Kind(
        "instructions",
        CORE,
        gettext_noop("Changes that the core rejected or does not show"),
        _instructions,
        "instructions?show=problem",
        BESIDE,
    ),
    Kind(
        "late_statement",
        FILES,
        gettext_noop("Bank statements that have not come"),
        _late_of("statement"),
        "late-files?kind=statement",
        "late-files",
    ),
    Kind(
        "late_gap",
        FILES,
        gettext_noop("Bank statements that do not follow on one another"),
        _late_of("gap"),
        "late-files?kind=gap",
        "late-files",
    ),
    Kind(
        "late_core",
        FILES,
        gettext_noop("Files of the core that have not come"),
        _late_of("core"),
        "late-files?kind=core",
        "late-files",
    ),
    Kind(
        "late_core_refused",
        FILES,
        gettext_noop("Files of the core that were refused"),
        _late_of("core_refused"),
        "late-files?kind=core_refused",
        "late-files",
    ),
    Kind(
        "files_refused",
        FILES,
        gettext_noop("Bank files refused or not read whole"),
        _statement_files,
        "statements?show=work",
        "statements",
    ),
    Kind("refunds", BACK, gettext_noop("Refunds under way"), _money("refunds"), "receipts?show=refunds", RECEIPTS),
    Kind("alerts", BACK, gettext_noop("Alerts about payers"), _money("alerts"), "receipts?show=alerts", PAYERS),
)
