"""REST of work items: my queue, one item, taking it, giving it back, putting it to sleep, finishing it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router, Schema
from pydantic import Field

from tideover.core import work
from tideover.core.business_time import now
from tideover.core.models import Role, User, WorkItem
from tideover.core.problems import refuse
from tideover.core.rest import Amount, Cursor, Limit, Strict, decimal, one_of, page_of, route
from tideover.core.rules.escalation import escalated_to

router = Router(tags=["work"])


class ItemOut(Schema):
    """`why`: in the language of the request. `escalated_to`: the role that late work has come up to."""

    reference: str
    kind: str
    subject_type: str
    subject_id: str
    why: str
    owner_role: str
    owner: str | None
    escalated_to: str
    entity: str
    branch: str
    amount: Amount | None
    opened_at: datetime
    due_at: datetime | None
    claimed_by: str | None
    lease_until: datetime | None
    snoozed_until: datetime | None
    done_at: datetime | None
    done_by: str
    outcome: str
    outcomes: list[str]


class ItemPage(Schema):
    items: list[ItemOut]
    next_cursor: int | None


class NextOut(Schema):
    item: ItemOut | None


class SnoozeIn(Strict):
    until: datetime
    reason: str = Field(min_length=1, max_length=300)


class GiveIn(Strict):
    to: str = Field(min_length=1, max_length=150, description="user name of a person of the item's role")


class DoneIn(Strict):
    outcome: str = Field("done", max_length=40)
    note: str = Field("", max_length=300)


def why_words(item: WorkItem) -> str:
    """Why somebody is needed, in the page's language."""
    said = _(item.why)
    return said % {k: _(str(v)) if v else "" for k, v in item.why_values.items()} if item.why_values else said


def item_out(i: WorkItem) -> dict[str, Any]:
    """An item as REST shows it."""
    names = (
        "reference", "kind", "subject_type", "subject_id", "owner_role", "entity", "branch", "opened_at", "due_at", "lease_until",
        "snoozed_until", "done_at", "done_by", "outcome",
    )  # fmt: skip
    return {
        **{n: getattr(i, n) for n in names},
        "why": why_words(i),
        "owner": i.owner.username if i.owner else None,
        "claimed_by": i.claimed_by.username if i.claimed_by else None,
        "escalated_to": escalated_to(i.owner_role, i.due_at, now()) if i.done_at is None else "",
        "amount": None if i.amount_minor is None else decimal(i.amount_minor),
        "outcomes": sorted(work.kind_of(i.kind).outcomes),
    }


def items_shown(user: User, show: str, at: datetime) -> QuerySet[WorkItem]:
    """The items of a view: queue, mine (claimed by me), team (of roles I answer for), late, asleep, done (by me)."""
    rows = work.work_reachable(user)
    due_first = (F("due_at").asc(nulls_last=True), "opened_at", "pk")
    if show == "mine":
        return rows.filter(claimed_by=user, done_at=None).order_by(*due_first)
    if show == "team":
        return rows.filter(done_at=None).exclude(owner_role=user.role).order_by(*due_first)
    if show == "late":
        return rows.filter(done_at=None, due_at__lte=at).order_by(*due_first)
    if show == "asleep":
        return rows.filter(done_at=None, snoozed_until__gt=at).order_by("snoozed_until", "pk")
    if show == "done":
        return rows.filter(done_by=user.username).order_by("-done_at", "-pk")
    return work.work_queue(user, at)


@route(router.get, "/queue", "work-list", ItemPage)
def work_list(
    request: HttpRequest,
    cursor: Cursor,
    limit: Limit,
    show: str = Query("queue", pattern="^(queue|mine|team|late|asleep|done)$"),
) -> dict[str, Any]:
    """Items that the caller may work, by number; `show` as on the page of the queue."""
    return page_of(items_shown(request.user, show, now()), cursor, limit, item_out)


@route(router.post, "/queue/next", "work-next", NextOut)
def work_next(request: HttpRequest) -> dict[str, Any]:
    """Claim the first item of the caller's queue that is free; null when there is none."""
    item = work.work_next(request.user)
    return {"item": item_out(work.work_claim(item, actor=request.user)) if item else None}


@route(router.get, "/queue/{reference}", "work-get", ItemOut)
def work_one(request: HttpRequest, reference: str) -> dict[str, Any]:
    """One item."""
    return item_out(work.work_get(request.user, reference))


@route(router.post, "/queue/{reference}/claim", "work-claim", ItemOut)
def work_claim(request: HttpRequest, reference: str) -> dict[str, Any]:
    """Take an item for 30 minutes; 422 `taken` when somebody else has it."""
    return item_out(work.work_claim(work.work_get(request.user, reference), actor=request.user))


@route(router.post, "/queue/{reference}/release", "work-release", ItemOut)
def work_release(request: HttpRequest, reference: str) -> dict[str, Any]:
    """Give one's item back."""
    return item_out(work.work_release(work.work_get(request.user, reference), actor=request.user))


@route(router.post, "/queue/{reference}/snooze", "work-snooze", ItemOut)
def work_snooze(request: HttpRequest, reference: str, body: SnoozeIn) -> dict[str, Any]:
    """Put one's item to sleep, for seven days at most."""
    item = work.work_get(request.user, reference)
    if body.until.tzinfo is None:
        raise refuse("no_time_zone", "until needs a time zone", "until")
    return item_out(work.work_snooze(item, until=body.until, reason=body.reason, actor=request.user))


@route(router.post, "/queue/{reference}/give", "work-give", ItemOut)
def work_give(request: HttpRequest, reference: str, body: GiveIn) -> dict[str, Any]:
    """Give an item to one person; for who answers for its role."""
    item = work.work_get(request.user, reference)
    to = one_of(User.objects.filter(is_active=True).exclude(role=Role.BORROWER), "user", "to", username=body.to)
    return item_out(work.work_give(item, to=to, actor=request.user))


@route(router.post, "/queue/{reference}/done", "work-done", ItemOut)
def work_done(request: HttpRequest, reference: str, body: DoneIn) -> dict[str, Any]:
    """Finish one's item with an outcome of its kind."""
    item = work.work_get(request.user, reference)
    return item_out(work.work_done(item, actor=request.user, outcome=body.outcome, note=body.note))
