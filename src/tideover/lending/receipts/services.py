"""Receipts 回款: money that arrives for a borrower, divided over their loans and booked as linked parts; reversed as one act."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from django.db import IntegrityError, transaction

from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.problems import IdempotencyConflict, Problem, refuse
from tideover.engine.apportion import Debt, apportion
from tideover.engine.events import EventKind
from tideover.engine.standing import Standing
from tideover.engine.terms import PRINCIPAL_MINOR_MAX, Component, day
from tideover.lending import clock
from tideover.lending.journal import KEY_LENGTH_MAX, OWN_KEYS, event_append, is_live
from tideover.lending.models import Contract, Debit, Party, Receipt, ReceiptPart
from tideover.lending.selectors import loan_standing
from tideover.lending.services import standing_refresh

AMOUNT = re.compile(r"\d{1,13}(\.\d{1,2})?")
SECURITY_RANK = {"": 0, "guarantee": 1, "mortgage": 2}
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


def _debts_of(party: Party, entity_id: int, on: date, wishes: Mapping[str, int | None]) -> list[tuple[Contract, Debt]]:
    """What each loan of a borrower asks for on a day. A loan with nothing due takes money only when the payer names it."""
    loans = Contract.objects.filter(borrower=party, entity=entity_id, disbursed_on__lte=on).select_related("product")
    out = []
    for contract in loans.order_by("pk"):
        s = loan_standing(contract, on)
        claims = _claims_due(s, on)
        if not any(claims.values()) and contract.number in wishes and s.payoff_minor > 0:
            wish = wishes[contract.number]
            claims = {Component.PRINCIPAL: s.payoff_minor if wish is None else min(wish, s.payoff_minor)}
        if any(claims.values()):
            due_on = s.oldest_due_on if s.days_past_due else s.next_due_on
            out.append((contract, Debt(contract.number, due_on, contract.annual_rate_ppm, claims, _security_rank(contract))))
    return out


def _claims_due(s: Standing, on: date) -> dict[Component, int]:
    due = sum(r.outstanding_minor for r in s.rows if r.due_on <= day(on))
    return {
        Component.PRINCIPAL: due - s.interest_minor,
        Component.INTEREST: s.interest_minor,
        Component.PENALTY: s.penalty_minor,
        Component.COMPOUND: s.compound_minor,
        Component.FEE: s.fee_minor,
        Component.THIRD_PARTY_FEE: s.third_party_fee_minor,
        Component.RECOVERY_COST: s.recovery_cost_minor,
    }


def _security_rank(contract: Contract) -> int:
    """0 for an unsecured debt: Civil Code art. 560 pays the least secured first."""
    if contract.collateral.exists():
        return SECURITY_RANK["mortgage"]
    return SECURITY_RANK["guarantee" if contract.parties.filter(role__startswith="guarant").exists() else ""]


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
            clock.writing()
            if party is not None:
                Party.objects.select_for_update(no_key=True).get(pk=party.pk)
            before = Receipt.objects.filter(idempotency_key=idempotency_key).first()
            if before is not None:
                if bytes(before.body_hash) != body:
                    raise _key_used(idempotency_key)
                return before
            if debit is not None and Receipt.objects.filter(debit=debit, reversed_at=None).exists():
                raise refuse("debit_taken", f"the money of debit {debit.reference} is here already", "debit")
            receipt = Receipt.objects.create(
                number=f"new-{secrets.token_hex(8)}",
                entity_id=entity_id,
                party=party,
                amount_minor=amount_minor,
                unapplied_minor=amount_minor,
                received_on=received_on,
                recorded_at=clock.stamp(),
                payer_name=payer.name,
                payer_account=payer.account,
                payer_bank=payer.bank,
                source_kind=source.kind,
                source_reference=source.reference,
                designation=list(designation or ()) or None,
                debit=debit,
                idempotency_key=idempotency_key,
                body_hash=body,
                actor=actor,
            )
            # Numbered by its row, not by a count: two receipts booked at once would count the same.
            receipt.number = f"R-{receipt.pk:07d}"
            receipt.save(update_fields=["number"])
            if party is not None:
                _divide(receipt, party, wishes, actor, as_of or business_date())
            log(actor, "receipt.record", "receipt", receipt.number, {"party": party.reference if party else ""})
    except IntegrityError as error:
        if Receipt.objects.filter(idempotency_key=idempotency_key).exists():
            raise _key_used(idempotency_key) from error
        raise
    return receipt


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


def _divide(receipt: Receipt, party: Party, wishes: Mapping[str, int | None], actor: str, as_of: date) -> None:
    """Book what the debts of a party can take of a receipt."""
    if receipt.debit is not None:
        _book_part(receipt, receipt.debit.contract, receipt.amount_minor, actor, as_of)
        return
    debts = _debts_of(party, receipt.entity_id, receipt.received_on, wishes)
    try:
        parts = apportion(
            receipt.unapplied_minor, [d for _, d in debts], received_on=day(receipt.received_on), designation=receipt.designation
        )
    except ValueError as error:
        raise refuse("bad_designation", str(error), "designation") from error
    for contract, debt in debts:
        _book_part(receipt, contract, sum(parts.by_debt[debt.id].values()), actor, as_of)


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
        Party.objects.select_for_update(no_key=True).get(pk=party.pk)
        locked = Receipt.objects.select_for_update(of=("self",), no_key=True).get(pk=receipt.pk)
        if locked.reversed_at is not None or locked.party_id is not None:
            raise refuse("placed_already", f"{locked.number} is placed or taken back already", "receipt")
        locked.party, locked.designation = party, list(designation or ()) or None
        locked.save(update_fields=["party", "designation"])
        _divide(locked, party, wishes, actor, as_of or business_date())
        log(actor, "receipt.place", "receipt", locked.number, {"party": party.reference, "reason": reason.strip()})
    return locked


def _key_used(key: str) -> IdempotencyConflict:
    message = f"key {key} was used for another request; use a new key"
    return IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))


def _book_part(receipt: Receipt, contract: Contract, amount_minor: int, actor: str, as_of: date) -> None:
    if not amount_minor:
        return
    part = ReceiptPart.objects.create(
        receipt=receipt, contract=contract, amount_minor=amount_minor, booked_on=receipt.received_on
    )  # fmt: skip
    receipt.placed_minor += amount_minor
    receipt.unapplied_minor -= amount_minor
    receipt.save(update_fields=["placed_minor", "unapplied_minor"])
    said = {"debit_id": receipt.debit.reference, "debit_status": "success"} if receipt.debit else None
    event_append(
        contract,
        kind=EventKind.DEBIT if said else EventKind.PAYMENT,
        effective_on=receipt.received_on,
        amount_minor=amount_minor,
        extra=said,
        idempotency_key=f"{OWN_KEYS}{receipt.number}:{part.pk}",
        actor=actor,
        receipt_part=part,
    )
    standing_refresh(contract, as_of=as_of)


def receipt_reverse(receipt: Receipt, *, idempotency_key: str, actor: str, as_of: date | None = None) -> Receipt:
    """Reverse every part of a receipt as one act; reversing it again, under any key, changes nothing.

    A part whose payment was reversed by itself before is left as it is. `idempotency_key` goes into the action log.
    """
    with transaction.atomic():
        clock.writing()
        locked = Receipt.objects.select_for_update(no_key=True).get(pk=receipt.pk)
        if locked.reversed_at is not None:
            return locked
        for part in locked.parts.filter(ended_at=None).select_related("contract").order_by("contract_id"):
            [event] = part.events.all()
            if not is_live(part.contract, event.seq):
                continue
            event_append(
                part.contract,
                kind=EventKind.REVERSAL,
                effective_on=event.effective_on,
                extra={"of_seq": event.seq},
                idempotency_key=f"{OWN_KEYS}{locked.number}:{part.pk}:reversal",
                actor=actor,
            )
            standing_refresh(part.contract, as_of=as_of or business_date())
        locked.reversed_at = clock.stamp()
        locked.save(update_fields=["reversed_at"])
        log(actor, "receipt.reverse", "receipt", locked.number, {"key": idempotency_key})
    return locked
