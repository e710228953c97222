"""Work items: one queue for everything that needs somebody. Two people never work one case: a claim is one conditional update.

A feature registers its kinds from `ready()` and opens items with `work_open` in the transaction of what causes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.ids import handle_new
from tideover.core.models import Role, User, WorkItem
from tideover.core.problems import refuse

LEASE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class WorkKind:
    """A kind of work: its name (English msgid), where its subject can be worked, and what can come of it (code: msgid)."""

    code: str
    label: str
    address: Callable[[WorkItem], str] | None = None
    outcomes: Mapping[str, str] = field(default_factory=lambda: {"done": "done"})


_kinds: dict[str, WorkKind] = {}


def register(kind: WorkKind) -> None:
    """Make a kind known; from the `ready` of a feature's app. The same code again replaces it."""
    _kinds[kind.code] = kind


def kind_of(code: str) -> WorkKind:
    """A registered kind. Raises Refused for an unknown one."""
    if code not in _kinds:
        raise refuse("unknown_kind", f"there is no kind of work {code}", "kind")
    return _kinds[code]


def work_open(
    kind: str,
    *,
    subject: tuple[str, str],
    why: str,
    owner_role: Role,
    due_at: datetime | None,
    entity: str = "",
    branch: str = "",
    amount_minor: int | None = None,
    key: str,
    actor: str,
    owner: User | None = None,
    why_values: Mapping[str, Any] | None = None,
) -> WorkItem:
    """Open an item, or return the one that is open under the key (which is left as it is).

    `why`: an English sentence for the person who works it, with %(name)s places for `why_values`.
    """
    kind_of(kind)
    item = WorkItem(
        reference=handle_new("W"), kind=kind, subject_type=subject[0], subject_id=subject[1], key=key, why=why,
        why_values=dict(why_values or {}), owner_role=owner_role, owner=owner, entity=entity, branch=branch,
        amount_minor=amount_minor, opened_at=now(), opened_by=actor, due_at=due_at,
    )  # fmt: skip
    with transaction.atomic():
        open_now = WorkItem.objects.filter(key=key, done_at=None)
        before = open_now.first()
        if before is not None:
            return before
        try:
            with transaction.atomic():
                item.save()
        except IntegrityError:
            return open_now.get()  # somebody opened it between our look and our insert
        log(actor, "work.open", "work", item.reference, {"kind": kind, "subject": f"{subject[0]}:{subject[1]}"})
    return item


def work_claim(item: WorkItem, *, actor: User, lease: timedelta = LEASE) -> WorkItem:
    """Take an item for a while; taking one's own again renews the lease. Raises Refused when somebody else has it."""
    at = now()
    free = Q(claimed_by=None) | Q(claimed_by=actor) | Q(lease_until__lte=at)
    with transaction.atomic():
        taken = WorkItem.objects.filter(free, pk=item.pk, done_at=None).update(
            claimed_by=actor, claimed_at=at, lease_until=at + lease, snoozed_until=None
        )
        item.refresh_from_db()
        if not taken:
            raise refuse("taken", f"{item.reference} is done or somebody else is working on it")
        log(actor.username, "work.claim", "work", item.reference)
    return item


def work_release(item: WorkItem, *, actor: User) -> WorkItem:
    """Give an item back to the queue. Raises Refused when it is not one's own."""
    with transaction.atomic():
        given = WorkItem.objects.filter(pk=item.pk, claimed_by=actor, done_at=None).update(
            claimed_by=None, claimed_at=None, lease_until=None
        )
        item.refresh_from_db()
        if not given:
            raise refuse("not_yours", f"{item.reference} is not claimed by you")
        log(actor.username, "work.release", "work", item.reference)
    return item


def work_done(item: WorkItem, *, actor: User | str, outcome: str = "done", note: str = "") -> WorkItem:
    """Finish an item: a person their own (a claim whose lease ended counts while nobody else took it), or the house by name.

    Raises Refused: not claimed by this person, done already, an outcome that the kind does not have.
    """
    if outcome not in kind_of(item.kind).outcomes:
        raise refuse("unknown_outcome", f"{outcome} is not an outcome of {item.kind}", "outcome")
    by = actor.username if isinstance(actor, User) else actor
    own = Q(claimed_by=actor) if isinstance(actor, User) else Q()
    with transaction.atomic():
        done = WorkItem.objects.filter(own, pk=item.pk, done_at=None).update(
            done_at=now(), done_by=by, outcome=outcome, note=note, lease_until=None
        )
        item.refresh_from_db()
        if not done:
            raise refuse("not_yours", f"{item.reference} is done already or not claimed by you")
        log(by, "work.done", "work", item.reference, {"outcome": outcome})
    return item
