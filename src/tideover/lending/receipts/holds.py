"""Nobody is called, charged or reported for money that is here: while receipts of a person wait for people, this is held too.

Two kinds of hold `money_here`: about the person, while any money of theirs waits; about a loan, while it is late only because
that money waits. The second silences everybody who stands in the loan; its late status is shown to nobody outside, and nothing is
charged for it.
"""

from __future__ import annotations

from datetime import date, timedelta

from django.db.models import Q

from tideover.core.business_time import business_date, now
from tideover.core.problems import Refused
from tideover.lending.models import Contract, Hold, Party, Receipt
from tideover.lending.receipts.debts import loans_of
from tideover.lending.receipts.planning import days_late_planned
from tideover.lending.receipts.selectors import MONEY_HERE
from tideover.lending.selectors import loan_standing
from tideover.lending.services_holds import cause_ends, hold_place, holds_lift

WAITS = (Q(waiting=True), Q(screening="hit"))
LEFT_BY_HAND = Q(pinned=True, unapplied_minor__gt=0)
"""What people left over when they moved money: too little a reason to leave a person alone, but a loan it covers is not late."""
WHY = "the money has a place"
WHOSE = ("party__branch__entity", "meant_for__branch__entity")


def _cause(receipt: Receipt) -> str:
    return f"receipt:{receipt.number}"


def _loan_cause(party: Party, entity_id: int) -> str:
    return f"money:{entity_id}:{party.reference}"


def money_hold(party: Party, *receipts: Receipt, actor: str) -> None:
    """Hold contact with a person while money of theirs waits for a decision, and what its loans would be late for."""
    for receipt in receipts:
        hold_place(party, None, kind=MONEY_HERE, starts_at=now(), cause=_cause(receipt), actor=actor)
    for entity_id in {r.entity_id for r in receipts}:
        loans_hold(party, entity_id, business_date(), actor=actor)


def money_hold_end(*receipts: Receipt, actor: str) -> None:
    """The money is booked, kept back for good, or was never theirs."""
    for receipt in receipts:
        cause_ends(_cause(receipt), why=WHY, actor=actor)
    whose = {(r.party_id or r.meant_for_id, r.entity_id): r.party or r.meant_for for r in receipts}
    for (_pk, entity_id), party in whose.items():
        if party is not None:
            loans_hold(party, entity_id, business_date(), actor=actor)


def waiting_of(party: Party, entity_id: int) -> list[Receipt]:
    """A person's receipts that wait for people: to be divided anew, stopped by a watch list, or left over by hand."""
    theirs = Q(party=party) | Q(meant_for=party, party=None)
    return list(
        Receipt.objects.filter(theirs, WAITS[0] | WAITS[1] | LEFT_BY_HAND, entity=entity_id, reversed_at=None).order_by("pk")
    )


def loans_hold(party: Party, entity_id: int, on: date, *, actor: str) -> None:
    """Hold exactly the loans that are late on a day, or would be on the next, only because money of their borrower waits."""
    cause, waits = _loan_cause(party, entity_id), waiting_of(party, entity_id)
    covered = _covered(party, entity_id, waits, on) if waits else []
    stands = Hold.objects.filter(cause=cause, lifted_at=None)
    if stale := stands.exclude(contract__in=covered):
        holds_lift(stale, why=WHY, actor=actor)
    for contract in covered:
        hold_place(party, contract, kind=MONEY_HERE, starts_at=now(), cause=cause, actor=actor)


def _covered(party: Party, entity_id: int, waits: list[Receipt], on: date) -> list[Contract]:
    more = [r for r in waits if r.party_id is None or r.pinned]
    start = min(r.received_on for r in waits)
    found: set[int] = set()
    loans = loans_of(party, entity_id)
    for day_ in (on, on + timedelta(days=1)):
        late = {c.pk for c in loans if c.disbursed_on <= day_ and loan_standing(c, day_).days_past_due}
        try:
            planned = days_late_planned(party, entity_id, start, day_, more) if late - found else {}
        except Refused:  # money that names a loan which is not theirs: nobody knows what it would pay
            break
        found |= {pk for pk in late if not planned.get(pk, 1)}
    return [c for c in loans if c.pk in found]


def money_here_look(on: date, *, actor: str = "close") -> int:
    """Renew what holds for money that waits, as days go by; for how many people. Run by the close before its cut-off."""
    rows = Receipt.objects.filter(reversed_at=None).select_related(*WHOSE).order_by("pk")
    whose: dict[tuple[Party, int], list[Receipt]] = {}
    for r in (r for which in (*WAITS, LEFT_BY_HAND) for r in rows.filter(which)):  # each by its own partial index
        if (party := r.party or r.meant_for) is not None:
            whose.setdefault((party, r.entity_id), []).extend([r] if r.waiting or r.screening == "hit" else [])
    for hold in Hold.objects.filter(lifted_at=None, cause__startswith="money:").select_related("party", "contract"):
        whose.setdefault((hold.party, hold.contract.entity_id), [])  # type: ignore[union-attr]
    for (party, entity_id), receipts in whose.items():
        for receipt in receipts:
            hold_place(party, None, kind=MONEY_HERE, starts_at=now(), cause=_cause(receipt), actor=actor)
        loans_hold(party, entity_id, on, actor=actor)
    return len(whose)
