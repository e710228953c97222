"""Parts of receipts as payments in the journals of loans: booked, ended, and what is booked of a plan. Inside a transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

from django.db.models import Sum

from tideover.core.business_time import business_date
from tideover.core.sql import Asked, answers, to_insert
from tideover.engine.apportion import Given
from tideover.engine.events import EventKind
from tideover.lending import clock
from tideover.lending.journal import OWN_KEYS, event_append, is_live
from tideover.lending.models import Contract, Receipt, ReceiptPart
from tideover.lending.receipts.debts import claims_due
from tideover.lending.receipts.planning import Place, Plan, steps_of, total
from tideover.lending.selectors import loan_standing
from tideover.lending.services import standing_refresh


def part_book(receipt: Receipt, contract: Contract, on: date, given: Given, *, actor: str) -> ReceiptPart:
    """Book a part on a loan: one payment of its journal (of a debit's money, its success). `receipt` is changed in place."""
    amount = total(given)
    part = ReceiptPart(receipt=receipt, contract=contract, amount_minor=amount, booked_on=on, steps=steps_of(given))
    receipt.placed_minor += amount
    receipt.unapplied_minor -= amount
    [insert] = to_insert(ReceiptPart, [part])
    placed = "UPDATE lending_receipt SET placed_minor = %s, unapplied_minor = %s WHERE id = %s RETURNING id"
    made = answers(
        insert._replace(sql=f"{insert.sql} RETURNING id"),
        Asked(placed, [receipt.placed_minor, receipt.unapplied_minor, receipt.pk]),
    )
    part.pk = made[0][0][0]
    said = {"debit_id": receipt.debit.reference, "debit_status": "success"} if receipt.debit else None
    event_append(
        contract, kind=EventKind.DEBIT if said else EventKind.PAYMENT, effective_on=on, amount_minor=amount, extra=said,
        idempotency_key=f"{OWN_KEYS}{receipt.number}:{part.pk}", actor=actor, receipt_part=part,
    )  # fmt: skip
    return part


def payment_take_back(part: ReceiptPart, *, actor: str, core_told: bool = False) -> bool:
    """Reverse the payment of a part; False when somebody reversed it by itself before. core_told: as `event_append` has it."""
    [event] = part.events.all()
    if not is_live(part.contract, event.seq):
        return False
    event_append(
        part.contract, kind=EventKind.REVERSAL, effective_on=event.effective_on, extra={"of_seq": event.seq},
        idempotency_key=f"{OWN_KEYS}{part.receipt.number}:{part.pk}:reversal", actor=actor, core_told=core_told,
    )  # fmt: skip
    return True


def part_end(receipt: Receipt, part: ReceiptPart, *, actor: str, core_told: bool = False) -> None:
    """Take a part off its loan: its payment is reversed and its money is unapplied again. `receipt` is changed in place."""
    payment_take_back(part, actor=actor, core_told=core_told)
    part.ended_at = clock.stamp(joined=True)
    part.save(update_fields=["ended_at"])
    receipt.placed_minor -= part.amount_minor
    receipt.unapplied_minor += part.amount_minor
    receipt.save(update_fields=["placed_minor", "unapplied_minor"])


def moves_book(plan: Plan, moves: Mapping[tuple[int, date], int], *, actor: str) -> set[int]:
    """Book what a plan adds to loans and takes from none; the loans that changed. The money of a day comes from receipts that
    were here by then, those first whose own share of the plan it is."""
    touched: set[int] = set()
    have: dict[Place, int] = defaultdict(int)
    for p in plan.live:
        have[p.receipt_id, p.contract_id, p.booked_on] += p.amount_minor
    for (contract, on), amount in sorted(moves.items(), key=lambda m: (m[0][1], m[0][0])):
        assert amount > 0, "a move that takes money from a loan is a person's to decide"
        here = [r for r in plan.receipts.values() if r.received_on <= on]
        here.sort(key=lambda r: ((r.pk, contract, on) not in plan.planned, r.received_on, r.idempotency_key))
        cell = next((g for (_, c, d), g in sorted(plan.planned.items()) if (c, d) == (contract, on)), [])
        for r in here:
            now = min(amount, r.unapplied_minor)
            if now <= 0:
                continue
            own = plan.planned.get((r.pk, contract, on), cell)
            part_book(r, plan.loans[contract], on, _cut(own, have.get((r.pk, contract, on), 0), now), actor=actor)
            touched.add(contract)
            amount -= now
    return touched


def _cut(given: Given, skip: int, amount: int) -> Given:
    """The steps that gave minor units skip … skip + amount of what was given; the last step gives what lies beyond."""
    out: Given = []
    for step, n in given:
        over = min(skip, n)
        skip -= over
        now = min(n - over, amount)
        if now:
            out.append((step, now))
        amount -= now
    if amount:
        out.append((given[-1][0], amount))
    return out


def takes_from_none(plan: Plan, moves: Mapping[tuple[int, date], int]) -> bool:
    """Whether moves only add, and the money for each was here by its day."""
    need = have = 0
    receipts = sorted(plan.receipts.values(), key=lambda r: r.received_on)
    for (_, on), amount in sorted(moves.items(), key=lambda m: m[0][1]):
        while receipts and receipts[0].received_on <= on:
            have += receipts.pop(0).unapplied_minor
        need += amount
        if amount < 0 or need > have:
            return False
    return True


def safe_book(plan: Plan, receipt: Receipt, *, actor: str) -> set[int]:
    """Book of one receipt what displaces no other money: of its planned parts as much as each loan still owes on the last day."""
    touched = set()
    for (r, contract, on), given in sorted(plan.planned.items()):
        if r != receipt.pk:
            continue
        loan = plan.loans[contract]
        owes = sum(claims_due(loan_standing(loan, plan.through), plan.through).values())
        now = min(total(given), receipt.unapplied_minor, owes)
        if now > 0:
            part_book(receipt, loan, on, _cut(given, 0, now), actor=actor)
            touched.add(contract)
    return touched


def plan_book(plan: Plan, *, actor: str) -> set[int]:
    """Make the parts what the plan says: what differs is ended and booked anew; the loans that changed."""
    differs = {(r.pk, c.pk, on) for r, c, on, _, _ in plan.changes()}
    touched = {c for _, c, _ in differs}
    for p in plan.live:
        if (p.receipt_id, p.contract_id, p.booked_on) in differs:
            part_end(plan.receipts[p.receipt_id], p, actor=actor)
    for (r, c, on), given in sorted(plan.planned.items(), key=lambda x: (x[0][2], x[0][0], x[0][1])):
        if (r, c, on) in differs:
            part_book(plan.receipts[r], plan.loans[c], on, given, actor=actor)
    return touched


def standings_refresh(contracts: Iterable[Contract], as_of: date | None = None) -> None:
    """Rewrite the cached standings of loans."""
    for contract in contracts:
        standing_refresh(contract, as_of=max(as_of or business_date(), contract.disbursed_on))


def adds_up(receipt: Receipt) -> bool:
    """Whether the live parts of a receipt are what it says is placed."""
    live = receipt.parts.filter(ended_at=None).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return bool(live == receipt.placed_minor)
