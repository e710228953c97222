"""The bank over HTTP: the same bytes as in files, signed both ways. No answer, or none that can be trusted, is None.

    POST /batches/NUMBER      Idempotency-Key: NUMBER; the body is the batch; 200 with the results known so far, 202 with none yet
    GET  /batches/NUMBER      the results known so far
    GET  /debits/REFERENCE    the result of one; code 2003 where the bank never received it

X-Timestamp, X-Signature: HMAC-SHA256 under the shared secret over method, path, timestamp and SHA-256 of the body, a line each;
an answer signs its own body with the same path and timestamp.
"""

from __future__ import annotations

import hashlib
import hmac
import urllib.error
import urllib.request
from http.client import HTTPException

from django.conf import settings

from tideover.core.business_time import now

ANSWER_MAX = 64 << 20


def sign(method: str, path: str, timestamp: str, body: bytes) -> str:
    """The signature of a request or an answer, in hex."""
    said = "\n".join([method, path, timestamp, hashlib.sha256(body).hexdigest()])
    return hmac.new(settings.BANK_SECRET.encode(), said.encode(), hashlib.sha256).hexdigest()


def post(number: str, entity: str, content: bytes) -> bytes | None:
    """Hand a batch over; the bank's results so far (empty: it works on it), None where nobody knows whether it has it."""
    return _call("POST", f"/batches/{number}", content, {"Idempotency-Key": number, "X-Entity": entity})


def inquire(reference: str) -> bytes | None:
    """What became of one debit; None: no answer."""
    return _call("GET", f"/debits/{reference}", b"", {})


def is_set_up() -> bool:
    """Whether there is a bank to talk to."""
    return bool(settings.BANK_ADDRESS)


def _call(method: str, path: str, body: bytes, more: dict[str, str]) -> bytes | None:
    timestamp = str(int(now().timestamp()))
    headers = {"X-Timestamp": timestamp, "X-Signature": sign(method, path, timestamp, body), **more}
    request = urllib.request.Request(settings.BANK_ADDRESS + path, body or None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=settings.BANK_TIMEOUT_S) as response:
            said: bytes = response.read(ANSWER_MAX)
            good = sign("ANSWER", path, timestamp, said)
            return said if hmac.compare_digest(response.headers.get("X-Signature", ""), good) else None
    except (urllib.error.URLError, OSError, HTTPException, ValueError):
        return None
