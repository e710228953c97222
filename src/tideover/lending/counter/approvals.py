"""Acts at a counter that need a second person: money above a limit, cancelling a slip, a difference above the tolerance."""

from __future__ import annotations

import hashlib
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.approvals import ApprovalKind, Shown, register
from tideover.core.authority import Line, one_of
from tideover.core.business_time import now
from tideover.core.models import Approval, Role, User
from tideover.lending.counter.cash import till_locked
from tideover.lending.counter.taking import CANCEL, TAKE, slip_cancel, slip_confirm
from tideover.lending.counter.tills import DIFFERENCE, close_book, close_check
from tideover.lending.models import Slip, Till
from tideover.lending.words import money, word

TAKES = frozenset({Role.TELLER})
SECOND = frozenset({Role.BRANCH_HEAD, Role.PAYMENTS})
ALONE_MINOR = 1_000_000
TOLERANCE_MINOR = 500
"""Up to here one person decides, where the authority table is silent."""


def _slip(number: str) -> Slip:
    return Slip.objects.select_related("party", "till", "receipt").get(number=number)


def slip_stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    """What a slip says and how it stands, as a short text."""
    s = _slip(subject[1])
    seen = [
        s.state, s.amount_minor, s.method, s.day, s.party_id, s.payer_name, s.payer_id, s.designation,
        s.receipt and s.receipt.reversed_at,
    ]  # fmt: skip
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:32]


def _take_apply(a: Approval, actor: User) -> dict[str, Any]:
    done = slip_confirm(a.payload["slip"])
    assert done.receipt is not None
    return {"slip": done.number, "receipt": done.receipt.number, "granted_by": actor.username}


def _take_show(a: Approval) -> list[Shown]:
    s = _slip(a.payload["slip"])
    lines = [
        Shown(f"{_('Slip')} {s.number}", _("received, not booked"), _("booked")),
        Shown(_("Amount"), money(s.amount_minor), word(f"counter_{s.method}")),
        Shown(_("Handed over on"), s.day.isoformat(), ""),
        Shown(_("Pays the loans of"), "", f"{s.party.masked_name} {s.party.reference}"),
    ]
    if s.payer_name:
        lines.append(Shown(_("Paid by somebody else"), "", f"{str(s.payer_name)[:1]}**"))
    return [*lines, *(Shown(_("Named loan"), "", str(line["debt"])) for line in s.designation or ())]


def _cancel_apply(a: Approval, actor: User) -> dict[str, Any]:
    done = slip_cancel(a.payload["slip"], reason=a.reason, asker=a.asked_by)
    return {"slip": done.number, "granted_by": actor.username}


def _cancel_show(a: Approval) -> list[Shown]:
    s = _slip(a.payload["slip"])
    lines = [
        Shown(f"{_('Slip')} {s.number}", money(s.amount_minor), _("cancelled")),
        Shown(f"{_('Receipt')} {s.receipt.number if s.receipt else ''}", money(s.amount_minor), _("taken back")),
    ]
    return [*lines, Shown(_("Cash in the till"), "", money(-s.amount_minor))] if s.method == "cash" else lines


def _close_apply(a: Approval, actor: User) -> dict[str, Any]:
    row = till_locked(Till.objects.get(number=a.payload["till"]))
    close_check(row, a.payload)
    close_book(row, a.payload, at=now(), actor=a.asked_by.username)
    return {"till": row.number, "granted_by": actor.username}


def _close_show(a: Approval) -> list[Shown]:
    till = Till.objects.select_related("count").get(number=a.payload["till"])
    lines = [
        Shown(_("Expected cash, and what was counted"), money(till.count.expected_minor), money(till.count.counted_minor)),
        Shown(_("Difference"), "", money(till.count.difference_minor)),
        Shown(_("To the vault"), "", money(a.payload["vault_minor"])),
    ]
    bag = _("To the bank in bag %(number)s") % {"number": a.payload["bag_number"]}
    return [*lines, Shown(bag, "", money(a.payload["bag_minor"]))] if a.payload["bag_minor"] else lines


def kinds_register() -> None:
    """Make the three kinds known."""
    register(
        ApprovalKind(
            code=TAKE, label=gettext_noop("Money at the counter to confirm"), asks=TAKES,
            decides=(Line((), ALONE_MINOR), Line((SECOND,))), apply=_take_apply, show=_take_show, stamp=slip_stamp,
            address=lambda a: reverse("counter-slip", args=[a.subject_id]),
        )
    )  # fmt: skip
    register(
        ApprovalKind(
            code=CANCEL, label=gettext_noop("Slip of the counter to cancel"), asks=TAKES, decides=one_of(*sorted(SECOND)),
            apply=_cancel_apply, show=_cancel_show, stamp=slip_stamp, days=1,
            address=lambda a: reverse("counter-slip", args=[a.subject_id]),
        )
    )  # fmt: skip
    register(
        ApprovalKind(
            code=DIFFERENCE, label=gettext_noop("Difference of a till to accept"), asks=TAKES | {Role.BRANCH_HEAD},
            decides=(Line((), TOLERANCE_MINOR), Line((SECOND,))), apply=_close_apply, show=_close_show,
            stamp=lambda subject, payload: Till.objects.get(number=subject[1]).state,
            address=lambda a: reverse("till", args=[a.subject_id]),
        )
    )  # fmt: skip
