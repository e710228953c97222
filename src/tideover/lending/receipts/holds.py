"""Nobody is asked for money that is here: while a person's receipt waits for people, unrequested contact with them waits too."""

from __future__ import annotations

from tideover.core.business_time import now
from tideover.lending.models import Party, Receipt
from tideover.lending.services_holds import cause_ends, hold_place

KIND = "money_here"


def _cause(receipt: Receipt) -> str:
    return f"receipt:{receipt.number}"


def money_hold(receipt: Receipt, party: Party, *, actor: str) -> None:
    """Hold contact with a person while money of theirs waits for a decision."""
    hold_place(party, None, kind=KIND, starts_at=now(), cause=_cause(receipt), actor=actor)


def money_hold_end(receipt: Receipt, *, actor: str) -> None:
    """The money is booked, kept back for good, or was never theirs."""
    cause_ends(_cause(receipt), why="the money has a place", actor=actor)
