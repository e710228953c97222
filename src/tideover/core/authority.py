"""Who may decide what, up to which amount, where: lines of data. The first line of a kind that fits decides; no line, nobody may.

The table is YAML: `authority.yaml` beside this module until the first version is published (by two people, like any other act);
from then on the newest version in force. A name like `event.record.waiver` holds for that part of the kind, else the line of
`event.record` does, else the lines of the kind's own code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tideover.core.models import AuthorityVersion, Role
from tideover.core.problems import Problem, Refused

SHIPPED = Path(__file__).resolve().parent / "authority.yaml"
Steps = tuple[frozenset[Role], ...]
"""For each step the roles of which one person must decide it. No steps: no second person is needed."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: for amounts up to `up_to_minor` (None: any amount, and what has none), where `entity` and `branch` fit."""

    steps: Steps
    up_to_minor: int | None = None
    entity: str = ""
    branch: str = ""

    def fits(self, amount_minor: int | None, entity: str, branch: str) -> bool:
        """Whether the line speaks of this amount and place. What has no amount fits only a line for any amount."""
        within = self.up_to_minor is None or (amount_minor is not None and abs(amount_minor) <= self.up_to_minor)
        return within and self.entity in ("", entity) and self.branch in ("", branch)


Lines = Sequence[Line]
Table = Mapping[str, Lines]


def one_of(*roles: Role) -> Lines:
    """The plainest table: one person of these roles, whatever the amount."""
    return (Line((frozenset(roles),)),)


def steps_of(lines: Lines, amount_minor: int | None, entity: str, branch: str) -> Steps | None:
    """The steps of the first line that fits; None when no line does."""
    return next((line.steps for line in lines if line.fits(amount_minor, entity, branch)), None)


def text_in_force(on: date) -> str:
    """The YAML of the table in force on a day."""
    found = AuthorityVersion.objects.filter(valid_from__lte=on).order_by("-valid_from", "-pk").first()
    return found.text if found else SHIPPED.read_text(encoding="utf-8")


def lines_in_force(name: str, own: Lines, on: date) -> Lines:
    """The lines of a kind (or a part of one, `kind.part`) on a day; `own`: those of its code, where the table is silent."""
    table = _read_once(text_in_force(on))
    while name:
        if name in table:
            return table[name]
        name = name.rpartition(".")[0]
    return own


@lru_cache(maxsize=8)
def _read_once(text: str) -> Table:
    return table_read(text)


def table_read(text: str, known: Sequence[str] | None = None) -> Table:
    """The table that a YAML text says. Raises Refused with every problem; `known`: kinds that it may speak of (None: any)."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Refused(Problem("bad_yaml", f"this is not YAML: {str(error).splitlines()[0]}", "text")) from error
    if not isinstance(data, dict) or not data:
        raise Refused(Problem("bad_table", "the table names kinds, each with a list of lines", "text"))
    problems: list[Problem] = []
    table = {str(name): _lines(str(name), lines, known, problems) for name, lines in data.items()}
    if problems:
        raise Refused(*problems)
    return table


def _lines(name: str, lines: Any, known: Sequence[str] | None, problems: list[Problem]) -> Lines:
    if known is not None and not any(name == k or name.startswith(f"{k}.") for k in known):
        problems.append(Problem("unknown_kind", f"{name}: there is no such kind of approval", "text"))
    if not isinstance(lines, list) or not lines:
        problems.append(Problem("bad_table", f"{name}: a list of lines is expected", "text"))
        return ()
    read = [_line(f"{name}, line {n}", line, problems) for n, line in enumerate(lines, start=1)]
    here: dict[tuple[str, str], int] = {}
    for n, line in enumerate(read, start=1):
        place = (line.entity, line.branch)
        if here.get(place, -1) >= (top := line.up_to_minor if line.up_to_minor is not None else 2**62):
            problems.append(Problem("unreachable", f"{name}, line {n}: the lines before it take every amount of it", "text"))
        here[place] = top
    return tuple(read)


def _line(where: str, line: Any, problems: list[Problem]) -> Line:
    def wrong(message: str) -> None:
        problems.append(Problem("bad_table", f"{where}: {message}", "text"))

    if not isinstance(line, dict):
        wrong("a line has steps and, if it is limited, up_to, entity or branch")
        return Line(())
    for unknown in sorted(set(map(str, line)) - {"up_to", "entity", "branch", "steps"}):
        wrong(f"unknown word {unknown}")
    top = None
    if "up_to" in line:
        raw = line["up_to"]
        if isinstance(raw, str) and raw.replace(".", "", 1).isdigit() and len(raw.partition(".")[2]) in (0, 2) and len(raw) <= 16:
            top = int(Decimal(raw) * 100)
        else:
            wrong(f'up_to is an amount in quotes, like "500.00", not {raw!r}')
    steps = []
    for roles in line["steps"] if isinstance(line.get("steps"), list) else [None]:
        if not isinstance(roles, list) or not roles or not set(map(str, roles)) <= set(Role.values) - {Role.BORROWER.value}:
            wrong("each step is a list of roles of staff, like [branch_head, finance]; no steps: []")
        else:
            steps.append(frozenset(Role(str(r)) for r in roles))
    return Line(tuple(steps), top, str(line.get("entity", "")), str(line.get("branch", "")))
