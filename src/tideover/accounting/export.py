"""The books for others: beancount (plain-text double entry) and voucher lines as CSV for an ERP.

A beancount file of a span opens every account, brings the balances of the day before in one transaction, has one transaction a
voucher, and ends with an assertion of every balance: `bean-check` then proves that its sums are ours.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TextIO

from tideover.accounting.charts import accounts_known
from tideover.accounting.models import BookRun, Entry
from tideover.accounting.moving import ADJUSTING
from tideover.accounting.rules.chart import Account
from tideover.accounting.selectors import currencies_of, days_posted, decimal_of, entries_of, trial_balance
from tideover.core.cells import cell
from tideover.core.problems import refuse
from tideover.lending.models import LegalEntity, LoanEvent

ROOTS = {
    "asset": "Assets", "liability": "Liabilities", "equity": "Equity", "income": "Income", "expense": "Expenses",
    "memo": "Equity:Memo",
}  # fmt: skip
CSV_COLUMNS = (
    "entity", "period", "voucher", "line", "booked_on", "effective_on", "kind", "branch", "product", "loan", "position",
    "account", "account_name", "debit", "credit", "currency", "summary", "journal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds."""

    entity: str
    first: date
    last: date
    vouchers: int
    entries: int


def span_checked(first: date, last: date) -> None:
    """Refuse a span that is upside down or not posted."""
    begins, ends = days_posted()
    if begins is None or ends is None:
        raise refuse("not_posted", "no day is posted yet: tideover books post")
    if last < first:
        raise refuse("bad_span", f"--to {last} lies before --from {first}", "to")
    if last > ends:
        raise refuse("not_posted", f"the books are posted through {ends}", "to")


def bean_name(entity: LegalEntity, account: Account) -> str:
    """The name of an account in beancount: root, entity, code."""
    code = "-".join(part for part in account.code.split("."))
    return f"{ROOTS[account.kind]}:{entity.code.capitalize()}:{code.capitalize()}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', "'") + '"'


def write_beancount(out: TextIO, entity: LegalEntity, first: date, last: date) -> Exported:
    """Write a span of an entity's books as a beancount file. Raises Refused for a span that is not posted."""
    span_checked(first, last)
    before = first - timedelta(days=1)
    accounts = accounts_known(entity.pk)
    out.write(f'option "title" {_quoted(f"{entity.code} {entity.name_en}")}\n')
    for currency in currencies_of(entity):
        out.write(f'option "operating_currency" "{currency}"\n')
    out.write("\n")
    for a in accounts.values():
        out.write(f"{before} open {bean_name(entity, a)}\n  name-zh: {_quoted(a.name_zh)}\n  name-en: {_quoted(a.name_en)}\n")
    for currency in currencies_of(entity):
        opening = [x for x in trial_balance(entity, before, currency).lines if x.net_minor]
        if opening:
            out.write(f'\n{before} * "Opening balances"\n')
            for x in opening:
                out.write(f"  {bean_name(entity, x.account)}  {decimal_of(x.net_minor)} {currency}\n")
    vouchers = entries = 0
    sources = Sources()
    for voucher in _vouchers(entity, first, last):
        vouchers, entries = vouchers + 1, entries + len(voucher)
        out.write(_transaction(entity, accounts, voucher, sources.of(voucher[0])))
    out.write("\n")
    for currency in currencies_of(entity):
        for x in trial_balance(entity, last, currency).lines:
            name, day = bean_name(entity, x.account), last + timedelta(days=1)
            out.write(f"{day} balance {name}  {decimal_of(x.net_minor)} {currency}\n")
    return Exported(entity.code, first, last, vouchers, entries)


def _vouchers(entity: LegalEntity, first: date, last: date) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    for e in entries_of(entity, first, last).iterator(chunk_size=2000):
        if group and (e.period, e.voucher) != (group[0].period, group[0].voucher):
            yield group
            group = []
        group.append(e)
    if group:
        yield group


def _transaction(entity: LegalEntity, accounts: dict[str, Account], voucher: list[Entry], journal: str) -> str:
    head = voucher[0]
    branch = head.branch.code if head.branch else "-"
    lines = [f"\n{head.booked_on} * {_quoted(summary(head))}", f'  voucher: "{head.period:%Y-%m}/{head.voucher}"']
    lines.append(f"  effective: {head.effective_on}")
    lines.append(f'  branch: "{branch}"')
    if head.contract is not None:
        lines.append(f'  loan: "{head.contract.number}"')
    if journal:
        lines.append(f'  journal: "{journal}"')
    for e in voucher:
        amount = decimal_of(e.amount_minor)
        lines.append(f"  {bean_name(entity, accounts[e.debit])}  {amount} {e.currency}")
        lines.append(f'    position: "{e.position or "chart"}"')
        lines.append(f"  {bean_name(entity, accounts[e.credit])}  -{amount} {e.currency}")
    return "\n".join(lines) + "\n"


class Sources:
    """Which journal entries of its loan an adjusting entry follows from: those that its run was the first to know."""

    def __init__(self) -> None:
        self._runs: dict[int, dict[int, list[str]]] = {}

    def of(self, e: Entry) -> str:
        """Their numbers, like `3 4`; empty for other entries."""
        if e.contract_id is None or e.kind != ADJUSTING:
            return ""
        if e.run_id not in self._runs:
            self._runs[e.run_id] = self._read(e.run)
        return " ".join(self._runs[e.run_id].get(e.contract_id, ()))

    def _read(self, run: BookRun) -> dict[int, list[str]]:
        told = Entry.objects.filter(run=run, kind=ADJUSTING).order_by().values("contract")
        rows = LoanEvent.objects.filter(contract__in=told, recorded_at__lte=run.cut_off)
        before = BookRun.objects.filter(pk__lt=run.pk).order_by("-pk").first()
        rows = rows if before is None else rows.filter(recorded_at__gt=before.cut_off)
        out: dict[int, list[str]] = {}
        for contract, seq in rows.order_by("contract_id", "seq").values_list("contract_id", "seq"):
            out.setdefault(contract, []).append(str(seq))
        return out


def summary(e: Entry) -> str:
    """One line that says what a voucher is."""
    where = e.branch.code if e.branch else "head office"
    if e.contract is not None:
        return f"{e.kind} {where} {e.contract.number}, effective {e.effective_on}"
    return f"{e.kind} {where}"


def write_csv(out: TextIO, entity: LegalEntity, first: date, last: date) -> Exported:
    """Write voucher lines: two rows an entry, one with its debit and one with its credit. Amounts with two places; no cell is a
    formula. `journal`: of an adjusting entry the numbers of the loan's journal entries that it follows from."""
    span_checked(first, last)
    sources = Sources()
    accounts, writer = accounts_known(entity.pk), csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    vouchers = entries = 0
    for voucher in _vouchers(entity, first, last):
        vouchers, entries = vouchers + 1, entries + len(voucher)
        for n, e in enumerate(voucher):
            writer.writerows(_rows(entity, accounts, e, 2 * n + 1, sources.of(e)))
    return Exported(entity.code, first, last, vouchers, entries)


def _rows(entity: LegalEntity, accounts: dict[str, Account], e: Entry, line: int, journal: str) -> Iterator[list[Any]]:
    loan = e.contract.number if e.contract else ""
    where = [e.branch.code if e.branch else "", e.product.code if e.product else "", loan, e.position]
    head = [entity.code, f"{e.period:%Y-%m}", e.voucher]
    days, amount = [e.booked_on, e.effective_on, e.kind], decimal_of(e.amount_minor)
    for n, (code, debit, credit) in enumerate(((e.debit, amount, ""), (e.credit, "", amount))):
        row = [*head, line + n, *days, *where, code, accounts[code].name_zh, debit, credit, e.currency, summary(e), journal]
        yield [cell(x) for x in row]
