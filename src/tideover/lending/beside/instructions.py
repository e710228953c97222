"""Instructions to a core: requested → sent → confirmed or rejected → reflected. A change is in force when it is confirmed.

An instruction is marked as sent, in a transaction of its own, before the core hears of it. Whatever then happens (no answer, a
worker that dies), it is handed over again only after the core said that it does not know the key: never booked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Q
from django.utils.translation import gettext_noop

from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.business_time import now as clock_now
from tideover.core.ids import handle_new
from tideover.core.lease import owner_new
from tideover.core.problems import IdempotencyConflict, Problem, Refused, refuse
from tideover.engine.events import EventKind
from tideover.engine.terms import day
from tideover.lending.beside.core_link import Answer, CoreLink, NoAnswer, link_of
from tideover.lending.beside.policies import policy_of
from tideover.lending.beside.writes import Way, kind_in_core, movement_of, way_of
from tideover.lending.chain import body_hash, canonical
from tideover.lending.journal import event_append, event_possible, key_problems
from tideover.lending.models import Break, Contract, CoreFile, CoreMovement, Instruction, LegalEntity, LoanEvent
from tideover.lending.models.organisation import BookMode
from tideover.lending.rules.beside_policy import BesidePolicy
from tideover.lending.services import standing_refresh

ACTOR = "core"
KEY = "tideover:instruction:"
TELL = "tideover:tell:"
"""Keys of instructions that tell the core of money that the journal has already."""
LEASE = timedelta(minutes=2)
ASK_AGAIN = timedelta(minutes=1)
"""How long a core that did not answer a question is left in peace about it."""
CONTRADICTS = (gettext_noop("the core said rejected after confirmed"), gettext_noop("the core said confirmed after rejected"))
CONFIRMED: list[Callable[[LegalEntity], None]] = []
"""What others do after instructions of an entity were confirmed, again until it is done; registered at start."""


def instruction_request(
    contract: Contract,
    *,
    kind: EventKind,
    effective_on: date,
    idempotency_key: str,
    reason: str,
    actor: str,
    amount_minor: int = 0,
    extra: Mapping[str, Any] | None = None,
) -> Instruction:
    """Ask the core for a change; the same key and body again is the same instruction.

    Raises Refused when it could not happen to this loan as it stands, IdempotencyConflict for another body.
    """
    if problems := key_problems(idempotency_key):
        raise Refused(*problems)
    if way_of(contract, kind, extra) != Way.ASK:
        raise refuse("not_instructed", "this is booked here: it is no change that a core is asked for", "kind")
    own = dict(extra) if extra else None
    body = body_hash(kind, day(effective_on), amount_minor, canonical(own), contract.pk)
    with transaction.atomic():
        before = Instruction.objects.filter(idempotency_key=idempotency_key).first()
        if before is not None:
            if bytes(before.body_hash) != body:
                message = f"key {idempotency_key} was used for another request; use a new key"
                raise IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))
            return before
        event_possible(contract, kind=kind, effective_on=effective_on, amount_minor=amount_minor, extra=own)
        seq = (own or {}).get("of_seq")
        if seq and any((i.extra or {}).get("of_seq") == seq for i in on_their_way(contract)):
            raise refuse("asked_already", f"the core was asked about entry {seq} already", "of_seq")
        return _requested(contract, kind, effective_on, amount_minor, own, idempotency_key, body, reason, actor)


def event_tell(event: LoanEvent, *, reason: str, actor: str) -> Instruction:
    """Ask the core to book money that the journal has and its ledger lacks; asked again it is the same instruction, unless the
    core refused it: then it is a new one."""
    contract = event.contract
    rows = Instruction.objects.filter(event=event, idempotency_key__startswith=TELL)
    before = rows.exclude(state="rejected").first()
    if before is not None:
        return before
    key = f"{TELL}{contract.number}:{event.seq}:{rows.count()}"
    extra = dict(event.extra) if event.extra and event.kind != EventKind.DEBIT else None
    args = (kind_in_core(event), event.effective_on, event.amount_minor, extra, key)
    with transaction.atomic():
        return _requested(contract, *args, bytes(event.body_hash), reason, actor, event)


def _requested(
    contract: Contract, kind: EventKind, on: date, amount: int, extra: dict[str, Any] | None, key: str, body: bytes, reason: str,
    actor: str, event: LoanEvent | None = None,
) -> Instruction:  # fmt: skip
    row = Instruction.objects.create(
        reference=handle_new("I"), contract=contract, kind=int(kind), effective_on=on, amount_minor=amount, extra=extra,
        idempotency_key=key, body_hash=body, reason=reason.strip()[:300], actor=actor, requested_at=clock_now(), event=event,
    )  # fmt: skip
    log(actor, "instruction.request", "loan", contract.number, {"instruction": row.reference})
    return row


@dataclass(slots=True)
class Counts:
    """What one round did."""

    sent: int = 0
    confirmed: int = 0
    rejected: int = 0
    asked: int = 0
    unanswered: int = 0
    lost: int = 0

    def add(self, other: Counts) -> None:
        """Count what another round did, too."""
        for f in fields(self):
            setattr(self, f.name, getattr(self, f.name) + getattr(other, f.name))

    def moved(self) -> bool:
        """Whether instructions came further, and the core answered."""
        return bool(self.confirmed or self.rejected or (self.sent and not self.unanswered))


def instructions_work(
    entity: LegalEntity, *, limit: int = 100, link: CoreLink | None = None, at: datetime | None = None
) -> Counts:
    """One round with the entity's core: read its answers, ask after what is unanswered, hand over what is requested.

    Safe in any number of processes at once. Raises Refused where the entity has no core or no address for it.
    """
    own, at, counts = link or link_of(entity.code), at or clock_now(), Counts()
    if entity.book_mode != BookMode.OVERLAY or own is None:
        raise refuse("no_core", f"{entity.code} has no core, or TIDEOVER_CORES does not say where it is", "entity")
    policy, owner = policy_of(entity, business_date(at)), owner_new()
    _answers(entity, own, counts)
    for row in _claim(entity, at, owner, _to_ask(at, policy), limit):
        _ask(row, own, at, counts)
    for row in _claim(entity, at, owner, Q(state="requested"), limit):
        _send(row, own, at, counts)
    for then in CONFIRMED:
        then(entity)
    return counts


def _to_ask(at: datetime, policy: BesidePolicy) -> Q:
    """Sent ones without any answer; received ones that have been silent for longer than the policy allows."""
    silent = at - timedelta(minutes=policy.inquire_after_minutes)
    quiet = Q(asked_at=None) | Q(asked_at__lte=silent)
    unheard = Q(answered_at=None) & (Q(asked_at=None) | Q(asked_at__lte=at - ASK_AGAIN))
    return Q(state="sent") & (unheard | (Q(answered_at__lte=silent) & quiet))


def _claim(entity: LegalEntity, at: datetime, owner: str, where: Q, limit: int) -> list[Instruction]:
    with transaction.atomic():
        free = Q(lease_until=None) | Q(lease_until__lte=at)
        rows = Instruction.objects.filter(where, free, contract__entity=entity).order_by("requested_at", "pk")
        skip = connection.features.has_select_for_update_skip_locked
        found = list(rows.select_for_update(of=("self",), skip_locked=skip, no_key=True)[:limit])
        Instruction.objects.filter(pk__in=[r.pk for r in found]).update(lease_owner=owner, lease_until=at + LEASE)
    return found


def _send(row: Instruction, link: CoreLink, at: datetime, counts: Counts) -> None:
    """Mark it as sent, commit, then hand it over. No answer: it stays sent and is asked after in the next round."""
    marked = Instruction.objects.filter(pk=row.pk, state="requested").update(
        state="sent", sent_at=at, attempts=row.attempts + 1, answered_at=None, asked_at=None
    )
    if not marked:
        return
    counts.sent += 1
    body = {
        "key": row.reference, "loan": row.contract.number, "kind": EventKind(row.kind).name.lower(),
        "effective_on": row.effective_on.isoformat(), "amount_minor": row.amount_minor, "extra": row.extra or {},
        "reason": row.reason, "of": _earlier(row),
    }  # fmt: skip
    try:
        answer = link.send(body)
    except NoAnswer as problem:
        counts.unanswered += 1
        _free(row, answer=f"no answer: {problem}"[:300])
        return
    _free(row)
    _count(counts, answer_apply(row, answer, at))


def _earlier(row: Instruction) -> dict[str, Any] | None:
    """What an instruction takes back or corrects, as the core knows it; `reference`: of its movement, empty where unknown."""
    seq = (row.extra or {}).get("of_seq")
    event = LoanEvent.objects.filter(contract=row.contract_id, seq=seq).first() if seq else None
    if event is None:
        return None
    movement = movement_of(event)
    return {
        "reference": movement.reference if movement else "", "kind": kind_in_core(event).name.lower(),
        "effective_on": event.effective_on.isoformat(), "amount_minor": event.amount_minor,
    }  # fmt: skip


def _ask(row: Instruction, link: CoreLink, at: datetime, counts: Counts) -> None:
    counts.asked += 1
    try:
        answer = link.ask(row.reference)
    except NoAnswer as problem:
        counts.unanswered += 1
        _free(row, asked_at=at, answer=f"no answer: {problem}"[:300])
        return
    if answer.state == "no_such_key":
        counts.lost += 1
        again = Instruction.objects.filter(pk=row.pk, state="sent")
        again.update(state="requested", lease_owner="", lease_until=None, answer="the core does not know it")
        return
    _free(row, asked_at=at)
    _count(counts, answer_apply(row, answer, at))


def _free(row: Instruction, **more: Any) -> None:
    Instruction.objects.filter(pk=row.pk).update(lease_owner="", lease_until=None, **more)


def _count(counts: Counts, state: str) -> None:
    counts.confirmed += state == "confirmed"
    counts.rejected += state == "rejected"


def _answers(entity: LegalEntity, link: CoreLink, counts: Counts) -> None:
    """Answers that the core lists, each once: what is known already changes nothing."""
    own = Instruction.objects.filter(contract__entity=entity)
    after = own.aggregate(last=Max("answer_nr"))["last"] or 0
    try:
        found = link.answers(after)
    except NoAnswer:
        counts.unanswered += 1
        return
    for answer in found:
        row = own.filter(reference=answer.key).first()
        if row is not None:
            _count(counts, answer_apply(row, answer, clock_now()))


def answer_apply(row: Instruction, answer: Answer, at: datetime) -> str:
    """Take an answer of the core down, in one transaction; the state that it brought, empty where it changed nothing.

    A confirmation writes the event into the journal; where the journal refuses it, the instruction says why. A second answer
    that contradicts the first changes nothing and is kept as a problem.
    """
    with transaction.atomic():
        own = Instruction.objects.select_for_update(of=("self",), no_key=True).select_related("contract__entity").get(pk=row.pk)
        own.answer_nr = max(own.answer_nr, answer.nr)
        before, changed = own.state, ""
        if before in ("requested", "sent"):
            own.answered_at, own.answer = at, answer.reason
            if answer.state == "confirmed":
                changed = own.state = "confirmed"
                _confirm(own, answer)
            elif answer.state == "rejected":
                changed = own.state = "rejected"
                log(ACTOR, "instruction.reject", "loan", own.contract.number, {"instruction": own.reference})
        elif answer.state != "received" and (answer.state == "rejected") != (before == "rejected"):
            own.problem = CONTRADICTS[answer.state == "confirmed"]
        own.save()
    return changed


def _confirm(own: Instruction, answer: Answer) -> None:
    contract = own.contract
    own.core_reference = answer.reference[:60]
    own.confirmed_on = _day(answer.on) or own.effective_on
    log(ACTOR, "instruction.confirm", "loan", contract.number, {"instruction": own.reference})
    if own.event is not None:  # money that the journal told the core of
        return
    try:
        with transaction.atomic():
            own.event = event_append(
                contract, kind=EventKind(own.kind), effective_on=own.confirmed_on, amount_minor=own.amount_minor,
                extra=own.extra, idempotency_key=f"{KEY}{own.reference}", actor=own.actor,
                core_told=True,
            )  # fmt: skip
            standing_refresh(contract, as_of=max(business_date(), contract.disbursed_on))
    except Refused as refusal:
        own.problem = "; ".join(p.message for p in refusal.problems)[:300]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def instructions_heard(entity: LegalEntity) -> int:
    """A movement that names an instruction confirms it, whatever became of the answer; how many were confirmed by it.

    So a change of the core is never booked once from its file and once more from an answer that comes late.
    """
    waiting = Instruction.objects.filter(contract__entity=entity, state__in=("requested", "sent", "rejected"))
    rows = CoreMovement.objects.filter(file__entity=entity, file__state="taken", instruction__in=waiting.values("reference"))
    count = 0
    for m in rows.order_by("pk"):
        row = waiting.filter(reference=m.instruction, contract=m.contract_id).first()
        if row is not None and (row.state != "rejected" or not row.problem):
            answer = Answer(row.reference, "confirmed", m.reference, on=m.effective_on.isoformat())
            count += answer_apply(row, answer, clock_now()) == "confirmed"
    for then in CONFIRMED:
        then(entity)
    return count


def instructions_reflect(file: CoreFile) -> int:
    """Mark confirmed instructions that the core's files of a day show: by a movement that names one, or because the loan's
    balances agree with a journal that holds it. How many."""
    rows = Instruction.objects.filter(contract__entity=file.entity_id, state="confirmed", confirmed_on__lte=file.day)
    named = set(CoreMovement.objects.filter(file__entity=file.entity_id, file__state="taken").exclude(instruction="")
                .filter(instruction__in=rows.values("reference")).values_list("instruction", flat=True))  # fmt: skip
    broken = Break.objects.filter(entity=file.entity_id, closed_at=None).exclude(contract=None).values("contract")
    agree = rows.exclude(event=None).exclude(contract__in=broken).values_list("reference", flat=True)
    seen = named | set(agree)
    return Instruction.objects.filter(reference__in=seen, state="confirmed").update(state="reflected", reflected_on=file.day)


def on_their_way(contract: Contract) -> list[Instruction]:
    """Changes of a loan that the core was asked for and has not answered; money that it was told of is none."""
    rows = Instruction.objects.filter(contract=contract, event=None, state__in=("requested", "sent"))
    return list(rows.order_by("requested_at"))
