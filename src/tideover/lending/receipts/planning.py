"""How the receipts of one borrower ought to be divided: a pure look at the book that writes nothing.

The plan goes through the days from `start` on in order. On each day on which money came in, or on which an instalment fell due
while money was left, what is there is divided over the debts as they stand with everything planned so far. So the plan does not
depend on the order in which receipts were entered. What people decided (pinned receipts), what a debit took, and what lies before
`start` is taken as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.db.models import Exists, OuterRef

from tideover.core.problems import refuse
from tideover.engine.apportion import Given, Money, Step, divide_day
from tideover.engine.events import Event, EventKind
from tideover.engine.replay import replay
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import NO_DAY, date_of, day
from tideover.lending.contract_terms import terms_for
from tideover.lending.journal import engine_events
from tideover.lending.models import Contract, Party, PayoffUse, Receipt, ReceiptPart
from tideover.lending.receipts.debts import COMING, debts_on, loans_of, security_ranks

Cell = tuple[int, date]
"""(contract id, value date)"""
Place = tuple[int, int, date]
"""(receipt id, contract id, value date)"""
PLANNED_SEQ = 10**9


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
    rows = Receipt.objects.filter(party=party, entity=entity_id, reversed_at=None, pinned=False, debit=None)
    ended = PayoffUse.objects.filter(part__receipt=OuterRef("pk"), ended_at=None)
    return sorted(rows.exclude(held_wish__wish="send_back").annotate(paid_off=Exists(ended)), key=_order)


def _order(r: Receipt) -> tuple[date, str]:
    return r.received_on, r.idempotency_key


def plan_make(party: Party | int, entity_id: int, start: date, through: date) -> Plan:
    """Divide everything from `start` up to `through`. Raises Refused for a designation of a loan that is not theirs."""
    loans = loans_of(party, entity_id)
    receipts = {r.pk: r for r in in_play(party, entity_id)}
    live = _parts(receipts, start)
    last = max([through, *(r.received_on for r in receipts.values()), *(p.booked_on for p in live)])
    plan = Plan(start, last, receipts, {c.pk: c for c in loans}, live)
    _Days(plan, security_ranks(loans)).live_through()
    return plan


def _parts(receipts: dict[int, Receipt], start: date) -> list[ReceiptPart]:
    """Live parts from `start` on, pay-offs apart: they stand. A receipt with a payment that somebody reversed by itself is left
    out of play."""
    rows = ReceiptPart.objects.filter(receipt__in=list(receipts), ended_at=None, booked_on__gte=start, payoff=None)
    return list(rows.select_related("receipt", "contract").prefetch_related("events").order_by("pk"))


class _Days:
    """The days of a plan while they go by."""

    def __init__(self, plan: Plan, security: dict[int, int]) -> None:
        self.plan, self.security = plan, security
        self.paid_off = {pk for pk, r in plan.receipts.items() if getattr(r, "paid_off", False)}
        moving: dict[int, set[int]] = defaultdict(set)
        for p in plan.live:
            moving[p.contract_id] |= {e.seq for e in p.events.all()}
        self.events: dict[int, list[Event]] = {}
        for pk, contract in plan.loans.items():
            stored = engine_events(contract.events.order_by("seq"))
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
        standings = {c: self._standing(c, on) for c in self.plan.loans.values() if c.disbursed_on <= on}
        debts = [d for d in debts_on(on, standings, self.security) if coming or not d.id.endswith(COMING)]
        monies = [
            Money(r.idempotency_key, self.left[r.pk], r.designation if r.received_on == on else None)
            for r in sorted(here, key=_order)
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

    def _standing(self, contract: Contract, on: date) -> Standing:
        events = [e for e in self.events[contract.pk] if e.on <= day(on)]
        return replay(terms_for(contract), events, day(on), None, Depth.ROWS)


def steps_of(given: Given) -> list[list[str | int]]:
    """Steps as a part keeps them; the same step twice is one."""
    out: dict[Step, int] = {}
    for step, amount in given:
        out[step] = out.get(step, 0) + amount
    return [[str(step), amount] for step, amount in out.items()]
