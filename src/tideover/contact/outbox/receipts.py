"""Receipts and inquiries: what a gateway says became of a message. Repeats, wrong order and early receipts are harmless."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tideover.contact import addresses
from tideover.contact.channels.base import CallEnd, DeliveryState, Report
from tideover.contact.models import Message, ParkedReport
from tideover.contact.outbox.life import contact_settle, deadline, locked, move, note, settled
from tideover.contact.rules.faults import is_gone
from tideover.contact.rules.message import INQUIRE_AFTER_S, Move, State, after_report, asked_again
from tideover.contact.rules.model import Channel, Outcome
from tideover.core.business_time import now

PARKED_DAYS = 3
REFERENCE_BITS = 65_536


def report_apply(report: Report, *, at: datetime | None = None) -> Message | None:
    """Settle the message that a report is about; what no message is known for yet is parked and matched later (then None).

    at: when the report came (now when None). Its own instant decides between reports that differ.
    """
    at = at or now()
    with transaction.atomic():
        found = _message_of(report)
        if found is None:
            _park(report, at)
            return None
        m = locked(found.pk)
        _apply(m, report, at, last=False)
    return m


def _message_of(r: Report) -> Message | None:
    """By its key, else by the gateway's id (and the address, where ids repeat), else by the little that the gateway repeats."""
    if r.key and (found := Message.objects.filter(key=r.key).first()):
        return found
    if r.provider_id:
        rows = list(Message.objects.filter(provider_id=r.provider_id).order_by("-pk")[:20])
        if r.to and len(rows) > 1:
            rows = [m for m in rows if addresses.address_hash(Channel(m.channel), r.to) == bytes(m.to_hash)]
        if rows:
            return rows[0]
    if r.reference is not None and r.to:
        return _by_reference(r.reference, r.to)
    return None


def _by_reference(reference: int, to: str) -> Message | None:
    """A message whose provider id never came: by its id modulo 65536 and its address, among those that wait for news."""
    hashes = {bytes(addresses.address_hash(c, to)) for c in (Channel.SMS, Channel.EMAIL)}
    waiting = Message.objects.filter(
        state__in=(State.SENDING, State.SENT, State.UNKNOWN), provider_id="", to_hash__in=list(hashes)
    )
    return next((m for m in waiting.order_by("-pk")[:200] if m.pk % REFERENCE_BITS == reference), None)


def _park(r: Report, at: datetime) -> None:
    """Keep a report whose message is not known; the same one again is not kept twice."""
    hashed = addresses.address_hash(Channel.SMS, r.to) if r.to else b""
    ParkedReport.objects.get_or_create(
        provider_id=r.provider_id, key=r.key, reference=r.reference, state=r.state.value, at=r.at, matched_at=None,
        defaults={
            "to_hash": hashed, "reason": r.reason[:80], "received_at": at,
            "call": {"talked": r.call.talked, "seconds": r.call.seconds, "intent": r.call.intent} if r.call else None,
        },
    )  # fmt: skip


def parked_match(m: Message, at: datetime) -> None:
    """Apply the reports that came before a locked message's provider id was known."""
    if not m.provider_id:
        return
    for row in ParkedReport.objects.select_for_update().filter(provider_id=m.provider_id, matched_at=None).order_by("at", "pk"):
        _take(row, m, at)


def _take(row: ParkedReport, m: Message, at: datetime) -> None:
    _apply(m, _report_of(row), at, last=False)
    row.matched_at, row.message = at, m
    row.save(update_fields=["matched_at", "message"])


def _report_of(row: ParkedReport) -> Report:
    call = CallEnd(**row.call) if row.call else None
    return Report(
        DeliveryState(row.state),
        row.at,
        provider_id=row.provider_id,
        key=row.key,
        reason=row.reason,
        reference=row.reference,
        call=call,
    )


def parked_sweep(at: datetime, limit: int = 200) -> int:
    """Match parked reports whose message is known by now; how many. (A report and an answer can commit at the same instant.)"""
    matched = 0
    for row in ParkedReport.objects.filter(matched_at=None, received_at__gte=at - timedelta(days=PARKED_DAYS)).order_by("pk")[
        :limit
    ]:
        found = _message_of(_report_of(row))
        if found is None:
            continue
        with transaction.atomic():
            m = locked(found.pk)
            again = ParkedReport.objects.select_for_update().filter(pk=row.pk, matched_at=None).first()
            if again is not None:
                _take(again, m, at)
                matched += 1
    return matched


def _apply(m: Message, r: Report, at: datetime, *, last: bool, inquiry: bool = False) -> None:
    """Let a report settle a locked message."""
    what = "inquiry" if inquiry else "receipt"
    seen: dict[str, Any] = {"said": r.state.value, "as_of": r.at.isoformat()}
    if r.call is not None:
        seen |= {"talked": r.call.talked, "seconds": r.call.seconds}
    if r.provider_id and not m.provider_id:
        m.provider_id = r.provider_id[:120]
        m.save(update_fields=["provider_id"])
    new = after_report(State(m.state), r.state.value, r.at, tries=m.tries, settled_at=m.settled_at, last=last)
    if new is None:
        if m.state == r.state.value and m.settled_at is not None and r.at > m.settled_at:
            m.settled_at = r.at  # the same again, but later: what differs must be later still to count
            m.save(update_fields=["settled_at"])
        note(m, what, at, reason=r.reason, **seen, changed=False)
    elif new in (State.DELIVERED, State.FAILED):
        _settle(m, new, r, at, what, seen)
    else:
        m.sent_at = m.sent_at or m.first_tried_at
        move(m, Move(new, "", _next(m, at)), at, what, **seen)


def _settle(m: Message, new: State, r: Report, at: datetime, what: str, seen: dict[str, Any]) -> None:
    reason = r.reason or ("not_found" if r.state == DeliveryState.NOT_FOUND else new.value)
    settled(m, new, reason, at, r.at, what, **seen)
    if r.call is not None:
        contact_settle(m, _call_outcome(r.call, new, reason), r.at)
    if new == State.FAILED:
        addresses.message_fault(m, reason, at)
    elif m.to_hash:
        addresses.address_proved(m.party, Channel(m.channel), bytes(m.to_hash), by="receipt", at=at, known_at=r.at)


def _call_outcome(call: CallEnd, state: State, reason: str) -> Outcome:
    """A call that rang counts as an attempt, though the message in it did not arrive."""
    if call.talked:
        return Outcome.CONVERSATION
    if state == State.DELIVERED:
        return Outcome.MESSAGE_LEFT
    return Outcome.FAILED if is_gone(reason) else Outcome.UNANSWERED


def _next(m: Message, at: datetime) -> datetime:
    wait = INQUIRE_AFTER_S[min(m.asked, len(INQUIRE_AFTER_S) - 1)]
    return min(at + timedelta(seconds=wait), max(deadline(m), at + timedelta(seconds=1)))


def inquiry_apply(m: Message, report: Report | None, at: datetime) -> None:
    """What an inquiry about a locked message brought (None: nothing), and when to ask again, or how it ends."""
    m.asked += 1
    m.save(update_fields=["asked"])
    before = m.state
    if report is not None:
        _apply(m, report, at, last=m.asked >= len(INQUIRE_AFTER_S), inquiry=True)
    if m.state == before and m.final_at is None:
        move(m, asked_again(State(m.state), m.asked, deadline(m), at), at, "looked", asked=m.asked)


def message_opened(m: Message, *, at: datetime) -> Message:
    """A borrower opened a message in the app: the receipt of that channel. Again changes nothing."""
    with transaction.atomic():
        row = locked(m.pk)
        if row.read_at is None and row.channel == Channel.APP:
            row.read_at = at
            row.save(update_fields=["read_at"])
            _apply(row, Report(DeliveryState.DELIVERED, at, key=row.key, reason="opened_by_reader"), at, last=False)
    return row
