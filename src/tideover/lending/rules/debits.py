"""Which loans are debited today, for how much, from which account, and why not. Pure: facts in, decisions out.

A row that falls due is tried on the days of the policy only, each try once, and never more often than the policy says. What is
taken is what is due, less money under way, less money that is here already; never more than is owed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Of a debit. sent: it is in a batch that leaves; in_flight: the bank has it; unknown: only an inquiry can tell."""

    DRAFTED = "drafted"
    SENT = "sent"
    IN_FLIGHT = "in_flight"
    TAKEN = "taken"
    FAILED = "failed"
    UNKNOWN = "unknown"


OPEN = (State.DRAFTED, State.SENT, State.IN_FLIGHT, State.UNKNOWN)
"""Without a result: no other debit of the loan is made."""
MOVING = (State.SENT, State.IN_FLIGHT, State.UNKNOWN)
"""Money may have left the customer."""
MOVES: Mapping[State, frozenset[State]] = {
    State.DRAFTED: frozenset({State.SENT, State.FAILED}),
    State.SENT: frozenset({State.IN_FLIGHT, State.UNKNOWN, State.TAKEN, State.FAILED}),
    State.IN_FLIGHT: frozenset({State.UNKNOWN, State.TAKEN, State.FAILED}),
    State.UNKNOWN: frozenset({State.IN_FLIGHT, State.TAKEN, State.FAILED}),
    State.FAILED: frozenset({State.TAKEN}),
    State.TAKEN: frozenset(),
}
"""What may follow what. A debit that failed can turn out to have been taken: its money counts. Nothing leads back to
drafted: what was sent is never sent again."""


class Effect(StrEnum):
    """What an answer of the bank does to a debit."""

    APPLIED = "applied"
    REPEATED = "repeated"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Reason:
    """One result code of the bank. state: what it makes of the debit; stops: it puts the account out of use; counts: it
    uses up a try."""

    code: str
    reason: str
    state: State
    zh: str
    en: str
    stops: bool = False
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Slot:
    """A day of a try: `due`, `payday` (the next one after the due day, within `days`), or `after` so many days."""

    on: str
    at: time
    days: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """How debits are tried. Times are of the lender's time zone; amounts minor units.

    business_days: `none` (banks take on any day) or `following`. next_account: after a failure for want of money the next account
    is tried on the same day, as a try of its own. stops: kinds of hold under which nothing is taken.
    """

    slots: tuple[Slot, ...]
    tries_max: int
    business_days: str
    part: bool
    amount_min_minor: int
    next_account: bool
    cut_off: time
    answer_hours: int
    ask_again_minutes: tuple[int, ...]
    stops: tuple[str, ...]


SLOTS = ("due", "payday", "after")


def policy_read(raw: Mapping[str, Any]) -> Policy:
    """The policy from a YAML file's values. Raises ValueError naming the key that cannot be read."""
    known = {
        "tries", "tries_max", "business_days", "part", "amount_min_minor", "next_account", "cut_off", "answer_hours",
        "ask_again_minutes", "stops",
    }  # fmt: skip
    if odd := set(raw) ^ known:
        raise ValueError(f"a debit policy has exactly {', '.join(sorted(known))}; look at {', '.join(sorted(odd))}")
    slots = tuple(_slot(s) for s in raw["tries"])
    if not slots or raw["business_days"] not in ("none", "following"):
        raise ValueError("tries must not be empty, and business_days is none or following")
    return Policy(
        slots, _whole(raw, "tries_max", 1), raw["business_days"], bool(raw["part"]), _whole(raw, "amount_min_minor", 1),
        bool(raw["next_account"]), time.fromisoformat(raw["cut_off"]), _whole(raw, "answer_hours", 0),
        tuple(int(m) for m in raw["ask_again_minutes"]), tuple(raw["stops"]),
    )  # fmt: skip


def _slot(raw: Mapping[str, Any]) -> Slot:
    if raw.get("when") not in SLOTS:
        raise ValueError(f"tries.when is one of {', '.join(SLOTS)}, not {raw.get('on')!r}")
    return Slot(raw["when"], time.fromisoformat(raw["at"]), int(raw.get("days", 0)))


def _whole(raw: Mapping[str, Any], key: str, low: int) -> int:
    found = raw[key]
    if isinstance(found, bool) or not isinstance(found, int) or found < low:
        raise ValueError(f"{key} must be a whole number from {low}, not {found!r}")
    return found


def reasons_read(raw: Sequence[Mapping[str, Any]]) -> dict[str, Reason]:
    """The result codes by code. Raises ValueError for a code that is there twice or a state that a bank cannot say."""
    out: dict[str, Reason] = {}
    for r in raw:
        code, state = str(r["code"]), State(r["state"])
        if code in out or state in (State.DRAFTED, State.SENT):
            raise ValueError(f"result code {code}: {'twice' if code in out else state}")
        out[code] = Reason(code, r["reason"], state, r["zh"], r["en"], bool(r.get("stops")), bool(r.get("counts", True)))
    return out


@dataclass(frozen=True, slots=True)
class Account:
    """An account of a mandate, in its order. fault: why the bank takes nothing from it; empty: it can be asked."""

    id: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Leave:
    """A mandate as planning needs it. used_month_minor: taken or under way in the month of the debit, over all its loans."""

    id: int
    valid_from: date
    valid_to: date | None
    cap_take_minor: int
    cap_month_minor: int
    part_allowed: bool
    payday: int | None
    accounts: tuple[Account, ...]
    used_month_minor: int = 0


@dataclass(frozen=True, slots=True)
class Tried:
    """An earlier debit of the loan. counts: it used up a try."""

    due_on: date
    debit_on: date
    account: int
    reason: str
    state: State
    counts: bool


@dataclass(frozen=True, slots=True)
class Loan:
    """A loan as planning needs it, on the day of the debit.

    due_minor: everything that is due, today's payments counted. moving_minor: under way. arrived_minor: of the borrower, here and
    not on any loan yet. rows: due days of the rows that are not paid, oldest first. owed_minor: what would pay the loan off.
    """

    id: int
    due_minor: int
    owed_minor: int
    rows: tuple[date, ...]
    moving_minor: int = 0
    arrived_minor: int = 0
    holds: tuple[str, ...] = ()
    disputed: bool = False
    mandate: Leave | None = None
    tries: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """Take this amount from this account, as this try of this due day."""

    loan: int
    mandate: int
    account: int
    amount_minor: int
    due_on: date
    attempt: int
    part_allowed: bool


@dataclass(frozen=True, slots=True)
class NotPlanned:
    """Take nothing, and why."""

    loan: int
    reason: str


WHY_NOT = (
    "nothing_due", "in_flight", "arrived", "dispute", "hold", "no_mandate", "outside_mandate", "no_account", "not_today",
    "no_more_tries", "over_cap", "over_month", "too_small",
)  # fmt: skip
"""Reasons of NotPlanned."""
IsBusiness = Callable[[date], bool]


def payday_after(due_on: date, payday: int) -> date:
    """The first payday after a day; in a month that is shorter, its last day."""
    year, month = due_on.year, due_on.month
    while True:
        first = date(year + month // 12, month % 12 + 1, 1)
        on = min(date(year, month, 1) + timedelta(days=payday - 1), first - timedelta(days=1))
        if on > due_on:
            return on
        year, month = first.year, first.month


def debit_days(due_on: date, policy: Policy, payday: int | None, is_business: IsBusiness) -> list[tuple[date, time]]:
    """The days (with the time from which) on which a row of a due day is tried, in order; at most `tries_max`, each day once.

    A slot for the payday falls away where none is known, or where it lies further off than the slot's days.
    """
    out: dict[date, time] = {}
    for slot in policy.slots:
        on: date | None = due_on
        if slot.on == "after":
            on = due_on + timedelta(days=slot.days)
        elif slot.on == "payday":
            on = None if payday is None else payday_after(due_on, payday)
            if on is not None and slot.days and on > due_on + timedelta(days=slot.days):
                on = None
        while on is not None and policy.business_days == "following" and not is_business(on):
            on += timedelta(days=1)
        if on is not None:
            out.setdefault(on, slot.at)
    return sorted(out.items())[: policy.tries_max]


def next_debit(
    rows: Sequence[date], policy: Policy, payday: int | None, is_business: IsBusiness, after: datetime
) -> tuple[date, date] | None:
    """(the day of the next debit, the due day for which it is) among unpaid rows, after an instant of the lender's clock."""
    found = [
        (on, due)
        for due in rows
        for on, at in debit_days(due, policy, payday, is_business)
        if datetime.combine(on, at) > after.replace(tzinfo=None)
    ]
    return min(found, default=None)


@dataclass(slots=True)
class _Left:
    """What the debits planned so far leave of what several loans share."""

    month: dict[int, int] = field(default_factory=dict)
    arrived: dict[int, int] = field(default_factory=dict)


def plan(
    loans: Sequence[Loan], policy: Policy, at: datetime, is_business: IsBusiness, *, borrower: Mapping[int, int] | None = None
) -> list[Planned | NotPlanned]:
    """One decision a loan, in the order given. at: the instant, on the lender's clock.

    Loans of one mandate share its month; loans of one borrower (`borrower`: loan id → a key) share what has arrived for them.
    """
    left, owner = _Left(), borrower or {}
    return [_plan(x, policy, at.replace(tzinfo=None), is_business, left, owner.get(x.id, -x.id)) for x in loans]


def _leave_for(x: Loan, policy: Policy, today: date) -> Leave | str:
    """The leave under which something may be taken of a loan today; else the reason why nothing may."""
    if x.moving_minor > 0 or any(t.state in OPEN for t in x.tries):
        return "in_flight"
    if x.disputed or "dispute" in x.holds:
        return "dispute"
    if any(h in policy.stops for h in x.holds):
        return "hold"
    if x.mandate is None:
        return "no_mandate"
    if today < x.mandate.valid_from or (x.mandate.valid_to is not None and today > x.mandate.valid_to):
        return "outside_mandate"
    return x.mandate


def _plan(x: Loan, policy: Policy, at: datetime, is_business: IsBusiness, left: _Left, owner: int) -> Planned | NotPlanned:
    if x.due_minor <= 0:
        return NotPlanned(x.id, "nothing_due")
    today = at.date()
    m = _leave_for(x, policy, today)
    if isinstance(m, str):
        return NotPlanned(x.id, m)
    row = _row_today(x, m, policy, at, is_business)
    if isinstance(row, str):
        return NotPlanned(x.id, row)
    account = _account(x, m, policy, today)
    if account is None:
        return NotPlanned(x.id, "no_account")
    arrived = left.arrived.setdefault(owner, x.arrived_minor)
    wanted = min(x.due_minor, x.owed_minor) - arrived
    left.arrived[owner] = max(0, arrived - min(x.due_minor, x.owed_minor))
    if wanted <= 0:
        return NotPlanned(x.id, "arrived")
    part = policy.part and m.part_allowed
    month = left.month.setdefault(m.id, m.cap_month_minor - m.used_month_minor)
    amount = min(wanted, m.cap_take_minor, month) if part else wanted
    if amount > m.cap_take_minor:
        return NotPlanned(x.id, "over_cap")
    if amount > month or month <= 0:
        return NotPlanned(x.id, "over_month")
    if amount < policy.amount_min_minor:
        return NotPlanned(x.id, "too_small")
    left.month[m.id] = month - amount
    attempt = 1 + sum(t.counts for t in x.tries if t.due_on == row)
    return Planned(x.id, m.id, account, amount, row, attempt, part)


def requested(x: Loan, amount_minor: int, policy: Policy, at: datetime) -> Planned | NotPlanned:
    """Whether an amount that the borrower asks to be taken now can be: under the same leave, holds and caps, never beside another
    debit, and never in part. Tries and days of the plan do not bind it."""
    if amount_minor <= 0:
        return NotPlanned(x.id, "nothing_due")
    today = at.date()
    m = _leave_for(x, policy, today)
    if isinstance(m, str):
        return NotPlanned(x.id, m)
    account = _account(x, m, policy, today)
    if account is None:
        return NotPlanned(x.id, "no_account")
    if amount_minor > m.cap_take_minor:
        return NotPlanned(x.id, "over_cap")
    if amount_minor > m.cap_month_minor - m.used_month_minor:
        return NotPlanned(x.id, "over_month")
    attempt = 1 + sum(t.counts for t in x.tries if t.due_on == today)
    return Planned(x.id, m.id, account, amount_minor, today, attempt, False)


def _row_today(x: Loan, m: Leave, policy: Policy, at: datetime, is_business: IsBusiness) -> date | str:
    """The due day (the newest) that is to be tried now, or why none is."""
    why = "not_today"
    for due_on in reversed(x.rows):
        days = debit_days(due_on, policy, m.payday, is_business)
        slot = next((i for i, (on, _) in enumerate(days) if on == at.date()), None)
        if slot is None or at.time() < days[slot][1]:
            continue
        today = [t for t in x.tries if t.due_on == due_on and t.debit_on == at.date()]
        tries = [t for t in x.tries if t.due_on == due_on and t.counts]
        if max(len(tries), len(today)) >= policy.tries_max or _tried_enough(tries, m, policy, at.date()):
            why = "no_more_tries"
        else:
            return due_on
    return why


def _tried_enough(tries: Sequence[Tried], m: Leave, policy: Policy, today: date) -> bool:
    """Whether today's try has been made: once, or once an account where the next one may follow for want of money."""
    now = [t for t in tries if t.debit_on == today]
    if not now:
        return False
    if not policy.next_account or any(t.reason != "insufficient_funds" for t in now):
        return True
    return {a.id for a in m.accounts if not a.fault} <= {t.account for t in now}


def _account(x: Loan, m: Leave, policy: Policy, today: date) -> int | None:
    """The account that works, has not refused today, and was empty least often for the rows that are due; then by its order."""
    refused = {t.account for t in x.tries if t.debit_on == today and t.counts}
    empty = [t.account for t in x.tries if t.reason == "insufficient_funds" and t.due_on in x.rows]
    open_ones = [a.id for a in m.accounts if not a.fault and a.id not in refused]
    return min(open_ones, key=empty.count, default=None)


def effect_of(state: State, taken_minor: int, said: State, amount_minor: int) -> Effect:
    """What an answer does to a debit that stands in a state.

    Money that left the customer always counts, also after a failure was reported. A failure after money was taken takes nothing
    back: a person looks at it. The same answer again changes nothing.
    """
    if state == State.DRAFTED:
        return Effect.CONFLICT  # the bank speaks of what never left
    if state == State.TAKEN:
        return Effect.REPEATED if said == State.TAKEN and amount_minor == taken_minor else Effect.CONFLICT
    if state == State.FAILED:
        return Effect.REPEATED if said == State.FAILED else Effect.CONFLICT
    if said == state or (said == State.IN_FLIGHT and state == State.SENT):
        return Effect.REPEATED if said == state else Effect.APPLIED
    return Effect.APPLIED
