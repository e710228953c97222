"""Interest on the principal that is really out, in a kernel. Twin of reference_outstanding.py.

Rows to come are laid out anew only before something reads them (`full`): until then the running rows alone follow the money.
"""

from __future__ import annotations

from tideover.engine.columns import NO, PPM
from tideover.engine.compiled import kernel
from tideover.engine.kernel_claims import INTEREST, P_INTEREST, PRINCIPAL, lateness_days, live_row, open_part, rate_at
from tideover.engine.kernel_numbers import add_product, rounded
from tideover.engine.kernel_plan import (
    BALANCE_MAX,
    GAP,
    PER_DAY,
    add_piece,
    interest_exact,
    last_piece,
    planned_interest,
    set_last_piece,
    set_piece,
)

FAR = 1 << 40


@kernel
def base_on(w, conv, today):
    """Principal that bears contract interest on the day `today`, after its events."""
    total = 0
    for i in range(w.state[0].live, w.state[0].rows):
        row = w.rows[i]
        if not (conv.has_penalty and row.due and today >= row.late_from):
            total += open_part(row, PRINCIPAL)
    if total > BALANCE_MAX:
        w.state[0].status = GAP
    return total


@kernel
def next_turn(w, today):
    """The first later day on which the base, its rate, or the row that bears the interest may change."""
    st, best = w.state[0], FAR
    if st.maturity > today:
        best = st.maturity
    if today < st.stopped < best:
        best = st.stopped
    for k in range(st.rates):
        if today < w.rates[k].on < best:
            best = w.rates[k].on
    for k in range(st.pauses):
        if today < w.pauses[k].start < best:
            best = w.pauses[k].start
        if today < w.pauses[k].end < best:
            best = w.pauses[k].end
    for i in range(st.live, st.rows):
        row = w.rows[i]
        if today < row.end < best:
            best = row.end
        if today < row.due_on < best:
            best = row.due_on
        if today < row.late_from < best:
            best = row.late_from
    return best


@kernel
def _turn(w, row, today, base, rate):
    """The row runs on `base` at `rate` from today on."""
    on, balance, at = last_piece(w, row)
    if row.pieces and balance == base and at == rate:
        return
    if row.pieces == 0 or today <= row.start:
        set_piece(row, row.start, base, rate)
    elif on >= today:
        set_last_piece(w, row, today, base, rate)
    else:
        add_piece(w, row, today, base, rate)


@kernel
def _interest_set(w, conv, row, today):
    live_row(w, conv, row, today)
    row.interest = planned_interest(w, conv, row)


@kernel
def follow(w, conv, today, full):
    """Let the running rows, and with `full` those after them, bear interest on what is out from `today` on."""
    st = w.state[0]
    base, rate = base_on(w, conv, today), rate_at(w, today)
    if full or conv.grace_interest_rows:
        _follow_all(w, conv, today, base, rate)
        return
    for i in range(st.live, st.rows):
        row = w.rows[i]
        if row.start <= today < row.end and row.fixed_interest < 0:
            _turn(w, row, today, base, rate)
            _interest_set(w, conv, row, today)


@kernel
def _insert_by_start(w, n, i):
    at = n
    while at > 0 and w.rows[w.undue[at - 1]].start > w.rows[i].start:
        w.undue[at] = w.undue[at - 1]
        at -= 1
    w.undue[at] = i


@kernel
def _insert_by_end(w, n, i):
    at = n
    while at > 0 and w.rows[w.waiting[at - 1]].end > w.rows[i].end:
        w.waiting[at] = w.waiting[at - 1]
        at -= 1
    w.waiting[at] = i


@kernel
def _follow_all(w, conv, today, left, rate):
    """Rows in order of their start (w.undue); those that fall due before a row begins (w.waiting, by end) have left its base."""
    st, n, m, at = w.state[0], 0, 0, 0
    for i in range(0 if conv.grace_interest_rows else st.live, st.rows):
        _insert_by_start(w, n, i)
        n += 1
        if not w.rows[i].due:
            _insert_by_end(w, m, i)
            m += 1
    carried_q, carried_r, before = 0, 0, NO
    for k in range(n):
        row, begins_after = w.rows[w.undue[k]], before
        before = row.end if row.start < row.end else before
        if row.end <= today:
            if row.defer_out:
                carried_q, carried_r = _deferred(w, conv, row, carried_q, carried_r)
            elif row.start < row.end:
                carried_q, carried_r = 0, 0
            continue
        if row.fixed_interest >= 0:
            continue
        if row.start <= today:
            _turn(w, row, today, left, rate)
        else:
            if begins_after != row.start:
                st.status = GAP  # rows with days between them: the reference's own steps decide on which day the row begins
            while at < m and w.rows[w.waiting[at]].end <= row.start:
                left -= open_part(w.rows[w.waiting[at]], PRINCIPAL)
                at += 1
            set_piece(row, row.start, left, last_piece(w, row)[2] if row.pieces else rate)
        row.carried_q = row.carried_r = 0
        if row.defer_out:
            carried_q, carried_r = _deferred(w, conv, row, carried_q, carried_r)
        else:
            row.carried_q, row.carried_r, carried_q, carried_r = carried_q, carried_r, 0, 0
        _interest_set(w, conv, row, today)


@kernel
def _deferred(w, conv, row, carried_q, carried_r):
    """What is carried to a later row, with this row's interest added."""
    q, r, d = interest_exact(w, conv, row, row.end)
    if d != conv.over and (q or r):
        w.state[0].status = GAP
    over = PPM * conv.over
    return carried_q + q + (carried_r + r) // over, (carried_r + r) % over


@kernel
def tail(w, conv, today, until):
    """After the last row without penalty terms: contract interest goes on, due at once on that row."""
    st, last = w.state[0], -1
    if st.stopped != NO and today >= st.stopped:
        return
    for i in range(st.rows):
        row = w.rows[i]
        if not row.due and row.start <= today < row.end:
            return
        if row.end <= today and (
            last < 0 or row.due_on > w.rows[last].due_on or (row.due_on == w.rows[last].due_on and row.end > w.rows[last].end)
        ):
            last = i
    for k in range(st.pauses):
        if w.pauses[k].what & P_INTEREST and w.pauses[k].start <= today < w.pauses[k].end:
            return
    if last < 0:
        return
    base, rate, row = base_on(w, conv, today), rate_at(w, today), w.rows[last]
    if conv.round_where == PER_DAY:
        for on in range(today, until):
            q, r = add_product(0, 0, base, rate, lateness_days(conv.day_count, on, on + 1), PPM, conv.over)
            st.tail_q += rounded(q, r, PPM * conv.over, conv.rounding, conv.unit)
    else:
        n = lateness_days(conv.day_count, today, until)
        q, r = add_product(st.tail_q, st.tail_r, base, rate, n, PPM, conv.over)
        st.tail_q, st.tail_r = q, r
    grown = rounded(st.tail_q, st.tail_r, PPM * conv.over, conv.rounding, conv.unit)
    row.interest += grown - st.tail_shown
    row.fixed_interest = row.interest
    st.tail_shown = grown
    if open_part(row, INTEREST) > 0:
        row.paid_on = NO
        st.live = min(st.live, last)
