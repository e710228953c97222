"""Secrets at rest: AES-256-GCM for personal fields and files, HMAC-SHA256 for searching fields without reading them.

Master secrets come from the environment: TIDEOVER_FIELD_KEY writes, those of TIDEOVER_FIELD_KEYS_ALSO are read as well. From each
a key per purpose is derived with HKDF. What is sealed says under which secret:

    offset  bytes  what
    0       4      key id: the first bytes of the key derived for "key id" (it tells nothing of the others)
    4       12     nonce, random
    16      n + 16 ciphertext and tag of AES-256-GCM; the key id is authenticated with it

How keys are exchanged: core/keys.py.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

ID_BYTES, NONCE_BYTES = 4, 12
FIELD = "field"


class KeyUnknown(InvalidTag):
    """Sealed under a secret that this installation does not have."""


def secrets() -> Mapping[bytes, str]:
    """Master secrets by key id; the one that writes first."""
    return _secrets(settings.TIDEOVER_FIELD_KEY, tuple(settings.TIDEOVER_FIELD_KEYS_ALSO))


@lru_cache(maxsize=8)
def _secrets(current: str, also: tuple[str, ...]) -> Mapping[bytes, str]:
    return {key_id(secret): secret for secret in (current, *also)}


def key_id(secret: str) -> bytes:
    """The public name of a master secret."""
    return _derive(secret, "key id")[:ID_BYTES]


def current_id() -> bytes:
    """The id of the secret under which is written."""
    return next(iter(secrets()))


def derived_key(purpose: str, secret: str = "") -> bytes:
    """32 bytes derived from a master secret (the one that writes) for one purpose (HKDF-SHA256, RFC 5869)."""
    return _derive(secret or settings.TIDEOVER_FIELD_KEY, purpose)


@lru_cache(maxsize=64)
def _derive(secret: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret.encode())


@lru_cache(maxsize=64)
def _cipher(secret: str, purpose: str) -> AESGCM:
    return AESGCM(_derive(secret, purpose))


def seal(data: bytes, purpose: str) -> bytes:
    """`data` sealed for a purpose: what one purpose sealed, no other opens."""
    name, secret = next(iter(secrets().items()))
    nonce = os.urandom(NONCE_BYTES)
    return name + nonce + _cipher(secret, purpose).encrypt(nonce, data, name)


def unseal(blob: bytes, purpose: str) -> bytes:
    """The bytes behind `seal`. Raises KeyUnknown without its secret, InvalidTag when the purpose is another or a bit changed."""
    blob = bytes(blob)
    name = blob[:ID_BYTES]
    secret = secrets().get(name)
    if secret is None:
        raise KeyUnknown
    nonce = blob[ID_BYTES : ID_BYTES + NONCE_BYTES]
    return _cipher(secret, purpose).decrypt(nonce, blob[ID_BYTES + NONCE_BYTES :], name)


def encrypt(text: str) -> bytes:
    """UTF-8 `text` sealed as a field."""
    return seal(text.encode(), FIELD)


def decrypt(blob: bytes) -> str:
    """The text behind `encrypt`; raises as `unseal`."""
    return unseal(blob, FIELD).decode()


def search_hash(text: str) -> bytes:
    """Keyed hash (16 bytes) of the normalised text: upper case, no spaces or hyphens. Its key is not the master secret's but one
    that lasts, because many rows hold a hash alone (counts of contacts, refusals of messages) and must be found for good."""
    from tideover.core.keys import SEARCH, lasting_key

    plain = "".join(text.split()).replace("-", "").upper()
    return hmac.digest(lasting_key(SEARCH), plain.encode(), hashlib.sha256)[:16]
