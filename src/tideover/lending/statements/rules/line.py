"""What every reader gives: statements of one account, their lines, and the rows that could not be read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal

Direction = Literal["credit", "debit"]
CURRENCIES = {"CNY": 2}
"""Currencies that the book keeps, with the number of decimals."""
CURRENCY_WORDS = {"人民币": "CNY", "人民币元": "CNY", "RMB": "CNY", "CNY": "CNY", "元": "CNY", "156": "CNY"}
AMOUNT_MINOR_MAX = 10**15
TEXT_MAX = 500
EMPTY = re.compile(r"[-/]*")
AMOUNT = re.compile(r"[+-]?\d{1,15}(\.\d+)?")
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)


class BadStatement(Exception):
    """A file that is refused as a whole. `place`: where in the file, in words (empty: the whole of it)."""

    def __init__(self, code: str, message: str, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.code, self.place, self.message = code, place, message


@dataclass(frozen=True, slots=True)
class Line:
    """One booked line of an account. `amount_minor` is positive; what it does to the balance is `direction` alone.

    `entry_id`: the bank's own id of the entry; `bank_id`: that of this line (an entry of several payments is split, ENTRY/1 …).
    `per_day`: the bank counts its ids anew each day, so that they name a line together with the day only.
    `reversal`: the bank says that this line takes an earlier one back. `balance_minor`: of the account after the line, if said.
    """

    place: str
    booked_on: date
    value_on: date
    amount_minor: int
    direction: Direction
    name: str = ""
    account: str = ""
    bank: str = ""
    reference: str = ""
    end_to_end: str = ""
    text: str = ""
    bank_id: str = ""
    entry_id: str = ""
    reversal: bool = False
    balance_minor: int | None = None
    per_day: bool = False

    @property
    def signed_minor(self) -> int:
        return self.amount_minor if self.direction == "credit" else -self.amount_minor


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be read: where, why, and the row as it was."""

    place: str
    reason: str
    raw: str


@dataclass(slots=True)
class Statement:
    """One account over some days. Balances are None where the file says none; then nothing can be checked against them.

    `rejects`: rows that could not be read; `pending`: entries that the bank announces and has not booked.
    """

    account: str
    currency: str
    number: str = ""
    opening_minor: int | None = None
    closing_minor: int | None = None
    opened_on: date | None = None
    closed_on: date | None = None
    lines: list[Line] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    pending: list[Reject] = field(default_factory=list)
    place: str = ""


def clean(text: str | None) -> str:
    """A cell without the spaces, tabs and marks around it; a run of dashes or a lone slash is an empty cell."""
    plain = (text or "").strip(" \t\r\n\u3000\u00a0\ufeff")
    return "" if EMPTY.fullmatch(plain) else plain


def text_of(*parts: str | None) -> str:
    """Parts as one text: folded spaces, no control characters, cut at TEXT_MAX."""
    joined = " ".join(p for p in (clean(x) for x in parts) if p)
    folded = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in joined).split())
    return folded[:TEXT_MAX]


def minor_of(text: str, places: int = 2) -> int:
    """Minor units, signed, of an amount written as banks write it. Raises ValueError with what is wrong.

    ¥, 元, spaces and thousands separators are taken off. More decimals than the currency has are refused unless they are zero.
    """
    plain = unicodedata.normalize("NFKC", clean(text)).replace(",", "").replace("¥", "").replace(" ", "").removesuffix("元")
    if re.search(r"\d[eE]\+?\d", plain):
        raise ValueError(f"{text!r} was rewritten by a spreadsheet: export the file again and do not open it in between")
    if not AMOUNT.fullmatch(plain):
        raise ValueError(f"{text!r} is not an amount")
    try:
        value = Decimal(plain).scaleb(places)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not an amount") from error
    if value != value.to_integral_value():
        raise ValueError(f"{text!r} has more decimals than the currency")
    if abs(value) > AMOUNT_MINOR_MAX:
        raise ValueError(f"{text!r} is too large")
    return int(value)


def day_of(text: str) -> date:
    """A day as banks write it: 20250213, 2025-02-13, 2025/2/13, 2025年2月13日, each with or without a time. Raises ValueError."""
    plain = unicodedata.normalize("NFKC", clean(text))
    found = re.match(r"(\d{4})(\d{2})(\d{2})(?!\d)", plain) or re.match(r"(\d{4})\D(\d{1,2})\D(\d{1,2})(?!\d)", plain)
    if not found:
        raise ValueError(f"{text!r} is not a day")
    try:
        day = date(*(int(x) for x in found.groups()))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a day") from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"{text!r} lies outside {FIRST_DAY:%Y}-{LAST_DAY:%Y}")
    return day


def currency_of(text: str) -> str:
    """The ISO code of a currency as banks name it; what is unknown comes back as it is."""
    plain = clean(text)
    return CURRENCY_WORDS.get(plain.upper(), plain.upper())


def balances_check(statement: Statement) -> None:
    """Opening + lines = closing, where the file says both. Raises BadStatement with the three figures.

    A statement with rows that could not be read is not checked here: the caller refuses or keeps it knowingly.
    """
    if statement.opening_minor is None or statement.closing_minor is None or statement.rejects:
        return
    moved = sum(line.signed_minor for line in statement.lines)
    if statement.opening_minor + moved != statement.closing_minor:
        opening, closing = shown(statement.opening_minor), shown(statement.closing_minor)
        off = shown(statement.opening_minor + moved - statement.closing_minor)
        message = f"opening {opening} and lines of {shown(moved)} do not give the closing {closing}: off by {off}"
        raise BadStatement("unbalanced", message, statement.place)


def chain_check(statement: Statement) -> Statement:
    """A table with a balance after each row, put into the order of booking, with opening and closing from the ends of the chain.

    Files run up or down. Raises BadStatement at the first row where the chain breaks in both orders: a row is missing or changed.
    """
    lines = statement.lines
    if not lines or any(line.balance_minor is None for line in lines) or statement.rejects:
        return statement
    up, down = _break_of(lines), _break_of(lines[::-1])
    if up is not None and down is not None:
        order = lines if up >= down else lines[::-1]
        before, here = order[max(up, down) - 1], order[max(up, down)]
        message = (
            f"the balance before is {shown(before.balance_minor or 0)}, the line {shown(here.signed_minor)}, "
            f"the balance after {shown(here.balance_minor or 0)}: a row is missing or was changed"
        )
        raise BadStatement("unbalanced", message, here.place)
    order = lines if up is None else lines[::-1]
    first, last = order[0], order[-1]
    statement.lines = order
    statement.opening_minor = (first.balance_minor or 0) - first.signed_minor
    statement.closing_minor = last.balance_minor
    statement.opened_on, statement.closed_on = first.booked_on, last.booked_on
    return statement


def _break_of(lines: list[Line]) -> int | None:
    """Where the chain of balances breaks first; None: nowhere."""
    for at in range(1, len(lines)):
        if (lines[at - 1].balance_minor or 0) + lines[at].signed_minor != lines[at].balance_minor:
            return at
    return None


def split_ids(lines: Iterable[Line], entry_id: str) -> list[Line]:
    """The parts of one entry with ids of their own: ENTRY/1, ENTRY/2 …, or ENTRY for a single part."""
    parts = list(lines)
    if not entry_id or len(parts) == 1:
        return [replace(p, entry_id=entry_id, bank_id=p.bank_id or entry_id) for p in parts]
    return [replace(p, entry_id=entry_id, bank_id=p.bank_id or f"{entry_id}/{n}") for n, p in enumerate(parts, start=1)]


def shown(minor: int) -> str:
    """1,234.56"""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100:,}.{abs(minor) % 100:02}"
