"""The plan in a kernel: row dates, each row's exact interest, and the principal that a method gives it.

Twin of reference_schedule.py, rule by rule; what differs is only how numbers are kept (kernel_numbers.py).
"""

from __future__ import annotations

import numpy as np

from tideover.engine.columns import CALENDAR_DAYS, CALENDARS_MAX, LINE, NO, PPM, C, _ints
from tideover.engine.compiled import inlined, kernel
from tideover.engine.kernel_dates import (
    UNADJUSTED,
    adjusted,
    civil,
    days_counted,
    month_length,
    months_later,
    step,
)
from tideover.engine.kernel_numbers import AMBIGUOUS, add_product, balloon_instalment, level_instalment, rounded
from tideover.engine.terms import DayCount, FirstPeriod, Method, OddFirst, PartPeriod, Residue, RoundWhere, Shift

ANNUITY, EQUAL_PRINCIPAL, FLAT = int(Method.ANNUITY), int(Method.EQUAL_PRINCIPAL), int(Method.FLAT)
INTEREST_ONLY, BULLET, CUSTOM = int(Method.INTEREST_ONLY), int(Method.BULLET), int(Method.CUSTOM)
PERIODS, PROPORTION, BY_DAYS = int(DayCount.PERIODS), int(PartPeriod.PROPORTION), int(FirstPeriod.DAYS)
EXTRA_INTEREST, RESIDUE_FIRST = int(OddFirst.EXTRA_INTEREST), int(Residue.FIRST)
PER_DAY, SHIFTED = int(RoundWhere.PER_DAY), int(Shift.SHIFTED)
OK, REJECTED, GAP = 0, 1, 2
"""status: answered · an event cannot apply (status_seq) · the reference must answer."""

ROW = np.dtype(
    [
        *_ints(
            "start", "end", "due_on", "late_from", "principal", "balance", "interest", "fixed_interest", "extra_interest",
            "periods", "odd", "free", "defer_out", "settled_at", "carried_q", "carried_r", "pieces", "piece_on",
            "piece_balance", "piece_rate", "piece_more", "stop_first", "due", "late_shown", "lived_to", "joined", "paid_on",
        ),
        ("paid", "i8", (4,)),
        ("gone", "i8", (4,)),
        ("run_q", "i8", (2,)),
        ("run_r", "i8", (2,)),
        ("fixed", "i8", (2,)),
    ]
)  # fmt: skip
"""A row of the plan with its ledger. pieces: how many spans of one balance and rate; the first stands in piece_*, further ones
from `piece_more` on in the pool. stop_first: first of the spans in which no interest runs."""
PIECE = np.dtype(_ints("on", "balance", "rate", "next"))
STOP = np.dtype(_ints("start", "end", "next"))
SPAN = np.dtype(_ints("start", "end", "balance", "rate"))
RATE = np.dtype(_ints("on", "rate"))
CHARGE = np.dtype(_ints("component", "amount", "due_on", "settled"))
PAUSE = np.dtype(_ints("start", "end", "what"))
DEBIT = np.dtype(_ints("code", "amount", "taken"))
STATE = np.dtype(
    [
        *_ints(
            "status", "status_seq", "today", "rows", "live", "due_stop", "fixed_to", "sorted", "level", "surplus", "maturity",
            "accelerated", "paid_total", "stopped", "rates", "charges", "pauses", "debits", "lines", "pieces", "stops",
            "is_written_off", "guaranteed_from", "class_code", "note_at", "adjusted", "drawn", "back", "refunded", "tail_q",
            "tail_r", "tail_shown", "capped", "judged", "judged_interest", "performance_due_on", "general_from", "general_rate",
            "general_year", "double_daily", "double_on_cost", "general_q", "general_r", "double_q", "double_r",
        ),
        ("subrogated", "i8", (C,)),
        ("written_off", "i8", (C,)),
        ("recovered", "i8", (C,)),
        ("used", "i8", (C,)),
        ("settled", "i8", (C,)),
        ("adjudged", "i8", (C,)),
    ]
)  # fmt: skip
"""used, settled, drawn, back, refunded, adjudged: what moved without a line of the trace (engine.moves). judged: 1 + the row of
a judged debt, what runs on it after (kernel_judgment.py)."""
ROWS_MAX, EVENTS_MAX, SMALL_MAX = 2600, 4096, 256
BALANCE_MAX = 2 * 10**13
"""Largest balance (minor units) that a plan may carry here; above it the reference answers."""
WORK = np.dtype(
    [
        ("state", STATE, (1,)),
        ("blank", ROW, (1,)),
        ("rows", ROW, (ROWS_MAX,)),
        ("undue", "i8", (ROWS_MAX,)),
        ("waiting", "i8", (ROWS_MAX,)),
        ("shown", "i8", (ROWS_MAX, 2)),
        ("custom", "i8", (ROWS_MAX, 3)),
        ("pieces", PIECE, (ROWS_MAX * 4,)),
        ("stops", STOP, (ROWS_MAX * 2,)),
        ("spans", SPAN, (ROWS_MAX,)),
        ("rates", RATE, (SMALL_MAX,)),
        ("pauses", PAUSE, (SMALL_MAX,)),
        ("charges", CHARGE, (EVENTS_MAX,)),
        ("debits", DEBIT, (EVENTS_MAX,)),
        ("lines", LINE, (EVENTS_MAX,)),
        ("chosen", "i8", (EVENTS_MAX,)),
        ("order", "i8", (C,)),
        ("calendars", "u1", (CALENDARS_MAX, CALENDAR_DAYS)),
    ]
)
"""What one thread works in, as one record: a call then passes one address, which is most of the kernel's speed. Every array is
a scratch of fixed size; a loan that needs more is a GAP."""


def blank_set(works: np.ndarray) -> None:
    """Give a scratch the row that new ones are copied from."""
    blank = works["blank"][0, 0]
    blank["fixed_interest"] = blank["piece_more"] = blank["stop_first"] = -1
    blank["periods"] = 1
    blank["settled_at"] = blank["lived_to"] = blank["paid_on"] = NO


@inlined
def new_row(w, start, end, due_on, late_from):
    """Append an empty row; its index."""
    st = w.state[0]
    i = st.rows
    if i + 2 >= w.rows.shape[0]:
        st.status = GAP
        i -= 1
        st.rows = i
    st.rows += 1
    w.rows[i] = w.blank[0]
    row = w.rows[i]
    row.start, row.end, row.due_on, row.late_from = start, end, due_on, late_from
    return i


@inlined
def set_piece(row, on, balance, rate):
    """One span alone."""
    row.pieces = 1
    row.piece_on, row.piece_balance, row.piece_rate = on, balance, rate
    row.piece_more = -1


@kernel
def last_piece(w, row):
    """(on, balance, rate) of the row's last span."""
    if row.pieces == 1:
        return row.piece_on, row.piece_balance, row.piece_rate
    p = row.piece_more
    while w.pieces[p].next >= 0:
        p = w.pieces[p].next
    return w.pieces[p].on, w.pieces[p].balance, w.pieces[p].rate


@kernel
def set_last_piece(w, row, on, balance, rate):
    """Replace the row's last span."""
    if row.pieces == 1:
        row.piece_on, row.piece_balance, row.piece_rate = on, balance, rate
        return
    p = row.piece_more
    while w.pieces[p].next >= 0:
        p = w.pieces[p].next
    w.pieces[p].on, w.pieces[p].balance, w.pieces[p].rate = on, balance, rate


@kernel
def add_piece(w, row, on, balance, rate):
    """A further span from `on`."""
    st = w.state[0]
    p = st.pieces
    if p + 1 >= w.pieces.shape[0]:
        st.status = GAP
        return
    st.pieces += 1
    w.pieces[p].on, w.pieces[p].balance, w.pieces[p].rate, w.pieces[p].next = on, balance, rate, -1
    if row.pieces == 1:
        row.piece_more = p
    else:
        q = row.piece_more
        while w.pieces[q].next >= 0:
            q = w.pieces[q].next
        w.pieces[q].next = p
    row.pieces += 1


@kernel
def add_stop(w, row, start, end):
    """No interest runs in the row from start to end."""
    st = w.state[0]
    if st.stops + 1 >= w.stops.shape[0]:
        st.status = GAP
        return
    s = st.stops
    st.stops += 1
    w.stops[s].start, w.stops[s].end, w.stops[s].next = start, end, row.stop_first
    row.stop_first = s


@kernel
def _cut(w, row, n, start, end, balance, rate):
    """Add [start, end) less the row's stops to w.spans from n on; how many there are then."""
    at = start
    while at < end:
        stop, inside, s = end, False, row.stop_first
        while s >= 0:
            a, b = w.stops[s].start, w.stops[s].end
            if a <= at < b:
                at, inside = b, True
                break
            if at < a < stop and a < b:
                stop = a
            s = w.stops[s].next
        if inside:
            continue
        if n + 1 >= w.spans.shape[0]:
            w.state[0].status = GAP
            return n
        w.spans[n].start, w.spans[n].end, w.spans[n].balance, w.spans[n].rate = at, stop, balance, rate
        n += 1
        at = stop
    return n


@kernel
def _spans(w, row, begin, until):
    """The spans of one balance and rate from begin to until, in w.spans; how many."""
    n, on, balance, rate, p = 0, row.piece_on, row.piece_balance, row.piece_rate, row.piece_more
    while True:
        stop = w.pieces[p].on if p >= 0 else until
        n = _cut(w, row, n, max(on, begin), min(stop, until), balance, rate)
        if p < 0:
            return n
        on, balance, rate, p = w.pieces[p].on, w.pieces[p].balance, w.pieces[p].rate, w.pieces[p].next


@kernel
def _odd_days(conv, row):
    """360ths of a year of an odd period."""
    if conv.first_period == BY_DAYS:
        return row.end - row.start
    months, anchor_day = 0, civil(row.start)[2]
    while months_later(row.start, months + 1, anchor_day) <= row.end:
        months += 1
    return months * 30 + row.end - months_later(row.start, months, anchor_day)


@kernel
def interest_exact(w, conv, row, until):
    """(q, r, d): exact interest from the row's start (or last settlement) to `until` is q + r/(PPM*d) minor units."""
    d = conv.over
    if row.free or row.pieces == 0:
        return 0, 0, d
    begin = row.start if row.settled_at == NO else max(row.start, row.settled_at)
    until = min(until, row.end)
    if until <= begin:
        return 0, 0, d
    q, r, n = 0, 0, 1
    if row.pieces == 1 and row.stop_first < 0:
        a, b = max(row.piece_on, begin), until
        if a >= b:
            return 0, 0, d
        w.spans[0].start, w.spans[0].end, w.spans[0].balance, w.spans[0].rate = a, b, row.piece_balance, row.piece_rate
    else:
        n = _spans(w, row, begin, until)
    if conv.round_where == PER_DAY:
        for k in range(n):
            span = w.spans[k]
            for day in range(span.start, span.end):
                x, y = add_product(0, 0, span.balance, span.rate, days_counted(conv.day_count, day, day + 1), PPM, d)
                q += rounded(x, y, PPM * d, conv.rounding, conv.unit)
        return q, 0, d
    whole = n == 1 and w.spans[0].start == row.start and w.spans[0].end == row.end
    if conv.day_count != PERIODS:
        for k in range(n):
            span = w.spans[k]
            q, r = add_product(q, r, span.balance, span.rate, days_counted(conv.day_count, span.start, span.end), PPM, d)
        return q, r, d
    full = _odd_days(conv, row) if row.odd else (conv.months * 30 + conv.step_days) * row.periods
    if whole:
        q, r = add_product(q, r, w.spans[0].balance, w.spans[0].rate, full, PPM, d)
        return q, r, d
    if conv.part_period == PROPORTION:
        d = 360 * (row.end - row.start)
    else:
        full = 1
    for k in range(n):
        span = w.spans[k]
        q, r = add_product(q, r, span.balance, span.rate, full * (span.end - span.start), PPM, d)
    return q, r, d


@inlined
def planned_interest(w, conv, row):
    """The row's interest, rounded once: what has been fixed, else what its spans give."""
    if row.fixed_interest >= 0:
        return row.fixed_interest
    if row.defer_out:
        return 0
    whole = row.pieces == 1 and row.piece_on <= row.start < row.end and row.settled_at == NO and row.stop_first < 0
    if whole and not (row.carried_q or row.carried_r or row.free or row.odd) and conv.round_where != PER_DAY:
        if conv.day_count == PERIODS:
            n = (conv.months * 30 + conv.step_days) * row.periods
        else:
            n = days_counted(conv.day_count, row.start, row.end)
        q, r = add_product(0, 0, row.piece_balance, row.piece_rate, n, PPM, conv.over)
        return rounded(q, r, PPM * conv.over, conv.rounding, conv.unit) + row.extra_interest
    return _interest_of_spans(w, conv, row)


@kernel
def _interest_of_spans(w, conv, row):
    q, r, d = interest_exact(w, conv, row, row.end)
    if row.carried_q or row.carried_r:
        if d != conv.over:
            w.state[0].status = GAP
        q, r = q + row.carried_q, r + row.carried_r
        q, r = q + r // (PPM * d), r % (PPM * d)
    return rounded(q, r, PPM * d, conv.rounding, conv.unit) + row.extra_interest


@kernel
def flat_total(loan, conv):
    """All interest of a flat loan."""
    days = (conv.months * 30 + conv.step_days) * loan.instalments
    q, r = add_product(0, 0, loan.principal, loan.rate, days, PPM, 360)
    return rounded(q, r, PPM * 360, conv.rounding, conv.unit)


@kernel
def _level(w, loan, conv, method, balance, rate, count):
    unit = max(conv.unit, conv.multiple)
    if method == ANNUITY:
        if conv.fixed_instalment:
            return conv.fixed_instalment
        num, den = rate * conv.months, 12 * PPM
        if conv.months == 0:
            num, den = rate * conv.step_days, 360 * PPM
        if conv.balloon:
            level = balloon_instalment(balance, conv.balloon, num, den, count, conv.rounding, unit)
        else:
            level = level_instalment(balance, num, den, count, conv.rounding, unit)
        if level == AMBIGUOUS:
            w.state[0].status = GAP
        return level
    if method == EQUAL_PRINCIPAL:
        rest = balance - conv.balloon
        return rounded(rest // count, rest % count, count, conv.rounding, unit)
    if method == FLAT:
        if conv.multiple > 1:
            both = balance + flat_total(loan, conv)
            return rounded(both // count, both % count, count, conv.rounding, unit)
        return rounded(balance // count, balance % count, count, conv.rounding, unit)
    return 0


@inlined
def _principal(w, loan, conv, method, row, index, level, left, last, first_plan, rate):
    if method == CUSTOM and first_plan:
        return w.custom[index, 1]
    if last:
        return left
    if first_plan and index < conv.grace_principal_rows:
        return 0
    if method == EQUAL_PRINCIPAL:
        if first_plan and index == 0 and conv.residue == RESIDUE_FIRST:
            return loan.principal - level * (loan.instalments - 1)
        return level
    if method == FLAT:
        return level - row.fixed_interest if conv.multiple > 1 else level
    if method != ANNUITY:
        return 0
    if first_plan and index == 0 and row.odd and conv.odd_first == EXTRA_INTEREST:
        q, r = add_product(0, 0, left, rate, conv.months, PPM, 12)
        return level - rounded(q, r, PPM * 12, conv.rounding, conv.unit)
    return level - row.interest


@kernel
def fill(w, loan, conv, n, balance, rate, first_plan, keep, level, method):
    """Give the rows w.undue[:n] balances, interest and principal; the level used. Twin of reference_schedule.fill."""
    if balance > BALANCE_MAX:
        w.state[0].status = GAP
        return level
    count = n - (conv.grace_principal_rows if first_plan else 0)
    if level < 0 and not keep:
        level = _level(w, loan, conv, method, balance, rate, max(count, 1))
    flat = method == FLAT and first_plan
    each = rest = 0
    if flat:
        total = flat_total(loan, conv)
        each = rounded(total // loan.instalments, total % loan.instalments, loan.instalments, conv.rounding, conv.unit)
        rest = total - each * (loan.instalments - 1)
    left, carried_q, carried_r, over = balance, 0, 0, conv.over
    for k in range(n):
        row = w.rows[w.undue[k]]
        last = k + 1 == n
        if row.pieces == 0 or (row.piece_on >= row.start and row.pieces == 1):
            set_piece(row, row.start, left, rate)
        else:
            on, held, at = last_piece(w, row)
            if held != left:
                set_last_piece(w, row, on, left, at)
        row.carried_q = row.carried_r = 0
        if row.defer_out:
            q, r, d = interest_exact(w, conv, row, row.end)
            if d != over and (q or r):
                w.state[0].status = GAP
            carried_q, carried_r = carried_q + q + (carried_r + r) // (PPM * over), (carried_r + r) % (PPM * over)
        else:
            row.carried_q, row.carried_r, carried_q, carried_r = carried_q, carried_r, 0, 0
        if flat:
            row.fixed_interest = rest if last else each
        if method == CUSTOM and first_plan and w.custom[k, 2] >= 0:
            row.fixed_interest = w.custom[k, 2]
        row.interest = planned_interest(w, conv, row)
        if not keep:
            row.principal = _principal(w, loan, conv, method, row, k, level, left, last, first_plan, rate)
        elif last:
            row.principal = left
        row.principal = max(0, min(row.principal, left))
        left -= row.principal
        row.balance = left
    return level


@inlined
def row_dates(w, loan, conv, on, is_last):
    """(end, due on, late from) of a row with nominal due date `on`."""
    if conv.business_day != UNADJUSTED and not 31 <= on < CALENDAR_DAYS - 31:
        w.state[0].status = GAP
    if conv.settlement_day and not (is_last and (conv.method == BULLET or conv.method == INTEREST_ONLY)):
        return _settled_dates(w, conv, on)
    due = adjusted(conv, w.calendars, on)
    return (due if conv.accrual_dates == SHIFTED else on), due, (due if conv.late_from == SHIFTED else on)


@kernel
def _settled_dates(w, conv, on):
    """`row_dates` under terms that settle on one day of the month and debit on another."""
    end = months_later(on, 0, conv.settlement_day) + conv.settlement_day_counted
    if conv.debit_day:
        on = months_later(on, 0, conv.debit_day)
    due = adjusted(conv, w.calendars, on)
    return end, due, (due if conv.late_from == SHIFTED else on)


@kernel
def _is_odd(loan, conv):
    if loan.first_due_on == NO or conv.months == 0:
        return loan.first_due_on != NO and loan.first_due_on != step(loan, conv, loan.disbursed_on, 1)
    if loan.first_due_on == months_later(loan.disbursed_on, conv.months, civil(loan.disbursed_on)[2]):
        return False
    return step(loan, conv, loan.first_due_on, -1) != loan.disbursed_on


@kernel
def _first_to_maturity(loan, conv):
    if loan.first_due_on != NO:
        return loan.first_due_on
    anchor_day = loan.due_day
    if anchor_day == 0:
        anchor_day = conv.settlement_day if conv.settlement_day else civil(loan.disbursed_on)[2]
    first = months_later(loan.disbursed_on, 0, anchor_day)
    if first <= loan.disbursed_on:
        first = months_later(first, conv.months, anchor_day) if conv.months else first + conv.step_days
    return first


@inlined
def _add_planned(w, loan, conv, on, start, is_last):
    end, due, late = row_dates(w, loan, conv, on, is_last)
    new_row(w, start, end, due, late)
    return end


@kernel
def make_plan(w, loan, conv):
    """The rows as signed, from no rows; the level used."""
    at = loan.disbursed_on
    if conv.method == CUSTOM:
        for k in range(loan.custom_count):
            at = _add_planned(w, loan, conv, w.custom[k, 0], at, k + 1 == loan.custom_count)
    elif conv.method == BULLET:
        _add_planned(w, loan, conv, loan.maturity_on, at, True)
    elif conv.method == INTEREST_ONLY:
        first = _first_to_maturity(loan, conv)
        k, on = 0, first
        while on < loan.maturity_on and w.state[0].status == OK:
            at = _add_planned(w, loan, conv, on, at, False)
            k += 1
            on = step(loan, conv, first, k)
        _add_planned(w, loan, conv, loan.maturity_on, at, True)
    elif conv.months:
        year, month, dom = civil(loan.first_due_on)
        due_day, on, month_start = (loan.due_day if loan.due_day else dom), loan.first_due_on, loan.first_due_on - dom
        for k in range(loan.instalments):
            at = _add_planned(w, loan, conv, on, at, k + 1 == loan.instalments)
            for _ in range(conv.months):
                month_start += month_length(year, month)
                year, month = (year, month + 1) if month < 12 else (year + 1, 1)
            on = month_start + min(due_day, month_length(year, month))
    else:
        for k in range(loan.instalments):
            at = _add_planned(w, loan, conv, loan.first_due_on + k * conv.step_days, at, k + 1 == loan.instalments)
    n = w.state[0].rows
    for k in range(n):
        w.undue[k] = k
        w.rows[k].free = k < conv.interest_free_rows
        w.rows[k].defer_out = k < conv.grace_interest_rows
    if n and conv.day_count == PERIODS:
        w.rows[0].odd = _is_odd(loan, conv)
    return fill(w, loan, conv, n, loan.principal, loan.rate, True, False, -1, conv.method)
