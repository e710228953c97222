"""The books, read: trial balance, entries, sub-ledger, income by month, non-accrual, periods. Amounts in minor units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from tideover.accounting.charts import accounts_known, chart_on
from tideover.accounting.models import BookRun, Entry, LoanPosition, PeriodClose, ReceiptPosition, Turnover
from tideover.accounting.rules.chart import DEBIT_NORMAL, Account
from tideover.core.models import User
from tideover.lending.models import Contract, LegalEntity
from tideover.lending.scope import entities_visible

UNKNOWN = "unknown"


def decimal_of(minor: int) -> str:
    """Units with two places."""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02}"


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """One account on a day: what it was at the end of the day before, the day's turnover, and what it is."""

    account: Account
    opening_minor: int
    debit_minor: int
    credit_minor: int

    @property
    def net_minor(self) -> int:
        """Debit less credit since ever."""
        return self.opening_minor + self.debit_minor - self.credit_minor

    @property
    def is_debit_normal(self) -> bool:
        return self.account.kind in DEBIT_NORMAL

    @property
    def balance_minor(self) -> int:
        """As the account's class shows it: assets, expenses and memoranda as debit, others as credit."""
        return self.net_minor if self.is_debit_normal else -self.net_minor

    @property
    def debit_balance_minor(self) -> int:
        return max(self.net_minor, 0)

    @property
    def credit_balance_minor(self) -> int:
        return max(-self.net_minor, 0)


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """All accounts of an entity on a day. Sums of what stands on the balance sheet (and in income), and of memoranda, apart."""

    entity: LegalEntity
    on: date
    currency: str
    lines: list[BalanceLine]

    def _sum(self, memo: bool) -> tuple[int, int]:
        chosen = [x for x in self.lines if (x.account.kind == "memo") == memo]
        return sum(x.debit_balance_minor for x in chosen), sum(x.credit_balance_minor for x in chosen)

    @property
    def books(self) -> tuple[int, int]:
        """Debit and credit balances without memoranda."""
        return self._sum(False)

    @property
    def memoranda(self) -> tuple[int, int]:
        return self._sum(True)

    @property
    def is_zero(self) -> bool:
        """Whether debits are credits, in the books and in the memoranda."""
        return self.books[0] == self.books[1] and self.memoranda[0] == self.memoranda[1]


def entities_of(user: User, on: date) -> list[LegalEntity]:
    """The entities whose books a person may read, by code: none for a post of one branch."""
    return list(entities_visible(user, on).order_by("code"))


def days_posted() -> tuple[date | None, date | None]:
    """The first and the last posted day."""
    found = BookRun.objects.filter(state="done").aggregate(first=Min("first_day"), last=Max("last_day"))
    return found["first"], found["last"]


def currencies_of(entity: LegalEntity) -> list[str]:
    """Currencies in which an entity has entries; its own first."""
    found = set(Turnover.objects.filter(entity=entity).values_list("currency", flat=True).distinct())
    return sorted(found | {entity.currency}, key=lambda c: (c != entity.currency, c))


def trial_balance(entity: LegalEntity, on: date, currency: str = "") -> TrialBalance:
    """The trial balance of an entity at the end of a day."""
    currency = currency or entity.currency
    known = accounts_known(entity.pk)
    before: dict[str, int] = {}
    rows = Turnover.objects.filter(entity=entity, currency=currency, booked_on__lte=on)
    for account, debit, credit in (
        rows.filter(booked_on__lt=on).values_list("account").annotate(Sum("debit_minor"), Sum("credit_minor"))
    ):
        before[account] = debit - credit
    today = {a: (d, c) for a, d, c in rows.filter(booked_on=on).values_list("account", "debit_minor", "credit_minor")}
    lines = [
        BalanceLine(known.get(code) or Account(code, UNKNOWN, code, code), before.get(code, 0), *today.get(code, (0, 0)))
        for code in sorted(before.keys() | today.keys())
    ]
    return TrialBalance(entity, on, currency, lines)


def entries_of(
    entity: LegalEntity, first: date, last: date, account: str = "", kind: str = "", loan: Contract | None = None
) -> QuerySet[Entry]:
    """Entries booked from first to last, by number."""
    rows = Entry.objects.filter(entity=entity, booked_on__range=(first, last))
    if account:
        rows = rows.filter(Q(debit=account) | Q(credit=account))
    if kind:
        rows = rows.filter(kind=kind)
    if loan is not None:
        rows = rows.filter(contract=loan)
    return rows.select_related("branch", "product", "contract", "entity", "run").order_by("booked_on", "voucher", "line")


@dataclass(slots=True)
class LedgerLine:
    """One account in the sub-ledger of a loan."""

    account: Account
    net_minor: int = 0
    positions: list[tuple[str, int]] = field(default_factory=list)

    @property
    def balance_minor(self) -> int:
        return self.net_minor if self.account.kind in DEBIT_NORMAL else -self.net_minor


def accounts_of_loan(row: LoanPosition) -> list[LedgerLine]:
    """The sub-ledger of a loan by account, each with the positions that make its balance (debit positive)."""
    chart = chart_on(row.entity_id, row.as_of)
    lines: dict[str, LedgerLine] = {}
    for position, amount in row.amounts.items():
        for code, signed in zip(chart.entries[position], (amount, -amount), strict=True):
            line = lines.setdefault(code, LedgerLine(chart.accounts[code]))
            line.net_minor += signed
            line.positions.append((position, signed))
    return [lines[code] for code in sorted(lines)]


def nonaccrual_list(entities: Iterable[LegalEntity]) -> QuerySet[LoanPosition]:
    """Loans on non-accrual, the oldest first."""
    rows = LoanPosition.objects.filter(entity__in=list(entities), nonaccrual_since__isnull=False, written_off=False)
    return rows.select_related("contract__borrower", "branch", "product").order_by("nonaccrual_since", "contract_id")


@dataclass(slots=True)
class IncomeMonth:
    """Interest income of a month, before and after tax. accrued: what became income; received: money for interest, penalty and
    compound; reversed: what left the balance sheet; tax: output and pending tax taken out of income."""

    month: date
    accrued_minor: int = 0
    reversed_minor: int = 0
    received_minor: int = 0
    fees_minor: int = 0
    tax_minor: int = 0

    @property
    def net_minor(self) -> int:
        return self.accrued_minor - self.reversed_minor + self.fees_minor - self.tax_minor


RECOGNISED = ("interest.recognised", "penalty.recognised", "compound.recognised")
RECEIVED = tuple(f"{c}.{way}" for c in ("interest", "penalty", "compound") for way in ("paid", "from_held", "guaranteed"))


def income_by_month(entity: LegalEntity, months: int = 24) -> list[IncomeMonth]:
    """Income of the newest months, oldest first."""
    rows = Entry.objects.filter(
        entity=entity, position__in=(*RECOGNISED, *RECEIVED, "fee.recognised", "vat.output", "vat.pending", "vat.fee")
    )
    found: dict[date, IncomeMonth] = {}
    sums = rows.order_by().values_list("period", "position", "turned").annotate(Sum("amount_minor"))
    for period, position, turned, amount in sums:
        m = found.setdefault(period, IncomeMonth(period))
        signed = -amount if turned else amount
        if position in RECOGNISED:
            m.accrued_minor, m.reversed_minor = m.accrued_minor + (not turned) * amount, m.reversed_minor + turned * amount
        elif position in RECEIVED:
            m.received_minor += signed
        elif position == "fee.recognised":
            m.fees_minor += signed
        else:
            m.tax_minor += signed
    return [found[p] for p in sorted(found)][-months:]


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """A month of an entity: whether all its days are posted, and its closing if it is closed."""

    entity: LegalEntity
    period: date
    posted_to: date
    is_whole: bool
    entries: int
    closed: PeriodClose | None


def last_of(period: date) -> date:
    """The last day of a month."""
    return (period + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def periods_of(entity: LegalEntity) -> list[PeriodLine]:
    """The months in which an entity has entries, newest first."""
    last = days_posted()[1]
    if last is None:
        return []
    closed = {p.period: p for p in PeriodClose.objects.filter(entity=entity)}
    rows = Entry.objects.filter(entity=entity).order_by().values_list("period").annotate(Count("pk")).order_by("-period")
    return [
        PeriodLine(entity, period, min(last, last_of(period)), last >= last_of(period), count, closed.get(period))
        for period, count in rows
    ]


def suspense_rows(entities: Iterable[LegalEntity]) -> QuerySet[ReceiptPosition]:
    """Receipts whose money is booked as not yet placed."""
    rows = ReceiptPosition.objects.filter(entity__in=list(entities), amount_minor__gt=0)
    return rows.select_related("receipt__party", "entity").order_by("receipt__received_on", "pk")
