"""Request signatures of the two HTTP gateways. Pure: time and nonce come in, headers go out.

Sources: Alibaba Cloud, "Request syntax and signature method V3"; Tencent Cloud, "Signature v3". Both pages print an example that
tests compute again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote


def acs3(
    *,
    key_id: str,
    secret: str,
    host: str,
    action: str,
    version: str,
    query: Mapping[str, str],
    at: datetime,
    nonce: str,
    method: str = "POST",
) -> dict[str, str]:
    """Headers of an Alibaba Cloud call whose parameters all stand in the query and whose body is empty (ACS3-HMAC-SHA256)."""
    empty = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": empty,
        "x-acs-date": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": version,
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"{method}\n/\n{acs3_query(query)}\n{lines}\n{names}\n{empty}"
    words = f"ACS3-HMAC-SHA256\n{_sha256(canonical)}"
    signature = hmac.new(secret.encode(), words.encode(), hashlib.sha256).hexdigest()
    return {**headers, "Authorization": f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={names},Signature={signature}"}


def acs3_query(query: Mapping[str, str]) -> str:
    """The query as it is signed and sent: by name, RFC 3986 percent-encoding."""
    return "&".join(f"{quote(k, safe='-_.~')}={quote(query[k], safe='-_.~')}" for k in sorted(query))


def tc3(
    *, key_id: str, secret: str, host: str, service: str, action: str, version: str, region: str, body: bytes, at: datetime
) -> dict[str, str]:
    """Headers of a Tencent Cloud call with a JSON body (TC3-HMAC-SHA256)."""
    kind, day, second = "application/json; charset=utf-8", at.astimezone(UTC).strftime("%Y-%m-%d"), str(int(at.timestamp()))
    names, scope = "content-type;host", f"{day}/{service}/tc3_request"
    canonical = f"POST\n/\n\ncontent-type:{kind}\nhost:{host}\n\n{names}\n{hashlib.sha256(body).hexdigest()}"
    words = f"TC3-HMAC-SHA256\n{second}\n{scope}\n{_sha256(canonical)}"
    key = f"TC3{secret}".encode()
    for step in (day, service, "tc3_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, words.encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": kind,
        "Host": host,
        "X-TC-Action": action,
        "X-TC-Version": version,
        "X-TC-Timestamp": second,
        **({"X-TC-Region": region} if region else {}),
        "Authorization": f"TC3-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}",
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
