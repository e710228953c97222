"""Appending to the journal, and reading it as the engine does.

One event is appended under its contract row's lock (rows locked in ascending id), with seq = count + 1 and the chain's hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, connection, transaction

from tideover.core.business_time import instant, micros
from tideover.core.problems import IdempotencyConflict, Problem, Refused, refuse
from tideover.core.sql import Asked, among, answers, objects, to_insert, to_read, whole
from tideover.engine.events import PAYMENT_KINDS, Event, EventKind, EventRejected
from tideover.engine.reference import effective
from tideover.engine.replay import replay
from tideover.engine.terms import NO_DAY, day
from tideover.lending import clock
from tideover.lending.beside.writes import way_check
from tideover.lending.causes import events_done
from tideover.lending.chain import GENESIS, Link, body_hash, canonical, chain_hashes
from tideover.lending.contract_terms import terms_for
from tideover.lending.models import Contract, LoanEvent, ReceiptPart
from tideover.lending.rules.events import engine_event_of, event_problems

KEY_LENGTH_MAX = 80
OWN_KEYS = "tideover:"
"""Idempotency keys of events that the house itself derives (parts of a receipt, resets) begin with this; nobody else's may."""
YEARS_MAX = 60
"""An event lies at most this many years after the loan began: beyond it is a slip of the keyboard."""
OF_CHARGE = frozenset({EventKind.CHARGE_CREDIT, EventKind.CHARGE_WAIVER})
"""Kinds that speak of a charge."""
AGAINST = frozenset({EventKind.REVERSAL, EventKind.CHARGEBACK, EventKind.ADJUSTMENT}) | OF_CHARGE
"""Kinds that speak of an earlier event, `of_seq`."""
HAS_AMOUNT = PAYMENT_KINDS | {
    EventKind.PREPAYMENT, EventKind.REPAY_PART, EventKind.DEBIT, EventKind.CHARGE, EventKind.SETTLEMENT,
}  # fmt: skip
"""Kinds whose money can be taken back or corrected."""
HAS_DAYS = frozenset({EventKind.PAUSE, EventKind.EXTENSION})
"""Kinds whose days can be corrected in place."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event about to be chained, with the instant it is stamped with."""

    kind: EventKind
    effective_on: date
    recorded_at: datetime
    amount_minor: int
    idempotency_key: str
    actor: str
    extra: dict[str, Any] | None = None
    receipt_part: ReceiptPart | None = None


def engine_event(row: LoanEvent) -> Event:
    """One stored event as the engine reads it; recorded_at in microseconds."""
    return engine_event_of(
        row.seq, EventKind(row.kind), row.effective_on, row.amount_minor, row.extra, recorded_us=micros(row.recorded_at)
    )


READ = ("contract_id", "seq", "kind", "effective_on", "amount_minor", "extra", "recorded_at")


class Said(NamedTuple):
    """One stored event as plain values: what the engine needs of it, without an object of the engine or the ORM."""

    seq: int
    kind: int
    effective_on: date
    amount_minor: int
    extra: dict[str, Any] | None
    recorded_us: int

    def event(self) -> Event:
        """The event as the engine reads it."""
        kind = EventKind(self.kind)
        return engine_event_of(
            self.seq, kind, self.effective_on, self.amount_minor, self.extra, recorded_us=self.recorded_us
        )  # fmt: skip


def journals_read(contract_ids: Sequence[int]) -> dict[int, list[Said]]:
    """The journals of many loans by contract id, in order of `seq`; loans without events are left out."""
    return journals_of(answers(journals_asked(contract_ids))[0])


def journals_asked(contract_ids: Sequence[int]) -> Asked:
    """Asks for the journals of many loans, for `journals_of`; PostgreSQL itself counts the microseconds, which costs less."""
    asked = to_read(LoanEvent, READ, *among("contract_id", contract_ids), "ORDER BY contract_id, seq")
    if connection.vendor != "postgresql":
        return asked
    plain = [c for c in asked.converters if c[0] != READ.index("recorded_at")]
    us = "(extract(epoch FROM recorded_at) * 1000000)::bigint"
    return asked._replace(sql=asked.sql.replace("recorded_at", us, 1), converters=plain)


def journals_of(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[Said]]:
    """The journals in the rows that `journals_asked` found."""
    out: dict[int, list[Said]] = {}
    for pk, seq, kind, on, amount, extra, at in rows:
        out.setdefault(pk, []).append(Said(seq, kind, on, amount, extra, at if isinstance(at, int) else micros(at)))
    return out


def events_asked(contract: Contract) -> Asked:
    """Asks for the journal of one loan, in order of `seq`, as rows of LoanEvent."""
    return to_read(LoanEvent, whole(LoanEvent), "contract_id = %s", [contract.pk], "ORDER BY seq")


def events_read(contract: Contract) -> list[LoanEvent]:
    """The journal of one loan, in order of `seq`."""
    return objects(LoanEvent, answers(events_asked(contract))[0])


def engine_events(rows: Iterable[LoanEvent]) -> list[Event]:
    """Stored events as the engine reads them."""
    return [engine_event(r) for r in rows]


def event_append(
    contract: Contract,
    *,
    kind: EventKind,
    effective_on: date,
    idempotency_key: str,
    actor: str,
    amount_minor: int = 0,
    extra: dict[str, Any] | None = None,
    receipt_part: ReceiptPart | None = None,
    core_told: bool = False,
) -> LoanEvent:
    """Append one event, or return the one that the same key and body appended before.

    core_told: the loan's core booked or confirmed it, or follows it by the contract; without it a change of a loan whose ledger
    is a core's is refused (beside/writes.py). Raises IdempotencyConflict (same key, another body) and Refused when the event
    cannot happen to this loan; nothing changes.
    """
    problems = [*key_problems(idempotency_key), *event_problems(kind, amount_minor, extra)]
    if problems:
        raise Refused(*problems)
    body = body_hash(kind, day(effective_on), amount_minor, canonical(extra), contract.pk)
    try:
        with transaction.atomic():
            closed, (rows, used, journal) = clock.writing_and(
                to_read(Contract, whole(Contract), "id = %s", [contract.pk], row_lock()),
                to_read(LoanEvent, whole(LoanEvent), "idempotency_key = %s", [idempotency_key]),
                journals_asked([contract.pk]),
            )
            locked = _as_locked(contract, rows)
            for before in objects(LoanEvent, used):
                if bytes(before.body_hash) != body or before.contract_id != contract.pk:
                    raise _key_conflict(idempotency_key)
                return before
            if not core_told:
                way_check(locked, kind, extra)
            stored = [said.event() for said in journals_of(journal).get(contract.pk, ())]
            recorded_at = clock.above(closed, instant(stored[-1].recorded_at) if stored else None)
            new = NewEvent(kind, effective_on, recorded_at, amount_minor, idempotency_key, actor, extra, receipt_part)
            _check(locked, stored, new)
            [row] = chained(locked, [new])
            [insert] = to_insert(LoanEvent, [row])
            tip = "UPDATE lending_contract SET event_count = %s, chain_hash = %s WHERE id = %s RETURNING id"
            made = answers(
                insert._replace(sql=f"{insert.sql} RETURNING id"), Asked(tip, [locked.event_count, locked.chain_hash, locked.pk])
            )
            row.pk = made[0][0][0]
            events_done(locked, [row], actor)
    except IntegrityError as error:
        # Another loan's writer used the key between our look and our insert; the row lock covers one loan only.
        if LoanEvent.objects.filter(idempotency_key=idempotency_key).exists():
            raise _key_conflict(idempotency_key) from error
        raise
    contract.event_count, contract.chain_hash = locked.event_count, locked.chain_hash
    return row


def row_lock() -> str:
    """What ends a SELECT that locks its own rows until the transaction ends (on SQLite every writer is alone anyway).

    Rows of joined tables are not locked: that would queue all loans of a product behind one another.
    """
    return "FOR NO KEY UPDATE" if connection.vendor == "postgresql" else ""


def _as_locked(contract: Contract, rows: Sequence[tuple[Any, ...]]) -> Contract:
    """A contract as it is now, from its locked row; product, entity and borrower are those of the one given, if it has them."""
    [locked] = objects(Contract, rows)
    for name in ("product", "entity", "borrower"):
        field = Contract._meta.get_field(name)
        if field.is_cached(contract) and getattr(locked, field.attname) == getattr(contract, field.attname):
            setattr(locked, name, getattr(contract, name))
    return locked


def _key_conflict(key: str) -> IdempotencyConflict:
    message = f"key {key} was used for another request; use a new key"
    return IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))


def key_problems(key: str) -> list[Problem]:
    """What is wrong with an idempotency key; empty when it can be used."""
    if 1 <= len(key) <= KEY_LENGTH_MAX and key.isprintable():
        return []
    message = f"an idempotency key has 1 to {KEY_LENGTH_MAX} printable characters"
    return [Problem("bad_idempotency_key", message, "idempotency_key")]


def event_possible(
    contract: Contract, *, kind: EventKind, effective_on: date, amount_minor: int, extra: Mapping[str, Any] | None
) -> None:
    """Refuse an event that cannot happen to this loan as its journal is now; nothing is locked or written."""
    problems = event_problems(kind, amount_minor, extra)
    if problems:
        raise Refused(*problems)
    stored = events_read(contract)
    at = stored[-1].recorded_at if stored else contract.created_at
    _check(contract, engine_events(stored), NewEvent(kind, effective_on, at, amount_minor, "", "", dict(extra or {}) or None))


def _check(contract: Contract, stored: Sequence[Event], new: NewEvent) -> None:
    """Refuse what cannot happen to this loan, by replaying it with the event."""
    day_check(contract, new.effective_on)
    event = engine_event_of(
        contract.event_count + 1, new.kind, new.effective_on, new.amount_minor, new.extra, recorded_us=micros(new.recorded_at)
    )
    if event.kind in AGAINST:
        _check_earlier(event, stored)
    try:
        replay(terms_for(contract), [*stored, event], max(event.on, *(e.on for e in stored), 0))
    except EventRejected as error:
        raise refuse("event_rejected", error.reason) from error


def day_check(contract: Contract, effective_on: date) -> None:
    """Refuse a day on which nothing can happen to this loan."""
    if effective_on < contract.disbursed_on:
        raise refuse("before_disbursement", f"the loan was disbursed on {contract.disbursed_on}", "effective_on")
    if effective_on.year > contract.disbursed_on.year + YEARS_MAX:
        raise refuse("too_late", f"the date lies more than {YEARS_MAX} years after the loan began", "effective_on")


def _check_earlier(event: Event, stored: Sequence[Event]) -> None:
    """Refuse to reverse, correct or take back what is not there, is reversed, or has no money."""
    earlier = next((e for e in stored if e.seq == event.of_seq), None)
    if earlier is None:
        raise refuse("unknown_event", f"this loan has no event {event.of_seq}", "of_seq")
    live = {e.seq for e in effective(stored, None)} | {e.seq for e in stored if e.kind == EventKind.REVERSAL}
    if event.of_seq not in live:
        raise refuse("already_reversed", f"event {event.of_seq} is reversed already", "of_seq")
    if event.kind == EventKind.REVERSAL:
        return
    if event.kind == EventKind.ADJUSTMENT and earlier.kind in HAS_DAYS:
        _check_days(event, earlier)
        return
    if event.kind in OF_CHARGE and earlier.kind != EventKind.CHARGE:
        raise refuse("no_charge", f"event {event.of_seq} is a {earlier.kind.name.lower()}, no charge", "of_seq")
    if earlier.kind not in HAS_AMOUNT:
        raise refuse("no_money", f"event {event.of_seq} is a {earlier.kind.name.lower()} and has no amount", "of_seq")
    if event.kind == EventKind.ADJUSTMENT and event.amount_minor <= 0:
        raise refuse("amount_not_positive", "the amount must be more than zero", "amount")
    if event.kind == EventKind.CHARGEBACK and event.amount_minor > earlier.amount_minor:
        raise refuse("more_than_paid", f"event {event.of_seq} was {earlier.amount_minor} minor units", "amount")


def _check_days(event: Event, earlier: Event) -> None:
    """Refuse an edit of a pause or an extension that gives no day, money, or an end before its beginning."""
    if event.from_day == NO_DAY and event.until == NO_DAY:
        message = f"event {event.of_seq} is a {earlier.kind.name.lower()}: say from_day or until"
        raise refuse("missing_field", message, "extra.until")
    if event.amount_minor:
        raise refuse("amount_not_used", f"event {event.of_seq} is a {earlier.kind.name.lower()} and has no amount", "amount")
    begins = next(d for d in (event.from_day, earlier.from_day, earlier.on) if d != NO_DAY)
    if (event.until if event.until != NO_DAY else earlier.until) < begins:
        raise refuse("bad_dates", "it would end before it begins", "extra.until")


def is_live(contract: Contract, seq: int) -> bool:
    """Whether an event of a loan counts: it exists and is not reversed."""
    return seq in {e.seq for e in effective(engine_events(events_read(contract)), None)}


def chained(contract: Contract, news: Sequence[NewEvent]) -> list[LoanEvent]:
    """Rows for `news` after the contract's tip, which moves to the last of them (in memory)."""
    first = contract.event_count + 1
    links = [
        Link(
            contract.pk, first + i, n.kind, day(n.effective_on), micros(n.recorded_at), n.amount_minor, canonical(n.extra),
            n.idempotency_key, n.actor,
        )
        for i, n in enumerate(news)
    ]  # fmt: skip
    hashes = chain_hashes(links, {contract.pk: bytes(contract.chain_hash)})
    out = [
        LoanEvent(
            contract=contract,
            seq=link.seq,
            kind=n.kind,
            effective_on=n.effective_on,
            recorded_at=n.recorded_at,
            amount_minor=n.amount_minor,
            extra=n.extra,
            idempotency_key=n.idempotency_key,
            body_hash=body_hash(n.kind, link.effective_day, n.amount_minor, link.extra, contract.pk),
            actor=n.actor,
            receipt_part=n.receipt_part,
            prev_hash=prev,
            hash=digest,
        )
        for n, link, (prev, digest) in zip(news, links, hashes, strict=True)
    ]
    if out:
        contract.event_count, contract.chain_hash = out[-1].seq, out[-1].hash
    return out


def chain_break(contract: Contract) -> int | None:
    """The seq of the first event of a loan that does not follow from the one before; None when its chain is whole."""
    return next((seq for _, seq in chain_breaks(contract.pk, contract.pk)), None)


COLUMNS = (
    "contract_id", "seq", "kind", "effective_on", "recorded_at", "amount_minor", "extra", "idempotency_key", "actor",
    "prev_hash", "hash",
)  # fmt: skip


def chain_breaks(first_id: int, last_id: int) -> Iterator[tuple[str, int]]:
    """(loan number, seq of the first broken event) of each loan with first_id <= id <= last_id whose chain is not whole.

    A loan whose contract row does not hold the journal's tip (events lost from the end) is named with the seq that is missing.
    """
    loans = Contract.objects.filter(pk__range=(first_id, last_id)).order_by("pk")
    tips = {
        pk: (number, count, bytes(tip))
        for pk, number, count, tip in loans.values_list("pk", "number", "event_count", "chain_hash")
    }
    seen: dict[int, tuple[int, bytes]] = {}
    broken: dict[int, int] = {}
    events = LoanEvent.objects.filter(contract_id__gte=first_id, contract_id__lte=last_id).order_by("contract_id", "seq")
    rows = events.values_list(*COLUMNS).iterator(chunk_size=10_000)
    for cid, seq, kind, on, at, amount, extra, key, actor, prev, digest in rows:
        if cid in broken:
            continue
        count, tip = seen.get(cid, (0, GENESIS))
        link = Link(cid, seq, kind, day(on), micros(at), amount, canonical(extra), key, actor)
        [(_, expected)] = chain_hashes([link], {cid: tip})
        if seq != count + 1 or bytes(prev) != tip or bytes(digest) != expected:
            broken[cid] = seq
        seen[cid] = (seq, expected)
    for cid, (number, count, tip) in tips.items():
        last, digest = seen.get(cid, (0, GENESIS))
        if cid in broken:
            yield number, broken[cid]
        elif last != count or digest != (tip or GENESIS):
            yield number, last + 1
