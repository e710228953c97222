"""Replay, slowly: one loan, in exact integers and fractions, from each day on which something changes to the next.

The readable twin of the compiled kernel; both are held to the conformance cases. One day runs in this order: interest
periods that end fix their interest; rows fall due; held surplus is used; events in order of `seq`; then the day accrues.
So a payment on a due date pays that row, and `as_of` D means after D's events with the accrual of the days before D.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

from tideover.engine import reference_interest, reference_judgment, reference_plans, reference_rows
from tideover.engine.event_problems import event_problem
from tideover.engine.events import DebitStatus, DeferInterest, Event, EventKind, EventRejected, PauseWhat, PrepayMode, RowPolicy
from tideover.engine.moves import HELD, Cause, add_lines
from tideover.engine.reference_charges import charge_waive
from tideover.engine.reference_outstanding import follow, is_outstanding, pay_ahead, tail
from tideover.engine.reference_schedule import (
    BASIS,
    PPM,
    PlanRow,
    dated_rows,
    fill,
    months_later,
    months_per_step,
    planned_interest,
    round_exact,
    row_interest_exact,
    row_share,
    step,
    year_share,
)
from tideover.engine.reference_state import Charge, Ledger, State
from tideover.engine.standing import Row, Standing, TraceLine
from tideover.engine.terms import (
    NO_DAY,
    PERIOD_COUNTS,
    Accruals,
    AllocateBy,
    Component,
    CompoundRate,
    DayCount,
    JoinsBase,
    MaterialityPer,
    Method,
    PenaltyBase,
    PenaltyTerms,
    PrepaymentInterest,
    Shift,
    Surplus,
    Terms,
    date_of,
)

ADDITIVE_COUNTS = frozenset({*BASIS, DayCount.ACT_ACT_ISDA})
"""Day counts whose days add up to their span: under any other, lateness is taken day by day."""
MONEY_IN = frozenset(
    {
        EventKind.PAYMENT, EventKind.PREPAYMENT, EventKind.REPAY_PART, EventKind.PAYOFF, EventKind.DEBIT,
        EventKind.SETTLEMENT, EventKind.GUARANTOR_PAYMENT,
    }
)  # fmt: skip
REPLANS = frozenset(
    {EventKind.RATE_CHANGE, EventKind.DEFER, EventKind.REAMORTISE, EventKind.NEW_ROWS, EventKind.PAUSE, EventKind.DISBURSEMENT}
)
ROW_COMPONENTS = (Component.PRINCIPAL, Component.INTEREST, Component.PENALTY, Component.COMPOUND)


def _joins_daily(penalty: PenaltyTerms) -> bool:
    return penalty.compound_on_compound and penalty.compound_joins_base == JoinsBase.NEVER


class Replay(State):
    """The state of one loan while its days go by."""

    def __init__(self, terms: Terms, events: list[Event]) -> None:
        super().__init__(terms, events)
        self.judged: reference_judgment.Judged | None = None
        self.cap_reached = False
        self.tail_interest, self.tail_shown = Fraction(0), 0
        self.outstanding = is_outstanding(terms)

    # --- the day ---------------------------------------------------------------------------------------------------

    def run(self, events: list[Event], as_of: int) -> None:
        """Live every day from disbursement to `as_of`, the events of `as_of` included."""
        if self.terms.row_terms is not None:
            reference_rows.rows_start(self)
            events = reference_rows.shape_first(self, events)
        self.live(sorted(events, key=lambda e: (e.on, e.seq)), self.terms.disbursed_on, as_of)

    def live(self, pending: list[Event], today: int, as_of: int) -> None:
        """Live from the end of `today` (its beginning, when the loan begins) to the end of `as_of`; pending: events in order."""
        at = 0
        while True:
            self._fall_due(today)
            while at < len(pending) and pending[at].on <= today:
                self._apply(pending[at], today)
                at += 1
            if self.outstanding:
                follow(self, today)
            if today >= as_of:
                if self.terms.row_terms is not None:
                    reference_interest.relay(self, today)
                return
            until = min(as_of, self._next_change(today), pending[at].on if at < len(pending) else as_of)
            self._accrue(today, until)
            today = until

    def row_new(self, plan: PlanRow, *, due: bool = False) -> Ledger:
        """A row that an event adds."""
        self.rows.append(Ledger(plan, due=due))
        return self.rows[-1]

    def charge_new(self, component: Component, amount: int, due_on: int) -> None:
        """A charge, due on a day."""
        self.charges.append(Charge(component, amount, due_on))

    def _next_change(self, today: int) -> int:
        """The next day on which anything but the passing of time can change a claim: spans between are alike."""
        penalty = self.terms.penalty
        if penalty is not None and self._day_by_day(penalty):
            return today + 1
        if self.outstanding and penalty is None and self.terms.day_count not in BASIS:
            return today + 1
        days = [self.maturity, self.stopped, *(start for start, _ in self.rates)]
        days += [d for a, b, _ in self.pauses for d in (a, b)]
        if self.judged is not None:
            days += self.judged.changes()
        for row in self.rows:
            days += [row.plan.end, row.plan.due_on, row.plan.late_from]
            if penalty is not None and row.plan.due_on <= today + penalty.grace_days + 1:
                days += [self._grace_last(row), self._grace_last(row) + 1, self._grace_end(row)]
        return min((d for d in days if d > today), default=2**31)

    def _day_by_day(self, penalty: PenaltyTerms) -> bool:
        """Whether lateness must be taken one day at a time: its days do not add up, or each day's sum matters."""
        counts = {penalty.day_count, penalty.compound_day_count}
        return not counts <= ADDITIVE_COUNTS or (penalty.cap_minor >= 0 and not self.cap_reached) or _joins_daily(penalty)

    def _fall_due(self, today: int) -> None:
        falling = [r for r in self.rows if not r.due and not r.plan.closed and r.plan.due_on == today]
        joins = self.terms.penalty is not None and self.terms.penalty.compound_joins_base == JoinsBase.EACH_ROW_DUE_DATE
        if falling and joins:
            for row in self.rows:
                if row.due:
                    row.joined = self.claim(row, Component.COMPOUND)
        if self.terms.row_terms is not None:
            for row in falling:
                row.due = True
            return
        for row in self.rows:
            if row.plan.end <= today and row.plan.fixed_interest < 0 and not row.plan.closed:
                row.plan.fixed_interest = planned_interest(row.plan, self.terms)
                row.interest = row.plan.fixed_interest
        for row in falling:
            row.due = True
        if falling and self.surplus:
            held, self.surplus = self.surplus, 0
            self.surplus = self._pay_due(held, today, None)
        for row in self.rows:
            self._note_paid(row, today)

    def _accrue(self, today: int, until: int) -> None:
        """Lateness of the days from `today` to the day before `until`, in which nothing else happens."""
        if self.judged is not None:
            reference_judgment.accrue(self, self.judged, today, until)
            return
        if self.outstanding:
            tail(self, today, until)
        penalty = self.terms.penalty
        if penalty is None or self.cap_reached:
            return
        before = self._lateness() if penalty.cap_minor >= 0 else []
        stopped = self.stopped != NO_DAY and today >= self.stopped
        paused = any(a <= today < b and what & PauseWhat.PENALTY for a, b, what in self.pauses)
        for row in self.rows:
            late = row.plan.late_from
            if row.plan.closed or today < late:
                continue
            if penalty.restart_on_grace_end and today < self._grace_end(row):
                self._activate(row, today)
                continue
            if not stopped and not paused:
                self._accrue_row(row, today, until)
            self._activate(row, today)
        if penalty.cap_minor >= 0:
            self._hold_to_cap(penalty.cap_minor, before)

    def _lateness(self) -> list[tuple[Ledger, list[int]]]:
        """Penalty and compound that each row ever claimed, rounded."""
        terms = self.terms
        return [
            (r, [f + round_exact(x, terms.rounding, terms.rounding_unit_minor) for f, x in zip(r.fixed, r.run, strict=True)])
            for r in self.rows
            if r.late_shown
        ]

    def _hold_to_cap(self, cap: int, before: list[tuple[Ledger, list[int]]]) -> None:
        """When the sum passes the cap, what grew this day is cut back, newest row first, and nothing accrues any more."""
        after = self._lateness()
        excess = sum(sum(parts) for _, parts in after) - cap
        if excess <= 0:
            return
        known = {id(row): parts for row, parts in before}
        for row, parts in reversed(after):
            for k in (1, 0):
                cut = min(excess, parts[k] - known.get(id(row), [0, 0])[k])
                if cut > 0:
                    row.run[k] = Fraction(parts[k] - row.fixed[k] - cut)
                    excess -= cut
        for row in self.rows:
            if not row.late_shown:
                row.run = [Fraction(0), Fraction(0)]
        self.cap_reached = True

    def _accrue_row(self, row: Ledger, today: int, until: int) -> None:
        penalty = self.terms.penalty
        assert penalty is not None
        rate = self._penalty_rate(today)
        interest = row.open(Component.INTEREST) if row.due or row.plan.end <= today else 0
        base = row.open(Component.PRINCIPAL)
        if penalty.base == PenaltyBase.PRINCIPAL_INTEREST:
            base += interest
        row.run[0] += base * rate * year_share(penalty.day_count, today, until)
        if penalty.compound_on_interest:
            if _joins_daily(penalty):
                row.joined = self.claim(row, Component.COMPOUND)
            joined = min(row.joined, self.claim(row, Component.COMPOUND)) if row.joined else 0
            after = today >= self.maturity
            which = penalty.compound_rate_after_maturity if after else penalty.compound_rate_before_maturity
            compound_rate = rate if which == CompoundRate.PENALTY else Fraction(self.rate_at(today), PPM)
            days = year_share(penalty.compound_day_count, today, until)
            row.run[1] += (interest + joined) * compound_rate * days

    def _activate(self, row: Ledger, today: int) -> None:
        """At the end of the last day of grace: a row still open owes its lateness, a paid one never will."""
        if row.late_shown or today < self._grace_last(row):
            return
        if today == self._grace_last(row) or not row.late_shown:
            unpaid = row.open(Component.PRINCIPAL) + row.open(Component.INTEREST) > 0
            if unpaid:
                row.late_shown = True
            else:
                row.run = [Fraction(0), Fraction(0)]

    def _grace_last(self, row: Ledger) -> int:
        """The last day on which paying in full costs nothing."""
        penalty = self.terms.penalty
        assert penalty is not None
        start = row.plan.due_on if penalty.grace_from == Shift.SHIFTED else row.plan.late_from
        return max(start + penalty.grace_days, row.plan.due_on)

    def _grace_end(self, row: Ledger) -> int:
        penalty = self.terms.penalty
        assert penalty is not None
        return row.plan.late_from + penalty.grace_days

    def _penalty_rate(self, on: int) -> Fraction:
        penalty = self.terms.penalty
        assert penalty is not None
        if penalty.rate_ppm >= 0:
            return Fraction(penalty.rate_ppm, PPM)
        return Fraction(self.rate_at(on) * penalty.ratio_num, PPM * penalty.ratio_den)

    # --- claims ----------------------------------------------------------------------------------------------------

    def claim(self, row: Ledger, component: Component) -> int:
        """What the row owes of a component that is due now."""
        if component in (Component.PRINCIPAL, Component.INTEREST):
            return row.open(component) if row.due else 0
        if component not in (Component.PENALTY, Component.COMPOUND) or not row.late_shown:
            return 0
        k = component - Component.PENALTY
        run = round_exact(row.run[k], self.terms.rounding, self.terms.rounding_unit_minor)
        return row.fixed[k] + run - row.paid[component] - row.gone[component]

    def _charge_open(self, component: Component, today: int) -> list[Charge]:
        return [c for c in self.charges if c.component == component and c.due_on <= today and c.settled < c.amount]

    def _cut_segments(self) -> None:
        """With segment accruals a payment or waiver rounds what ran so far and drops the remainder."""
        if self.terms.accruals != Accruals.SEGMENT or self.judged is not None:
            return
        for row in self.rows:
            if row.late_shown:
                for k in (0, 1):
                    row.fixed[k] += round_exact(row.run[k], self.terms.rounding, self.terms.rounding_unit_minor)
                    row.run[k] = Fraction(0)

    def _note_paid(self, row: Ledger, today: int) -> None:
        if row.due and row.paid_on == NO_DAY and row.open(Component.PRINCIPAL) + row.open(Component.INTEREST) <= 0:
            row.paid_on = today

    def unpaid_principal(self) -> int:
        """All principal that the borrower owes the lender, due or not."""
        return sum(r.open(Component.PRINCIPAL) for r in self.rows if not r.plan.closed or r.due)

    # --- paying ----------------------------------------------------------------------------------------------------

    def _order(self, today: int) -> tuple[tuple[Component, ...], AllocateBy]:
        t = self.terms
        if self.judged is not None:
            order, by = self.judged.terms.order, AllocateBy.COMPONENT
        elif t.allocation_over_dpd >= 0 and self.days_past_due(today) > t.allocation_over_dpd:
            order, by = t.allocation_over_order, t.allocation_over_by
        else:
            order, by = t.allocation_order, t.allocation_by
        return (
            *order,
            *(c for c in t.allocation_order if c not in order),
            *(c for c in Component if c not in t.allocation_order and c not in order),
        ), by

    def _pay_due(self, amount: int, today: int, line: TraceLine | None) -> int:
        """Pay what is due by the allocation order; returns what is left."""
        order, by = self._order(today)
        self._cut_segments()
        rows = [r for r in self.rows if r.due]
        if by == AllocateBy.COMPONENT:
            for component in order:
                amount = self._pay_charges(component, amount, today, line)
                for row in rows:
                    amount = self._pay_row(row, component, amount, line)
        else:
            # Charges belong to no instalment: those that rank before principal are paid first, the others last.
            rank = order.index(Component.PRINCIPAL)
            for component in order[:rank]:
                amount = self._pay_charges(component, amount, today, line)
            for row in rows:
                for component in order:
                    amount = self._pay_row(row, component, amount, line)
            for component in order[rank:]:
                amount = self._pay_charges(component, amount, today, line)
        for row in rows:
            self._note_paid(row, today)
        return amount

    def _pay_row(self, row: Ledger, component: Component, amount: int, line: TraceLine | None) -> int:
        if component not in ROW_COMPONENTS:
            return amount
        part = min(amount, max(0, self.claim(row, component)))
        row.paid[component] += part
        self.paid_total += part
        if line is not None:
            line.amounts_minor[component] += part
        else:
            self.use_held(component, part)
        return amount - part

    def _pay_charges(self, component: Component, amount: int, today: int, line: TraceLine | None) -> int:
        for charge in self._charge_open(component, today):
            part = min(amount, charge.amount - charge.settled)
            charge.settled += part
            self.paid_total += part
            amount -= part
            if line is not None:
                line.amounts_minor[component] += part
            else:
                self.use_held(component, part)
        return amount

    def _payment(self, event: Event, today: int, amount: int) -> None:
        line = self.line(event)
        rest = self._pay_due(amount, today, line)
        if not rest:
            return
        rule = self.terms.surplus
        if rule == Surplus.NEXT:
            rest = self._pay_next(rest, today, line)
        elif rule in (Surplus.SHORTEN, Surplus.KEEP_TERM):
            mode = PrepayMode.SHORTEN if rule == Surplus.SHORTEN else PrepayMode.KEEP_TERM
            rest = self._prepay(rest, mode, today, line)
        self.surplus += rest
        line.held_minor = rest

    def _pay_next(self, amount: int, today: int, line: TraceLine) -> int:
        """Interest, then principal, of the next rows as planned: nothing is saved, save where interest follows what is out."""
        for row in self.rows:
            if row.due or row.plan.closed or (self.outstanding and row.plan.end > today):
                continue
            for component in (Component.INTEREST, Component.PRINCIPAL):
                part = min(amount, row.open(component))
                row.paid[component] += part
                self.paid_total += part
                line.amounts_minor[component] += part
                amount -= part
        return pay_ahead(self, amount, today, line) if self.outstanding else amount

    def _undue(self, today: int) -> list[Ledger]:
        """Rows whose period has not ended."""
        return [r for r in self.rows if not r.due and not r.plan.closed and r.plan.end > today]

    def _replannable(self, today: int) -> list[Ledger]:
        """Rows whose period has not ended, ready for a new plan: what was paid on them in advance is held again.

        A new plan changes what those rows ask for; the money held pays them as they fall due.
        """
        undue = self._undue(today)
        for row in undue:
            early = row.paid[Component.PRINCIPAL] + row.paid[Component.INTEREST]
            for component in (Component.PRINCIPAL, Component.INTEREST):
                self.use_held(component, -row.paid[component])
                row.paid[component] = 0
            self.surplus += early
            self.paid_total -= early
        return undue

    def _prepay(self, amount: int, mode: PrepayMode, today: int, line: TraceLine) -> int:
        """Money beyond what is due goes to principal; returns what is more than the whole loan."""
        undue = self._replannable(today)
        if not undue:
            return amount
        current = undue[0].plan
        if self.terms.prepayment_interest == PrepaymentInterest.SETTLE_PART:
            part = self._part_within(undue, amount, today)
            if part:
                amount -= part + self._own_interest(current, part, today)
                self._repay_part(undue, part, today, line, mode)
            return amount
        if self.terms.prepayment_interest == PrepaymentInterest.SETTLE_ALL:
            accrued = self._accrued(undue[0], today)
            settled = min(amount, accrued)
            line.amounts_minor[Component.INTEREST] += settled
            self.paid_total += settled
            amount -= settled
            if settled < accrued:
                undue[0].paid[Component.INTEREST] += settled
            elif today > current.start:
                current.settled_at = today
        balance = sum(r.open(Component.PRINCIPAL) for r in undue)
        part = min(amount, balance)
        if not part:
            return amount
        line.amounts_minor[Component.PRINCIPAL] += part
        self.paid_total += part
        self._replan_from(undue, today, balance - part, mode)
        return amount - part

    def _break(self, row: PlanRow, today: int, balance: int, rate: int) -> None:
        if today <= row.start:
            row.pieces = [(row.start, balance, rate)]
        elif row.pieces[-1][0] == today:
            row.pieces[-1] = (today, balance, rate)
        else:
            row.pieces.append((today, balance, rate))

    def _replan_from(self, undue: list[Ledger], today: int, balance: int, mode: PrepayMode) -> None:
        plans = [r.plan for r in undue]
        rate = self.rate_at(today)
        self._break(plans[0], today, balance, rate)
        if self.terms.method in (Method.INTEREST_ONLY, Method.BULLET):
            fill(plans, self.terms, balance, rate, keep_principal=True)
        elif self.terms.method in (Method.CUSTOM, Method.FLAT):
            self._shrink(plans, balance)
        elif mode == PrepayMode.SHORTEN:
            fill(plans, self.terms, balance, rate, level=self.level)
        else:
            self.level = fill(plans, self.terms, balance, rate)
        self._interest_refresh()
        self._drop_empty(undue)

    def _shrink(self, plans: list[PlanRow], balance: int) -> None:
        """Custom and flat plans have no level: a prepayment takes principal from the last rows first."""
        surplus = sum(p.principal for p in plans) - balance
        for p in reversed(plans):
            cut = min(surplus, p.principal)
            p.principal -= cut
            surplus -= cut
        fill(plans, self.terms, balance, plans[0].pieces[-1][2], keep_principal=True)

    def _drop_empty(self, undue: list[Ledger]) -> None:
        """Rows after the balance ended vanish; the current row stays while it bears interest."""
        for row in undue:
            p = row.plan
            if p.principal == 0 and p.balance == 0 and row.interest == 0 and not any(row.paid):
                self.rows.remove(row)
        self._after_rows_changed()

    def _after_rows_changed(self) -> None:
        live = [r.plan.due_on for r in self.rows if not r.plan.closed]
        if live and not self.accelerated:
            self.maturity = max(live)

    # --- events ----------------------------------------------------------------------------------------------------

    def _apply(self, event: Event, today: int) -> None:
        if self.terms.row_terms is not None and reference_rows.apply(self, event, today):
            return
        handler = HANDLERS.get(event.kind)
        if handler is None:
            raise EventRejected(event.seq, f"{event.kind.name.lower()} cannot be replayed")
        if problem := event_problem(event):
            raise EventRejected(event.seq, problem)
        if self.judged is not None and event.kind in reference_judgment.NOT_AFTER_JUDGMENT:
            raise EventRejected(event.seq, f"{event.kind.name.lower()} cannot change a judged debt")
        handler(self, event, today)
        if self.outstanding and self.terms.surplus == Surplus.NEXT and self.surplus and event.kind in REPLANS:
            # Interest paid in advance was held again for the new plan: it goes at once to the new rows.
            line = TraceLine(event.seq, today)
            self.surplus = self._pay_next(self.surplus, today, line)
            for component in Component:
                self.use_held(component, line.amounts_minor[component])

    def _on_payment(self, event: Event, today: int) -> None:
        if event.debit_id:
            if event.debit_id in self.debits_taken:
                return
            self.debits_taken.add(event.debit_id)
            self.debits.pop(event.debit_id, None)
        self._payment(event, today, event.amount_minor)

    def _on_debit(self, event: Event, today: int) -> None:
        if event.debit_id in self.debits_taken:
            return
        if event.debit_status == DebitStatus.SUCCESS:
            self.debits_taken.add(event.debit_id)
            self.debits.pop(event.debit_id, None)
            self._payment(event, today, event.amount_minor)
        elif event.debit_status == DebitStatus.FAILED:
            self.debits.pop(event.debit_id, None)
        else:
            self.debits[event.debit_id] = (event.debit_status, event.amount_minor)

    def _on_prepayment(self, event: Event, today: int) -> None:
        line = self.line(event)
        rest = self._pay_due(event.amount_minor, today, line)
        rest = self._prepay(rest, event.prepay_mode, today, line)
        self.surplus += rest
        line.held_minor = rest

    def _on_repay_part(self, event: Event, today: int) -> None:
        """利随本清: principal with its own interest since the row began; the rest of the row never carried it."""
        undue = self._replannable(today)
        line = self.line(event)
        if not undue:
            raise EventRejected(event.seq, "nothing is left that is not yet due")
        part = min(event.amount_minor, sum(r.open(Component.PRINCIPAL) for r in undue))
        self._repay_part(undue, part, today, line)

    def _own_interest(self, row: PlanRow, part: int, today: int) -> int:
        """Interest of `part` of the row's principal since the row began, rounded."""
        share = PlanRow(0, row.start, row.end, 0, 0, settled_at=row.settled_at)
        share.pieces = [(at, part, rate) for at, _, rate in row.pieces]
        exact = row_interest_exact(share, self.terms, today)
        return round_exact(exact, self.terms.rounding, self.terms.rounding_unit_minor)

    def _repay_part(
        self, undue: list[Ledger], part: int, today: int, line: TraceLine, mode: PrepayMode = PrepayMode.KEEP_TERM
    ) -> None:
        row = undue[0].plan
        own = self._own_interest(row, part, today)
        line.amounts_minor[Component.PRINCIPAL] += part
        line.amounts_minor[Component.INTEREST] += own
        self.paid_total += part + own
        row.pieces = [(at, balance - part, rate) for at, balance, rate in row.pieces]
        balance = sum(r.open(Component.PRINCIPAL) for r in undue) - part
        plans = [r.plan for r in undue]
        if self.terms.method not in (Method.ANNUITY, Method.EQUAL_PRINCIPAL):
            self._shrink(plans, balance)
        elif mode == PrepayMode.SHORTEN:
            fill(plans, self.terms, balance, self.rate_at(today), level=self.level)
        else:
            self.level = fill(plans, self.terms, balance, self.rate_at(today))
        self._interest_refresh()
        self._drop_empty(undue)

    def _part_within(self, undue: list[Ledger], amount: int, today: int) -> int:
        """The most principal that `amount` repays together with that principal's own interest."""
        row = undue[0].plan
        low, high = 0, min(amount, sum(r.open(Component.PRINCIPAL) for r in undue))
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle + self._own_interest(row, middle, today) <= amount else (low, middle - 1)
        return low

    def _on_payoff(self, event: Event, today: int) -> None:
        if event.debit_id:
            if event.debit_id in self.debits_taken:
                return
            self.debits_taken.add(event.debit_id)
            self.debits.pop(event.debit_id, None)
        owed = self.standing(today).payoff_minor + self.surplus
        undue = self._undue(today)
        line = self.line(event)
        if undue:
            self._collapse(today, undue)
            undue_rows = [r for r in self.rows if not r.due]
            for row in undue_rows:
                row.due = True
        amount = event.amount_minor + self.surplus if event.amount_minor > 0 else max(owed, 0)
        held, self.surplus = self.surplus, 0
        for row in self.rows:
            row.due = True
        self.surplus = self._pay_due(amount, today, line)
        line.held_minor = self.surplus - held

    def _collapse(self, today: int, undue: list[Ledger]) -> Ledger:
        """Rows whose period has not ended become one row due today: principal left + accrued interest."""
        accrued = self._accrued(undue[0], today)
        principal = sum(r.open(Component.PRINCIPAL) for r in undue)
        early = [sum(r.paid[c] for r in undue) for c in (Component.PRINCIPAL, Component.INTEREST)]
        first = undue[0].plan
        row = PlanRow(first.nr, first.start, today, today, today, pieces=[(first.start, principal, self.rate_at(today))])
        row.principal = principal + early[0]
        row.fixed_interest = max(0, accrued - early[1]) + early[1]
        for old in undue:
            self.rows.remove(old)
        ledger = Ledger(row, due=True, interest=row.fixed_interest)
        ledger.paid[0], ledger.paid[1] = early
        self.rows.append(ledger)
        return ledger

    def _on_acceleration(self, event: Event, today: int) -> None:
        undue = self._undue(today)
        for row in self.rows:
            if row.plan.end <= today and not row.plan.closed:
                row.due = True
        if undue:
            self._collapse(today, undue)
        self.accelerated = True
        self.maturity = today
        if self.surplus:
            held, self.surplus = self.surplus, 0
            self.surplus = self._pay_due(held, today, None)

    def _on_rate_change(self, event: Event, today: int) -> None:
        self.rates = sorted([*(r for r in self.rates if r[0] != today), (today, event.rate_ppm)])
        undue = self._replannable(today)
        if not undue:
            return
        current = undue[0].plan
        inside = today > current.start
        balance = sum(r.plan.principal for r in undue)
        self._break(current, today, balance, event.rate_ppm)
        later = [r.plan for r in undue[1:]] if inside else [r.plan for r in undue]
        rest = balance - current.principal if inside else balance
        keep = event.later_rows == RowPolicy.KEEP_PRINCIPAL or self.terms.method not in (Method.ANNUITY, Method.EQUAL_PRINCIPAL)
        if later:
            if keep:
                fill(later, self.terms, rest, event.rate_ppm, keep_principal=True)
            else:
                self.level = fill(later, self.terms, rest, event.rate_ppm)
        self._interest_refresh()

    def _on_charge(self, event: Event, today: int) -> None:
        due = event.until if event.until != NO_DAY else today
        self.charges.append(Charge(event.component, event.amount_minor, due, seq=event.seq))

    def _on_waiver(self, event: Event, today: int) -> None:
        line = self.line(event)
        self._cut_segments()
        left = event.amount_minor if event.amount_minor >= 0 else 10**18
        c = event.component
        if c in ROW_COMPONENTS:
            for row in self.rows:
                part = min(left, max(0, self.claim(row, c)))
                row.gone[c] += part
                left -= part
                line.amounts_minor[c] += part
                self._note_paid(row, today)
        for charge in self._charge_open(c, today):
            part = min(left, charge.amount - charge.settled)
            charge.settled += part
            left -= part
            line.amounts_minor[c] += part

    def _on_charge_waiver(self, event: Event, today: int) -> None:
        charge_waive(self, event, today)

    def _on_defer(self, event: Event, today: int) -> None:
        undue = self._replannable(today)
        if not undue or event.rows < 1:
            return
        k, first = event.rows, undue[0].plan
        anchor = [self._nominal_due(r.plan) for r in undue]
        moved = [self._shifted(on, k) for on in anchor]
        dates = dated_rows(moved, first.start, self.terms, NO_DAY)
        old_end = first.end
        waiting = self._waiting_interest(undue[0], k)
        for row, (start, end, due, late) in zip(undue, dates, strict=True):
            p = row.plan
            p.start, p.end, p.due_on, p.late_from = start, end, due, late
            if row is not undue[0] and not (len(p.pieces) > 1):
                p.pieces = [(start, p.pieces[0][1], p.pieces[0][2])]
        first.periods += k
        first.pieces = [(at if i else first.start, b, r) for i, (at, b, r) in enumerate(first.pieces)]
        if event.defer_interest != DeferInterest.FIRST_ROW:
            first.periods -= k
            if self.terms.day_count != DayCount.PERIODS:
                first.paused = [*first.paused, (old_end, first.end)]
        if event.defer_interest == DeferInterest.SPREAD:
            unit = self.terms.rounding_unit_minor
            each = round_exact(Fraction(waiting, len(undue)), self.terms.rounding, unit)
            for row in undue:
                row.plan.extra_interest += each
            undue[-1].plan.extra_interest += waiting - each * len(undue)
        self._interest_refresh()
        self._after_rows_changed()

    def _waiting_interest(self, row: Ledger, k: int) -> int:
        balance, rate = row.plan.pieces[-1][1], row.plan.pieces[-1][2]
        if self.terms.day_count in (DayCount.PERIODS, *PERIOD_COUNTS) and months_per_step(self.terms):
            share = Fraction(months_per_step(self.terms) * k, 12)
        else:
            share = year_share(self.terms.day_count, row.plan.end, self._shifted(row.plan.end, k))
        return round_exact(Fraction(balance * rate, PPM) * share, self.terms.rounding, self.terms.rounding_unit_minor)

    def _nominal_due(self, row: PlanRow) -> int:
        return row.late_from if self.terms.late_from == Shift.NOMINAL else row.end

    def _shifted(self, on: int, k: int) -> int:
        months = months_per_step(self.terms)
        if not months:
            return on + step(self.terms, 0, 1) * k
        return months_later(on, months * k, self.terms.due_day or date_of(on).day)

    def _on_extension(self, event: Event, today: int) -> None:
        if not self.rows:
            raise EventRejected(event.seq, "nothing is left to extend")
        last = [r for r in self.rows if not r.plan.closed][-1]
        old = last.plan
        rate = event.rate_ppm if event.rate_ppm >= 0 else self.rate_at(today)
        start_rate = event.from_day if event.from_day != NO_DAY else old.end
        if event.rate_ppm >= 0:
            self.rates = sorted([*(r for r in self.rates if r[0] != start_rate), (start_rate, rate)])
        moved = last.open(Component.PRINCIPAL)
        start = max(old.end, today) if last.due else old.end
        if last.due:
            last.gone[Component.PRINCIPAL] += moved
        else:
            old.principal -= moved
            old.balance += moved
        nominal = self._extension_dates(start, event.until)
        for a, b, due, late in dated_rows(nominal, start, self.terms, event.until):
            row = PlanRow(old.nr, a, b, due, late, pieces=[(a, moved, rate)])
            row.odd = self.terms.day_count == DayCount.PERIODS
            row.balance = moved
            self.rows.append(Ledger(row))
        self.rows[-1].plan.principal = moved
        self.rows[-1].plan.balance = 0
        self._interest_refresh()
        self._after_rows_changed()

    def _extension_dates(self, start: int, maturity: int) -> list[int]:
        if self.terms.method != Method.INTEREST_ONLY:
            return [maturity]
        out, k = [], 1
        while (on := self._shifted(start, k)) < maturity:
            out.append(on)
            k += 1
        return [*out, maturity]

    def _on_restructure(self, event: Event, today: int) -> None:
        self.class_min = event.class_min

    def _on_write_off(self, event: Event, today: int) -> None:
        s = self.standing(today)
        self.written_off = [
            s.principal_minor, s.interest_minor + s.accrued_minor, s.penalty_minor, s.compound_minor,
            s.fee_minor, s.third_party_fee_minor, s.recovery_cost_minor,
        ]  # fmt: skip
        self.trace_before_write_off = len(self.trace)

    def _on_guarantor(self, event: Event, today: int) -> None:
        line = self.line(event)
        oldest = [r.plan.late_from for r in self.rows if r.due and r.open(Component.PRINCIPAL) + r.open(Component.INTEREST) > 0]
        self._cut_segments()
        for component, num, den in event.shares:
            for row in self.rows if component in ROW_COMPONENTS else ():
                due = max(0, self.claim(row, component))
                part = round_exact(Fraction(due * num, den), self.terms.rounding, self.terms.rounding_unit_minor)
                row.gone[component] += part
                line.amounts_minor[component] += part
                self.subrogated[component] += part
            for charge in self._charge_open(component, today):
                part = round_exact(Fraction((charge.amount - charge.settled) * num, den), self.terms.rounding)
                charge.settled += part
                line.amounts_minor[component] += part
                self.subrogated[component] += part
        if oldest and any(line.amounts_minor):
            self.guaranteed_from = min([*oldest, *([self.guaranteed_from] if self.guaranteed_from != NO_DAY else [])])

    def _on_pay_guarantor(self, event: Event, today: int) -> None:
        line, left = self.line(event), event.amount_minor
        order = event.components or (Component.INTEREST, Component.PRINCIPAL, Component.COMPOUND, Component.PENALTY)
        for component in (*order, *(c for c in Component if c not in order)):
            part = min(left, self.subrogated[component])
            self.subrogated[component] -= part
            line.amounts_minor[component] += part
            left -= part
        if not self.subrogated[Component.PRINCIPAL] and not self.subrogated[Component.INTEREST]:
            self.guaranteed_from = NO_DAY

    def _on_pause(self, event: Event, today: int) -> None:
        start = event.from_day if event.from_day != NO_DAY else today
        self.pauses.append((start, event.until, event.pause_what))
        if event.pause_what & PauseWhat.INTEREST:
            self._replannable(today)
            for row in self.rows:
                if not row.plan.closed and row.plan.fixed_interest < 0:
                    row.plan.paused = [*row.plan.paused, (start, event.until)]
            self._interest_refresh()

    def _on_disbursement(self, event: Event, today: int) -> None:
        """A later tranche: the undue rows are planned again on the larger balance."""
        undue = self._replannable(today)
        if not undue:
            raise EventRejected(event.seq, "no row is left to carry a later tranche")
        balance = sum(r.open(Component.PRINCIPAL) for r in undue) + event.amount_minor
        self.moves[Cause.DRAWN][Component.PRINCIPAL] += event.amount_minor
        self._replan_from(undue, today, balance, PrepayMode.KEEP_TERM)

    def _on_credit_refund(self, event: Event, today: int) -> None:
        if event.amount_minor > self.surplus:
            raise EventRejected(event.seq, "the refund is larger than the money held")
        self.surplus -= event.amount_minor
        self.moves[Cause.REFUNDED][HELD] -= event.amount_minor

    def _on_chargeback(self, event: Event, today: int) -> None:
        """A payment was taken back: its amount is owed again as principal due today."""
        row = PlanRow(0, today, today, today, today, principal=event.amount_minor, fixed_interest=0)
        self.rows.append(Ledger(row, due=True))
        self.paid_total -= event.amount_minor
        self.moves[Cause.BACK][Component.PRINCIPAL] += event.amount_minor

    def _on_settlement(self, event: Event, today: int) -> None:
        """Accept a sum and waive the rest."""
        undue = self._undue(today)
        if undue:
            self._collapse(today, undue)
        for row in self.rows:
            row.due = True
        self._payment(event, today, event.amount_minor)
        for row in self.rows:
            row.late_shown = True
            for c in ROW_COMPONENTS:
                rest = max(0, self.claim(row, c))
                row.gone[c] += rest
                self.moves[Cause.WAIVED][c] += rest
            self._note_paid(row, today)
        for charge in self.charges:
            self.moves[Cause.WAIVED][charge.component] += charge.amount - charge.settled
            charge.settled = charge.amount
        self.stopped = today

    def _on_insolvency(self, event: Event, today: int) -> None:
        """Interest stops when the court accepts the case (Enterprise Bankruptcy Law art. 46): all is due, nothing accrues."""
        self._on_acceleration(event, today)
        self.stopped = today

    # --- the answer ------------------------------------------------------------------------------------------------

    def _accrued(self, row: Ledger, today: int) -> int:
        p = row.plan
        if row.due or p.closed or today <= p.start:
            return 0
        if p.end <= today:
            return row.open(Component.INTEREST)
        exact = row_interest_exact(p, self.terms, today)
        return max(0, round_exact(exact, self.terms.rounding, self.terms.rounding_unit_minor) - row.paid[1] - row.gone[1])

    def _late_rows(self, today: int) -> list[tuple[Ledger, int]]:
        if self.terms.row_terms is not None:
            return reference_rows.late_rows(self, today)
        out = []
        for row in self.rows:
            if row.due and row.plan.due_on < today:
                amount = row.open(Component.PRINCIPAL) if self.terms.dpd.counts_principal else 0
                amount += row.open(Component.INTEREST) if self.terms.dpd.counts_interest else 0
                if amount > 0:
                    out.append((row, amount))
        return out

    def _oldest(self, today: int) -> Ledger | None:
        dpd = self.terms.dpd
        late = self._late_rows(today)
        relative = Fraction(dpd.materiality_rel_ppm, PPM) * self.unpaid_principal()
        if dpd.materiality_per == MaterialityPer.INSTALMENT:
            late = [(r, a) for r, a in late if a > dpd.materiality_abs_minor and a > relative]
        elif sum(a for _, a in late) <= dpd.materiality_abs_minor or sum(a for _, a in late) <= relative:
            return None
        late = [(r, a) for r, a in late if today > r.since + dpd.grace_days]
        return min((r for r, _ in late), key=lambda r: r.plan.late_from, default=None)

    def days_past_due(self, today: int) -> int:
        """Days since the oldest counted unpaid due date."""
        oldest = self._oldest(today)
        if oldest is None:
            return 0
        days = today - min(oldest.plan.late_from, oldest.plan.late_from + oldest.since - oldest.plan.due_on)
        if self.terms.dpd.restart_on_grace_end:
            days -= self.terms.dpd.grace_days
        paused = sum(max(0, min(today, b) - max(a, oldest.plan.late_from)) for a, b, what in self.pauses if what & PauseWhat.DPD)
        return max(0, days - paused)

    def standing(self, today: int) -> Standing:
        """The standing as the days stand now."""
        s = Standing(as_of=today)
        s.principal_minor = self.unpaid_principal()
        for row in self.rows:
            s.interest_minor += self.claim(row, Component.INTEREST)
            s.penalty_minor += self.claim(row, Component.PENALTY)
            s.compound_minor += self.claim(row, Component.COMPOUND)
            s.accrued_minor += self._accrued(row, today)
        self._charges_into(s, today)
        s.surplus_minor = self.surplus
        s.payoff_minor = (
            s.principal_minor + s.interest_minor + s.accrued_minor + s.penalty_minor + s.compound_minor
            + s.fee_minor + s.third_party_fee_minor + s.recovery_cost_minor - s.surplus_minor
        )  # fmt: skip
        self._lateness_into(s, today)
        s.subrogated_minor = list(self.subrogated)
        if self.written_off is not None:
            s.is_written_off, s.written_off_minor = True, list(self.written_off)
            for line in self.trace[self.trace_before_write_off :]:
                if self.by_seq[line.seq].kind in MONEY_IN:
                    s.recovered_minor = [a + b for a, b in zip(s.recovered_minor, line.amounts_minor, strict=True)]
        s.class_min = self.class_min
        if self.terms.row_terms is not None:
            reference_rows.rows_into(self, s, today)
        s.paid_total_minor = self.paid_total
        following = [r for r in self.rows if not r.due and not r.plan.closed]
        if following:
            s.next_due_on = following[0].plan.due_on
            s.next_due_minor = following[0].open(Component.PRINCIPAL) + following[0].open(Component.INTEREST)
        unsettled = (r.plan.due_on for r in self.rows if r.due and not r.plan.closed and r.open(Component.INTEREST) > 0)
        s.interest_since = min(unsettled, default=NO_DAY)
        s.due_count = sum(r.due for r in self.rows)
        s.paid_count = sum(r.paid_on != NO_DAY for r in self.rows)
        s.last_due_on = max((r.plan.due_on for r in self.rows if r.due), default=NO_DAY)
        s.maturity_on = max((r.plan.due_on for r in self.rows), default=NO_DAY)
        return s

    def _charges_into(self, s: Standing, today: int) -> None:
        for charge in self.charges:
            owed = charge.amount - charge.settled
            if charge.due_on > today:
                continue
            if charge.component == Component.FEE:
                s.fee_minor += owed
            elif charge.component == Component.THIRD_PARTY_FEE:
                s.third_party_fee_minor += owed
            elif charge.component == Component.RECOVERY_COST:
                s.recovery_cost_minor += owed
            else:
                s.penalty_minor += owed
            if charge.due_on < today:
                s.total_overdue_minor += owed

    def _lateness_into(self, s: Standing, today: int) -> None:
        due_now = 0
        for row in self.rows:
            if not row.due:
                continue
            due_now += row.open(Component.PRINCIPAL) + row.open(Component.INTEREST)
            if row.plan.due_on < today:
                s.overdue_principal_minor += row.open(Component.PRINCIPAL)
                s.overdue_interest_minor += row.open(Component.INTEREST)
                s.total_overdue_minor += sum(self.claim(row, c) for c in ROW_COMPONENTS)
        s.days_past_due = self.days_past_due(today)
        oldest = self._oldest(today)
        if oldest is not None and s.days_past_due > 0:
            s.oldest_due_on = oldest.plan.late_from
        s.in_flight_minor = sum(amount for _, amount in self.debits.values())
        s.shown_days_past_due = 0 if s.in_flight_minor and s.in_flight_minor >= due_now else s.days_past_due
        s.borrower_days_past_due = s.days_past_due
        if self.guaranteed_from != NO_DAY:
            s.borrower_days_past_due = max(s.days_past_due, today - self.guaranteed_from)

    def rows_answer(self, today: int) -> list[Row]:
        """Every row with what is planned, paid and open."""
        if self.terms.row_terms is not None:
            return reference_rows.rows_answer(self, today)
        out: list[Row] = []
        ordered = sorted(self.rows, key=lambda r: r.plan.due_on)
        left = sum(r.plan.principal for r in ordered)
        used: dict[int, int] = {}
        for nr, row in enumerate(ordered, 1):
            left -= row.plan.principal
            paid = row.paid[0] + row.paid[1]
            answer = Row(nr, row.plan.due_on, row.plan.late_from, row.plan.principal, row.interest, left, paid)
            answer.paid_principal_minor, answer.paid_interest_minor = row.paid[0], row.paid[1]
            answer.outstanding_minor = row.open(Component.PRINCIPAL) + row.open(Component.INTEREST)
            answer.penalty_minor = self.claim(row, Component.PENALTY)
            answer.compound_minor = self.claim(row, Component.COMPOUND)
            answer.paid_on = row.paid_on
            answer.subsidy_minor = self._subsidy(row.plan, used)
            out.append(answer)
        return out

    def _subsidy(self, row: PlanRow, used: dict[int, int]) -> int:
        """The part of the row's interest that the treasury bears."""
        subsidy = self.terms.subsidy
        if subsidy is None or not row.pieces:
            return 0
        exact = Fraction(0)
        for index, (at, balance, rate) in enumerate(row.pieces):
            stop = row.pieces[index + 1][0] if index + 1 < len(row.pieces) else row.end
            a, b = max(at, row.start, subsidy.from_day), min(stop, row.end, subsidy.to_day + 1)
            if a >= b:
                continue
            points = min(Fraction(subsidy.points_ppm), Fraction(rate * subsidy.max_share_num, subsidy.max_share_den))
            share = row_share(row, self.terms, a, b)
            if self.terms.day_count == DayCount.PERIODS and (a, b) == (row.start, row.end):
                share = Fraction(months_per_step(self.terms) * row.periods, 12)
            exact += min(balance, subsidy.eligible_principal_minor) * points / PPM * share
        year = date_of(row.end).year
        amount = round_exact(exact, self.terms.rounding, self.terms.rounding_unit_minor)
        amount = min(amount, subsidy.cap_per_year_minor - used.get(year, 0))
        used[year] = used.get(year, 0) + amount
        return amount


HANDLERS: dict[EventKind, Callable[[Replay, Event, int], None]] = {
    EventKind.PAYMENT: Replay._on_payment,
    EventKind.PREPAYMENT: Replay._on_prepayment,
    EventKind.REPAY_PART: Replay._on_repay_part,
    EventKind.PAYOFF: Replay._on_payoff,
    EventKind.RATE_CHANGE: Replay._on_rate_change,
    EventKind.CHARGE: Replay._on_charge,
    EventKind.WAIVER: Replay._on_waiver,
    EventKind.DEFER: Replay._on_defer,
    EventKind.EXTENSION: Replay._on_extension,
    EventKind.REAMORTISE: reference_plans.reamortise,
    EventKind.RESTRUCTURE: Replay._on_restructure,
    EventKind.ACCELERATION: Replay._on_acceleration,
    EventKind.WRITE_OFF: Replay._on_write_off,
    EventKind.GUARANTOR_PAYMENT: Replay._on_guarantor,
    EventKind.PAY_GUARANTOR: Replay._on_pay_guarantor,
    EventKind.DEBIT: Replay._on_debit,
    EventKind.PAUSE: Replay._on_pause,
    EventKind.DISBURSEMENT: Replay._on_disbursement,
    EventKind.CREDIT_REFUND: Replay._on_credit_refund,
    EventKind.CHARGEBACK: Replay._on_chargeback,
    EventKind.SETTLEMENT: Replay._on_settlement,
    EventKind.INSOLVENCY: Replay._on_insolvency,
    EventKind.GOODWILL: Replay._on_payment,
    EventKind.MERCHANT_REFUND: Replay._on_payment,
    EventKind.PAYOUT_REFUND: Replay._on_payment,
    EventKind.CHARGE_CREDIT: Replay._on_payment,
    EventKind.CHARGE_WAIVER: Replay._on_charge_waiver,
    EventKind.JUDGMENT: reference_judgment.judge,
    EventKind.NEW_ROWS: reference_plans.new_rows,
}


def effective(events: Iterable[Event], known_at: int | None) -> list[Event]:
    """The events that count: known by then, not reversed, with corrected amounts."""
    known = [e for e in events if known_at is None or e.recorded_at <= known_at]
    # A reversal may itself be reversed, and so on: from the last backwards, only what still stands voids another.
    void: set[int] = set()
    for e in sorted((e for e in known if e.kind == EventKind.REVERSAL), key=lambda e: -e.seq):
        if e.seq not in void:
            void.add(e.of_seq)
    live = [e for e in known if e.seq not in void]
    changes = {e.of_seq: e for e in sorted(live, key=lambda e: e.seq) if e.kind == EventKind.ADJUSTMENT}
    kept = [e for e in known if e.seq not in void and e.kind not in (EventKind.REVERSAL, EventKind.ADJUSTMENT)]
    return [_adjusted(e, changes[e.seq]) if e.seq in changes else e for e in kept]


def _adjusted(event: Event, change: Event) -> Event:
    """The event as corrected: its amount, or where the change gives days those of a pause, a charge or an extension."""
    days = {name: getattr(change, name) for name in ("from_day", "until") if getattr(change, name) != NO_DAY}
    if event.kind == EventKind.PAUSE:
        return replace(event, **days)
    return replace(event, amount_minor=change.amount_minor, **days)


def replay(terms: Terms, events: list[Event], as_of: int, known_at: int | None = None) -> Standing:
    """The standing of a loan on `as_of` (int day) from the events with recorded_at <= known_at (all when None).

    Rows and trace are always given. Raises ValueError for impossible terms, EventRejected for an event that cannot apply.
    """
    terms.checked()
    counted = [e for e in effective(events, known_at) if e.on <= as_of]
    state = Replay(terms, counted)
    state.run(counted, as_of)
    standing = state.standing(as_of)
    standing.rows = state.rows_answer(as_of)
    standing.row_count = len(standing.rows)
    standing.row_outstanding_minor = sum(r.outstanding_minor for r in standing.rows)
    standing.trace, standing.moves = state.trace, state.moves
    add_lines(standing.moves, state.trace, {e.seq: e.kind for e in counted})
    return standing


def replay_days(terms: Terms, events: list[Event], days: Iterable[int], known_at: int | None = None) -> Iterator[Standing]:
    """The standing (without rows and trace) on each of some rising days, as `replay` gives it; the loan is lived through once.

    Raises ValueError for impossible terms, EventRejected for an event that cannot apply, when its day has come.
    """
    terms.checked()
    counted = sorted(effective(events, known_at), key=lambda e: (e.on, e.seq))
    if terms.row_terms is not None:  # such a plan depends on all its events from the beginning
        for on in days:
            standing = replay(terms, counted, on)
            standing.rows, standing.trace = [], []
            yield standing
        return
    state, kinds, today, at = Replay(terms, counted), {e.seq: e.kind for e in counted}, terms.disbursed_on, 0
    for on in days:
        first = at
        while at < len(counted) and counted[at].on <= on:
            at += 1
        state.live(counted[first:at], today, on)
        today, standing = on, state.standing(on)
        rows = [r.open(Component.PRINCIPAL) + r.open(Component.INTEREST) for r in state.rows]
        standing.row_count, standing.row_outstanding_minor = len(rows), sum(rows)
        standing.moves = [list(row) for row in state.moves]
        add_lines(standing.moves, state.trace, kinds)
        yield standing


def schedule(terms: Terms) -> list[Row]:
    """The rows as signed, before anything happened."""
    return replay(terms, [], terms.disbursed_on).rows
