"""One way to change a message: under its row's lock, with an entry of its life, along the moves that the rules allow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tideover.contact.gate import VerdictRow, contact_outcome, contact_record
from tideover.contact.models import Message, MessageEvent
from tideover.contact.rules.message import MOVES, RECEIPT_DAYS, SETTLED, Move, State
from tideover.contact.rules.model import Channel, Outcome, Purpose, Recipient
from tideover.core.business_time import business_date

DEFAULT_DAYS = 7
REASON_MAX = 80
WORKER = "outbox"


def locked(message_id: int) -> Message:
    """The message under its row's lock; call it inside a transaction."""
    assert transaction.get_connection().in_atomic_block
    return Message.objects.select_for_update(of=("self",), no_key=True).get(pk=message_id)


def note(
    m: Message, what: str, at: datetime, *, actor: str = WORKER, reason: str = "", verdict: int | None = None, **detail: Any
) -> None:
    """An entry of the message's life."""
    MessageEvent.objects.create(
        message=m, at=at, what=what, state=m.state, reason=reason[:REASON_MAX], verdict=verdict, detail=detail, actor=actor
    )


def move(
    m: Message, to: Move, at: datetime, what: str, *, actor: str = WORKER, verdict: int | None = None, **detail: Any
) -> None:
    """Take a locked message to where the rules say it goes, and say so in its life. Frees its lease."""
    now_in = State(m.state)
    assert to.state == now_in or to.state in MOVES[now_in], f"{m.reference}: {now_in} never becomes {to.state}"
    assert (to.next_at is None) == bool(to.state in SETTLED or to.reason in ("no_receipt", "never_known", "not_opened"))
    m.state, m.reason, m.next_at = to.state, to.reason[:REASON_MAX], to.next_at
    m.final_at = at if to.next_at is None else None
    m.lease_owner, m.lease_until = "", None
    m.save()
    note(m, what, at, actor=actor, reason=to.reason, verdict=verdict, **detail)


def deadline(m: Message) -> datetime:
    """When a message that was sent ends without a receipt."""
    since = m.sent_at or m.first_tried_at or m.created_at
    return since + timedelta(days=RECEIPT_DAYS.get(Channel(m.channel), DEFAULT_DAYS))


def settled(
    m: Message, state: State, reason: str, at: datetime, reported_at: datetime, what: str, *, actor: str = WORKER, **detail: Any
) -> None:
    """A locked message is known to have arrived, or not to: state, day of delivery, and the outcome of its contact."""
    m.settled_at = reported_at
    m.sent_at = m.sent_at or m.first_tried_at
    m.delivered_on = business_date(reported_at) if state == State.DELIVERED else None
    move(m, Move(state, reason), at, what, actor=actor, **detail)
    contact_settle(m, Outcome.DELIVERED if state == State.DELIVERED else Outcome.FAILED, reported_at)


def contact_settle(m: Message, outcome: Outcome, at: datetime) -> None:
    """Write the contact of a message that left, once; or settle the outcome of the one that stands.

    A message whose fate is unknown counts as delivered, so that no cap is overrun by what may have arrived.
    """
    if m.contact_record is not None:
        contact_outcome(m.contact_record, outcome, at)
        return
    m.contact_record = contact_record(
        party=m.party, contracts=list(m.contracts.all()), channel=Channel(m.channel), purpose=Purpose(m.purpose), outcome=outcome,
        at=m.sent_at or at, recipient=Recipient(m.recipient), number=m.to_address, verdict=_verdict(m), actor=m.actor,
        note=m.reference,
    )  # fmt: skip
    m.save(update_fields=["contact_record"])


def _verdict(m: Message) -> VerdictRow | None:
    """The verdict that let the message go; none when a later look forbade another try."""
    return VerdictRow.objects.filter(pk=m.last_verdict, allowed=True).first() if m.last_verdict else None
