"""Where money goes on loans with row terms: steps of (which rows, which components, row by row or across rows).

Example: past due, then due today, then in advance, each fee before principal, is three steps. docs/method/allocation.md.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from tideover.engine.events import Event, EventKind
from tideover.engine.reference_charges import charges_of, note_settled, ordered
from tideover.engine.reference_schedule import round_exact
from tideover.engine.reference_state import Charge, Ledger, State
from tideover.engine.standing import TraceLine
from tideover.engine.terms import (
    AllocateBy,
    AllocationStep,
    ChargeTiming,
    Component,
    FutureRule,
    KindRule,
    RowTerms,
    RowTiming,
)

PLANNED = (Component.PRINCIPAL, Component.INTEREST)
Due = Callable[[int], bool]


def rules_of(state: State) -> RowTerms:
    """The loan's row terms. Raises ValueError on a loan without."""
    rules = state.terms.row_terms
    if rules is None:
        raise ValueError("the terms have no row_terms")
    return rules


def rule_for(state: State, kind: int) -> KindRule:
    """How a kind of payment is allocated: its own rule where the terms have one, else the loan's."""
    rules = rules_of(state)
    own = next((k for k in rules.kinds if k.kind == kind), KindRule(kind, rules.future))
    return own if own.steps else KindRule(kind, own.future, rules.steps)


def allocate(state: State, amount: int, today: int, line: TraceLine, kind: int = EventKind.PAYMENT) -> int:
    """Pay rows by the steps of a kind of payment; returns what no step takes."""
    rule = rule_for(state, kind)
    for step in rule.steps:
        if not amount:
            break
        amount = _step(_Paying(state, step, today, line), amount, rule.future)
    note_settled(state, today)
    return amount


def pass_on(state: State, today: int) -> None:
    """What a row paid beyond what it now asks for (a new plan after it was prepaid) pays other rows, else is held."""
    line = next((t for t in reversed(state.trace) if t.amounts_minor[Component.PRINCIPAL] > 0), None)
    for row in ordered(state):
        for component in (Component.INTEREST, Component.PRINCIPAL):
            over = min(-row.open(component), row.paid[component])
            if over <= 0 or line is None:
                continue
            row.paid[component] -= over
            row.early -= min(over, row.early)
            state.paid_total -= over
            part = min(over, line.amounts_minor[component])
            line.amounts_minor[component] -= part
            line.amounts_minor[Component.PRINCIPAL] -= over - part
            rest = allocate(state, over, today, line)
            line.held_minor += rest
            state.surplus += rest


def held_pays_charge(state: State) -> None:
    """Pay a new charge with money that earlier payments left over, oldest payment first, as if it had been there."""
    for line in state.trace:
        if line.held_minor > 0 and state.surplus > 0:
            offered = min(line.held_minor, state.surplus)
            rest = allocate(state, offered, line.on, line)
            line.held_minor -= offered - rest
            state.surplus -= offered - rest


def held_pays_rows(state: State, event: Event, today: int) -> None:
    """Pay what a tranche made owed with the money held; the event's own line shows it."""
    if state.surplus > 0:
        line = state.line(event)
        offered, state.surplus = state.surplus, 0
        state.surplus = allocate(state, offered, today, line)
        line.held_minor = state.surplus - offered


class _Paying:
    """One step on one day: what of a row it takes."""

    def __init__(self, state: State, step: AllocationStep, today: int, line: TraceLine) -> None:
        self.state, self.step, self.today, self.line = state, step, today, line
        self.own = rules_of(state).charges_due == ChargeTiming.OWN
        tests: dict[RowTiming, Due] = {
            RowTiming.ANY: lambda d: True,
            RowTiming.PAST_DUE: lambda d: d < today,
            RowTiming.DUE_TODAY: lambda d: d == today,
            RowTiming.DUE: lambda d: d <= today,
            RowTiming.IN_ADVANCE: lambda d: d > today,
        }
        self.is_in = tests[step.rows]

    def _charges(self, row: Ledger, component: Component) -> list[Charge]:
        found = charges_of(self.state, row, component)
        return [c for c in found if c.owed > 0 and self.is_in(c.due_on if self.own else row.plan.due_on)]

    def owed(self, row: Ledger, component: Component) -> int:
        if component in PLANNED:
            return max(0, row.open(component)) if self.is_in(row.plan.due_on) else 0
        return sum(c.owed for c in self._charges(row, component))

    def pay(self, row: Ledger, component: Component, amount: int) -> int:
        """Pay one component of one row; returns what is left."""
        part = min(amount, self.owed(row, component))
        if component in PLANNED:
            row.paid[component] += part
        else:
            left = part
            for charge in self._charges(row, component):
                paid = min(left, charge.owed)
                charge.settled += paid
                left -= paid
        if self.today < row.plan.due_on:
            row.early += part
        elif self.today > row.plan.due_on:
            row.late += part
        self.state.paid_total += part
        self.line.amounts_minor[component] += part
        return amount - part


def _step(paying: _Paying, amount: int, future: FutureRule) -> int:
    step = paying.step
    rows = ordered(paying.state)
    ahead = step.rows == RowTiming.IN_ADVANCE
    if ahead and future == FutureRule.LAST:
        rows = rows[::-1]
    groups = [(c,) for c in step.order] if step.by == AllocateBy.COMPONENT else [step.order]
    for components in groups:
        if ahead and future == FutureRule.EVEN:
            amount = _evenly(paying, rows, components, amount)
        else:
            for row in rows:
                for component in components:
                    amount = paying.pay(row, component, amount)
    return amount


def _evenly(paying: _Paying, rows: list[Ledger], components: tuple[Component, ...], amount: int) -> int:
    """Equal shares to the rows that owe something, again while money is left; the last row takes the rounding."""
    while amount:
        open_rows = [r for r in rows if any(paying.owed(r, c) for c in components)]
        if not open_rows:
            break
        share = round_exact(Fraction(amount, len(open_rows)), paying.state.terms.rounding)
        shares = [share] * (len(open_rows) - 1)
        shares.append(amount - sum(shares))
        amount = 0
        for row, part in zip(open_rows, shares, strict=True):
            for component in components:
                part = paying.pay(row, component, part)
            amount += part
    return amount
