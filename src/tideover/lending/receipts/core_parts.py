"""Parts of receipts on loans whose ledger is a core's: what the core has of them, and asking it to take them back."""

from __future__ import annotations

from collections.abc import Iterable

from tideover.engine.events import EventKind
from tideover.lending.beside.instructions import instruction_request
from tideover.lending.beside.writes import core_knows
from tideover.lending.journal import OWN_KEYS, is_live
from tideover.lending.models import Instruction, LegalEntity, LoanEvent, Receipt, ReceiptPart
from tideover.lending.models.organisation import BookMode

WHY = "the money went back"


def core_events(parts: Iterable[ReceiptPart]) -> list[tuple[ReceiptPart, LoanEvent]]:
    """Live payments of parts that a core has in its ledger."""
    out = []
    for part in parts:
        for event in part.events.all() if part.contract.entity.book_mode == BookMode.OVERLAY else ():
            if is_live(part.contract, event.seq) and core_knows(event):
                out.append((part, event))
    return out


def core_has(receipt: Receipt) -> bool:
    """Whether a core has any part of a receipt in its ledger."""
    if receipt.entity.book_mode != BookMode.OVERLAY:
        return False
    return bool(core_events(receipt.parts.filter(ended_at=None).select_related("contract__entity").prefetch_related("events")))


def _key(receipt: Receipt) -> str:
    return f"{OWN_KEYS}back:{receipt.number}:"


def core_take_back(receipt: Receipt, parts: Iterable[ReceiptPart], *, actor: str) -> list[Instruction]:
    """Ask the core to take back what it has of a receipt, once a part; the instructions. Empty: it has nothing of it."""
    return [
        instruction_request(
            part.contract, kind=EventKind.REVERSAL, effective_on=event.effective_on, extra={"of_seq": event.seq},
            idempotency_key=f"{_key(receipt)}{part.pk}:{event.seq}", reason=WHY, actor=actor,
        )
        for part, event in core_events(parts)
    ]  # fmt: skip


def asked_back(receipt: Receipt) -> list[Instruction]:
    """What a core was asked to take back of a receipt, the newest first."""
    if receipt.entity.book_mode != BookMode.OVERLAY:
        return []
    rows = Instruction.objects.filter(idempotency_key__startswith=_key(receipt))
    return list(rows.select_related("contract").order_by("-pk"))


def taken_back(entity: LegalEntity) -> list[Receipt]:
    """Receipts that stand, though a core has confirmed everything that it was asked to take back of them."""
    rows = Instruction.objects.filter(contract__entity=entity, idempotency_key__startswith=f"{OWN_KEYS}back:")
    answered: dict[str, set[str]] = {}
    for key, state in rows.values_list("idempotency_key", "state"):
        answered.setdefault(key.split(":")[2], set()).add(state)
    done = [number for number, states in answered.items() if states <= {"confirmed", "reflected"}]
    return list(Receipt.objects.filter(number__in=done, reversed_at=None).select_related("party", "entity").order_by("pk"))
