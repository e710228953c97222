"""A chart of accounts with the accounts of every position: YAML in, a chart or every problem with its line and rule out.

    chart: cn                # a name
    valid_from: 2026-01-01   # the first booking day on which it holds
    accounts:
      - {code: "130301", class: asset, zh: 贷款——正常本金, en: "Loans: principal"}
    entries:
      disbursed: {debit: "130301", credit: "1011"}   # every position of rules/positions.py
    vat:                     # optional: loans whose tax is not the pack's; the first line that fits a loan on a day holds
      - {why: act that it rests on, product: [FARM], borrower: person, principal_max: "100000.00", valid_from: 2024-01-01,
         valid_to: 2028-01-01, rate_ppm: 0}

Rules: C1 shape and types, C2 codes are unique and written in digits, letters, dots or dashes, C3 classes, C4 every position has
its two accounts and no other is named, C5 accounts of entries exist and differ, C6 memorandum positions touch memorandum
accounts only, others none, C7 a line of `vat` names an act, its days, at least one rate, and loans in known words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import yaml

from tideover.accounting.rules.positions import ALL_POSITIONS, OFF_BALANCE
from tideover.accounting.rules.tax import PPM, Relief

CLASSES = ("asset", "liability", "equity", "income", "expense", "memo")
DEBIT_NORMAL = frozenset({"asset", "expense", "memo"})
"""Classes whose balance is shown as debit less credit."""
KEYS = ("chart", "valid_from", "accounts", "entries")
VAT_KEYS = (
    "why", "valid_from", "valid_to", "rate_ppm", "fee_rate_ppm", "product", "borrower", "industry", "purpose", "principal_max",
)  # fmt: skip
BORROWERS = ("person", "enterprise")
ACCOUNT_KEYS = ("code", "class", "zh", "en")
CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,19}")
TEXT_MAX = 500_000


@dataclass(frozen=True, slots=True)
class Account:
    """One account. kind: one of CLASSES."""

    code: str
    kind: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Chart:
    """accounts by code in the order of the file; entries: (debit, credit) by position; vat: the lender's own tax lines."""

    name: str
    valid_from: date
    accounts: Mapping[str, Account]
    entries: Mapping[str, tuple[str, str]]
    vat: tuple[Relief, ...] = ()


class ChartError(ValueError):
    """A chart that cannot be used. `problems`: one sentence each, `FILE:LINE: RULE: what`."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(slots=True)
class _Reading:
    file: str
    problems: list[str]

    def bad(self, node: Any, rule: str, what: str) -> None:
        line = node.start_mark.line + 1 if node is not None else 1
        self.problems.append(f"{self.file}:{line}: {rule}: {what}")


def chart_read(text: str, file: str = "chart") -> Chart:
    """The chart of a YAML text. Raises ChartError with everything that is wrong in it."""
    r = _Reading(file, [])
    if len(text) > TEXT_MAX:
        r.bad(None, "C1", f"a chart has at most {TEXT_MAX} characters")
        raise ChartError(r.problems)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        r.problems.append(f"{file}:{mark.line + 1 if mark else 1}: C1: not YAML: {getattr(error, 'problem', error)}")
        raise ChartError(r.problems) from error
    top = dict(_pairs(r, root, "the file", (*KEYS, "vat")))
    for key in KEYS:
        if key not in top:
            r.bad(root, "C1", f"{key} is missing")
    accounts = {a.code: a for a in _accounts(r, top.get("accounts"))}
    entries = dict(_entries(r, top.get("entries"), accounts))
    name, start = _text(r, top.get("chart"), "chart"), _day(r, top.get("valid_from"), "C1", "valid_from")
    vat = tuple(_reliefs(r, top.get("vat")))
    if r.problems:
        raise ChartError(r.problems)
    return Chart(name, start, accounts, entries, vat)


def _pairs(r: _Reading, node: Any, what: str, known: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, yaml.MappingNode):
        r.bad(node, "C1", f"{what} must be keys and values")
        return
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name not in known:
            r.bad(key, "C4" if known is ALL_POSITIONS else "C1", f"{what}: unknown key {name}")
        elif name in seen:
            r.bad(key, "C1", f"{what}: {name} stands twice")
        else:
            seen.add(name)
            yield name, value


def _text(r: _Reading, node: Any, what: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or not str(node.value).strip():
        r.bad(node, "C1", f"{what} must be a text")
        return ""
    return str(node.value)


def _day(r: _Reading, node: Any, rule: str, what: str) -> date:
    if node is not None:
        try:
            return date.fromisoformat(str(node.value))
        except ValueError:
            r.bad(node, rule, f"{what} must be a date like 2026-01-31")
    return date.min


def _reliefs(r: _Reading, node: Any) -> Iterator[Relief]:
    if node is None:
        return
    if not isinstance(node, yaml.SequenceNode):
        r.bad(node, "C7", "vat must be a list of lines")
        return
    for item in node.value:
        given = dict(_pairs(r, item, "a line of vat", VAT_KEYS))
        if lacking := [k for k in ("why", "valid_from") if k not in given]:
            r.bad(item, "C7", f"a line of vat lacks {', '.join(lacking)}")
            continue
        rates = {k: _ppm(r, given[k], k) for k in ("rate_ppm", "fee_rate_ppm") if k in given}
        if not rates:
            r.bad(item, "C7", "a line of vat says rate_ppm or fee_rate_ppm")
        start = _day(r, given["valid_from"], "C7", "valid_from")
        end = _day(r, given["valid_to"], "C7", "valid_to") if "valid_to" in given else None
        if end is not None and end <= start:
            r.bad(given["valid_to"], "C7", "valid_to must lie after valid_from")
        borrower = _text(r, given["borrower"], "borrower") if "borrower" in given else ""
        if borrower not in ("", *BORROWERS):
            r.bad(given["borrower"], "C7", f"borrower {borrower} must be one of {', '.join(BORROWERS)}")
        chosen = {k: _words(r, given[k], k) for k in ("product", "industry", "purpose") if k in given}
        yield Relief(
            _text(r, given["why"], "why"), start, end, rates.get("rate_ppm"), rates.get("fee_rate_ppm"),
            chosen.get("product", frozenset()), borrower, chosen.get("industry", frozenset()), chosen.get("purpose", frozenset()),
            _amount(r, given["principal_max"]) if "principal_max" in given else None,
        )  # fmt: skip


def _ppm(r: _Reading, node: Any, what: str) -> int:
    text = str(node.value)
    if not isinstance(node, yaml.ScalarNode) or not text.isdecimal() or int(text) > PPM:
        r.bad(node, "C7", f"{what} must be a whole number of 0 to {PPM}")
        return 0
    return int(text)


def _words(r: _Reading, node: Any, what: str) -> frozenset[str]:
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    found = frozenset(str(x.value) for x in items if isinstance(x, yaml.ScalarNode) and str(x.value).strip())
    if len(found) != len(items):
        r.bad(node, "C7", f"{what} must be a word or a list of different words")
    return found


def _amount(r: _Reading, node: Any) -> int:
    if not isinstance(node, yaml.ScalarNode) or not re.fullmatch(r"[0-9]{1,13}(\.[0-9]{2})?", str(node.value)):
        r.bad(node, "C7", 'principal_max must be an amount in quotes, like "100000.00"')
        return 0
    return int(Decimal(node.value) * 100)


def _accounts(r: _Reading, node: Any) -> Iterator[Account]:
    if node is None:
        return
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        r.bad(node, "C1", "accounts must be a list of accounts")
        return
    seen: set[str] = set()
    for item in node.value:
        given = dict(_pairs(r, item, "an account", ACCOUNT_KEYS))
        lacking = [k for k in ACCOUNT_KEYS if k not in given]
        if lacking:
            r.bad(item, "C1", f"an account lacks {', '.join(lacking)}")
            continue
        code, kind, zh, en = (_text(r, given[k], f"an account's {k}") for k in ACCOUNT_KEYS)
        if not CODE.fullmatch(code):
            r.bad(item, "C2", f"account code {code!r} must be 1 to 20 digits, letters, dots or dashes")
        elif code in seen:
            r.bad(item, "C2", f"account {code} stands twice")
        elif kind not in CLASSES:
            r.bad(item, "C3", f"account {code}: class {kind} must be one of {', '.join(CLASSES)}")
        else:
            seen.add(code)
            yield Account(code, kind, zh, en)


def _entries(r: _Reading, node: Any, accounts: Mapping[str, Account]) -> Iterator[tuple[str, tuple[str, str]]]:
    if node is None:
        return
    found = dict(_pairs(r, node, "entries", ALL_POSITIONS))
    for position in ALL_POSITIONS:
        if position not in found:
            r.bad(node, "C4", f"position {position} has no accounts")
    for position, pair in found.items():
        legs = dict(_pairs(r, pair, position, ("debit", "credit")))
        if len(legs) != 2:
            r.bad(pair, "C4", f"{position} must name a debit and a credit account")
            continue
        debit, credit = (_text(r, legs[k], f"{position}.{k}") for k in ("debit", "credit"))
        unknown = [code for code in (debit, credit) if code not in accounts]
        if unknown:
            r.bad(pair, "C5", f"{position}: there is no account {', '.join(unknown)}")
        elif debit == credit:
            r.bad(pair, "C5", f"{position}: debit and credit are the same account {debit}")
        elif (accounts[debit].kind == "memo") != (position in OFF_BALANCE) or (accounts[credit].kind == "memo") != (
            position in OFF_BALANCE
        ):
            where = "memorandum accounts only" if position in OFF_BALANCE else "no memorandum account"
            r.bad(pair, "C6", f"{position} must touch {where}")
        yield position, (debit, credit)
