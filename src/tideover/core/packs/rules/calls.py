"""How often a debt may be called about, where a pack has such a rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from tideover.core.packs.rules.pack import Rule


def call_refusal(cap: Rule, calls: Sequence[date], conversations: Sequence[date], on: date) -> str:
    """Why one more call on `on` would go beyond the cap; empty if not. `calls`: counted calls before it, one a debt."""
    window, wait = timedelta(days=cap.values["window_days"]), timedelta(days=cap.values["wait_days"])
    recent = [c for c in calls if on - window < c <= on]
    if len(recent) >= cap.values["calls"]:
        return f"{len(recent)} calls in {window.days} days already ({cap.citation})"
    last = max((c for c in conversations if c <= on), default=None)
    if last is not None and on < last + wait:
        return f"a conversation took place on {last}; the next call may be on {last + wait} ({cap.citation})"
    return ""
