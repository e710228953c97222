"""Taking money at a counter: the slip, the receipt behind it in the same transaction, and what ends a slip again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from tideover.core.action_log import log
from tideover.core.approvals import approval_ask, steps_needed
from tideover.core.business_time import business_date, now
from tideover.core.crypto import search_hash
from tideover.core.ids import handle_new
from tideover.core.models import Approval, ApprovalState, User
from tideover.core.problems import Forbidden, IdempotencyConflict, Problem, Refused, refuse
from tideover.engine.terms import PRINCIPAL_MINOR_MAX
from tideover.lending import clock
from tideover.lending.counter.cash import expected_minor, move, number_next, series_locked, slip_locked, till_locked
from tideover.lending.models import Contract, Party, Receipt, Slip, Till
from tideover.lending.models.counter import METHODS
from tideover.lending.receipts.services import Payer, Source, receipt_record, receipt_reverse
from tideover.lending.services_holds import cause_ends, hold_place

CODE = "S"
"""Prefix of the codes by which slips are checked."""
TAKE, CANCEL = "counter.take", "counter.cancel"
HOLD = "money_here"


@dataclass(frozen=True, slots=True)
class Paid:
    """What somebody pays at a counter. payer_name and payer_id: only of a payer who is not the borrower, as their paper says.

    reference: the number on the terminal's or the bank's own slip, needed for what is not cash. note: for a second person.
    """

    party: Party
    method: str
    amount_minor: int
    designation: Sequence[Mapping[str, object]] | None = None
    payer_name: str = ""
    payer_id: str = ""
    reference: str = ""
    note: str = ""


def payment_take(till: Till, paid: Paid, *, idempotency_key: str, actor: User, at: datetime | None = None) -> Slip:
    """Take a payment: a numbered slip, the cash in the till, and the receipt, all at once; above the limit of the authority table
    the slip waits for a second person and nothing is booked. The same key with the same payment gives the same slip.

    Raises Refused (nothing changes): the till is not open, or of another day; the amount; a payer half named; no loan of theirs
    with this lender; a loan named that is not theirs; no note for the second person. 403 for somebody else's till.
    """
    at = at or now()
    body = _body(paid)
    try:
        with transaction.atomic():
            clock.writing()
            row = till_locked(till)
            before = Slip.objects.filter(idempotency_key=idempotency_key).first()
            if before is not None:
                if bytes(before.body_hash) != body or before.till_id != row.pk:
                    raise _key_used(idempotency_key)
                return before
            _usable(row, actor, at)
            if problems := _problems(row, paid, idempotency_key, at):
                raise Refused(*problems)
            return _slip(row, paid, idempotency_key, body, actor, at)
    except IntegrityError as error:
        if Slip.objects.filter(idempotency_key=idempotency_key).exists():
            raise _key_used(idempotency_key) from error
        raise


def _body(paid: Paid) -> bytes:
    """Keyed, because a name could be guessed."""
    said = [
        paid.party.pk, paid.method, paid.amount_minor, list(paid.designation or ()), paid.payer_name, paid.payer_id,
        paid.reference,
    ]  # fmt: skip
    return search_hash(json.dumps(said, ensure_ascii=False, default=str, sort_keys=True))


def _key_used(key: str) -> IdempotencyConflict:
    message = f"key {key} was used for another request; use a new key"
    return IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))


def _usable(till: Till, actor: User, at: datetime) -> None:
    """Raise Refused where a till takes or gives no money now."""
    if till.teller_id != actor.pk:
        raise Forbidden(Problem("not_your_till", f"till {till.number} is {till.teller.username}'s"))
    if till.state != "open":
        raise refuse("till_counted", f"till {till.number} is counted: money goes into the next one", "till")
    if till.day != business_date(at):
        raise refuse("till_of_another_day", f"till {till.number} is of {till.day}: count it, then open one of today", "till")


def _problems(till: Till, paid: Paid, key: str, at: datetime) -> list[Problem]:
    out = []
    if not 0 < paid.amount_minor <= PRINCIPAL_MINOR_MAX:
        out.append(Problem("amount_not_positive", f"the amount must lie in 1..{PRINCIPAL_MINOR_MAX} minor units", "amount"))
    if paid.method not in METHODS:
        out.append(Problem("unknown_method", f"{paid.method!r} is not one of {', '.join(METHODS)}", "method"))
    elif paid.method != "cash" and not paid.reference.strip():
        out.append(Problem("no_reference", "give the number on the terminal's or the bank's slip", "reference"))
    if bool(paid.payer_name.strip()) != bool(paid.payer_id.strip()):
        field = "payer_id" if paid.payer_name.strip() else "payer_name"
        out.append(Problem("payer_half_named", "a payer who is not the borrower has a name and shows an identity paper", field))
    if not 1 <= len(key) <= 60:
        out.append(Problem("bad_idempotency_key", "an idempotency key has 1 to 60 characters", "idempotency_key"))
    loans = Contract.objects.filter(borrower=paid.party, entity=till.branch.entity, disbursed_on__lte=business_date(at))
    numbers = set(loans.values_list("number", flat=True))
    if not numbers:
        out.append(Problem("no_loan_here", f"{paid.party.reference} has no loan with {till.branch.entity.code}", "party"))
    named = [str(line.get("debt", "")) for line in paid.designation or ()]
    if strange := sorted(set(named) - numbers):
        out.append(Problem("bad_designation", f"{strange[0] or 'nothing'} is no loan of theirs", "designation"))
    return out


def _slip(till: Till, paid: Paid, key: str, body: bytes, actor: User, at: datetime) -> Slip:
    needs = steps_needed(TAKE, payload={}, **_place(till, paid.amount_minor)) != ()
    if needs and not paid.note.strip():
        raise refuse("no_note", "say what the money is and where it comes from: a second person reads it", "note")
    number, sequence = number_next(series_locked(till.branch, "slip", till.day.year))
    slip = Slip(
        number=number, sequence=sequence, code=handle_new(CODE), till=till, party=paid.party, method=paid.method,
        amount_minor=paid.amount_minor, designation=list(paid.designation or ()) or None, payer_name=paid.payer_name.strip(),
        payer_id=paid.payer_id.strip(), reference=paid.reference.strip(), note=paid.note.strip(), day=till.day, taken_at=at,
        taken_by=actor.username, idempotency_key=key, body_hash=body, state="awaiting",
    )  # fmt: skip
    if not needs:
        slip.receipt, slip.state = _book(slip), "booked"
    slip.save()
    if needs:
        hold_place(slip.party, None, kind=HOLD, starts_at=at, cause=_cause(slip), actor=actor.username)
        _ask(slip, paid.note, actor)
    if slip.method == "cash":
        move(till, "taken", slip.amount_minor, at=at, actor=actor.username, slip=slip)
    log(actor.username, "slip.take", "slip", number, {"party": slip.party.reference, "state": slip.state})
    return slip


def _place(till: Till, amount_minor: int) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "entity": till.branch.entity.code, "branch": till.branch.code}


def _cause(slip: Slip) -> str:
    return f"slip:{slip.number}"


def _book(slip: Slip) -> Receipt:
    """The receipt behind a slip, of the day on which the money was handed over."""
    return receipt_record(
        entity_id=slip.till.branch.entity_id, party=slip.party, amount_minor=slip.amount_minor, received_on=slip.day,
        payer=Payer(slip.payer_name or slip.party.name), source=Source("counter", slip.number), designation=slip.designation,
        idempotency_key=f"counter:{slip.number}", actor=slip.taken_by,
    )  # fmt: skip


def _ask(slip: Slip, reason: str, actor: User) -> Approval:
    """Ask a second person to confirm a slip."""
    approval = approval_ask(
        TAKE, subject=("slip", slip.number), payload={"slip": slip.number}, **_place(slip.till, slip.amount_minor),
        reason=reason, actor=actor,
    )  # fmt: skip
    slip.approval = approval.reference
    slip.save(update_fields=["approval"])
    return approval


def approval_of(slip: Slip) -> Approval | None:
    """The open or last question about a slip."""
    return Approval.objects.filter(reference=slip.approval).first() if slip.approval else None


def waits(slip: Slip, at: datetime | None = None) -> bool:
    """Whether a second person can still decide about a slip."""
    asked = approval_of(slip)
    return asked is not None and asked.state == ApprovalState.OPEN and asked.expires_at > (at or now())


def slip_confirm(number: str) -> Slip:
    """Book a slip that a second person confirmed (approvals.py); the hold ends."""
    clock.writing()
    slip = slip_locked(number)
    if slip.state != "awaiting":
        raise refuse("not_awaiting", f"slip {number} waits for nobody")
    slip.receipt, slip.state = _book(slip), "booked"
    slip.save(update_fields=["receipt", "state"])
    cause_ends(_cause(slip), why="the money is booked", actor=slip.taken_by)
    return slip


def slip_ask_again(slip: Slip, *, reason: str, actor: User) -> Approval:
    """Ask once more about money that is here and that nobody decided, or that was refused. Raises what `approval_ask` raises."""
    with transaction.atomic():
        row = slip_locked(slip.number)
        _to_decide(row)
        return _ask(row, reason, actor)


def _to_decide(row: Slip) -> None:
    if row.state != "awaiting":
        raise refuse("not_awaiting", f"slip {row.number} waits for nobody")
    if waits(row):
        raise refuse("decision_waits", f"a second person has {row.number} before them: {row.approval}")


def slip_give_back(slip: Slip, till: Till, *, reason: str, actor: User, at: datetime | None = None) -> Slip:
    """Give money that was never booked back to its payer, cash out of the teller's open till of today.

    Done before: the slip as it is. Raises Refused: booked, a second person still has it before them, no reason, a till of
    another branch, not that much cash in it.
    """
    at = at or now()
    with transaction.atomic():
        clock.writing()
        box, row = till_locked(till), slip_locked(slip.number)
        if row.state == "returned":
            return row
        _to_decide(row)
        _usable(box, actor, at)
        if box.branch_id != row.till.branch_id:
            raise refuse("other_branch", f"slip {row.number} is of branch {row.till.branch.code}")
        _cash_back(box, row, "returned", at, actor.username)
        cause_ends(_cause(row), why="the money was given back", actor=actor.username)
        return _end(row, "returned", reason, at, actor.username)


def _cash_back(till: Till, slip: Slip, kind: str, at: datetime, actor: str) -> None:
    if slip.method == "cash":
        if expected_minor(till) < slip.amount_minor:
            raise refuse("not_enough_cash", f"till {till.number} does not hold that much cash: take it from the vault first")
        move(till, kind, -slip.amount_minor, at=at, actor=actor, slip=slip)


def _end(slip: Slip, state: str, reason: str, at: datetime, actor: str) -> Slip:
    if not reason.strip():
        raise refuse("missing", "say why", "reason")
    slip.state, slip.ended_at, slip.ended_by, slip.end_reason = state, at, actor, reason.strip()[:300]
    slip.save(update_fields=["state", "ended_at", "ended_by", "end_reason"])
    log(actor, f"slip.{state}", "slip", slip.number)
    return slip


def slip_cancel_ask(slip: Slip, *, reason: str, actor: User, key: str = "", at: datetime | None = None) -> Approval:
    """Ask a second person to cancel a booked slip of today, before its till is counted.

    Raises Refused: not booked, the till is counted (then the receipt is taken back by payments), of another day; 403 for somebody
    else's till; and what `approval_ask` raises.
    """
    cancel_check(slip, actor, at or now())
    payload = {"slip": slip.number}
    place = _place(slip.till, slip.amount_minor)
    return approval_ask(CANCEL, subject=("slip", slip.number), payload=payload, **place, reason=reason, actor=actor, key=key)


def cancel_check(slip: Slip, actor: User, at: datetime) -> None:
    """Raise Refused where a slip cannot be cancelled at the counter any more."""
    _usable(slip.till, actor, at)
    if slip.state != "booked":
        raise refuse("not_booked", f"slip {slip.number} is not booked: {slip.state}")
    if slip.receipt is not None and slip.receipt.reversed_at is not None:
        raise refuse("taken_back", f"receipt {slip.receipt.number} was taken back already")


def slip_cancel(number: str, *, reason: str, asker: User, at: datetime | None = None) -> Slip:
    """Cancel a slip that a second person agreed to cancel: its receipt is reversed as one act and the cash leaves the till."""
    at = at or now()
    clock.writing()
    till = till_locked(Slip.objects.select_related("till").get(number=number).till)
    slip = slip_locked(number)
    slip.till = till
    cancel_check(slip, asker, at)
    assert slip.receipt is not None
    receipt_reverse(slip.receipt, idempotency_key=f"counter:{number}:cancel", actor=asker.username)
    _cash_back(till, slip, "cancelled", at, asker.username)
    return _end(slip, "cancelled", reason, at, asker.username)
