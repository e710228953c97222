"""Secrets at rest: AES-256-GCM for personal fields, HMAC-SHA256 for searching them without reading them.

The master secret comes from the environment (TIDEOVER_FIELD_KEY); two keys are derived from it with HKDF, so that a leaked
search index never opens a field.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

NONCE_BYTES = 12


def derived_key(purpose: str) -> bytes:
    """32 bytes derived from the master secret for one purpose (HKDF-SHA256, RFC 5869)."""
    return _derive(settings.TIDEOVER_FIELD_KEY, purpose)


@lru_cache(maxsize=32)
def _derive(secret: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret.encode())


def encrypt(text: str) -> bytes:
    """nonce || ciphertext || tag of UTF-8 `text`."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(derived_key("field")).encrypt(nonce, text.encode(), None)


def decrypt(blob: bytes) -> str:
    """The text behind `encrypt`; raises cryptography.exceptions.InvalidTag when the key is wrong or a bit changed."""
    blob = bytes(blob)
    return AESGCM(derived_key("field")).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], None).decode()


def seal(data: bytes, purpose: str) -> bytes:
    """nonce || ciphertext || tag of bytes, under a key of their own purpose (a document is not opened by the key of fields)."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(derived_key(purpose)).encrypt(nonce, data, None)


def unseal(blob: bytes, purpose: str) -> bytes:
    """The bytes behind `seal`; raises cryptography.exceptions.InvalidTag when the key is wrong or a bit changed."""
    blob = bytes(blob)
    return AESGCM(derived_key(purpose)).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], None)


def search_hash(text: str) -> bytes:
    """Keyed hash (16 bytes) of the normalised text: upper case, no spaces or hyphens."""
    plain = "".join(text.split()).replace("-", "").upper()
    return hmac.new(derived_key("search"), plain.encode(), hashlib.sha256).digest()[:16]
