"""The webhook of banks: POST /hooks/bank with signed lines. No sign-in; a secret of the bank signs each call.

The nonce is stored in the transaction in which the call's lines are: a call that failed half-way may come again, one that was
taken may not (409), and a line that comes again under a new nonce is known by the bank's id and answered as known.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.ids import handle_new
from tideover.core.problems import Problem, Refused
from tideover.lending import clock
from tideover.lending.models import HookNonce, HookSecret, StatementFile
from tideover.lending.rules.hook_signature import WINDOW_SECONDS, call_fault
from tideover.lending.statements.rules.hook import hook_read
from tideover.lending.statements.rules.line import BadStatement, Statement
from tideover.lending.statements.services import accounts_of, call_done
from tideover.lending.statements.store import lines_store

BODY_BYTES_MAX = 1 << 20
NONCES_KEPT = timedelta(seconds=4 * WINDOW_SECONDS)
SAYS = {
    "unknown_key": "the key is unknown, or its time is over",
    "bad_nonce": "X-Tideover-Nonce is 16 to 64 letters, digits, hyphens or underscores",
    "bad_time": "X-Tideover-Time is seconds since 1970, in UTC",
    "late": f"X-Tideover-Time is more than {WINDOW_SECONDS} seconds away from our clock",
    "bad_signature": "the signature is not that of this time, nonce and body under this key",
    "replayed": "a call with this nonce was taken already: nothing is done again",
    "too_large": f"a call has at most {BODY_BYTES_MAX} bytes",
    "method": "this address takes POST",
}


class Unsigned(Refused):
    """A call that is not the bank's, or not of now."""

    status = 401


class Replayed(Refused):
    """The nonce was used."""

    status = 409


def problem(status: int, problems: list[Problem]) -> HttpResponse:
    """An RFC 9457 problem document, as the REST answers."""
    body = {
        "type": f"urn:tideover:problem:{problems[0].code}",
        "title": "The call was refused",
        "status": status,
        "detail": "; ".join(p.message for p in problems),
        "errors": [{"code": p.code, "message": p.message, "field": p.field} for p in problems],
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")


@csrf_exempt
def bank_hook(request: HttpRequest) -> HttpResponse:
    """Take one call. 200: {"new", "known"}; 401 not the bank's, 409 taken already, 413, 422 with every field that is wrong."""
    if request.method != "POST":
        return problem(405, [Problem("method", SAYS["method"])])
    if int(request.headers.get("Content-Length") or 0) > BODY_BYTES_MAX:
        return problem(413, [Problem("too_large", SAYS["too_large"])])
    try:
        return JsonResponse(hook_take(request.body, {k.lower(): v for k, v in request.headers.items()}, now()))
    except Refused as error:
        return problem(error.status, list(error.problems))


def hook_take(body: bytes, headers: dict[str, str], at: datetime) -> dict[str, Any]:
    """Check, store and match the lines of a call. Raises Unsigned (401), Replayed (409), Refused (422)."""
    secret = _secret(body, headers, at)
    if HookNonce.objects.filter(secret=secret, nonce=headers["x-tideover-nonce"]).exists():
        raise _replayed()
    statements = hook_read(body)
    try:
        accounts = accounts_of(statements, [secret.entity_id])
    except BadStatement as error:
        raise Refused(Problem(error.code, str(error), "lines")) from error
    actor = f"bank:{secret.bank}"
    try:
        with transaction.atomic():
            clock.writing()
            HookNonce.objects.create(secret=secret, nonce=headers["x-tideover-nonce"], at=at)
            file, known = _store(body, secret, statements, accounts, actor, at)
    except IntegrityError as error:
        if HookNonce.objects.filter(secret=secret, nonce=headers["x-tideover-nonce"]).exists():
            raise _replayed() from error
        raise
    call_done(file)
    return {"new": file.new_count, "known": known}


def _replayed() -> Replayed:
    return Replayed(Problem("replayed", SAYS["replayed"], "X-Tideover-Nonce"))


def _secret(body: bytes, headers: dict[str, str], at: datetime) -> HookSecret:
    """The secret that signed a call. Raises Unsigned."""
    said = {k: headers.get(f"x-tideover-{k}", "") for k in ("key", "time", "nonce", "signature")}
    found = HookSecret.objects.filter(Q(ends_at=None) | Q(ends_at__gt=at), key_id=said["key"]).first()
    if found is None:
        raise Unsigned(Problem("unknown_key", SAYS["unknown_key"], "X-Tideover-Key"))
    fault = call_fault(found.secret, said["time"], said["nonce"], said["signature"], body, int(at.timestamp()))
    if fault:
        field = {"bad_nonce": "X-Tideover-Nonce", "bad_signature": "X-Tideover-Signature"}.get(fault, "X-Tideover-Time")
        raise Unsigned(Problem(fault, SAYS[fault], field))
    return found


def _store(
    body: bytes, secret: HookSecret, statements: list[Statement], accounts: list[Any], actor: str, at: datetime
) -> tuple[StatementFile, int]:
    count = sum(len(s.lines) for s in statements)
    nonce_sha = hashlib.sha256(f"{secret.pk}:{at.timestamp()}:".encode() + body + handle_new("N").encode()).hexdigest()
    file = StatementFile.objects.create(
        reference=handle_new("F"), entity_id=secret.entity_id, name=secret.bank, kind="webhook", sha256=nonce_sha, rejects="[]",
        lines_count=count, received_at=at, actor=actor,
    )  # fmt: skip
    known = 0
    for statement, account in sorted(zip(statements, accounts, strict=True), key=lambda p: p[1].pk):
        known += lines_store(file, account, statement.lines, "hook").known
    file.known_count, file.new_count = known, count - known
    file.save(update_fields=["known_count", "new_count"])
    log(actor, "bank_hook.take", "statement", file.reference, {"key": secret.key_id, "new": file.new_count, "known": known})
    _sweep(at)
    return file, known


def _sweep(at: datetime) -> None:
    """Nonces of calls whose time is long outside the window need not be kept: the time refuses them."""
    HookNonce.objects.filter(at__lt=at - NONCES_KEPT).delete()
