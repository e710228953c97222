"""Changes of the rows to come on loans with row terms: re-age, arrears spread over later rows, rescheduling."""

from __future__ import annotations

from tideover.engine.events import Event, EventRejected
from tideover.engine.reference_charges import note_settled, ordered, regular
from tideover.engine.reference_schedule import PlanRow, step
from tideover.engine.reference_schedule import later as later_day
from tideover.engine.reference_state import Ledger, State, equal_parts
from tideover.engine.terms import NO_DAY, Component, date_of


def re_age(state: State, event: Event, today: int) -> None:
    """All unpaid principal moves into `rows` new rows from `from_day` on; old rows keep what was paid on them."""
    line = state.line(event)
    moved = 0
    for row in state.rows:
        part = max(0, row.open(Component.PRINCIPAL))
        row.plan.principal -= part
        moved += part
    if not moved or event.rows < 1:
        raise EventRejected(event.seq, "nothing is left to re-age")
    line.amounts_minor[Component.PRINCIPAL] = moved
    terms = state.terms.with_(every=event.every, unit=event.unit, due_day=date_of(event.from_day).day)
    kept = ordered(state)
    state.rows = [r for r in kept if r.plan.due_on <= today or r.paid[0] or r.paid[1] or r.down_payment] or kept[:1]
    for row in kept:
        row.added = False
    at = state.rows[-1].plan.due_on
    for k, amount in enumerate(equal_parts(state.terms, moved, event.rows)):
        due = step(terms, event.from_day, k)
        plan = PlanRow(0, at, due, due, due, fixed_interest=0, principal=amount)
        state.rows.append(Ledger(plan, due=due <= today))
        at = due
    note_settled(state, today)


def arrears_spread(state: State, event: Event, today: int) -> None:
    """Principal of rows due up to today moves into the rows to come, in equal parts; the last takes the rest."""
    line = state.line(event)
    moved = 0
    coming = [r for r in regular(state) if r.plan.due_on > today]
    if not coming:
        raise EventRejected(event.seq, "no row is left to carry the arrears")
    for row in state.rows:
        if row.plan.due_on <= today:
            part = max(0, row.open(Component.PRINCIPAL))
            row.plan.principal -= part
            moved += part
    if not moved:
        raise EventRejected(event.seq, "nothing is past due")
    line.amounts_minor[Component.PRINCIPAL] = moved
    for row, part in zip(coming, equal_parts(state.terms, moved, len(coming)), strict=True):
        row.plan.principal += part
    note_settled(state, today)


def reschedule(state: State, event: Event, today: int) -> None:
    """From the row due on `from_day`: a new due day (later rows keep their distance in periods) or more rows."""
    rows = regular(state)
    first = next((k for k, r in enumerate(rows) if r.plan.due_on >= event.from_day), -1)
    if first < 0:
        raise EventRejected(event.seq, "no row is due from that day on")
    later = rows[first:]
    if event.rows or event.grace_rows:
        later += _more_rows(state, later, event)
    if event.until != NO_DAY:
        start = later[0].plan.start
        for k, row in enumerate(later):
            _move(row, start, later_day(state.terms, event.until, k))
            start = row.plan.end
    state.maturity = max(r.plan.due_on for r in state.rows)


def _move(row: Ledger, start: int, due: int) -> None:
    p = row.plan
    p.start, p.end, p.due_on, p.late_from = start, due, due, due


def _more_rows(state: State, later: list[Ledger], event: Event) -> list[Ledger]:
    """Rows after the last: the principal of the later rows is spread evenly over all of them but those in grace."""
    grace, extra = event.grace_rows, event.rows + event.grace_rows
    total = sum(r.plan.principal for r in later)
    anchor, at = later[0].plan.due_on, later[-1].plan.due_on
    more = []
    for k in range(extra):
        due = later_day(state.terms, anchor, len(later) + k)
        more.append(Ledger(PlanRow(0, at, due, due, due, fixed_interest=0)))
        at = due
    state.rows += more
    every = [*later, *more]
    parts = [0] * grace + equal_parts(state.terms, total, len(every) - grace)
    for row, part in zip(every, parts, strict=True):
        row.plan.principal = part
    return more
