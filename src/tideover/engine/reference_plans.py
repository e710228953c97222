"""New plans for what is not yet due: re-amortisation, capitalised arrears, and rows written out one by one.

What a plan capitalises leaves the rows and charges that owed it and joins the new principal; other claims stay due.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tideover.engine.events import Event, EventRejected
from tideover.engine.reference_schedule import PlanRow, dated_rows, fill
from tideover.engine.terms import NO_DAY, ROW_COUNT_MAX, Component, Method, Terms
from tideover.engine.terms_problems import row_problems

if TYPE_CHECKING:
    from tideover.engine.reference import Replay
    from tideover.engine.reference_state import Ledger

ROW_COMPONENTS = (Component.PRINCIPAL, Component.INTEREST, Component.PENALTY, Component.COMPOUND)


def capitalised(state: Replay, event: Event, today: int) -> int:
    """Take the named claims off what is due; returns their sum, which the new plan carries."""
    line, total = state.line(event), 0
    for component in event.components:
        for row in state.rows:
            if row.due and component in ROW_COMPONENTS:
                part = max(0, state.claim(row, component))
                row.gone[component] += part
                total += part
                line.amounts_minor[component] += part
        for charge in state._charge_open(component, today):
            part = charge.amount - charge.settled
            charge.settled = charge.amount
            total += part
            line.amounts_minor[component] += part
    for row in state.rows:
        state._note_paid(row, today)
    return total


def reamortise(state: Replay, event: Event, today: int) -> None:
    """Undue principal and what is capitalised as a new level plan: `rows` instalments from `from_day`.

    rows 0: the rows that are left keep their dates. Raises EventRejected when the new plan has no row to stand on.
    """
    undue = state._replannable(today)
    start = undue[0].plan.start if undue else today
    _dates_checked(event, undue, start)
    balance = sum(r.open(Component.PRINCIPAL) for r in undue) + capitalised(state, event, today)
    if not event.rows:
        plans = [r.plan for r in undue]
        for plan in plans:
            plan.pieces = []
        state.level = fill(plans, _level_terms(state), balance, state.rate_at(start))
    else:
        for row in undue:
            state.rows.remove(row)
        _new_plan(state, event, start, balance)
    state._interest_refresh()
    state._after_rows_changed()


def _dates_checked(event: Event, undue: list[Ledger], start: int) -> None:
    if not event.rows:
        if not undue:
            raise EventRejected(event.seq, "no row is left to carry the new plan: give rows and from_day")
        return
    if not 1 <= event.rows <= ROW_COUNT_MAX:
        raise EventRejected(event.seq, f"rows {event.rows} must lie in 0..{ROW_COUNT_MAX}")
    if event.from_day == NO_DAY or event.from_day <= start:
        raise EventRejected(event.seq, "the first new instalment must fall due after the day that its interest runs from")


def _level_terms(state: Replay) -> Terms:
    terms = state.terms
    return terms if terms.method in (Method.ANNUITY, Method.EQUAL_PRINCIPAL) else terms.with_(method=Method.ANNUITY)


def _new_plan(state: Replay, event: Event, start: int, balance: int) -> None:
    terms, first = state.terms, event.from_day
    nominal = [state._shifted(first, k) for k in range(event.rows)]
    nominal[0] = first
    rows = [PlanRow(0, *dates) for dates in dated_rows(nominal, start, terms, NO_DAY)]
    if any(p.end <= p.start for p in rows):
        raise EventRejected(event.seq, "the new plan has a row without a day of interest")
    _whole_periods(state, rows[0], first)
    state.level = fill(rows, _level_terms(state), balance, state.rate_at(start))
    for row in rows:
        state.row_new(row)


def _whole_periods(state: Replay, row: PlanRow, first_due: int) -> None:
    """A first row that is k whole periods long counts k x every/12; any other length is odd."""
    for k in range(1, 121):
        if state._shifted(row.start, k) == first_due:
            row.periods = k
            return
    row.odd = True


def new_rows(state: Replay, event: Event, today: int) -> None:
    """Rows as agreed one by one in place of all that are not yet due; they must carry exactly the principal they replace.

    The interest of a row is as given, or by the loan's day count from the running period's start: on the old balance up to
    today, on the new from today, at `rate_ppm` if given.
    """
    undue = state._replannable(today)
    old = sum(r.open(Component.PRINCIPAL) for r in undue)
    if event.rate_ppm >= 0:
        state.rates = sorted([*(r for r in state.rates if r[0] != today), (today, event.rate_ppm)])
    if found := next(row_problems("new_rows", event.new_rows, today), None):
        raise EventRejected(event.seq, found)
    balance = old + capitalised(state, event, today)
    given = sum(r.principal_minor for r in event.new_rows)
    if given != balance or not event.new_rows:
        raise EventRejected(event.seq, f"the new rows carry {given} of principal; {balance} is to be carried")
    start = undue[0].plan.start if undue else today
    before = undue[0].plan.pieces if undue else []
    for row in undue:
        state.rows.remove(row)
    dates = dated_rows([r.due_on for r in event.new_rows], start, state.terms, NO_DAY)
    if any(b[1] <= b[0] for b in dates) or any(a[2] > b[2] for a, b in pairwise(dates)):
        raise EventRejected(event.seq, "the new rows leave one without a day of interest")
    plans = [PlanRow(0, *d) for d in dates]
    for plan, agreed in zip(plans, event.new_rows, strict=True):
        plan.principal, plan.fixed_interest = agreed.principal_minor, agreed.interest_minor
        plan.odd = True
    if undue and start < today:
        plans[0].settled_at = undue[0].plan.settled_at
        plans[0].pieces = [p for p in before if p[0] < today]
    state._break(plans[0], today, balance, state.rate_at(today))
    fill(plans, state.terms, balance, state.rate_at(today), keep_principal=True)
    for plan in plans:
        state.row_new(plan)
    state._interest_refresh()
    state._after_rows_changed()
