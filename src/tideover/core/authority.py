"""Who may decide what, up to which amount, where: lines of data. First line of a kind that fits decides; no line, nobody may.

The newest `AuthorityVersion` in force holds for every kind that it names; the others have the lines of their kind's own code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tideover.core.models import Role

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


def one_of(*roles: Role) -> Lines:
    """The plainest table: one person of these roles, whatever the amount."""
    return (Line((frozenset(roles),)),)


def steps_of(lines: Lines, amount_minor: int | None, entity: str, branch: str) -> Steps | None:
    """The steps of the first line that fits; None when no line does."""
    return next((line.steps for line in lines if line.fits(amount_minor, entity, branch)), None)


def lines_in_force(kind: str, own: Lines, on: date) -> Lines:
    """The lines of a kind on a day: those of the table in force when it names the kind, else its own."""
    return own
