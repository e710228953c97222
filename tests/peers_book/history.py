"""Events of the factory's loan by name, for tests that enter them in other orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from typing import Any

from tideover.engine.events import EventKind
from tideover.engine.standing import Standing
from tideover.lending.models import Contract, LoanEvent
from tideover.lending.selectors import loan_standing
from tideover.lending.services import event_record

ON = date(2026, 6, 30)
HISTORY: tuple[tuple[EventKind, date, int, dict[str, Any] | None], ...] = (
    (EventKind.PAYMENT, date(2026, 2, 25), 150_000, None),
    (EventKind.CHARGE, date(2026, 3, 1), 3_000, {"component": "fee"}),
    (EventKind.PAYMENT, date(2026, 3, 16), 200_000, None),
    (EventKind.PAUSE, date(2026, 3, 25), 0, {"until": "2026-04-10", "pause_what": 2}),
    (EventKind.PAYMENT, date(2026, 4, 12), 90_000, None),
    (EventKind.WAIVER, date(2026, 4, 30), -1, {"component": "penalty"}),
    (EventKind.PAYMENT, date(2026, 5, 20), 333_333, None),
)
"""Days differ: on one day the order of entry is the order of what happened."""


def enter(loan: Contract, which: Iterable[int]) -> None:
    """Record events of HISTORY in the order given."""
    for n in which:
        kind, on, amount, extra = HISTORY[n]
        event_record(
            loan, kind=kind, effective_on=on, amount_minor=amount, extra=extra, idempotency_key=f"{loan.number}:{n}", actor="a"
        )


def payment_record(
    loan: Contract, *, amount_minor: int, received_on: date, idempotency_key: str, actor: str, as_of: date | None = None
) -> LoanEvent:
    """Money on one loan."""
    return event_record(
        loan, kind=EventKind.PAYMENT, effective_on=received_on, amount_minor=amount_minor, idempotency_key=idempotency_key,
        actor=actor, as_of=as_of,
    )  # fmt: skip


def said(loan: Contract, on: date = ON) -> dict[str, Any]:
    """The standing of a loan without the numbers of its events, which do depend on the order of entry."""
    return plain(loan_standing(loan, on))


def plain(standing: Standing) -> dict[str, Any]:
    """A standing as comparable values; its trace by day."""
    out = asdict(standing)
    out["trace"] = sorted((line["on"], line["amounts_minor"], line["held_minor"]) for line in out["trace"])
    return out
