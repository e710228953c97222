"""API tokens: random, shown once, stored as SHA-256; revoked or expired they open nothing from that instant on."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import connection, transaction

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.models import ApiToken, Role, User
from tideover.core.problems import Problem, Refused

PREFIX = "tdo_"
"""Lets a secret scanner find a token that was committed by mistake."""
DAYS_DEFAULT, DAYS_MAX = 90, 366
USED_EVERY = timedelta(minutes=10)
"""`last_used_at` is written at most this often, so that reading does not become writing."""
BY_TOKEN = (
    "SELECT u.*, t.id AS token_id, t.last_used_at IS NULL OR t.last_used_at <= %s AS token_unused "
    "FROM core_apitoken t JOIN core_user u ON u.id = t.user_id "
    "WHERE t.token_hash = %s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > %s) AND u.is_active"
)


def token_hash(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def token_user(token: str) -> User | None:
    """Whose token this is; None when it is unknown, revoked, expired, or its account is closed."""
    at = now()
    used, expires = (connection.ops.adapt_datetimefield_value(t) for t in (at - USED_EVERY, at))
    found = next(iter(User.objects.raw(BY_TOKEN, [used, token_hash(token), expires])), None)
    if found is not None and found.token_unused:  # type: ignore[attr-defined]
        ApiToken.objects.filter(pk=found.token_id).update(last_used_at=at)  # type: ignore[attr-defined]
    return found


def token_create(username: str, name: str, *, days: int = DAYS_DEFAULT, actor: str) -> tuple[ApiToken, str]:
    """A new token of an account, and its text, which cannot be had again.

    Raises Refused: no such account, a borrower's or a closed one, a name that is taken or empty, a life out of bounds.
    """
    user = User.objects.filter(username=username).first()
    problems = []
    if user is None:
        problems.append(Problem("no_such_user", f"there is no account {username}", "username"))
    elif user.role == Role.BORROWER or not user.is_active:
        problems.append(Problem("no_tokens", f"the account {username} cannot have tokens", "username"))
    elif ApiToken.objects.filter(user=user, name=name, revoked_at=None).exists():
        problems.append(Problem("name_taken", f"{username} has a token {name} already; revoke it first", "name"))
    if not 1 <= len(name) <= 80 or not name.isprintable():
        problems.append(Problem("bad_name", "a token's name has 1 to 80 printable characters", "name"))
    if not 1 <= days <= DAYS_MAX:
        problems.append(Problem("bad_days", f"a token lives 1 to {DAYS_MAX} days", "days"))
    if problems or user is None:
        raise Refused(*problems)
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        at = now()
        token = ApiToken.objects.create(
            user=user, name=name, token_hash=token_hash(text), created_at=at, expires_at=at + timedelta(days=days)
        )
        log(actor, "token.create", "user", username, {"name": name})
    return token, text


def token_revoke(username: str, name: str, *, actor: str) -> int:
    """Revoke the live tokens of this name; how many there were."""
    with transaction.atomic():
        count = ApiToken.objects.filter(user__username=username, name=name, revoked_at=None).update(revoked_at=now())
        if count:
            log(actor, "token.revoke", "user", username, {"name": name})
    return count
