"""JSON of the webhook: lines of accounts as a bank reports them one by one. docs/bank-files.md describes the body.

{"lines": [{"id": "B20261125-0001", "account": "1100000000000000001", "booked_on": "2026-11-25", "amount": "856.07",
            "direction": "credit", "name": "李明", "counter_account": "6217…", "reference": "T-1"}]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tideover.core.problems import Problem, Refused
from tideover.lending.statements.rules.line import CURRENCIES, Line, Statement, clean, day_of, minor_of, text_of

LINES_MAX = 1000
NEEDED = ("id", "account", "booked_on", "amount", "direction")
OPTIONAL = {
    "value_on": 10, "currency": 3, "name": 120, "counter_account": 40, "bank": 80, "reference": 500, "end_to_end": 80,
    "text": 500, "entry_id": 60,
}  # fmt: skip


def hook_read(body: bytes) -> list[Statement]:
    """The lines of a call by account. Raises Refused naming every field that is wrong; then nothing of the call is taken."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(Problem("not_json", "the body is not JSON in UTF-8")) from error
    lines = said.get("lines") if isinstance(said, dict) else None
    if not isinstance(lines, list) or set(said) != {"lines"} or not 1 <= len(lines) <= LINES_MAX:
        raise Refused(Problem("bad_body", f"the body is an object with `lines`: a list of 1 to {LINES_MAX} lines", "lines"))
    problems: list[Problem] = []
    by_account: dict[str, Statement] = {}
    for n, item in enumerate(lines):
        found = _problems(item, f"lines.{n}")
        problems += found
        if not found:
            line = _line(item, f"line {n + 1}")
            account = clean(item["account"]).replace(" ", "")
            by_account.setdefault(account, Statement(account, "CNY", place=f"account {account}")).lines.append(line)
    if problems:
        raise Refused(*problems[:50])
    return list(by_account.values())


def _problems(item: Any, at: str) -> list[Problem]:
    if not isinstance(item, dict):
        return [Problem("bad_line", "a line is an object", at)]
    out = [Problem("missing", f"{f} is missing", f"{at}.{f}") for f in NEEDED if not isinstance(item.get(f), str) or not item[f]]
    unknown = sorted(set(map(str, item)) - {*NEEDED, *OPTIONAL, "reversal"})
    out += [Problem("unknown_field", f"{f[:40]} is no field of a line", f"{at}.{f[:40]}") for f in unknown]
    for f, longest in {**OPTIONAL, "id": 60, "account": 40}.items():
        value = item.get(f, "")
        if not isinstance(value, str) or len(value) > longest or "\0" in value:
            out.append(Problem("bad_text", f"{f} is a text of at most {longest} characters", f"{at}.{f}"))
    if not isinstance(item.get("reversal", False), bool):
        out.append(Problem("bad_value", "reversal is true or false", f"{at}.reversal"))
    return out or _values(item, at)


def _values(item: Mapping[str, Any], at: str) -> list[Problem]:
    out = []
    if item["direction"] not in ("credit", "debit"):
        out.append(Problem("bad_value", "direction is credit or debit", f"{at}.direction"))
    if item.get("currency", "CNY") not in CURRENCIES:
        out.append(Problem("currency", f"this book keeps {', '.join(CURRENCIES)}", f"{at}.currency"))
    try:
        if minor_of(item["amount"]) <= 0:
            raise ValueError("the amount must be positive: direction says the sign")
    except ValueError as error:
        out.append(Problem("bad_amount", str(error), f"{at}.amount"))
    for f in ("booked_on", "value_on"):
        try:
            if item.get(f):
                day_of(item[f])
        except ValueError as error:
            out.append(Problem("bad_day", str(error), f"{at}.{f}"))
    return out


def _line(item: Mapping[str, Any], place: str) -> Line:
    booked = day_of(item["booked_on"])
    return Line(
        place=place,
        booked_on=booked,
        value_on=day_of(item["value_on"]) if item.get("value_on") else booked,
        amount_minor=minor_of(item["amount"]),
        direction=item["direction"],
        name=text_of(item.get("name")),
        account=clean(item.get("counter_account")).replace(" ", ""),
        bank=text_of(item.get("bank")),
        reference=text_of(item.get("reference")),
        end_to_end=clean(item.get("end_to_end")),
        text=text_of(item.get("text")),
        bank_id=clean(item["id"]),
        entry_id=clean(item.get("entry_id")) or clean(item["id"]),
        reversal=item.get("reversal", False),
    )
