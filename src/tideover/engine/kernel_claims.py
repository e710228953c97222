"""Claims of a row in a kernel, and the lateness that runs on it: what is owed now, and how a row lives through late days."""

from __future__ import annotations

from tideover.engine.columns import NO, PPM
from tideover.engine.compiled import inlined, kernel
from tideover.engine.events import PauseWhat
from tideover.engine.kernel_dates import days_counted
from tideover.engine.kernel_numbers import add_product, rounded
from tideover.engine.kernel_plan import GAP, SHIFTED
from tideover.engine.terms import Component, CompoundRate, DayCount, PenaltyBase

PRINCIPAL, INTEREST, PENALTY, COMPOUND = (int(c) for c in list(Component)[:4])
ON_BOTH, AT_PENALTY_RATE = int(PenaltyBase.PRINCIPAL_INTEREST), int(CompoundRate.PENALTY)
THIRTY, THIRTY_E = int(DayCount.THIRTY_360), int(DayCount.THIRTY_E_360)
P_INTEREST, P_PENALTY, P_DPD = int(PauseWhat.INTEREST), int(PauseWhat.PENALTY), int(PauseWhat.DPD)
LATE_MAX = 6 * 10**15
"""Largest overdue base (minor units) that add_product takes with any compiled penalty rate; above it the reference answers."""


@inlined
def open_part(row, c):
    """Unpaid principal or interest of a row, due or not."""
    return (row.principal if c == PRINCIPAL else row.interest) - row.paid[c] - row.gone[c]


@inlined
def claim(conv, row, c):
    """What a row owes of a component now; the row must have lived to today."""
    if c <= INTEREST:
        return open_part(row, c) if row.due else 0
    if c > COMPOUND or not row.late_shown:
        return 0
    return _late_claim(conv, row, c)


@kernel
def _late_claim(conv, row, c):
    k = c - PENALTY
    run = rounded(row.run_q[k], row.run_r[k], conv.late_over[k], conv.rounding, conv.unit)
    return row.fixed[k] + run - row.paid[c] - row.gone[c]


@inlined
def rate_at(w, on):
    """The contract rate (ppm) of a day."""
    rate = w.rates[0].rate
    for k in range(1, w.state[0].rates):
        if w.rates[k].on <= on:
            rate = w.rates[k].rate
    return rate


@kernel
def set_rate(w, on, rate):
    """The contract rate from a day on, in order of days."""
    st = w.state[0]
    at = st.rates
    for k in range(st.rates):
        if w.rates[k].on == on:
            w.rates[k].rate = rate
            return
    if at + 1 >= w.rates.shape[0]:
        st.status = GAP
        return
    while at > 0 and w.rates[at - 1].on > on:
        w.rates[at].on, w.rates[at].rate = w.rates[at - 1].on, w.rates[at - 1].rate
        at -= 1
    w.rates[at].on, w.rates[at].rate = on, rate
    st.rates += 1


@inlined
def grace_last(conv, row):
    """The last day of grace of a row: late from the day after."""
    start = row.due_on if conv.grace_from == SHIFTED else row.late_from
    return max(start + conv.grace_days, row.due_on)


@inlined
def lateness_days(day_count, start, end):
    """Days counted from start to end as the reference adds them up, day by day: then 30/360 counts as 30E/360 does (a day
    before the 31st is a 30th, so every 31st counts as a 30th), and so its days add up."""
    return days_counted(THIRTY_E if day_count == THIRTY else day_count, start, end)


@inlined
def live_row(w, conv, row, today):
    """Let a row's lateness run up to (not including) today, and settle at the end of grace whether it is owed at all."""
    if conv.has_penalty and today > row.late_from and today > row.lived_to:
        _live_late(w, conv, row, today)
    row.lived_to = max(row.lived_to, today)


@kernel
def _live_late(w, conv, row, today):
    start, st = max(row.lived_to, row.late_from), w.state[0]
    if st.capped or st.judged:
        return
    owed_p, owed_i = open_part(row, PRINCIPAL), open_part(row, INTEREST)
    if conv.restart_on_grace_end:
        start = max(start, row.late_from + conv.grace_days)
    if owed_p or owed_i or row.joined:
        at = start
        while at < today:
            stop, paused = _next_turn(w, row, at, today)
            if not paused and not (st.stopped != NO and at >= st.stopped):
                _run(w, conv, row, at, stop, owed_p, owed_i if row.due or row.end <= at else 0)
            at = stop
    if not row.late_shown and today > grace_last(conv, row):
        if owed_p + owed_i > 0:
            row.late_shown = 1
        else:
            for k in range(2):
                row.run_q[k] = 0
                row.run_r[k] = 0


@inlined
def _next_turn(w, row, at, today):
    """(the first day after `at`, today at the latest, on which rate, base or rules of lateness may change, whether paused)."""
    stop, st, paused = today, w.state[0], False
    if at < row.end < stop:
        stop = row.end
    if at < st.maturity < stop:
        stop = st.maturity
    if at < st.stopped < stop:
        stop = st.stopped
    for k in range(1, st.rates):
        if at < w.rates[k].on < stop:
            stop = w.rates[k].on
    for k in range(st.pauses):
        p = w.pauses[k]
        if p.what & P_PENALTY:
            if at < p.start < stop:
                stop = p.start
            if at < p.end < stop:
                stop = p.end
            paused = paused or p.start <= at < p.end
    return stop, paused


@kernel
def _run(w, conv, row, at, stop, owed_p, owed_i):
    contract = rate_at(w, at)
    rate = conv.penalty_rate if conv.penalty_rate >= 0 else contract * conv.ratio_num
    base = owed_p + (owed_i if conv.penalty_base == ON_BOTH else 0)
    if owed_p + owed_i + row.joined > LATE_MAX:
        w.state[0].status = GAP
        return
    if base:
        _run_one(conv, row, 0, base, rate, lateness_days(conv.penalty_day_count, at, stop))
    if conv.compound_on_interest:
        base = owed_i
        if row.joined:
            base += min(row.joined, claim(conv, row, COMPOUND))
        if base:
            which = conv.compound_rate_after if at >= w.state[0].maturity else conv.compound_rate_before
            rate = rate if which == AT_PENALTY_RATE else contract * conv.ratio_den
            _run_one(conv, row, 1, base, rate, lateness_days(conv.compound_day_count, at, stop))


@kernel
def _run_one(conv, row, k, base, rate, n):
    """Penalty (0) or compound (1) on a base for n days."""
    over = conv.penalty_over if k == 0 else conv.compound_over
    q, r = add_product(row.run_q[k], row.run_r[k], base, rate, n, PPM * conv.ratio_den, over)
    row.run_q[k] = q
    row.run_r[k] = r


@kernel
def live_rows(w, conv, today):
    """Let every row live up to today, and pass by the rows that nothing can touch any more."""
    st = w.state[0]
    for i in range(st.live, st.rows):
        row = w.rows[i]
        if row.due or today > row.late_from:
            live_row(w, conv, row, today)
        elif st.sorted and today <= row.due_on:
            break
    pass_done(w, conv)


@inlined
def pass_done(w, conv):
    """Let `live` pass the rows at the front on which nothing can move any more."""
    st = w.state[0]
    while st.live < st.rows and _is_done(conv, w.rows[st.live]):
        st.live += 1


@inlined
def _is_done(conv, row):
    if not row.due or row.paid_on == NO or row.fixed_interest < 0 or open_part(row, PRINCIPAL) or open_part(row, INTEREST):
        return False
    if row.late_shown:
        return row.joined == 0 and claim(conv, row, PENALTY) == 0 and claim(conv, row, COMPOUND) == 0
    return row.run_q[0] == 0 and row.run_r[0] == 0 and row.run_q[1] == 0 and row.run_r[1] == 0


@kernel
def cut_segments(w, conv, today):
    """Under segment accruals every payment ends a segment: what lateness has run is rounded and begins anew."""
    for i in range(w.state[0].live, w.state[0].due_stop):
        row = w.rows[i]
        live_row(w, conv, row, today)
        if row.late_shown:
            for k in range(2):
                row.fixed[k] += rounded(row.run_q[k], row.run_r[k], conv.late_over[k], conv.rounding, conv.unit)
                row.run_q[k] = 0
                row.run_r[k] = 0


@kernel
def _shown(conv, row, k):
    """Penalty (0) or compound (1) that a row ever claimed, rounded."""
    if not row.late_shown:
        return 0
    return row.fixed[k] + rounded(row.run_q[k], row.run_r[k], conv.late_over[k], conv.rounding, conv.unit)


@kernel
def _shown_on(w, conv, on):
    """The sum of what all rows will have claimed by `on`, as things stand; nothing is changed."""
    total, trial = 0, w.rows[w.rows.shape[0] - 1]
    for i in range(w.state[0].rows):
        if w.rows[i].late_shown or w.rows[i].late_from < on:
            w.rows[w.rows.shape[0] - 1] = w.rows[i]
            live_row(w, conv, trial, on)
            total += _shown(conv, trial, 0) + _shown(conv, trial, 1)
    return total


@kernel
def hold_to_cap(w, conv, today, until):
    """If the sum passes the cap in the days before `until`: what grew on the first such day is cut back, newest row first and
    compound before penalty, and nothing accrues any more. The sum never falls, so that day is found by halving."""
    st = w.state[0]
    if st.capped or until <= today or _shown_on(w, conv, until) <= conv.cap:
        return
    low, high = today, until
    while high - low > 1:
        middle = (low + high) // 2
        if _shown_on(w, conv, middle) > conv.cap:
            high = middle
        else:
            low = middle
    for i in range(st.rows):
        live_row(w, conv, w.rows[i], high - 1)
        w.shown[i, 0], w.shown[i, 1] = _shown(conv, w.rows[i], 0), _shown(conv, w.rows[i], 1)
    excess = -conv.cap
    for i in range(st.rows):
        live_row(w, conv, w.rows[i], high)
        excess += _shown(conv, w.rows[i], 0) + _shown(conv, w.rows[i], 1)
    for i in range(st.rows - 1, -1, -1):
        row = w.rows[i]
        for j in range(2):
            k, parts = 1 - j, _shown(conv, row, 1 - j)
            cut = min(excess, parts - w.shown[i, k])
            if row.late_shown and cut > 0:
                row.run_q[k], row.run_r[k] = parts - row.fixed[k] - cut, 0
                excess -= cut
            if not row.late_shown:
                row.run_q[k], row.run_r[k] = 0, 0
    st.capped = 1


@inlined
def note_paid(row, today):
    """Remember the first day on which nothing of a due row was open."""
    if row.due and row.paid_on == NO and open_part(row, PRINCIPAL) + open_part(row, INTEREST) <= 0:
        row.paid_on = today


@kernel
def unpaid_principal(w):
    """Principal of the live rows that is not paid, minor units."""
    total = 0
    for i in range(w.state[0].live, w.state[0].rows):
        total += open_part(w.rows[i], PRINCIPAL)
    return total
