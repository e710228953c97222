"""Why a core and replay differ on one loan, found by replaying hypotheses: the one that gives the core's figures to the cent,
on every component that the core states, is the cause. Pure.

In order: within rounding; a movement of the core that the journal lacks (each alone, then all); an event with the core's value
date; an event that the core lacks; another day count; then, without a movement to point at, an event some days earlier or later,
and one payment of the difference. The first that fits is named; where none does, the cause is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tideover.engine.events import DebitStatus, Event, EventKind, EventRejected
from tideover.engine.reference import effective
from tideover.engine.replay import replay
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import DayCount, Terms, date_of
from tideover.lending.rules.held import ABSENT, COMPARED

LAST_EVENTS = 5
"""How many of a loan's last money events are tried without a movement of the core that points at them."""
MOVED_DAYS = 7
"""How far an event is moved without such a movement."""
MONEY = frozenset(
    {
        EventKind.PAYMENT, EventKind.PREPAYMENT, EventKind.REPAY_PART, EventKind.PAYOFF, EventKind.CHARGE, EventKind.WAIVER,
        EventKind.GOODWILL, EventKind.MERCHANT_REFUND, EventKind.GUARANTOR_PAYMENT, EventKind.CREDIT_REFUND,
        EventKind.DISBURSEMENT,
    }
)  # fmt: skip
"""Kinds that a core's movements and the journal are matched by; what a debit brought in is a payment."""


@dataclass(frozen=True, slots=True)
class Move:
    """A movement in the core's file: int day, minor units."""

    reference: str
    kind: EventKind
    on: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Why, since which day (int; -1 unknown), and what would mend it: a code and what it takes."""

    code: str
    mend: str
    mend_with: dict[str, Any] = field(default_factory=dict)
    on: int = -1


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """How the loan would have gone if `cause` is right."""

    cause: Cause
    terms: Terms
    events: Sequence[Event]


def figures_of(s: Standing) -> dict[str, int]:
    """The compared components of a standing, as a core's file counts them."""
    out = {n: getattr(s, f"{n}_minor") for n in COMPARED if n != "days_past_due"}
    return out | {"fee": s.fee_minor + s.third_party_fee_minor, "days_past_due": s.days_past_due}


def differences(core: Mapping[str, int], replayed: Mapping[str, int], tolerance: Mapping[str, int]) -> dict[str, int]:
    """Core less replay of every stated component that differs by more than its tolerance."""
    by = {n: core[n] - replayed[n] for n in COMPARED if core[n] != ABSENT}
    return {n: d for n, d in by.items() if abs(d) > tolerance.get(n, 0)}


def explain(
    terms: Terms,
    events: Sequence[Event],
    core: Mapping[str, int],
    as_of: int,
    *,
    moves: Sequence[Move] = (),
    moves_from: int | None = None,
    tolerance: Mapping[str, int] | None = None,
    rounding_minor: int = 0,
) -> Cause:
    """The cause of the differences of one loan on `as_of`.

    core: rules.held.SAID by name, ABSENT where not stated. moves: every movement that the core sent for this loan, none
    dated before moves_from (None: it sends no movements).
    """
    allowed = tolerance or {}
    found = differences(core, figures_of(replay(terms, events, as_of, None, Depth.TOTALS)), allowed)
    if is_rounding(found, rounding_minor):
        return Cause("rounding", "accept")
    for hypothesis in hypotheses(terms, events, core, as_of, moves, moves_from, found):
        if fits(hypothesis, core, as_of, allowed):
            return hypothesis.cause
    return Cause("unknown", "look")


def is_rounding(found: Mapping[str, int], rounding_minor: int) -> bool:
    """Whether every difference is money within what rounding can do."""
    return "days_past_due" not in found and all(abs(d) <= rounding_minor for d in found.values())


def fits(h: Hypothesis, core: Mapping[str, int], as_of: int, tolerance: Mapping[str, int]) -> bool:
    """Whether replay under a hypothesis gives the core's figures."""
    try:
        replayed = figures_of(replay(h.terms, h.events, as_of, None, Depth.TOTALS))
    except (EventRejected, ValueError):
        return False
    return not differences(core, replayed, tolerance)


def hypotheses(
    terms: Terms, events: Sequence[Event], core: Mapping[str, int], as_of: int, moves: Sequence[Move], moves_from: int | None,
    found: Mapping[str, int],
) -> Iterator[Hypothesis]:  # fmt: skip
    """Every hypothesis, the best founded first."""
    money = [e for e in effective(list(events), None) if kind_of(e) in MONEY and e.on <= as_of]
    lacking, extra = unmatched(money, [m for m in moves if m.on <= as_of], moves_from)
    yield from _lacking(terms, events, lacking)
    yield from _redated(terms, events, lacking, extra)
    yield from _not_there(terms, events, extra if moves_from is not None else money[-LAST_EVENTS:])
    for other in DayCount:
        if other != terms.day_count:
            cause = Cause("day_count", "change_terms", {"day_count": other.name.lower(), "ours": terms.day_count.name.lower()})
            yield Hypothesis(cause, terms.with_(day_count=other), events)
    if moves_from is None:
        yield from _moved(terms, events, money[-LAST_EVENTS:], as_of)
        yield from _guessed(terms, events, found, as_of)


def unmatched(money: Sequence[Event], moves: Sequence[Move], moves_from: int | None) -> tuple[list[Move], list[Event]]:
    """(the core's movements that the journal lacks, the journal's events that the core lacks), by kind, day and amount.

    Events from before the first day of movements are not asked of the core.
    """
    there = Counter((kind_of(e), e.on, e.amount_minor) for e in money)
    lacking = []
    for m in moves:
        key = (m.kind, m.on, m.amount_minor)
        if there[key]:
            there[key] -= 1
        else:
            lacking.append(m)
    extra = []
    for e in money:
        key = (kind_of(e), e.on, e.amount_minor)
        if there[key] and moves_from is not None and e.on >= moves_from:
            there[key] -= 1
            extra.append(e)
    return lacking, extra


def kind_of(e: Event) -> EventKind:
    """The kind under which a core's movements tell of an event."""
    return EventKind.PAYMENT if e.kind == EventKind.DEBIT and e.debit_status == DebitStatus.SUCCESS else e.kind


def _seq(events: Sequence[Event]) -> int:
    return max((e.seq for e in events), default=0) + 1


def _lacking(terms: Terms, events: Sequence[Event], lacking: Sequence[Move]) -> Iterator[Hypothesis]:
    """With a movement that the journal lacks; last with all of them."""
    groups = [[m] for m in lacking] + ([list(lacking)] if len(lacking) > 1 else [])
    for group in groups:
        more = [Event(_seq(events) + n, m.on, m.kind, amount_minor=m.amount_minor) for n, m in enumerate(group)]
        said = [
            {"reference": m.reference, "kind": m.kind.name.lower(), "on": _iso(m.on), "amount_minor": m.amount_minor}
            for m in group
        ]
        cause = Cause("missing_event", "book_movement", {"movements": said}, min(m.on for m in group))
        yield Hypothesis(cause, terms, [*events, *more])


def _redated(terms: Terms, events: Sequence[Event], lacking: Sequence[Move], extra: Sequence[Event]) -> Iterator[Hypothesis]:
    """An event of the journal on the day on which the core has a movement of the same kind and amount."""
    for m in lacking:
        for e in extra:
            if (kind_of(e), e.amount_minor) == (m.kind, m.amount_minor):
                yield _on_day(terms, events, e, m.on)
    for m in lacking:  # the event lies before the core's first movement file
        for e in events:
            if (kind_of(e), e.amount_minor) == (m.kind, m.amount_minor) and e not in extra and 0 < abs(e.on - m.on) <= 31:
                yield _on_day(terms, events, e, m.on)


def _on_day(terms: Terms, events: Sequence[Event], e: Event, on: int) -> Hypothesis:
    cause = Cause("value_date", "move_event", {"seq": e.seq, "from": _iso(e.on), "to": _iso(on)}, min(e.on, on))
    return Hypothesis(cause, terms, [replace(x, on=on) if x.seq == e.seq else x for x in events])


def _not_there(terms: Terms, events: Sequence[Event], some: Sequence[Event]) -> Iterator[Hypothesis]:
    """Without an event of the journal that the core lacks."""
    for e in some:
        with_ = {"seq": e.seq, "kind": e.kind.name.lower(), "on": _iso(e.on), "amount_minor": e.amount_minor}
        cause = Cause("missing_event", "tell_core", with_, e.on)
        yield Hypothesis(cause, terms, [x for x in events if x.seq != e.seq])


def _moved(terms: Terms, events: Sequence[Event], some: Sequence[Event], as_of: int) -> Iterator[Hypothesis]:
    for by in range(1, MOVED_DAYS + 1):
        for e in reversed(some):
            for on in (e.on + by, e.on - by):
                if terms.disbursed_on <= on <= as_of + MOVED_DAYS:
                    yield _on_day(terms, events, e, on)


def _guessed(terms: Terms, events: Sequence[Event], found: Mapping[str, int], as_of: int) -> Iterator[Hypothesis]:
    """One payment of what the core's claim is smaller by, on the day or some days before."""
    amount = found.get("surplus", 0) - sum(d for n, d in found.items() if n not in ("surplus", "days_past_due"))
    for on in range(as_of, as_of - MOVED_DAYS, -1):
        if amount > 0 and on >= terms.disbursed_on:
            said = {"reference": "", "kind": "payment", "on": _iso(on), "amount_minor": amount}
            cause = Cause("missing_event", "book_movement", {"movements": [said]}, on)
            yield Hypothesis(cause, terms, [*events, Event(_seq(events), on, EventKind.PAYMENT, amount_minor=amount)])


def _iso(on: int) -> str:
    return date_of(on).isoformat()
