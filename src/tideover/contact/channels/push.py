"""Web Push (RFC 8030, 8188, 8291, 8292): vapid:PRIVATE_KEY?subject=mailto:ops@lender.example&hosts=push.example

One message goes to every browser of a person that agreed. The text is never told to the push service, and holds no amount. The
service worker says when it has shown it (views.py), which is the receipt. hosts: push services beside the known ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core import signing
from py_vapid import Vapid02

from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import Outgoing, Quiet, SendResult, SendState
from tideover.contact.channels.http import MaybeSent, NotSent, by_status, lost, request
from tideover.contact.channels.models import PushSubscription
from tideover.contact.channels.text import NotFit, signed

TTL_S = 86_400
TOKEN_S = 12 * 3600
SALT = "push-shown"
KNOWN_HOSTS = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "push.apple.com",
    "notify.windows.com",
    "push.hicloud.com",
)
"""Services (and their subdomains) that browsers use. Others are refused: an endpoint is an address that a stranger gives us."""
ORDER = (SendState.ACCEPTED, SendState.UNKNOWN, SendState.RETRY, SendState.REFUSED)


class Push(Quiet):
    """The adapter. `to` is the party's reference."""

    name = "push"

    def __init__(self, address: GatewayAddress) -> None:
        self.address = address
        try:
            self.key = Vapid02.from_string(address.path)
        except Exception:  # py_vapid and cryptography raise kinds of their own
            raise ValueError(f"{address.setting}: no VAPID private key follows vapid:") from None
        self.subject = address.option("subject")

    @property
    def public_key(self) -> str:
        """What a browser needs to subscribe: the uncompressed point, base64url."""
        return _b64(self.key.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def allows(self, endpoint: str) -> bool:
        """Whether an endpoint lies at a push service that browsers use, or that the settings name."""
        parts, more = urlsplit(endpoint), [h for h in self.address.option("hosts", "").split(",") if h]
        host = parts.hostname or ""
        known = any(host == h or host.endswith(f".{h}") for h in KNOWN_HOSTS)
        return (known and parts.scheme == "https" and parts.port in (None, 443)) or parts.netloc in more

    def send(self, m: Outgoing) -> SendResult:
        try:
            signed(m)
        except NotFit as problem:
            return SendResult(SendState.REFUSED, reason=str(problem))
        rows = PushSubscription.objects.filter(user__party__reference=m.to, gone_at=None).order_by("pk")
        results = [self._send_one(row, m) for row in rows]
        if not results:
            return SendResult(SendState.REFUSED, reason="no_subscription")
        return min(results, key=lambda r: ORDER.index(r.state))

    def _send_one(self, row: PushSubscription, m: Outgoing) -> SendResult:
        if not self.allows(row.endpoint):
            return SendResult(SendState.REFUSED, reason="endpoint_not_allowed")
        try:
            body = _encrypted(row, payload(m))
        except ValueError:
            return _gone(row, "keys_invalid")
        headers = {
            **self._authorization(row.endpoint),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_S),
            "Urgency": "normal",
            "Topic": _b64(hashlib.sha256(m.key.encode()).digest())[:32],
        }
        try:
            answer = request("POST", row.endpoint, headers=headers, body=body)
        except (NotSent, MaybeSent) as problem:
            return lost(problem)
        if answer.status in (200, 201, 202):
            return SendResult(SendState.ACCEPTED, provider_id=m.key)
        if answer.status in (404, 410):
            return _gone(row, f"http:{answer.status}")
        if answer.status in (401, 403):
            return SendResult(SendState.RETRY, reason=f"http:{answer.status}", retry_after_s=600)
        return by_status(answer)

    def _authorization(self, endpoint: str) -> dict[str, str]:
        parts = urlsplit(endpoint)
        claims = {"sub": self.subject, "aud": f"{parts.scheme}://{parts.netloc}", "exp": int(time.time()) + TOKEN_S}
        return dict(self.key.sign(claims))


def payload(m: Outgoing) -> bytes:
    """What the service worker gets: words, where a tap leads, a tag by which a repeat replaces the first, and the receipt."""
    receipt = signing.dumps(m.key, salt=SALT)
    words = {"title": m.subject or m.sign_name, "body": m.body, "url": "/", "tag": m.key, "lang": m.language, "receipt": receipt}
    return json.dumps(words, ensure_ascii=False).encode()


def shown_key(receipt: str) -> str:
    """The key of the message that a receipt is for. Raises signing.BadSignature."""
    return str(signing.loads(receipt, salt=SALT, max_age=3 * TTL_S))


def _encrypted(row: PushSubscription, data: bytes) -> bytes:
    own = ec.generate_private_key(ec.SECP256R1())
    return bytes(http_ece.encrypt(data, private_key=own, dh=unb64(row.p256dh), auth_secret=unb64(row.auth), version="aes128gcm"))


def _gone(row: PushSubscription, reason: str) -> SendResult:
    """The browser has forgotten us: so do we."""
    PushSubscription.objects.filter(pk=row.pk).update(gone_at=datetime.now(UTC), gone_reason=reason)
    return SendResult(SendState.REFUSED, reason=f"gone {reason}")


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Bytes of base64url without padding. Raises ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
