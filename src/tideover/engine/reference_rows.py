"""Loans with row terms: what each event does to rows, charges and money held, and the rows as answered.

Twin of the handlers in `reference.py` for loans whose charges belong to rows and whose money is allocated in steps.
"""

from __future__ import annotations

from collections.abc import Callable

from tideover.engine.events import PAYMENT_KINDS, DebitStatus, Event, EventKind, EventRejected, PauseWhat
from tideover.engine.reference_allocation import allocate, held_pays_charge, pass_on, rules_of
from tideover.engine.reference_charges import charge_add, charge_waive, charges_of, note_settled, ordered, row_open
from tideover.engine.reference_interest import is_laid, pay_early, pay_off, payoff_of, relay
from tideover.engine.reference_reshape import arrears_spread, re_age, reschedule
from tideover.engine.reference_state import Ledger, State, down_payment_of
from tideover.engine.reference_tranches import down_payment_row, refund, take_back, tranche_add
from tideover.engine.standing import ChargeLine, Row, Standing
from tideover.engine.terms import NO_DAY, Component, PlanChanges, TrancheRule

SHAPING = (EventKind.RESCHEDULE, EventKind.DISBURSEMENT, EventKind.CHARGE, EventKind.CHARGE_WAIVER)
"""In this order before any money, where the terms say that the plan's changes come first."""


def rows_start(state: State) -> None:
    """Give the first tranche its down payment; the other rows were planned on the rest."""
    terms = state.terms
    down_payment_row(state, terms.disbursed_on, down_payment_of(terms, terms.principal_minor))
    relay(state, terms.disbursed_on)


def shape_first(state: State, events: list[Event]) -> list[Event]:
    """Apply what shapes the plan before any money, where the terms say so; returns the other events."""
    if rules_of(state).plan_changes != PlanChanges.FIRST:
        return events
    shaping = [e for e in events if e.kind in SHAPING]
    for event in sorted(shaping, key=lambda e: (SHAPING.index(e.kind), e.on, e.seq)):
        apply(state, event, state.terms.disbursed_on)
    note_settled(state, state.terms.disbursed_on)
    return [e for e in events if e.kind not in SHAPING]


def pay(state: State, event: Event, today: int) -> None:
    """A payment of any kind; what no row takes is held."""
    line = state.line(event)
    rest = pay_early(state, event.amount_minor, today, line)
    line.held_minor = allocate(state, rest, today, line, event.kind)
    state.surplus += line.held_minor


def debit(state: State, event: Event, today: int) -> None:
    """A debit pays once, when it succeeded."""
    if event.debit_id in state.debits_taken:
        return
    state.debits.pop(event.debit_id, None)
    if event.debit_status == DebitStatus.SUCCESS:
        state.debits_taken.add(event.debit_id)
        pay(state, event, today)
    elif event.debit_status != DebitStatus.FAILED:
        state.debits[event.debit_id] = (event.debit_status, event.amount_minor)


def charge(state: State, event: Event, today: int) -> None:
    """A charge; a settled loan's held money pays it."""
    if any(e.kind == EventKind.WRITE_OFF and e.seq < event.seq for e in state.by_seq.values()):
        raise EventRejected(event.seq, "a loan that is written off takes no charge")
    charge_add(state, event, today)
    note_settled(state, today)
    if rules_of(state).plan_changes == PlanChanges.ON_DAY:
        held_pays_charge(state)


def waive(state: State, event: Event, today: int) -> None:
    """A waived charge; a row may become settled by it."""
    charge_waive(state, event, today)
    note_settled(state, today)


def pause(state: State, event: Event, today: int) -> None:
    """A pause of the days past due; one at a time, and only while the loan owes anything."""
    start = event.from_day if event.from_day != NO_DAY else today
    if not any(row_open(state, r) > 0 for r in state.rows):
        raise EventRejected(event.seq, "the loan owes nothing")
    if event.pause_what != PauseWhat.DPD:
        raise EventRejected(event.seq, "a loan with row terms pauses its days past due only")
    if any(a < event.until and start < b for a, b, _ in state.pauses):
        raise EventRejected(event.seq, "another pause runs in those days")
    state.pauses.append((start, event.until, event.pause_what))


def write_off(state: State, event: Event, today: int) -> None:
    """The claims as they stand, due or not, by component; they live on, and later money is recovery."""
    line = state.line(event)
    for row in state.rows:
        for c in (Component.PRINCIPAL, Component.INTEREST):
            line.amounts_minor[c] += max(0, row.open(c))
    for owed in state.charges:
        line.amounts_minor[owed.component] += owed.owed
    state.written_off = list(line.amounts_minor)
    state.trace_before_write_off = len(state.trace)


def refused(state: State, event: Event, today: int) -> None:
    """Kinds that have no meaning on a loan with row terms."""
    raise EventRejected(event.seq, f"{event.kind.name.lower()} does not apply to a loan with row terms")


REFUSED = (
    EventKind.RATE_CHANGE,
    EventKind.ACCELERATION,
    EventKind.SETTLEMENT,
    EventKind.INSOLVENCY,
    EventKind.JUDGMENT,
    EventKind.NEW_ROWS,
    EventKind.PAY_GUARANTOR,
    EventKind.PREPAYMENT,
    EventKind.REPAY_PART,
    EventKind.DEFER,
    EventKind.EXTENSION,
    EventKind.REAMORTISE,
    EventKind.GUARANTOR_PAYMENT,
    EventKind.WAIVER,
)
PLAIN_PLAN = (EventKind.RE_AGE, EventKind.SPREAD_ARREARS)
"""Kinds that move principal between rows of a plan made once for all."""
ROW_HANDLERS: dict[EventKind, Callable[[State, Event, int], None]] = {
    **dict.fromkeys(PAYMENT_KINDS, pay),
    EventKind.DEBIT: debit,
    EventKind.CHARGE: charge,
    EventKind.CHARGE_WAIVER: waive,
    EventKind.DISBURSEMENT: tranche_add,
    EventKind.CHARGEBACK: take_back,
    EventKind.CREDIT_REFUND: refund,
    EventKind.PAYOFF: pay_off,
    EventKind.WRITE_OFF: write_off,
    EventKind.PAUSE: pause,
    EventKind.RE_AGE: re_age,
    EventKind.SPREAD_ARREARS: arrears_spread,
    EventKind.RESCHEDULE: reschedule,
    **dict.fromkeys(REFUSED, refused),
}


def apply(state: State, event: Event, today: int) -> bool:
    """Handle an event; False when its kind is handled as on other loans."""
    handler = ROW_HANDLERS.get(event.kind)
    if handler is None:
        return False
    if event.kind in PLAIN_PLAN and is_laid(state):
        raise EventRejected(event.seq, f"{event.kind.name.lower()} does not apply to instalments that follow the principal")
    relay(state, today)
    handler(state, event, today)
    pass_on(state, today)
    relay(state, today)
    return True


def late_rows(state: State, today: int) -> list[tuple[Ledger, int]]:
    """Rows past due with all that they owe, charges included."""
    found = [(r, row_open(state, r)) for r in ordered(state) if r.plan.due_on < today]
    found += [
        (r, min(r.credited, r.open(Component.PRINCIPAL))) for r in ordered(state) if r.plan.due_on >= today and r.since < today
    ]
    return [(r, amount) for r, amount in found if amount > 0]


def rows_into(state: State, s: Standing, today: int) -> None:
    """What a loan with row terms answers beyond the common standing: arrears with charges, charges, tranches."""
    late = late_rows(state, today)
    s.total_overdue_minor = sum(amount for _, amount in late)
    s.oldest_late_on = min((r.since for r, _ in late), default=NO_DAY)
    s.payoff_minor = payoff_of(state, today) - state.surplus
    s.tranches = list(state.tranches)
    s.charges = [
        ChargeLine(c.seq, c.component, c.due_on, c.amount, c.settled - c.waived, c.waived, c.owed) for c in state.charges
    ]


def _days_late(state: State, row: Ledger, today: int) -> int:
    due = row.plan.due_on
    if today <= due or row_open(state, row) <= 0:
        return 0
    paused = sum(max(0, min(today, b) - max(a, due)) for a, b, what in state.pauses if what & PauseWhat.DPD)
    return max(0, today - due - paused)


def _shown(state: State) -> list[Ledger]:
    """Rows as answered: where early money ended the loan sooner, the rows after that fall away."""
    rows = ordered(state)
    while state.early and len(rows) > 1 and not (rows[-1].plan.principal or rows[-1].interest or charges_of(state, rows[-1])):
        rows.pop()
    return rows


def rows_answer(state: State, today: int) -> list[Row]:
    """Every row; the balance is what was paid out by then less the plan's principal, without principal owed again."""
    out: list[Row] = []
    left = 0
    tranches = sorted(state.tranches)
    late_row = rules_of(state).tranches == TrancheRule.SPREAD_LEFT
    for nr, row in enumerate(_shown(state), 1):
        while tranches and tranches[0][0] + (late_row and not row.down_payment) <= row.plan.due_on:
            left += tranches.pop(0)[1]
        p = row.plan
        left -= p.principal - row.credited
        answer = Row(nr, p.due_on, p.late_from, p.principal, row.interest, left, row.paid[0] + row.paid[1])
        answer.start_on = p.start
        answer.paid_principal_minor, answer.paid_interest_minor = row.paid[0], row.paid[1]
        answer.outstanding_minor = row.open(Component.PRINCIPAL) + row.open(Component.INTEREST)
        answer.early_minor, answer.late_minor, answer.paid_on = row.early, row.late, row.paid_on
        for c in charges_of(state, row):
            if c.component == Component.PENALTY:
                answer.charged_penalty_minor += c.amount
            else:
                answer.charged_fee_minor += c.amount
            answer.paid_charges_minor += c.settled - c.waived
            answer.waived_charges_minor += c.waived
            answer.outstanding_charges_minor += c.owed
        answer.days_past_due = _days_late(state, row, today)
        out.append(answer)
    return out
