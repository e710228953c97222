"""Charges that belong to rows: which row carries a charge, what a row still owes, when it is settled.

A charge belongs to the row whose period holds its due day (the first row's start included; never to a down payment). After
the last due day an added row without principal carries it, due on the latest such day. docs/method/allocation.md.
"""

from __future__ import annotations

from tideover.engine.events import Event, EventRejected
from tideover.engine.reference_schedule import PlanRow
from tideover.engine.reference_state import Charge, Ledger, State
from tideover.engine.terms import NO_DAY, Component, TrancheRule


def ordered(state: State) -> list[Ledger]:
    """Rows by due day; on one day an added row comes last, and a down payment before the rows that its tranche reshapes."""
    rules = state.terms.row_terms
    after = rules is not None and rules.tranches == TrancheRule.SPREAD_LEFT
    return sorted(state.rows, key=lambda r: (r.plan.due_on, r.down_payment == after, r.added))


def regular(state: State) -> list[Ledger]:
    """Rows of the plan itself, by due day: no down payment, no added row."""
    return [r for r in ordered(state) if not r.down_payment and not r.added]


def charges_of(state: State, row: Ledger, component: Component | None = None) -> list[Charge]:
    """The row's charges (of one component), by their own due day."""
    found = [c for c in state.charges if c.row is row and component in (None, c.component)]
    return sorted(found, key=lambda c: (c.due_on, c.seq))


def row_open(state: State, row: Ledger) -> int:
    """All that the row still owes: principal, interest and its charges."""
    own = row.open(Component.PRINCIPAL) + row.open(Component.INTEREST)
    return own + sum(c.owed for c in charges_of(state, row))


def note_settled(state: State, today: int) -> None:
    """The day on which each row became settled; none while anything of it is open."""
    for row in state.rows:
        if row_open(state, row) > 0:
            row.paid_on = NO_DAY
        elif row.paid_on == NO_DAY:
            row.paid_on = today


def row_on(state: State, on: int) -> Ledger | None:
    """The regular row whose period holds a day; None after the last."""
    for index, row in enumerate(regular(state)):
        starts = row.plan.start <= on if index == 0 else row.plan.start < on
        if (starts or index == 0) and on <= row.plan.due_on:
            return row
    return None


def added_row(state: State, on: int, today: int) -> Ledger:
    """The row after the last regular one; its due day moves to the latest day asked for."""
    for row in state.rows:
        if row.added:
            row.plan.due_on = row.plan.end = row.plan.late_from = max(row.plan.due_on, on)
            row.due = row.plan.due_on <= today
            return row
    last = ordered(state)[-1].plan
    row = Ledger(PlanRow(0, last.due_on, on, on, on, fixed_interest=0), due=on <= today, added=True)
    state.rows.append(row)
    return row


def charge_add(state: State, event: Event, today: int) -> None:
    """Attach a charge to its row."""
    due = event.until if event.until != NO_DAY else event.on
    charge_attach(state, event.component, event.amount_minor, due, event.seq, today)


def charge_attach(state: State, component: Component, amount: int, due: int, seq: int, today: int) -> None:
    """A charge of `amount`, due on `due`, in the row whose period holds that day."""
    row = row_on(state, due) or added_row(state, due, today)
    state.charges.append(Charge(component, amount, due, seq=seq, row=row))


def charge_waive(state: State, event: Event, today: int) -> None:
    """Waive what is left of one charge (amount -1) or a part of it."""
    found = [c for c in state.charges if c.seq == event.of_seq]
    if not found:
        raise EventRejected(event.seq, f"no charge {event.of_seq} to waive")
    line = state.line(event)
    for charge in found:
        part = charge.owed if event.amount_minor < 0 else min(charge.owed, event.amount_minor)
        charge.settled += part
        charge.waived += part
        line.amounts_minor[charge.component] += part
