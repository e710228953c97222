"""What the journal does to holds: plans, pauses, insolvency and debits place them; reversals and kept promises lift them.

Called inside the transaction that appends the events, so that event and hold are there together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from django.db import connection
from django.db.models import F, Q

from tideover.core.business_time import business_date, now, start_of_day
from tideover.core.sql import Asked, among, answers, objects, to_read, whole
from tideover.engine.events import Event, EventKind
from tideover.engine.terms import date_of, day
from tideover.lending.models import Contract, Hold, LoanEvent, Promise
from tideover.lending.rules.events import engine_event_of
from tideover.lending.rules.holds import DEBIT_MOVES, HOLD_OF_EVENT, MONEY_IN
from tideover.lending.rules.holds import is_kept as promise_is_kept
from tideover.lending.services_holds import cause_ends, hold_place, holds_lift
from tideover.lending.services_rows import cause_of, promise_hold

MOVES_MONEY = MONEY_IN | {EventKind.REVERSAL, EventKind.ADJUSTMENT, EventKind.CHARGEBACK, EventKind.DEBIT}
RARE = frozenset(HOLD_OF_EVENT) | {EventKind.DEBIT, EventKind.REVERSAL}
HOUSE = "house"


def cause_of_event(contract: Contract, seq: int) -> str:
    """How a hold names the event behind it."""
    return f"event:{contract.number}:{seq}"


def events_done(contract: Contract, rows: Iterable[LoanEvent], actor: str) -> None:
    """Place and lift the holds that new events of a loan cause."""
    money = False
    for event in map(_event, rows):
        money |= event.kind in MOVES_MONEY
        if event.kind in HOLD_OF_EVENT:
            _place(contract, event, HOLD_OF_EVENT[event.kind], actor)
        elif event.kind == EventKind.REVERSAL:
            cause_ends(cause_of_event(contract, event.of_seq), why="its event was reversed", actor=actor)
        elif event.kind == EventKind.DEBIT:
            debit_holds(contract, event.debit_id, moves=event.debit_status in DEBIT_MOVES, actor=actor)
        elif event.kind == EventKind.PAYOFF and event.debit_id:
            debit_holds(contract, event.debit_id, moves=False, actor=actor)
    if money:
        promises_settle([contract], actor=actor)


def bulk_done(rows: Mapping[int, Sequence[LoanEvent]], actor: str) -> None:
    """The same for events of RARE kinds that came in bulk, by contract id; promises are looked at with the next day."""
    contracts = Contract.objects.filter(pk__in=list(rows)).select_related("borrower__branch__entity", "entity")
    for contract in contracts:
        events_done(contract, rows[contract.pk], actor)


def _event(row: LoanEvent) -> Event:
    return engine_event_of(row.seq, EventKind(row.kind), row.effective_on, row.amount_minor, row.extra, recorded_us=0)


def _place(contract: Contract, event: Event, kind: str, actor: str) -> None:
    """The hold of one event, from now: insolvency is about the person, the others about the loan. A pause that is over holds
    nothing."""
    at = now()
    end = start_of_day(date_of(event.until)) if kind == "breathing_space" else None
    if end is not None and end <= at:
        return
    hold_place(
        contract.borrower, None if kind == "insolvency" else contract, kind=kind, starts_at=at, ends_at=end,
        cause=cause_of_event(contract, event.seq), actor=actor,
    )  # fmt: skip


def debit_holds(contract: Contract, debit_id: str, *, moves: bool, actor: str) -> None:
    """Hold a loan while money of a debit may be on its way, and again where that takes longer than a hold may stand; a result
    lifts the hold."""
    cause = f"debit:{contract.number}:{debit_id}"
    if moves:
        hold_place(contract.borrower, contract, kind="debit_in_flight", starts_at=now(), cause=cause, actor=actor)
    else:
        cause_ends(cause, why="the debit has a result", actor=actor)


def promises_asked(contracts: Sequence[Contract], on: date | None = None) -> Asked:
    """Asks for the promises about these loans, or about their borrowers as such, that money could still keep."""
    loans, pks = among("contract_id", [c.pk for c in contracts])
    people, borrowers = among("party_id", sorted({c.borrower_id for c in contracts}))
    since = connection.ops.adapt_datefield_value((on or business_date()) - GRACE)
    where = f"({loans} OR contract_id IS NULL AND {people}) AND withdrawn_at IS NULL AND due_on >= %s"
    return to_read(Promise, whole(Promise), where, [*pks, *borrowers, since])


def promises_settle(contracts: Sequence[Contract], *, actor: str, on: date | None = None) -> int:
    """Say of each promise that money could still keep whether it is kept by what has come in; how many changed.

    A kept promise lifts its hold; one whose money was taken back holds again while its day has not passed.
    """
    changed = 0
    for promise in objects(Promise, answers(promises_asked(contracts, on))[0]):
        loans = [promise.contract_id] if promise.contract_id else Contract.objects.filter(borrower=promise.party).values("pk")
        journals = [_journal(pk) for pk in Contract.objects.filter(pk__in=loans).values_list("pk", flat=True)]
        kept = promise_is_kept(promise.amount_minor, day(promise.promised_on), day(promise.due_on), journals)
        if kept == (promise.kept_at is not None):
            continue
        changed += 1
        promise.kept_at = now() if kept else None
        promise.save(update_fields=["kept_at"])
        if kept:
            cause_ends(cause_of(promise), why="the promise was kept", actor=actor)
        else:
            promise_hold(promise)
    return changed


GRACE = timedelta(days=7)
"""Money for a promise may be booked some days after its day."""


def _journal(contract_id: int) -> list[Event]:
    rows = LoanEvent.objects.filter(contract=contract_id).order_by("seq")
    return [_event(r) for r in rows]


def plans_look(on: date) -> int:
    """Lift the holds of plans that are not kept any more: an instalment that fell due since is late, or the loan is over."""
    held = Hold.objects.filter(kind="plan_kept", lifted_at=None, contract__isnull=False)
    over = held.filter(contract__standing__bucket__in=("closed", "written_off"))
    late = held.filter(contract__standing__days_past_due__gt=0, contract__standing__oldest_due_on__gte=F("starts_at__date"))
    lifted = holds_lift(Hold.objects.filter(pk__in=over.values("pk")), why="the loan is over", actor=HOUSE)
    return lifted + holds_lift(Hold.objects.filter(pk__in=late.values("pk")), why="the plan is not kept", actor=HOUSE)


def promises_look(on: date) -> int:
    """Settle every promise that could still be kept, from money that came by any way; how many changed."""
    waiting = Promise.objects.filter(withdrawn_at=None, kept_at=None, due_on__gte=on - GRACE)
    contracts = Contract.objects.filter(Q(pk__in=waiting.values("contract")) | Q(borrower__in=waiting.values("party")))
    return promises_settle(list(contracts.distinct()), actor=HOUSE, on=on)
