"""The contractual clock beside the restructured one.

`Standing.days_past_due` counts by the plan in force: a reschedule that both sides agreed moves it. The contractual clock counts
by the rows as signed: the same loan, replayed with the money that really came and without any reschedule. Classification and
bureau reporting of a pack may ask for the one, the help desk for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tideover.engine.events import Event, EventKind, EventRejected
from tideover.engine.reference import effective
from tideover.engine.replay import replay
from tideover.engine.standing import Standing
from tideover.engine.terms import Terms

RESCHEDULES = frozenset(
    {EventKind.DEFER, EventKind.EXTENSION, EventKind.REAMORTISE, EventKind.NEW_ROWS, EventKind.RESTRUCTURE}
)  # fmt: skip
"""Events that change when something falls due; a rate change or a prepayment changes only how much."""
WHATEVER_CLOSES = frozenset({EventKind.PAYOFF, EventKind.REPAY_PART, EventKind.SETTLEMENT})
"""Money whose sum depends on the plan: on the other clock it counts as a payment of what really came."""


def contractual_standing(terms: Terms, events: Sequence[Event], as_of: int, known_at: int | None = None) -> Standing:
    """The standing by the rows as signed. Raises ValueError and EventRejected as `replay` does for the loan itself."""
    live = [e for e in effective(events, known_at) if e.on <= as_of]
    if not any(e.kind in RESCHEDULES for e in live):
        return replay(terms, events, as_of, known_at)
    came = {line.seq: sum(line.amounts_minor) + line.held_minor for line in replay(terms, live, as_of).trace}
    signed = [_as_paid(e, came) for e in live if e.kind not in RESCHEDULES]
    while True:
        try:
            return replay(terms, signed, as_of)
        except EventRejected as rejected:
            # What could only happen under the changed plan (a later tranche after maturity, a refund) is left out.
            signed = [e for e in signed if e.seq != rejected.seq]


def contractual_days_past_due(terms: Terms, events: Sequence[Event], as_of: int, known_at: int | None = None) -> int:
    """Days past due as if no reschedule had been granted."""
    return contractual_standing(terms, events, as_of, known_at).days_past_due


def _as_paid(event: Event, came: dict[int, int]) -> Event:
    if event.kind not in WHATEVER_CLOSES:
        return event
    return replace(event, kind=EventKind.PAYMENT, amount_minor=came.get(event.seq, event.amount_minor))
