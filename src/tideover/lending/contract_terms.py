"""Engine terms of a contract: the product version's conventions, the contract's own columns, its rare overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from enum import IntEnum
from typing import Any, get_type_hints

from tideover.core.packs.load import NoRule, calendar_pin
from tideover.core.packs.load import calendar as pack_calendar
from tideover.core.packs.rules.fixings import Reference, reference_read
from tideover.core.problems import Problem
from tideover.engine import terms as T
from tideover.engine.events import EventKind
from tideover.engine.terms import NO_DAY, Component, CustomRow, Terms, day
from tideover.lending.models import Contract

TERM_TYPES = get_type_hints(Terms)
PENALTY_TYPES = get_type_hints(T.PenaltyTerms)
ROW_TYPES = get_type_hints(T.RowTerms)
DPD_TYPES = get_type_hints(T.DpdTerms)


def day_or_none(on: date | None) -> int:
    """Engine day of a date; NO_DAY for none."""
    return NO_DAY if on is None else day(on)


def contract_columns(contract: Contract) -> dict[str, Any]:
    """The engine terms that a contract keeps in columns of its own."""
    return {
        "principal_minor": contract.principal_minor,
        "annual_rate_ppm": contract.annual_rate_ppm,
        "currency": contract.currency,
        "disbursed_on": day(contract.disbursed_on),
        "instalments": contract.instalments,
        "first_due_on": day_or_none(contract.first_due_on),
        "due_day": contract.due_day,
        "maturity_on": day_or_none(contract.maturity_on),
    }


def terms_for(contract: Contract) -> Terms:
    """The terms of one contract (`contract.product` is read)."""
    return terms_from(contract.product.conventions, contract_columns(contract), contract.overrides)


def terms_problems(contract: Contract) -> list[Problem]:
    """Everything that makes a contract's terms impossible; `field` names the term. Empty when they are sound."""
    try:
        terms = terms_build(contract.product.conventions, contract_columns(contract), contract.overrides)
        found = terms.problems()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return [Problem("impossible_terms", str(error), "overrides")]
    return [Problem("impossible_terms", p, p.split()[0]) for p in found]


def reference_of(contract: Contract) -> Reference | None:
    """The reference rate that a contract follows; None for a fixed rate. Raises ValueError when it cannot be read."""
    raw = {**contract.product.conventions, **contract.overrides}.get("reference")
    return None if raw is None else reference_read(raw)


def ladder_of(contract: Contract) -> str:
    """The ladder of classes that the product names beside its lender's (`card`); empty for none."""
    return str({**contract.product.conventions, **contract.overrides}.get("ladder", ""))


def calendar_pinned(c: Contract) -> list[Problem]:
    """Write the calendar's version into the contract: days announced later must not move what was signed."""
    try:
        c.overrides = overrides_pinned(c.product.conventions, c.overrides)
    except NoRule as error:
        return [Problem("unknown_calendar", str(error), "calendar")]
    return []


def overrides_pinned(conventions: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A contract's overrides with its calendar's version, where one is named without. Raises NoRule."""
    named = {**conventions, **overrides}.get("calendar")
    if not isinstance(named, str) or "@" in named:
        return dict(overrides)
    return {**overrides, "calendar": calendar_pin(named)}


def terms_from(conventions: Mapping[str, Any], columns: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Terms:
    """Terms from names and plain values. Raises ValueError naming an unknown term or an impossible value."""
    return terms_build(conventions, columns, overrides).checked()


def terms_build(conventions: Mapping[str, Any], columns: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Terms:
    """Terms as given, not yet checked. Raises ValueError for a name or an enumeration value that does not exist."""
    given = {**conventions, **(overrides or {})}
    if (reference := given.pop("reference", None)) is not None:
        reference_read(reference)
    given.pop("ladder", None)
    values: dict[str, Any] = {name: _value(name, raw) for name, raw in given.items()}
    return Terms(**{**values, **columns})


def _value(name: str, raw: Any) -> Any:
    if name not in TERM_TYPES:
        raise ValueError(f"unknown term {name}; terms are {', '.join(f.name for f in fields(Terms))}")
    kind = TERM_TYPES[name]
    if name == "penalty":
        return None if raw is None else T.PenaltyTerms(**{k: _enum(PENALTY_TYPES, k, v) for k, v in raw.items()})
    if name == "dpd":
        return T.DpdTerms(**{k: _enum(DPD_TYPES, k, v) for k, v in raw.items()})
    if name == "row_terms":
        return None if raw is None else _row_terms(raw)
    if name == "subsidy":
        return (
            None if raw is None else T.SubsidyTerms(**{k: day(v) if k in ("from_day", "to_day") else v for k, v in raw.items()})
        )
    if name in ("allocation_order", "allocation_over_order"):
        return tuple(Component[c.upper()] for c in raw)
    if name == "custom_rows":
        return tuple(CustomRow(day(r["due_on"]), r["principal_minor"], r.get("interest_minor", -1)) for r in raw)
    if name == "calendar" and isinstance(raw, str):
        try:
            return pack_calendar(raw)
        except NoRule as error:
            raise ValueError(str(error)) from error
    if name == "calendar":
        return T.Calendar(
            raw["name"], frozenset(raw["weekend"]), frozenset(map(day, raw["holidays"])), frozenset(map(day, raw["workdays"]))
        )
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return _enum(TERM_TYPES, name, raw)
    return raw


def _row_terms(raw: Mapping[str, Any]) -> T.RowTerms:
    """Row terms of plain values: steps and kinds are lists of objects, components and kinds by name."""
    values = {k: _enum(ROW_TYPES, k, v) for k, v in raw.items() if k not in ("steps", "kinds", "credit_order")}
    kinds = tuple(
        T.KindRule(int(EventKind[k["kind"].upper()]), T.FutureRule[k["future"].upper()], _steps(k.get("steps", ())))
        for k in raw.get("kinds", ())
    )
    order = tuple(Component[c.upper()] for c in raw.get("credit_order", ()))
    return T.RowTerms(_steps(raw["steps"]), kinds=kinds, credit_order=order, **values)


def _steps(raw: Any) -> tuple[T.AllocationStep, ...]:
    return tuple(
        T.AllocationStep(
            T.RowTiming[s["rows"].upper()],
            tuple(Component[c.upper()] for c in s["order"]),
            T.AllocateBy[s.get("by", "instalment").upper()],
        )
        for s in raw
    )


def _enum(types: Mapping[str, Any], name: str, raw: Any) -> Any:
    kind = types.get(name)
    if kind is None:
        raise ValueError(f"unknown term {name}")
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        try:
            return kind[str(raw).upper()]
        except KeyError:
            raise ValueError(f"{name} cannot be {raw!r}; it is one of {', '.join(m.name.lower() for m in kind)}") from None
    return raw
