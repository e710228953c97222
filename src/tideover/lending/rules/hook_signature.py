"""How a bank signs a call of the webhook, and whether a call is good. Pure; docs/bank-files.md has an example to check against.

The text that is signed, in UTF-8, lines parted by one line feed:  v1 / time / nonce / lower-case SHA-256 of the body in
hexadecimal. The signature is the lower-case hexadecimal HMAC-SHA256 of it under the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re

VERSION = "v1"
WINDOW_SECONDS = 300
NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


def signed_text(time: str, nonce: str, body: bytes) -> bytes:
    """What is signed."""
    return "\n".join((VERSION, time, nonce, hashlib.sha256(body).hexdigest())).encode()


def signature(secret: str, time: str, nonce: str, body: bytes) -> str:
    """The signature of a call."""
    return hmac.new(secret.encode(), signed_text(time, nonce, body), hashlib.sha256).hexdigest()


def call_fault(secret: str, time: str, nonce: str, given: str, body: bytes, now: int) -> str:
    """Why a call is not good (code); empty when it is: bad_nonce, bad_time, late, bad_signature. `now`: seconds since 1970.

    The signature is compared in constant time, and before the time is believed nothing else is said of the call.
    """
    if not NONCE.fullmatch(nonce):
        return "bad_nonce"
    if not (time.isascii() and time.isdigit() and len(time) <= 12):
        return "bad_time"
    if not hmac.compare_digest(signature(secret, time, nonce, body), given.lower()):
        return "bad_signature"
    return "" if abs(now - int(time)) <= WINDOW_SECONDS else "late"
