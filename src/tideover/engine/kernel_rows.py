"""Instalment rows of many loans in one call: replay loan by loan, and copy the rows out."""

from __future__ import annotations

from tideover.engine.compiled import entry
from tideover.engine.kernel import replay_range, rows_out


@entry
def rows_range(
    works, loans, conventions, custom, offsets, events, details, first, last, as_of, known_at, out, counts, rows, moves
):
    """Rows of loans first..last-1 one after another into `rows`, how many each in `counts`; stops before a loan whose rows may
    not fit. Returns (the loan it stopped at, rows written)."""
    at = 0
    for i in range(first, last):
        replay_range(works, loans, conventions, custom, offsets, events, details, i, i + 1, as_of, known_at, out, moves)
        n = out[i].row_count if out[i].status == 0 else 0
        if at + n > len(rows):
            return i, at
        rows_out(works, conventions[loans[i].convention], rows[at : at + n])
        counts[i] = n
        at += n
    return last, at
