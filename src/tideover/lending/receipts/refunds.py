"""Money back to the payer: only to the account that it came from, by two people, followed until the bank says that it is gone.

asked (the approval `receipt.refund` is open) → approved → sent → gone, or returned: then the money is here again.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.action_log import log
from tideover.core.approvals import ApprovalKind, Shown, approval_ask, register
from tideover.core.authority import Line
from tideover.core.business_time import business_date, now
from tideover.core.ids import handle_new
from tideover.core.models import Approval, Role, User
from tideover.core.problems import refuse
from tideover.engine.events import EventKind
from tideover.lending import clock
from tideover.lending.beside.writes import Way, way_of
from tideover.lending.journal import OWN_KEYS, event_append
from tideover.lending.models import Contract, Party, Receipt, Refund
from tideover.lending.receipts.booking import standings_refresh
from tideover.lending.receipts.correct import receipt_stamp
from tideover.lending.selectors import loan_standing
from tideover.lending.words import money

KIND = "receipt.refund"
ASKS = frozenset({Role.PAYMENTS, Role.FINANCE})
DECIDES = frozenset({Role.FINANCE, Role.BRANCH_HEAD})
NEXT = {"approved": ("sent", "gone", "returned"), "sent": ("gone", "returned"), "gone": ("returned", "sent"), "returned": ()}
"""What can follow a state; a bank returns money even days after it said that it was gone. Back to sent: what was taken for its
line was another."""


def refundable(receipt: Receipt) -> list[tuple[Contract | None, int]]:
    """What could go back, minor units: first what is not placed (None), then what loans hold of it as credit balances: never what
    another payer's money left there."""
    if receipt.reversed_at is not None or receipt.screening in ("hit", "kept"):
        return []
    out: list[tuple[Contract | None, int]] = [(None, receipt.unapplied_minor)] if receipt.unapplied_minor else []
    own: dict[int, set[int]] = {}
    loans: dict[int, Contract] = {}
    parts = receipt.parts.filter(ended_at=None).select_related("contract__product", "contract__entity").prefetch_related("events")
    for p in parts.order_by("contract_id"):
        own.setdefault(p.contract_id, set()).update(e.seq for e in p.events.all())
        loans[p.contract_id] = p.contract
    back = _back(receipt)
    for pk, seqs in own.items():
        if way_of(loans[pk], EventKind.CREDIT_REFUND) == Way.ASK:
            continue  # the core keeps that balance: it goes back by an instruction
        standing = loan_standing(loans[pk], business_date())
        left_there = sum(line.held_minor for line in standing.trace if line.seq in seqs)
        held = min(left_there - back.get(loans[pk].number, 0), standing.surplus_minor)
        if held > 0:
            out.append((loans[pk], held))
    return out


def _back(receipt: Receipt) -> dict[str, int]:
    """What already went back of a receipt through each loan."""
    out: dict[str, int] = {}
    for refund in receipt.refunds.exclude(state="returned"):
        for number, amount, _seq in refund.from_loans:
            out[number] = out.get(number, 0) + amount
    return out


def refund_ask(receipt: Receipt, *, amount_minor: int, reason: str, actor: User, key: str = "") -> Approval:
    """Ask a second person to send money of a receipt back to the account that it came from.

    Raises Refused: no account to send it to, not positive, more than could go back, taken back; and what `approval_ask` raises.
    """
    _checked(receipt, amount_minor)
    branch = receipt.party.branch.code if receipt.party is not None else ""
    return approval_ask(
        KIND, subject=("receipt", receipt.number), payload={"receipt": receipt.number, "amount_minor": amount_minor},
        amount_minor=amount_minor, entity=receipt.entity.code, branch=branch, reason=reason, actor=actor, key=key,
    )  # fmt: skip


def _checked(receipt: Receipt, amount_minor: int) -> list[tuple[Contract | None, int]]:
    """From where the amount comes. Raises Refused."""
    if receipt.reversed_at is not None:
        raise refuse("reversed", f"{receipt.number} was taken back", "receipt")
    if not str(receipt.payer_account).strip() or "*" in str(receipt.payer_account):
        raise refuse("no_source_account", f"{receipt.number} does not say from which account the money came", "receipt")
    if amount_minor <= 0:
        raise refuse("amount_not_positive", "the amount must be more than zero", "amount")
    left, out = amount_minor, []
    for contract, most in refundable(receipt):
        if now_ := min(left, most):
            out.append((contract, now_))
            left -= now_
    if left:
        raise refuse("more_than_there_is", f"{amount_minor - left} minor units of {receipt.number} could go back", "amount")
    return out


def _apply(approval: Approval, actor: User) -> dict[str, Any]:
    """Take the money out of what is held, and make the refund; the journal names who asked."""
    number, amount = approval.payload["receipt"], approval.payload["amount_minor"]
    receipt = Receipt.objects.select_related("entity", "party__branch").get(number=number)
    with transaction.atomic():
        clock.writing()
        if receipt.party is not None:
            Party.objects.select_for_update(no_key=True).get(pk=receipt.party.pk)
        locked = Receipt.objects.select_for_update(of=("self",), no_key=True).select_related("entity").get(pk=receipt.pk)
        found = _checked(locked, amount)
        reference = handle_new("B")
        unapplied = sum(a for c, a in found if c is None)
        loans = [(c, a) for c, a in found if c is not None]
        events = [_journal(c, a, reference, approval.asked_by.username) for c, a in loans]
        locked.unapplied_minor -= unapplied
        locked.refunding_minor += unapplied
        locked.save(update_fields=["unapplied_minor", "refunding_minor"])
        Refund.objects.create(
            reference=reference, receipt=locked, approval=approval, amount_minor=amount, unapplied_minor=unapplied,
            from_loans=[[c.number, a, seq] for (c, a), seq in zip(loans, events, strict=True)],
            reason=approval.reason[:300], approved_at=now(),
        )  # fmt: skip
        standings_refresh(c for c, _a in loans)
        log(actor.username, "refund.approve", "receipt", number, {"refund": reference})
    return {"refund": reference}


def _journal(contract: Contract, amount: int, reference: str, actor: str) -> int:
    event = event_append(
        contract, kind=EventKind.CREDIT_REFUND, effective_on=business_date(), amount_minor=amount,
        idempotency_key=f"{OWN_KEYS}{reference}:{contract.pk}", actor=actor,
    )  # fmt: skip
    return event.seq


def refund_move(
    refund: Refund, state: str, *, actor: str, on: date | None = None, bank_reference: str = "", reason: str = ""
) -> Refund:
    """Say what the bank did with a refund: sent, gone, or returned (the money is held for the same receipt again).

    The same state again changes nothing. Raises Refused for a step that cannot follow.
    """
    with transaction.atomic():
        clock.writing()
        row = Refund.objects.select_related("receipt").get(pk=refund.pk)
        if row.receipt.party_id is not None:
            Party.objects.select_for_update(no_key=True).get(pk=row.receipt.party_id)
        receipt = Receipt.objects.select_for_update(of=("self",), no_key=True).get(pk=row.receipt_id)
        row = Refund.objects.select_for_update(of=("self",), no_key=True).get(pk=refund.pk)
        if row.state == state:
            return row
        if state not in NEXT[row.state]:
            raise refuse("bad_state", f"{row.reference} is {row.state}: it cannot become {state}", "state")
        _settle(row, receipt, state, actor)
        row.state, row.bank_reference = state, bank_reference[:80] or row.bank_reference
        row.sent_at = row.sent_at or now()
        ends = state in ("gone", "returned")
        row.ended_at, row.ended_on = (now(), on or business_date()) if ends else (None, None)
        row.save(update_fields=["state", "bank_reference", "sent_at", "ended_at", "ended_on"])
        log(actor, f"refund.{state}", "receipt", receipt.number, {"refund": row.reference, "reason": reason[:200]})
    return row


def _settle(refund: Refund, receipt: Receipt, state: str, actor: str) -> None:
    """Move the money between what is under way, gone, and here again."""
    was = "refunded_minor" if refund.state == "gone" else "refunding_minor"
    goes = {"gone": "refunded_minor", "returned": "unapplied_minor"}.get(state, "refunding_minor")
    setattr(receipt, was, getattr(receipt, was) - refund.unapplied_minor)
    setattr(receipt, goes, getattr(receipt, goes) + refund.unapplied_minor)
    receipt.save(update_fields=["unapplied_minor", "refunding_minor", "refunded_minor"])
    if state != "returned":
        return
    contracts = {c.number: c for c in Contract.objects.filter(number__in=[n for n, _a, _s in refund.from_loans])}
    for number, _amount, seq in refund.from_loans:
        event = contracts[number].events.get(seq=seq)
        event_append(
            contracts[number], kind=EventKind.REVERSAL, effective_on=event.effective_on, extra={"of_seq": seq},
            idempotency_key=f"{OWN_KEYS}{refund.reference}:{number}:returned", actor=actor,
        )  # fmt: skip
    standings_refresh(contracts.values())


def _show(approval: Approval) -> list[Shown]:
    receipt = Receipt.objects.get(number=approval.payload["receipt"])
    amount, account = approval.payload["amount_minor"], masked_account(receipt.payer_account)
    lines = [
        Shown(f"{_('Receipt')} {receipt.number}", money(receipt.amount_minor), ""),
        Shown(_("Goes back to its account"), "", f"{money(amount)} → {account} {receipt.payer_bank}"),
    ]
    if approval.state == "open":
        for contract, held in refundable(receipt):
            what = _("Not placed on a loan") if contract is None else f"{_('Held on loan')} {contract.number}"
            now_ = min(amount, held)
            lines.append(Shown(what, money(held), money(held - now_)))
            amount -= now_
    return lines


def masked_account(account: str) -> str:
    """The last four digits."""
    return f"**** {account[-4:]}" if account else ""


def kind_register() -> None:
    """Make the kind known: always a second person."""
    register(
        ApprovalKind(
            code=KIND,
            label=gettext_noop("Money back to its payer"),
            asks=ASKS,
            decides=(Line((DECIDES,)),),
            apply=_apply,
            show=_show,
            stamp=receipt_stamp,
            address=lambda a: reverse("receipt", args=[a.subject_id]),
        )
    )
