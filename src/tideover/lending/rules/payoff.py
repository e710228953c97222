"""Pay-off 提前结清: what closes a loan on a day, what a quote promises, and what money that names it does. Pure.

A quote is a promise: on its days the loan is paid off by the quoted sum, whatever is booked afterwards. Two things end it: money
that it counted was taken back, or money was paid out again. What lowers the sum lowers it for the payer, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tideover.engine.events import Event, EventKind
from tideover.engine.reference import effective
from tideover.engine.replay import replay
from tideover.engine.standing import Row
from tideover.engine.terms import Component, Terms, day
from tideover.lending.rules.fees import Fee
from tideover.lending.rules.holds import MONEY_IN

PREFIX, DIGITS = "JQ", 7
NEXT_SEQ = 10**9
"""Seq of hypothetical events: after every one of the journal."""
MILLION = 1_000_000
DAMM = (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip
"""Damm's quasigroup of order 10: finds every single wrong digit and every swap of neighbours."""
BACK_OR_OUT = frozenset({EventKind.CHARGEBACK, EventKind.DISBURSEMENT, EventKind.CREDIT_REFUND})
CORRECTS = frozenset({EventKind.REVERSAL, EventKind.ADJUSTMENT})
MONEY = MONEY_IN | {EventKind.DEBIT, EventKind.SETTLEMENT, EventKind.GUARANTOR_PAYMENT}


@dataclass(frozen=True, slots=True)
class Policy:
    """days_max: a quote reaches at most so many days ahead. under_minor: so much less still pays the loan off, and is waived.

    over_minor: money that names a quote and is more by at most this is placed without a person; what is over stays the payer's.
    why: the reason of each, by name.
    """

    days_max: int
    under_minor: int
    over_minor: int
    why: Mapping[str, str]


LIMITS = {"days_max": (1, 92), "under_minor": (0, 100), "over_minor": (0, 10_000_000)}


def policy_read(raw: Mapping[str, Any]) -> Policy:
    """The policy from a YAML file's values: each key {value, why}. Raises ValueError naming what cannot be used."""
    if odd := set(raw) ^ set(LIMITS):
        raise ValueError(f"a pay-off policy has exactly {', '.join(LIMITS)}; look at {', '.join(sorted(odd))}")
    values: dict[str, int] = {}
    for name, (low, high) in LIMITS.items():
        value, why = raw[name]["value"], raw[name]["why"]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r}")
        if not str(why).strip():
            raise ValueError(f"{name} needs a reason")
        values[name] = value
    return Policy(**values, why={n: str(raw[n]["why"]) for n in LIMITS})


# --- numbers ---------------------------------------------------------------------------------------------------------------


def check_digit(digits: str) -> str:
    """Damm's check digit of decimal digits."""
    row = 0
    for c in digits:
        row = int(DAMM[row][int(c)])
    return str(row)


def number_of(body: int) -> str:
    """The number of a quote: JQ, seven digits and their check digit, short enough for the purpose of a transfer."""
    digits = f"{body:0{DIGITS}d}"
    assert len(digits) == DIGITS
    return f"{PREFIX}{digits}{check_digit(digits)}"


def number_ok(text: str) -> bool:
    """Whether a text is a quote's number read right (as `words_of` of bank_match gives it: half-width, upper case)."""
    digits = text.removeprefix(PREFIX)
    whole = text.startswith(PREFIX) and len(digits) == DIGITS + 1 and digits.isascii() and digits.isdecimal()
    return whole and check_digit(digits[:-1]) == digits[-1]


# --- what closes a loan ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Closing:
    """What pays a loan off on a day: Σ parts = amount + held. held: what is held for it already. plan: what it would still pay by
    its plan from that day on (minor units; what is held deducted); compensation: the part of it for paying early."""

    on: date
    amount_minor: int
    parts: Mapping[Component, int]
    held_minor: int = 0
    plan_minor: int = 0
    compensation_minor: int = 0

    @property
    def saved_minor(self) -> int:
        """What is not paid any more, compensation deducted."""
        return self.plan_minor - self.amount_minor


def compensation(fees: Iterable[Fee], undue_principal_minor: int, terms: Terms) -> list[tuple[Fee, int]]:
    """What the contract asks for paying early: each `early` fee with its amount, half up to the terms' unit; nothing where
    nothing is early. Without such a fee there is none: interest only for the actual time (Civil Code art. 677)."""
    if undue_principal_minor <= 0:
        return []
    unit, out = terms.rounding_unit_minor, []
    for f in fees:
        share = (2 * undue_principal_minor * f.share_ppm + MILLION * unit) // (2 * MILLION * unit) * unit
        amount = f.amount_minor or share
        if f.when == "early" and amount > 0:
            out.append((f, amount))
    return out


def undue_principal(rows: Iterable[Row], on: date) -> int:
    """Principal that falls due after a day only (minor units): what a pay-off on the day repays early."""
    return sum(r.principal_minor - r.paid_principal_minor for r in rows if r.due_on > day(on))


def closing(terms: Terms, events: Sequence[Event], on: date, fees: Iterable[Fee] = ()) -> Closing:
    """What pays the loan off on a day, component by component, by replaying it. amount 0: nothing is owed.

    events: the whole journal (a reversal counts whatever its day) and hypothetical charges. Raises what `replay` does.
    """
    s = replay(terms, events, day(on))
    owed = sum(r.outstanding_minor + r.outstanding_charges_minor for r in s.rows)
    plan = owed + s.penalty_minor + s.compound_minor - s.surplus_minor
    if terms.row_terms is None:
        plan += s.fee_minor + s.third_party_fee_minor + s.recovery_cost_minor
    undue = undue_principal(s.rows, on)
    extra = [
        Event(NEXT_SEQ + n, day(on), EventKind.CHARGE, amount_minor=amount, component=f.component, until=day(on))
        for n, (f, amount) in enumerate(compensation(fees, undue, terms))
    ]
    off = Event(2 * NEXT_SEQ, day(on), EventKind.PAYOFF)
    after = replay(terms, [*events, *extra, off], day(on))
    line = next((t for t in after.trace if t.seq == off.seq), None)
    if line is None:
        return Closing(on, 0, {})
    parts = {c: line.amounts_minor[c] for c in Component if line.amounts_minor[c]}
    held = s.surplus_minor
    amount = max(0, sum(parts.values()) - held)
    return Closing(on, amount, parts, held, max(0, plan), sum(e.amount_minor for e in extra))


def ahead(events: Sequence[Event], on: date) -> list[Event]:
    """Charges that count and fall due after a day: a pay-off on that day does not pay them."""
    charged = [e for e in effective(events, None) if e.kind == EventKind.CHARGE]
    return [e for e in charged if e.until > day(on)]


# --- the promise -----------------------------------------------------------------------------------------------------------


def is_binding(events: Sequence[Event], tip: int) -> bool:
    """Whether a promise made when the journal had `tip` events still binds: since then no money that it counted was taken back or
    corrected, and none was paid out."""
    by_seq = {e.seq: e for e in events}
    for e in (e for e in events if e.seq > tip):
        if e.kind in BACK_OR_OUT:
            return False
        of = by_seq.get(e.of_seq) if e.kind in CORRECTS else None
        if of is not None and of.seq <= tip and of.kind in MONEY:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Match:
    """What money that names a quote does. pays: it pays the loan off; taken: so much of it; waived: what the lender gives up;
    over: what stays with the borrower. rule: exact, tolerance, promise, more; short or nothing_owed where it does not pay off."""

    pays: bool
    rule: str
    taken_minor: int = 0
    waived_minor: int = 0
    over_minor: int = 0
    asked_minor: int = 0


def quote_matches(amount_minor: int, promised_minor: int | None, owed_minor: int, policy: Policy) -> Match:
    """Whether an amount pays a loan off on a day.

    promised: what binding quotes ask for that day (None: none does); owed: what closes the loan by its journal as it is. The
    lower of the two is asked for. Up to `under_minor` less is enough; what is more stays with the borrower, to the last cent.
    """
    if owed_minor <= 0:
        return Match(False, "nothing_owed", over_minor=amount_minor)
    asked = owed_minor if promised_minor is None else min(promised_minor, owed_minor)
    if amount_minor <= 0 or amount_minor + policy.under_minor < asked:
        return Match(False, "short", asked_minor=asked)
    taken = min(amount_minor, asked)
    over = amount_minor - taken
    rule = "promise" if asked < owed_minor else "tolerance" if taken < asked else "more" if over else "exact"
    return Match(True, rule, taken, owed_minor - taken, over, asked)
