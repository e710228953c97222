"""What a file's columns mean: a small YAML file, checked before any row is read.

kind: tape                 # tape | payments | people | events | contacts | promises | complaints | ledger | core_balances |
                           # core_movements (docs/beside-a-core.md)
plan: product              # tape only: product | level | rows | balances (docs/import.md)
namespace: core-a          # prefix of idempotency keys; default: the kind
missing: ["", "NA"]        # texts that mean "no value"; "" always does
skip: 2                    # lines above the header; default 0
sheet: 台账                # of a workbook; default: the first
columns:
  loan_id:          {from: LOAN_NO}
  interest_rate:    {from: RATE, rate: percent, per: month}  # fraction (default) | percent | permille | ppm; per year (default)
  origination_date: {from: START, date: "%Y%m%d"}        # default: ISO
  original_principal_balance: {from: AMT, decimal: ","}  # decimal mark; minor: true when the file holds minor units
  current_principal_balance: {from: 余额(万元), times: "10000"}  # the file's unit in currency units, a power of ten
  amount:           {from: CREDIT, sign: minus}          # the file writes what is meant as a minus; any: its sign means nothing
  currency:         {value: CNY}                         # a constant
  channel:          {from: CHANNEL, default: branch}     # where the cell is empty
  product_code:     {from: TYPE, map: {A: consumer-annuity}}
  borrower_id:      {from: CUSTOMER, handle: true}       # keyed hash: a public handle from a foreign or personal id
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from typing import Any

import yaml

from tideover.lending.imports.targets import KINDS, Target

OPTIONS = ("from", "value", "default", "date", "decimal", "minor", "times", "sign", "rate", "per", "map", "handle")
TOP = ("kind", "plan", "namespace", "missing", "skip", "sheet", "columns")
PLANS = ("product", "level", "rows", "balances")
RATES = ("fraction", "percent", "permille", "ppm")
PERS = {"year": 1, "month": 12, "day": 360}
"""How often a rate is paid in a year; a day's rate (日利率) counts 360 days, as Chinese contracts do."""
SIGNS = ("plus", "minus", "any")
FLAG = ("false", "true")
TIMES = ("1", "10", "100", "1000", "10000")
CHOICES = {"rate": RATES, "per": tuple(PERS), "sign": SIGNS, "times": TIMES, "minor": FLAG, "handle": FLAG}
"""Options of a column that are one of a few words; the first is the default."""
NAMESPACE_MAX = 19
"""A key is namespace:reference; with a reference of 60 characters it fits the journal's 80."""
OWN_NAMESPACE = "tideover"


class BadMapping(ValueError):
    """The mapping file is wrong: one sentence that names the key."""


@dataclass(frozen=True, slots=True)
class Column:
    """How one target gets its values: from a source column through a transform, or from a constant."""

    target: Target
    source: str = ""
    constant: str | None = None
    date_format: str = ""
    decimal_mark: str = "."
    is_minor: bool = False
    rate: str = "fraction"
    per: str = "year"
    sign: str = "plus"
    times: int = 1
    default: str = ""
    codes: MappingType[str, str] | None = None
    handle: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """A checked mapping."""

    kind: str
    columns: dict[str, Column]
    plan: str = "product"
    namespace: str = ""
    missing: tuple[str, ...] = field(default=("",))
    skip: int = 0
    sheet: str = ""


def mapping_read(text: str) -> Mapping:
    """The mapping in YAML `text`. Raises BadMapping: unknown or missing keys, targets that the kind does not have."""
    try:
        # BaseLoader reads every scalar as text, so a column named `on` or a code `NO` stays what it is.
        data = yaml.load(text, yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise BadMapping(f"not YAML: {error}") from error
    if not isinstance(data, dict):
        raise BadMapping("expected keys and values")
    _known(data, TOP, "key")
    kind = data.get("kind")
    if kind not in KINDS:
        raise BadMapping(f"kind is {kind!r}; it is one of {', '.join(KINDS)}")
    plan = data.get("plan", "product")
    if plan not in PLANS:
        raise BadMapping(f"plan is {plan!r}; it is one of {', '.join(PLANS)}")
    given = data.get("columns")
    if not isinstance(given, dict) or not given:
        raise BadMapping("columns is missing")
    targets = {t.name: t for t in KINDS[kind]}
    columns = {str(name): _column(targets, str(name), options) for name, options in given.items()}
    needed = [t.name for t in KINDS[kind] if (t.required or plan in t.required_by) and t.name not in columns]
    if needed:
        raise BadMapping(f"columns lacks {', '.join(needed)}, which {kind} needs")
    missing = data.get("missing", [])
    if not isinstance(missing, list):
        raise BadMapping("missing must be a list of texts")
    namespace = str(data.get("namespace", kind))
    if not (0 < len(namespace) <= NAMESPACE_MAX and namespace.isprintable()) or namespace == OWN_NAMESPACE:
        raise BadMapping(f"namespace is 1 to {NAMESPACE_MAX} characters and not {OWN_NAMESPACE}, not {namespace!r}")
    skip = str(data.get("skip", "0"))
    if not skip.isdecimal() or int(skip) > 1000:
        raise BadMapping(f"skip is a number of lines, not {skip!r}")
    return Mapping(kind, columns, plan, namespace, ("", *(str(m) for m in missing)), int(skip), str(data.get("sheet", "")))


def _known(data: MappingType[Any, Any], names: tuple[str, ...], what: str) -> None:
    for key in data:
        if key not in names:
            raise BadMapping(f"unknown {what} {key}; known: {', '.join(names)}")


def _column(targets: dict[str, Target], name: str, options: Any) -> Column:
    if name not in targets:
        raise BadMapping(f"unknown target {name}; known: {', '.join(targets)}")
    if isinstance(options, str):
        options = {"from": options}
    if not isinstance(options, dict):
        raise BadMapping(f"{name}: expected {{from: COLUMN}} or {{value: CONSTANT}}")
    _known(options, OPTIONS, f"option of {name}")
    if ("from" in options) == ("value" in options):
        raise BadMapping(f"{name}: give either from or value")
    for option, known in CHOICES.items():
        if options.get(option, known[0]) not in known:
            raise BadMapping(f"{name}: {option} is {options[option]!r}; it is one of {', '.join(known)}")
    if options.get("minor") == "true" and options.get("times", "1") != "1":
        raise BadMapping(f"{name}: give either minor or times")
    mark = options.get("decimal", ".")
    if mark not in (".", ","):
        raise BadMapping(f'{name}: decimal is "." or ","')
    codes = options.get("map")
    if codes is not None and not isinstance(codes, dict):
        raise BadMapping(f"{name}: map must be CODE: value")
    return Column(
        targets[name],
        source=str(options.get("from", "")),
        constant=None if "value" not in options else str(options["value"]),
        date_format=str(options.get("date", "")),
        decimal_mark=mark,
        is_minor=options.get("minor") == "true",
        rate=options.get("rate", "fraction"),
        per=options.get("per", "year"),
        sign=options.get("sign", "plus"),
        times=int(options.get("times", "1")),
        default=str(options.get("default", "")),
        codes=None if codes is None else {str(k): str(v) for k, v in codes.items()},
        handle=options.get("handle") == "true",
    )
