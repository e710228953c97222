"""Replay: the standing of a loan from its terms and events."""

from __future__ import annotations

from collections.abc import Sequence

from tideover.engine import reference
from tideover.engine.events import Event
from tideover.engine.standing import Depth, Row, Standing
from tideover.engine.terms import Terms


def replay(
    terms: Terms, events: Sequence[Event], as_of: int, known_at: int | None = None, depth: Depth = Depth.TRACE
) -> Standing:
    """The standing on `as_of` by the events with recorded_at <= known_at (all when None)."""
    return reference.replay(terms, list(events), as_of, known_at)


def schedule(terms: Terms) -> list[Row]:
    """The planned rows."""
    return reference.schedule(terms)
