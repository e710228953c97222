"""How the receipts of one borrower ought to be divided: a pure look at the book that writes nothing.

The plan goes through the days from `start` on in order. On each day on which money came in, or on which an instalment fell due
while money was left, what is there is divided over the debts as they stand with everything planned so far. So the plan does not
depend on the order in which receipts were entered. What people decided (pinned receipts), what a debit took, what a core has in
its ledger, and what lies before `start` is taken as it is. Where the core's figures hold the debts are the core's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.db import connection

from tideover.core.problems import refuse
from tideover.core.sql import among, objects, rows_read, whole
from tideover.engine.apportion import Given, Money, Step, divide_day
from tideover.engine.events import Event, EventKind
from tideover.engine.replay import replay
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import NO_DAY, date_of, day
from tideover.lending.contract_terms import terms_for
from tideover.lending.held import figures_held, standing_moved
from tideover.lending.journal import journals_read
from tideover.lending.models import Contract, Party, PayoffUse, Receipt, ReceiptPart
from tideover.lending.models.organisation import BookMode
from tideover.lending.receipts.core_parts import core_has
from tideover.lending.receipts.debts import COMING, debts_on, loans_of, security_ranks

Cell = tuple[int, date]
"""(contract id, value date)"""
Place = tuple[int, int, date]
"""(receipt id, contract id, value date)"""
PLANNED_SEQ = 10**9
NOT_WANTED_BACK = "NOT EXISTS (SELECT 1 FROM lending_heldwish w WHERE w.receipt_id = lending_receipt.id AND w.wish = 'send_back')"
NO_PAYOFF = "NOT EXISTS (SELECT 1 FROM lending_payoffuse u WHERE u.part_id = lending_receiptpart.id)"


@dataclass(slots=True)
class Plan:
    """planned: what each receipt ought to give each loan on each day, step by step; live: the parts that may move, as they are.

    receipts: those in play, by id; loans by id; left_minor[receipt]: what no debt takes by the plan's last day.
    """

    start: date
    through: date
    receipts: dict[int, Receipt]
    loans: dict[int, Contract]
    live: list[ReceiptPart]
    planned: dict[Place, Given] = field(default_factory=dict)
    left_minor: dict[int, int] = field(default_factory=dict)

    def planned_cells(self) -> dict[Cell, int]:
        """Planned minor units by loan and day."""
        return _cells((c, on, total(given)) for (_, c, on), given in self.planned.items())

    def live_cells(self) -> dict[Cell, int]:
        """The same of the parts as they are."""
        return _cells((p.contract_id, p.booked_on, p.amount_minor) for p in self.live)

    def moves(self) -> dict[Cell, int]:
        """By how much each loan's money of a day changes (minor units); nothing that stays."""
        want, have = self.planned_cells(), self.live_cells()
        found = {c: want.get(c, 0) - have.get(c, 0) for c in sorted({*want, *have})}
        return {c: n for c, n in found.items() if n}

    def changes(self) -> list[tuple[Receipt, Contract, date, int, int]]:
        """(receipt, loan, day, as it is, as planned) of every part that differs, in a fixed order."""
        have: dict[Place, int] = defaultdict(int)
        for p in self.live:
            have[p.receipt_id, p.contract_id, p.booked_on] += p.amount_minor
        want = {place: total(given) for place, given in self.planned.items()}
        return [
            (self.receipts[r], self.loans[c], on, have.get((r, c, on), 0), want.get((r, c, on), 0))
            for r, c, on in sorted({*have, *want})
            if have.get((r, c, on), 0) != want.get((r, c, on), 0)
        ]


def total(given: Given) -> int:
    """What steps gave together."""
    return sum(amount for _, amount in given)


def _cells(rows: Iterable[tuple[int, date, int]]) -> dict[Cell, int]:
    out: dict[Cell, int] = defaultdict(int)
    for contract, on, amount in rows:
        out[contract, on] += amount
    return dict(out)


def in_play(party: Party | int, entity_id: int) -> list[Receipt]:
    """Receipts of a borrower that a plan may divide, in the order of their days."""
    person = party.pk if isinstance(party, Party) else party
    where = "party_id = %s AND entity_id = %s AND reversed_at IS NULL AND NOT pinned AND debit_id IS NULL AND " + NOT_WANTED_BACK
    return sorted(objects(Receipt, rows_read(Receipt, whole(Receipt), where, [person, entity_id])), key=_order)


def _order(r: Receipt) -> tuple[date, str]:
    return r.received_on, r.idempotency_key


def plan_make(party: Party | int, entity_id: int, start: date, through: date) -> Plan:
    """Divide everything from `start` up to `through`. Raises Refused for a designation of a loan that is not theirs."""
    return _gone_through(party, entity_id, start, through).plan


def days_late_planned(
    party: Party | int, entity_id: int, start: date, on: date, more: Iterable[Receipt]
) -> dict[int, int]:  # fmt: skip
    """Days past due of each loan on a day, by contract id, if the plan were booked, with what is unapplied of `more`.

    Raises as `plan_make`.
    """
    days = _gone_through(party, entity_id, start, on, more)
    return {c.pk: days.standing(c, on).days_past_due for c in days.plan.loans.values() if c.disbursed_on <= on}


def _gone_through(
    party: Party | int, entity_id: int, start: date, through: date, more: Iterable[Receipt] = ()
) -> _Days:  # fmt: skip
    loans = loans_of(party, entity_id)
    receipts = {r.pk: r for r in in_play(party, entity_id)}
    if any(c.entity.book_mode == BookMode.OVERLAY for c in loans):
        receipts = {pk: r for pk, r in receipts.items() if not core_has(r)}
    live = _parts(receipts, start)
    receipts |= {r.pk: r for r in more}
    last = max([through, *(r.received_on for r in receipts.values()), *(p.booked_on for p in live)])
    plan = Plan(start, last, receipts, {c.pk: c for c in loans}, live)
    days = _Days(plan, security_ranks(loans))
    days.live_through()
    return days


def _parts(receipts: dict[int, Receipt], start: date) -> list[ReceiptPart]:
    """Live parts from `start` on, pay-offs apart: they stand. A receipt with a payment that somebody reversed by itself is left
    out of play."""
    named, bound = among("receipt_id", list(receipts))
    where = f"{named} AND ended_at IS NULL AND booked_on >= %s AND {NO_PAYOFF}"
    since = connection.ops.adapt_datefield_value(start)
    found = [pk for (pk,) in rows_read(ReceiptPart, ("id",), where, [*bound, since])]
    if not found:
        return []
    rows = ReceiptPart.objects.filter(pk__in=found)
    return list(rows.select_related("receipt", "contract").prefetch_related("events").order_by("pk"))


def _paid_off(receipts: Iterable[Receipt]) -> set[int]:
    """Receipts of which a part paid a loan off, and money is left."""
    some = [r.pk for r in receipts if r.placed_minor and r.unapplied_minor]
    live = PayoffUse.objects.filter(part__receipt__in=some, ended_at=None)
    return set(live.values_list("part__receipt", flat=True)) if some else set()


class _Days:
    """The days of a plan while they go by."""

    def __init__(self, plan: Plan, security: dict[int, int]) -> None:
        self.plan, self.security = plan, security
        beside = [pk for pk, c in plan.loans.items() if c.entity.book_mode == BookMode.OVERLAY]
        self.figures = figures_held(beside, plan.through) if beside else {}
        self.stored: dict[int, list[Event]] = {}
        self.paid_off = _paid_off(plan.receipts.values())
        moving: dict[int, set[int]] = defaultdict(set)
        for p in plan.live:
            moving[p.contract_id] |= {e.seq for e in p.events.all()}
        self.events: dict[int, list[Event]] = {}
        journals = journals_read(list(plan.loans))
        for pk in plan.loans:
            stored = self.stored[pk] = [said.event() for said in journals.get(pk, ())]
            gone = {e.of_seq for e in stored if e.kind == EventKind.REVERSAL}
            for p in [p for p in plan.live if p.contract_id == pk and {e.seq for e in p.events.all()} & gone]:
                self._leave_out(p, moving)
            self.events[pk] = [e for e in stored if e.seq not in moving[pk]]
        self.left = {r.pk: r.unapplied_minor for r in plan.receipts.values()}
        for p in plan.live:
            self.left[p.receipt_id] += p.amount_minor

    def _leave_out(self, part: ReceiptPart, moving: dict[int, set[int]]) -> None:
        for p in [p for p in self.plan.live if p.receipt_id == part.receipt_id]:
            self.plan.live.remove(p)
            moving[p.contract_id] -= {e.seq for e in p.events.all()}
        self.plan.receipts.pop(part.receipt_id, None)

    def live_through(self) -> None:
        """Divide day by day until nothing is left to divide."""
        on: date | None = self.plan.start
        days = sorted({r.received_on for r in self.plan.receipts.values() if r.received_on > self.plan.start})
        while on is not None and on <= self.plan.through:
            due = self._divide(on)
            coming = [d for d in days if d > on]
            if due is not None and any(self.left[r.pk] for r in self._here(on)):
                coming.append(due)
            on = min(coming, default=None)
        self.plan.left_minor = self.left

    def _here(self, on: date) -> list[Receipt]:
        return [r for r in self.plan.receipts.values() if r.received_on <= on and self.left[r.pk] > 0]

    def _divide(self, on: date) -> date | None:
        """Divide what is there on a day; the next day on which an instalment falls due.

        What is left of money that paid a loan off pays what is due, never what is to come: it is the borrower's to have back.
        """
        here = self._here(on)
        left_over = [r for r in here if r.pk in self.paid_off]
        fresh = [r for r in here if r.pk not in self.paid_off]
        found = [self._among(h, on, coming) for h, coming in ((fresh, True), (left_over, False)) if h]
        return found[-1] if found else None

    def _among(self, here: list[Receipt], on: date, coming: bool) -> date | None:
        """Divide some receipts on a day; the next day on which an instalment falls due."""
        standings = {c: self.standing(c, on) for c in self.plan.loans.values() if c.disbursed_on <= on}
        debts = [d for d in debts_on(on, standings, self.security) if coming or not d.id.endswith(COMING)]
        monies = [
            Money(r.idempotency_key, self.left[r.pk], r.designation if r.received_on == on else None, day(r.received_on))
            for r in here
        ]  # fmt: skip
        try:
            found = divide_day(monies, debts, received_on=day(on))
        except ValueError as error:
            raise refuse("bad_designation", str(error), "designation") from error
        by_key, by_number = {r.idempotency_key: r for r in here}, {c.number: c for c in standings}
        for key, given in found.given.items():
            for debt, steps in given.items():
                self._planned(by_key[key], by_number[debt.removesuffix(COMING)], on, steps)
        later = [s.next_due_on for s in standings.values() if s.next_due_on != NO_DAY and s.next_due_on > day(on)]
        return max(date_of(min(later)), on + timedelta(days=1)) if later else None

    def _planned(self, receipt: Receipt, contract: Contract, on: date, steps: Given) -> None:
        place = (receipt.pk, contract.pk, on)
        self.plan.planned.setdefault(place, []).extend(steps)
        amount = total(steps)
        self.left[receipt.pk] -= amount
        seq = PLANNED_SEQ + len(self.events[contract.pk])
        self.events[contract.pk].append(Event(seq=seq, on=day(on), kind=EventKind.PAYMENT, amount_minor=amount))

    def standing(self, contract: Contract, on: date) -> Standing:
        """A loan on a day, with what is planned so far; what was reversed does not count, whatever the day of its reversal."""
        now = replay(terms_for(contract), self.events[contract.pk], day(on), None, Depth.ROWS)
        return standing_moved(contract, self.stored[contract.pk], now, self.figures.get(contract.pk))


def steps_of(given: Given) -> list[list[str | int]]:
    """Steps as a part keeps them; the same step twice is one."""
    out: dict[Step, int] = {}
    for step, amount in given:
        out[step] = out.get(step, 0) + amount
    return [[str(step), amount] for step, amount in out.items()]
