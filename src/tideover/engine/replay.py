"""Replay: the standing of a loan from its terms and events. The compiled kernel answers; what it leaves, the reference."""

from __future__ import annotations

from collections.abc import Sequence

from tideover.engine import reference
from tideover.engine.columns import EventColumns, TermsColumns, event_columns, kernel_gap, terms_columns
from tideover.engine.events import Event
from tideover.engine.standing import Depth, Row, Standing
from tideover.engine.terms import Terms


def replay(
    terms: Terms, events: Sequence[Event], as_of: int, known_at: int | None = None, depth: Depth = Depth.TRACE
) -> Standing:
    """The standing on `as_of` (int day) by the events with recorded_at <= known_at (all when None), down to a depth: totals
    alone, with the instalment rows, or with the trace of where money went too.

    Raises ValueError for impossible terms, EventRejected for an event that cannot apply.
    """
    from tideover.engine.batch import replay_one

    terms.checked()
    if kernel_gap(terms) is None:
        answer = replay_one(*columns_of(terms, events), as_of, known_at, depth)
        if answer is not None:
            return answer
    answer = reference.replay(terms, list(events), as_of, known_at)
    if depth < Depth.ROWS:
        answer.rows = []
    if depth < Depth.TRACE:
        answer.trace, answer.moves = [], []
    return answer


def columns_of(terms: Terms, events: Sequence[Event]) -> tuple[TermsColumns, EventColumns]:
    """One loan as columns."""
    return terms_columns([terms]), event_columns([events])


def schedule(terms: Terms) -> list[Row]:
    """The planned rows."""
    return replay(terms, [], terms.disbursed_on).rows
