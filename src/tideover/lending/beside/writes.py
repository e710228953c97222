"""Who writes what on a loan whose ledger is a core's: the one decision, asked by the journal's door (docs/beside-a-core.md).

A change of the loan is asked of the core. Money that came in is a fact: the journal has it at once, so that nobody is asked for
it again, and the core's movement of it is matched, not booked a second time (beside/matching.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from tideover.core.problems import refuse
from tideover.engine.events import EventKind
from tideover.lending.models import Break, Contract, CoreBalance, CoreMovement, LoanEvent
from tideover.lending.models.organisation import BookMode


class Way(StrEnum):
    """How an event on a loan comes about."""

    OURS = "ours"
    """The journal is the ledger."""
    MONEY = "money"
    """Money that came in, or our own record of it: booked here at once, matched with the core's movement."""
    FACT = "fact"
    """A fact from outside that both sides follow: booked here, moves no money."""
    ASK = "ask"
    """A change of the loan: an instruction, in force when the core has confirmed it."""


MONEY_IN = frozenset(
    {
        EventKind.PAYMENT, EventKind.PREPAYMENT, EventKind.REPAY_PART, EventKind.PAYOFF, EventKind.MERCHANT_REFUND,
        EventKind.PAYOUT_REFUND, EventKind.DOWN_PAYMENT, EventKind.GUARANTOR_PAYMENT, EventKind.PAY_GUARANTOR,
    }
)  # fmt: skip
FACTS = frozenset({EventKind.INSOLVENCY, EventKind.JUDGMENT})
TAKES_BACK = frozenset({EventKind.REVERSAL, EventKind.CHARGEBACK, EventKind.ADJUSTMENT})
"""Kinds that undo or correct an earlier event: our own record of money that the core never heard of, else a change."""


def way_of(contract: Contract, kind: EventKind, extra: Mapping[str, Any] | None = None) -> Way:
    """How an event of this kind on this loan comes about."""
    if contract.entity.book_mode != BookMode.OVERLAY:
        return Way.OURS
    if kind == EventKind.DEBIT:
        return Way.MONEY if (extra or {}).get("debit_status") == "success" else Way.FACT
    if kind in MONEY_IN:
        return Way.MONEY
    if kind in TAKES_BACK:
        earlier = LoanEvent.objects.filter(contract=contract, seq=(extra or {}).get("of_seq") or 0).first()
        return Way.MONEY if earlier is not None and is_money(earlier) and not core_knows(earlier) else Way.ASK
    return Way.FACT if kind in FACTS else Way.ASK


def way_check(contract: Contract, kind: EventKind, extra: Mapping[str, Any] | None = None) -> None:
    """Refuse an event that has to be asked of the core."""
    if way_of(contract, kind, extra) != Way.ASK:
        return
    if kind in TAKES_BACK:
        message = f"the core of {contract.entity.code} has entry {(extra or {}).get('of_seq')}: ask it to take it back"
        raise refuse("core_has_it", message, "of_seq")
    message = f"the core of {contract.entity.code} keeps this loan: ask it by an instruction"
    raise refuse("core_decides", message, "kind")


def is_money(event: LoanEvent) -> bool:
    """Whether an event is money that came in."""
    success = event.kind == EventKind.DEBIT and (event.extra or {}).get("debit_status") == "success"
    return success or EventKind(event.kind) in MONEY_IN


def kind_in_core(event: LoanEvent) -> EventKind:
    """The kind under which a core's movements tell of an event: what a debit brought in is a payment."""
    return EventKind.PAYMENT if event.kind == EventKind.DEBIT else EventKind(event.kind)


def movement_of(event: LoanEvent) -> CoreMovement | None:
    """The core's movement that tells of an event: same loan, kind, day and amount; the first where several do."""
    rows = CoreMovement.objects.filter(
        contract=event.contract_id, kind=int(kind_in_core(event)), effective_on=event.effective_on,
        amount_minor=event.amount_minor, file__state="taken",
    )  # fmt: skip
    return rows.order_by("pk").first()


def core_knows(event: LoanEvent) -> bool:
    """Whether the core has an event of the journal in its ledger, as far as anybody can tell.

    It does where one of its movements tells of it, and where its balances were compared since without missing it.
    """
    if movement_of(event) is not None:
        return True
    lacks = Break.objects.filter(contract=event.contract_id, closed_at=None, mend="tell_core")
    if any(b.mend_with.get("seq") == event.seq for b in lacks):
        return False
    seen = CoreBalance.objects.filter(
        contract=event.contract_id, day__gte=event.effective_on, file__state="taken", file__compared_at__gt=event.recorded_at
    )  # fmt: skip
    return seen.exists()
