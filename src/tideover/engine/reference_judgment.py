"""A judgment, replayed: the claim becomes the adjudged sum, then general interest and the double part run on what is unpaid.

general interest = unpaid judged principal x general rate x days / general year, from `general_from`;
double part = unpaid judged principal (and costs, if so judged) x 0.0175 % x days, from the end of the performance period.
Each total is rounded once. Contract interest, penalty and compound end with the judgment. Source: 法释〔2014〕8号 art. 1-4.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tideover.engine.events import Event, EventKind, EventRejected, PauseWhat
from tideover.engine.judgment import JudgmentTerms
from tideover.engine.moves import Cause
from tideover.engine.reference_schedule import PPM, PlanRow, round_exact
from tideover.engine.terms import NO_DAY, Component

if TYPE_CHECKING:
    from tideover.engine.reference import Replay
    from tideover.engine.reference_state import Ledger

NOT_AFTER_JUDGMENT = frozenset(
    {
        EventKind.DEFER, EventKind.EXTENSION, EventKind.REAMORTISE, EventKind.NEW_ROWS, EventKind.RATE_CHANGE,
        EventKind.DISBURSEMENT, EventKind.REPAY_PART,
    }
)  # fmt: skip
"""A judged debt has no plan to change: an execution settlement is a settlement or an adjusted judgment."""


class Judged:
    """The judged debt of a loan: its terms, the row that carries it, and the interest that ran since."""

    def __init__(self, terms: JudgmentTerms, row: Ledger) -> None:
        self.terms = terms
        self.row = row
        self.general = Fraction(0)

    def changes(self) -> list[int]:
        """Days on which something begins to run."""
        return [d for d in (self.terms.performance_due_on, self.terms.general_from) if d != NO_DAY]


def judge(state: Replay, event: Event, today: int) -> None:
    """Replace every claim of the loan by what the judgment says. Raises EventRejected for an impossible judgment."""
    terms = event.judgment
    if terms is None:
        raise EventRejected(event.seq, "the event carries no judgment")
    if found := next(terms.problems(), None):
        raise EventRejected(event.seq, f"judgment: {found}")
    late = [r.plan for r in state.rows if r.due and r.open(Component.PRINCIPAL) + r.open(Component.INTEREST) > 0]
    oldest = min(late, key=lambda p: p.late_from, default=None)
    _recast(state, event, today)
    due_on, late_from = (oldest.due_on, oldest.late_from) if oldest else (today, today)
    plan = PlanRow(0, today, today, min(due_on, today), min(late_from, today), principal=terms.principal_minor)
    plan.fixed_interest = terms.interest_minor
    row = state.row_new(plan, due=True)
    row.interest, row.late_shown = terms.interest_minor, True
    state.judged, state.accelerated, state.maturity = Judged(terms, row), True, today
    adjudged = state.moves[Cause.REPLACED]
    adjudged[Component.PRINCIPAL] -= terms.principal_minor
    adjudged[Component.INTEREST] -= terms.interest_minor
    adjudged[Component.RECOVERY_COST] -= terms.cost_minor
    if terms.cost_minor:
        state.charge_new(Component.RECOVERY_COST, terms.cost_minor, today)
    if state.surplus:
        held, state.surplus = state.surplus, 0
        state.surplus = state._pay_due(held, today, None)


def _recast(state: Replay, event: Event, today: int) -> None:
    """Take every claim off the rows and charges; the trace shows what the judgment replaced."""
    line = state.line(event)
    undue = state._undue(today)
    if undue:
        state._collapse(today, undue)
    for row in state.rows:
        row.due = True
        for component in (Component.PRINCIPAL, Component.INTEREST, Component.PENALTY, Component.COMPOUND):
            part = max(0, state.claim(row, component))
            row.gone[component] += part
            line.amounts_minor[component] += part
        row.plan.closed = True
        state._note_paid(row, today)
    for charge in state.charges:
        line.amounts_minor[charge.component] += charge.amount - charge.settled
        charge.settled = charge.amount


def accrue(state: Replay, judged: Judged, today: int, until: int) -> None:
    """General interest and the double part of the days from `today` to the day before `until`.

    A pause of penalty stops the double part: 法释〔2014〕8号 art. 3 (a stay that the debtor did not ask for).
    """
    if state.stopped != NO_DAY and today >= state.stopped:
        return
    t, days = judged.terms, until - today
    base = judged.row.open(Component.PRINCIPAL)
    paused = 0
    for start, end, what in state.pauses:
        paused |= what if start <= today < end else 0
    if t.general_rate_ppm and t.general_from != NO_DAY and today >= t.general_from and not paused & PauseWhat.INTEREST:
        judged.general += Fraction(base * t.general_rate_ppm * days, PPM * t.general_year)
        whole = round_exact(judged.general, state.terms.rounding, state.terms.rounding_unit_minor)
        judged.row.interest = judged.row.plan.fixed_interest = t.interest_minor + whole
    if today >= t.performance_due_on and not paused & PauseWhat.PENALTY:
        if t.double_on_cost:
            base += sum(c.amount - c.settled for c in state.charges if c.component == Component.RECOVERY_COST)
        judged.row.run[0] += Fraction(base * t.double_daily_ppm * days, PPM)
