"""Debits 代扣: money that a bank is asked to take from an account."""

from __future__ import annotations

from django.db import models


class Debit(models.Model):
    """A debit 代扣 sent to a bank. States are the money issue's subject; open ones already hide lateness from the customer."""

    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="debits")
    reference = models.CharField(max_length=40, unique=True)
    amount_minor = models.BigIntegerField()
    state = models.CharField(
        max_length=10, choices=[(s, s) for s in ("drafted", "sent", "in_flight", "taken", "failed", "unknown")]
    )
    value_date = models.DateField(null=True)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
