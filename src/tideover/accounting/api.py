"""REST of the books: trial balance, entries, sub-ledger of a loan, export. Money is a decimal string."""

from __future__ import annotations

import io
from datetime import date
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema

from tideover.accounting.export import write_beancount, write_csv
from tideover.accounting.models import Entry, LoanPosition
from tideover.accounting.selectors import accounts_of_loan, days_posted, entities_of, entries_of, trial_balance
from tideover.core.business_time import business_date
from tideover.core.problems import NotFound, Problem, refuse
from tideover.core.rest import Amount, Cursor, Day, Limit, decimal, page_of, route
from tideover.lending.models import LegalEntity
from tideover.lending.selectors import contract_get

router = Router(tags=["books"])
Format = Annotated[str, Query("csv", pattern="^(csv|beancount)$")]
EXPORT_DAYS_MAX = 366


class BalanceOut(Schema):
    """One account; opening and balance are debit less credit."""

    account: str
    name_zh: str
    name_en: str
    kind: str
    opening: Amount
    debit: Amount
    credit: Amount
    balance: Amount


class TrialBalanceOut(Schema):
    entity: str
    on: date
    currency: str
    zero: bool
    lines: list[BalanceOut]


class BookEntryOut(Schema):
    id: int
    period: str
    voucher: int
    line: int
    booked_on: date
    effective_on: date
    kind: str
    branch: str | None
    product: str | None
    loan: str | None
    position: str
    debit: str
    credit: str
    amount: Amount
    currency: str


class EntriesOut(Schema):
    items: list[BookEntryOut]
    next_cursor: int | None


class LedgerLineOut(Schema):
    account: str
    name_zh: str
    name_en: str
    balance: Amount
    positions: dict[str, Amount]


class LedgerOut(Schema):
    loan: str
    as_of: date
    nonaccrual_since: date | None
    written_off: bool
    lines: list[LedgerLineOut]


class ExportOut(Schema):
    entity: str
    first: date
    last: date
    format: str
    vouchers: int
    entries: int
    content: str


def _entity(request: HttpRequest, code: str) -> LegalEntity:
    found = next((e for e in entities_of(request.user, business_date()) if e.code == code), None)  # type: ignore[arg-type]
    if found is None:
        raise NotFound(Problem("no_such_entity", f"there is no entity {code} in your scope", "entity"))
    return found


@route(router.get, "/books/trial-balance", "books-trial-balance", TrialBalanceOut)
def trial_balance_get(request: HttpRequest, entity: str, on: Day | None = None) -> Any:
    """Balances of every account of an entity at the end of a day (the last posted one when left out)."""
    owner, last = _entity(request, entity), days_posted()[1]
    if last is None:
        raise refuse("not_posted", "no day is posted yet")
    found = trial_balance(owner, on or last)
    lines = [
        {
            "account": x.account.code, "name_zh": x.account.name_zh, "name_en": x.account.name_en, "kind": x.account.kind,
            "opening": decimal(x.opening_minor), "debit": decimal(x.debit_minor), "credit": decimal(x.credit_minor),
            "balance": decimal(x.net_minor),
        }
        for x in found.lines
    ]  # fmt: skip
    return {"entity": owner.code, "on": found.on, "currency": found.currency, "zero": found.is_zero, "lines": lines}


def _entry(e: Entry) -> dict[str, Any]:
    return {
        "id": e.pk, "period": f"{e.period:%Y-%m}", "voucher": e.voucher, "line": e.line, "booked_on": e.booked_on,
        "effective_on": e.effective_on, "kind": e.kind, "branch": e.branch.code if e.branch else None,
        "product": e.product.code if e.product else None, "loan": e.contract.number if e.contract else None,
        "position": e.position, "debit": e.debit, "credit": e.credit, "amount": decimal(e.amount_minor), "currency": e.currency,
    }  # fmt: skip


@route(router.get, "/books/entries", "books-entries", EntriesOut)
def entries_list(
    request: HttpRequest, entity: str, first: Day, last: Day, account: str = "", kind: str = "", cursor: Cursor = 0,
    limit: Limit = 50,
) -> Any:  # fmt: skip
    """Entries booked from `first` to `last`, of one account or kind."""
    rows = entries_of(_entity(request, entity), first, last, account, kind)
    return page_of(rows, cursor, limit, _entry)


@route(router.get, "/loans/{number}/ledger", "books-loan", LedgerOut)
def loan_ledger(request: HttpRequest, number: str) -> Any:
    """The sub-ledger of a loan: what is posted of it, by account and by position."""
    contract = contract_get(request.user, number, business_date())  # type: ignore[arg-type]
    row = LoanPosition.objects.filter(contract=contract).first()
    if row is None:
        raise NotFound(Problem("not_posted", f"nothing is posted of {number}", "number"))
    lines = [
        {
            "account": x.account.code, "name_zh": x.account.name_zh, "name_en": x.account.name_en,
            "balance": decimal(x.net_minor),
            "positions": {name: decimal(amount) for name, amount in x.positions},
        }
        for x in accounts_of_loan(row)
    ]  # fmt: skip
    return {
        "loan": number, "as_of": row.as_of, "nonaccrual_since": row.nonaccrual_since, "written_off": row.written_off,
        "lines": lines,
    }  # fmt: skip


@route(router.get, "/books/export", "books-export", ExportOut)
def export(request: HttpRequest, entity: str, first: Day, last: Day, format: Format = "csv") -> Any:
    """A span of at most a year as a file in `content`: voucher lines (csv) or a ledger for bean-check (beancount)."""
    owner = _entity(request, entity)
    if (last - first).days > EXPORT_DAYS_MAX:
        raise refuse("span_too_long", f"at most {EXPORT_DAYS_MAX} days at once", "last")
    out = io.StringIO(newline="")
    found = (write_beancount if format == "beancount" else write_csv)(out, owner, first, last)
    return {
        "entity": owner.code, "first": first, "last": last, "format": format, "vouchers": found.vouchers,
        "entries": found.entries, "content": out.getvalue(),
    }  # fmt: skip
