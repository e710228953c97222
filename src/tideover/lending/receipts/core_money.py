"""Money that a core and we both hear of is one: its movement and our receipt meet in one payment of the journal.

They are matched by loan, amount and day (MATCH_DAYS apart at most), whichever comes first. Matched parts are pinned: the core has
divided that money.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby

from tideover.engine.apportion import Step
from tideover.engine.events import EventKind
from tideover.lending.journal import OWN_KEYS, event_append, is_live
from tideover.lending.models import Contract, LoanEvent, Party, Receipt, ReceiptPart
from tideover.lending.models.organisation import BookMode
from tideover.lending.receipts.booking import part_book, part_end

MATCH_DAYS = 3


def core_payments(receipt: Receipt, party: Party) -> list[LoanEvent]:
    """Payments without a receipt, booked because the core told of them, that are this receipt's money: one of its amount, or
    those of one day that add up to it; the nearest day first. Empty when there are none."""
    around = timedelta(days=MATCH_DAYS)
    rows = LoanEvent.objects.filter(
        contract__borrower=party, contract__entity=receipt.entity_id, contract__entity__book_mode=BookMode.OVERLAY,
        kind=int(EventKind.PAYMENT), receipt_part=None,
        effective_on__range=(receipt.received_on - around, receipt.received_on + around),
    )  # fmt: skip
    if receipt.debit is not None:
        rows = rows.filter(contract=receipt.debit.contract_id)
    found = [e for e in rows.select_related("contract__entity").order_by("pk") if is_live(e.contract, e.seq)]
    found.sort(key=lambda e: (abs(e.effective_on - receipt.received_on), e.effective_on, e.pk))
    for e in found:
        if e.amount_minor == receipt.unapplied_minor:
            return [e]
    for _on, group in groupby(found, key=lambda e: e.effective_on):
        day = list(group)
        if len(day) > 1 and sum(e.amount_minor for e in day) == receipt.unapplied_minor:
            return day
    return []


def core_money_take(receipt: Receipt, party: Party, *, actor: str) -> list[Contract]:
    """Let a receipt stand for payments that the core told of before: each is taken back and booked again as a part of it on the
    core's day; the loans. Inside a transaction, under the party's lock; `receipt` is changed in place."""
    touched = []
    for e in core_payments(receipt, party):
        event_append(
            e.contract, kind=EventKind.REVERSAL, effective_on=e.effective_on, extra={"of_seq": e.seq},
            idempotency_key=f"{OWN_KEYS}core:{e.contract.number}:claim:{e.seq}", actor=actor, core_told=True,
        )  # fmt: skip
        e.contract.refresh_from_db()
        step = Step.DEBIT if receipt.debit is not None else Step.CORE
        part_book(receipt, e.contract, e.effective_on, [(step, e.amount_minor)], actor=actor)
        touched.append(e.contract)
    if touched:
        receipt.pinned = True
        receipt.save(update_fields=["pinned"])
    return touched


def core_payment_book(contract: Contract, on: date, amount_minor: int, *, actor: str) -> ReceiptPart | None:
    """Book a payment that the core told of out of money of the borrower that is here and not on a loan; None where there is none.

    Inside a transaction. A receipt of which nothing is left is pinned.
    """
    party = Party.objects.select_for_update(of=("self",), no_key=True).get(pk=contract.borrower_id)
    receipt = _holding(contract, party, on, amount_minor)
    if receipt is None:
        return None
    part = part_book(receipt, contract, on, [(Step.CORE, amount_minor)], actor=actor)
    receipt.pinned = not receipt.unapplied_minor
    receipt.save(update_fields=["pinned"])
    return part


def _holding(contract: Contract, party: Party, on: date, amount_minor: int) -> Receipt | None:
    around = timedelta(days=MATCH_DAYS)
    rows = Receipt.objects.select_for_update(of=("self",), no_key=True).filter(
        party=party, entity=contract.entity_id, reversed_at=None, debit=None, unapplied_minor__gte=amount_minor,
        received_on__gte=contract.disbursed_on, received_on__lte=on + around,
    )  # fmt: skip
    found = [r for r in rows.order_by("received_on", "pk") if r.screening not in ("hit", "kept")]
    exact: Sequence[Receipt] = [r for r in found if r.unapplied_minor == amount_minor and r.received_on >= on - around]
    return next(iter([*exact, *found]), None)


def part_redate(part: ReceiptPart, to: date, *, actor: str) -> ReceiptPart:
    """Book a part of a receipt on the core's day instead of its own; it is pinned. Inside a transaction."""
    if part.receipt.party_id is not None:
        Party.objects.select_for_update(no_key=True).get(pk=part.receipt.party_id)
    receipt = Receipt.objects.select_for_update(of=("self",), no_key=True).get(pk=part.receipt_id)
    part_end(receipt, part, actor=actor, core_told=True)
    part.contract.refresh_from_db()
    given = [(Step(step), int(amount)) for step, amount in part.steps]
    receipt.pinned = True
    receipt.save(update_fields=["pinned"])
    return part_book(receipt, part.contract, to, given, actor=actor)
