"""Booking many payments at once: the loans' locks, journals and used keys are read once, all loans are replayed together, and
the rows are written together.

The arithmetic is that of `journal.event_append`: a payment stands when the loan's journal with it can be replayed. All payments
of a request are tried together; a loan that refuses one of them tries its own again, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import numpy as np

from tideover.core.action_log import Entry, log_many
from tideover.core.business_time import instant, micros
from tideover.core.models import User
from tideover.core.problems import IdempotencyConflict, NotFound, Problem, Refused, refuse
from tideover.core.sql import among, answers, objects, rows_insert, to_insert, to_read, whole
from tideover.engine.batch import STATUS_OK, replay_many, standing_of
from tideover.engine.columns import EventColumns, terms_columns
from tideover.engine.columns_bulk import events_bulk
from tideover.engine.events import EventKind, EventRejected
from tideover.engine.replay import replay
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import day
from tideover.lending import clock, journal
from tideover.lending.causes import promises_asked, promises_settle
from tideover.lending.chain import body_hash
from tideover.lending.contract_terms import terms_for
from tideover.lending.held import Held, figures_of, holds_asked, standing_held
from tideover.lending.imports.bulk import tips_asked, tips_move
from tideover.lending.models import Contract, LegalEntity, LoanEvent, Product, StandingRow
from tideover.lending.rules.events import event_problems
from tideover.lending.selectors import contracts_where, standing_fields

TOGETHER_FROM = 8
"""From this many loans on they are replayed together; packing fewer costs more than it saves."""


class NewPayment(NamedTuple):
    """One payment on one loan, as it comes in from outside."""

    loan: str
    amount_minor: int
    received_on: date
    key: str


class _Loan:
    """One locked loan: its journal as the engine reads it, and what is to be booked on it."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.stored: list[journal.Said] = []
        self.waiting: list[tuple[int, NewPayment]] = []
        """(place in the request, payment)"""
        self.standing: Standing | None = None

    def stamped(self, stamp: datetime) -> datetime:
        """`recorded_at` of a new event: never before the event that precedes it."""
        return max(stamp, instant(self.stored[-1].recorded_us)) if self.stored else stamp

    def journal(self, stamp: datetime) -> list[journal.Said]:
        """The stored events and those that wait."""
        at, first = micros(self.stamped(stamp)), self.contract.event_count + 1
        return self.stored + [
            journal.Said(first + n, EventKind.PAYMENT, p.received_on, p.amount_minor, None, at)
            for n, (_, p) in enumerate(self.waiting)
        ]


class Booking:
    """The state of one booking inside one transaction: what is stored, and what will be."""

    def __init__(self, user: User, payments: Sequence[NewPayment], today: date) -> None:
        """Lock the loans (ids ascending), then read all that their booking needs. Call inside a transaction."""
        self.actor, self.today, self.payments = user.username, today, payments
        scope, post = contracts_where(user, today)
        named, bound = among("number", sorted({p.loan for p in payments}))
        lock = f"ORDER BY id {journal.row_lock()}"
        closed, [rows] = clock.writing_and(to_read(Contract, whole(Contract), f"{named} AND {scope}", [*bound, *post], lock))
        self.loans = {c.number: _Loan(c) for c in objects(Contract, rows)}
        self.stamp = clock.above(closed)
        self._read([loan.contract for loan in self.loans.values()])
        self.out: list[LoanEvent | Refused | None] = [None] * len(payments)

    def _read(self, contracts: Sequence[Contract]) -> None:
        """Everything about locked loans, in one round trip."""
        ids = [c.pk for c in contracts]
        products, entities, journals, used, held, promises = answers(
            to_read(Product, whole(Product), *among("id", sorted({c.product_id for c in contracts}))),
            to_read(LegalEntity, whole(LegalEntity), *among("id", sorted({c.entity_id for c in contracts}))),
            journal.journals_asked(ids),
            to_read(LoanEvent, whole(LoanEvent), *among("idempotency_key", [p.key for p in self.payments])),
            holds_asked(ids, self.today),
            promises_asked(contracts),
        )
        product_of = {p.pk: p for p in objects(Product, products)}
        entity_of = {e.pk: e for e in objects(LegalEntity, entities)}
        stored = journal.journals_of(journals)
        for loan in self.loans.values():
            c = loan.contract
            c.product, c.entity, loan.stored = product_of[c.product_id], entity_of[c.entity_id], stored.get(c.pk, [])
        self.used = {e.idempotency_key: e for e in objects(LoanEvent, used)}
        self.figures = figures_of(held, self.today)
        self.promised = bool(promises)

    def book(self) -> list[LoanEvent | Refused]:
        """Book what can be booked, write it together, and say for each payment what became of it."""
        repeats: list[int] = []
        ahead: dict[str, int] = {}
        for at, p in enumerate(self.payments):
            if p.key in ahead:
                repeats.append(at)
                continue
            try:
                if (before := self._before(p)) is not None:
                    self.out[at] = before
                    continue
                self.loans[p.loan].waiting.append((at, p))
                ahead[p.key] = at
            except Refused as refusal:
                self.out[at] = refusal
        touched = [loan for loan in self.loans.values() if loan.waiting]
        self._stand(touched)
        self._write([loan for loan in touched if loan.waiting])
        for at in repeats:
            self.out[at] = self._repeat(self.payments[at])
        return [done for done in self.out if done is not None]

    def _before(self, p: NewPayment) -> LoanEvent | None:
        """The event that the payment's key made before. Raises Refused for what is wrong without looking at the replay."""
        loan = self.loans.get(p.loan)
        if loan is None:
            raise NotFound(Problem("no_such_loan", f"there is no loan {p.loan} in your scope", "loan"))
        if p.key.startswith(journal.OWN_KEYS):
            raise refuse("reserved_key", f"keys that begin with {journal.OWN_KEYS} are the lender's own", "idempotency_key")
        problems = [*journal.key_problems(p.key), *event_problems(EventKind.PAYMENT, p.amount_minor, None)]
        if problems:
            raise Refused(*problems)
        before = self.used.get(p.key)
        if before is None:
            journal.day_check(loan.contract, p.received_on)
            return None
        body = body_hash(EventKind.PAYMENT, day(p.received_on), p.amount_minor, b"", loan.contract.pk)
        if bytes(before.body_hash) != body:
            message = f"key {p.key} was used for another request; use a new key"
            raise IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))
        return before

    def _repeat(self, p: NewPayment) -> LoanEvent | Refused:
        """A key that stood in the request before: its event, or a conflict; tried anew when the first was refused."""
        try:
            before = self._before(p)
        except Refused as refusal:
            return refusal
        return before or refuse("repeated_key", f"key {p.key} stands twice in the request, and the first was refused")

    def _stand(self, touched: Sequence[_Loan]) -> None:
        """Today's standing of each loan with what waits on it; what its replay refuses is taken out."""
        together = touched if len(touched) >= TOGETHER_FROM else []
        self._replayed(together)
        for loan in touched:
            if loan.standing is None:
                self._one_by_one(loan)

    def _replayed(self, loans: Sequence[_Loan]) -> None:
        """Standings of many loans by one replay; none for a loan with an event that cannot apply."""
        if not loans:
            return
        terms = terms_columns([terms_for(loan.contract) for loan in loans])
        events, ends = _columns([loan.journal(self.stamp) for loan in loans])
        today = np.array([self._today(loan) for loan in loans])
        found = replay_many(terms, events, today)
        sound = found.table["status"] == STATUS_OK
        if (ends > today).any():
            # An event ahead is not reached today: that all of them can happen is proved on the last one's day.
            sound &= replay_many(terms, events, np.maximum(ends, today)).table["status"] == STATUS_OK
        # Nothing left to pay: whether the loan is closed shows in its rows, which the totals do not have.
        sound &= found.table["payoff"] > 0
        for i in np.flatnonzero(sound).tolist():
            loans[i].standing = standing_of(found.table[i], int(today[i]), found.classes)

    def _today(self, loan: _Loan) -> int:
        return max(day(self.today), day(loan.contract.disbursed_on))

    def _one_by_one(self, loan: _Loan) -> None:
        """Try a loan's payments in order; each that cannot happen says so and is left out."""
        waiting, loan.waiting = loan.waiting, []
        for at, p in waiting:
            loan.waiting.append((at, p))
            try:
                loan.standing = self._standing(loan)
            except EventRejected as error:
                loan.waiting.pop()
                self.out[at] = refuse("event_rejected", error.reason)

    def _standing(self, loan: _Loan) -> Standing:
        terms, today = terms_for(loan.contract), self._today(loan)
        events = [said.event() for said in loan.journal(self.stamp)]
        if (last := max(e.on for e in events)) > today:
            replay(terms, events, last, None, Depth.TOTALS)
        return replay(terms, events, today, None, Depth.ROWS)

    def _write(self, loans: Sequence[_Loan]) -> None:
        news: list[LoanEvent] = []
        by_place: dict[int, Entry] = {}
        for loan in loans:
            at = loan.stamped(self.stamp)
            events = [
                journal.NewEvent(EventKind.PAYMENT, p.received_on, at, p.amount_minor, p.key, self.actor) for _, p in loan.waiting
            ]
            for (place, _), row in zip(loan.waiting, journal.chained(loan.contract, events), strict=True):
                self.out[place] = self.used[row.idempotency_key] = row
                by_place[place] = Entry("event.payment", "loan", loan.contract.number, {"seq": row.seq})
                news.append(row)
        if not news:
            return
        tips = {loan.contract.pk: (loan.contract.event_count, bytes(loan.contract.chain_hash)) for loan in loans}
        entries = [by_place[place] for place in sorted(by_place)]
        if len(loans) == 1 and not self.promised and not self.figures:
            row = to_insert(StandingRow, self._standing_rows(loans), replace_on="contract")
            log_many(self.actor, entries, ahead=[*to_insert(LoanEvent, news), *row, *tips_asked(tips)])
            return
        rows_insert(LoanEvent, news)
        rows_insert(StandingRow, self._standing_rows(loans), replace_on="contract")
        tips_move(tips)
        if self.promised:
            promises_settle([loan.contract for loan in loans], actor=self.actor)
        log_many(self.actor, entries)

    def _standing_rows(self, loans: Sequence[_Loan]) -> list[StandingRow]:
        """The cache of each loan, by whoever's figures hold."""
        stood = [(loan.contract, loan.standing) for loan in loans if loan.standing is not None]
        out = []
        for c, s in stood:
            held = standing_held(c, self.today, figures=self.figures) if c.pk in self.figures else Held(s)
            out.append(StandingRow(contract=c, source=held.source, **standing_fields(held.standing, c)))
        return out


def _columns(journals: Sequence[list[journal.Said]]) -> tuple[EventColumns, np.ndarray]:
    """Journals as the kernel reads them, and the last day of each."""
    flat = [said for j in journals for said in j]
    days: dict[date, int] = {}
    on = np.array([days.get(s.effective_on) or days.setdefault(s.effective_on, day(s.effective_on)) for s in flat])
    offsets = np.cumsum([0] + [len(j) for j in journals])
    special = [(i, s.event()) for i, s in enumerate(flat) if s.extra]
    seq, kind, amount, at = (np.array([s[n] for s in flat]) for n in (0, 1, 3, 5))
    return events_bulk(offsets, seq, on, kind, amount, at, special=special), np.maximum.reduceat(on, offsets[:-1])
