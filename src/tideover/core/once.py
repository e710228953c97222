"""Once: a write with an idempotency key happens once, and every later request with the key gets the first answer.

The key's row is written in the transaction of the act itself, before it: a second request with the key waits for the first
(PostgreSQL: on the unique index; SQLite: for the writer's lock) and then finds its answer. An act that is refused leaves no row,
so it can be sent again under the same key; nor does one that only waits (an answer with a status of its own, 202).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from ninja import Schema
from ninja.responses import NinjaJSONEncoder

from tideover.core.business_time import now
from tideover.core.crypto import derived_key, secrets
from tideover.core.models import StoredAnswer, User
from tideover.core.problems import IdempotencyConflict, Problem, refuse
from tideover.core.sql import Asked, answers, to_insert

KEPT = timedelta(days=7)
SWEPT_MAX = 200
"""Expired answers removed by one write, so that no single request pays for a long pause."""


def once(request: HttpRequest, operation: str, key: str, answer: Any, act: Callable[[], Any]) -> HttpResponse:
    """Do `act`, or give the answer of the same request before. `answer`: its schema, or schemas by status.

    Raises IdempotencyConflict (422) when the key came with another request, and what `act` raises; then nothing is kept.
    """
    if not key.isprintable():
        raise refuse("bad_idempotency_key", "an idempotency key has 1 to 80 printable characters", "Idempotency-Key")
    user = request.user
    assert isinstance(user, User)
    asked = _request_hashes(operation, request)
    row = StoredAnswer(user=user, key=key, request_hash=asked[0], created_at=now())
    with transaction.atomic():
        [made] = answers(_sweep(), _claim(row))[1:]
        if not made:
            return _again(StoredAnswer.objects.get(user=user, key=key), asked, key)
        row.pk = made[0][0]
        result = act()
        status, shown = result if isinstance(result, tuple) else (200, result)
        text = _text(answer[status] if isinstance(answer, dict) else answer, shown)
        if status != 200:
            StoredAnswer.objects.filter(pk=row.pk).delete()
            return _response(text, status)
        row.answer = text
        StoredAnswer.objects.filter(pk=row.pk).update(answer=text)
        return _response(text)


def _claim(row: StoredAnswer) -> Asked:
    """Writes the key's row, or waits for the request that has written it, and then finds it there and answers nothing."""
    [asked] = to_insert(StoredAnswer, [row])
    return asked._replace(sql=f"{asked.sql} ON CONFLICT (user_id, key) DO NOTHING RETURNING id")


def _again(before: StoredAnswer, asked: list[bytes], key: str) -> HttpResponse:
    if bytes(before.request_hash) not in asked:
        message = f"key {key} was used for another request; use a new key"
        raise IdempotencyConflict(Problem("idempotency_conflict", message, "Idempotency-Key"))
    return _response(str(before.answer))


def _request_hashes(operation: str, request: HttpRequest) -> list[bytes]:
    """Keyed, because a body can hold a name or a number that could be guessed. Spaces and the order of fields do not matter.

    By each master secret, the one that writes first: an answer may be older than a change of the key.
    """
    try:
        body = json.dumps(json.loads(request.body), sort_keys=True).encode()
    except (ValueError, RecursionError):  # an operation without a body does not care what came
        body = request.body
    said = b"\0".join((operation.encode(), request.get_full_path().encode(), body))
    return [hmac.digest(derived_key("once", secret), said, hashlib.sha256) for secret in secrets().values()]


def _text(answer: type[Schema], result: Any) -> str:
    shown = answer.model_validate(result, from_attributes=True).model_dump(mode="python")
    return json.dumps(shown, cls=NinjaJSONEncoder)


def _response(text: str, status: int = 200) -> HttpResponse:
    return HttpResponse(text, content_type="application/json; charset=utf-8", status=status)


def _sweep() -> Asked:
    old = f"SELECT id FROM core_storedanswer WHERE created_at < %s LIMIT {SWEPT_MAX}"
    before = connection.ops.adapt_datetimefield_value(now() - KEPT)
    return Asked(f"DELETE FROM core_storedanswer WHERE id IN ({old})", [before])
