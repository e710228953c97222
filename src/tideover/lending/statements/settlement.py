"""The bank's one credit line for a whole debit batch: its money is here already by the batch's answers, and is no receipt again.

Who keeps the batches registers how one is found, and what is written when its line came.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

Expected = Callable[[int, int, date], str | None]
"""(entity id, amount in minor units, day) -> number of the batch that such a line settles; None: of none."""
Credited = Callable[[str, date, str], None]
"""(number of the batch, day, reference of the line): write down that its line came."""
_known: list[tuple[Expected, Credited]] = []


def register(expected: Expected, credited: Credited) -> None:
    """Say how batches are found and settled; from the `ready` of the app. Registered again, it replaces."""
    _known[:] = [(expected, credited)]


def batch_of(entity_id: int, amount_minor: int, on: date, line: str) -> str | None:
    """The batch that a credit line settles, marked as credited; None when the line is something else."""
    for expected, credited in _known:
        number = expected(entity_id, amount_minor, on)
        if number is not None:
            credited(number, on, line)
            return number
    return None
