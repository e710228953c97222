"""Fiscal subsidy 贴息 of rows in a kernel: the part of each row's interest that the treasury bears, within a cap a year.

Twin of `reference.Replay._subsidy`. Source: 财金〔2025〕80号.
"""

from __future__ import annotations

from tideover.engine.columns import PPM
from tideover.engine.compiled import kernel
from tideover.engine.kernel_dates import civil, days_counted
from tideover.engine.kernel_numbers import add_product, rounded
from tideover.engine.kernel_plan import PERIODS


@kernel
def _subsidy(w, conv, row):
    """The row's share before the cap."""
    q, r, m = 0, 0, PPM * conv.subsidy_den
    on, balance, rate, p = row.piece_on, row.piece_balance, row.piece_rate, row.piece_more
    for _ in range(row.pieces):
        stop = w.pieces[p].on if p >= 0 else row.end
        a, b = max(on, row.start, conv.subsidy_from), min(stop, row.end, conv.subsidy_to + 1)
        if a < b:
            n = days_counted(conv.day_count, a, b)
            if conv.day_count == PERIODS and a == row.start and b == row.end:
                n = conv.months * 30 * row.periods
            points = min(conv.subsidy_points * conv.subsidy_den, rate * conv.subsidy_num)
            q, r = add_product(q, r, min(balance, conv.subsidy_eligible), points, n, m, conv.over)
        if p >= 0:
            on, balance, rate, p = w.pieces[p].on, w.pieces[p].balance, w.pieces[p].rate, w.pieces[p].next
    return rounded(q, r, m * conv.over, conv.rounding, conv.unit)


@kernel
def subsidies_out(w, conv, out):
    """The subsidy of each row of the loan last replayed; the cap of a year goes to its rows in order of due days."""
    years = 0
    for i in range(w.state[0].rows):
        at = i
        while at > 0 and w.rows[w.waiting[at - 1]].due_on > w.rows[i].due_on:
            w.waiting[at] = w.waiting[at - 1]
            at -= 1
        w.waiting[at] = i
    for k in range(w.state[0].rows):
        row = w.rows[w.waiting[k]]
        if row.pieces == 0:
            continue
        year, at = civil(row.end)[0], years - 1
        while at >= 0 and w.shown[at, 0] != year:
            at -= 1
        if at < 0:
            at = years
            years += 1
            w.shown[at, 0], w.shown[at, 1] = year, 0
        amount = min(_subsidy(w, conv, row), conv.subsidy_year - w.shown[at, 1])
        w.shown[at, 1] += amount
        out[w.waiting[k]].subsidy = amount
