"""MT940 (SWIFT customer statement), read by the package mt-940; several statements a file are cut apart first.

The mark of :61: says the direction: C and D as they stand; RC takes a credit back (money goes), RD takes a debit back (money
comes). The package leaves the amounts of RC and RD without a sign, so the mark alone is asked.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import mt940

from tideover.lending.statements.rules.line import CURRENCIES, BadStatement, Line, Statement, balances_check, clean, text_of
from tideover.lending.statements.rules.text import decoded

MARKS: dict[str, tuple[Any, bool]] = {
    "C": ("credit", False),
    "D": ("debit", False),
    "RC": ("debit", True),
    "RD": ("credit", True),
    "EC": ("credit", False),
    "ED": ("debit", False),
}
STARTS = re.compile(r"^:20:", re.MULTILINE)
GERMAN = re.compile(r"\?(\d{2})([^?]*)")
SLASHED = re.compile(r"/(NAME|ACCT|REMI|EREF|IBAN)/([^/]*)")


def swift_read(data: bytes) -> list[Statement]:
    """Every statement of an MT940 file; pages of one (60M/62M) are kept as they come.

    Raises BadStatement: undecodable, no MT940, another currency than CNY, a line that cannot be read, totals that do not hold.
    """
    text = decoded(data).replace("\r\n", "\n")
    starts = [m.start() for m in STARTS.finditer(text)]
    if not starts:
        raise BadStatement("not_mt940", "this is no MT940: it has no line :20:")
    ends = [*starts[1:], len(text)]
    found = [_statement(text[a:b], f"statement {n}") for n, (a, b) in enumerate(zip(starts, ends, strict=True), start=1)]
    for statement in found:
        balances_check(statement)
    return found


def _statement(text: str, place: str) -> Statement:
    body = re.split(r"^-\}", text, maxsplit=1, flags=re.MULTILINE)[0]
    parsed = mt940.models.Transactions()
    try:
        parsed.parse(body)
    except (RuntimeError, ValueError, ArithmeticError, KeyError, AttributeError) as error:
        raise BadStatement("bad_line", f"it cannot be read: {' '.join(str(error).split())[:200]}", place) from error
    said = parsed.data
    account = clean(said.get("account_identification")).split("/")[-1].replace(" ", "")
    if not account:
        raise BadStatement("no_account", "the statement names no account (:25:)", place)
    place = f"{place} ({account})"
    opening = said.get("final_opening_balance") or said.get("intermediate_opening_balance")
    closing = said.get("final_closing_balance") or said.get("intermediate_closing_balance")
    if opening is None or closing is None:
        raise BadStatement("no_balance", "the opening (:60F:) or the closing balance (:62F:) is missing", place)
    currency = opening.amount.currency
    if currency not in CURRENCIES or closing.amount.currency != currency:
        raise BadStatement("currency", f"the balance is in {currency}; this book keeps {', '.join(CURRENCIES)}", place)
    lines = [_line(t.data, n, place) for n, t in enumerate(parsed.transactions, start=1)]
    count = len(re.findall(r"^:61:", body, re.MULTILINE))
    if count != len(lines):
        raise BadStatement("bad_line", f"{count} lines :61: stand in the statement, {len(lines)} can be read", place)
    number = "/".join(str(said[k]) for k in ("statement_number", "sequence_number") if said.get(k))
    return Statement(
        account, currency, number, _minor(opening.amount.amount), _minor(closing.amount.amount),
        _day(opening.date), _day(closing.date), lines, place=place,
    )  # fmt: skip


def _day(value: Any) -> date:
    return date(value.year, value.month, value.day)


def _minor(amount: Any) -> int:
    return int((amount * 100).to_integral_exact())


def _line(said: dict[str, Any], n: int, place: str) -> Line:
    where = f"{place} line {n}"
    mark = said.get("status") or ""
    if mark not in MARKS:
        raise BadStatement("no_direction", f"the mark of :61: is {mark!r}", where)
    direction, reversal = MARKS[mark]
    amount = abs(_minor(said["amount"].amount))
    if not amount:
        raise BadStatement("bad_line", "the amount is zero", where)
    details = said.get("transaction_details") or ""
    name, account, reference = _details(details)
    end_to_end, bank_id = clean(said.get("customer_reference")), clean(said.get("bank_reference"))
    return Line(
        place=where,
        booked_on=_day(said.get("entry_date") or said["date"]),
        value_on=_day(said["date"]),
        amount_minor=amount,
        direction=direction,
        name=name,
        account=account,
        reference=reference,
        end_to_end="" if end_to_end.upper() in ("NONREF", "NOTPROVIDED") else end_to_end,
        text=text_of(said.get("id"), said.get("extra_details")),
        bank_id=bank_id,
        entry_id=bank_id,
        reversal=reversal,
    )


def _details(text: str) -> tuple[str, str, str]:
    """Name, account and reference of :86:. Sub-fields (?20 ?31 ?32, or /NAME/ /ACCT/ /REMI/) are read; else all is reference."""
    flat = text.replace("\n", "")
    if fields := GERMAN.findall(flat):
        by = dict(fields)
        name = text_of(by.get("32"), by.get("33"))
        return name, clean(by.get("31")), text_of(*(v for k, v in fields if k.startswith("2") or k.startswith("6")))
    if slashed := dict(SLASHED.findall(flat)):
        return (
            text_of(slashed.get("NAME")),
            clean(slashed.get("ACCT") or slashed.get("IBAN")),
            text_of(slashed.get("REMI") or flat),
        )
    return "", "", text_of(text)
