"""What WeCom and WeChat push to us: signed and encrypted, the same for both (AES-256-CBC, SHA-1 over the sorted parts). Pure.

In the gateway's console give the token and the key that stand in our address for it: push=TOKEN&aes=KEY (43 characters).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32
FRESH_S = 600
FLAT = re.compile(r"<(\w+)>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))</\1>", re.S)
"""Elements of their flat XML; nothing else of XML is read."""


class NotTheirs(ValueError):
    """The push is not signed by the gateway, is stale, or is meant for another receiver."""


def signature(token: str, *parts: str) -> str:
    """Hex SHA-1 over the parts in the order of the alphabet."""
    return hashlib.sha1("".join(sorted([token, *parts])).encode()).hexdigest()


def _key(aes: str) -> bytes:
    key = base64.b64decode(aes + "=")
    if len(key) != 32:
        raise ValueError("the aes option is a key of 43 characters")
    return key


def opened(encrypted: str, *, token: str, aes: str, receiver: str, query: Mapping[str, str], now: int) -> str:
    """The text inside a push. Raises NotTheirs."""
    wanted = signature(token, query.get("timestamp", ""), query.get("nonce", ""), encrypted)
    if not hmac.compare_digest(wanted.encode(), query.get("msg_signature", "").encode()):
        raise NotTheirs("signature")
    stamp = query.get("timestamp", "")
    if not stamp.isdecimal() or abs(now - int(stamp)) > FRESH_S:
        raise NotTheirs("stale")
    key = _key(aes)
    cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    plain = cipher.update(base64.b64decode(encrypted)) + cipher.finalize()
    plain = plain[: -plain[-1]] if plain and 1 <= plain[-1] <= BLOCK else b""
    length = int.from_bytes(plain[16:20], "big")
    if plain[20 + length :].decode() != receiver:
        raise NotTheirs("receiver")
    return plain[20 : 20 + length].decode()


def envelope_read(body: bytes) -> str:
    """The encrypted part of a push, from XML or JSON. Raises ValueError."""
    found = fields_read(body.decode()).get("Encrypt", "")
    if not isinstance(found, str) or not found:
        raise ValueError("no encrypted part")
    return found


def fields_read(text: str) -> dict[str, Any]:
    """The fields of a push, from JSON or their flat XML. Raises ValueError."""
    if text.lstrip().startswith("{"):
        return dict(json.loads(text))
    return {name: marked or plain for name, marked, plain in FLAT.findall(text)}
