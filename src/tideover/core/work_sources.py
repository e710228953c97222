"""Where work comes from that nobody opens by hand: each source says what needs somebody on a day, and the queue follows.

`work_sync` opens what is new and finishes, as `settled`, what a source no longer names. The close runs it for the coming day;
`tideover work sync` at any other time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from tideover.core.models import Role, WorkItem
from tideover.core.work import work_done, work_open

ACTOR = "house"
SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Opening:
    """One thing that needs somebody; the arguments of `work_open`. `key`: the same for as long as the cause lasts."""

    key: str
    subject: tuple[str, str]
    why: str
    owner_role: Role
    due_at: datetime | None
    entity: str = ""
    branch: str = ""
    amount_minor: int | None = None
    why_values: Mapping[str, Any] = field(default_factory=dict)


Source = Callable[[date], Iterable[Opening]]
_sources: dict[str, Source] = {}


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did."""

    opened: int
    settled: int


def register(kind: str, source: Source) -> None:
    """Say what opens the items of a kind, all of them; from the `ready` of a feature's app."""
    _sources[kind] = source


def work_sync(on: date) -> Synced:
    """Let the queue follow its sources as of a day. Killed anywhere and run again it does the rest: each item by itself."""
    opened = settled = 0
    for kind, source in sorted(_sources.items()):
        wanted = {o.key: o for o in source(on)}
        there = {i.key: i for i in WorkItem.objects.filter(kind=kind, done_at=None)}
        for key in wanted.keys() - there.keys():
            o = wanted[key]
            work_open(
                kind, subject=o.subject, why=o.why, why_values=o.why_values, owner_role=o.owner_role, due_at=o.due_at,
                entity=o.entity, branch=o.branch, amount_minor=o.amount_minor, key=key, actor=ACTOR,
            )  # fmt: skip
            opened += 1
        for key in there.keys() - wanted.keys():
            work_done(there[key], actor=ACTOR, outcome=SETTLED)
            settled += 1
    return Synced(opened, settled)
