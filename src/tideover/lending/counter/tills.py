"""A till's day: opened with a float, counted blind, closed when all its cash is handed over and its difference is explained."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from tideover.core.action_log import log
from tideover.core.approvals import approval_ask, steps_needed
from tideover.core.business_time import business_date, now
from tideover.core.models import Approval, ApprovalState, Role, User
from tideover.core.problems import Forbidden, IdempotencyConflict, Problem, refuse
from tideover.lending.counter.cash import expected_minor, move, number_next, series_locked, till_locked
from tideover.lending.counter.policy import denominations
from tideover.lending.models import Branch, Till, TillCount
from tideover.lending.rules.counter import count_minor, count_problems, handover_problem
from tideover.lending.scope import branches_visible

FLOAT_MAX_MINOR = 10**11
REASON_MAX = 300
DIFFERENCE = "counter.difference"
HANDOVER = {
    "negative": "an amount below zero cannot be handed over",
    "not_all": "bag and vault together must be what was counted",
    "no_bag": "money that goes to the bank needs the number of its bag",
    "empty_bag": "a bag needs an amount",
}
"""Why cash cannot be handed over like this, by `rules.counter.handover_problem`."""


def till_open(
    branch: Branch, *, float_minor: int, idempotency_key: str, actor: User, at: datetime | None = None
) -> Till:  # fmt: skip
    """Open a teller's till of today with the cash that the vault gave them. The same key again gives the same till.

    Raises Refused: not their branch (403), a float below zero, a currency without notes, another till of theirs is open.
    """
    at = at or now()
    day = business_date(at)
    if not branches_visible(actor, day).filter(pk=branch.pk).exists():
        raise Forbidden(Problem("not_their_branch", f"your post does not reach branch {branch.code}", "branch"))
    if not 0 <= float_minor <= FLOAT_MAX_MINOR:
        raise refuse("bad_float", "the float is an amount of zero or more", "float")
    denominations(branch.entity.currency)  # what cannot be counted is not opened
    with transaction.atomic():
        series = series_locked(branch, "till", day.year)  # the tills of a branch are opened one after the other
        before = Till.objects.filter(idempotency_key=idempotency_key).first()
        if before is not None:
            if (before.teller_id, before.branch_id, before.float_minor) != (actor.pk, branch.pk, float_minor):
                raise _key_used(idempotency_key)
            return before
        open_ = Till.objects.filter(teller=actor, state="open").first()
        if open_ is not None:
            raise refuse("till_is_open", f"your till {open_.number} of {open_.day} is open: count and close it first")
        number, _ = number_next(series)
        try:
            with transaction.atomic():
                till = Till.objects.create(
                    number=number, branch=branch, teller=actor, day=day, float_minor=float_minor,
                    idempotency_key=idempotency_key, opened_at=at,
                )  # fmt: skip
        except IntegrityError as error:  # at another branch, at the same instant
            raise refuse("till_is_open", "a till of yours was opened meanwhile, or the key was used") from error
        move(till, "float", float_minor, at=at, actor=actor.username)
        log(actor.username, "till.open", "till", number, {"branch": branch.code})
    return till


def _key_used(key: str) -> IdempotencyConflict:
    message = f"key {key} was used for another request; use a new key"
    return IdempotencyConflict(Problem("idempotency_conflict", message, "idempotency_key"))


def may_count(till: Till, actor: User, day: object) -> bool:
    """Whether somebody counts and closes a till: its teller; the head of the branch one that was left behind."""
    return till.teller_id == actor.pk or (actor.role == Role.BRANCH_HEAD and till.day < day)  # type: ignore[operator]


def _counter(till: Till, actor: User, at: datetime) -> None:
    if not may_count(till, actor, business_date(at)):
        raise Forbidden(Problem("not_your_till", f"till {till.number} is {till.teller.username}'s"))


def till_count(till: Till, pieces: Mapping[int, int], *, actor: User, at: datetime | None = None) -> TillCount:
    """Enter what was counted, {denomination in minor units: pieces}. From now on the till takes nothing, and the count stands.

    The same count again gives the first. Raises Refused: another count is entered, unknown notes; 403 for somebody else's till.
    """
    at = at or now()
    with transaction.atomic():
        row = till_locked(till)
        _counter(row, actor, at)
        if wrong := count_problems(pieces, denominations(row.branch.entity.currency)):
            raise refuse("bad_count", "; ".join(wrong), "pieces")
        counted = [[d, n] for d, n in sorted(pieces.items(), reverse=True) if n]
        if row.state != "open":
            before = row.count
            if before.pieces != counted:
                raise refuse("counted_already", f"till {row.number} is counted: a count is never changed", "pieces")
            return before
        count = TillCount.objects.create(
            till=row, pieces=counted, counted_minor=count_minor(pieces), expected_minor=expected_minor(row), at=at,
            actor=actor.username,
        )  # fmt: skip
        row.state = "counted"
        row.save(update_fields=["state"])
        log(actor.username, "till.count", "till", row.number, {"counted_minor": count.counted_minor})
    return count


def till_close(
    till: Till, *, bag_number: str, bag_minor: int, vault_minor: int, reason: str = "", actor: User, key: str = "",
    at: datetime | None = None,
) -> Till | Approval:  # fmt: skip
    """Hand over the cash of a counted till and close it; above the tolerance ask a second person about the difference first.

    All that was counted goes: bag_minor to the bank in the bag of that number, vault_minor to the vault. Closed in the same way
    already: the till as it is. Raises Refused: not counted, amounts that do not add up, no bag, a bag that went before, a
    difference without a reason; 403 for somebody else's till; and what `approval_ask` raises.
    """
    at = at or now()
    said: dict[str, Any] = {
        "till": till.number, "bag_number": bag_number.strip().upper(), "bag_minor": bag_minor, "vault_minor": vault_minor,
        "reason": reason.strip()[:REASON_MAX],
    }  # fmt: skip
    with transaction.atomic():
        row = till_locked(till)
        _counter(row, actor, at)
        if row.state == "closed" and all(getattr(row, k) == said[k] for k in ("bag_number", "bag_minor", "vault_minor")):
            return row
        close_check(row, said)
        waiting = Approval.objects.filter(kind=DIFFERENCE, subject_id=row.number, state=ApprovalState.OPEN, expires_at__gt=at)
        if waiting.exists():
            raise refuse("already_asked", f"a second person has the difference of {row.number} before them")
        place = {"amount_minor": abs(row.count.difference_minor), "entity": row.branch.entity.code, "branch": row.branch.code}
        if row.count.difference_minor and steps_needed(DIFFERENCE, payload=said, **place) != ():
            approval = approval_ask(
                DIFFERENCE, subject=("till", row.number), payload=said, **place, reason=said["reason"], actor=actor, key=key
            )
            row.approval = approval.reference
            row.save(update_fields=["approval"])
            return approval
        return close_book(row, said, at=at, actor=actor.username)


def close_check(row: Till, said: Mapping[str, Any]) -> None:
    """Raise Refused where a locked till cannot be closed like this."""
    if row.state != "counted":
        words = "is closed already" if row.state == "closed" else "is not counted yet"
        raise refuse("not_counted", f"till {row.number} {words}")
    wrong = handover_problem(row.count.counted_minor, said["bag_minor"], said["vault_minor"], said["bag_number"])
    if wrong:
        raise refuse(wrong, HANDOVER[wrong], "bag_number" if "bag" in wrong else "bag")
    if len(said["bag_number"]) > 40:
        raise refuse("bad_bag", "the number of a bag has at most 40 characters", "bag_number")
    if said["bag_number"] and Till.objects.filter(bag_number=said["bag_number"]).exclude(pk=row.pk).exists():
        raise refuse("bag_used", f"bag {said['bag_number']} went with another till: read its number again", "bag_number")
    if row.count.difference_minor and not said["reason"]:
        raise refuse("missing", "say why counted and expected cash differ", "reason")


def close_book(row: Till, said: Mapping[str, Any], *, at: datetime, actor: str) -> Till:
    """Close a locked till that may be closed: the last moves leave nothing in it."""
    move(row, "difference", row.count.difference_minor, at=at, actor=actor)
    move(row, "bag", -said["bag_minor"], at=at, actor=actor)
    move(row, "vault", -said["vault_minor"], at=at, actor=actor)
    row.state, row.closed_at, row.difference_reason = "closed", at, said["reason"]
    row.bag_number, row.bag_minor, row.vault_minor = said["bag_number"], said["bag_minor"], said["vault_minor"]
    row.save(update_fields=["state", "closed_at", "difference_reason", "bag_number", "bag_minor", "vault_minor"])
    detail = {"difference_minor": row.count.difference_minor, "bag": row.bag_number}
    log(actor, "till.close", "till", row.number, detail)
    return row
