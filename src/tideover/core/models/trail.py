"""What was done: answers kept for repeated requests, and the log of every act."""

from __future__ import annotations

from django.db import models

from tideover.core.fields import EncryptedTextField
from tideover.core.models.people import User


class StoredAnswer(models.Model):
    """What a request with an idempotency key was answered, so that the same request again gets it again (core/once.py).

    `request_hash`: keyed hash of the operation, its address and its body. The answer may hold masked names: encrypted.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    key = models.CharField(max_length=80)
    request_hash = models.BinaryField(max_length=32)
    answer = EncryptedTextField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="answer_once")]


class ActionLog(models.Model):
    """One act of one person: every write and every read of a person's file. Append-only, hash-chained (core/action_log.py)."""

    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=64, blank=True, db_index=True)
    detail = models.JSONField(default=dict)
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)
