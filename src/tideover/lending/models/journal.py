"""The journal in, and the cache of what replay last said."""

from __future__ import annotations

from django.db import models


class BookClock(models.Model):
    """One row (id 1): the last cut-off of a close. No event is stamped at or below it once it is set (DESIGN §2)."""

    cut_off = models.DateTimeField()


class LoanEvent(models.Model):
    """One thing that happened to a loan. Append-only: the database refuses UPDATE, DELETE and TRUNCATE.

    kind: engine.events.EventKind. effective_on: business date in the lender's time zone. recorded_at: when we learned it (UTC).
    amount_minor: the kind's money (0 where it has none, -1 where a waiver means all). extra: the other fields of
    engine.events.Event by name; null for plain payments. hash: SHA-256 over a fixed layout and the previous event's hash
    (lending/chain.py). No personal data here.
    """

    # No index of its own: (contract, seq) begins with the contract, and every index costs each event that is written.
    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="events", db_index=False)
    seq = models.IntegerField()
    kind = models.SmallIntegerField()
    effective_on = models.DateField()
    recorded_at = models.DateTimeField()
    amount_minor = models.BigIntegerField(default=0)
    extra = models.JSONField(null=True)
    idempotency_key = models.CharField(max_length=80)
    body_hash = models.BinaryField(max_length=32)
    actor = models.CharField(max_length=80)
    receipt_part = models.ForeignKey(
        "lending.ReceiptPart", null=True, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["contract", "seq"], name="event_seq_once"),
            models.UniqueConstraint(fields=["idempotency_key"], name="event_key_once"),
        ]
        indexes = [
            models.Index(fields=["recorded_at"]),
            # Few among millions: REVERSAL, CHARGEBACK, ADJUSTMENT (lending/panels.py).
            models.Index(fields=["recorded_at"], name="event_corrections", condition=models.Q(kind__in=(5, 25, 21))),
            models.Index(fields=["receipt_part"], condition=models.Q(receipt_part__isnull=False), name="event_receipt_part"),
        ]


class StandingRow(models.Model):
    """Cache of the latest standing of a loan, for lists and searches; rewritten with each event and by the close.

    The truth is replay; `doctor` compares. Money in minor units. `source`: whose figure holds (replay or core).
    """

    contract = models.OneToOneField("lending.Contract", primary_key=True, on_delete=models.CASCADE, related_name="standing")
    as_of = models.DateField()
    source = models.CharField(max_length=10, default="replay")
    loan_status = models.CharField(max_length=20)
    five_category = models.CharField(max_length=20)
    bucket = models.CharField(max_length=20)
    days_past_due = models.IntegerField()
    principal_minor = models.BigIntegerField()
    interest_minor = models.BigIntegerField()
    accrued_minor = models.BigIntegerField()
    penalty_minor = models.BigIntegerField()
    compound_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    recovery_cost_minor = models.BigIntegerField()
    surplus_minor = models.BigIntegerField()
    payoff_minor = models.BigIntegerField()
    overdue_minor = models.BigIntegerField()
    oldest_due_on = models.DateField(null=True)
    next_due_on = models.DateField(null=True)
    next_due_minor = models.BigIntegerField(default=0)

    class Meta:
        # Each holds all that a count with its total asks for, so that the book's figures are read from the index alone.
        indexes = [
            models.Index(
                fields=[
                    "bucket",
                    "-days_past_due",
                    "contract",
                    "five_category",
                    "as_of",
                    "oldest_due_on",
                    "overdue_minor",
                    "principal_minor",
                ],
                name="standing_by_bucket",
            ),
            models.Index(fields=["-days_past_due", "contract", "oldest_due_on", "overdue_minor"], name="standing_by_dpd"),
            models.Index(fields=["next_due_on", "contract", "next_due_minor"], name="standing_by_next_due"),
        ]
