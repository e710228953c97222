"""How a payment out shapes the rows: down payments, later tranches, money taken back. docs/method/allocation.md."""

from __future__ import annotations

from fractions import Fraction

from tideover.engine.events import Event, EventRejected
from tideover.engine.moves import Cause
from tideover.engine.reference_allocation import held_pays_rows, rules_of
from tideover.engine.reference_charges import added_row, charge_attach, note_settled, regular
from tideover.engine.reference_interest import is_laid
from tideover.engine.reference_schedule import PlanRow, later, round_exact
from tideover.engine.reference_state import Ledger, State, down_payment_of, rounded
from tideover.engine.terms import Component, PlanChanges, TrancheRule


def down_payment_row(state: State, on: int, amount: int) -> None:
    """A row of `amount` due on the day of its tranche."""
    if amount:
        row = PlanRow(0, on, on, on, on, fixed_interest=0, principal=amount)
        state.rows.append(Ledger(row, due=True, down_payment=True))


def tranche_add(state: State, event: Event, today: int) -> None:
    """A later tranche: its own down payment, the rest in the rows."""
    part = down_payment_of(state.terms, event.amount_minor)
    net = event.amount_minor - part
    state.moves[Cause.DRAWN][Component.PRINCIPAL] += event.amount_minor
    if is_laid(state):
        state.tranches.append((event.on, event.amount_minor))
        down_payment_row(state, event.on, part)
        return
    if rules_of(state).tranches == TrancheRule.LEVEL_ALL:
        _level_all(state, event, net)
    else:
        _spread_left(state, event, net)
    down_payment_row(state, event.on, part)
    state.tranches.append((event.on, event.amount_minor))
    note_settled(state, today)
    if rules_of(state).plan_changes == PlanChanges.ON_DAY:
        held_pays_rows(state, event, today)


def _spread_left(state: State, event: Event, net: int) -> None:
    rows = [r for r in regular(state) if r.plan.due_on > event.on]
    if not rows:
        raise EventRejected(event.seq, "no row is left to carry a later tranche")
    share = round_exact(Fraction(net, len(rows)), state.terms.rounding)
    total = sum(r.plan.principal for r in rows) + net
    for row in rows[:-1]:
        row.plan.principal = min(rounded(state.terms, Fraction(row.plan.principal + share)), total)
        total -= row.plan.principal
    rows[-1].plan.principal = total


def _level_all(state: State, event: Event, net: int) -> None:
    rows = regular(state)
    if event.on > rows[-1].plan.due_on:
        _row_after(state, rows[-1].plan, event.on, net)
        return
    total = sum(r.plan.principal - r.credited for r in rows) + net
    level = rounded(state.terms, Fraction(total, len(rows)))
    for row in rows[:-1]:
        if row.plan.due_on >= event.on:
            row.plan.principal = min(level, total) + row.credited
        total -= row.plan.principal - row.credited
    rows[-1].plan.principal = total + rows[-1].credited


def _row_after(state: State, last: PlanRow, on: int, amount: int) -> None:
    """A tranche after the last due day is owed on the next date of the plan."""
    k, due = 1, last.due_on
    while due < on:
        due = later(state.terms, last.due_on, k)
        k += 1
    row = PlanRow(0, last.due_on, due, due, due, fixed_interest=0, principal=amount)
    state.rows.append(Ledger(row))
    state.maturity = max(state.maturity, due)


def take_back(state: State, event: Event, today: int) -> None:
    """A chargeback: money that was paid is owed again. Money held is used first; if it covers all, the rows stay."""
    line = state.line(event)
    amounts = _restored(state, event)
    _owe_again(state, event, amounts, today)
    covered = min(state.surplus, event.amount_minor)
    _held_spend(state, covered)
    line.held_minor = -covered
    for component, amount in amounts.items():
        line.amounts_minor[component] += amount
    line.amounts_minor[Component.PRINCIPAL] -= min(covered, line.amounts_minor[Component.PRINCIPAL])


def refund(state: State, event: Event, today: int) -> None:
    """Held money goes back to the borrower; what is no longer held is owed as principal."""
    line = state.line(event)
    _owe_again(state, event, {Component.PRINCIPAL: event.amount_minor}, today)
    covered = min(state.surplus, event.amount_minor)
    _held_spend(state, covered)
    line.held_minor = -covered
    line.amounts_minor[Component.PRINCIPAL] += event.amount_minor - covered


def _held_spend(state: State, amount: int) -> None:
    state.surplus -= amount


def _restored(state: State, event: Event) -> dict[Component, int]:
    """Which components a chargeback restores: of what the payment paid, in the order of the terms; else principal."""
    paid = next((t.amounts_minor for t in state.trace if t.seq == event.of_seq), None)
    out: dict[Component, int] = {}
    left = event.amount_minor
    for component in rules_of(state).credit_order if paid is not None else ():
        part = min(left, paid[component]) if paid is not None else 0
        out[component] = part
        left -= part
    out[Component.PRINCIPAL] = out.get(Component.PRINCIPAL, 0) + left
    return out


def _owe_again(state: State, event: Event, amounts: dict[Component, int], today: int) -> None:
    """Add amounts to the first row due from today on, or to an added row; what held money covers is paid at once."""
    covered = min(state.surplus, event.amount_minor)
    if covered == event.amount_minor:
        return
    row = next((r for r in regular(state) if r.plan.due_on >= event.on), None) or added_row(state, event.on, today)
    principal = amounts.get(Component.PRINCIPAL, 0)
    row.plan.principal += principal
    row.credited += principal
    row.credited_on = event.on
    row.paid_at_credit = row.paid[Component.PRINCIPAL]
    row.paid[Component.PRINCIPAL] += min(covered, principal)
    if event.on < row.plan.due_on:
        row.early += min(covered, principal)
    for component, amount in amounts.items():
        if component == Component.INTEREST:
            row.plan.extra_interest += amount
        elif component != Component.PRINCIPAL and amount:
            charge_attach(state, component, amount, event.on, event.seq, today)
    state.paid_total -= event.amount_minor - covered
    note_settled(state, today)
