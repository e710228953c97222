"""Figures that pages show: the exception rows of a role home, the loans behind them, and the book by bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, IntegerField, Min, OuterRef, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.urls import reverse

from tideover.core.access import can
from tideover.core.business_time import business_date, start_of_day
from tideover.core.models import Role, User
from tideover.core.panels import ExceptionRow
from tideover.engine.classify import BAD_CLASSES
from tideover.engine.events import EventKind
from tideover.lending.models import (
    Complaint,
    Contract,
    Debit,
    Dispute,
    HelpRequest,
    ImportBatch,
    LoanEvent,
    Promise,
    Receipt,
    StandingRow,
)
from tideover.lending.models.plain import OfParty
from tideover.lending.selectors import BUCKET_ORDER, contracts_visible, standings_visible

LATE_BUCKETS = ("d1_30", "d31_60", "d61_90", "d91_180", "d180p")
CORRECTIONS = (EventKind.REVERSAL, EventKind.ADJUSTMENT, EventKind.CHARGEBACK)
SOON_DAYS, NEW_DAYS, CORRECTION_DAYS, FRESH_DAYS = 3, 7, 7, 7


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


def _plain(label: str, owner: Role, days: int, model: type[OfParty], oldest: str, condition: Callable[[date], Q]) -> Exceptions:
    """An exception made of plain rows: those of a visible loan, and those of a visible borrower that name no loan."""

    def rows(visible: QuerySet[Contract], on: date) -> QuerySet[Any]:
        whole = not visible.query.has_filters()
        of_party = Q(contract=None, party__in=visible.values("borrower"))
        scope = Q() if whole else Q(contract__in=visible) | of_party
        return model.objects.filter(scope, condition(on))  # type: ignore[attr-defined]

    def loans(on: date) -> Q:
        found = model.objects.filter(condition(on))  # type: ignore[attr-defined]
        of_party = found.filter(contract=None).values("party")
        return Q(contract__in=found.values("contract")) | Q(contract__borrower__in=of_party)

    return Exceptions(label, owner, days, rows, oldest, None, loans)


def _of(rows: QuerySet[Any], field: str = "contract") -> Q:
    """The standings of the loans that rows are about: read from the rows, which are few, not from the book."""
    return Q(contract__in=rows.order_by().values(field))


def _corrections(since: date) -> QuerySet[LoanEvent]:
    """Corrections recorded since a day. The kinds are written out, as in the partial index that finds them."""
    kinds = ", ".join(str(int(k)) for k in CORRECTIONS)
    return LoanEvent.objects.filter(recorded_at__gte=start_of_day(since)).extra(where=[f"kind IN ({kinds})"])


def _corrected(on: date) -> QuerySet[LoanEvent]:
    return _corrections(on - timedelta(days=CORRECTION_DAYS))


def _reversed(on: date) -> QuerySet[LoanEvent]:
    return _corrections(on).filter(kind=EventKind.REVERSAL)


def _unplaced() -> QuerySet[Receipt]:
    return Receipt.objects.filter(reversed_at=None).extra(where=["unapplied_minor > 0"])


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


def _kind(label: str, owner: Role, days: int, condition: Callable[[date], Q], oldest: str, amount: str) -> Exceptions:
    return Exceptions(label, owner, days, _standings(condition), oldest, amount, condition)


EXCEPTIONS: dict[str, Exceptions] = {
    "help": _plain(
        "Help requests without an answer", Role.COUNSELLOR, 2, HelpRequest, "opened_at", lambda on: Q(closed_at=None)
    ),
    "missed": Exceptions(
        label="Arrangements past their day, loan still late", owner=Role.COLLECTOR, days=1,
        rows=lambda visible, on: Promise.objects.filter(
            _inside(visible), withdrawn_at=None, due_on__lt=on, contract__standing__days_past_due__gt=0
        ),
        oldest="due_on", amount="amount_minor",
        loans=lambda on: _of(Promise.objects.filter(withdrawn_at=None, due_on__lt=on)) & Q(days_past_due__gt=0),
    ),
    "promise": Exceptions(
        label="Arrangements due today", owner=Role.COLLECTOR, days=0,
        rows=lambda visible, on: Promise.objects.filter(_inside(visible), withdrawn_at=None, due_on=on),
        oldest="due_on", amount="amount_minor",
        loans=lambda on: _of(Promise.objects.filter(withdrawn_at=None, due_on=on)),
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
        rows=lambda visible, on: _reversed(on).filter(_inside(visible)),
        oldest="recorded_at", amount=None, loans=lambda on: _of(_reversed(on)),
    ),
    "debit": Exceptions(
        label="Debits with an unknown result", owner=Role.PAYMENTS, days=1,
        rows=lambda visible, on: Debit.objects.filter(_inside(visible), state="unknown"),
        oldest="sent_at", amount="amount_minor",
        loans=lambda on: _of(Debit.objects.filter(state="unknown")),
    ),
    "held": Exceptions(
        label="Receipts with money not yet placed", owner=Role.PAYMENTS, days=3,
        rows=lambda visible, on: _unplaced().filter(Exists(visible.filter(borrower=OuterRef("party")))),
        oldest="received_on", amount="unapplied_minor",
        loans=lambda on: Q(contract__borrower__in=_unplaced().values("party")),
    ),
    "corrected": Exceptions(
        label="Corrections booked in the last 7 days", owner=Role.FINANCE, days=CORRECTION_DAYS,
        rows=lambda visible, on: _corrected(on).filter(_inside(visible)),
        oldest="recorded_at", amount=None,
        loans=lambda on: _of(_corrected(on)),
    ),
    "complaint": _plain("Open complaints", Role.COMPLAINTS, 15, Complaint, "opened_on", lambda on: Q(closed_on=None)),
    "dispute": _plain("Open disputes", Role.COMPLAINTS, 20, Dispute, "opened_on", lambda on: Q(closed_on=None)),
    "import": Exceptions(
        label="Files that did not come in whole", owner=Role.ENGINEER, days=1,
        rows=lambda visible, on: ImportBatch.objects.exclude(state="done"),
        oldest="started_at", amount=None, loans=None,
    ),
}  # fmt: skip


def home_row(key: str) -> Callable[[User, date], Mapping[str, Any]]:
    """The context of one exception in the slot `home.rows`, over the loans that the reader sees."""
    return lambda user, on: {"rows": [_row(key, user, on)]}


def _row(key: str, user: User, as_of: date) -> ExceptionRow:
    kind, visible = EXCEPTIONS[key], contracts_visible(user, as_of)
    wanted: dict[str, Any] = {"n": Count("pk")}
    if kind.oldest:
        wanted["first"] = Min(kind.oldest)
    if kind.amount:
        wanted["total"] = Sum(kind.amount)
    found = kind.rows(visible, as_of).aggregate(**wanted)
    first = found.get("first")
    on = business_date(first) if isinstance(first, datetime) else first
    act_by = None if on is None else on + timedelta(days=kind.days)
    address = _address(key, user) if found["n"] else ""
    late = act_by is not None and act_by < as_of
    return ExceptionRow(kind.label, found["n"], on, found.get("total"), str(kind.owner.label), act_by, late, address)


def _address(key: str, user: User) -> str:
    """Where the row is worked: the loans behind it, or for files the page of the day; empty when the reader may not open it."""
    if EXCEPTIONS[key].loans is None:
        return reverse("day") if can(user, "day") else ""
    return f"{reverse('loan-list')}?show={key}" if can(user, "loan-list") else ""


def shown(rows: QuerySet[StandingRow], show: str, as_of: date) -> QuerySet[StandingRow]:
    """The standings that an exception row counts; all of them for an unknown name."""
    kind = EXCEPTIONS.get(show)
    if kind is None or kind.loans is None:
        return rows
    return rows.filter(kind.loans(as_of))


def shown_label(show: str) -> str:
    """The sentence of an exception row; empty for an unknown name."""
    kind = EXCEPTIONS.get(show)
    return kind.label if kind and kind.loans else ""


def loans_shown(user: User, as_of: date, *, show: str = "", bucket: str = "") -> QuerySet[StandingRow]:
    """The visible loans of an exception or a bucket: the latest-paying first, else what falls due first, else by number."""
    rows = standings_visible(user, as_of)
    if bucket in BUCKET_ORDER:
        rows = rows.filter(bucket=bucket)
    rows = shown(rows, show, as_of)
    return rows.select_related("contract__borrower", "contract__branch").order_by(*order_of(show, bucket))


def dated(rows: list[StandingRow], user: User, as_of: date, show: str) -> list[StandingRow]:
    """The listed loans with `since` and `act_by` of the exception that lists them, where it is about single loans."""
    kind = EXCEPTIONS.get(show)
    if kind is None or not kind.oldest or not rows or show == "held":
        return rows
    found = kind.rows(contracts_visible(user, as_of), as_of).filter(contract__in=[r.pk for r in rows])
    first = dict(found.values_list("contract").annotate(first=Min(kind.oldest)).order_by())
    for row in rows:
        on = first.get(row.pk)
        row.since = business_date(on) if isinstance(on, datetime) else on  # type: ignore[attr-defined]
        row.act_by = row.since and row.since + timedelta(days=kind.days)  # type: ignore[attr-defined]
    return rows


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
