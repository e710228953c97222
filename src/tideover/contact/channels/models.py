"""Where Web Push reaches a person: one row a browser that agreed."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from tideover.core.fields import EncryptedTextField


class PushSubscription(models.Model):
    """A browser of a person. The endpoint is a capability (who has it can send), so it is encrypted.

    gone_at: it no longer works, or its owner took it back.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="push_subscriptions")
    endpoint = EncryptedTextField()
    endpoint_hash = models.BinaryField(max_length=32, unique=True)
    p256dh = models.CharField(max_length=120)
    auth = EncryptedTextField()
    created_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)
    gone_reason = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user"], name="push_live", condition=models.Q(gone_at__isnull=True))]
