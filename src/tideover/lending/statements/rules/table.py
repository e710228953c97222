"""Tables of banks (CSV, XLSX, XLS) by a layout: which columns say what. The header is found by its names, not by counting.

A layout is a YAML file (presets/ holds those of seven banks; docs/bank-files.md explains each key). Rows that cannot be read
become rejects; rows of another shape than the header (totals, notes) end the table or are left out by `end`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from tideover.lending.statements.rules.line import (
    CURRENCIES,
    BadStatement,
    Line,
    Reject,
    Statement,
    chain_check,
    clean,
    currency_of,
    day_of,
    minor_of,
    text_of,
)
from tideover.lending.statements.rules.text import decoded

RAW_MAX = 1000
SCAN_ROWS = 60
FIELDS = ("booked_on", "value_on", "amount", "income", "expense", "direction", "balance", "currency", "name", "account", "bank",
          "party", "reference", "text", "end_to_end", "bank_id")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a bank's table mean.

    `columns`: field -> names of columns (a `reference` or `text` may join several). Amounts: `amount` with a sign; or `amount`
    with `direction` and its words in `credit`/`debit`; or `income` and `expense`. `party`: name and account in one cell, taken
    apart by `party_split` (glued: the last digits are the account; slash: ACCOUNT/NAME).
    `account_at`: a pattern with one group, looked for above the header. `end`: a row whose first cell matches ends the table.
    `per_day`: whether bank_id is counted anew each day.
    """

    code: str
    columns: Mapping[str, tuple[str, ...]]
    credit: tuple[str, ...] = ()
    debit: tuple[str, ...] = ()
    party_split: str = ""
    account_at: str = ""
    end: str = ""
    per_day: bool = False
    ignore: tuple[str, ...] = field(default=())

    def needs(self) -> set[str]:
        """Names of columns without which a row cannot be read."""
        wanted = [f for f in ("booked_on", "amount", "income", "expense", "direction") if f in self.columns]
        return {n for f in wanted for n in self.columns[f][:1]}


def layout_make(code: str, said: Any) -> Layout:
    """A layout from what a YAML file says. Raises BadStatement naming the key that is wrong."""

    def bad(message: str) -> BadStatement:
        return BadStatement("bad_mapping", f"mapping {code}: {message}")

    if not isinstance(said, dict) or not isinstance(said.get("columns"), dict):
        raise bad("it needs `columns`: field -> name of the column")
    known = {"columns", "credit", "debit", "party_split", "account_at", "end", "per_day", "ignore", "title"}
    if unknown := sorted(set(map(str, said)) - known):
        raise bad(f"{unknown[0]} is no key; there are {', '.join(sorted(known))}")
    columns = {str(k): tuple(map(str, v if isinstance(v, list) else [v])) for k, v in said["columns"].items()}
    if unknown := sorted(set(columns) - set(FIELDS)):
        raise bad(f"{unknown[0]} is no field; there are {', '.join(FIELDS)}")
    if "booked_on" not in columns:
        raise bad("booked_on is missing")
    if ("amount" in columns) == ("income" in columns or "expense" in columns):
        raise bad("it needs `amount`, or `income` and `expense`")
    if "amount" not in columns and not {"income", "expense"} <= set(columns):
        raise bad("income and expense go together")
    if "direction" in columns and not (said.get("credit") and said.get("debit")):
        raise bad("with `direction` it needs the words for `credit` and `debit`")
    if said.get("party_split", "") not in ("", "glued", "slash"):
        raise bad("party_split is glued or slash")
    for key in ("account_at", "end"):
        try:
            re.compile(str(said.get(key, "")))
        except re.error as error:
            raise bad(f"{key} is no pattern: {error}") from error

    def words(key: str) -> tuple[str, ...]:
        value = said.get(key) or ()
        return tuple(map(str, value if isinstance(value, list) else [value])) if value else ()

    return Layout(
        code, columns, words("credit"), words("debit"), said.get("party_split", ""), str(said.get("account_at", "")),
        str(said.get("end", "")), bool(said.get("per_day")), words("ignore"),
    )  # fmt: skip


def rows_of(data: bytes, kind: str) -> list[list[str]]:
    """A table as cells. Raises BadStatement when it cannot be opened."""
    return _sheet(data) if kind == "sheet" else _csv(data)


def _csv(data: bytes) -> list[list[str]]:
    text = decoded(data)
    head = text[:5000]
    delimiter = max(",\t;|", key=head.count)
    return [[clean(c) for c in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]


def _sheet(data: bytes) -> list[list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        rows = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (CalamineError, ValueError, IndexError) as error:
        raise BadStatement("not_sheet", f"the workbook cannot be read: {error}") from error
    return [[clean(_cell(v)) for v in row] for row in rows]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else "" if value is None else str(value)


def header_at(rows: Sequence[Sequence[str]], layout: Layout) -> int | None:
    """The row that holds every name that the layout needs; None: no row does."""
    needed = layout.needs()
    return next((n for n, row in enumerate(rows[:SCAN_ROWS]) if needed <= set(row)), None)


def layout_find(rows: Sequence[Sequence[str]], layouts: Sequence[Layout]) -> Layout:
    """The layout whose columns are all there; of several the one that knows the most columns. Raises BadStatement for none."""
    found = []
    for layout in layouts:
        at = header_at(rows, layout)
        if at is not None:
            names = {n for ns in layout.columns.values() for n in ns}
            found.append((len(names & set(rows[at])) - len(set(rows[at]) - names - set(layout.ignore)), layout.code, layout))
    if not found:
        raise BadStatement("unknown_layout", f"no known layout has these columns; known are {', '.join(x.code for x in layouts)}")
    return max(found, key=lambda f: f[:2])[2]


def table_read(rows: Sequence[Sequence[str]], layout: Layout, account: str = "") -> list[Statement]:
    """The one statement of a table. `account`: whose it is, where the file does not say it (or only masked).

    Raises BadStatement: no header, no account, a currency that the book does not keep, a chain of balances that breaks.
    """
    at = header_at(rows, layout)
    if at is None:
        raise BadStatement("no_header", f"no row has the columns {', '.join(sorted(layout.needs()))} of layout {layout.code}")
    named = account or _account(rows[:at], layout)
    if not named or "*" in named:
        raise BadStatement("no_account", "the file does not say whose account it is: choose the account")
    header, place = list(rows[at]), f"account {named}"
    out = Statement(named, "CNY", place=place)
    for n, row in enumerate(rows[at + 1 :], start=at + 2):
        if not any(row):
            continue
        if layout.end and re.match(layout.end, row[0]):
            break
        _row(out, layout, dict(zip(header, row, strict=False)), f"row {n}", row)
    return [chain_check(out)]


def _account(rows: Sequence[Sequence[str]], layout: Layout) -> str:
    if not layout.account_at:
        return ""
    for row in rows:
        if found := re.search(layout.account_at, " ".join(row)):
            return found.group(1)
    return ""


def _row(out: Statement, layout: Layout, cells: Mapping[str, str], place: str, raw: Sequence[str]) -> None:
    try:
        line = _line(layout, cells, place)
    except ValueError as error:
        out.rejects.append(Reject(place, str(error), ",".join(raw)[:RAW_MAX]))
        return
    if line is not None:
        out.lines.append(line)


def _get(layout: Layout, cells: Mapping[str, str], name: str) -> str:
    return text_of(*(cells.get(n, "") for n in layout.columns.get(name, ())))


def _line(layout: Layout, cells: Mapping[str, str], place: str) -> Line | None:
    """One row; None for a row that moves nothing (a tax of 0.00). Raises ValueError with what is wrong."""
    said = _get(layout, cells, "currency")
    if said and (currency := currency_of(said)) not in CURRENCIES:
        raise BadStatement("currency", f"the row is in {currency}; this book keeps {', '.join(CURRENCIES)}", place)
    signed = _signed(layout, cells)
    booked = day_of(_get(layout, cells, "booked_on"))
    if signed == 0:
        return None
    value = _get(layout, cells, "value_on")
    balance = _get(layout, cells, "balance")
    name, account = _party(layout, cells)
    bank_id = _get(layout, cells, "bank_id")
    bank_id = "" if not bank_id.strip("0") else bank_id
    return Line(
        place=place,
        booked_on=booked,
        value_on=day_of(value) if value else booked,
        amount_minor=abs(signed),
        direction="credit" if signed > 0 else "debit",
        name=name,
        account=account,
        bank=_get(layout, cells, "bank"),
        reference=_get(layout, cells, "reference"),
        end_to_end=_get(layout, cells, "end_to_end"),
        text=_get(layout, cells, "text"),
        bank_id=bank_id,
        entry_id=bank_id,
        reversal=bool(re.search("冲正|退票|退汇|撤销|抹账", _get(layout, cells, "text"))),
        balance_minor=minor_of(balance) if balance else None,
        per_day=layout.per_day,
    )


def _signed(layout: Layout, cells: Mapping[str, str]) -> int:
    """What the row does to the balance (minor). Raises ValueError."""
    if "amount" not in layout.columns:
        came, went = (minor_of(_get(layout, cells, f) or "0") for f in ("income", "expense"))
        if came and went:
            raise ValueError("the row has an amount in and an amount out")
        return came - abs(went) if went else came
    text = _get(layout, cells, "amount")
    if not text:
        raise ValueError("the amount is empty")
    amount = minor_of(text)
    if "direction" not in layout.columns:
        return amount
    word = _get(layout, cells, "direction")
    if word in layout.credit:
        return abs(amount)
    if word in layout.debit:
        return -abs(amount)
    raise ValueError(f"the direction {word!r} is unknown; known are {', '.join((*layout.credit, *layout.debit))}")


GLUED = re.compile(r"^(.*?)\s*([0-9*]{8,32})$")


def _party(layout: Layout, cells: Mapping[str, str]) -> tuple[str, str]:
    """(name, account) of the other side."""
    if "party" not in layout.columns:
        return _get(layout, cells, "name"), _get(layout, cells, "account").replace(" ", "")
    cell = _get(layout, cells, "party")
    if layout.party_split == "slash" and "/" in cell:
        account, _, name = cell.partition("/")
        return name.strip(), account.strip()
    found = GLUED.match(cell)
    return (found[1].strip(), found[2]) if found else (cell, "")
