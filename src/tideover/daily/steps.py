"""The steps of a day, ordered by what they read and write; a feature adds a step by registering one.

A name that a step reads or writes is a tape's column (`loans.bucket`), all columns of a tape (`loans.*`), or one of the day's
marks: `journal` (events written by the close itself), `cut_off` (nothing recorded later is read), `manifest` (the tapes are
committed), `screens` (the standing cache is fresh), `books` (the day is posted). A step that adds columns to a tape reads what
it needs and writes its own columns; a step that acts on the finished tapes reads `manifest`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tideover.tape.schema import TABLES

MARKS = frozenset({"journal", "cut_off", "manifest", "retention", "screens", "books"})


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, what it reads and writes, and what it does with the day (close.Day)."""

    name: str
    reads: frozenset[str]
    writes: frozenset[str]
    run: Callable[[Any], None]


class StepError(Exception):
    """Steps that cannot be put in order: which, and why, in one sentence."""


REGISTERED: list[Step] = []


def register(step: Step) -> None:
    """Add a step to every close from now on. Call it from the `ready` of a feature's app."""
    if any(s.name == step.name for s in REGISTERED):
        raise StepError(f"there are two steps named {step.name}")
    REGISTERED.append(step)


def columns(*names: str) -> frozenset[str]:
    """Names with `tape.*` spelt out. Raises StepError for a tape, a column or a mark that does not exist."""
    out: set[str] = set()
    for name in names:
        tape, _, column = name.partition(".")
        known = [c.name for c in TABLES.get(tape, ())]
        if name in MARKS:
            out.add(name)
        elif column == "*" and known:
            out |= {f"{tape}.{c}" for c in known}
        elif column in known:
            out.add(name)
        else:
            raise StepError(f"{name} is neither a tape's column nor one of {', '.join(sorted(MARKS))}")
    return frozenset(out)


def ordered(steps: Sequence[Step]) -> list[Step]:
    """Steps so that each comes after those that write what it reads; free choices in the order given.

    Raises StepError when two steps write the same, nobody writes what is read, or steps wait for one another.
    """
    writers: dict[str, str] = {}
    for step in steps:
        for name in columns(*step.writes):
            if name in writers:
                raise StepError(f"{writers[name]} and {step.name} both write {name}")
            writers[name] = step.name
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for step in steps:
        missing = sorted(columns(*step.reads) - set(writers))
        if missing:
            raise StepError(f"{step.name} reads {', '.join(missing)}, which no step writes")
        sorter.add(step.name, *(writers[name] for name in columns(*step.reads) if writers[name] != step.name))
    try:
        sorter.prepare()
    except CycleError as error:
        raise StepError(f"steps wait for one another: {' -> '.join(error.args[1])}") from error
    place = {step.name: n for n, step in enumerate(steps)}
    out: list[Step] = []
    while sorter.is_active():
        for name in sorted(sorter.get_ready(), key=place.__getitem__):
            out.append(steps[place[name]])
            sorter.done(name)
    return out
