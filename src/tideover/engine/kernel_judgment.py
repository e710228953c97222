"""A judged debt in a kernel: what runs on it, and which events can no longer change it. Twin of reference_judgment.py.

The two totals are kept exactly and rounded once; the row that carries the debt holds them as interest and as fixed penalty.
"""

from __future__ import annotations

from tideover.engine.columns import NO, PPM, C
from tideover.engine.compiled import woven
from tideover.engine.events import EventKind
from tideover.engine.kernel_claims import LATE_MAX, P_INTEREST, P_PENALTY, PRINCIPAL, open_part
from tideover.engine.kernel_numbers import add_product, rounded
from tideover.engine.kernel_plan import GAP, new_row
from tideover.engine.reference_judgment import NOT_AFTER_JUDGMENT
from tideover.engine.terms import Component

RECOVERY_COST = int(Component.RECOVERY_COST)
REFUSED = tuple(k in NOT_AFTER_JUDGMENT for k in range(max(EventKind) + 1))
"""By kind of event: whether a judged debt refuses it."""


@woven
def judged_row(w, conv, d, due_on, late_from):
    """The judgment of detail `d` becomes the loan's only debt, in a row of its own due since `due_on`."""
    st = w.state[0]
    row = w.rows[new_row(w, st.today, st.today, due_on, late_from)]
    row.principal, row.interest, row.fixed_interest = d.judged_principal, d.judged_interest, d.judged_interest
    row.due, row.late_shown = 1, 1
    st.judged, st.accelerated, st.maturity = st.rows, 1, st.today
    st.judged_interest, st.performance_due_on, st.general_from = d.judged_interest, d.performance_due_on, d.general_from
    st.general_rate, st.general_year, st.double_daily = d.general_rate, d.general_year, d.double_daily
    st.double_on_cost = d.double_on_cost
    st.general_q = st.general_r = st.double_q = st.double_r = 0
    n = 0
    while n < C and d.judged_order[n] >= 0:
        w.order[n] = d.judged_order[n]
        n += 1
    named = n
    for k in range(C):
        known = False
        for j in range(named):
            known = known or w.order[j] == conv.order[0, k]
        if not known:
            w.order[n] = conv.order[0, k]
            n += 1


@woven
def live_judged(w, conv, today, to):
    """General interest and the double part of the days from `today` to the day before `to`."""
    st = w.state[0]
    row = w.rows[st.judged - 1]
    base = open_part(row, PRINCIPAL)
    with_cost = base
    if st.double_on_cost:
        for k in range(st.charges):
            if w.charges[k].component == RECOVERY_COST:
                with_cost += w.charges[k].amount - w.charges[k].settled
    if with_cost > LATE_MAX:
        st.status = GAP
        return
    at = today
    while at < to and (st.stopped == NO or at < st.stopped):
        stop, paused = to, 0
        if at < st.performance_due_on < stop:
            stop = st.performance_due_on
        if at < st.general_from < stop:
            stop = st.general_from
        if at < st.stopped < stop:
            stop = st.stopped
        for k in range(st.pauses):
            p = w.pauses[k]
            if at < p.start < stop:
                stop = p.start
            if at < p.end < stop:
                stop = p.end
            if p.start <= at < p.end:
                paused |= p.what
        if at >= st.general_from and not paused & P_INTEREST:
            q, r = add_product(st.general_q, st.general_r, base, st.general_rate, stop - at, PPM, st.general_year)
            st.general_q, st.general_r = q, r
        if at >= st.performance_due_on and not paused & P_PENALTY:
            q, r = add_product(st.double_q, st.double_r, with_cost, st.double_daily, stop - at, PPM, 1)
            st.double_q, st.double_r = q, r
        at = stop
    row.interest = st.judged_interest + rounded(st.general_q, st.general_r, PPM * st.general_year, conv.rounding, conv.unit)
    row.fixed_interest = row.interest
    row.fixed[0] = rounded(st.double_q, st.double_r, PPM, conv.rounding, conv.unit)
