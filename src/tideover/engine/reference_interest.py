"""Loans with row terms that bear interest in equal instalments: the plan made anew as money moves and days pass.

Every event and the day asked about lay the rows out again (`reference_level`). docs/method/allocation.md.
"""

from __future__ import annotations

from tideover.engine.events import Event
from tideover.engine.reference_allocation import allocate, pass_on, rules_of
from tideover.engine.reference_charges import note_settled, regular, row_open
from tideover.engine.reference_level import Actual, Course, Early, lay_out, levels_of
from tideover.engine.reference_schedule import planned_interest, round_exact, row_interest_exact
from tideover.engine.reference_state import Ledger, State, down_payment_of
from tideover.engine.standing import TraceLine
from tideover.engine.terms import (
    Component,
    EarlyMoney,
    InterestBasis,
    JoinsBase,
    LateInterest,
    LevelRate,
    Method,
    PayoffInterest,
)


def is_laid(state: State) -> bool:
    """Whether the plan follows from tranches and money as they come, rather than from the terms alone."""
    t = state.terms
    own = t.level_rate == LevelRate.EACH_ROW or t.level_principal_minor > 0 or t.interest_basis == InterestBasis.OUTSTANDING
    return t.row_terms is not None and t.method == Method.ANNUITY and t.annual_rate_ppm > 0 and own


def relay(state: State, today: int) -> None:
    """Lay the rows out as they stand on a day, and note the principal outstanding from it on."""
    if not is_laid(state):
        return
    rows = regular(state)
    plans = [r.plan for r in rows]
    net = [(on, amount - down_payment_of(state.terms, amount)) for on, amount in sorted(state.tranches, key=lambda x: x[0])]
    course = Course(net, [Early(rows.index(r), on, a, low) for r, on, a, low in state.early], _actual(state, today))
    lay_out(plans, levels_of(plans, net, state.terms), course, state.terms)
    for row in rows:
        row.plan.principal += row.credited
        row.interest = planned_interest(row.plan, state.terms)
        _rebalance(state, row)
    note_settled(state, today)
    pass_on(state, today)


def _actual(state: State, today: int) -> Actual | None:
    if state.terms.interest_basis != InterestBasis.OUTSTANDING:
        return None
    _note_owed(state, today)
    every = rules_of(state).late_interest == LateInterest.EVERY_ROW
    return Actual(state.owed, today, state.closed_on, past_rows=every)


def _note_owed(state: State, today: int) -> None:
    """The balance that bears interest from today on: principal, with unpaid interest of due rows where it joins."""
    joins = rules_of(state).unpaid_interest_joins == JoinsBase.EACH_ROW_DUE_DATE
    days = [r.plan.due_on for r in regular(state) if r.plan.due_on < today] if joins else []
    last = state.owed[-1][0] if state.owed else state.terms.disbursed_on - 1
    for on in [*(d for d in days if d > last), today]:
        owed = sum(amount for at, amount in state.tranches if at <= on) + sum(r.credited for r in state.rows)
        owed -= sum(r.paid[Component.PRINCIPAL] for r in state.rows)
        if joins:
            owed += sum(max(0, r.open(Component.INTEREST)) for r in regular(state) if r.plan.due_on <= on)
        state.owed = [*(x for x in state.owed if x[0] != on), (on, owed)]


def _rebalance(state: State, row: Ledger) -> None:
    """What a row paid stays with it; where its interest fell, the rest paid its principal, and the other way round."""
    over = row.paid[Component.INTEREST] + row.gone[Component.INTEREST] - row.interest
    if over > 0:
        room = max(0, row.open(Component.PRINCIPAL))
        part = min(over, room, row.paid[Component.INTEREST])
        row.paid[Component.INTEREST] -= part
        row.paid[Component.PRINCIPAL] += part
        _moved(state, part)
    over = -row.open(Component.PRINCIPAL)
    if over > 0 and row.open(Component.INTEREST) > 0:
        part = min(over, row.open(Component.INTEREST))
        row.paid[Component.PRINCIPAL] -= part
        row.paid[Component.INTEREST] += part
        _moved(state, -part)


def _moved(state: State, to_principal: int) -> None:
    """Note money that a new plan counts as principal instead of interest."""
    state.use_held(Component.PRINCIPAL, to_principal)
    state.use_held(Component.INTEREST, -to_principal)


def pay_early(state: State, amount: int, today: int, line: TraceLine) -> int:
    """Money beyond what is due goes to the principal of the running row, where the terms say so; returns the rest.

    Later rows ask for less (or fall away) only if nothing was past due before the payment.
    """
    rule = rules_of(state).early_money
    if not is_laid(state) or rule == EarlyMoney.AS_ALLOCATED:
        return amount
    late = any(r.plan.due_on < today and row_open(state, r) > 0 for r in state.rows)
    due = sum(row_open(state, r) for r in state.rows if r.plan.due_on <= today)
    paid = min(amount, due)
    allocate(state, paid, today, line)
    rest = amount - paid
    running = next((r for r in regular(state) if r.plan.due_on >= today), None)
    if not rest or running is None:
        return rest
    open_principal = sum(max(0, r.open(Component.PRINCIPAL)) for r in state.rows)
    part = min(rest, open_principal)
    running.paid[Component.PRINCIPAL] += part
    running.early += part if today < running.plan.due_on else 0
    line.amounts_minor[Component.PRINCIPAL] += part
    state.paid_total += part
    state.early.append((running, today, part, rule == EarlyMoney.LOWER_LEVEL and not late))
    relay(state, today)
    return rest - part


def payoff_of(state: State, today: int) -> int:
    """What a payoff on this day would take: all principal and charges, and interest as far as a payoff settles it."""
    owed = sum(max(0, row_open(state, r)) for r in state.rows)
    if not is_laid(state):
        return owed
    to_end = rules_of(state).payoff_interest == PayoffInterest.TO_ROW_END
    for row in regular(state):
        p = row.plan
        if state.terms.interest_basis != InterestBasis.OUTSTANDING or p.due_on <= today or (to_end and p.start < today):
            continue
        earned = round_exact(row_interest_exact(p, state.terms, today), state.terms.rounding, state.terms.rounding_unit_minor)
        owed -= row.interest - earned
    return max(0, owed)


def pay_off(state: State, event: Event, today: int) -> None:
    """Everything is paid: interest stops today, or at the end of the running row where the terms say so.

    An amount that falls short ends nothing: it is a payment. What is more than is owed is held.
    """
    if event.debit_id:
        if event.debit_id in state.debits_taken:
            return
        state.debits_taken.add(event.debit_id)
        state.debits.pop(event.debit_id, None)
    line, held, before = state.line(event), state.surplus, state.closed_on
    running = next((r for r in regular(state) if r.plan.due_on >= today), None)
    whole = rules_of(state).payoff_interest == PayoffInterest.TO_ROW_END and running is not None
    state.closed_on = running.plan.end if whole and running is not None else today
    relay(state, today)
    owed = sum(max(0, row_open(state, r)) for r in state.rows)
    money = event.amount_minor + held if event.amount_minor > 0 else max(owed, held)
    if money < owed:
        state.closed_on = before
        relay(state, today)
        rest = pay_early(state, event.amount_minor, today, line)
        line.held_minor = allocate(state, rest, today, line, event.kind)
        state.surplus += line.held_minor
        return
    state.surplus = money - owed + allocate(state, owed, today, line)
    line.held_minor = state.surplus - held
