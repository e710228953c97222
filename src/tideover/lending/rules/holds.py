"""How long a hold 暂停标记 of a kind may stand, when it is looked at again and by whom: read from the rules of a pack. Pure.

What an open hold stops is the gate's question (contact/rules/policy.py); it reads the same rules, contact.hold.*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tideover.core.packs.rules.pack import Pack
from tideover.engine.events import PAYMENT_KINDS, DebitStatus, Event, EventKind
from tideover.engine.reference import effective

PREFIX = "contact.hold."
KINDS = (
    "hardship_request", "live_promise", "plan_kept", "dispute", "complaint", "death", "incapacity", "insolvency",
    "breathing_space", "cease_contact", "debit_in_flight", "money_here",
)  # fmt: skip
"""Kinds that the house itself places. A pack may have more; one that it lacks stops collection until it is lifted."""
OF_DEBT = frozenset({"live_promise", "plan_kept", "dispute", "breathing_space", "debit_in_flight", "money_here"})
"""Kinds whose reason lies in the debt: about a loan they hold contact about it with everybody who stands in it."""
TERM_KEYS = ("days_max", "review_days", "owner")
OWNER, REVIEW_DAYS = "team_lead", 30
DAYS_LONGEST = 36_600


@dataclass(frozen=True, slots=True)
class HoldTerm:
    """Of one kind of hold: days that it may stand at most (None: until lifted), days to its review, the role that owns it."""

    kind: str
    days_max: int | None = None
    review_days: int = REVIEW_DAYS
    owner: str = OWNER


def term_read(kind: str, values: Mapping[str, Any]) -> HoldTerm:
    """The term of a hold from a rule's values. Raises ValueError naming the key that cannot be read."""
    longest = _whole(values, "days_max", 0, DAYS_LONGEST, 0)
    review = _whole(values, "review_days", 1, 366, REVIEW_DAYS)
    owner = values.get("owner", OWNER)
    if not isinstance(owner, str) or not owner:
        raise ValueError(f"owner must be a role, not {owner!r}")
    return HoldTerm(kind, longest or None, review, owner)


def _whole(values: Mapping[str, Any], key: str, low: int, high: int, default: int) -> int:
    found = values.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
        raise ValueError(f"{key} must be a whole number in {low}..{high}, not {found!r}")
    return found


def hold_kinds(pack: Pack, on: date) -> tuple[str, ...]:
    """Every kind of hold that can be placed on a day: the house's own, then those that only the pack knows."""
    more = sorted(r.id.removeprefix(PREFIX) for r in pack if r.id.startswith(PREFIX) and r.in_force(on))
    return (*KINDS, *(k for k in more if k not in KINDS))


def hold_term(pack: Pack, kind: str, on: date) -> HoldTerm:
    """The term of a kind of hold on a day; for a kind that the pack does not know the house's own."""
    rule = next((r for r in pack.rules.get(PREFIX + kind, ()) if r.in_force(on)), None)
    return HoldTerm(kind) if rule is None else term_read(kind, rule.values)


def hold_end(term: HoldTerm, starts_at: datetime, wanted: datetime | None) -> datetime | None:
    """When a hold ends: as wanted, but never beyond its longest length; None: when it is lifted."""
    longest = None if term.days_max is None else starts_at + timedelta(days=term.days_max)
    if wanted is None or longest is None:
        return longest if wanted is None else wanted
    return min(wanted, longest)


def review_day(term: HoldTerm, looked_on: date) -> date:
    """The day by which a hold that was looked at on a day must be looked at again."""
    return looked_on + timedelta(days=term.review_days)


PLANS = frozenset(
    {
        EventKind.DEFER, EventKind.EXTENSION, EventKind.REAMORTISE, EventKind.NEW_ROWS, EventKind.RE_AGE,
        EventKind.SPREAD_ARREARS, EventKind.RESCHEDULE,
    }
)  # fmt: skip
"""Kinds of event that agree a plan."""
HOLD_OF_EVENT: Mapping[EventKind, str] = {
    **dict.fromkeys(PLANS, "plan_kept"), EventKind.PAUSE: "breathing_space", EventKind.INSOLVENCY: "insolvency",
}  # fmt: skip
"""The hold that an event of the journal causes."""
DEBIT_MOVES = frozenset({int(DebitStatus.SENT), int(DebitStatus.UNKNOWN)})
MONEY_IN = PAYMENT_KINDS - {EventKind.GOODWILL, EventKind.CHARGE_CREDIT} | {
    EventKind.PREPAYMENT, EventKind.REPAY_PART, EventKind.PAYOFF,
}  # fmt: skip
"""Kinds that bring the borrower's money; a pay-off keeps every promise."""


def is_kept(amount_minor: int, first: int, last: int, journals: Iterable[Sequence[Event]]) -> bool:
    """Whether a promise of an amount is kept: so much came in from day `first` to day `last` over these loans, reversals apart.

    Units: minor units; engine days.
    """
    paid = 0
    for events in journals:
        for e in effective(events, None):
            if not first <= e.on <= last:
                continue
            if e.kind == EventKind.PAYOFF:
                return True
            if e.kind in MONEY_IN or (e.kind == EventKind.DEBIT and e.debit_status == DebitStatus.SUCCESS):
                paid += e.amount_minor
    return paid >= amount_minor
