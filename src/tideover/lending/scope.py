"""What a post reaches beyond loans: branches, staff, parties, facilities and plain rows."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from tideover.core.models import Role, User
from tideover.core.problems import NotFound, Problem
from tideover.lending.models import Branch, Contract, Facility, LegalEntity, LoanParty, Party
from tideover.lending.selectors import contracts_visible, post_of


def entities_visible(user: User, on: date) -> QuerySet[LegalEntity]:
    """The entities of a post: its own, or all for a post of the whole house; none without a post."""
    post = post_of(user, on)
    if post is None:
        return LegalEntity.objects.none()
    entity = post.entity_id or (post.branch.entity_id if post.branch else None)
    return LegalEntity.objects.filter(pk=entity) if entity else LegalEntity.objects.all()


def branches_visible(user: User, on: date) -> QuerySet[Branch]:
    """The branches of a post."""
    post = post_of(user, on)
    if post is not None and post.branch_id:
        return Branch.objects.filter(pk=post.branch_id)
    return Branch.objects.filter(entity__in=entities_visible(user, on))


def is_house_wide(user: User, on: date) -> bool:
    """Whether the post covers every entity."""
    post = post_of(user, on)
    return post is not None and post.entity_id is None and post.branch_id is None


def parties_reachable(user: User, on: date) -> QuerySet[Party]:
    """Parties with a visible loan or a part in one, and those registered at a branch in scope.

    A customer manager reaches somebody of the branch only while nobody has lent to them: after that they belong to a manager.
    """
    if user.role == Role.BORROWER:
        return Party.objects.filter(user=user)
    if is_house_wide(user, on) and user.role != Role.CUSTOMER_MANAGER:
        return Party.objects.all()
    mine = contracts_visible(user, on)
    home = Q(branch__in=branches_visible(user, on))
    if user.role == Role.CUSTOMER_MANAGER:
        home &= ~Exists(Contract.objects.filter(borrower=OuterRef("pk")))
    lent = Exists(mine.filter(borrower=OuterRef("pk")))
    stands = Exists(LoanParty.objects.filter(party=OuterRef("pk"), contract__in=mine))
    return Party.objects.filter(home | lent | stands)


def party_get(user: User, reference: str, on: date) -> Party:
    """One reachable party. Raises NotFound for others, so that references cannot be probed."""
    found = parties_reachable(user, on).select_related("branch").filter(reference=reference).first()
    if found is None:
        raise NotFound(Problem("no_such_party", f"there is nobody {reference} in your scope", "reference"))
    return found


def facilities_visible(user: User, on: date) -> QuerySet[Facility]:
    """Facilities of reachable parties, in the entities of the post."""
    reached = parties_reachable(user, on).values("pk")
    return Facility.objects.filter(party__in=reached, entity__in=entities_visible(user, on))


def facility_get(user: User, number: str, on: date) -> Facility:
    """One visible facility. Raises NotFound for others."""
    found = facilities_visible(user, on).select_related("party", "entity").filter(number=number).first()
    if found is None:
        raise NotFound(Problem("no_such_facility", f"there is no facility {number} in your scope", "number"))
    return found


def rows_visible(model: Any, user: User, on: date) -> QuerySet[Any]:
    """Plain rows (holds, promises …): those of a visible loan, and those of a reachable party that name no loan."""
    reached = parties_reachable(user, on).values("pk")
    return model.objects.filter(Q(contract__in=contracts_visible(user, on)) | Q(contract=None, party__in=reached))
