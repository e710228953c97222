"""Keys that outlive the master secret."""

from __future__ import annotations

from django.db import models

LASTING = "lasting key"


class LastingKey(models.Model):
    """A random key that stays the same for good, sealed under the master secret (core/keys.py).

    `search`: of the hashes by which names and numbers are found; `handle`: of the public handles of imported people. Rows that
    hold a hash alone (how often a number was called, who wants no messages) could never be hashed again; handles stand in tapes.
    """

    SEALED = {"sealed": LASTING}
    name = models.CharField(max_length=40, unique=True)
    sealed = models.BinaryField()
