"""The approval `receipt.redivide`: receipts divided anew over a person's loans because money came in late or was taken back.

A backdated receipt books by itself only what displaces no other money. The rest waits for two people, who see each loan's parts
as they are and as they would be.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.approvals import ApprovalKind, Shown, approval_ask, register
from tideover.core.authority import Line
from tideover.core.business_time import business_date, now
from tideover.core.models import Approval, Role, User, WorkItem
from tideover.core.problems import refuse
from tideover.core.sql import answers, to_read
from tideover.core.work import WorkKind, work_done, work_open
from tideover.core.work import register as work_register
from tideover.lending import clock
from tideover.lending.models import Contract, LegalEntity, Party, Receipt, ReceiptPart
from tideover.lending.receipts.booking import plan_book, standings_refresh
from tideover.lending.receipts.holds import money_hold, money_hold_end
from tideover.lending.receipts.planning import Plan, plan_make
from tideover.lending.words import money

KIND = "receipt.redivide"
HANDLES = frozenset({Role.PAYMENTS, Role.FINANCE})
WORK_DAYS = 2
SHOWN_MAX = 60


def redivide_start(party: Party | int, entity_id: int, start: date) -> date:
    """The day from which a person's receipts are looked at: `start`, or that of the oldest one that waits."""
    rows = Receipt.objects.filter(party=party, entity=entity_id, waiting=True, reversed_at=None)
    return min([start, *rows.values_list("received_on", flat=True)])


def propose(plan: Plan, party: Party, entity_id: int, *, actor: str) -> Approval | None:
    """Mark what waits, put it on the desk of payments, and ask for the decision at once when a person who may ask did this.

    Returns the approval; None when nobody could ask for it yet (the work item says so).
    """
    waits = {change[0].pk: change[0] for change in plan.changes()}.values()
    for r in waits:
        r.waiting = True
        r.save(update_fields=["waiting"])
    money_hold(party, *waits, actor=actor)
    branch = party.branch
    changes = plan.changes()
    amount = sum(max(0, new - old) for *_, old, new in changes)
    work_open(
        KIND, subject=("party", party.reference), key=_work_key(party, entity_id), owner_role=Role.PAYMENTS, actor=actor,
        why=gettext_noop("Money that came in late or was taken back changes which loan later receipts paid. See the proposal."),
        due_at=now() + timedelta(days=WORK_DAYS), entity=branch.entity.code, branch=branch.code, amount_minor=amount,
    )  # fmt: skip
    user = User.objects.filter(username=actor, role__in=HANDLES, is_active=True).first()
    if user is None:
        return None
    return redivide_ask(party, entity_id, reason=_("Receipts of %(day)s and later") % {"day": plan.start}, actor=user)


def _work_key(party: Party, entity_id: int) -> str:
    return f"{KIND}:{entity_id}:{party.reference}"


def redivide_ask(party: Party, entity_id: int, *, reason: str, actor: User) -> Approval:
    """Ask a second person to divide a person's receipts anew. Raises Refused: nothing waits; and what `approval_ask` raises."""
    entity = LegalEntity.objects.get(pk=entity_id)
    start = redivide_start(party, entity_id, date.max)
    if start == date.max:
        raise refuse("nothing_waits", f"no receipt of {party.reference} waits to be divided anew", "party")
    through = max(business_date(), start)
    plan = plan_make(party, entity_id, start, through)
    changes = [[r.number, c.number, on.isoformat(), old, new] for r, c, on, old, new in plan.changes()]
    payload = {
        "party": party.reference, "entity": entity.code, "start": start.isoformat(), "through": through.isoformat(),
        "changes": changes, "seen": _seen(party, entity),
    }  # fmt: skip
    amount = sum(max(0, new - old) for *_, old, new in plan.changes())
    return approval_ask(
        KIND, subject=("party", party.reference), payload=payload, amount_minor=amount, entity=entity.code,
        branch=party.branch.code, reason=reason, actor=actor,
    )  # fmt: skip


def waiting_proposal(party: Party) -> Approval | None:
    """The open proposal about a person's receipts that still fits what is booked."""
    for a in Approval.objects.filter(kind=KIND, subject_type="party", subject_id=party.reference, state="open").order_by("-pk"):
        if a.payload["seen"] == _seen(party, LegalEntity.objects.get(code=a.payload["entity"])):
            return a
    return None


def _read(payload: dict[str, Any]) -> tuple[Party, LegalEntity, date, date]:
    party = Party.objects.select_related("branch__entity").get(reference=payload["party"])
    entity = LegalEntity.objects.get(code=payload["entity"])
    return party, entity, date.fromisoformat(payload["start"]), date.fromisoformat(payload["through"])


def _apply(approval: Approval, actor: User) -> dict[str, Any]:
    """Book what was shown; nothing of it when the plan has become another."""
    party, entity, start, through = _read(approval.payload)
    with transaction.atomic():
        clock.writing()
        Party.objects.select_for_update(no_key=True).get(pk=party.pk)
        plan = plan_make(party, entity.pk, start, through)
        changes = [[r.number, c.number, on.isoformat(), old, new] for r, c, on, old, new in plan.changes()]
        if changes != approval.payload["changes"]:
            raise refuse("changed", "what would change is no longer what was shown: ask again")
        touched = plan_book(plan, actor=approval.asked_by.username)
        waiting_end(party, entity.pk, actor=actor.username)
        standings_refresh([plan.loans[pk] for pk in sorted(touched)])
    return {"parts": len(changes), "granted_by": actor.username}


def waiting_end(party: Party, entity_id: int, *, actor: str) -> None:
    """Nothing of a person's receipts waits any more."""
    waiting, items = answers(
        to_read(Receipt, ("id",), "party_id = %s AND entity_id = %s AND waiting", [party.pk, entity_id]),
        to_read(WorkItem, ("id",), "key = %s AND done_at IS NULL", [_work_key(party, entity_id)]),
    )
    if waiting:
        waits = list(Receipt.objects.filter(pk__in=[pk for (pk,) in waiting]).select_related("party", "meant_for"))
        for receipt in waits:
            receipt.waiting = False
            receipt.save(update_fields=["waiting"])
        money_hold_end(*waits, actor=actor)
    for item in WorkItem.objects.filter(pk__in=[pk for (pk,) in items]) if items else ():
        work_done(item, actor=actor)


def _seen(party: Party, entity: LegalEntity) -> str:
    """A person's receipts, parts and journals as they are: whatever changes one of them makes a proposal stale."""
    receipts = Receipt.objects.filter(party=party, entity=entity).order_by("pk")
    said = [f"{r.pk}:{r.unapplied_minor}:{r.reversed_at}:{r.pinned}" for r in receipts]
    parts = ReceiptPart.objects.filter(receipt__in=receipts, ended_at=None).order_by("pk").values_list("pk", flat=True)
    loans = Contract.objects.filter(borrower=party, entity=entity).order_by("pk").values_list("pk", "event_count")
    return hashlib.sha256(f"{said}{list(parts)}{list(loans)}".encode()).hexdigest()[:32]


def _stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    return _seen(Party.objects.get(reference=subject[1]), LegalEntity.objects.get(code=payload["entity"]))


def _show(approval: Approval) -> list[Shown]:
    """Loan by loan what it has of these receipts now and then, and below them each part that changes."""
    loans: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _number, loan, _on, old, new in approval.payload["changes"]:
        loans[loan][0] += old
        loans[loan][1] += new
    lines = [Shown(f"{_('Loan')} {loan}", money(old), money(new)) for loan, (old, new) in sorted(loans.items())]
    for number, loan, on, old, new in approval.payload["changes"][:SHOWN_MAX]:
        lines.append(Shown(f"{number} → {loan} · {on}", money(old), money(new)))
    return lines


def kinds_register() -> None:
    """Make the kind of approval and the kind of work known."""
    register(
        ApprovalKind(
            code=KIND,
            label=gettext_noop("Receipts to divide anew"),
            asks=HANDLES,
            decides=(Line((HANDLES,)),),
            apply=_apply,
            show=_show,
            stamp=_stamp,
            address=lambda a: f"{reverse('receipts')}?party={a.subject_id}",
        )
    )
    work_register(
        WorkKind(
            KIND, gettext_noop("Receipts to divide anew"), lambda item: f"{reverse('receipts')}?party={item.subject_id}",
            {"done": gettext_noop("decided")},
        )
    )  # fmt: skip
