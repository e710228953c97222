"""REST of approvals: what waits for me, what I asked for, what was decided; deciding, withdrawing; the authority table."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from tideover.core.action_log import log
from tideover.core.approvals import (
    approval_decide,
    approval_get,
    approval_withdraw,
    approvals_to_decide,
    approvals_visible,
    kind_of,
)
from tideover.core.authority import text_in_force
from tideover.core.authority_publish import authority_ask
from tideover.core.business_time import business_date
from tideover.core.models import Approval
from tideover.core.rest import Amount, Cursor, Day, Limit, Strict, decimal, page_of, route

router = Router(tags=["approvals"])


class StepOut(Schema):
    """A decision that was taken."""

    step: int
    decided_by: str
    grant: bool
    reason: str
    at: datetime


class ApprovalOut(Schema):
    """`steps_needed`: for each step the roles of which one person decides it. `payload_sha256`: of what is applied if granted."""

    reference: str
    kind: str
    subject_type: str
    subject_id: str
    entity: str
    branch: str
    amount: Amount | None
    reason: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    state: str
    closed_at: datetime | None
    closed_why: str
    steps_needed: list[list[str]]
    steps: list[StepOut]
    payload: dict[str, Any]
    payload_sha256: str


class ChangeOut(Schema):
    """One line of what would change, in the language of the request."""

    what: str
    now: str
    then: str


class ApprovalWhole(Schema):
    approval: ApprovalOut
    changes: list[ChangeOut]


class ApprovalPage(Schema):
    items: list[ApprovalOut]
    next_cursor: int | None


class DecideIn(Strict):
    grant: bool
    reason: str = Field(min_length=1, max_length=1000)


class AuthorityOut(Schema):
    as_of: date
    text: str


class AuthorityIn(Strict):
    text: str = Field(min_length=1, max_length=50_000, description="the whole table, YAML")
    valid_from: Day
    reason: str = Field(min_length=1, max_length=1000)


class WaitingOut(Schema):
    """What waits for a second person: nothing is done yet. `steps`: for each step the roles of which one person decides."""

    approval: str
    state: str
    steps: list[list[str]]
    until: datetime


def waiting_out(a: Approval) -> dict[str, Any]:
    """The answer (202) of an act that waits for a decision."""
    return {"approval": a.reference, "state": a.state, "steps": a.steps_needed, "until": a.expires_at}


def approval_out(a: Approval) -> dict[str, Any]:
    """An approval as REST shows it."""
    names = (
        "reference", "kind", "subject_type", "subject_id", "entity", "branch", "reason", "asked_at", "expires_at", "state",
        "closed_at", "closed_why", "steps_needed", "payload",
    )  # fmt: skip
    steps = [
        {"step": s.step, "decided_by": s.decided_by.username, "grant": s.grant, "reason": s.reason, "at": s.at}
        for s in sorted(a.steps.all(), key=lambda s: s.step)
    ]
    return {
        **{n: getattr(a, n) for n in names},
        "amount": None if a.amount_minor is None else decimal(a.amount_minor),
        "asked_by": a.asked_by.username,
        "steps": steps,
        "payload_sha256": bytes(a.payload_hash).hex(),
    }


@route(router.get, "/approvals", "approvals-list", ApprovalPage)
def approvals_list(
    request: HttpRequest,
    cursor: Cursor,
    limit: Limit,
    which: str = Query("all", pattern="^(to_decide|asked|all)$", description="to_decide: by me, now; asked: by me"),
    state: str = Query("", max_length=10),
) -> dict[str, Any]:
    """Approvals that the caller may read, by number."""
    rows = approvals_visible(request.user)
    if which == "to_decide":
        rows = rows.filter(pk__in=[a.pk for a in approvals_to_decide(request.user)])
    if which == "asked":
        rows = rows.filter(asked_by=request.user)
    return page_of(rows.filter(state=state) if state else rows, cursor, limit, approval_out)


@route(router.get, "/approvals/{reference}", "approval-get", ApprovalWhole)
def approval_one(request: HttpRequest, reference: str) -> dict[str, Any]:
    """One approval and what would change, in words."""
    approval = approval_get(request.user, reference)
    log(request.user.username, "approval.read", "approval", reference)
    return {"approval": approval_out(approval), "changes": [c._asdict() for c in kind_of(approval.kind).show(approval)]}


@route(router.post, "/approvals/{reference}/decide", "approval-decide", ApprovalOut)
def approval_decided(request: HttpRequest, reference: str, body: DecideIn) -> dict[str, Any]:
    """Grant or refuse the next step. The last grant applies what was asked for; a changed subject ends it as refused (stale)."""
    approval = approval_get(request.user, reference)
    approval_decide(approval, grant=body.grant, reason=body.reason, actor=request.user)
    return approval_out(approval_get(request.user, reference))


@route(router.post, "/approvals/{reference}/withdraw", "approval-withdraw", ApprovalOut)
def approval_withdrawn(request: HttpRequest, reference: str) -> dict[str, Any]:
    """Take back what one asked for oneself."""
    approval_withdraw(approval_get(request.user, reference), actor=request.user)
    return approval_out(approval_get(request.user, reference))


@route(router.get, "/authority", "authority-get", AuthorityOut)
def authority_get(request: HttpRequest, as_of: Day | None = None) -> dict[str, Any]:
    """The authority table in force on a day (today)."""
    on = as_of or business_date()
    return {"as_of": on, "text": text_in_force(on)}


@route(router.post, "/authority", "authority-ask", ApprovalOut)
def authority_asked(request: HttpRequest, body: AuthorityIn) -> dict[str, Any]:
    """Ask for a new table; it holds once it is granted, from its day on."""
    asked = authority_ask(text=body.text, valid_from=body.valid_from, reason=body.reason, actor=request.user)
    return approval_out(approval_get(request.user, asked.reference))
