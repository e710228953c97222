"""Interest on the principal that is really out, day by day (`interest_basis: outstanding`).

The base of a day is all unpaid principal of the loan; where the loan has penalty terms, principal that is late leaves the base
on the day it is late from, because the penalty replaces contract interest there (cases/CN.md rule 11). The interest of a day
belongs to the row whose period holds the day; after the last row it goes on growing on that row. Principal falls due as planned,
so early money lowers the interest of the rows and late money raises it. A planned row that has not begun is shown as it would
be if nothing more happened: what is late stays late, what is not yet due is paid on its day.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tideover.engine.events import PauseWhat
from tideover.engine.reference_schedule import PPM, planned_interest, round_exact, row_interest_exact, year_share
from tideover.engine.terms import NO_DAY, PERIOD_COUNTS, Component, DayCount, InterestBasis, RoundWhere, Terms

if TYPE_CHECKING:
    from tideover.engine.reference import Replay
    from tideover.engine.reference_state import Ledger
    from tideover.engine.standing import TraceLine


def is_outstanding(terms: Terms) -> bool:
    """Whether interest follows the principal really out."""
    return terms.interest_basis == InterestBasis.OUTSTANDING and terms.row_terms is None


def base_on(state: Replay, today: int) -> int:
    """Principal that bears contract interest on the day `today`, after its events."""
    late_leaves = state.terms.penalty is not None
    return sum(
        r.open(Component.PRINCIPAL)
        for r in state.rows
        if (r.due or not r.plan.closed) and not (late_leaves and r.due and today >= r.plan.late_from)
    )


def follow(state: Replay, today: int) -> None:
    """Let the running row and those after it bear interest on what is out from `today` on."""
    rows = [r for r in state.rows if not r.plan.closed]
    left = base_on(state, today)
    waiting = sorted((r for r in state.rows if not r.due and not r.plan.closed), key=lambda r: r.plan.end)
    carried, at = Fraction(0), 0
    for row in sorted(rows, key=lambda r: r.plan.start):
        p = row.plan
        if p.end <= today:
            if p.defer_interest_out:
                carried += row_interest_exact(p, state.terms, p.end)
            elif p.start < p.end:
                carried = Fraction(0)
            continue
        if p.fixed_interest >= 0:
            continue
        if p.start <= today:
            _step(row, today, left, state.rate_at(today))
        else:
            while at < len(waiting) and waiting[at].plan.end <= p.start:
                left -= waiting[at].open(Component.PRINCIPAL)
                at += 1
            rate = p.pieces[-1][2] if p.pieces else state.rate_at(today)
            p.pieces = [(p.start, left, rate)]
        p.carried_interest = Fraction(0)
        if p.defer_interest_out:
            carried += row_interest_exact(p, state.terms, p.end)
        else:
            p.carried_interest, carried = carried, Fraction(0)
        row.interest = planned_interest(p, state.terms)


def _step(row: Ledger, today: int, base: int, rate: int) -> None:
    pieces = row.plan.pieces
    if pieces and pieces[-1][1:] == (base, rate):
        return
    if not pieces or today <= row.plan.start:
        row.plan.pieces = [(row.plan.start, base, rate)]
    elif pieces[-1][0] >= today:
        pieces[-1] = (today, base, rate)
    else:
        pieces.append((today, base, rate))


def pay_ahead(state: Replay, amount: int, today: int, line: TraceLine) -> int:
    """Money beyond what is due: the interest that ran so far leaves the row, then principal of the next rows leaves them."""
    undue = state._undue(today)
    if not undue or not amount:
        return amount
    accrued = state._accrued(undue[0], today)
    settled = min(amount, accrued)
    if settled < accrued:
        undue[0].paid[Component.INTEREST] += settled
    elif today > undue[0].plan.start:
        undue[0].plan.settled_at = today
        undue[0].paid[Component.INTEREST] = 0
    line.amounts_minor[Component.INTEREST] += settled
    left = amount - settled
    for row in undue:
        part = min(left, row.open(Component.PRINCIPAL))
        row.plan.principal -= part
        line.amounts_minor[Component.PRINCIPAL] += part
        left -= part
    state.paid_total += amount - left
    state._interest_refresh()
    state._drop_empty(undue)
    return left


def tail(state: Replay, today: int, until: int) -> None:
    """After the last row without penalty terms: contract interest goes on, due at once on that row."""
    if state.terms.penalty is not None or any(r.plan.start <= today < r.plan.end for r in state.rows if not r.due):
        return
    rows = [r for r in state.rows if r.plan.end <= today and not r.plan.closed]
    if not rows or (state.stopped != NO_DAY and today >= state.stopped):
        return
    if any(a <= today < b and what & PauseWhat.INTEREST for a, b, what in state.pauses):
        return
    last, terms = max(rows, key=lambda r: (r.plan.due_on, r.plan.end)), state.terms
    count = DayCount.ACT_ACT_ISDA if terms.day_count in PERIOD_COUNTS else terms.day_count
    exact = Fraction(base_on(state, today) * state.rate_at(today), PPM)
    if terms.round_where == RoundWhere.PER_DAY:
        for d in range(today, until):
            part = exact * year_share(count, d, d + 1)
            state.tail_interest += round_exact(part, terms.rounding, terms.rounding_unit_minor)
    else:
        state.tail_interest += exact * year_share(count, today, until)
    grown = round_exact(state.tail_interest, terms.rounding, terms.rounding_unit_minor)
    last.interest += grown - state.tail_shown
    last.plan.fixed_interest = last.interest
    state.tail_shown = grown
    if last.open(Component.INTEREST) > 0:
        last.paid_on = NO_DAY
