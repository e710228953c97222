"""Panels: a feature shows a piece of its own on a page of another through a slot; neither knows the other.

A panel's `context(user, object)` returns the template's values, or None when there is nothing to show to this reader. Slots and
their objects: `loan.side`: a Contract; `person.side`: a Party; `borrower.home`, `borrower.links` (rows of its list) and
`settings`: the reader's own User;
`home.rows`: the business date, and the values are {"rows": [ExceptionRow, …]} (no template).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from tideover.core.access import can
from tideover.core.models import User

Context = Callable[[User, Any], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """One line of a role home: what, how many, the oldest, how much, who answers, by when, where to work it (empty: nowhere)."""

    label: str
    count: int
    oldest: date | None
    amount_minor: int | None
    owner: str
    act_by: date | None
    late: bool
    address: str
    group: str = ""
    """The heading under which a home shows it; a row of a group that counts nothing is only named (web/home.py)."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A piece of a page. `permission`: an entry of the matrix (core/access.py) that the reader needs.

    In `home.rows` an empty permission means: only on the homes whose order names it (web/home.py).
    """

    name: str
    template: str
    context: Context
    permission: str
    order: int = 100


_slots: dict[str, list[Panel]] = {}


def register(slot: str, panel: Panel) -> None:
    """Put a panel into a slot; from the `ready` of a feature's app. The same name again replaces it."""
    assert panel.permission or slot == "home.rows", f"{panel.name} has no permission"
    others = [p for p in _slots.get(slot, []) if p.name != panel.name]
    _slots[slot] = sorted([*others, panel], key=lambda p: (p.order, p.name))


def panels_of(slot: str) -> list[Panel]:
    """Every panel of a slot, in order."""
    return list(_slots.get(slot, []))


def shown(slot: str, user: User, thing: Any) -> list[tuple[Panel, Mapping[str, Any]]]:
    """The panels of a slot that the reader may see and that have something to say, with their values."""
    out = []
    for panel in panels_of(slot):
        if can(user, panel.permission):
            values = panel.context(user, thing)
            if values is not None:
                out.append((panel, values))
    return out
