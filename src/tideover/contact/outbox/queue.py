"""Queueing: from a decision to a message that waits, is blocked with its reason, or is the one that was queued before."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from tideover.contact import addresses
from tideover.contact.gate import VerdictRow, verdict_ask
from tideover.contact.message_templates import Made, message_make, template_in_force
from tideover.contact.models import Message, MessageTemplate
from tideover.contact.outbox.life import REASON_MAX, locked, move, note
from tideover.contact.rules.message import Move, State
from tideover.contact.rules.model import Channel, Purpose, Recipient
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.ids import handle_new
from tideover.core.problems import IdempotencyConflict, Problem, refuse
from tideover.lending.models import Contract, Party, Staff

POINTS_INSIDE = frozenset({Channel.SMS, Channel.PUSH, Channel.WECOM, Channel.MINI_PROGRAM})
"""Channels whose text only says that there is a message: what it says lies in the app."""
KEY_MAX = 100


def message_queue(
    *,
    party: Party,
    contracts: Sequence[Contract] = (),
    channel: Channel,
    purpose: Purpose,
    template: str,
    values: Mapping[str, object],
    at: datetime,
    not_before: datetime | None = None,
    expires_at: datetime | None = None,
    recipient: Recipient = Recipient.DEBTOR,
    number: str = "",
    saves_clock: bool = False,
    approved: bool = False,
    officer: Staff | None = None,
    with_inbox: bool = True,
    key: str,
    actor: str,
) -> Message:
    """Write a message in the caller's transaction; a worker sends it. The same key gives the same message, whatever the values.

    values: by name of the template's variables (money in minor units, dates, aware instants); lender, hotline, name, officer and
    loan are there already. number: where it goes, if not to the person's own address. not_before: not earlier than this.
    with_inbox: a text message that points into the app takes the whole message along, under the key with «:app».

    A text that cannot be made, breaks a rule of content or that the gate forbids for good gives a message that is blocked, with
    the reason: the caller's own act goes on. Raises Refused for a template that does not exist or is for another purpose, and
    IdempotencyConflict when the key was used for another person, channel or template.
    """
    if not 0 < len(key) <= KEY_MAX:
        raise refuse("bad_key", f"a message's key has 1 to {KEY_MAX} characters", "key")
    asked = _request_hash(party, contracts, channel, purpose, template, recipient)
    with transaction.atomic():
        if before := Message.objects.filter(key=key).first():
            return _same(before, asked)
        version = template_in_force(template, business_date(at), addresses.lender_of(party, contracts).jurisdiction)
        _fits(version, purpose, recipient)
        m = _drafted(party, contracts, channel, version, number, at, not_before, expires_at)
        m.key, m.request_hash, m.actor, m.saves_clock, m.approved = key, asked, actor, saves_clock, approved
        made = message_make(version, channel, m.language, party, contracts, values, officer=officer, today=business_date(at))
        _write(m, made)
        try:
            with transaction.atomic():
                m.next_at, m.state = m.not_before, State.DRAFTED
                m.save(force_insert=True)
        except IntegrityError:
            return _same(Message.objects.get(key=key), asked)
        m.contracts.set(contracts)
        _decide(m, made, at)
        if channel in POINTS_INSIDE and with_inbox and party.user_id and version.texts[m.language].get("app"):
            message_queue(
                party=party, contracts=contracts, channel=Channel.APP, purpose=purpose, template=template, values=values, at=at,
                not_before=not_before, expires_at=expires_at, recipient=recipient, saves_clock=saves_clock, approved=approved,
                officer=officer, key=f"{key}:app", actor=actor,
            )  # fmt: skip
    return m


def _request_hash(
    party: Party, contracts: Sequence[Contract], channel: Channel, purpose: Purpose, template: str, recipient: Recipient
) -> bytes:
    said = [1, party.reference, sorted(c.number for c in contracts), int(channel), int(purpose), template, int(recipient)]
    return hashlib.sha256(json.dumps(said).encode()).digest()


def _same(before: Message, asked: bytes) -> Message:
    if bytes(before.request_hash) != asked:
        raise IdempotencyConflict(Problem("idempotency_conflict", f"key {before.key} was used for another message", "key"))
    return before


def _fits(version: MessageTemplate, purpose: Purpose, recipient: Recipient) -> None:
    if version.purpose != purpose:
        raise refuse("wrong_purpose", f"{version.code} is for {Purpose(version.purpose).name.lower()}", "purpose")
    if version.recipient != recipient and Recipient(version.recipient) != Recipient.DEBTOR:
        raise refuse("wrong_recipient", f"{version.code} is for {Recipient(version.recipient).name.lower()}", "recipient")
    if recipient in (Recipient.RELATED, Recipient.UNRELATED) and version.discloses:
        raise refuse("discloses", f"{version.code} speaks of a debt: no third person may get it", "template")


def _drafted(
    party: Party, contracts: Sequence[Contract], channel: Channel, version: MessageTemplate, number: str, at: datetime,
    not_before: datetime | None, expires_at: datetime | None,
) -> Message:  # fmt: skip
    starts = max(at, not_before) if not_before else at
    language = addresses.language_of(party)
    to = number or addresses.address_of(party, channel)
    return Message(
        reference=handle_new("M"), party=party, branch=addresses.branch_of(party, contracts), channel=channel,
        purpose=version.purpose, recipient=version.recipient, template=version, language=language, to_address=to,
        to_hash=addresses.address_hash(channel, to), sign_name=addresses.name_in(addresses.lender_of(party, contracts), language),
        is_demand=version.is_demand, is_adverse_notice=version.is_adverse_notice, discloses=version.discloses,
        not_before=starts, expires_at=expires_at or starts + timedelta(hours=version.hours), created_at=at,
    )  # fmt: skip


def _write(m: Message, made: Made) -> None:
    m.subject, m.body, m.names_claim = made.subject, made.body, made.names_claim
    m.params = json.dumps(made.params, ensure_ascii=False)
    m.body_sha256 = hashlib.sha256(f"{made.subject}\n{made.body}".encode()).hexdigest() if made.body else ""


def _decide(m: Message, made: Made, at: datetime) -> None:
    """What keeps a message from going out, in this order: no address, its text, the gate."""
    problem = ""
    if not m.to_address:
        problem = "no_address"
    elif not addresses.is_subscribed(m):
        problem = "no_subscription"
    elif made.faults:
        problem = made.findings[0].rule if made.findings else f"text: {'; '.join(made.faults)}"
    elif m.expires_at <= m.not_before:
        problem = "expired"
    if problem:
        move(m, Move(State.BLOCKED, problem), at, "queued", actor=m.actor, faults=list(made.faults))
        return
    verdict = gate_ask(m, m.not_before, stage="decision")
    m.verdict = verdict.pk
    starts = m.not_before if verdict.allowed else verdict.next_at
    if starts is None or starts >= m.expires_at:
        to = Move(State.BLOCKED, gate_reason(verdict))
    else:
        to = Move(State.DRAFTED, "" if verdict.allowed else gate_reason(verdict), max(starts, m.not_before))
    move(m, to, at, "queued", actor=m.actor, verdict=verdict.pk)


def gate_ask(m: Message, at: datetime, *, stage: str) -> VerdictRow:
    """The gate's verdict on sending this message at an instant."""
    return verdict_ask(
        party=m.party, contracts=list(m.contracts.all()), channel=Channel(m.channel), purpose=Purpose(m.purpose),
        recipient=Recipient(m.recipient), number=m.to_address, discloses=m.discloses, saves_clock=m.saves_clock,
        approved=m.approved, at=at, actor=m.actor, stage=stage,
    )  # fmt: skip


def gate_reason(verdict: VerdictRow) -> str:
    """The rule that forbids it longest, as a message's reason: one that time does not lift, else the last to end."""
    if not verdict.fired:
        return "gate"
    return str(max(verdict.fired, key=lambda f: math.inf if f["until"] is None else f["until"])["rule"])[:REASON_MAX]


def message_cancel(m: Message, *, reason: str, actor: str) -> Message:
    """Take back a message that has not been handed over. Raises Refused when it has, or without a reason."""
    if not reason.strip():
        raise refuse("missing", "say why: the message's life keeps it", "reason")
    with transaction.atomic():
        row = locked(m.pk)
        if row.state != State.DRAFTED or (row.tries and row.lease_owner):
            raise refuse("too_late", f"{row.reference} is {row.state}: it can no longer be taken back")
        move(row, Move(State.CANCELLED, "cancelled"), now(), "cancelled", actor=actor, words=reason.strip()[:200])
        log(actor, "message.cancel", "message", row.reference)
    return row


def message_resend(m: Message, *, actor: str, at: datetime) -> Message:
    """A new message with the same words for one that certainly did not arrive. Raises Refused for any other.

    The gate is asked anew. What may have arrived (unknown) is never sent again.
    """
    with transaction.atomic():
        row = locked(m.pk)
        if row.state not in (State.FAILED, State.CANCELLED, State.BLOCKED) or not row.body:
            raise refuse("not_resendable", f"{row.reference} is {row.state}: only what certainly did not arrive is sent again")
        key = f"{row.key[:80]}:again"
        if found := Message.objects.filter(key=key).first():
            return found
        contracts = list(row.contracts.all())
        wait = row.expires_at - row.not_before
        new = Message(
            **{f: getattr(row, f) for f in COPIED}, reference=handle_new("M"), key=key, request_hash=bytes(row.request_hash),
            not_before=at, expires_at=at + wait, next_at=at, actor=actor, created_at=at, state=State.DRAFTED,
        )  # fmt: skip
        new.to_address = addresses.address_of(row.party, Channel(row.channel)) or row.to_address
        new.to_hash = addresses.address_hash(Channel(row.channel), new.to_address)
        new.save(force_insert=True)
        new.contracts.set(contracts)
        _decide(new, Made(row.subject, row.body, {}, row.names_claim, ()), at)
        note(row, "sent_again", at, actor=actor, by=new.reference)
        log(actor, "message.resend", "message", row.reference, {"new": new.reference})
    return new


COPIED = (
    "party", "branch", "channel", "purpose", "recipient", "template", "language", "subject", "body", "params", "sign_name",
    "body_sha256", "is_demand", "is_adverse_notice", "names_claim", "discloses", "saves_clock", "approved",
)  # fmt: skip
