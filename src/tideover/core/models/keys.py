"""Keys that outlive the master secret."""

from __future__ import annotations

from django.db import models

LASTING = "lasting key"


class LastingKey(models.Model):
    """A random key that stays the same for good, sealed under the master secret (core/keys.py)."""

    SEALED = {"sealed": LASTING}
    name = models.CharField(max_length=40, unique=True)
    sealed = models.BinaryField()
