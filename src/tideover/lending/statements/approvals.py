"""Acts of the desk that need a second person above an amount: placing unplaced money, and undoing what a line became."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.approvals import ApprovalKind, Shown, approval_ask, register, steps_needed
from tideover.core.authority import Line
from tideover.core.models import Approval, Role, User
from tideover.core.problems import refuse
from tideover.lending.models import BankLine, Match, Party, Receipt
from tideover.lending.receipts.services import receipt_place
from tideover.lending.statements.correct import WITH_RECEIPT, line_become
from tideover.lending.statements.words import kind_named
from tideover.lending.words import money

PLACE, BECOME = "receipt.place", "bank_line.become"
HANDLES = frozenset({Role.PAYMENTS, Role.FINANCE})
ALONE_MINOR = 5_000_000
"""Up to here one person decides, where the authority table is silent."""


def suspense_place_ask(
    receipt: Receipt, *, party: Party, loans: Sequence[str], reason: str, actor: User, key: str = ""
) -> Receipt | Approval:
    """Place unplaced money, or ask for it above the limit. `loans`: those that the payer named, else empty.

    Raises what `receipt_place` and `approval_ask` raise.
    """
    if not reason.strip():
        raise refuse("missing", "say how you know whose money it is", "reason")
    payload = {"receipt": receipt.number, "party": party.reference, "loans": list(loans)}
    place = _place(receipt)
    if steps_needed(PLACE, payload=payload, **place) != ():
        subject = ("receipt", receipt.number)
        return approval_ask(PLACE, subject=subject, payload=payload, **place, reason=reason, actor=actor, key=key)
    return _placed(payload, reason, actor.username)


def _place(receipt: Receipt) -> dict[str, Any]:
    return {"amount_minor": receipt.amount_minor, "entity": receipt.entity.code, "branch": ""}


def _placed(said: dict[str, Any], reason: str, actor: str) -> Receipt:
    receipt = Receipt.objects.select_related("entity").get(number=said["receipt"])
    party = Party.objects.get(reference=said["party"])
    designation = [{"debt": n} for n in said["loans"]] or None
    return receipt_place(receipt, party=party, designation=designation, reason=reason, actor=actor)


def _place_apply(a: Approval, actor: User) -> dict[str, Any]:
    done = _placed(a.payload, a.reason, a.asked_by.username)
    return {"receipt": done.number, "granted_by": actor.username}


def _place_stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    r = Receipt.objects.get(number=subject[1])
    return f"{r.party_id}:{r.reversed_at}:{r.unapplied_minor}"


def _place_show(a: Approval) -> list[Shown]:
    receipt = Receipt.objects.get(number=a.payload["receipt"])
    whose = Party.objects.get(reference=a.payload["party"])
    lines = [Shown(f"{_('Receipt')} {receipt.number}", _("nobody's yet"), f"{whose.masked_name} {whose.reference}")]
    lines.append(Shown(_("Amount"), money(receipt.amount_minor), ""))
    return [*lines, *(Shown(_("Named loan"), "", n) for n in a.payload["loans"])]


def line_become_ask(line: BankLine, *, kind: str, of: str, reason: str, actor: User, key: str = "") -> Match | Approval:
    """Say that a line is something else; where a receipt is taken back above the limit, ask for it."""
    live = line.matches.filter(undone_at=None).first()
    payload = {"line": line.reference, "kind": kind, "of": of}
    if live is not None and (live.kind in WITH_RECEIPT or kind == "returned"):
        place = {"amount_minor": line.amount_minor, "entity": line.account.entity.code, "branch": ""}
        if steps_needed(BECOME, payload=payload, **place) != ():
            subject = ("bank_line", line.reference)
            return approval_ask(BECOME, subject=subject, payload=payload, **place, reason=reason, actor=actor, key=key)
    return line_become(line, kind=kind, of=of, reason=reason, actor=actor.username)


def _become_apply(a: Approval, actor: User) -> dict[str, Any]:
    line = BankLine.objects.get(reference=a.payload["line"])
    done = line_become(line, kind=a.payload["kind"], of=a.payload["of"], reason=a.reason, actor=a.asked_by.username)
    return {"line": line.reference, "kind": done.kind, "granted_by": actor.username}


def _become_stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    live = Match.objects.select_related("receipt").get(line__reference=subject[1], undone_at=None)
    r = live.receipt
    seen = f"{live.pk}:{r and (r.party_id, r.reversed_at, r.unapplied_minor)}"
    return hashlib.sha256(seen.encode()).hexdigest()[:32]


def _become_show(a: Approval) -> list[Shown]:
    line = BankLine.objects.get(reference=a.payload["line"])
    live = line.matches.filter(undone_at=None).select_related("receipt").first()
    lines = [Shown(f"{_('Bank line')} {line.reference}", kind_named(live.became) if live else "", kind_named(a.payload["kind"]))]
    if live is not None and live.receipt is not None:
        lines.append(Shown(f"{_('Receipt')} {live.receipt.number}", money(live.receipt.amount_minor), _("taken back")))
    return lines


def kinds_register() -> None:
    """Make both kinds known."""
    decides = (Line((), ALONE_MINOR), Line((HANDLES,)))
    register(
        ApprovalKind(
            code=PLACE, label=gettext_noop("Unplaced money to place"), asks=HANDLES, decides=decides, apply=_place_apply,
            show=_place_show, stamp=_place_stamp, address=lambda a: reverse("approval", args=[a.reference]),
        )
    )  # fmt: skip
    register(
        ApprovalKind(
            code=BECOME, label=gettext_noop("Bank line to correct"), asks=HANDLES, decides=decides, apply=_become_apply,
            show=_become_show, stamp=_become_stamp, address=lambda a: reverse("approval", args=[a.reference]),
        )
    )  # fmt: skip
