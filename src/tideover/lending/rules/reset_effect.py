"""What a rate reset does to a loan's instalments: the plan replayed without and with the new rate.

Pure: terms and events in, figures out. It is the same event that the close records on the reset day (rate change with later
instalments level again), so the notice says what will be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tideover.engine.events import Event, EventKind, RowPolicy
from tideover.engine.replay import replay
from tideover.engine.standing import Row, Standing
from tideover.engine.terms import Terms

LAST_SEQ = 10**9


@dataclass(frozen=True, slots=True)
class ResetEffect:
    """Rates in ppm a year, amounts in minor units. `first_due_on`: engine day of the first instalment whole at the new rate.

    `old_instalment_minor`, `new_instalment_minor`: that instalment without and with the reset. `old_left_minor`,
    `new_left_minor`: all instalments from it on.
    """

    old_rate_ppm: int
    new_rate_ppm: int
    first_due_on: int
    old_instalment_minor: int
    new_instalment_minor: int
    old_left_minor: int
    new_left_minor: int


def rate_before(terms: Terms, events: Sequence[Event], on: int) -> int:
    """The rate (ppm) that holds on the day before a reset."""
    reversed_seqs = {e.of_seq for e in events if e.kind == EventKind.REVERSAL}
    changes = [
        e for e in events if e.kind == EventKind.RATE_CHANGE and e.on < on and e.seq not in reversed_seqs
    ]  # fmt: skip
    last = max(changes, key=lambda e: (e.on, e.seq), default=None)
    return last.rate_ppm if last else terms.annual_rate_ppm


def reset_effect(terms: Terms, events: Sequence[Event], on: int, new_rate_ppm: int) -> ResetEffect | None:
    """The effect of a new rate from day `on`; None when no instalment is left. Raises EventRejected where replay does."""
    known = [e for e in events if not (e.kind == EventKind.RATE_CHANGE and e.on >= on)]
    event = Event(
        seq=LAST_SEQ, on=on, kind=EventKind.RATE_CHANGE, rate_ppm=new_rate_ppm, later_rows=RowPolicy.REAMORTISE
    )  # fmt: skip
    before, after = replay(terms, known, on), replay(terms, [*known, event], on)
    old, new = _later(before, on), _later(after, on)
    if not old or not new:
        return None
    # The instalment in which the reset falls is part old and part new rate: the one after it tells the change.
    at = 1 if len(old) > 1 and len(new) > 1 else 0
    return ResetEffect(
        old_rate_ppm=rate_before(terms, events, on),
        new_rate_ppm=new_rate_ppm,
        first_due_on=new[at].due_on,
        old_instalment_minor=old[at].total_minor,
        new_instalment_minor=new[at].total_minor,
        old_left_minor=sum(r.total_minor for r in old[at:]),
        new_left_minor=sum(r.total_minor for r in new[at:]),
    )


def _later(standing: Standing, on: int) -> list[Row]:
    return [r for r in standing.rows if r.due_on > on and r.outstanding_minor > 0]
