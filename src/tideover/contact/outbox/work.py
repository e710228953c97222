"""The worker: claims messages in batches with a lease, asks the gate again, hands over, and may die at any instant.

A message is marked as being sent, in a transaction of its own, before the gateway hears of it. A worker that dies after that
leaves it to be found when its lease ends: sent again only where the gateway knows the key, else it is unknown.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from hashlib import sha256

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from tideover.contact import addresses
from tideover.contact.channels.base import Adapter, Inbound, Outgoing, Report, SendResult, SendState, adapter_for
from tideover.contact.models import Message
from tideover.contact.outbox.inbound import inbound_apply
from tideover.contact.outbox.life import contact_settle, deadline, locked, move, note, settled
from tideover.contact.outbox.queue import gate_ask, gate_reason
from tideover.contact.outbox.receipts import inquiry_apply, parked_match, parked_sweep, report_apply
from tideover.contact.rules.faults import is_gone
from tideover.contact.rules.message import LEFT_THE_HOUSE, Move, State, after_answer, unknown
from tideover.contact.rules.model import Channel, Outcome
from tideover.core.lease import owner_new

LEASE = timedelta(seconds=120)
BY_HAND = (Channel.LETTER, Channel.CALL, Channel.VISIT)
"""Channels on which a person acts; the worker only lets them expire."""
MARGIN_S = 60
"""How long before its gateway forgets a key a message stops being sent again."""
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What one round did."""

    claimed: int = 0
    sent: int = 0
    failed: int = 0
    unknown: int = 0
    later: int = 0
    blocked: int = 0
    expired: int = 0
    recovered: int = 0
    asked: int = 0
    reports: int = 0
    inbound: int = 0

    def any(self) -> bool:
        """Whether the round did anything."""
        return any(getattr(self, f.name) for f in fields(self))


class Gateways:
    """The adapters of one worker, opened when first needed."""

    def __init__(self, make: Callable[[Channel], Adapter] = adapter_for) -> None:
        self.make, self.open = make, dict[Channel, Adapter]()

    def of(self, channel: Channel) -> Adapter:
        """The adapter of a channel."""
        if channel not in self.open:
            self.open[channel] = self.make(channel)
        return self.open[channel]

    def open_all(self) -> None:
        """Open every channel that the settings name, so that reports are read where nothing is sent."""
        for channel in Channel:
            if settings.CHANNELS.get(channel.name):
                self.of(channel)

    def close(self) -> None:
        """Close them all."""
        for adapter in self.open.values():
            adapter.close()
        self.open.clear()


def outbox_work(limit: int, now: datetime, *, gateways: Gateways | None = None, owner: str = "") -> Counts:
    """One round: what expired ends, dead workers' messages are found, due ones are sent or asked after, reports are taken.

    limit: messages claimed at most. Safe in any number of processes at once.
    """
    own = gateways or Gateways()
    owner, counts, began = owner or owner_new(), Counts(), time.monotonic()

    def clock() -> datetime:
        return now + timedelta(seconds=time.monotonic() - began)

    try:
        _expire(now, counts)
        _recover(now, own, counts)
        for m in _claim(limit, now, owner):
            counts.claimed += 1
            _one(m, clock, owner, own, counts)
        _take(own, clock(), counts)
    finally:
        if gateways is None:
            own.close()
    return counts


def _due(now: datetime) -> Q:
    return Q(next_at__lte=now) & (Q(lease_until=None) | Q(lease_until__lte=now))


def _rows(where: Q, limit: int) -> list[Message]:
    """Rows to lock in order of their time; those that another worker holds are passed over."""
    rows = Message.objects.filter(where).order_by("next_at", "pk")
    rows = rows.select_for_update(of=("self",), skip_locked=connection.features.has_select_for_update_skip_locked, no_key=True)
    return list(rows[:limit])


def _claim(limit: int, now: datetime, owner: str) -> list[Message]:
    """Take up to `limit` due messages under this worker's lease."""
    states = (State.DRAFTED, State.SENT, State.UNKNOWN)
    with transaction.atomic():
        taken = _rows(_due(now) & Q(state__in=states) & ~Q(channel__in=BY_HAND), limit)
        Message.objects.filter(pk__in=[m.pk for m in taken]).update(lease_owner=owner, lease_until=now + LEASE)
    return taken


def _expire(now: datetime, counts: Counts, limit: int = 500) -> None:
    """What was not sent in time ends; what a person posted and nobody answered for ends as it stands."""
    with transaction.atomic():
        for m in _rows(Q(state=State.DRAFTED, expires_at__lte=now) & (Q(lease_until=None) | Q(lease_until__lte=now)), limit):
            waited_for = m.reason
            move(m, Move(State.CANCELLED, "expired"), now, "expired", waited_for=waited_for)
            counts.expired += 1
        for m in _rows(_due(now) & Q(channel__in=BY_HAND, state=State.SENT), limit):
            move(m, Move(State.SENT, "no_receipt"), now, "no_news")


def _recover(now: datetime, gateways: Gateways, counts: Counts, limit: int = 500) -> None:
    """Messages that a dead worker was sending: again where the gateway knows the key, else nobody knows.

    One transaction each: settling a contact locks a person, and two locks of that kind in one transaction could cross.
    """
    lost = Q(state=State.SENDING, lease_until__lte=now) & ~Q(channel__in=BY_HAND)
    for pk in list(Message.objects.filter(lost).order_by("pk").values_list("pk", flat=True)[:limit]):
        with transaction.atomic():
            m = locked(pk)
            if m.state != State.SENDING or m.lease_until is None or m.lease_until > now:
                continue
            if _knows_key(m, gateways.of(Channel(m.channel)), now):
                move(m, Move(State.DRAFTED, "worker_lost", now), now, "recovered", lost=m.lease_owner)
            else:
                move(m, unknown("worker_lost", max(deadline(m), now), now), now, "recovered", lost=m.lease_owner)
                contact_settle(m, Outcome.DELIVERED, m.first_tried_at or now)
                parked_match(m, now)
            counts.recovered += 1


def _knows_key(m: Message, adapter: Adapter, now: datetime) -> bool:
    """Whether the gateway would still refuse to deliver this message twice."""
    if not adapter.idempotent:
        return False
    forgets, first = adapter.idempotent_for_s, m.first_tried_at or now
    return forgets is None or now + timedelta(seconds=MARGIN_S) < first + timedelta(seconds=forgets)


def _one(m: Message, clock: Callable[[], datetime], owner: str, gateways: Gateways, counts: Counts) -> None:
    """A message as it was claimed; each step reads it again under its lock."""
    adapter = gateways.of(Channel(m.channel))
    if m.state in (State.SENT, State.UNKNOWN):
        _ask(m, adapter, clock, owner, counts)
        return
    ready = _begin(m.pk, clock(), owner, adapter, counts)
    if ready is None:
        return
    try:
        result = adapter.send(ready)
    except Exception as error:  # what an adapter did not foresee may have happened after the gateway took the message
        logger.exception("the adapter %s failed on message %s", adapter.name, m.pk)
        result = SendResult(SendState.UNKNOWN, reason=type(error).__name__)
    _end(m.pk, result, adapter, clock(), counts)


def _begin(pk: int, now: datetime, owner: str, adapter: Adapter, counts: Counts) -> Outgoing | None:
    """Ask the gate once more and mark the message as being sent, in one short transaction. None: it is not sent now."""
    with transaction.atomic():
        m = locked(pk)
        if m.state != State.DRAFTED or m.lease_owner != owner:
            return None
        if m.expires_at <= now:
            move(m, Move(State.CANCELLED, "expired"), now, "expired")
            counts.expired += 1
            return None
        verdict = gate_ask(m, now, stage="sending")
        m.last_verdict = verdict.pk
        if not verdict.allowed:
            _held_back(m, verdict, now, counts)
            return None
        if m.tries == 0 and not addresses.subscription_use(m):
            move(m, Move(State.BLOCKED, "no_subscription"), now, "blocked")
            counts.blocked += 1
            return None
        m.tries += 1
        m.gateway, m.first_tried_at = adapter.name, m.first_tried_at or now
        m.state, m.lease_until = State.SENDING, now + LEASE
        m.save()
        note(m, "sending", now, verdict=verdict.pk, owner=owner, gateway=adapter.name)
    return outgoing(m, adapter.name)


def _held_back(m: Message, verdict: object, now: datetime, counts: Counts) -> None:
    """The gate says no at the last moment: wait for the instant that it names, or end."""
    starts, reason = getattr(verdict, "next_at", None), gate_reason(verdict)
    if starts is not None and starts < m.expires_at:
        move(m, Move(State.DRAFTED, reason, max(starts, now)), now, "held_back", verdict=m.last_verdict)
        counts.later += 1
    elif m.tries:
        move(m, Move(State.FAILED, reason), now, "blocked", verdict=m.last_verdict)
        counts.failed += 1
    else:
        move(m, Move(State.BLOCKED, reason), now, "blocked", verdict=m.last_verdict)
        counts.blocked += 1


def outgoing(m: Message, gateway: str) -> Outgoing:
    """The message as an adapter takes it."""
    code = m.template.gateway_codes.get(gateway, "")
    params = json.loads(m.params or "{}")
    return Outgoing(m.pk, m.key, m.to_address, m.subject, m.body, m.language, code, params, m.sign_name)


def _end(pk: int, result: SendResult, adapter: Adapter, now: datetime, counts: Counts) -> None:
    """What the answer makes of the message, unless a receipt or another worker was faster."""
    with transaction.atomic():
        m = locked(pk)
        if result.provider_id and not m.provider_id:
            m.provider_id = result.provider_id[:120]
        said = {"answer": result.state.value, "provider_id": m.provider_id}
        if m.state == State.SENDING:
            _answered(m, result, adapter, now, counts, said)
        else:
            _answered_late(m, result, now, said)
        parked_match(m, now)


def _answered_late(m: Message, result: SendResult, now: datetime, said: dict[str, str]) -> None:
    """A receipt was faster, or the lease ended and the message was found: an answer still says whether the gateway has it."""
    m.save(update_fields=["provider_id"])
    if m.state == State.UNKNOWN and result.state == SendState.ACCEPTED:
        m.sent_at = m.first_tried_at
        move(m, Move(State.SENT, "", m.next_at or deadline(m)), now, "answer", **said)
    elif m.state == State.UNKNOWN and result.state in (SendState.REFUSED, SendState.RETRY):
        settled(m, State.FAILED, result.reason or "refused", now, now, "answer", **said)
    else:
        note(m, "answer", now, reason=result.reason, **said)


def _answered(m: Message, result: SendResult, adapter: Adapter, now: datetime, counts: Counts, said: dict[str, str]) -> None:
    to = after_answer(
        result.state.value, result.reason, tries=m.tries, chance_ppm=_chance(m), retry_after_s=result.retry_after_s,
        resend=result.state == SendState.UNKNOWN and _knows_key(m, adapter, now), deadline=deadline(m), now=now,
    )  # fmt: skip
    if to.state == State.FAILED:
        move(m, to, now, "answer", **said)
        addresses.message_fault(m, to.reason, now)
        if "user_refuses" in to.reason:
            addresses.subscriptions_of(m).update(left=0)
        if is_gone(to.reason):
            contact_settle(m, Outcome.FAILED, now)
        counts.failed += 1
        return
    if to.state == State.SENT:
        m.sent_at = now
    move(m, to, now, "answer", **said)
    if to.state in LEFT_THE_HOUSE:
        contact_settle(m, Outcome.DELIVERED, now)
    counts.sent += to.state == State.SENT
    counts.unknown += to.state == State.UNKNOWN
    counts.later += to.state == State.DRAFTED


def _chance(m: Message) -> int:
    """A number in 0..999,999 that differs from message to message and from try to try."""
    return int.from_bytes(sha256(f"{m.key}:{m.tries}".encode()).digest()[:4], "big") % 1_000_000


def _ask(m: Message, adapter: Adapter, clock: Callable[[], datetime], owner: str, counts: Counts) -> None:
    """Ask a gateway what became of a message, outside any transaction."""
    try:
        report = adapter.inquire(outgoing(m, adapter.name), m.provider_id, m.sent_at or m.first_tried_at or m.created_at)
    except Exception:
        logger.exception("the adapter %s failed when asked after message %s", adapter.name, m.pk)
        report = None
    with transaction.atomic():
        row = locked(m.pk)
        if row.lease_owner == owner and row.state in (State.SENT, State.UNKNOWN) and row.final_at is None:
            inquiry_apply(row, report, clock())
            counts.asked += 1


def _take(gateways: Gateways, now: datetime, counts: Counts) -> None:
    """Reports and answers of people from every open gateway; parked reports whose message is known by now."""
    for channel, adapter in list(gateways.open.items()):
        counts.reports += _drain(adapter.reports(), lambda r: report_apply(r, at=now), channel)
        counts.inbound += _drain(adapter.inbound(), lambda i: inbound_apply(i, at=now), channel)
    counts.reports += parked_sweep(now)


def _drain(found: Iterable[Report] | Iterable[Inbound], apply: Callable[..., object], channel: Channel) -> int:
    n = 0
    try:
        for one in found:
            apply(one)
            n += 1
    except Exception:  # one gateway that fails must not keep the others from being read; what was not taken comes again
        logger.exception("the gateway of %s could not be read", channel.name)
    return n
