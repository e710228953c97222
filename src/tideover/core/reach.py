"""How far a person's post reaches: an entity, a branch, or the whole house. Posts are kept above; their owner registers here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from django.db.models import Q

from tideover.core.models import User


@dataclass(frozen=True, slots=True)
class Reach:
    """Codes of the post's entity and branch; empty: all of them."""

    entity: str = ""
    branch: str = ""

    def covers(self, entity: str, branch: str) -> bool:
        """Whether what belongs to a place is within reach. What belongs to no branch is within reach of each of its entity's."""
        return self.entity in ("", entity or self.entity) and self.branch in ("", branch or self.branch)

    def rows(self) -> Q:
        """`covers`, as a condition on rows that have `entity` and `branch`."""
        entity = Q(entity__in=("", self.entity)) if self.entity else Q()
        return entity & (Q(branch__in=("", self.branch)) if self.branch else Q())


Provider = Callable[[User, date], Reach | None]
_providers: list[Provider] = []


def register(provider: Provider) -> None:
    """Say who knows people's posts; from the `ready` of the app that keeps them."""
    _providers[:] = [provider]


def reach_of(user: User, on: date) -> Reach | None:
    """The reach of a person's post on a day; None without a post. Within one request it is asked once."""
    if not _providers:
        return None
    if user.memo is None:
        return _providers[0](user, on)
    if ("reach", on) not in user.memo:
        user.memo["reach", on] = _providers[0](user, on)
    found: Reach | None = user.memo["reach", on]
    return found
