"""What must be true beside a core: no change in force unconfirmed, and the core's figure only while a break is open."""

from __future__ import annotations

from tideover.core.doctor import Check
from tideover.lending.beside.instructions import KEY
from tideover.lending.models import Break, CoreHold, Instruction, LegalEntity, LoanEvent, StandingRow
from tideover.lending.models.organisation import BookMode

NAMED_MAX = 10


def checks() -> list[Check]:
    """The checks beside a core."""
    if not LegalEntity.objects.filter(book_mode=BookMode.OVERLAY).exists():
        return [Check("beside a core", True, "no entity lives beside a core")]
    return [_confirmed(), _holds()]


def _said(name: str, wrong: list[str], well: str) -> Check:
    return Check(name, not wrong, f"{'; '.join(wrong[:NAMED_MAX])}" if wrong else well)


def _confirmed() -> Check:
    """Every instruction's event belongs to one that the core confirmed, and every confirmed one has its event or a problem."""
    in_force = LoanEvent.objects.filter(idempotency_key__startswith=KEY)
    answered = Instruction.objects.filter(state__in=("confirmed", "reflected"))
    kept = {f"{KEY}{r}" for r in answered.values_list("reference", flat=True)}
    wrong = [f"event {k} without a confirmation" for k in in_force.values_list("idempotency_key", flat=True) if k not in kept]
    bare = answered.filter(event=None, problem="")
    wrong += [f"{r} is confirmed and not booked" for r in bare.values_list("reference", flat=True)]
    return _said("instructions", wrong, f"{Instruction.objects.count()} instructions, none in force unconfirmed")


def _holds() -> Check:
    """The core's figure holds on a loan only while it has an open or accepted break; the cache says so too."""
    held = CoreHold.objects.filter(ended_at=None)
    broken = Break.objects.filter(closed_at=None).exclude(contract=None).values("contract")
    wrong = [f"{n}: held without a break" for n in held.exclude(contract__in=broken).values_list("contract__number", flat=True)]
    stray = StandingRow.objects.filter(source="core").exclude(contract__in=held.values("contract"))
    wrong += [f"{n}: its cache is the core's" for n in stray.values_list("contract__number", flat=True)]
    return _said("core's figures", wrong, f"hold on {held.count()} loans, each with an open break")
