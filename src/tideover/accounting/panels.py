"""What finance reads first: exception rows of the books, and the sub-ledger on the page of a loan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Min, Sum
from django.urls import reverse

from tideover.accounting.models import BookRun, Entry, LoanPosition, PeriodClose
from tideover.accounting.selectors import accounts_of_loan, days_posted, entities_of, last_of, nonaccrual_list, suspense_rows
from tideover.core.models import Role, User
from tideover.core.panels import ExceptionRow
from tideover.lending.models import Contract, LegalEntity

NEW_DAYS = 7
CLOSE_BY, TAX_BY = 5, 15
"""Days of the next month by which the house closes a period, and by which VAT is declared (15th, law; moved by holidays)."""


def _row(
    label: str, count: int, address: str, *, oldest: date | None = None, amount: int | None = None, act_by: date | None, on: date
) -> ExceptionRow:
    late = bool(count) and act_by is not None and act_by < on
    owner = str(Role.FINANCE.label)
    return ExceptionRow(label, count, oldest, amount, owner, act_by if count else None, late, address if count else "")


def _latest() -> BookRun | None:
    return BookRun.objects.filter(state="done").order_by("-last_day", "-pk").first()


def unposted(entities: list[LegalEntity], on: date) -> ExceptionRow:
    """Days before today that are not posted."""
    last = days_posted()[1]
    missed = 0 if last is None else max(0, (on - last).days - 1)
    first = last + timedelta(days=1) if last and missed else None
    return _row("Days that are not posted", missed, reverse("books"), oldest=first, act_by=first, on=on)


def breaks(entities: list[LegalEntity], on: date) -> ExceptionRow:
    """Differences between sub-ledger and tape of the last posted day."""
    run = _latest()
    count = run.break_count if run is not None else 0
    oldest = run.last_day if run and count else None
    return _row("Differences between the books and the tape", count, f"{reverse('books')}#tape", oldest=oldest, act_by=on, on=on)


def unvalued(entities: list[LegalEntity], on: date) -> ExceptionRow:
    """Loans that the last run could not value."""
    run = _latest()
    count = run.skipped_count if run is not None else 0
    oldest = run.last_day if run and count else None
    return _row("Loans that the books could not value", count, reverse("books"), oldest=oldest, act_by=on, on=on)


def suspense(entities: list[LegalEntity], on: date) -> ExceptionRow:
    """Receipts booked as not yet placed."""
    found = suspense_rows(entities).aggregate(n=Count("pk"), first=Min("receipt__received_on"), total=Sum("amount_minor"))
    act_by = found["first"] + timedelta(days=3) if found["first"] else None
    address = f"{reverse('books')}#suspense"
    return _row(
        "Money booked in suspense", found["n"], address, oldest=found["first"], amount=found["total"], act_by=act_by, on=on
    )


def nonaccrual_new(entities: list[LegalEntity], on: date) -> ExceptionRow:
    """Loans that went onto non-accrual in the last days."""
    rows = nonaccrual_list(entities).filter(nonaccrual_since__gt=on - timedelta(days=NEW_DAYS))
    found = rows.aggregate(n=Count("pk"), first=Min("nonaccrual_since"))
    address = f"{reverse('books-non-accrual')}?new=1"
    return _row("New on non-accrual in the last 7 days", found["n"], address, oldest=found["first"], act_by=None, on=on)


def tax(entities: list[LegalEntity], on: date) -> ExceptionRow:
    """Output VAT of last month, to be declared."""
    month = (on.replace(day=1) - timedelta(days=1)).replace(day=1)
    rows = Entry.objects.filter(entity__in=entities, period=month, position__in=("vat.output", "vat.fee")).order_by()
    sums = dict(rows.values_list("turned").annotate(Sum("amount_minor")))
    total = sums.get(False, 0) - sums.get(True, 0)
    due = on.replace(day=TAX_BY)
    if due < on:  # declared by then; this month's comes next
        total = 0
    return _row(
        "Output VAT of last month to declare", int(bool(total)), reverse("books-income"), oldest=month if total else None,
        amount=total or None, act_by=due, on=on,
    )  # fmt: skip


def periods(entities: list[LegalEntity], on: date) -> ExceptionRow:
    """Months that are over, posted, and not closed."""
    last = days_posted()[1]
    rows = Entry.objects.filter(entity__in=entities).order_by().values_list("entity", "period").distinct()
    closed = set(PeriodClose.objects.filter(entity__in=entities).values_list("entity", "period"))
    open_ = sorted(period for entity, period in rows if (entity, period) not in closed and last and last_of(period) <= last)
    first = open_[0] if open_ else None
    act_by = (last_of(first) + timedelta(days=CLOSE_BY)) if first else None
    return _row("Periods to close", len(open_), reverse("books-periods"), oldest=first, act_by=act_by, on=on)


ROWS = (unposted, breaks, unvalued, suspense, nonaccrual_new, tax, periods)


def rows(entities: list[LegalEntity], on: date) -> list[ExceptionRow]:
    """Every exception row of some entities' books."""
    return [row(entities, on) for row in ROWS]


def home_context(user: User, on: date) -> Mapping[str, Any]:
    """The rows in the slot home.rows, over the entities that the reader sees."""
    return {"rows": rows(entities_of(user, on), on)}


def loan_context(user: User, contract: Contract) -> Mapping[str, Any] | None:
    """The sub-ledger of a loan; None while nothing is posted of it."""
    row = LoanPosition.objects.filter(contract=contract).first()
    if row is None:
        return None
    return {"row": row, "lines": accounts_of_loan(row), "adjusted": Entry.objects.filter(contract=contract).count()}
