"""Receipts 回款: money that arrives for a borrower, divided over their loans and booked as linked parts; reversed as one act."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.models import WorkItem
from tideover.core.problems import IdempotencyConflict, Problem, Refused, refuse
from tideover.core.sql import Asked, answers, to_read
from tideover.core.sql_columns import ids_take
from tideover.core.work import work_done
from tideover.engine.apportion import Step
from tideover.engine.terms import NO_DAY, PRINCIPAL_MINOR_MAX, date_of
from tideover.lending import clock
from tideover.lending.beside.instructions import ACTOR
from tideover.lending.journal import KEY_LENGTH_MAX, row_lock
from tideover.lending.models import Contract, Debit, LegalEntity, Party, Receipt, ReceiptPart
from tideover.lending.receipts import payer as payers
from tideover.lending.receipts.booking import (
    moves_book,
    part_book,
    payment_take_back,
    safe_book,
    standings_refresh,
    takes_from_none,
)
from tideover.lending.receipts.core_money import core_money_take
from tideover.lending.receipts.core_parts import core_take_back, taken_back
from tideover.lending.receipts.debts import loans_of
from tideover.lending.receipts.holds import money_hold_end
from tideover.lending.receipts.planning import plan_make
from tideover.lending.receipts.proposals import propose, redivide_start, waiting_end
from tideover.lending.selectors import loan_standing

AMOUNT = re.compile(r"\d{1,13}(\.\d{1,2})?")
SourceKind = Literal["counter", "bank", "webhook", "debit", "app", "file", "core", "other"]


@dataclass(frozen=True, slots=True)
class Payer:
    """Who paid, as the money said it: not always the borrower. Kept encrypted."""

    name: str = ""
    account: str = ""
    bank: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the money came in, and the number that it has there."""

    kind: SourceKind
    reference: str = ""


def _request_hash(*parts: object) -> bytes:
    return hashlib.sha256(json.dumps([str(p) for p in parts]).encode()).digest()


def _designated(designation: Sequence[Mapping[str, object]] | None) -> dict[str, int | None]:
    """Loan number -> wish (minor; None: as much as it asks). Raises Refused for a line that cannot be read."""
    out: dict[str, int | None] = {}
    for line in designation or ():
        number, amount = str(line.get("debt", "")), line.get("amount")
        if not number or number in out or set(line) - {"debt", "amount"}:
            message = "each line names one loan once: {debt, amount}"
            raise refuse("bad_designation", message, "designation")
        if amount is not None and (not AMOUNT.fullmatch(str(amount)) or not Decimal(str(amount))):
            raise refuse("bad_designation", f"{amount!r} is not an amount like 120.50", "designation")
        out[number] = None if amount is None else int(Decimal(str(amount)) * 100)
    return out


def receipt_record(
    *,
    entity_id: int,
    party: Party | None,
    amount_minor: int,
    received_on: date,
    payer: Payer,
    source: Source,
    idempotency_key: str,
    actor: str,
    designation: Sequence[Mapping[str, object]] | None = None,
    debit: Debit | None = None,
    as_of: date | None = None,
) -> Receipt:
    """Take in money at borrower level and book its parts on the loans it belongs to (Civil Code art. 560).

    party None: the money is unplaced, nothing is guessed. debit: all of it is that debit's, booked as its success. What no debt
    can take stays unapplied on the receipt. The same key with the same request returns the first receipt.
    Raises Refused (nothing changes) for a non-positive amount, a designation of a loan the payer does not have or of nobody's
    money, a debit whose money is here already.
    """
    wishes = _designated(designation)
    _problems(amount_minor, idempotency_key, party, wishes, debit)
    body = _request_hash(
        party and party.pk, entity_id, amount_minor, received_on, source.kind, source.reference, sorted(wishes.items(), key=str),
        *([debit.reference] if debit else []),
    )  # fmt: skip
    try:
        with transaction.atomic():
            closed, (_, used) = clock.writing_and(
                party_locked(party.pk if party is not None else 0),
                to_read(Receipt, ("id",), "idempotency_key = %s", [idempotency_key]),
            )
            for (pk,) in used:
                before = Receipt.objects.get(pk=pk)
                if bytes(before.body_hash) != body:
                    raise _key_used(idempotency_key)
                return before
            if debit is not None and Receipt.objects.filter(debit=debit, reversed_at=None).exists():
                raise refuse("debit_taken", f"the money of debit {debit.reference} is here already", "debit")
            # Numbered by its row, not by a count: two receipts booked at once would count the same.
            pk = int(ids_take(Receipt, 1)[0])
            receipt = Receipt(
                pk=pk,
                number=f"R-{pk:07d}",
                entity_id=entity_id,
                party=party,
                amount_minor=amount_minor,
                unapplied_minor=amount_minor,
                received_on=received_on,
                recorded_at=clock.above(closed),
                payer_name=payer.name,
                payer_account=payer.account,
                payer_bank=payer.bank,
                payer_hash=payers.payer_hash(payer.name),
                account_hash=payers.account_hash(payer.account),
                source_kind=source.kind,
                source_reference=source.reference,
                designation=list(designation or ()) or None,
                debit=debit,
                idempotency_key=idempotency_key,
                body_hash=body,
                actor=actor,
            )
            receipt.save(force_insert=True)
            if not payers.screen(receipt, party, actor=actor) and party is not None:
                payers.payer_look(receipt, party, actor=actor)
                _take(receipt, party, wishes, actor, as_of or business_date())
            log(actor, "receipt.record", "receipt", receipt.number, {"party": party.reference if party else ""})
    except IntegrityError as error:
        if Receipt.objects.filter(idempotency_key=idempotency_key).exists():
            raise _key_used(idempotency_key) from error
        raise
    return receipt


def party_locked(pk: int) -> Asked:
    """Locks a person's row: nobody else divides their money until the transaction ends."""
    return to_read(Party, ("id",), "id = %s", [pk], row_lock())


def _problems(
    amount_minor: int, key: str, party: Party | None, wishes: Mapping[str, int | None], debit: Debit | None
) -> None:  # fmt: skip
    if not 0 < amount_minor <= PRINCIPAL_MINOR_MAX:
        raise refuse("amount_not_positive", f"the amount must lie in 1..{PRINCIPAL_MINOR_MAX} minor units", "amount")
    if not 1 <= len(key) <= KEY_LENGTH_MAX:
        raise refuse("bad_idempotency_key", f"an idempotency key has 1 to {KEY_LENGTH_MAX} characters", "idempotency_key")
    if wishes and (party is None or debit is not None):
        raise refuse("bad_designation", "unplaced money and debits name no loans", "designation")
    if debit is not None and (party is None or debit.contract.borrower_id != party.pk):
        raise refuse("not_their_debit", f"debit {debit.reference} is not theirs", "debit")


def _take(receipt: Receipt, party: Party, wishes: Mapping[str, int | None], actor: str, as_of: date) -> None:
    """Book a new receipt of a party: money that a core told of before where it has it, a debit's money on its loan, other money
    as the plan of all their receipts says."""
    if (touched := core_money_take(receipt, party, actor=actor)) and not receipt.unapplied_minor:
        standings_refresh(touched, as_of)
        return
    if receipt.debit is not None:
        contract = receipt.debit.contract
        part_book(receipt, contract, receipt.received_on, [(Step.DEBIT, receipt.amount_minor)], actor=actor)
        standings_refresh([contract], as_of)
        if not Receipt.objects.filter(party=party, entity=receipt.entity_id, received_on__gt=receipt.received_on).exists():
            return
    theirs = Contract.objects.filter(borrower=party, entity=receipt.entity_id, disbursed_on__lte=receipt.received_on)
    named = theirs.filter(number__in=list(wishes)).values_list("number", flat=True) if wishes else ()
    if unknown := sorted(set(wishes) - set(named)):
        raise refuse("bad_designation", f"the designation names {unknown[0]}, which is no loan of theirs", "designation")
    receipts_divide(party, receipt.entity_id, receipt.received_on, actor=actor, as_of=as_of, new=receipt)


def receipts_divide(
    party: Party, entity_id: int, start: date, *, actor: str, as_of: date, new: Receipt | None = None
) -> None:  # fmt: skip
    """Divide a person's receipts from a day on; call under the party's lock.

    What only adds to loans is booked. Money that would have to leave a loan waits for two people (proposals.py); of the new
    receipt only what displaces nothing is booked then.
    """
    first = redivide_start(party, entity_id, start)
    plan = plan_make(party, entity_id, first, max(as_of, start))
    if new is not None and new.pk in plan.receipts:
        plan.receipts[new.pk] = new
    moves = plan.moves()
    if takes_from_none(plan, moves):
        touched = moves_book(plan, moves, actor=actor)
        waiting_end(party, entity_id, actor=actor)
        if new is not None:
            new.waiting = False
    else:
        touched = safe_book(plan, new, actor=actor) if new is not None else set()
        rest = plan_make(party, entity_id, first, max(as_of, start)) if touched else plan
        if new is not None and new.pk in rest.receipts:
            rest.receipts[new.pk] = new
        standings_refresh([plan.loans[pk] for pk in sorted(touched)], as_of)
        if rest.changes():
            propose(rest, party, entity_id, actor=actor)
        return
    standings_refresh([plan.loans[pk] for pk in sorted(touched)], as_of)


def receipt_place(
    receipt: Receipt,
    *,
    party: Party,
    reason: str,
    actor: str,
    designation: Sequence[Mapping[str, object]] | None = None,
    as_of: date | None = None,
) -> Receipt:
    """Say whose money an unplaced receipt is, and divide it over their loans as of the day it came in.

    Raises Refused: no reason, reversed, placed already, or a bad designation; nothing changes.
    """
    if not reason.strip():
        raise refuse("missing", "say how you know whose money it is", "reason")
    wishes = _designated(designation)
    with transaction.atomic():
        clock.writing()
        answers(party_locked(party.pk))
        locked = Receipt.objects.select_for_update(of=("self",), no_key=True).get(pk=receipt.pk)
        if locked.reversed_at is not None or locked.party_id is not None:
            raise refuse("placed_already", f"{locked.number} is placed or taken back already", "receipt")
        if locked.screening in ("hit", "kept"):
            raise refuse("screening", f"the payer of {locked.number} stands on a watch list: a second person decides", "receipt")
        if not locked.unapplied_minor:
            raise refuse("nothing_left", f"nothing of {locked.number} is left to place", "receipt")
        locked.party, locked.designation = party, list(designation or ()) or None
        locked.save(update_fields=["party", "designation"])
        payers.payer_look(locked, party, actor=actor)
        _take(locked, party, wishes, actor, as_of or business_date())
        log(actor, "receipt.place", "receipt", locked.number, {"party": party.reference, "reason": reason.strip()})
    return locked


def _key_used(key: str) -> IdempotencyConflict:
    message = f"key {key} was used for another request; use a new key"
    return IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))


def receipt_reverse(
    receipt: Receipt, *, idempotency_key: str, actor: str, reason: str = "", as_of: date | None = None
) -> Receipt:  # fmt: skip
    """Reverse every part of a receipt as one act; reversing it again, under any key, changes nothing.

    A part whose payment was reversed by itself before is left as it is. What a core has of it the core is asked to take back
    first: the receipt stands until it has confirmed, and is reversed then. Key and reason go into the action log. What later
    receipts now ought to pay instead is booked where it takes from no loan, else proposed. Raises Refused where money of it is on
    its way back to the payer, or gone.
    """
    today = as_of or business_date()
    with transaction.atomic():
        clock.writing()
        party = receipt.party
        if party is not None:
            answers(party_locked(party.pk))
        locked = Receipt.objects.select_for_update(of=("self",), no_key=True).get(pk=receipt.pk)
        if locked.reversed_at is not None:
            return locked
        if locked.refunding_minor or locked.refunded_minor or refunds_from_loans(locked):
            message = f"money of {locked.number} went back to its payer, or is on its way"
            raise refuse("refunded", message, "receipt")
        rows = locked.parts.filter(ended_at=None).select_related("contract__entity", "receipt").prefetch_related("events")
        parts = list(rows.order_by("contract_id", "pk"))
        if asked := core_take_back(locked, parts, actor=actor):
            said = {"key": idempotency_key, "instructions": [i.reference for i in asked]}
            log(actor, "receipt.ask_back", "receipt", locked.number, said)
            return locked
        for part in parts:
            payment_take_back(part, actor=actor)
        standings_refresh({p.contract_id: p.contract for p in parts}.values(), today)
        locked.reversed_at, locked.waiting = clock.stamp(joined=True), False
        locked.save(update_fields=["reversed_at", "waiting"])
        money_hold_end(locked, actor=actor)
        for item in WorkItem.objects.filter(subject_type="receipt", subject_id=locked.number, done_at=None):
            work_done(item, actor=actor)
        if party is not None and not locked.pinned:
            receipts_divide(party, locked.entity_id, locked.received_on, actor=actor, as_of=today)
        log(actor, "receipt.reverse", "receipt", locked.number, {"key": idempotency_key, "reason": reason.strip()[:300]})
    return locked


def core_took_back(entity: LegalEntity) -> None:
    """Reverse the receipts of which a core has confirmed that it took everything back."""
    for receipt in taken_back(entity):
        receipt_reverse(receipt, idempotency_key="core", actor=ACTOR)


def refunds_from_loans(receipt: Receipt) -> bool:
    """Whether money of a receipt left through a credit balance of a loan."""
    return receipt.refunds.exclude(state="returned").exclude(from_loans=[]).exists()


def _held_since(party: Party, entity_id: int, rows: QuerySet[Receipt], on: date) -> date:
    """The oldest day up to `on` for which money of a person was here and an instalment that fell due is unpaid; else `on`."""
    came = rows.filter(party=party, entity=entity_id).earliest("received_on").received_on
    late = [loan_standing(c, on) for c in loans_of(party, entity_id) if c.disbursed_on <= on]
    due = [date_of(s.oldest_due_on) for s in late if s.oldest_due_on != NO_DAY]
    return min([on, *(d for d in due if d >= came)])


def held_apply(on: date, *, actor: str = "close") -> int:
    """Money that waited for a debt to fall due: divide it on the day; how many people had some placed.

    Run when a business day begins and before its cut-off, so that nobody is late for money that is here: what fell due while
    nothing ran is paid as of its day.
    """
    rows = Receipt.objects.filter(unapplied_minor__gt=0, party__isnull=False, reversed_at=None, pinned=False, waiting=False)
    rows = rows.filter(received_on__lt=on, debit=None)
    moved = 0
    for pk, entity_id in sorted(set(rows.values_list("party", "entity"))):
        before = ReceiptPart.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        try:
            with transaction.atomic():
                clock.writing()
                party = Party.objects.select_for_update(of=("self",), no_key=True).get(pk=pk)
                receipts_divide(party, entity_id, _held_since(party, entity_id, rows, on), actor=actor, as_of=on)
        except Refused:  # one loan that takes nothing must not keep the day from being closed; its money shows as not placed
            continue
        moved += ReceiptPart.objects.filter(pk__gt=before, receipt__party=pk).exists()
    return moved
