"""Work items: one queue for everything that needs somebody. Two people never work one case: a claim is one conditional update.

A feature registers its kinds from `ready()` and opens items with `work_open` in the transaction of what causes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.ids import handle_new
from tideover.core.models import Role, User, WorkItem
from tideover.core.problems import Forbidden, NotFound, Problem, refuse
from tideover.core.reach import reach_of
from tideover.core.rules.escalation import STEP, below

LEASE = timedelta(minutes=30)
SNOOZE_MAX = timedelta(days=7)
NOTE_MAX = 300


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


def work_reachable(user: User) -> QuerySet[WorkItem]:
    """What a person may work: items of their role, given to them, or of roles they answer for, within reach of their post."""
    reach = reach_of(user, business_date())
    if reach is None:
        return WorkItem.objects.none()
    unowned = Q(owner=None, owner_role=user.role)
    line = Q(owner_role__in=list(below(user.role)))
    rows = WorkItem.objects.filter(Q(owner=user) | ((unowned | line) & reach.rows()))
    return rows.select_related("claimed_by", "owner")


def work_get(user: User, reference: str) -> WorkItem:
    """One item that the person may work. Raises NotFound for others."""
    found = work_reachable(user).filter(reference=reference).first()
    if found is None:
        raise NotFound(Problem("no_such_item", f"there is no item {reference} in your queue", "reference"))
    return found


def work_queue(user: User, at: datetime) -> QuerySet[WorkItem]:
    """The person's queue at an instant: open, not asleep, theirs or late enough to have come up to them; what is due first first.

    Items that somebody else has claimed stay in it: who sees them taken does not look for them.
    """
    mine = Q(owner=user) | Q(owner=None, owner_role=user.role) | Q(claimed_by=user)
    for role, level in below(user.role).items():
        mine |= Q(owner_role=role, due_at__lte=at - (level - 1) * STEP)
    awake = Q(snoozed_until=None) | Q(snoozed_until__lte=at)
    rows = work_reachable(user).filter(mine, awake, done_at=None)
    return rows.order_by(F("due_at").asc(nulls_last=True), "opened_at", "pk")


def free(user: User, at: datetime) -> Q:
    """The condition that an item can be claimed by a person: nobody has it, or they have it, or its lease has ended."""
    return Q(claimed_by=None) | Q(claimed_by=user) | Q(lease_until__lte=at)


def work_next(user: User, after: WorkItem | None = None) -> WorkItem | None:
    """The first item of the queue that can be claimed, other than `after`."""
    at = now()
    rows = work_queue(user, at).filter(free(user, at))
    return (rows.exclude(pk=after.pk) if after else rows).first()


def work_claim(item: WorkItem, *, actor: User, lease: timedelta = LEASE) -> WorkItem:
    """Take an item for a while; taking one's own again renews the lease.

    Raises NotFound when it is not for this person, Refused when it is done or somebody else has it: one conditional update.
    """
    work_get(actor, item.reference)
    at = now()
    with transaction.atomic():
        taken = WorkItem.objects.filter(free(actor, at), pk=item.pk, done_at=None).update(
            claimed_by=actor, claimed_at=at, lease_until=at + lease, snoozed_until=None
        )
        item.refresh_from_db()
        if not taken:
            raise refuse("taken", f"{item.reference} is done or somebody else is working on it")
        log(actor.username, "work.claim", "work", item.reference)
    return item


def _change(item: WorkItem, actor: User, act: str, detail: dict[str, Any], **values: Any) -> WorkItem:
    """Change an item that this person has claimed. Raises Refused when they have not."""
    with transaction.atomic():
        changed = WorkItem.objects.filter(pk=item.pk, claimed_by=actor, done_at=None).update(**values)
        item.refresh_from_db()
        if not changed:
            raise refuse("not_yours", f"{item.reference} is done or not claimed by you")
        log(actor.username, act, "work", item.reference, detail)
    return item


FREED: dict[str, Any] = {"claimed_by": None, "claimed_at": None, "lease_until": None}


def work_release(item: WorkItem, *, actor: User) -> WorkItem:
    """Give an item back to the queue. Raises Refused when it is not one's own."""
    return _change(item, actor, "work.release", {}, **FREED)


def work_snooze(item: WorkItem, *, until: datetime, reason: str, actor: User) -> WorkItem:
    """Put an item to sleep and give it back; its clock goes on, and late work comes up the line all the same.

    Raises Refused: not one's own, no reason, or not between now and seven days on.
    """
    if not now() < until <= now() + SNOOZE_MAX:
        raise refuse("bad_time", f"choose a time within {SNOOZE_MAX.days} days", "until")
    if not reason.strip():
        raise refuse("missing", "say why it can wait", "reason")
    return _change(
        item, actor, "work.snooze", {"until": until.isoformat()}, **FREED, snoozed_until=until, note=reason.strip()[:NOTE_MAX]
    )


def work_give(item: WorkItem, *, to: User, actor: User) -> WorkItem:
    """Give an open item to one person of its role; only who answers for the role may. Raises Refused, NotFound."""
    work_get(actor, item.reference)
    if item.owner_role not in below(actor.role):
        raise Forbidden(Problem("may_not_give", "only who answers for this role gives its work to a person"))
    reach = reach_of(to, business_date())
    if to.role != item.owner_role or reach is None or not reach.covers(item.entity, item.branch):
        raise refuse("cannot_work_it", f"{to.username} has another role or belongs elsewhere", "to")
    with transaction.atomic():
        given = WorkItem.objects.filter(pk=item.pk, done_at=None).update(owner=to, **FREED)
        item.refresh_from_db()
        if not given:
            raise refuse("done", f"{item.reference} is done already")
        log(actor.username, "work.give", "work", item.reference, {"to": to.username})
    return item


def work_done(item: WorkItem, *, actor: User | str, outcome: str = "done", note: str = "") -> WorkItem:
    """Finish an item: a person their own (a claim whose lease ended counts while nobody else took it), or the house by name.

    Raises Refused: not claimed by this person, done already, an outcome that the kind does not have.
    """
    values: dict[str, Any] = {"done_at": now(), "outcome": outcome, "note": note.strip()[:NOTE_MAX], "lease_until": None}
    if isinstance(actor, User):
        if outcome not in kind_of(item.kind).outcomes:
            raise refuse("unknown_outcome", f"{outcome} is not an outcome of {item.kind}", "outcome")
        return _change(item, actor, "work.done", {"outcome": outcome}, **values, done_by=actor.username)
    with transaction.atomic():
        if WorkItem.objects.filter(pk=item.pk, done_at=None).update(**values, done_by=actor):
            log(actor, "work.done", "work", item.reference, {"outcome": outcome})
        item.refresh_from_db()
    return item
