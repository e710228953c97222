"""What a journal event must look like: which money and which fields each kind takes, and how they become an engine event.

Pure: plain values in, problems or an engine `Event` out. Source: engine/events.py (fields by kind).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum
from typing import Any

from tideover.core.problems import Problem
from tideover.engine.classify import CLASSES
from tideover.engine.events import DebitStatus, DeferInterest, Event, EventKind, PrepayMode, RowPolicy
from tideover.engine.judgment import JudgmentTerms
from tideover.engine.terms import PRINCIPAL_MINOR_MAX, RATE_PPM_MAX, ROW_COUNT_MAX, Component, CustomRow, Unit, day

CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,40}")
"""Text in the journal is a code, never prose: the journal holds no personal data."""
CHARGEABLE = (Component.FEE, Component.THIRD_PARTY_FEE, Component.RECOVERY_COST, Component.PENALTY)


class FieldError(ValueError):
    """A field of `extra` that cannot be read: which, and why in one sentence."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Money(Enum):
    """What `amount_minor` must be."""

    NONE = "none"
    POSITIVE = "positive"
    POSITIVE_OR_ALL = "positive, or -1 for all"
    POSITIVE_OR_NONE = "positive, or 0 where only days change"
    POSITIVE_OR_CLOSES = "positive, or 0 for whatever closes the loan"


@dataclass(frozen=True, slots=True)
class Shape:
    """What one kind takes: its money, the fields of `extra` that it needs, and those that it may have."""

    money: Money
    needs: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()


def _shape(money: Money, needs: str = "", may: str = "") -> Shape:
    return Shape(money, frozenset(needs.split()), frozenset((may + " note").split()))


SHAPES: dict[EventKind, Shape] = {
    EventKind.PAYMENT: _shape(Money.POSITIVE, may="debit_id"),
    EventKind.PREPAYMENT: _shape(Money.POSITIVE, may="prepay_mode"),
    EventKind.REPAY_PART: _shape(Money.POSITIVE),
    EventKind.PAYOFF: _shape(Money.POSITIVE_OR_CLOSES, may="debit_id"),
    EventKind.REVERSAL: _shape(Money.NONE, "of_seq"),
    EventKind.RATE_CHANGE: _shape(Money.NONE, "rate_ppm", "later_rows"),
    EventKind.CHARGE: _shape(Money.POSITIVE, "component", "until"),
    EventKind.WAIVER: _shape(Money.POSITIVE_OR_ALL, "component"),
    EventKind.DEFER: _shape(Money.NONE, "rows", "defer_interest"),
    EventKind.EXTENSION: _shape(Money.NONE, "until", "rate_ppm from_day"),
    EventKind.REAMORTISE: _shape(Money.NONE, "", "rows from_day components"),
    EventKind.NEW_ROWS: _shape(Money.NONE, "new_rows", "components rate_ppm"),
    EventKind.RESTRUCTURE: _shape(Money.NONE, "class_min"),
    EventKind.ACCELERATION: _shape(Money.NONE),
    EventKind.WRITE_OFF: _shape(Money.NONE),
    EventKind.GUARANTOR_PAYMENT: _shape(Money.NONE, "shares"),
    EventKind.PAY_GUARANTOR: _shape(Money.POSITIVE, may="components"),
    EventKind.DEBIT: _shape(Money.POSITIVE, "debit_id debit_status"),
    EventKind.PAUSE: _shape(Money.NONE, "until pause_what", "from_day"),
    EventKind.DISBURSEMENT: _shape(Money.POSITIVE),
    EventKind.CREDIT_REFUND: _shape(Money.POSITIVE),
    EventKind.CHARGEBACK: _shape(Money.POSITIVE, "of_seq"),
    EventKind.SETTLEMENT: _shape(Money.POSITIVE),
    EventKind.INSOLVENCY: _shape(Money.NONE),
    EventKind.JUDGMENT: _shape(Money.NONE, "judgment"),
    EventKind.ADJUSTMENT: _shape(Money.POSITIVE_OR_NONE, "of_seq", "from_day until"),
    EventKind.GOODWILL: _shape(Money.POSITIVE),
    EventKind.MERCHANT_REFUND: _shape(Money.POSITIVE),
    EventKind.PAYOUT_REFUND: _shape(Money.POSITIVE),
    EventKind.DOWN_PAYMENT: _shape(Money.POSITIVE),
    EventKind.CHARGE_CREDIT: _shape(Money.POSITIVE, "of_seq"),
    EventKind.CHARGE_WAIVER: _shape(Money.POSITIVE_OR_ALL, "of_seq"),
    EventKind.RE_AGE: _shape(Money.NONE, "rows from_day every unit"),
    EventKind.SPREAD_ARREARS: _shape(Money.NONE),
    EventKind.RESCHEDULE: _shape(Money.NONE, "from_day", "until rows grace_rows"),
}


MEANINGS: dict[EventKind, str] = {
    EventKind.PAYMENT: "money from the borrower, divided by the loan's allocation order",
    EventKind.PREPAYMENT: "money meant for principal not yet due; the plan is made anew",
    EventKind.REPAY_PART: "part of the principal paid back with its own interest, before it is due",
    EventKind.PAYOFF: "everything that is owed falls due and is paid; with an amount that falls short, the rest stays due",
    EventKind.REVERSAL: "an earlier event never happened",
    EventKind.RATE_CHANGE: "another rate from this day on",
    EventKind.CHARGE: "a fee, cost or penalty is asked for, with a due day of its own",
    EventKind.WAIVER: "the lender gives up part of a component, or all of it",
    EventKind.DEFER: "the next rows fall due later",
    EventKind.EXTENSION: "a later maturity, agreed before the old one",
    EventKind.REAMORTISE: "a new plan for what is left, with arrears capitalised where named",
    EventKind.RESTRUCTURE: "terms changed because of difficulty: the class can be no better than named",
    EventKind.ACCELERATION: "the whole debt falls due by notice",
    EventKind.WRITE_OFF: "removed from the books; the claim lives on",
    EventKind.GUARANTOR_PAYMENT: "a guarantor or insurer pays shares of the claim; the borrower owes them instead",
    EventKind.PAY_GUARANTOR: "money from the borrower for what a guarantor paid",
    EventKind.DEBIT: "a debit was sent, or its result became known",
    EventKind.PAUSE: "interest, penalty or the count of days past due stops for a time",
    EventKind.DISBURSEMENT: "a later tranche is paid out",
    EventKind.CREDIT_REFUND: "money held as surplus goes back to the borrower",
    EventKind.CHARGEBACK: "part of an earlier payment was taken back",
    EventKind.SETTLEMENT: "a sum is accepted and the rest waived",
    EventKind.INSOLVENCY: "a court accepted insolvency: interest and penalty stop",
    EventKind.JUDGMENT: "a court fixed the sums; general interest and the double part run on them",
    EventKind.ADJUSTMENT: "an earlier event had another amount, or other days",
    EventKind.NEW_ROWS: "rows agreed one by one in place of all that are not yet due",
    EventKind.GOODWILL: "money credited to the borrower for goodwill, allocated by its own rule",
    EventKind.MERCHANT_REFUND: "a merchant gave money back for what the loan bought, allocated by its own rule",
    EventKind.PAYOUT_REFUND: "money paid out came back, allocated by its own rule",
    EventKind.DOWN_PAYMENT: "the down payment of a tranche",
    EventKind.CHARGE_CREDIT: "a charge is given back as money, allocated like a payment",
    EventKind.CHARGE_WAIVER: "one charge is given up, whole or in part",
    EventKind.RE_AGE: "all unpaid principal moves into new instalments",
    EventKind.SPREAD_ARREARS: "principal past due moves into the instalments to come, in equal parts",
    EventKind.RESCHEDULE: "from one instalment on: another due day, more instalments, or instalments without principal",
}
"""What each kind says happened, in one sentence; docs/events.md lists them."""
FIELD_MEANINGS: dict[str, str] = {
    "class_min": "best five-category class that the loan can still have",
    "component": "component of the claim: principal, interest, penalty, compound, fee, third_party_fee, recovery_cost",
    "components": "list of components, each once, in order",
    "debit_id": "the debit's own reference",
    "debit_status": "sent, unknown, success or failed",
    "defer_interest": "where the interest of the waiting time goes: first_row, spread or waived",
    "every": "units from one new instalment to the next",
    "from_day": "day from which it holds (first due day of a new plan)",
    "judgment": "the adjudged sums: principal_minor, performance_due_on; cost_minor, interest_minor, general_rate_ppm …",
    "later_rows": "keep_principal, or reamortise so that instalments are level again",
    "new_rows": "list of rows: due_on, principal_minor, and interest_minor where it is agreed",
    "grace_rows": "instalments without principal, before the others",
    "note": "a code for people; never read by the engine, never prose",
    "of_seq": "`seq` of the earlier event that is meant",
    "pause_what": "sum of 1 (interest), 2 (penalty), 4 (days past due)",
    "prepay_mode": "keep_term (smaller instalments) or shorten (fewer)",
    "rate_ppm": "rate, parts per million a year",
    "rows": "how many instalments; left out of a reamortise: the rows that are left keep their dates",
    "shares": "list of [component, numerator, denominator]",
    "unit": "day, week, month, quarter or year",
    "until": "last day, new maturity or due day",
}
"""What each field of `extra` means."""


def event_problems(kind: EventKind, amount_minor: int, extra: Mapping[str, Any] | None) -> list[Problem]:
    """Everything that is wrong with an event by itself, before the loan is looked at; empty when it is sound."""
    shape, given = SHAPES[kind], dict(extra or {})
    name = kind.name.lower()
    out = _money_problems(shape.money, name, amount_minor)
    for field in sorted(set(given) - shape.needs - shape.may):
        known = ", ".join(sorted(shape.needs | shape.may))
        out.append(Problem("bad_event", f"{name} has no field {field}; it has {known}", f"extra.{field}"))
    for field in sorted(shape.needs - set(given)):
        out.append(Problem("missing_field", f"{name} needs {field}", f"extra.{field}"))
    for field in sorted(set(given) & (shape.needs | shape.may)):
        try:
            value = READERS[field](field, given[field])
            _meaning(kind, field, value)
        except FieldError as error:
            out.append(Problem("bad_event", str(error), f"extra.{error.field}"))
    return out


def _money_problems(money: Money, name: str, amount_minor: int) -> list[Problem]:
    if amount_minor > PRINCIPAL_MINOR_MAX:
        return [Problem("amount_too_large", f"the amount must be at most {PRINCIPAL_MINOR_MAX} minor units", "amount")]
    if money is Money.NONE and amount_minor != 0:
        return [Problem("amount_not_used", f"{name} takes no amount", "amount")]
    if money is Money.POSITIVE and amount_minor <= 0:
        return [Problem("amount_not_positive", "the amount must be more than zero", "amount")]
    if money is Money.POSITIVE_OR_NONE and amount_minor < 0:
        return [Problem("amount_not_positive", "the amount must be more than zero, or 0 where only days change", "amount")]
    if money is Money.POSITIVE_OR_CLOSES and amount_minor < 0:
        return [Problem("amount_not_positive", "the amount must be more than zero, or 0 for whatever closes the loan", "amount")]
    if money is Money.POSITIVE_OR_ALL and amount_minor <= 0 and amount_minor != -1:
        return [Problem("amount_not_positive", "the amount must be more than zero, or -1 minor unit for all", "amount")]
    return []


def _meaning(kind: EventKind, field: str, value: Any) -> None:
    """Bounds that belong to the meaning of a field rather than to its type."""
    if field == "rate_ppm" and not 0 <= value <= RATE_PPM_MAX:
        raise FieldError(field, f"rate_ppm {value} must lie in 0..{RATE_PPM_MAX}")
    if field == "rows" and not 1 <= value <= ROW_COUNT_MAX:
        raise FieldError(field, f"rows {value} must lie in 1..{ROW_COUNT_MAX}")
    if field in ("every", "grace_rows") and not 1 <= value <= ROW_COUNT_MAX:
        raise FieldError(field, f"{field} {value} must lie in 1..{ROW_COUNT_MAX}")
    if field == "pause_what" and not 1 <= value <= 7:
        raise FieldError(field, f"pause_what {value} must be a sum of 1 (interest), 2 (penalty) and 4 (days past due)")
    if field == "of_seq" and value < 1:
        raise FieldError(field, f"of_seq {value} must be at least 1")
    if field == "class_min" and value not in CLASSES:
        raise FieldError(field, f"class_min cannot be {value}; it is one of {', '.join(CLASSES)}")
    if field == "component" and kind == EventKind.CHARGE and value not in CHARGEABLE:
        raise FieldError(field, f"a charge cannot be {value.name.lower()}; it is one of {_names(CHARGEABLE)}")


def engine_event_of(
    seq: int, kind: EventKind, on: date, amount_minor: int, extra: Mapping[str, Any] | None, *, recorded_us: int
) -> Event:
    """An engine event from plain values. Raises FieldError (a ValueError) naming an unknown field or value of `extra`."""
    if not extra:
        return Event(seq=seq, on=day(on), kind=kind, recorded_at=recorded_us, amount_minor=amount_minor)
    values = {}
    for field, raw in extra.items():
        if field not in READERS:
            raise FieldError(field, f"unknown field {field}")
        value = READERS[field](field, raw)
        if field != "note":
            values[field] = value
    return Event(seq=seq, on=day(on), kind=kind, recorded_at=recorded_us, amount_minor=amount_minor, **values)


def _names(members: Any) -> str:
    return ", ".join(m.name.lower() for m in members)


def _one_of(members: type[IntEnum]) -> Callable[[str, Any], Any]:
    by_name = {m.name.lower(): m for m in members}

    def read(field: str, raw: Any) -> Any:
        found = by_name.get(raw.lower()) if isinstance(raw, str) else None
        if found is None:
            raise FieldError(field, f"{field} cannot be {raw!r}; it is one of {_names(members)}")
        return found

    return read


def _integer(field: str, raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or abs(raw) > PRINCIPAL_MINOR_MAX:
        raise FieldError(field, f"{field} must be a whole number, not {raw!r}")
    return raw


def _day(field: str, raw: Any) -> int:
    try:
        return day(date.fromisoformat(raw))
    except (TypeError, ValueError):
        raise FieldError(field, f"{field} must be a date like 2026-05-01, not {raw!r}") from None


def _code(field: str, raw: Any) -> str:
    if not isinstance(raw, str) or not CODE.fullmatch(raw):
        raise FieldError(field, f"{field} must be a code of at most 40 letters, digits and _.:/-")
    return raw


def _list(field: str, raw: Any) -> list[Any]:
    if not isinstance(raw, list | tuple) or not 0 < len(raw) <= len(Component):
        raise FieldError(field, f"{field} must be a list of 1 to {len(Component)} entries")
    return list(raw)


def _components(field: str, raw: Any) -> tuple[Component, ...]:
    read = _one_of(Component)
    found = tuple(read(field, c) for c in _list(field, raw))
    if len(set(found)) != len(found):
        raise FieldError(field, f"{field} names a component twice")
    return found


def _shares(field: str, raw: Any) -> tuple[tuple[Component, int, int], ...]:
    out = []
    for line in _list(field, raw):
        if not isinstance(line, list | tuple) or len(line) != 3:
            raise FieldError(field, "each share is [component, numerator, denominator]")
        component = _one_of(Component)(field, line[0])
        num, den = _integer(field, line[1]), _integer(field, line[2])
        if not 0 <= num <= den or den == 0:
            raise FieldError(field, f"the share {num}/{den} must lie in 0..1")
        out.append((component, num, den))
    return tuple(out)


def _new_rows(field: str, raw: Any) -> tuple[CustomRow, ...]:
    if not isinstance(raw, list | tuple) or not 0 < len(raw) <= ROW_COUNT_MAX:
        raise FieldError(field, f"{field} must be a list of 1 to {ROW_COUNT_MAX} rows")
    rows = []
    for line in raw:
        if not isinstance(line, Mapping) or not {"due_on", "principal_minor"} <= set(line) <= set(CustomRow.__slots__):
            raise FieldError(field, "each new row has due_on, principal_minor and, if it is agreed, interest_minor")
        interest = _integer(field, line.get("interest_minor", -1))
        rows.append(CustomRow(_day(field, line["due_on"]), _integer(field, line["principal_minor"]), interest))
    return tuple(rows)


def _judgment(field: str, raw: Any) -> JudgmentTerms:
    if not isinstance(raw, Mapping) or not {"principal_minor", "performance_due_on"} <= set(raw) <= set(JudgmentTerms.__slots__):
        known = ", ".join(JudgmentTerms.__slots__)
        raise FieldError(field, f"a judgment has principal_minor, performance_due_on and, if it says so, others of {known}")
    values: dict[str, Any] = {}
    for name, value in raw.items():
        if name in ("performance_due_on", "general_from"):
            values[name] = _day(field, value)
        elif name == "order":
            values[name] = _components(field, value)
        elif name == "double_on_cost":
            values[name] = bool(value)
        else:
            values[name] = _integer(field, value)
    judgment = JudgmentTerms(**values)
    if found := next(judgment.problems(), None):
        raise FieldError(field, f"judgment: {found}")
    return judgment


READERS: dict[str, Callable[[str, Any], Any]] = {
    "prepay_mode": _one_of(PrepayMode),
    "later_rows": _one_of(RowPolicy),
    "defer_interest": _one_of(DeferInterest),
    "debit_status": _one_of(DebitStatus),
    "component": _one_of(Component),
    "components": _components,
    "shares": _shares,
    "from_day": _day,
    "until": _day,
    "of_seq": _integer,
    "rate_ppm": _integer,
    "rows": _integer,
    "every": _integer,
    "unit": _one_of(Unit),
    "grace_rows": _integer,
    "pause_what": _integer,
    "class_min": _code,
    "debit_id": _code,
    "note": _code,
    "new_rows": _new_rows,
    "judgment": _judgment,
}
