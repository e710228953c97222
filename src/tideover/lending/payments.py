"""Booking many payments at once: the loans' locks, journals and used keys are read once, the rows are written together.

The arithmetic is that of `journal.event_append`: each payment is replayed with the journal before it and gets its chain hash.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from tideover.core.action_log import Entry, log_many
from tideover.core.business_time import micros
from tideover.core.problems import IdempotencyConflict, NotFound, Problem, Refused, refuse
from tideover.engine.events import Event, EventKind, EventRejected
from tideover.engine.replay import replay
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import Terms, day
from tideover.lending import clock, journal
from tideover.lending.chain import body_hash
from tideover.lending.contract_terms import terms_for
from tideover.lending.imports.bulk import tips_move
from tideover.lending.models import Contract, LoanEvent, StandingRow
from tideover.lending.rules.events import engine_event_of, event_problems
from tideover.lending.selectors import standing_fields

CHUNK = 500


class NewPayment(NamedTuple):
    """One payment on one loan, as it comes in from outside."""

    loan: str
    amount_minor: int
    received_on: date
    key: str


class Booking:
    """The state of one booking inside one transaction: what is stored, and what will be."""

    def __init__(self, actor: str, loans: Sequence[int], keys: Sequence[str], today: date) -> None:
        """Lock the loans (ids ascending) and read their journals. Call inside a transaction, after `clock.writing()`."""
        self.actor, self.today = actor, today
        rows = Contract.objects.select_for_update(of=("self",), no_key=True).select_related("product", "entity").order_by("pk")
        self.loans: dict[str, Contract] = {}
        self.used: dict[str, LoanEvent] = {}
        self.stored: dict[int, list[Event]] = defaultdict(list)
        self.last: dict[int, LoanEvent] = {}
        for at in range(0, len(loans), CHUNK):
            ids = loans[at : at + CHUNK]
            self.loans |= {c.number: c for c in rows.filter(pk__in=ids)}
            for e in LoanEvent.objects.filter(contract__in=ids).order_by("contract_id", "seq"):
                self.stored[e.contract_id].append(journal.engine_event(e))
                self.last[e.contract_id] = e
        for at in range(0, len(keys), CHUNK):
            self.used |= {e.idempotency_key: e for e in LoanEvent.objects.filter(idempotency_key__in=keys[at : at + CHUNK])}
        self.terms: dict[int, Terms] = {}
        self.news: list[LoanEvent] = []
        self.standings: dict[int, Standing] = {}
        self.stamp = clock.stamp()

    def book(self, payments: Sequence[NewPayment]) -> list[LoanEvent | Refused]:
        """Book what can be booked, write it together, and say for each payment what became of it."""
        out: list[LoanEvent | Refused] = []
        for p in payments:
            try:
                out.append(self._one(p))
            except Refused as refusal:
                out.append(refusal)
        self._write()
        return out

    def _one(self, p: NewPayment) -> LoanEvent:
        contract = self.loans.get(p.loan)
        if contract is None:
            raise NotFound(Problem("no_such_loan", f"there is no loan {p.loan} in your scope", "loan"))
        if p.key.startswith(journal.OWN_KEYS):
            raise refuse("reserved_key", f"keys that begin with {journal.OWN_KEYS} are the lender's own", "idempotency_key")
        problems = [*journal.key_problems(p.key), *event_problems(EventKind.PAYMENT, p.amount_minor, None)]
        if problems:
            raise Refused(*problems)
        before = self.used.get(p.key)
        if before is not None:
            body = body_hash(EventKind.PAYMENT, day(p.received_on), p.amount_minor, b"", contract.pk)
            if bytes(before.body_hash) != body:
                message = f"key {p.key} was used for another request; use a new key"
                raise IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))
            return before
        return self._append(contract, p)

    def _append(self, contract: Contract, p: NewPayment) -> LoanEvent:
        journal.day_check(contract, p.received_on)
        stored, last = self.stored[contract.pk], self.last.get(contract.pk)
        at = self.stamp if last is None else max(self.stamp, last.recorded_at)
        seq = contract.event_count + 1
        event = engine_event_of(seq, EventKind.PAYMENT, p.received_on, p.amount_minor, None, recorded_us=micros(at))
        self.standings[contract.pk] = self._standing(contract, [*stored, event])
        new = journal.NewEvent(EventKind.PAYMENT, p.received_on, at, p.amount_minor, p.key, self.actor)
        [row] = journal.chained(contract, [new])
        stored.append(event)
        self.last[contract.pk] = self.used[p.key] = row
        self.news.append(row)
        return row

    def _standing(self, contract: Contract, events: list[Event]) -> Standing:
        """Today's standing with the new event; one replay also proves that every event can happen, unless one lies ahead."""
        terms = self.terms.get(contract.pk)
        if terms is None:
            terms = self.terms[contract.pk] = terms_for(contract)
        today = max(day(self.today), day(contract.disbursed_on))
        last = max(e.on for e in events)
        try:
            if last > today:
                replay(terms, events, last, None, Depth.TOTALS)
            return replay(terms, events, today, None, Depth.ROWS)
        except EventRejected as error:
            raise refuse("event_rejected", error.reason) from error

    def _write(self) -> None:
        if not self.news:
            return
        touched = {row.contract_id: row.contract for row in self.news}
        LoanEvent.objects.bulk_create(self.news, batch_size=CHUNK)
        standings = [StandingRow(contract=touched[pk], **standing_fields(self.standings[pk], touched[pk])) for pk in touched]
        columns = [f.name for f in StandingRow._meta.concrete_fields if not f.primary_key and f.name != "source"]
        StandingRow.objects.bulk_create(
            standings, update_conflicts=True, unique_fields=["contract"], update_fields=columns, batch_size=CHUNK
        )
        tips_move({pk: (c.event_count, bytes(c.chain_hash)) for pk, c in touched.items()})
        log_many(self.actor, [Entry("event.payment", "loan", r.contract.number, {"seq": r.seq}) for r in self.news])
