"""Reading receipts: who sees which, and the filters of their list."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from tideover.core.business_time import now
from tideover.core.models import Role, User
from tideover.core.problems import NotFound, Problem
from tideover.lending.models import Hold, PayerAlert, Receipt, Refund
from tideover.lending.scope import entities_visible, parties_reachable
from tideover.lending.selectors import post_of
from tideover.lending.services_holds import open_now

SEES_UNPLACED = frozenset({Role.PAYMENTS, Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR})
"""Who sees money that is nobody's yet."""
HELD = Q(party__isnull=False, reversed_at=None, unapplied_minor__gt=0) & ~Q(screening__in=("hit", "kept"))
"""Money of a known person that no loan took."""
FILTERS: dict[str, Q] = {
    "unplaced": Q(party=None, reversed_at=None),
    "left": Q(unapplied_minor__gt=0, reversed_at=None) & ~Q(party=None),
    "wanted_back": HELD & Q(held_wish__wish="send_back"),
    "waiting": Q(waiting=True, reversed_at=None),
    "stopped": Q(screening="hit", reversed_at=None),
    "third_party": Q(payer_is="third_party"),
    "alerts": Q(alerts__isnull=False, alerts__closed_at=None),
    "refunds": Q(refunds__state__in=("approved", "sent")),
    "reversed": Q(reversed_at__isnull=False),
}
"""What a list can be narrowed to, in the order of the page."""
MONEY_HERE = "money_here"
"""The hold of those whose money waits for people (holds.py)."""


def late_for_money_here(contract_ids: Iterable[int]) -> set[int]:
    """Loans that are late only because money that is here waits for people: their late status is neither told nor charged."""
    held = Hold.objects.filter(open_now(now()), kind=MONEY_HERE, contract__in=list(contract_ids))
    return set(held.values_list("contract_id", flat=True))


def receipts_visible(user: User, on: date) -> QuerySet[Receipt]:
    """Receipts of people that a post reaches; of nobody's money those of the entity, for roles that place or watch it."""
    if user.role == Role.BORROWER:
        return Receipt.objects.filter(party__user=user)
    theirs = Q(Exists(parties_reachable(user, on).filter(pk=OuterRef("party"))))
    post = post_of(user, on)
    if user.role in SEES_UNPLACED and post is not None and post.branch_id is None:
        theirs |= Q(party=None)
    return Receipt.objects.filter(theirs, entity__in=entities_visible(user, on))


def receipt_get(user: User, number: str, on: date) -> Receipt:
    """One visible receipt. Raises NotFound for others, so that numbers cannot be probed."""
    rows = receipts_visible(user, on).select_related("party__branch", "entity", "debit", "meant_for")
    found = rows.filter(number=number).first()
    if found is None:
        raise NotFound(Problem("no_such_receipt", f"there is no receipt {number} in your scope", "number"))
    return found


def receipts_filtered(rows: QuerySet[Receipt], *, show: str = "", party: str = "") -> QuerySet[Receipt]:
    """Rows narrowed by a name of FILTERS and a person's reference; unknown names narrow nothing."""
    rows = rows.filter(FILTERS[show]).distinct() if show in FILTERS else rows
    return rows.filter(party__reference=party) if party else rows


def refunds_visible(user: User, on: date) -> QuerySet[Refund]:
    """Refunds of visible receipts."""
    return Refund.objects.filter(receipt__in=receipts_visible(user, on)).select_related("receipt", "approval")


def alerts_visible(user: User, on: date) -> QuerySet[PayerAlert]:
    """Alerts about payers of visible receipts."""
    return PayerAlert.objects.filter(receipt__in=receipts_visible(user, on)).select_related("receipt__party")


def row_of(model: Any, rows: QuerySet[Any], **which: Any) -> Any:
    """One of the rows. Raises NotFound."""
    found = rows.filter(**which).first()
    if found is None:
        raise NotFound(Problem("not_found", f"there is no such {model._meta.verbose_name} in your scope"))
    return found
