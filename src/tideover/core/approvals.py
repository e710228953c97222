"""Approvals (maker-checker): one person asks, others decide by authority, and what is applied is what was asked, to the byte.

A feature registers its kinds from `ready()`. The asker never decides, nobody decides twice, roles and amounts come from the
authority table, a decision is taken under the row's lock, and the last grant applies the act in its own transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet

from tideover.core import authority
from tideover.core.action_log import Entry, log, log_many
from tideover.core.authority import Lines, Steps
from tideover.core.business_time import business_date, now
from tideover.core.ids import handle_new
from tideover.core.models import ActionLog, Approval, ApprovalState, ApprovalStep, Role, User
from tideover.core.problems import Forbidden, IdempotencyConflict, NotFound, Problem, Refused, refuse
from tideover.core.reach import reach_of

DAYS = 7
SYSTEM = "system"


class Shown(NamedTuple):
    """One line of what would change: what, as it is now, as it would be (texts in the page's language; empty: nothing there)."""

    what: str
    now: str
    then: str


@dataclass(frozen=True, slots=True)
class ApprovalKind:
    """A kind of act that needs a second person.

    `label`: English msgid. `asks`: roles that may ask. `decides`: lines of authority, or a callable (payload) -> lines.
    `apply(approval, actor)`: does the act in the transaction of the last grant; what it returns (JSON) is kept as the outcome;
    a Refused that it raises leaves the approval open. `show(approval)`: what would change, in words.
    `stamp(subject, payload)`: a short text that changes when the subject does; asked again at the decision. `address(approval)`:
    the subject's page. `part(payload)`: a part of the kind that the authority table may speak of by `code.part`. `days`: how long
    it waits for a decision.
    """

    code: str
    label: str
    asks: frozenset[Role]
    decides: Lines | Callable[[dict[str, Any]], Lines]
    apply: Callable[[Approval, User], Any]
    show: Callable[[Approval], Iterable[Shown]]
    stamp: Callable[[tuple[str, str], dict[str, Any]], str] | None = None
    address: Callable[[Approval], str] | None = None
    part: Callable[[dict[str, Any]], str] | None = None
    days: int = DAYS


_kinds: dict[str, ApprovalKind] = {}


def register(kind: ApprovalKind) -> None:
    """Make a kind known; from the `ready` of a feature's app. The same code again replaces it."""
    _kinds[kind.code] = kind


def kinds() -> Sequence[ApprovalKind]:
    """Every registered kind, by code."""
    return [_kinds[code] for code in sorted(_kinds)]


def kind_of(code: str) -> ApprovalKind:
    """A registered kind. Raises Refused for an unknown one."""
    if code not in _kinds:
        raise refuse("unknown_kind", f"there is no kind of approval {code}", "kind")
    return _kinds[code]


def _forbidden(code: str, message: str) -> Forbidden:
    return Forbidden(Problem(code, message))


def steps_needed(
    kind: str, *, payload: dict[str, Any], amount_minor: int | None = None, entity: str = "", branch: str = ""
) -> Steps | None:
    """Who must decide, step by step, under the authority in force today. Empty: nobody need; None: nobody may."""
    k = kind_of(kind)
    own = k.decides(payload) if callable(k.decides) else k.decides
    name = f"{kind}.{k.part(payload)}" if k.part else kind
    lines = authority.lines_in_force(name, own, business_date())
    return authority.steps_of(lines, amount_minor, entity, branch)


def payload_hash(a: Approval) -> bytes:
    """SHA-256 over what is asked for, as canonical JSON (version 1): kind, subject, place, amount, payload, stamp, asker."""
    parts = [
        1, a.kind, a.subject_type, a.subject_id, a.entity, a.branch, a.amount_minor, a.payload, a.stamp, a.steps_needed,
        a.asked_by_id,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).digest()


def approval_ask(
    kind: str,
    *,
    subject: tuple[str, str],
    payload: dict[str, Any],
    amount_minor: int | None = None,
    entity: str = "",
    branch: str = "",
    reason: str,
    actor: User,
    key: str = "",
) -> Approval:
    """Ask for a decision. The payload (JSON, without personal data) is frozen and hashed. Same `key` again: same approval.

    Raises Refused: unknown kind, a role that may not ask (403), no reason, nobody with authority, the same request is open, or
    (IdempotencyConflict) the key was used for another request.
    """
    k = kind_of(kind)
    if actor.role not in k.asks:
        raise _forbidden("may_not_ask", f"your role may not ask for {kind}")
    if not reason.strip():
        raise refuse("missing", "say why: whoever decides reads it", "reason")
    frozen = json.loads(json.dumps(payload, ensure_ascii=False))
    steps = steps_needed(kind, payload=frozen, amount_minor=amount_minor, entity=entity, branch=branch)
    if not steps:
        raise refuse("no_authority", f"nobody has the authority to decide {kind} of this amount here", "amount_minor")
    at, stamp = now(), k.stamp(subject, frozen) if k.stamp else ""
    approval = Approval(
        reference=handle_new("A"), kind=kind, subject_type=subject[0], subject_id=subject[1], entity=entity, branch=branch,
        key=key, amount_minor=amount_minor, payload=frozen, stamp=stamp, reason=reason.strip(),
        steps_needed=[sorted(r.value for r in roles) for roles in steps], asked_by=actor, asked_at=at,
        deciders=f"|{'|'.join(sorted({r.value for roles in steps for r in roles}))}|", expires_at=at + timedelta(days=k.days),
    )  # fmt: skip
    approval.payload_hash = payload_hash(approval)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=actor.pk)  # one after the other: the same request is open once
        if key and (before := approval_by_key(kind, key)):
            return same_request(before, subject, frozen, actor)
        same = Approval.objects.filter(kind=kind, state=ApprovalState.OPEN, expires_at__gt=at, payload_hash=approval.payload_hash)
        if same.exists():
            raise refuse("already_asked", f"the same is waiting for a decision as {same.get().reference}")
        approval.save()
        log(actor.username, "approval.ask", "approval", approval.reference, _said(approval))
    return approval


def approval_by_key(kind: str, key: str) -> Approval | None:
    """What was asked for under a key before."""
    return Approval.objects.filter(kind=kind, key=key).first()


def same_request(before: Approval, subject: tuple[str, str], payload: dict[str, Any], actor: User) -> Approval:
    """The earlier approval of a key, when it is this request. Raises IdempotencyConflict when it is another."""
    if before.subject != subject or before.payload != payload or before.asked_by_id != actor.pk:
        message = f"key {before.key} was used for another request; use a new key"
        raise IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))
    return before


def _said(a: Approval) -> dict[str, Any]:
    return {"kind": a.kind, "subject": f"{a.subject_type}:{a.subject_id}", "payload_sha256": bytes(a.payload_hash).hex()}


def why_not(approval: Approval, actor: User, at: datetime | None = None) -> Problem | None:
    """Why a person may not decide the next step now; None when they may. Reads the steps taken so far."""
    at = at or now()
    if approval.state != ApprovalState.OPEN:
        return Problem("not_open", f"{approval.reference} is decided already: {approval.state}")
    if approval.expires_at <= at:
        return Problem("expired", f"{approval.reference} was not decided by {approval.expires_at:%Y-%m-%d}: ask again")
    if approval.asked_by_id == actor.pk:
        return Problem("own_request", "who asked cannot decide: a second person must")
    taken = list(approval.steps.all())
    if any(s.decided_by_id == actor.pk for s in taken):
        return Problem("decided_before", "you decided an earlier step: another person must decide this one")
    if actor.role not in approval.steps_needed[len(taken)]:
        return Problem("no_authority", "your role has no authority for this step")
    reach = reach_of(actor, business_date(at))
    if reach is None or not reach.covers(approval.entity, approval.branch):
        return Problem("out_of_reach", "this belongs to another entity or branch than your post")
    return None


def approval_decide(approval: Approval, *, grant: bool, reason: str, actor: User) -> Approval:
    """Grant or refuse the next step; the last grant applies the act in the same transaction. Returns the row as it is now.

    Raises Refused: no reason, decided already, expired (the row is closed), or the person may not (403). A grant of a subject
    that changed since it was asked closes the approval as refused (`closed_why` stale) and applies nothing; so does one whose
    asker may not ask any more (asker), or of which the authority in force now says otherwise than it did then (authority).
    """
    if not reason.strip():
        raise refuse("missing", "say why: who asked reads it", "reason")
    with transaction.atomic():
        row = Approval.objects.select_for_update(no_key=True).get(pk=approval.pk)
        problem = why_not(row, actor)
        if problem is None:
            return _decided(row, grant, reason.strip(), actor)
        if problem.code == "expired":
            approvals_expire(now())
    if problem.code in ("not_open", "expired"):
        raise Refused(problem)
    raise Forbidden(problem)


def _decided(row: Approval, grant: bool, reason: str, actor: User) -> Approval:
    if payload_hash(row) != bytes(row.payload_hash):
        raise refuse("changed_payload", f"{row.reference} does not hold what was asked for: nothing was done")
    kind, step = kind_of(row.kind), row.steps.count() + 1
    changed = _changed(row, kind) if grant else ""
    ApprovalStep.objects.create(approval=row, step=step, decided_by=actor, grant=grant, reason=reason, at=now())
    if changed:
        _close(row, ApprovalState.REFUSED, changed)
    elif not grant:
        _close(row, ApprovalState.REFUSED, "decided")
    elif step == len(row.steps_needed):
        row.outcome = kind.apply(row, actor)
        _close(row, ApprovalState.GRANTED, "decided")
    said = "approval.grant" if grant and not changed else "approval.refuse"
    log(actor.username, said, "approval", row.reference, {**_said(row), "step": step, "state": row.state, "changed": changed})
    return row


def _changed(row: Approval, kind: ApprovalKind) -> str:
    """What is no longer as it was when it was asked: asker, authority, or the subject (stale); empty: nothing."""
    if not row.asked_by.is_active or row.asked_by.role not in kind.asks:
        return "asker"
    place = {"amount_minor": row.amount_minor, "entity": row.entity, "branch": row.branch}
    steps = steps_needed(row.kind, payload=row.payload, **place)
    if steps is None or [sorted(r.value for r in roles) for roles in steps] != row.steps_needed:
        return "authority"
    return "stale" if kind.stamp is not None and kind.stamp(row.subject, row.payload) != row.stamp else ""


def _close(row: Approval, state: ApprovalState, why: str) -> None:
    row.state, row.closed_at, row.closed_why = state, now(), why
    row.save(update_fields=["state", "closed_at", "closed_why", "outcome"])


def approval_withdraw(approval: Approval, *, actor: User) -> Approval:
    """Take back what one asked for. Raises Refused when it is somebody else's (403) or decided already."""
    with transaction.atomic():
        row = Approval.objects.select_for_update(no_key=True).get(pk=approval.pk)
        if row.asked_by_id != actor.pk:
            raise _forbidden("not_yours", "only who asked can withdraw")
        if row.state != ApprovalState.OPEN:
            raise refuse("not_open", f"{row.reference} is decided already: {row.state}")
        _close(row, ApprovalState.WITHDRAWN, "withdrawn")
        log(actor.username, "approval.withdraw", "approval", row.reference, _said(row))
    return row


def approvals_expire(at: datetime) -> int:
    """Close what nobody decided in time; how many."""
    with transaction.atomic():
        late = Approval.objects.select_for_update(no_key=True).filter(state=ApprovalState.OPEN, expires_at__lte=at)
        rows = list(late.order_by("pk"))
        for row in rows:
            _close(row, ApprovalState.EXPIRED, "clock")
        if rows:
            log_many(SYSTEM, [Entry("approval.expire", "approval", r.reference, _said(r)) for r in rows])
    return len(rows)


READS_ALL = frozenset({Role.COMPLIANCE, Role.AUDITOR})


def approvals_visible(user: User) -> QuerySet[Approval]:
    """What a person may read: what they asked for or decided, and within reach of their post what their role decides.

    Compliance and audit read all within reach.
    """
    rows = Approval.objects.select_related("asked_by").prefetch_related("steps__decided_by")
    mine = Q(asked_by=user) | Q(pk__in=user.approvals_decided.values("approval"))
    reach = reach_of(user, business_date())
    if reach is None:
        return rows.filter(mine)
    by_role = Q() if user.role in READS_ALL else Q(deciders__contains=f"|{user.role}|")
    return rows.filter(mine | (by_role & reach.rows()))


def approval_get(user: User, reference: str) -> Approval:
    """One visible approval. Raises NotFound for others."""
    found = approvals_visible(user).filter(reference=reference).first()
    if found is None:
        raise NotFound(Problem("no_such_approval", f"there is no approval {reference} in your scope", "reference"))
    return found


def approvals_to_decide(user: User, at: datetime | None = None) -> list[Approval]:
    """What the person may decide now, the oldest first."""
    at = at or now()
    waiting = approvals_visible(user).filter(state=ApprovalState.OPEN, expires_at__gt=at, deciders__contains=f"|{user.role}|")
    return [a for a in waiting.order_by("asked_at", "pk") if why_not(a, user, at) is None]


def broken() -> list[str]:
    """References of approvals that do not hold what was asked for, or were granted without the people that they needed.

    What was asked for is also in the action log, so that a payload changed together with its hash is found.
    """
    asked = ActionLog.objects.filter(action="approval.ask", object_type="approval")
    logged = {reference: detail.get("payload_sha256") for reference, detail in asked.values_list("object_id", "detail")}
    out = []
    for a in Approval.objects.prefetch_related("steps").iterator(chunk_size=2000):
        granted = [s for s in a.steps.all() if s.grant]
        people = {s.decided_by_id for s in granted} - {a.asked_by_id}
        short = a.state == ApprovalState.GRANTED and len(people) < len(a.steps_needed)
        if payload_hash(a) != bytes(a.payload_hash) or bytes(a.payload_hash).hex() != logged.get(a.reference) or short:
            out.append(a.reference)
    return out
