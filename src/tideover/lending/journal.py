"""Appending to the journal, and reading it as the engine does.

One event is appended under its contract row's lock (rows locked in ascending id), with seq = count + 1 and the chain's hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction

from tideover.core.business_time import micros
from tideover.core.problems import IdempotencyConflict, Problem, refuse
from tideover.engine.events import DebitStatus, DeferInterest, Event, EventKind, EventRejected, PrepayMode, RowPolicy
from tideover.engine.reference import effective
from tideover.engine.replay import replay
from tideover.engine.terms import Component, day
from tideover.lending.chain import GENESIS, body_hash, canonical, event_hash
from tideover.lending.clock import stamp
from tideover.lending.contract_terms import terms_for
from tideover.lending.models import Contract, LoanEvent, ReceiptPart

MONEY_KINDS = frozenset({EventKind.PAYMENT, EventKind.PREPAYMENT, EventKind.REPAY_PART, EventKind.CHARGE, EventKind.SETTLEMENT})
NAMED = {
    "prepay_mode": PrepayMode,
    "later_rows": RowPolicy,
    "defer_interest": DeferInterest,
    "debit_status": DebitStatus,
    "component": Component,
}


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event to append in bulk. `recorded_at` is explicit: history is imported as it was learned."""

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


def engine_event_of(
    seq: int, kind: EventKind, on: date, amount_minor: int, extra: dict[str, Any] | None, *, recorded_us: int
) -> Event:
    """An engine event from plain values. Raises ValueError naming an unknown field or value of `extra`."""
    values: dict[str, Any] = {}
    for name, raw in (extra or {}).items():
        if name in NAMED:
            try:
                values[name] = NAMED[name][str(raw).upper()]
            except KeyError:
                raise ValueError(f"{name} cannot be {raw!r}") from None
        elif name in ("from_day", "until"):
            values[name] = day(raw)
        elif name == "components":
            values[name] = tuple(Component[c.upper()] for c in raw)
        elif name == "shares":
            values[name] = tuple((Component[c.upper()], int(n), int(d)) for c, n, d in raw)
        elif name in ("of_seq", "rate_ppm", "rows", "pause_what"):
            values[name] = int(raw)
        elif name in ("class_min", "debit_id"):
            values[name] = str(raw)
        elif name not in ("note",):
            raise ValueError(f"unknown field {name}")
    return Event(seq=seq, on=day(on), kind=kind, recorded_at=recorded_us, amount_minor=amount_minor, **values)


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
) -> LoanEvent:
    """Append one event, or return the one that the same key and body appended before.

    Raises IdempotencyConflict (same key, another body) and Refused when the event cannot happen to this loan; nothing changes.
    """
    raw = canonical(extra)
    body = body_hash(kind, day(effective_on), amount_minor, raw, contract.pk)
    with transaction.atomic():
        recorded_at = stamp()
        locked = Contract.objects.select_for_update().select_related("product").get(pk=contract.pk)
        before = LoanEvent.objects.filter(idempotency_key=idempotency_key).first()
        if before is not None:
            if bytes(before.body_hash) != body or before.contract_id != contract.pk:
                message = f"key {idempotency_key} was used for another request; use a new key"
                raise IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))
            return before
        new = NewEvent(kind, effective_on, recorded_at, amount_minor, idempotency_key, actor, extra, receipt_part)
        _check(locked, new)
        [row] = _chained(locked, [new])
        row.save(force_insert=True)
        locked.save(update_fields=["event_count", "chain_hash"])
        contract.event_count, contract.chain_hash = locked.event_count, locked.chain_hash
        return row


def _check(contract: Contract, new: NewEvent) -> None:
    """Refuse what cannot happen, by replaying the loan with it."""
    if new.effective_on < contract.disbursed_on:
        raise refuse("before_disbursement", f"the loan was disbursed on {contract.disbursed_on}", "effective_on")
    if new.kind in MONEY_KINDS and new.amount_minor <= 0:
        raise refuse("amount_not_positive", "the amount must be more than zero", "amount")
    try:
        event = engine_event_of(
            contract.event_count + 1, new.kind, new.effective_on, new.amount_minor, new.extra, recorded_us=micros(new.recorded_at)
        )
    except (ValueError, KeyError) as error:
        raise refuse("bad_event", str(error), "extra") from error
    stored = engine_events(contract.events.order_by("seq"))
    if event.kind in (EventKind.REVERSAL, EventKind.CHARGEBACK, EventKind.ADJUSTMENT):
        if event.of_seq not in {e.seq for e in stored}:
            raise refuse("unknown_event", f"this loan has no event {event.of_seq}", "of_seq")
        live = {e.seq for e in effective(stored, None)} | {e.seq for e in stored if e.kind == EventKind.REVERSAL}
        if event.of_seq not in live:
            raise refuse("already_reversed", f"event {event.of_seq} is reversed already", "of_seq")
    try:
        replay(terms_for(contract), [*stored, event], max(day(new.effective_on), *(e.on for e in stored), 0))
    except EventRejected as error:
        raise refuse("event_rejected", error.reason) from error


def _chained(contract: Contract, news: Sequence[NewEvent]) -> list[LoanEvent]:
    prev, seq = bytes(contract.chain_hash) or GENESIS, contract.event_count
    out = []
    for n in news:
        seq += 1
        raw = canonical(n.extra)
        digest = event_hash(
            prev,
            contract.pk,
            seq,
            n.kind,
            day(n.effective_on),
            micros(n.recorded_at),
            n.amount_minor,
            raw,
            n.idempotency_key,
            n.actor,
        )
        out.append(
            LoanEvent(
                contract=contract,
                seq=seq,
                kind=n.kind,
                effective_on=n.effective_on,
                recorded_at=n.recorded_at,
                amount_minor=n.amount_minor,
                extra=n.extra,
                idempotency_key=n.idempotency_key,
                body_hash=body_hash(n.kind, day(n.effective_on), n.amount_minor, raw, contract.pk),
                actor=n.actor,
                receipt_part=n.receipt_part,
                prev_hash=prev,
                hash=digest,
            )
        )
        prev = digest
    contract.event_count, contract.chain_hash = seq, prev
    return out


def events_bulk_append(batches: Sequence[tuple[Contract, Sequence[NewEvent]]]) -> int:
    """Append the histories of many loans in one transaction; returns the number of events. Contracts are locked by id.

    The caller has validated the events; keys must be new.
    """
    ordered = sorted(batches, key=lambda b: b[0].pk)
    with transaction.atomic():
        locked = {c.pk: c for c in Contract.objects.select_for_update().filter(pk__in=[c.pk for c, _ in ordered]).order_by("pk")}
        rows: list[LoanEvent] = []
        for contract, news in ordered:
            rows += _chained(locked[contract.pk], news)
        LoanEvent.objects.bulk_create(rows, batch_size=2000)
        Contract.objects.bulk_update(locked.values(), ["event_count", "chain_hash"], batch_size=500)
    return len(rows)


def chain_break(contract: Contract) -> int | None:
    """The seq of the first event of a loan that does not follow from the one before; None when its chain is whole."""
    prev, seq = GENESIS, 0
    for e in contract.events.order_by("seq"):
        seq += 1
        digest = event_hash(
            prev, contract.pk, seq, e.kind, day(e.effective_on), micros(e.recorded_at), e.amount_minor,
            canonical(e.extra), e.idempotency_key, e.actor,
        )  # fmt: skip
        if e.seq != seq or bytes(e.prev_hash) != prev or bytes(e.hash) != digest:
            return int(e.seq)
        prev = digest
    whole = seq == contract.event_count and (bytes(contract.chain_hash) or GENESIS) == prev
    return None if whole else seq + 1
