"""What the reference keeps of one loan while its days go by: rows with what was paid on them, charges, money held, lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from tideover.engine.events import DebitStatus, Event
from tideover.engine.moves import HELD, Cause, blank
from tideover.engine.reference_schedule import PPM, PlanRow, fill, plan, planned_interest, round_exact
from tideover.engine.standing import TraceLine
from tideover.engine.terms import COMPONENT_COUNT, NO_DAY, Component, Terms


def rounded(terms: Terms, value: Fraction) -> int:
    """An instalment rounded as the terms say."""
    return round_exact(value, terms.rounding, max(terms.rounding_unit_minor, terms.instalment_multiple_minor))


def equal_parts(terms: Terms, total: int, count: int) -> list[int]:
    """`total` in `count` parts rounded as an instalment; none asks for more than is left, the last takes the rest."""
    each, left, out = rounded(terms, Fraction(total, count)), total, []
    for _ in range(count - 1):
        out.append(min(each, left))
        left -= out[-1]
    return [*out, left]


def down_payment_of(terms: Terms, amount: int) -> int:
    """The part of a tranche that is due on its own day, rounded to the instalment's multiple."""
    if terms.row_terms is None or not terms.row_terms.down_payment_ppm:
        return 0
    return rounded(terms, Fraction(amount * terms.row_terms.down_payment_ppm, PPM))


@dataclass(slots=True, eq=False)
class Ledger:
    """A row of the plan with what was paid on it and the lateness that ran on it."""

    plan: PlanRow
    due: bool = False
    paid: list[int] = field(default_factory=lambda: [0] * 4)
    gone: list[int] = field(default_factory=lambda: [0] * 4)
    """Waived, capitalised or guaranteed: no longer claimed, not paid by the borrower."""
    run: list[Fraction] = field(default_factory=lambda: [Fraction(0), Fraction(0)])
    """Exact penalty and compound since the row was late (or since the last cut, with segment accruals)."""
    fixed: list[int] = field(default_factory=lambda: [0, 0])
    joined: int = 0
    late_shown: bool = False
    paid_on: int = NO_DAY
    interest: int = 0
    down_payment: bool = False
    """The part of a tranche that is due on the day it is paid out."""
    added: bool = False
    """A row after the last regular one, made by a charge, a chargeback or a refund."""
    credited: int = 0
    """Principal owed again after money was taken back; no part of the plan's balance."""
    credited_on: int = NO_DAY
    paid_at_credit: int = 0
    """Principal paid on the row when it was last owed again: what comes after pays that first."""
    early: int = 0
    """Paid before the due date."""
    late: int = 0
    """Paid after the due date."""

    @property
    def since(self) -> int:
        """The day from which the row is late: principal owed again is due at once, also in a row to come."""
        owed_again = self.paid[Component.PRINCIPAL] - self.paid_at_credit < self.credited
        return min(self.plan.due_on, self.credited_on) if owed_again else self.plan.due_on

    def open(self, component: Component) -> int:
        """Unpaid principal or interest of the row."""
        total = self.plan.principal if component == Component.PRINCIPAL else self.interest
        return total - self.paid[component] - self.gone[component]


@dataclass(slots=True, eq=False)
class Charge:
    """A fee or penalty with its own due day; `row`: the row that carries it, where charges belong to rows."""

    component: Component
    amount: int
    due_on: int
    settled: int = 0
    seq: int = -1
    waived: int = 0
    """The part of `settled` that was waived."""
    row: Ledger | None = None

    @property
    def owed(self) -> int:
        return self.amount - self.settled


class State:
    """The state of one loan while its days go by."""

    def __init__(self, terms: Terms, events: list[Event]) -> None:
        self.terms = terms
        planned = terms.with_(principal_minor=terms.principal_minor - down_payment_of(terms, terms.principal_minor))
        self.rows = [Ledger(r) for r in plan(planned)]
        self.rates: list[tuple[int, int]] = [(NO_DAY, terms.annual_rate_ppm)]
        plans = [r.plan for r in self.rows]
        self.level = fill(plans, planned, planned.principal_minor, terms.annual_rate_ppm, first_plan=True)
        self._interest_refresh()
        self.charges: list[Charge] = []
        self.surplus = 0
        self.trace: list[TraceLine] = []
        self.moves = blank()
        """What changed without a line of the trace."""
        self.moves[Cause.DRAWN][Component.PRINCIPAL] = terms.principal_minor
        self.maturity = max(r.plan.due_on for r in self.rows)
        self.accelerated = False
        self.debits: dict[str, tuple[DebitStatus, int]] = {}
        self.debits_taken: set[str] = set()
        self.subrogated = [0] * COMPONENT_COUNT
        self.guaranteed_from = NO_DAY
        self.written_off: list[int] | None = None
        self.trace_before_write_off = 0
        self.paid_total = 0
        self.class_min = ""
        self.pauses: list[tuple[int, int, int]] = []
        self.stopped = NO_DAY
        self.by_seq = {e.seq: e for e in events}
        self.tranches: list[tuple[int, int]] = [(terms.disbursed_on, terms.principal_minor)]
        """(day, amount) of each payment out, in order."""
        self.owed: list[tuple[int, int]] = []
        """(day, principal outstanding from that day on), on loans whose interest follows it."""
        self.early: list[tuple[Ledger, int, int, bool]] = []
        """Row, day, amount of money that went to the principal of the running row; whether later rows ask for less."""
        self.closed_on: int | None = None
        """No interest runs after this day: the loan is being paid off."""

    def _interest_refresh(self) -> None:
        for row in self.rows:
            if not row.plan.closed:
                row.interest = planned_interest(row.plan, self.terms)

    def rate_at(self, on: int) -> int:
        """The contract rate (ppm) of a day."""
        return [rate for start, rate in self.rates if start <= on][-1]

    def use_held(self, component: Component, amount: int) -> None:
        """Note that held money paid a component without a line of its own; negative: what was paid is held again."""
        self.moves[Cause.USED][component] += amount
        self.moves[Cause.USED][HELD] -= amount

    def line(self, event: Event) -> TraceLine:
        """A new trace line for an event."""
        found = TraceLine(event.seq, event.on)
        self.trace.append(found)
        return found
