"""Writing to the book: one function a use case, one transaction each; every write is in the action log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import transaction

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import IdempotencyConflict, Problem, refuse
from tideover.engine.apportion import Debt, apportion
from tideover.engine.events import EventKind
from tideover.engine.standing import Standing
from tideover.engine.terms import Component, day
from tideover.lending.clock import stamp
from tideover.lending.contract_terms import terms_for
from tideover.lending.journal import event_append
from tideover.lending.models import (
    Branch,
    Contract,
    Facility,
    LoanEvent,
    LoanParty,
    Party,
    Product,
    Receipt,
    ReceiptPart,
    Staff,
    StandingRow,
)
from tideover.lending.selectors import loan_standing, standing_fields

SECURITY_RANK = {"": 0, "guarantee": 1, "mortgage": 2}


def contract_open(
    *,
    number: str,
    product: Product,
    borrower: Party,
    branch: Branch,
    principal_minor: int,
    annual_rate_ppm: int,
    signed_on: date,
    disbursed_on: date,
    actor: str,
    instalments: int = 0,
    first_due_on: date | None = None,
    due_day: int = 0,
    maturity_on: date | None = None,
    manager: Staff | None = None,
    facility: Facility | None = None,
    channel: str = "",
    purpose: str = "",
    overrides: Mapping[str, Any] | None = None,
) -> Contract:
    """Open a loan under a product version. Raises Refused: number taken, limit passed, impossible terms."""
    if Contract.objects.filter(number=number).exists():
        raise refuse("number_taken", f"loan {number} exists already", "number")
    ceiling = product.limits.get("principal_max_minor")
    if ceiling is not None and principal_minor > ceiling:
        raise refuse("over_product_limit", f"{product.code} lends at most {ceiling / 100:.2f}", "principal")
    contract = Contract(
        number=number,
        entity=branch.entity,
        branch=branch,
        manager=manager,
        product=product,
        facility=facility,
        borrower=borrower,
        channel=channel,
        purpose=purpose,
        signed_on=signed_on,
        disbursed_on=disbursed_on,
        principal_minor=principal_minor,
        annual_rate_ppm=annual_rate_ppm,
        instalments=instalments,
        first_due_on=first_due_on,
        due_day=due_day,
        maturity_on=maturity_on,
        overrides=dict(overrides or {}),
        created_at=now(),
    )
    try:
        terms_for(contract)
    except ValueError as error:
        raise refuse("impossible_terms", str(error), "terms") from error
    with transaction.atomic():
        contract.save()
        LoanParty.objects.create(contract=contract, party=borrower, role="borrower", valid_from=signed_on)
        standing_refresh(contract, as_of=max(business_date(), disbursed_on))
        log(actor, "loan.open", "loan", number)
    return contract


def event_record(
    contract: Contract,
    *,
    kind: EventKind,
    effective_on: date,
    idempotency_key: str,
    actor: str,
    amount_minor: int = 0,
    extra: Mapping[str, Any] | None = None,
) -> LoanEvent:
    """Append one event and rewrite the standing cache in the same transaction."""
    with transaction.atomic():
        event = event_append(
            contract,
            kind=kind,
            effective_on=effective_on,
            amount_minor=amount_minor,
            extra=dict(extra) if extra else None,
            idempotency_key=idempotency_key,
            actor=actor,
        )
        standing_refresh(contract, as_of=business_date())
        log(actor, f"event.{kind.name.lower()}", "loan", contract.number, {"seq": event.seq})
    return event


def standing_refresh(contract: Contract, *, as_of: date) -> Standing:
    """Recompute the cached standing of a loan by replay."""
    standing = loan_standing(contract, as_of)
    StandingRow.objects.update_or_create(contract=contract, defaults=standing_fields(standing))
    return standing


def _request_hash(*parts: object) -> bytes:
    return hashlib.sha256(json.dumps([str(p) for p in parts]).encode()).digest()


def _debts_of(party: Party, entity_id: int, on: date) -> list[tuple[Contract, Debt]]:
    out = []
    loans = (
        Contract.objects.filter(borrower=party, entity=entity_id, disbursed_on__lte=on).select_related("product").order_by("pk")
    )
    for contract in loans:
        s = loan_standing(contract, on)
        claims = {
            Component.PRINCIPAL: sum(r.outstanding_minor for r in s.rows if r.due_on <= day(on)) - s.interest_minor,
            Component.INTEREST: s.interest_minor,
            Component.PENALTY: s.penalty_minor,
            Component.COMPOUND: s.compound_minor,
            Component.FEE: s.fee_minor,
            Component.THIRD_PARTY_FEE: s.third_party_fee_minor,
            Component.RECOVERY_COST: s.recovery_cost_minor,
        }
        due_on = s.oldest_due_on if s.days_past_due else s.next_due_on
        rank = SECURITY_RANK["mortgage"] if contract.collateral.exists() else SECURITY_RANK[""]
        if contract.parties.filter(role__startswith="guarant").exists():
            rank = max(rank, SECURITY_RANK["guarantee"])
        if any(claims.values()):
            out.append((contract, Debt(contract.number, due_on, contract.annual_rate_ppm, claims, rank)))
    return out


def receipt_record(
    *,
    party: Party,
    entity_id: int,
    amount_minor: int,
    received_on: date,
    channel: str,
    idempotency_key: str,
    actor: str,
    reference: str = "",
    payer_name: str = "",
    designation: Sequence[Mapping[str, object]] | None = None,
) -> Receipt:
    """Take in money at borrower level and book its parts on the loans it belongs to (Civil Code art. 560).

    What no debt can take stays unapplied on the receipt. The same key with the same request returns the first receipt.
    Raises Refused (nothing changes) for a non-positive amount or a designation of a loan the payer does not have.
    """
    if amount_minor <= 0:
        raise refuse("amount_not_positive", "the amount must be more than zero", "amount")
    body = _request_hash(party.pk, entity_id, amount_minor, received_on, channel, reference, designation)
    with transaction.atomic():
        recorded_at = stamp()
        Party.objects.select_for_update().get(pk=party.pk)
        before = Receipt.objects.filter(idempotency_key=idempotency_key).first()
        if before is not None:
            if bytes(before.body_hash) != body:
                message = f"key {idempotency_key} was used for another request; use a new key"
                raise IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))
            return before
        debts = _debts_of(party, entity_id, received_on)
        try:
            parts = apportion(amount_minor, [d for _, d in debts], received_on=day(received_on), designation=designation)
        except ValueError as error:
            raise refuse("bad_designation", str(error), "designation") from error
        receipt = Receipt.objects.create(
            number=f"R-{Receipt.objects.count() + 1:07d}",
            entity_id=entity_id,
            party=party,
            amount_minor=amount_minor,
            unapplied_minor=parts.unapplied_minor,
            received_on=received_on,
            recorded_at=recorded_at,
            payer_name=payer_name,
            channel=channel,
            reference=reference,
            idempotency_key=idempotency_key,
            body_hash=body,
            actor=actor,
        )
        for contract, debt in debts:
            _book_part(receipt, contract, sum(parts.by_debt[debt.id].values()), received_on, actor)
        log(actor, "receipt.record", "receipt", receipt.number, {"party": party.reference})
    return receipt


def _book_part(receipt: Receipt, contract: Contract, amount_minor: int, on: date, actor: str) -> None:
    if not amount_minor:
        return
    part = ReceiptPart.objects.create(receipt=receipt, contract=contract, amount_minor=amount_minor)
    event_append(
        contract,
        kind=EventKind.PAYMENT,
        effective_on=on,
        amount_minor=amount_minor,
        idempotency_key=f"receipt:{receipt.number}:{contract.pk}",
        actor=actor,
        receipt_part=part,
    )
    standing_refresh(contract, as_of=business_date())


def receipt_reverse(receipt: Receipt, *, idempotency_key: str, actor: str, at: datetime | None = None) -> Receipt:
    """Reverse every part of a receipt as one act; reversing it again changes nothing."""
    with transaction.atomic():
        locked = Receipt.objects.select_for_update().get(pk=receipt.pk)
        if locked.reversed_at is not None:
            return locked
        for part in locked.parts.select_related("contract").order_by("contract_id"):
            [event] = part.events.all()
            event_append(
                part.contract,
                kind=EventKind.REVERSAL,
                effective_on=event.effective_on,
                extra={"of_seq": event.seq},
                idempotency_key=f"{idempotency_key}:{part.pk}",
                actor=actor,
            )
            standing_refresh(part.contract, as_of=business_date())
        locked.reversed_at = at or now()
        locked.save(update_fields=["reversed_at"])
        log(actor, "receipt.reverse", "receipt", locked.number)
    return locked
