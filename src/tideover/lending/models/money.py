"""Money in: receipts (borrower level), their parts on loans, debits, and the files that brought them."""

from __future__ import annotations

from django.db import models

from tideover.core.fields import EncryptedTextField


class ImportBatch(models.Model):
    """One file that was taken in: kind, name, SHA-256, who, when, counts. The rejects file's name when rows were refused."""

    kind = models.CharField(max_length=20)
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    actor = models.CharField(max_length=80)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=12, default="running")
    accepted = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)


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
    channel = models.CharField(max_length=20)
    reference = models.CharField(max_length=80, blank=True)
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
