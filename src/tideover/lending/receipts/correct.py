"""A receipt corrected by hand as one act: its money moved to other loans, of the same person or of another one (更正).

The approval `receipt.move` stands above a limit. What people decided is pinned: no later receipt moves it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.action_log import log
from tideover.core.approvals import ApprovalKind, Shown, approval_ask, approval_by_key, register, same_request, steps_needed
from tideover.core.authority import Line
from tideover.core.business_time import business_date
from tideover.core.models import Approval, Role, User
from tideover.core.problems import Problem, Refused, refuse
from tideover.engine.apportion import Step
from tideover.lending import clock
from tideover.lending.models import Contract, Party, Receipt
from tideover.lending.receipts.booking import part_book, part_end, standings_refresh
from tideover.lending.receipts.holds import loans_hold, money_hold_end
from tideover.lending.receipts.services import receipts_divide
from tideover.lending.words import money

KIND = "receipt.move"
CORRECTS = frozenset({Role.PAYMENTS, Role.FINANCE})
ALONE_MINOR = 5_000_000
"""Up to here one person corrects, where the authority table is silent."""
Parts = Sequence[tuple[str, int]]


def receipt_move(
    receipt: Receipt, *, parts: Parts, reason: str, actor: str, party: Party | None = None, as_of: date | None = None
) -> Receipt:
    """Put the money of a receipt on exactly these loans: [(contract number, minor units)], as of the day it came in.

    What the parts leave out stays unapplied with the person, and is not placed by itself: somebody decides about it. party: whose
    it is from now on (None: whose the loans are; with no parts the money is nobody's again). The old parts end, the new
    ones begin, or nothing changes. Raises Refused: no reason; reversed; held by a screening; of a debit; refunds; loans of
    several people, of another entity, or not yet paid out; more than there is.
    """
    if not reason.strip():
        raise refuse("missing", "say why: both people can read that the money was moved", "reason")
    today = as_of or business_date()
    with transaction.atomic():
        clock.writing()
        before = receipt.party
        target, loans = _target(receipt, parts, party)
        for pk in sorted({p.pk for p in (before, target) if p is not None}):
            Party.objects.select_for_update(no_key=True).get(pk=pk)
        locked = Receipt.objects.select_for_update(of=("self",), no_key=True).get(pk=receipt.pk)
        if found := move_problems(locked, parts):
            raise Refused(*found)
        touched = {}
        for part in locked.parts.filter(ended_at=None).select_related("contract", "receipt").order_by("contract_id", "pk"):
            part_end(locked, part, actor=actor)
            touched[part.contract_id] = part.contract
        locked.party, locked.pinned, locked.waiting = target, target is not None, False
        locked.designation = None
        locked.save(update_fields=["party", "pinned", "waiting", "designation"])
        money_hold_end(locked, actor=actor)
        for contract, amount in loans:
            part_book(locked, contract, locked.received_on, [(Step.BY_HAND, amount)], actor=actor)
            touched[contract.pk] = contract
        standings_refresh(touched.values(), today)
        for person in {p.pk: p for p in (before, target) if p is not None}.values():
            receipts_divide(person, locked.entity_id, locked.received_on, actor=actor, as_of=today)
            loans_hold(person, locked.entity_id, today, actor=actor)
        log(actor, "receipt.move", "receipt", locked.number, _said(before, target, parts, reason))
    return locked


def _said(before: Party | None, target: Party | None, parts: Parts, reason: str) -> dict[str, Any]:
    people = {"from": before.reference if before else "", "to": target.reference if target else ""}
    return {**people, "parts": [list(p) for p in parts], "reason": reason.strip()}


def _target(receipt: Receipt, parts: Parts, party: Party | None) -> tuple[Party | None, list[tuple[Contract, int]]]:
    """Whose money it becomes, and the loans by number."""
    numbers = [n for n, _amount in parts]
    rows = Contract.objects.filter(number__in=numbers, entity=receipt.entity_id)
    found = {c.number: c for c in rows.select_related("borrower__branch", "product", "entity")}
    if missing := [n for n in numbers if n not in found]:
        raise refuse("no_such_loan", f"there is no loan {missing[0]} of this entity", "parts")
    owners = {c.borrower_id: c.borrower for c in found.values()} | ({party.pk: party} if party else {})
    if len(owners) > 1:
        raise refuse("several_people", "the loans belong to different people: one receipt is one person's", "parts")
    late = [c.number for c in found.values() if c.disbursed_on > receipt.received_on]
    if late:
        raise refuse("before_disbursement", f"loan {late[0]} was not paid out yet when the money came", "parts")
    return next(iter(owners.values()), None), [(found[n], amount) for n, amount in parts]


def move_problems(receipt: Receipt, parts: Parts) -> list[Problem]:
    """Why the money of a receipt cannot be moved like this; empty when it can."""
    if receipt.reversed_at is not None:
        return [Problem("reversed", f"{receipt.number} was taken back", "receipt")]
    if receipt.screening in ("hit", "kept"):
        return [Problem("screening", f"the payer of {receipt.number} stands on a watch list: a second person decides", "receipt")]
    if receipt.debit_id is not None:
        return [Problem("of_a_debit", "the money of a debit is its loan's: take the receipt back instead", "receipt")]
    out = []
    if receipt.refunds.exclude(state="returned").exclude(from_loans=[]).exists():
        out.append(Problem("refunded", f"part of {receipt.number} went back from a loan's credit balance", "receipt"))
    if len({n for n, _a in parts}) != len(parts) or any(a <= 0 for _n, a in parts):
        out.append(Problem("bad_parts", "each loan once, each with an amount above zero", "parts"))
    there = receipt.placed_minor + receipt.unapplied_minor
    if sum(a for _n, a in parts) > there:
        out.append(Problem("more_than_there_is", f"{receipt.number} has {there} minor units to place", "parts"))
    return out


def receipt_move_ask(
    receipt: Receipt, *, parts: Parts, reason: str, actor: User, party: Party | None = None, key: str = ""
) -> Receipt | Approval:
    """Correct a receipt, or ask for it where authority says that a second person must decide. The amount is what changes loans.

    Raises what `receipt_move` and `approval_ask` raise; what cannot be done is refused here, not by whoever decides.
    """
    payload = {"receipt": receipt.number, "parts": [list(p) for p in parts], "party": party.reference if party else ""}
    subject = ("receipt", receipt.number)
    if key and (before := approval_by_key(KIND, key)):
        return same_request(before, subject, payload, actor)
    target, _loans = _target(receipt, parts, party)
    if found := move_problems(receipt, parts):
        raise Refused(*found)
    place: dict[str, Any] = {"amount_minor": moved_minor(receipt, parts), "entity": receipt.entity.code, "branch": ""}
    if receipt.party is not None and (target is None or target.branch_id == receipt.party.branch_id):
        place["branch"] = receipt.party.branch.code
    if steps_needed(KIND, payload=payload, **place) != ():
        return approval_ask(KIND, subject=subject, payload=payload, **place, reason=reason, actor=actor, key=key)
    return receipt_move(receipt, parts=parts, reason=reason, actor=actor.username, party=party)


def moved_minor(receipt: Receipt, parts: Parts) -> int:
    """How much money changes its loan (minor units): what leaves loans, or what comes to them, the larger."""
    have = {p.contract.number: 0 for p in receipt.parts.filter(ended_at=None).select_related("contract")}
    for p in receipt.parts.filter(ended_at=None).select_related("contract"):
        have[p.contract.number] += p.amount_minor
    want = dict(parts)
    leaves = sum(max(0, a - want.get(n, 0)) for n, a in have.items())
    comes = sum(max(0, a - have.get(n, 0)) for n, a in want.items())
    return max(leaves, comes)


def _apply(approval: Approval, actor: User) -> dict[str, Any]:
    said = approval.payload
    receipt = Receipt.objects.select_related("party__branch", "entity").get(number=said["receipt"])
    party = Party.objects.get(reference=said["party"]) if said["party"] else None
    parts = [(str(n), int(a)) for n, a in said["parts"]]
    done = receipt_move(receipt, parts=parts, reason=approval.reason, actor=approval.asked_by.username, party=party)
    return {"receipt": done.number, "granted_by": actor.username}


def receipt_stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    """The receipt, its live parts and the journals of their loans as they were seen."""
    found = Receipt.objects.get(number=subject[1])
    parts = found.parts.filter(ended_at=None).select_related("contract").order_by("pk")
    seen = [found.unapplied_minor, found.refunding_minor, found.screening, str(found.reversed_at)]
    rows = [f"{p.pk}:{p.contract.event_count}" for p in parts]
    return hashlib.sha256(f"{seen}{rows}".encode()).hexdigest()[:32]


def _show(approval: Approval) -> list[Shown]:
    """Loan by loan, as it is and as it would be."""
    receipt = Receipt.objects.get(number=approval.payload["receipt"])
    have: dict[str, int] = {}
    if approval.state == "open":
        for p in receipt.parts.filter(ended_at=None).select_related("contract"):
            have[p.contract.number] = have.get(p.contract.number, 0) + p.amount_minor
    want: dict[str, int] = dict(approval.payload["parts"])
    lines = [Shown(f"{_('Receipt')} {receipt.number}", money(receipt.amount_minor), "")]
    lines += [Shown(f"{_('Loan')} {n}", money(have.get(n, 0)), money(want.get(n, 0))) for n in sorted({*have, *want})]
    there = receipt.placed_minor + receipt.unapplied_minor
    return [*lines, Shown(_("Not placed on a loan"), money(receipt.unapplied_minor), money(there - sum(want.values())))]


def kind_register() -> None:
    """Make the kind known."""
    register(
        ApprovalKind(
            code=KIND,
            label=gettext_noop("Receipt to put on other loans"),
            asks=CORRECTS,
            decides=(Line((), ALONE_MINOR), Line((CORRECTS,))),
            apply=_apply,
            show=_show,
            stamp=receipt_stamp,
            address=lambda a: reverse("receipt", args=[a.subject_id]),
        )
    )
