"""A debit from one state to the next: the row, its append-only move and the journal's event in one transaction."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import transaction

from tideover.core.business_time import business_date, now
from tideover.engine.events import EventKind
from tideover.lending import clock
from tideover.lending.journal import OWN_KEYS, event_append
from tideover.lending.models import Debit, DebitMove
from tideover.lending.rules.debits import MOVES, State
from tideover.lending.services import standing_refresh

SAID = {State.SENT: "sent", State.UNKNOWN: "unknown", State.FAILED: "failed"}
"""States of which the journal hears by an event of their own; taken is booked by the receipt."""


def debit_locked(pk: int) -> Debit:
    """A debit under its row's lock; inside a transaction. Locks are taken in the order clock, batch, debit, party, loan.

    Whoever locks a batch or a mandate before calls `clock.writing` first: a close waits for those who joined the writers, and
    holds up those who have not.
    """
    clock.writing()
    rows = Debit.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("contract__borrower__branch__entity", "contract__entity", "batch", "mandate", "account").get(pk=pk)


def debit_move(
    debit: Debit,
    to: State,
    *,
    actor: str,
    reason: str = "",
    inquire_at: datetime | None = None,
    detail: dict[str, Any] | None = None,
) -> Debit:
    """Move a locked debit on and write it all down. inquire_at: when the bank is asked next; none once there is a result.

    A debit that was never sent leaves no trace in the journal.
    """
    before = State(debit.state)
    assert to in MOVES[before], f"{debit.reference}: {before} cannot become {to}"
    at = now()
    with transaction.atomic():
        debit.state, debit.reason = to, reason
        debit.inquire_at = inquire_at
        if to == State.SENT:
            debit.sent_at = at
        debit.settled_at = at if to in (State.TAKEN, State.FAILED) else None
        debit.save()
        nr = debit.moves.count()
        DebitMove.objects.create(
            debit=debit, at=at, before=before, after=to, reason=reason, actor=actor, detail=detail or {}
        )  # fmt: skip
        if to in SAID and debit.sent_at is not None:
            _journal(debit, SAID[to], nr, actor, business_date(at))
    return debit


def _journal(debit: Debit, status: str, nr: int, actor: str, on: date) -> None:
    event_append(
        debit.contract,
        kind=EventKind.DEBIT,
        effective_on=on,
        amount_minor=debit.amount_minor,
        extra={"debit_id": debit.reference, "debit_status": status},
        idempotency_key=f"{OWN_KEYS}debit:{debit.reference}:{nr}",
        actor=actor,
    )
    standing_refresh(debit.contract, as_of=on)
