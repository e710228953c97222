"""Figures that pages show: the exception rows of a role home, the loans behind them, and the book by bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, IntegerField, Min, OuterRef, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.urls import reverse

from tideover.core.business_time import business_date, start_of_day
from tideover.core.models import Role, User
from tideover.engine.classify import BAD_CLASSES
from tideover.engine.events import EventKind
from tideover.lending.models import (
    Complaint,
    Contract,
    Debit,
    Dispute,
    HelpRequest,
    Hold,
    ImportBatch,
    LoanEvent,
    Promise,
    Receipt,
    StandingRow,
)
from tideover.lending.selectors import BUCKET_ORDER, contracts_visible

LATE_BUCKETS = ("d1_30", "d31_60", "d61_90", "d91_180", "d180p")
CORRECTIONS = (EventKind.REVERSAL, EventKind.ADJUSTMENT, EventKind.CHARGEBACK)
SOON_DAYS, NEW_DAYS, CORRECTION_DAYS, FRESH_DAYS = 3, 7, 7, 7
OPEN_DEBITS = ("unknown", "in_flight")


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """One line of a role home: what, how many, the oldest, how much, who answers, by when, where to work it (empty: nowhere)."""

    label: str
    count: int
    oldest: date | None
    amount_minor: int | None
    owner: str
    act_by: date | None
    late: bool
    address: str


@dataclass(frozen=True, slots=True)
class Exceptions:
    """A kind of exception: its rows in a scope, and the same condition on the loan list (`None`: no loans behind it).

    `oldest`: the column that says since when; empty when none does.
    `days`: the house's own target from `oldest` to an answer; it is not a rule of law.
    """

    label: str
    owner: Role
    days: int
    rows: Callable[[QuerySet[Contract], date], QuerySet[Any]]
    oldest: str
    amount: str | None
    loans: Callable[[date], Q] | None


def _standings(condition: Callable[[date], Q]) -> Callable[[QuerySet[Contract], date], QuerySet[Any]]:
    return lambda visible, on: StandingRow.objects.filter(condition(on), _inside(visible))


def _inside(visible: QuerySet[Contract]) -> Q:
    """The scope as a condition; for the whole house only that there is a loan, which saves a look-up a row."""
    return Q(contract__in=visible) if visible.query.has_filters() else Q(contract__isnull=False)


def _new(on: date) -> Q:
    return Q(days_past_due__range=(1, NEW_DAYS))


def _soon(on: date) -> Q:
    return Q(next_due_on__range=(on, on + timedelta(days=SOON_DAYS)))


def _late(on: date) -> Q:
    return Q(bucket__in=("d1_30", "d31_60", "d61_90"))


def _bad(on: date) -> Q:
    return Q(bucket__in=("d91_180", "d180p"))


def _written_off(on: date) -> Q:
    return Q(bucket="written_off")


def _first_late(on: date) -> Q:
    return Q(days_past_due__gt=0, oldest_due_on=F("contract__first_due_on"))


def _fresh(on: date) -> Q:
    return Q(contract__disbursed_on__gt=on - timedelta(days=FRESH_DAYS))


def _surplus(on: date) -> Q:
    return Q(surplus_minor__gt=0)


def _accelerated(on: date) -> Q:
    """Made due as a whole, not taken back since, and neither paid off nor written off."""
    taken_back = LoanEvent.objects.filter(contract=OuterRef("contract"), kind=EventKind.REVERSAL).annotate(
        of_seq=Cast(KT("extra__of_seq"), IntegerField())
    )
    made_due = LoanEvent.objects.filter(kind=EventKind.ACCELERATION).filter(~Exists(taken_back.filter(of_seq=OuterRef("seq"))))
    return Q(contract__in=made_due.values("contract")) & ~Q(bucket__in=("closed", "written_off"))


def _reversed_today(on: date) -> Q:
    return Q(contract__events__kind=EventKind.REVERSAL, contract__events__recorded_at__gte=start_of_day(on))


def _kind(label: str, owner: Role, days: int, condition: Callable[[date], Q], oldest: str, amount: str) -> Exceptions:
    return Exceptions(label, owner, days, _standings(condition), oldest, amount, condition)


EXCEPTIONS: dict[str, Exceptions] = {
    "help": Exceptions(
        label="Help requests without an answer", owner=Role.COUNSELLOR, days=2,
        rows=lambda visible, on: HelpRequest.objects.filter(_inside(visible), closed_at=None),
        oldest="opened_at", amount=None,
        loans=lambda on: Q(contract__helprequests__isnull=False, contract__helprequests__closed_at=None),
    ),
    "missed": Exceptions(
        label="Arrangements past their day, loan still late", owner=Role.COLLECTOR, days=1,
        rows=lambda visible, on: Promise.objects.filter(
            _inside(visible), withdrawn_at=None, due_on__lt=on, contract__standing__days_past_due__gt=0
        ),
        oldest="due_on", amount="amount_minor",
        loans=lambda on: Q(
            contract__promises__withdrawn_at=None, contract__promises__due_on__lt=on, days_past_due__gt=0
        ),
    ),
    "promise": Exceptions(
        label="Arrangements due today", owner=Role.COLLECTOR, days=0,
        rows=lambda visible, on: Promise.objects.filter(_inside(visible), withdrawn_at=None, due_on=on),
        oldest="due_on", amount="amount_minor",
        loans=lambda on: Q(contract__promises__withdrawn_at=None, contract__promises__due_on=on),
    ),
    "new": _kind("Newly late (up to 7 days)", Role.CUSTOMER_MANAGER, NEW_DAYS, _new, "oldest_due_on", "overdue_minor"),
    "soon": _kind("Due within 3 days", Role.CUSTOMER_MANAGER, 0, _soon, "next_due_on", "next_due_minor"),
    "first_late": _kind("First instalment late", Role.UNDERWRITER, 7, _first_late, "oldest_due_on", "overdue_minor"),
    "fresh": _kind(
        "Paid out in the last 7 days", Role.UNDERWRITER, FRESH_DAYS, _fresh, "contract__disbursed_on", "contract__principal_minor"
    ),
    "late": _kind("1 to 90 days late", Role.COLLECTOR, 90, _late, "oldest_due_on", "overdue_minor"),
    "bad": _kind("Over 90 days late", Role.LEGAL, 180, _bad, "oldest_due_on", "overdue_minor"),
    "written_off": _kind("Written off, claim still open", Role.LEGAL, 365, _written_off, "oldest_due_on", "overdue_minor"),
    "accelerated": _kind("Whole loan made due, not yet paid", Role.LEGAL, 180, _accelerated, "oldest_due_on", "payoff_minor"),
    "surplus": _kind("Money held for the next payment", Role.PAYMENTS, 0, _surplus, "", "surplus_minor"),
    "reversed": Exceptions(
        label="Payments taken back today", owner=Role.PAYMENTS, days=0,
        rows=lambda visible, on: LoanEvent.objects.filter(
            _inside(visible), kind=EventKind.REVERSAL, recorded_at__gte=start_of_day(on)
        ),
        oldest="recorded_at", amount=None, loans=_reversed_today,
    ),
    "debit": Exceptions(
        label="Debits with an unknown result", owner=Role.PAYMENTS, days=1,
        rows=lambda visible, on: Debit.objects.filter(_inside(visible), state__in=OPEN_DEBITS),
        oldest="sent_at", amount="amount_minor",
        loans=lambda on: Q(contract__debits__state__in=OPEN_DEBITS),
    ),
    "held": Exceptions(
        label="Receipts with money not yet placed", owner=Role.PAYMENTS, days=3,
        rows=lambda visible, on: Receipt.objects.filter(
            unapplied_minor__gt=0, reversed_at=None, party__in=visible.values("borrower")
        ),
        oldest="received_on", amount="unapplied_minor",
        loans=lambda on: Q(contract__borrower__receipts__unapplied_minor__gt=0, contract__borrower__receipts__reversed_at=None),
    ),
    "corrected": Exceptions(
        label="Corrections booked in the last 7 days", owner=Role.FINANCE, days=CORRECTION_DAYS,
        rows=lambda visible, on: LoanEvent.objects.filter(
            _inside(visible), kind__in=CORRECTIONS, recorded_at__gte=start_of_day(on - timedelta(days=CORRECTION_DAYS))
        ),
        oldest="recorded_at", amount=None,
        loans=lambda on: Q(
            contract__events__kind__in=CORRECTIONS,
            contract__events__recorded_at__gte=start_of_day(on - timedelta(days=CORRECTION_DAYS)),
        ),
    ),
    "complaint": Exceptions(
        label="Open complaints", owner=Role.COMPLAINTS, days=15,
        rows=lambda visible, on: Complaint.objects.filter(_inside(visible), closed_on=None),
        oldest="opened_on", amount=None,
        loans=lambda on: Q(contract__complaints__isnull=False, contract__complaints__closed_on=None),
    ),
    "dispute": Exceptions(
        label="Open disputes", owner=Role.COMPLAINTS, days=20,
        rows=lambda visible, on: Dispute.objects.filter(_inside(visible), closed_on=None),
        oldest="opened_on", amount=None,
        loans=lambda on: Q(contract__disputes__isnull=False, contract__disputes__closed_on=None),
    ),
    "hold": Exceptions(
        label="Holds whose review day has come", owner=Role.TEAM_LEAD, days=0,
        rows=lambda visible, on: Hold.objects.filter(_inside(visible), lifted_at=None, review_on__lte=on),
        oldest="review_on", amount=None,
        loans=lambda on: Q(contract__holds__lifted_at=None, contract__holds__review_on__lte=on),
    ),
    "import": Exceptions(
        label="Files that did not come in whole", owner=Role.ENGINEER, days=1,
        rows=lambda visible, on: ImportBatch.objects.exclude(state="done"),
        oldest="started_at", amount=None, loans=None,
    ),
}  # fmt: skip


def exception_row(key: str, visible: QuerySet[Contract], as_of: date, *, linked: bool) -> ExceptionRow:
    """One row of EXCEPTIONS over the visible loans. `linked`: whether the reader may open the loan list."""
    kind = EXCEPTIONS[key]
    wanted: dict[str, Any] = {"n": Count("pk")}
    if kind.oldest:
        wanted["first"] = Min(kind.oldest)
    if kind.amount:
        wanted["total"] = Sum(kind.amount)
    found = kind.rows(visible, as_of).aggregate(**wanted)
    first = found.get("first")
    on = business_date(first) if isinstance(first, datetime) else first
    act_by = None if on is None else on + timedelta(days=kind.days)
    address = f"{reverse('loan-list')}?show={key}" if found["n"] and linked and kind.loans else ""
    late = act_by is not None and act_by < as_of
    return ExceptionRow(kind.label, found["n"], on, found.get("total"), str(kind.owner.label), act_by, late, address)


def shown(rows: QuerySet[StandingRow], show: str, as_of: date) -> QuerySet[StandingRow]:
    """The standings that an exception row counts; all of them for an unknown name."""
    kind = EXCEPTIONS.get(show)
    if kind is None or kind.loans is None:
        return rows
    return rows.filter(pk__in=StandingRow.objects.filter(kind.loans(as_of)).values("pk"))


def shown_label(show: str) -> str:
    """The sentence of an exception row; empty for an unknown name."""
    kind = EXCEPTIONS.get(show)
    return kind.label if kind and kind.loans else ""


def loans_shown(user: User, as_of: date, *, show: str = "", bucket: str = "") -> QuerySet[StandingRow]:
    """The visible loans of an exception or a bucket: the latest-paying first, else what falls due first, else by number."""
    rows = StandingRow.objects.filter(_inside(contracts_visible(user, as_of)))
    if bucket in BUCKET_ORDER:
        rows = rows.filter(bucket=bucket)
    rows = shown(rows, show, as_of)
    return rows.select_related("contract__borrower", "contract__branch").order_by(*order_of(show, bucket))


def order_of(show: str, bucket: str) -> tuple[str, ...]:
    """The columns by which a list is sorted and paged; the last one is the loan itself."""
    if show == "soon":
        return ("next_due_on", "contract_id")
    if show in EXCEPTIONS or bucket in LATE_BUCKETS:
        return ("-days_past_due", "contract_id")
    return ("contract_id",)


@dataclass(frozen=True, slots=True)
class BookFigures:
    """The book in figures: rows by bucket, totals, and the bad-debt ratio's amount (minor units).

    `as_of`: the oldest business day among the figures; None for an empty book.
    """

    buckets: list[dict[str, Any]]
    loans: int
    balance_minor: int
    overdue_loans: int
    overdue_minor: int
    bad_minor: int
    as_of: date | None


def book_figures(user: User, as_of: date) -> BookFigures:
    """The visible book by bucket. Balance is unpaid principal; written-off loans are outside of balance and bad debt."""
    rows = StandingRow.objects.filter(_inside(contracts_visible(user, as_of)))
    found = rows.values("bucket").annotate(
        n=Count("pk"),
        principal=Sum("principal_minor"),
        overdue=Sum("overdue_minor"),
        bad=Sum("principal_minor", filter=Q(five_category__in=BAD_CLASSES), default=0),
        first=Min("as_of"),
    )
    grouped = {r["bucket"]: r for r in found}
    none = {"n": 0, "principal": 0, "overdue": 0, "bad": 0, "first": None}
    buckets = [grouped.get(code, {"bucket": code, **none}) for code in BUCKET_ORDER]
    live = [b for b in buckets if b["bucket"] not in ("closed", "written_off")]
    late = [b for b in live if b["bucket"] != "current"]
    return BookFigures(
        buckets=buckets,
        loans=sum(b["n"] for b in live),
        balance_minor=sum(b["principal"] for b in live),
        overdue_loans=sum(b["n"] for b in late),
        overdue_minor=sum(b["overdue"] for b in late),
        bad_minor=sum(b["bad"] for b in live),
        as_of=min(
            (b["first"] for b in [*live, grouped.get("written_off", none)] if b["first"]),
            default=grouped.get("closed", none)["first"],
        ),
    )
