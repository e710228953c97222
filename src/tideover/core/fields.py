"""Model fields of the kit: encrypted text."""

from __future__ import annotations

from typing import Any

from django.db import models

from tideover.core.crypto import decrypt, encrypt


class EncryptedTextField(models.BinaryField):
    """Text stored as AES-GCM bytes; empty text as empty bytes. It cannot be filtered on: keep a search hash beside it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("editable", True)
        kwargs.setdefault("default", b"")
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> str:
        return decrypt(value) if value else ""

    def to_python(self, value: Any) -> Any:
        return value

    def get_default(self) -> Any:
        return ""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        raw = encrypt(value) if isinstance(value, str) and value else (value or b"")
        return super().get_db_prep_value(raw, connection, prepared)

    def value_to_string(self, obj: Any) -> str:
        raise ValueError("encrypted fields are not serialised")
