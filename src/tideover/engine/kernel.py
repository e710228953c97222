"""Replay, compiled: many loans, each from its plan through its events to the standing of a day. Twin of reference.py.

Where the reference steps from change to change, a row here lives through the days up to `today` only when something is about
to read or change it (`live_row`): between such moments its claims depend on nothing but the days themselves. Terms under which
compound interest joins its own base do depend on the steps, and are stepped as the reference does (`_next_change`).
"""

from __future__ import annotations

import numpy as np

from tideover.engine import columns as K
from tideover.engine.columns import NO, PPM, RATIO_DEN_MAX, C
from tideover.engine.compiled import entry, inlined, kernel, woven
from tideover.engine.events import DebitStatus, DeferInterest, EventKind, PrepayMode, RowPolicy
from tideover.engine.kernel_claims import (
    COMPOUND,
    INTEREST,
    P_DPD,
    P_INTEREST,
    PENALTY,
    PRINCIPAL,
    THIRTY,
    THIRTY_E,
    claim,
    cut_segments,
    grace_last,
    hold_to_cap,
    live_row,
    live_rows,
    note_paid,
    open_part,
    pass_done,
    rate_at,
    set_rate,
    unpaid_principal,
)
from tideover.engine.kernel_dates import ISDA, civil, days_counted, months_later
from tideover.engine.kernel_judgment import REFUSED, judged_row, live_judged
from tideover.engine.kernel_numbers import add_product, rounded, share_rounded
from tideover.engine.kernel_outstanding import follow, next_turn, tail
from tideover.engine.kernel_plan import (
    ANNUITY,
    BULLET,
    CUSTOM,
    EQUAL_PRINCIPAL,
    FLAT,
    GAP,
    INTEREST_ONLY,
    OK,
    PERIODS,
    REJECTED,
    ROWS_MAX,
    WORK,
    add_piece,
    add_stop,
    blank_set,
    fill,
    interest_exact,
    last_piece,
    make_plan,
    new_row,
    planned_interest,
    row_dates,
    set_last_piece,
    set_piece,
)
from tideover.engine.kernel_subsidy import subsidies_out
from tideover.engine.moves import CAUSES, HELD, Cause
from tideover.engine.terms import (
    PRINCIPAL_MINOR_MAX,
    RATE_PPM_MAX,
    ROW_COUNT_MAX,
    Accruals,
    AllocateBy,
    Component,
    JoinsBase,
    MaterialityPer,
    PrepaymentInterest,
    Shift,
    Surplus,
)

FEE, THIRD_PARTY_FEE, RECOVERY_COST = (int(c) for c in list(Component)[4:])
SEGMENT, BY_COMPONENT, PER_INSTALMENT = int(Accruals.SEGMENT), int(AllocateBy.COMPONENT), int(MaterialityPer.INSTALMENT)
JOINS = int(JoinsBase.EACH_ROW_DUE_DATE)
NOMINAL = int(Shift.NOMINAL)
TO_NEXT, TO_SHORTEN, TO_KEEP_TERM = int(Surplus.NEXT), int(Surplus.SHORTEN), int(Surplus.KEEP_TERM)
SETTLE_ALL, KEEP_TERM, SHORTEN = int(PrepaymentInterest.SETTLE_ALL), int(PrepayMode.KEEP_TERM), int(PrepayMode.SHORTEN)
KEEP_PRINCIPAL = int(RowPolicy.KEEP_PRINCIPAL)
FIRST_ROW, SPREAD = int(DeferInterest.FIRST_ROW), int(DeferInterest.SPREAD)
DEBIT_SUCCESS, DEBIT_FAILED = int(DebitStatus.SUCCESS), int(DebitStatus.FAILED)
E_PAYMENT, E_PREPAYMENT, E_REPAY_PART = int(EventKind.PAYMENT), int(EventKind.PREPAYMENT), int(EventKind.REPAY_PART)
E_PAYOFF, E_REVERSAL, E_RATE = int(EventKind.PAYOFF), int(EventKind.REVERSAL), int(EventKind.RATE_CHANGE)
E_CHARGE, E_WAIVER, E_DEFER = int(EventKind.CHARGE), int(EventKind.WAIVER), int(EventKind.DEFER)
E_EXTENSION, E_REAMORTISE, E_RESTRUCTURE = int(EventKind.EXTENSION), int(EventKind.REAMORTISE), int(EventKind.RESTRUCTURE)
E_ACCELERATION, E_WRITE_OFF = int(EventKind.ACCELERATION), int(EventKind.WRITE_OFF)
E_GUARANTOR, E_PAY_GUARANTOR = int(EventKind.GUARANTOR_PAYMENT), int(EventKind.PAY_GUARANTOR)
E_DEBIT, E_PAUSE, E_DISBURSEMENT = int(EventKind.DEBIT), int(EventKind.PAUSE), int(EventKind.DISBURSEMENT)
E_CREDIT_REFUND, E_CHARGEBACK = int(EventKind.CREDIT_REFUND), int(EventKind.CHARGEBACK)
E_SETTLEMENT, E_INSOLVENCY, E_ADJUSTMENT = int(EventKind.SETTLEMENT), int(EventKind.INSOLVENCY), int(EventKind.ADJUSTMENT)
E_JUDGMENT = int(EventKind.JUDGMENT)
C_DRAWN, C_PAID, C_USED, C_WAIVED = int(Cause.DRAWN), int(Cause.PAID), int(Cause.USED), int(Cause.WAIVED)
C_GUARANTEED, C_BACK, C_REFUNDED = int(Cause.GUARANTEED), int(Cause.BACK), int(Cause.REFUNDED)
C_REPLACED = int(Cause.REPLACED)
CAUSE_OF = tuple(int(CAUSES.get(EventKind(k), Cause.NONE)) if k in set(EventKind) else int(Cause.NONE) for k in range(64))
FAR = 1 << 40
NO_LINE = -1
DAY_MAX = 10**6
"""Days beyond +-2,700 years never occur; below it a span times 366 and every date formula stays far inside 63 bits."""
GUARANTOR_ORDER = (INTEREST, PRINCIPAL, COMPOUND, PENALTY, FEE, THIRD_PARTY_FEE, RECOVERY_COST)
BY_JUDGMENT = 2
"""Which order of payment: the terms' own is 0, the one when far overdue 1."""


# --- days --------------------------------------------------------------------------------------------------------------


@kernel
def _sort_seen(w):
    """Note whether the rows not yet due stand last and in order of their due dates (`sorted`). Then what looks for rows that are
    due stops before row `due_stop`, and what looks for the next one to fall due begins there; otherwise both go through all."""
    st, last = w.state[0], w.state[0].today
    st.sorted, st.due_stop, st.fixed_to = 1, st.rows, st.live
    for i in range(st.live, st.rows):
        row = w.rows[i]
        if row.due:
            st.sorted = st.sorted and st.due_stop == st.rows
        else:
            st.due_stop = min(st.due_stop, i)
            st.sorted = st.sorted and (row.due_on > last or (row.due_on == last and i > st.due_stop))
            last = row.due_on
    if not st.sorted:
        st.due_stop = st.rows


@inlined
def _undue_from(w):
    """The first row at which to look for rows that are not due."""
    return w.state[0].due_stop if w.state[0].sorted else w.state[0].live


@inlined
def _next_due(w, after):
    st, best = w.state[0], FAR
    for i in range(_undue_from(w), st.rows):
        row = w.rows[i]
        if not row.due and after < row.due_on < best:
            best = row.due_on
            if st.sorted:
                break
    return best


@inlined
def _fix_ended(w, today):
    """The interest of a row whose period has ended stays as it is."""
    st = w.state[0]
    for i in range(st.fixed_to, st.rows):
        row = w.rows[i]
        if row.end <= today:
            if row.fixed_interest < 0:
                row.fixed_interest = row.interest
            if i == st.fixed_to:
                st.fixed_to += 1
        elif st.sorted and not row.due:
            break


@kernel
def _fall_due(w, loan, conv, on):
    """Rows due on this day, of which there is at least one, fall due; held money is used."""
    st = w.state[0]
    if conv.has_penalty and conv.compound_joins == JOINS:
        for i in range(st.live, st.rows):
            if w.rows[i].due:
                w.rows[i].joined = claim(conv, w.rows[i], COMPOUND)
    _fix_ended(w, on)
    for i in range(_undue_from(w), st.rows):
        row = w.rows[i]
        if not row.due and row.due_on == on:
            live_row(w, conv, row, on)
            row.due = 1
            note_paid(row, on)
            if st.sorted:
                st.due_stop = i + 1
        elif st.sorted:
            break
    if st.surplus:
        held = st.surplus
        st.surplus = 0
        st.surplus = _pay_due(w, loan, conv, held, on, NO_LINE)


@inlined
def _counts_by_calendar(conv):
    return conv.day_count == THIRTY or conv.day_count == THIRTY_E or conv.day_count == ISDA


@kernel
def _next_change(w, conv, today):
    """The reference's next step: the first later day on which more than time can change a claim."""
    st, best = w.state[0], FAR
    if conv.has_penalty and (
        conv.penalty_day_count == THIRTY
        or conv.penalty_day_count == THIRTY_E
        or conv.compound_day_count == THIRTY
        or conv.compound_day_count == THIRTY_E
    ):
        return today + 1
    if conv.has_penalty and conv.cap >= 0 and not st.capped:
        return today + 1
    if conv.outstanding and not conv.has_penalty and _counts_by_calendar(conv):
        return today + 1
    if st.judged and st.performance_due_on > today:
        best = st.performance_due_on
    if st.judged and st.general_from > today:
        best = min(best, st.general_from)
    if st.maturity > today:
        best = min(best, st.maturity)
    if st.stopped > today:
        best = min(best, st.stopped)
    for k in range(st.rates):
        if w.rates[k].on > today:
            best = min(best, w.rates[k].on)
    for k in range(st.pauses):
        if w.pauses[k].start > today:
            best = min(best, w.pauses[k].start)
        if w.pauses[k].end > today:
            best = min(best, w.pauses[k].end)
    for i in range(st.rows):
        row = w.rows[i]
        if row.end > today:
            best = min(best, row.end)
        if row.due_on > today:
            best = min(best, row.due_on)
        if row.late_from > today:
            best = min(best, row.late_from)
        if conv.has_penalty and row.due_on <= today + conv.grace_days + 1:
            last, end = grace_last(conv, row), row.late_from + conv.grace_days
            if last > today:
                best = min(best, last)
            if last + 1 > today:
                best = min(best, last + 1)
            if end > today:
                best = min(best, end)
    return best


@woven
def _advance(w, loan, conv, to):
    """Live from state.today to `to`, its due rows included, its events not."""
    st = w.state[0]
    if st.note_at != NO:
        _note_rows(w, min(st.note_at, to))
        st.note_at = NO
    if st.judged:
        live_judged(w, conv, st.today, to)
    elif conv.stepped:
        on = _step(w, conv, to, True)
        while on <= to:
            _fall_due(w, loan, conv, on)
            on = _step(w, conv, to, False)
    else:
        on = _next_due(w, st.today)
        while on <= to:
            _fall_due(w, loan, conv, on)
            st.today = on
            on = _next_due(w, on)
    _fix_ended(w, to)
    st.today = to


@kernel
def _step(w, conv, to, full):
    """The next day up to `to` on which rows fall due, the days before it lived, or FAR: for terms where days between matter.

    Compound that joins its base lives from change to change as the reference does; interest on what is out from one change of
    the base, the rate or the running row to the next; a cap is looked at once. full: rows changed since the last step.
    """
    st = w.state[0]
    joins = conv.has_penalty and conv.compound_joins == JOINS
    while st.today < to and st.status == OK:
        due = _next_due(w, st.today)
        on = min(to, due)
        if joins:
            on = min(on, _next_change(w, conv, st.today))
        elif conv.outstanding:
            on = min(on, next_turn(w, st.today))
        if conv.outstanding:
            follow(w, conv, st.today, full or on == to)
            _note_later(w, conv, st.today)
            if not conv.has_penalty:
                tail(w, conv, st.today, on)
        if conv.cap >= 0:
            hold_to_cap(w, conv, st.today, on)
        st.today, full = on, False
        if st.note_at != NO:
            _note_rows(w, min(st.note_at, on))
            st.note_at = NO
        if joins:
            for i in range(st.rows):
                live_row(w, conv, w.rows[i], on)
        if due == on:
            return on
        _fix_ended(w, on)
    return FAR


@kernel
def _note_later(w, conv, today):
    """Rows that an event settled without paying are noted as paid at the reference's next step."""
    st = w.state[0]
    for i in range(st.live, st.rows):
        row = w.rows[i]
        if row.due and row.paid_on == NO and open_part(row, PRINCIPAL) + open_part(row, INTEREST) <= 0:
            st.note_at = _next_change(w, conv, today)
            return


# --- paying ------------------------------------------------------------------------------------------------------------


@kernel
def _line(w, seq, on, kind):
    """A new line of the trace; its index."""
    st = w.state[0]
    if st.lines + 1 >= w.lines.shape[0]:
        st.status = GAP
        return NO_LINE
    i = st.lines
    st.lines += 1
    line = w.lines[i]
    line.seq, line.on, line.held, line.cause = seq, on, 0, CAUSE_OF[kind]
    for c in range(C):
        line.amounts[c] = 0
    return i


@inlined
def _book(w, line, c, amount):
    if line >= 0:
        w.lines[line].amounts[c] += amount
        if w.state[0].is_written_off and (w.lines[line].cause == C_PAID or w.lines[line].cause == C_GUARANTEED):
            w.state[0].recovered[c] += amount
    else:
        w.state[0].used[c] += amount


@inlined
def _pay_row(w, conv, row, c, amount, line):
    if amount == 0:
        return 0
    part = min(amount, max(0, claim(conv, row, c)))
    if part:
        row.paid[c] += part
        w.state[0].paid_total += part
        _book(w, line, c, part)
    return amount - part


@kernel
def _pay_charge(w, c, amount, today, line):
    for k in range(w.state[0].charges):
        charge = w.charges[k]
        if charge.component == c and charge.due_on <= today and charge.settled < charge.amount:
            part = min(amount, charge.amount - charge.settled)
            charge.settled += part
            w.state[0].paid_total += part
            amount -= part
            _book(w, line, c, part)
    return amount


@kernel
def _pay_due(w, loan, conv, amount, today, line):
    """Pay what is due by the allocation order, the second one when far overdue; what is left. Rows live up to today as the money
    comes to them."""
    st = w.state[0]
    which = 0
    if st.judged:
        which = BY_JUDGMENT
    elif conv.over_dpd >= 0 and _days_past_due(w, conv, today)[0] > conv.over_dpd:
        which = 1
    if conv.accruals == SEGMENT:
        cut_segments(w, conv, today)
    if which == BY_JUDGMENT or conv.by[which] == BY_COMPONENT:
        amount = _pay_by_component(w, conv, which, amount, today, line)
    else:
        amount = _pay_by_instalment(w, conv, which, amount, today, line)
    if st.note_at != NO:
        _note_rows(w, today)
    pass_done(w, conv)
    return amount


@kernel
def _pay_by_instalment(w, conv, which, amount, today, line):
    """Charges that stand before principal in the order, then row by row, then the other charges."""
    st = w.state[0]
    if st.charges:
        amount = _pay_charges(w, conv, which, True, amount, today, line)
    for i in range(st.live, st.due_stop):
        if amount == 0:
            return 0
        row = w.rows[i]
        if row.due:
            live_row(w, conv, row, today)
            for k in range(4):
                amount = _pay_row(w, conv, row, conv.row_order[which, k], amount, line)
            note_paid(row, today)
    return _pay_charges(w, conv, which, False, amount, today, line) if st.charges else amount


@kernel
def _pay_charges(w, conv, which, before, amount, today, line):
    """Charges in the order of their components, those before principal or the rest."""
    rank = 0
    while conv.order[which, rank] != PRINCIPAL:
        rank += 1
    for k in range(0 if before else rank, rank if before else C):
        amount = _pay_charge(w, conv.order[which, k], amount, today, line)
    return amount


@kernel
def _pay_by_component(w, conv, which, amount, today, line):
    """Component by component, in each row by row."""
    st = w.state[0]
    for k in range(C):
        c = w.order[k] if which == BY_JUDGMENT else conv.order[which, k]
        if st.charges:
            amount = _pay_charge(w, c, amount, today, line)
        if c <= COMPOUND:
            for i in range(st.live, st.due_stop):
                if amount == 0:
                    return 0
                row = w.rows[i]
                if row.due:
                    live_row(w, conv, row, today)
                    amount = _pay_row(w, conv, row, c, amount, line)
                    note_paid(row, today)
    return amount


@kernel
def _note_rows(w, today):
    for i in range(w.state[0].live, w.state[0].rows):
        note_paid(w.rows[i], today)


@kernel
def _find_undue(w, today):
    """Rows whose period has not ended, in w.undue; how many."""
    st, n = w.state[0], 0
    for i in range(st.live, st.rows):
        row = w.rows[i]
        if not row.due and row.end > today:
            w.undue[n] = i
            n += 1
    return n


@kernel
def _replannable(w, today):
    """Undue rows, what was paid on them in advance held again; how many."""
    st, n = w.state[0], _find_undue(w, today)
    for k in range(n):
        row = w.rows[w.undue[k]]
        early = row.paid[PRINCIPAL] + row.paid[INTEREST]
        st.used[PRINCIPAL] -= row.paid[PRINCIPAL]
        st.used[INTEREST] -= row.paid[INTEREST]
        row.paid[PRINCIPAL] = 0
        row.paid[INTEREST] = 0
        st.surplus += early
        st.paid_total -= early
    return n


@kernel
def _undue_principal(w, n):
    total = 0
    for k in range(n):
        total += open_part(w.rows[w.undue[k]], PRINCIPAL)
    return total


@kernel
def _accrued(w, conv, row, today):
    if row.due or today <= row.start:
        return 0
    if row.end <= today:
        return open_part(row, INTEREST)
    q, r, d = interest_exact(w, conv, row, today)
    return max(0, rounded(q, r, PPM * d, conv.rounding, conv.unit) - row.paid[INTEREST] - row.gone[INTEREST])


@kernel
def _payment(w, loan, conv, seq, on, kind, amount, today):
    st = w.state[0]
    line = _line(w, seq, on, kind)
    rest = _pay_due(w, loan, conv, amount, today, line)
    if rest == 0:
        return
    live_rows(w, conv, today)
    if conv.surplus == TO_NEXT:
        rest = _pay_next(w, conv, rest, today, line)
    elif conv.surplus == TO_SHORTEN or conv.surplus == TO_KEEP_TERM:
        rest = _prepay(w, loan, conv, rest, SHORTEN if conv.surplus == TO_SHORTEN else KEEP_TERM, today, line)
    st.surplus += rest
    if line >= 0:
        w.lines[line].held = rest


@kernel
def _pay_next(w, conv, amount, today, line):
    st = w.state[0]
    for i in range(st.live, st.rows):
        row = w.rows[i]
        if row.due or (conv.outstanding and row.end > today):
            continue
        for k in range(2):
            c = INTEREST if k == 0 else PRINCIPAL
            part = min(amount, open_part(row, c))
            row.paid[c] += part
            st.paid_total += part
            _book(w, line, c, part)
            amount -= part
    return _pay_ahead(w, conv, amount, today, line) if conv.outstanding else amount


@kernel
def _pay_ahead(w, conv, amount, today, line):
    """Money beyond what is due: the interest that ran so far leaves the row, then principal of the next rows leaves them."""
    st, n = w.state[0], _find_undue(w, today)
    if n == 0 or amount == 0:
        return amount
    first = w.rows[w.undue[0]]
    accrued = _accrued(w, conv, first, today)
    settled = min(amount, accrued)
    if settled < accrued:
        first.paid[INTEREST] += settled
    elif today > first.start:
        first.settled_at = today
        first.paid[INTEREST] = 0
    _book(w, line, INTEREST, settled)
    left = amount - settled
    for k in range(n):
        row = w.rows[w.undue[k]]
        part = min(left, open_part(row, PRINCIPAL))
        row.principal -= part
        _book(w, line, PRINCIPAL, part)
        left -= part
    st.paid_total += amount - left
    _refresh(w, conv)
    _drop_empty(w, n)
    return left


@kernel
def _prepay(w, loan, conv, amount, mode, today, line):
    st, n = w.state[0], _replannable(w, today)
    if n == 0:
        return amount
    current = w.rows[w.undue[0]]
    if conv.prepayment_interest == SETTLE_ALL:
        accrued = _accrued(w, conv, current, today)
        settled = min(amount, accrued)
        _book(w, line, INTEREST, settled)
        st.paid_total += settled
        amount -= settled
        if settled < accrued:
            current.paid[INTEREST] += settled
        elif today > current.start:
            current.settled_at = today
    balance = _undue_principal(w, n)
    part = min(amount, balance)
    if part == 0:
        return amount
    _book(w, line, PRINCIPAL, part)
    st.paid_total += part
    _replan_from(w, loan, conv, n, today, balance - part, mode)
    return amount - part


@kernel
def _break(w, row, today, balance, rate):
    if today <= row.start or row.pieces == 0:
        set_piece(row, row.start, balance, rate)
    elif last_piece(w, row)[0] == today:
        set_last_piece(w, row, today, balance, rate)
    else:
        add_piece(w, row, today, balance, rate)


@kernel
def _replan_from(w, loan, conv, n, today, balance, mode):
    st, rate = w.state[0], rate_at(w, today)
    first = w.rows[w.undue[0]]
    _break(w, first, today, balance, rate)
    if conv.method == INTEREST_ONLY or conv.method == BULLET:
        fill(w, loan, conv, n, balance, rate, False, True, -1, conv.method)
    elif conv.method == CUSTOM or conv.method == FLAT:
        _shrink(w, loan, conv, n, balance)
    elif mode == SHORTEN:
        fill(w, loan, conv, n, balance, rate, False, False, st.level, conv.method)
    else:
        st.level = fill(w, loan, conv, n, balance, rate, False, False, -1, conv.method)
    _drop_empty(w, n)


@kernel
def _shrink(w, loan, conv, n, balance):
    """Principal is taken from the last rows first."""
    surplus = -balance
    for k in range(n):
        surplus += w.rows[w.undue[k]].principal
    for k in range(n - 1, -1, -1):
        row = w.rows[w.undue[k]]
        cut = min(surplus, row.principal)
        row.principal -= cut
        surplus -= cut
    fill(w, loan, conv, n, balance, last_piece(w, w.rows[w.undue[0]])[2], False, True, -1, conv.method)


@kernel
def _remove(w, i):
    """Take a row out; later rows move up."""
    st = w.state[0]
    for k in range(i, st.rows - 1):
        w.rows[k] = w.rows[k + 1]
    st.rows -= 1


@kernel
def _drop_empty(w, n):
    for k in range(n - 1, -1, -1):
        row = w.rows[w.undue[k]]
        paid = row.paid[0] or row.paid[1] or row.paid[2] or row.paid[3]
        if row.principal == 0 and row.balance == 0 and row.interest == 0 and not paid:
            _remove(w, w.undue[k])
    _rows_changed(w)


@kernel
def _rows_changed(w):
    st = w.state[0]
    if not st.accelerated and st.rows:
        latest = -FAR
        for i in range(st.rows):
            latest = max(latest, w.rows[i].due_on)
        st.maturity = latest
    _sort_seen(w)


@kernel
def _refresh(w, conv):
    for i in range(w.state[0].live, w.state[0].rows):
        row = w.rows[i]
        if row.fixed_interest < 0:
            row.interest = planned_interest(w, conv, row)


# --- events ------------------------------------------------------------------------------------------------------------


@kernel
def _reject(w, seq):
    w.state[0].status = REJECTED
    w.state[0].status_seq = seq


@kernel
def _debit_slot(w, code):
    """The slot of a debit, made when new."""
    st = w.state[0]
    for k in range(st.debits):
        if w.debits[k].code == code:
            return k
    k = st.debits
    if k + 1 >= w.debits.shape[0]:
        st.status = GAP
        return k
    w.debits[k].code, w.debits[k].amount, w.debits[k].taken = code, 0, 0
    st.debits += 1
    return k


@kernel
def _on_payment(w, loan, conv, ev, amount, d, today):
    if ev.kind == E_DEBIT or d.debit_code:
        debit = w.debits[_debit_slot(w, d.debit_code)]
        if debit.taken:
            return
        if ev.kind == E_DEBIT and d.debit_status != DEBIT_SUCCESS:
            debit.amount = 0 if d.debit_status == DEBIT_FAILED else amount
            return
        debit.taken, debit.amount = 1, 0
    _payment(w, loan, conv, ev.seq, ev.on, ev.kind, amount, today)


@kernel
def _on_prepayment(w, loan, conv, ev, amount, d, today):
    line = _line(w, ev.seq, ev.on, ev.kind)
    rest = _pay_due(w, loan, conv, amount, today, line)
    rest = _prepay(w, loan, conv, rest, d.prepay_mode, today, line)
    w.state[0].surplus += rest
    if line >= 0:
        w.lines[line].held = rest


@kernel
def _on_repay_part(w, loan, conv, ev, amount, today):
    st, n = w.state[0], _replannable(w, today)
    line = _line(w, ev.seq, ev.on, ev.kind)
    if n == 0:
        _reject(w, ev.seq)
        return
    row = w.rows[w.undue[0]]
    balance = _undue_principal(w, n)
    part = min(amount, balance)
    # The share's own interest: the row's spans with `part` as their balance, stops and grace apart.
    share = w.rows[w.rows.shape[0] - 1]
    share.start, share.end, share.settled_at, share.free, share.stop_first = row.start, row.end, row.settled_at, 0, -1
    share.odd, share.periods = 0, 1
    own_q, own_r, own_d = 0, 0, conv.over
    set_piece(share, row.piece_on, part, row.piece_rate)
    p = row.piece_more
    while p >= 0:
        add_piece(w, share, w.pieces[p].on, part, w.pieces[p].rate)
        p = w.pieces[p].next
    own_q, own_r, own_d = interest_exact(w, conv, share, today)
    own = rounded(own_q, own_r, PPM * own_d, conv.rounding, conv.unit)
    _book(w, line, PRINCIPAL, part)
    _book(w, line, INTEREST, own)
    st.paid_total += part + own
    row.piece_balance -= part
    p = row.piece_more
    while p >= 0:
        w.pieces[p].balance -= part
        p = w.pieces[p].next
    if conv.method == ANNUITY or conv.method == EQUAL_PRINCIPAL:
        st.level = fill(w, loan, conv, n, balance - part, rate_at(w, today), False, False, -1, conv.method)
    else:
        _shrink(w, loan, conv, n, balance - part)
    _drop_empty(w, n)


@kernel
def _collapse(w, conv, n, today):
    """Rows whose period has not ended (w.undue) become one row due today."""
    accrued = _accrued(w, conv, w.rows[w.undue[0]], today)
    principal, early_p, early_i, start = 0, 0, 0, w.rows[w.undue[0]].start
    for k in range(n):
        row = w.rows[w.undue[k]]
        principal += open_part(row, PRINCIPAL)
        early_p += row.paid[PRINCIPAL]
        early_i += row.paid[INTEREST]
    for k in range(n - 1, -1, -1):
        _remove(w, w.undue[k])
    row = w.rows[new_row(w, start, today, today, today)]
    set_piece(row, start, principal, rate_at(w, today))
    row.principal = principal + early_p
    row.fixed_interest = max(0, accrued - early_i) + early_i
    row.interest = row.fixed_interest
    row.due = 1
    row.paid[PRINCIPAL] = early_p
    row.paid[INTEREST] = early_i
    _sort_seen(w)


@kernel
def _payoff(w, conv, today):
    """What pays the loan off today, money held deducted."""
    st, total = w.state[0], 0
    for i in range(st.live, st.rows):
        row = w.rows[i]
        total += open_part(row, PRINCIPAL) + claim(conv, row, INTEREST) + claim(conv, row, PENALTY) + claim(conv, row, COMPOUND)
        total += _accrued(w, conv, row, today)
    for k in range(st.charges):
        if w.charges[k].due_on <= today:
            total += w.charges[k].amount - w.charges[k].settled
    return total - st.surplus


@kernel
def _on_payoff(w, loan, conv, ev, amount, d, today):
    st = w.state[0]
    if d.debit_code:
        debit = w.debits[_debit_slot(w, d.debit_code)]
        if debit.taken:
            return
        debit.taken, debit.amount = 1, 0
    owed = _payoff(w, conv, today) + st.surplus
    n = _find_undue(w, today)
    line = _line(w, ev.seq, ev.on, ev.kind)
    if n:
        _collapse(w, conv, n, today)
    held = st.surplus
    st.surplus = 0
    for i in range(st.rows):
        w.rows[i].due = 1
    _sort_seen(w)
    money = amount + held if amount > 0 else max(owed, 0)
    st.surplus = _pay_due(w, loan, conv, money, today, line)
    if line >= 0:
        w.lines[line].held = st.surplus - held
    _note_rows(w, today)


@kernel
def _on_acceleration(w, loan, conv, today):
    st = w.state[0]
    for i in range(st.rows):
        if w.rows[i].end <= today:
            w.rows[i].due = 1
    n = _find_undue(w, today)
    if n:
        _collapse(w, conv, n, today)
    _sort_seen(w)
    st.accelerated, st.maturity = 1, today
    _pay_held(w, loan, conv, today)


@woven
def _pay_held(w, loan, conv, today):
    """Money held pays what is due, without a line of the trace."""
    st = w.state[0]
    if st.surplus:
        held = st.surplus
        st.surplus = 0
        st.surplus = _pay_due(w, loan, conv, held, today, NO_LINE)
        _note_rows(w, today)


@kernel
def _on_rate_change(w, loan, conv, ev, d, today):
    st = w.state[0]
    set_rate(w, today, d.rate_ppm)
    n = _replannable(w, today)
    if n == 0:
        return
    current = w.rows[w.undue[0]]
    inside = today > current.start
    balance = 0
    for k in range(n):
        balance += w.rows[w.undue[k]].principal
    _break(w, current, today, balance, d.rate_ppm)
    rest = balance
    if inside:
        rest = balance - current.principal
        n -= 1
        for k in range(n):
            w.undue[k] = w.undue[k + 1]
    keep = d.later_rows == KEEP_PRINCIPAL or (conv.method != ANNUITY and conv.method != EQUAL_PRINCIPAL)
    if n:
        level = fill(w, loan, conv, n, rest, d.rate_ppm, False, keep, -1, conv.method)
        if not keep:
            st.level = level
    _refresh(w, conv)


@kernel
def _on_waiver(w, conv, ev, amount, today):
    line = _line(w, ev.seq, ev.on, ev.kind)
    if conv.accruals == SEGMENT:
        cut_segments(w, conv, today)
    left, c, st = amount if amount >= 0 else 10**18, ev.component, w.state[0]
    if c <= COMPOUND:
        for i in range(st.live, st.rows):
            row = w.rows[i]
            part = min(left, max(0, claim(conv, row, c)))
            row.gone[c] += part
            left -= part
            _book(w, line, c, part)
            note_paid(row, today)
    for k in range(st.charges):
        charge = w.charges[k]
        if charge.component == c and charge.due_on <= today and charge.settled < charge.amount:
            part = min(left, charge.amount - charge.settled)
            charge.settled += part
            left -= part
            _book(w, line, c, part)


@kernel
def _shifted(loan, conv, on, k):
    if conv.months == 0:
        return on + conv.step_days * k
    return months_later(on, conv.months * k, loan.due_day if loan.due_day else civil(on)[2])


@kernel
def _on_defer(w, loan, conv, d, today):
    n = _replannable(w, today)
    if n == 0 or d.rows < 1:
        return
    k, first = d.rows, w.rows[w.undue[0]]
    old_end = first.end
    _, balance, rate = last_piece(w, first)
    if conv.day_count == PERIODS and conv.months:
        q, r = add_product(0, 0, balance, rate, conv.months * k, PPM, 12)
        waiting = rounded(q, r, PPM * 12, conv.rounding, conv.unit)
    else:
        over = conv.over
        q, r = add_product(
            0, 0, balance, rate, days_counted(conv.day_count, old_end, _shifted(loan, conv, old_end, k)), PPM, over
        )
        waiting = rounded(q, r, PPM * over, conv.rounding, conv.unit)
    start = first.start
    for j in range(n):
        row = w.rows[w.undue[j]]
        nominal = row.late_from if conv.late_from == NOMINAL else row.end
        end, due, late = row_dates(w, loan, conv, _shifted(loan, conv, nominal, k), j + 1 == n)
        row.start, row.end, row.due_on, row.late_from = start, end, due, late
        if j and row.pieces == 1:
            row.piece_on = start
        start = end
    first.piece_on = first.start
    if d.defer_interest == FIRST_ROW:
        first.periods += k
    elif conv.day_count != PERIODS:
        add_stop(w, first, old_end, first.end)
    if d.defer_interest == SPREAD:
        each = rounded(waiting // n, waiting % n, n, conv.rounding, conv.unit)
        for j in range(n):
            w.rows[w.undue[j]].extra_interest += each
        w.rows[w.undue[n - 1]].extra_interest += waiting - each * n
    _refresh(w, conv)
    _rows_changed(w)


@kernel
def _on_extension(w, loan, conv, ev, d, today):
    st = w.state[0]
    if st.rows == 0:
        _reject(w, ev.seq)
        return
    old = w.rows[st.rows - 1]
    rate = d.rate_ppm if d.rate_ppm >= 0 else rate_at(w, today)
    if d.rate_ppm >= 0:
        set_rate(w, d.from_day if d.from_day != NO else old.end, rate)
    moved = open_part(old, PRINCIPAL)
    start = max(old.end, today) if old.due else old.end
    if old.due:
        old.gone[PRINCIPAL] += moved
    else:
        old.principal -= moved
        old.balance += moved
    k, at, origin = 1, start, start
    while st.status == OK:
        on = _shifted(loan, conv, origin, k) if conv.method == INTEREST_ONLY else d.until
        last = on >= d.until
        if last:
            on = d.until
        end, due, late = row_dates(w, loan, conv, on, last)
        row = w.rows[new_row(w, at, end, due, late)]
        set_piece(row, at, moved, rate)
        row.odd = conv.day_count == PERIODS
        row.balance = moved
        at = end
        k += 1
        if last:
            row.principal, row.balance = moved, 0
            break
    _refresh(w, conv)
    _rows_changed(w)


@kernel
def _on_reamortise(w, loan, conv, ev, d, today):
    st, n = w.state[0], _replannable(w, today)
    balance = _undue_principal(w, n)
    start = w.rows[w.undue[0]].start if n else today
    line = _line(w, ev.seq, ev.on, ev.kind)
    for j in range(d.component_count):
        c = d.components[j]
        if c <= COMPOUND:
            for i in range(st.live, st.rows):
                row = w.rows[i]
                if row.due:
                    part = max(0, claim(conv, row, c))
                    row.gone[c] += part
                    balance += part
                    _book(w, line, c, part)
        for k in range(st.charges):
            charge = w.charges[k]
            if charge.component == c and charge.due_on <= today and charge.settled < charge.amount:
                part = charge.amount - charge.settled
                charge.settled = charge.amount
                balance += part
                _book(w, line, c, part)
    _note_rows(w, today)
    for k in range(n - 1, -1, -1):
        _remove(w, w.undue[k])
    if d.rows < 1 or d.rows + 2 > w.undue.shape[0]:
        st.status = GAP
        return
    at = start
    for k in range(d.rows):
        on = _shifted(loan, conv, d.from_day, k) if k else d.from_day
        end, due, late = row_dates(w, loan, conv, on, k + 1 == d.rows)
        if end <= at:
            # A row without a day of interest: the reference says why the plan is refused.
            st.status = GAP
            return
        w.undue[k] = new_row(w, at, end, due, late)
        at = end
    first, whole = w.rows[w.undue[0]], False
    for k in range(1, 121):
        if _shifted(loan, conv, first.start, k) == d.from_day:
            first.periods, whole = k, True
            break
    if not whole:
        first.odd = 1
    method = EQUAL_PRINCIPAL if conv.method == EQUAL_PRINCIPAL else ANNUITY
    st.level = fill(w, loan, conv, d.rows, balance, rate_at(w, start), False, False, -1, method)
    _refresh(w, conv)
    _rows_changed(w)


@kernel
def _on_write_off(w, conv, today):
    st = w.state[0]
    for c in range(C):
        st.written_off[c] = 0
        st.recovered[c] = 0
    for i in range(st.live, st.rows):
        row = w.rows[i]
        st.written_off[PRINCIPAL] += open_part(row, PRINCIPAL)
        st.written_off[INTEREST] += claim(conv, row, INTEREST) + _accrued(w, conv, row, today)
        st.written_off[PENALTY] += claim(conv, row, PENALTY)
        st.written_off[COMPOUND] += claim(conv, row, COMPOUND)
    for k in range(st.charges):
        charge = w.charges[k]
        if charge.due_on <= today:
            slot = charge.component if charge.component >= FEE else PENALTY
            st.written_off[slot] += charge.amount - charge.settled
    st.is_written_off = 1


@kernel
def _on_guarantor(w, conv, ev, d, today):
    st, line = w.state[0], _line(w, ev.seq, ev.on, ev.kind)
    oldest = FAR
    for i in range(st.live, st.rows):
        row = w.rows[i]
        if row.due and open_part(row, PRINCIPAL) + open_part(row, INTEREST) > 0:
            oldest = min(oldest, row.late_from)
    if conv.accruals == SEGMENT:
        cut_segments(w, conv, today)
    moved = 0
    for j in range(d.share_count):
        c, num, den = d.share_component[j], d.share_num[j], d.share_den[j]
        if den < 1 or den > 1_000_000 or num > 1_000_000:
            st.status = GAP
            return
        for i in range(st.live, st.rows):
            if c > COMPOUND:
                break
            part = share_rounded(max(0, claim(conv, w.rows[i], c)), num, den, conv.rounding, conv.unit)
            w.rows[i].gone[c] += part
            _book(w, line, c, part)
            st.subrogated[c] += part
            moved += part
        for k in range(st.charges):
            charge = w.charges[k]
            if charge.component == c and charge.due_on <= today and charge.settled < charge.amount:
                part = share_rounded(charge.amount - charge.settled, num, den, conv.rounding, 1)
                charge.settled += part
                _book(w, line, c, part)
                st.subrogated[c] += part
                moved += part
    if oldest < FAR and moved:
        st.guaranteed_from = oldest if st.guaranteed_from == NO else min(oldest, st.guaranteed_from)


@kernel
def _pay_guarantor_part(w, c, left, line):
    part = min(left, w.state[0].subrogated[c])
    w.state[0].subrogated[c] -= part
    _book(w, line, c, part)
    return left - part


@kernel
def _on_pay_guarantor(w, ev, d, amount):
    st, line, left = w.state[0], _line(w, ev.seq, ev.on, ev.kind), amount
    for j in range(d.component_count):
        left = _pay_guarantor_part(w, d.components[j], left, line)
    if d.component_count == 0:
        for j in range(4):
            left = _pay_guarantor_part(w, GUARANTOR_ORDER[j], left, line)
    for c in range(C):
        left = _pay_guarantor_part(w, c, left, line)
    if st.subrogated[PRINCIPAL] == 0 and st.subrogated[INTEREST] == 0:
        st.guaranteed_from = NO


@kernel
def _on_pause(w, conv, d, today):
    st = w.state[0]
    start = d.from_day if d.from_day != NO else today
    if st.pauses + 1 >= w.pauses.shape[0] or d.until <= start:
        st.status = GAP
        return
    pause = w.pauses[st.pauses]
    pause.start, pause.end, pause.what = start, d.until, d.pause_what
    st.pauses += 1
    if d.pause_what & P_INTEREST:
        _replannable(w, today)
        for i in range(st.live, st.rows):
            if w.rows[i].fixed_interest < 0:
                add_stop(w, w.rows[i], start, d.until)
        _refresh(w, conv)


@kernel
def _on_settlement(w, loan, conv, ev, amount, today):
    st, n = w.state[0], _find_undue(w, today)
    if n:
        _collapse(w, conv, n, today)
    for i in range(st.rows):
        w.rows[i].due = 1
    _sort_seen(w)
    _payment(w, loan, conv, ev.seq, ev.on, ev.kind, amount, today)
    for i in range(st.rows):
        row = w.rows[i]
        row.late_shown = 1
        for c in range(4):
            rest = max(0, claim(conv, row, c))
            row.gone[c] += rest
            st.settled[c] += rest
        note_paid(row, today)
    for k in range(st.charges):
        charge = w.charges[k]
        st.settled[charge.component] += charge.amount - charge.settled
        charge.settled = charge.amount
    st.stopped = today


@woven
def _on_judgment(w, loan, conv, ev, d, today):
    """Every claim leaves the rows and charges, the trace says which; what the judgment says is owed from now on."""
    st, line = w.state[0], _line(w, ev.seq, ev.on, ev.kind)
    oldest, due_on = FAR, today
    for i in range(st.live, st.rows):
        row = w.rows[i]
        if row.due and row.late_from < oldest and open_part(row, PRINCIPAL) + open_part(row, INTEREST) > 0:
            oldest, due_on = row.late_from, row.due_on
    n = _find_undue(w, today)
    if n:
        _collapse(w, conv, n, today)
    for i in range(st.live, st.rows):
        row = w.rows[i]
        row.due = 1
        if row.fixed_interest < 0:
            row.fixed_interest = row.interest
        for c in range(COMPOUND + 1):
            part = max(0, claim(conv, row, c))
            row.gone[c] += part
            _book(w, line, c, part)
        note_paid(row, today)
    for k in range(st.charges):
        charge = w.charges[k]
        _book(w, line, charge.component, charge.amount - charge.settled)
        charge.settled = charge.amount
    judged_row(w, conv, d, min(due_on, today), min(oldest, today))
    st.adjudged[PRINCIPAL] += d.judged_principal
    st.adjudged[INTEREST] += d.judged_interest
    st.adjudged[RECOVERY_COST] += d.judged_cost
    if d.judged_cost:
        _charge_new(w, RECOVERY_COST, d.judged_cost, today)
    _sort_seen(w)
    _pay_held(w, loan, conv, today)


@kernel
def _charge_new(w, component, amount, due_on):
    st = w.state[0]
    if st.charges + 1 >= w.charges.shape[0]:
        st.status = GAP
        return
    charge = w.charges[st.charges]
    charge.component, charge.amount, charge.settled, charge.due_on = component, amount, 0, due_on
    st.charges += 1


@woven
def _apply(w, loan, conv, ev, amount, d, today):
    st, kind = w.state[0], ev.kind
    if st.judged and REFUSED[kind]:
        _reject(w, ev.seq)
        return
    if kind == E_PAYMENT or kind == E_DEBIT:
        _on_payment(w, loan, conv, ev, amount, d, today)
    elif kind == E_PREPAYMENT:
        _on_prepayment(w, loan, conv, ev, amount, d, today)
    elif kind == E_REPAY_PART:
        _on_repay_part(w, loan, conv, ev, amount, today)
    elif kind == E_PAYOFF:
        _on_payoff(w, loan, conv, ev, amount, d, today)
    elif kind == E_RATE:
        _on_rate_change(w, loan, conv, ev, d, today)
    elif kind == E_CHARGE:
        _charge_new(w, ev.component, amount, d.until if d.until != NO else today)
    elif kind == E_WAIVER:
        _on_waiver(w, conv, ev, amount, today)
    elif kind == E_DEFER:
        _on_defer(w, loan, conv, d, today)
    elif kind == E_EXTENSION:
        _on_extension(w, loan, conv, ev, d, today)
    elif kind == E_REAMORTISE:
        _on_reamortise(w, loan, conv, ev, d, today)
    elif kind == E_RESTRUCTURE:
        st.class_code = d.class_code
    elif kind == E_ACCELERATION:
        _on_acceleration(w, loan, conv, today)
    elif kind == E_WRITE_OFF:
        _on_write_off(w, conv, today)
    elif kind == E_GUARANTOR:
        _on_guarantor(w, conv, ev, d, today)
    elif kind == E_PAY_GUARANTOR:
        _on_pay_guarantor(w, ev, d, amount)
    elif kind == E_PAUSE:
        _on_pause(w, conv, d, today)
    elif kind == E_DISBURSEMENT:
        n = _replannable(w, today)
        if n == 0:
            _reject(w, ev.seq)
            return
        st.drawn += amount
        _replan_from(w, loan, conv, n, today, _undue_principal(w, n) + amount, KEEP_TERM)
    elif kind == E_CREDIT_REFUND:
        if amount > st.surplus:
            _reject(w, ev.seq)
            return
        st.surplus -= amount
        st.refunded += amount
    elif kind == E_CHARGEBACK:
        row = w.rows[new_row(w, today, today, today, today)]
        row.principal, row.fixed_interest, row.due = amount, 0, 1
        st.paid_total -= amount
        st.back += amount
    elif kind == E_SETTLEMENT:
        _on_settlement(w, loan, conv, ev, amount, today)
    elif kind == E_JUDGMENT:
        _on_judgment(w, loan, conv, ev, d, today)
    elif kind == E_INSOLVENCY:
        _on_acceleration(w, loan, conv, today)
        st.stopped = today
    else:
        st.status = GAP
    if (
        conv.outstanding
        and conv.surplus == TO_NEXT
        and st.surplus
        and (kind == E_RATE or kind == E_DEFER or kind == E_REAMORTISE or kind == E_PAUSE or kind == E_DISBURSEMENT)
    ):
        # Interest paid in advance was held again for the new plan: it goes at once to the new rows.
        st.surplus = _pay_next(w, conv, st.surplus, today, NO_LINE)
    if kind != E_PAYMENT and kind != E_PREPAYMENT and kind != E_CHARGE and kind != E_DEBIT:
        _sort_seen(w)
        _note_later(w, conv, today)


@kernel
def _void(events, details, low, high, known_at, seq):
    """Whether a known reversal, itself not reversed, speaks of event `seq`."""
    for i in range(low, high):
        e = events[i]
        if e.kind == E_REVERSAL and e.recorded_at <= known_at and details[e.detail].of_seq == seq:
            if not _reversed(events, details, low, high, known_at, e.seq):
                return True
    return False


@kernel
def _reversed(events, details, low, high, known_at, seq):
    for i in range(low, high):
        e = events[i]
        if e.kind == E_REVERSAL and e.recorded_at <= known_at and details[e.detail].of_seq == seq:
            return True
    return False


@inlined
def _is_sound(e, details):
    """Whether an event is of a compiled kind, in range and without an `event_problem`; otherwise the reference speaks."""
    low = -1 if e.kind == E_WAIVER else 0
    if not (0 <= e.detail < len(details) and low <= e.amount <= PRINCIPAL_MINOR_MAX and abs(e.on) <= DAY_MAX):
        return False
    return (e.kind == E_PAYMENT and e.detail == 0) or _is_sound_detail(e, details[e.detail])


@kernel
def _is_sound_detail(e, d):
    if e.kind > E_ADJUSTMENT or (e.kind == E_JUDGMENT and not d.is_judged):
        return False
    if e.kind == E_ADJUSTMENT and (d.from_day != NO or d.until != NO):
        return False
    if not -1 <= d.rate_ppm <= RATE_PPM_MAX or (e.kind == E_RATE and d.rate_ppm < 0):
        return False
    if (e.kind == E_PAUSE or e.kind == E_EXTENSION) and d.until == NO:
        return False
    if e.kind == E_DEFER and not 0 <= d.rows <= ROW_COUNT_MAX:
        return False
    for k in range(d.share_count):
        if not 0 <= d.share_num[k] <= d.share_den[k]:
            return False
    return e.kind != E_CHARGE or e.component == PENALTY or e.component >= FEE


@kernel
def _chained(events, details, low, high, known_at):
    """Whether a reversal of a reversal is itself reversed, or came before what it reverses: the reference unwinds those."""
    for i in range(low, high):
        e = events[i]
        if e.kind == E_REVERSAL and e.recorded_at <= known_at:
            for j in range(low, high):
                f = events[j]
                if f.kind == E_REVERSAL and f.recorded_at <= known_at and f.seq == details[e.detail].of_seq:
                    if f.seq > e.seq or _reverses_one(events, details, low, high, known_at, f):
                        return True
    return False


@kernel
def _reverses_one(events, details, low, high, known_at, f):
    of_seq = details[f.detail].of_seq
    for k in range(low, high):
        g = events[k]
        if g.kind == E_REVERSAL and g.recorded_at <= known_at and g.seq == of_seq and g.seq != f.seq:
            return True
    return False


@woven
def _choose(w, events, details, low, high, as_of, known_at):
    """Indices of the events that count, by (day, seq), in w.chosen; how many, -1 when too many or one is out of range."""
    special, w.state[0].adjusted = False, 0
    for i in range(low, high):
        if not _is_sound(events[i], details):
            return -1
        special = special or events[i].kind == E_REVERSAL
        if events[i].kind == E_ADJUSTMENT:
            w.state[0].adjusted = 1
    if special and _chained(events, details, low, high, known_at):
        return -1
    n = 0
    for i in range(low, high):
        e = events[i]
        if e.recorded_at > known_at or e.on > as_of or e.kind == E_REVERSAL or e.kind == E_ADJUSTMENT:
            continue
        if special and _void(events, details, low, high, known_at, e.seq):
            continue
        if n + 1 >= w.chosen.shape[0]:
            return -1
        at = n
        while at > 0 and (
            events[w.chosen[at - 1]].on > e.on or (events[w.chosen[at - 1]].on == e.on and events[w.chosen[at - 1]].seq > e.seq)
        ):
            w.chosen[at] = w.chosen[at - 1]
            at -= 1
        w.chosen[at] = i
        n += 1
    return n


@kernel
def _adjusted_amount(events, details, low, high, known_at, e):
    """The amount of an event after the last live correction of it."""
    amount, by = e.amount, -1
    for i in range(low, high):
        a = events[i]
        if a.kind == E_ADJUSTMENT and a.recorded_at <= known_at and details[a.detail].of_seq == e.seq and a.seq > by:
            if not _reversed(events, details, low, high, known_at, a.seq):
                amount, by = a.amount, a.seq
    return amount


# --- the answer --------------------------------------------------------------------------------------------------------


@kernel
def _days_past_due(w, conv, today):
    """(days past due, the oldest counted due date or NO)."""
    st, total, oldest, oldest_one = w.state[0], 0, FAR, FAR
    rel = 0
    if conv.dpd_rel:
        unpaid = unpaid_principal(w)
        rel = (unpaid // PPM) * conv.dpd_rel + ((unpaid % PPM) * conv.dpd_rel) // PPM
    for i in range(st.live, st.rows):
        row = w.rows[i]
        if row.due and row.due_on < today:
            amount = (open_part(row, PRINCIPAL) if conv.dpd_principal else 0) + (
                open_part(row, INTEREST) if conv.dpd_interest else 0
            )
            if amount > 0:
                total += amount
                if today > row.due_on + conv.dpd_grace:
                    oldest = min(oldest, row.late_from)
                    if amount > conv.dpd_abs and amount > rel:
                        oldest_one = min(oldest_one, row.late_from)
    if conv.dpd_per == PER_INSTALMENT:
        oldest = oldest_one
    elif total <= conv.dpd_abs or total <= rel:
        oldest = FAR
    if oldest == FAR:
        return 0, NO
    days = today - oldest - (conv.dpd_grace if conv.dpd_restart else 0)
    for k in range(st.pauses):
        if w.pauses[k].what & P_DPD:
            days -= max(0, min(today, w.pauses[k].end) - max(w.pauses[k].start, oldest))
    days = max(0, days)
    return days, (oldest if days > 0 else NO)


@kernel
def _answer_rows(w, out):
    """What the rows say of themselves: how many fell due and were paid, what is open, the last dates."""
    st = w.state[0]
    out.row_outstanding = out.due_count = out.paid_count = 0
    out.last_due_on = out.maturity_on = NO
    since = FAR
    for i in range(st.rows):
        row = w.rows[i]
        out.row_outstanding += open_part(row, PRINCIPAL) + open_part(row, INTEREST)
        out.maturity_on = max(out.maturity_on, row.due_on)
        if row.due:
            out.due_count += 1
            out.last_due_on = max(out.last_due_on, row.due_on)
            if open_part(row, INTEREST) > 0:
                since = min(since, row.due_on)
        if row.paid_on != NO:
            out.paid_count += 1
    out.interest_since = NO if since == FAR else since


@kernel
def _moves(w, loan, out):
    """What moved, by cause: the lines of the trace and what has none (engine.moves)."""
    st = w.state[0]
    for cause in range(out.by.shape[0]):
        for c in range(out.by.shape[1]):
            out.by[cause, c] = 0
    for k in range(st.lines):
        line = w.lines[k]
        for c in range(C):
            out.by[line.cause, c] += line.amounts[c]
        out.by[line.cause, HELD] += line.held
    out.by[C_DRAWN, PRINCIPAL] = loan.principal + st.drawn
    out.by[C_BACK, PRINCIPAL] += st.back
    out.by[C_REFUNDED, HELD] -= st.refunded
    for c in range(C):
        out.by[C_USED, c] += st.used[c]
        out.by[C_USED, HELD] -= st.used[c]
        out.by[C_WAIVED, c] += st.settled[c]
        out.by[C_REPLACED, c] -= st.adjudged[c]


@kernel
def _answer(w, conv, out, today):
    st = w.state[0]
    out.principal = out.interest = out.accrued = out.penalty = out.compound = 0
    out.fee = out.third_party_fee = out.recovery_cost = 0
    out.total_overdue = out.overdue_principal = out.overdue_interest = 0
    out.next_due_on, out.next_due = NO, 0
    due_now = 0
    for i in range(st.live, st.rows):
        row = w.rows[i]
        p = open_part(row, PRINCIPAL)
        out.principal += p
        if row.due:
            interest, penalty, compound = open_part(row, INTEREST), claim(conv, row, PENALTY), claim(conv, row, COMPOUND)
            out.interest += interest
            out.penalty += penalty
            out.compound += compound
            due_now += p + interest
            if row.due_on < today:
                out.overdue_principal += p
                out.overdue_interest += interest
                out.total_overdue += p + interest + penalty + compound
        else:
            out.penalty += claim(conv, row, PENALTY)
            out.compound += claim(conv, row, COMPOUND)
            out.accrued += _accrued(w, conv, row, today)
            if out.next_due_on == NO:
                out.next_due_on, out.next_due = row.due_on, p + open_part(row, INTEREST)
    _answer_rows(w, out)
    for k in range(st.charges):
        charge = w.charges[k]
        owed = charge.amount - charge.settled
        if charge.due_on > today:
            continue
        if charge.component == FEE:
            out.fee += owed
        elif charge.component == THIRD_PARTY_FEE:
            out.third_party_fee += owed
        elif charge.component == RECOVERY_COST:
            out.recovery_cost += owed
        else:
            out.penalty += owed
        if charge.due_on < today:
            out.total_overdue += owed
    out.surplus = st.surplus
    out.payoff = (
        out.principal + out.interest + out.accrued + out.penalty + out.compound + out.fee + out.third_party_fee
        + out.recovery_cost - out.surplus
    )  # fmt: skip
    days, oldest = _days_past_due(w, conv, today)
    out.days_past_due, out.oldest_due_on = days, oldest
    out.in_flight = 0
    for k in range(st.debits):
        out.in_flight += w.debits[k].amount
    out.shown_days_past_due = 0 if out.in_flight and out.in_flight >= due_now else days
    out.borrower_days_past_due = days
    if st.guaranteed_from != NO:
        out.borrower_days_past_due = max(days, today - st.guaranteed_from)
    out.is_written_off, out.class_code = st.is_written_off, st.class_code
    out.paid_total, out.row_count, out.line_count = st.paid_total, st.rows, st.lines
    for c in range(C):
        out.subrogated[c] = st.subrogated[c]
        out.written_off[c] = st.written_off[c] if st.is_written_off else 0
        out.recovered[c] = st.recovered[c] if st.is_written_off else 0


@inlined
def _in_bounds(w, loan, conv, as_of):
    """Whether the loan lies where the numbers here are exact: the bounds of `Terms.problems` and those of the scratch."""
    return (
        conv.gap == 0
        and 0 < loan.principal <= PRINCIPAL_MINOR_MAX
        and 0 <= loan.rate <= RATE_PPM_MAX
        and 0 <= loan.instalments <= ROW_COUNT_MAX
        and (loan.instalments > 0 or conv.method == INTEREST_ONLY or conv.method == BULLET or conv.method == CUSTOM)
        and 0 <= loan.custom_count <= w.undue.shape[0] - 4
        and 0 <= loan.due_day <= 31
        and abs(loan.disbursed_on) <= DAY_MAX
        and abs(as_of) <= DAY_MAX
        and (loan.first_due_on == NO or abs(loan.first_due_on) <= DAY_MAX)
        and (loan.maturity_on == NO or abs(loan.maturity_on) <= DAY_MAX)
    )


@woven
def _replay(w, loan, conv, events, details, low, high, as_of, known_at, out):
    st = w.state[0]
    st.status, st.status_seq = OK, 0
    st.rows = st.live = st.charges = st.pauses = st.debits = st.lines = st.pieces = st.stops = 0
    st.surplus = st.paid_total = st.accelerated = st.is_written_off = st.class_code = 0
    st.stopped = st.guaranteed_from = st.note_at = NO
    st.drawn = st.back = st.refunded = 0
    st.tail_q = st.tail_r = st.tail_shown = st.capped = st.judged = 0
    st.rates = 1
    w.rates[0].on, w.rates[0].rate = NO, loan.rate
    for c in range(C):
        st.subrogated[c] = st.used[c] = st.settled[c] = st.adjudged[c] = 0
    n = _choose(w, events, details, low, high, as_of, known_at)
    if n < 0 or not _in_bounds(w, loan, conv, as_of):
        st.status = GAP
        return
    st.level = make_plan(w, loan, conv)
    st.today = loan.disbursed_on - 1
    _rows_changed(w)
    st.today = loan.disbursed_on
    if _next_due(w, st.today - 1) == st.today:
        _fall_due(w, loan, conv, st.today)
    _fix_ended(w, st.today)
    for k in range(n + 1):
        on = as_of if k == n else events[w.chosen[k]].on
        if on > st.today:
            _advance(w, loan, conv, on)
        if st.status != OK:
            return
        if k == n:
            break
        e = events[w.chosen[k]]
        amount = _adjusted_amount(events, details, low, high, known_at, e) if st.adjusted else e.amount
        if e.kind == E_PAYMENT and e.detail == 0:
            _payment(w, loan, conv, e.seq, e.on, E_PAYMENT, amount, st.today)
        else:
            live_rows(w, conv, st.today)
            _apply(w, loan, conv, e, amount, details[e.detail], st.today)
    if conv.outstanding and not st.judged:
        follow(w, conv, st.today, True)
        if st.status != OK:
            return
    live_rows(w, conv, as_of)
    _answer(w, conv, out, as_of)


@entry
def replay_range(works, loans, conventions, custom, offsets, events, details, first, last, as_of, known_at, out, moves):
    """Standings of loans first..last-1 into out[first:last]. works: one record of WORK. as_of: one day a loan. moves: what moved
    by cause, into moves[first:last] where it has room for them."""
    w = works[0]
    for i in range(first, last):
        loan = loans[i]
        for k in range(min(loan.custom_count, w.undue.shape[0])):
            for c in range(3):
                w.custom[k, c] = custom[loan.custom_at + k, c]
        _replay(w, loan, conventions[loan.convention], events, details, offsets[i], offsets[i + 1], as_of[i], known_at, out[i])
        out[i].status, out[i].status_seq = w.state[0].status, w.state[0].status_seq
        if i < len(moves):
            _moves(w, loan, moves[i])


@entry
def rows_out(works, conv, out):
    """Rows of the loan last replayed, in their own order; how many."""
    w = works[0]
    for i in range(w.state[0].rows):
        row, o = w.rows[i], out[i]
        o.due_on, o.late_from, o.principal, o.interest = row.due_on, row.late_from, row.principal, row.interest
        o.paid_principal, o.paid_interest, o.paid_on = row.paid[PRINCIPAL], row.paid[INTEREST], row.paid_on
        o.outstanding = open_part(row, PRINCIPAL) + open_part(row, INTEREST)
        o.penalty, o.compound = claim(conv, row, PENALTY), claim(conv, row, COMPOUND)
    if conv.has_subsidy:
        subsidies_out(w, conv, out)
    return w.state[0].rows


def work_new(terms: K.TermsColumns) -> np.ndarray:
    """Scratch of one thread for these terms: one record of WORK."""
    works = np.zeros(1, WORK).view(np.recarray)
    blank_set(works)
    calendars_set(works, terms)
    return works


def calendars_set(works: np.ndarray, terms: K.TermsColumns) -> None:
    """Lay the calendars of these terms into a scratch."""
    count = min(len(terms.calendars), K.CALENDARS_MAX)
    works["calendars"][0, :count, : terms.calendars.shape[1]] = terms.calendars[:count]


assert ROW_COUNT_MAX + 4 < ROWS_MAX
assert RATIO_DEN_MAX * PPM * 365 * 366 * K.UNIT_MAX < 2**62
