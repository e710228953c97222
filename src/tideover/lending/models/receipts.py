"""Money in at borrower level: receipts, and their parts on loans."""

from __future__ import annotations

from django.db import models

from tideover.core.fields import EncryptedTextField

SOURCES = ("counter", "bank", "webhook", "debit", "app", "file", "core", "other")


class Receipt(models.Model):
    """Money that arrived from a payer for a borrower. Its parts are linked payments on loans; reversing reverses all."""

    number = models.CharField(max_length=30, unique=True)
    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT)
    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="receipts")
    amount_minor = models.BigIntegerField()
    unapplied_minor = models.BigIntegerField(default=0)
    received_on = models.DateField()
    recorded_at = models.DateTimeField()
    payer_name = EncryptedTextField()
    payer_account = EncryptedTextField()
    payer_bank = models.CharField(max_length=80, blank=True)
    source_kind = models.CharField(max_length=10, choices=[(s, s) for s in SOURCES])
    source_reference = models.CharField(max_length=80, blank=True)
    idempotency_key = models.CharField(max_length=80, unique=True)
    body_hash = models.BinaryField(max_length=32)
    actor = models.CharField(max_length=80)
    reversed_at = models.DateTimeField(null=True)

    class Meta:
        # Money not yet placed is the rare case that desks look for.
        indexes = [models.Index(fields=["received_on"], name="receipt_unplaced", condition=models.Q(unapplied_minor__gt=0))]


class ReceiptPart(models.Model):
    receipt = models.ForeignKey(Receipt, on_delete=models.PROTECT, related_name="parts")
    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="receipt_parts")
    amount_minor = models.BigIntegerField()
