"""Money in at borrower level: receipts, their parts on loans, money that goes back, and who the payer was."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from tideover.core.fields import EncryptedTextField

SOURCES = ("counter", "bank", "webhook", "debit", "app", "file", "core", "other")
PAYERS = ("unknown", "borrower", "co_borrower", "guarantor", "controller", "third_party")
"""Who the payer is to the borrower, by name; the money's own word, never a proof."""
SCREENINGS = ("clear", "hit", "released", "kept")
"""A payer's name against the watch lists: no hit; a hit that waits; released or kept unplaced by a second person."""


class Receipt(models.Model):
    """Money that arrived from a payer for a borrower. Its parts are linked payments on loans; reversing reverses all.

    party null: unplaced, nobody knows yet whose debt it pays (`meant_for`: whom the source named, while a screening holds it).
    amount = placed (live parts) + unapplied + refunding (leaving us) + refunded, always; of a reversed receipt as it was.
    designation: the debtor's own words, [{"debt": loan number, "amount": decimal string or left out}]. pinned: people decided the
    parts; no later receipt moves them. waiting: a proposal to divide anew is open, and money of this receipt waits for it.
    """

    number = models.CharField(max_length=30, unique=True)
    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT)
    party = models.ForeignKey("lending.Party", null=True, on_delete=models.PROTECT, related_name="receipts")
    meant_for = models.ForeignKey("lending.Party", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    amount_minor = models.BigIntegerField()
    placed_minor = models.BigIntegerField(default=0)
    unapplied_minor = models.BigIntegerField(default=0)
    refunding_minor = models.BigIntegerField(default=0)
    refunded_minor = models.BigIntegerField(default=0)
    received_on = models.DateField()
    recorded_at = models.DateTimeField()
    payer_name = EncryptedTextField()
    payer_account = EncryptedTextField()
    payer_bank = models.CharField(max_length=80, blank=True)
    payer_hash = models.BinaryField(max_length=16, default=b"")
    account_hash = models.BinaryField(max_length=16, default=b"")
    payer_is = models.CharField(max_length=12, choices=[(p, p) for p in PAYERS], default="unknown")
    screening = models.CharField(max_length=10, choices=[(s, s) for s in SCREENINGS], default="clear")
    source_kind = models.CharField(max_length=10, choices=[(s, s) for s in SOURCES])
    source_reference = models.CharField(max_length=80, blank=True)
    designation = models.JSONField(null=True)
    debit = models.ForeignKey("lending.Debit", null=True, on_delete=models.PROTECT, related_name="receipts", db_index=False)
    pinned = models.BooleanField(default=False)
    waiting = models.BooleanField(default=False)
    idempotency_key = models.CharField(max_length=80, unique=True)
    body_hash = models.BinaryField(max_length=32)
    actor = models.CharField(max_length=80)
    reversed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="receipt_adds_up",
                condition=Q(
                    amount_minor=F("placed_minor") + F("unapplied_minor") + F("refunding_minor") + F("refunded_minor"),
                    amount_minor__gt=0, placed_minor__gte=0, unapplied_minor__gte=0, refunding_minor__gte=0,
                    refunded_minor__gte=0,
                ),
            ),
            models.CheckConstraint(name="receipt_of_nobody", condition=Q(party__isnull=False) | Q(placed_minor=0)),
            models.UniqueConstraint(
                fields=["debit"], condition=Q(debit__isnull=False, reversed_at__isnull=True), name="receipt_of_debit_once"
            ),
        ]  # fmt: skip
        # Money not yet placed is the rare case that desks look for; so are payers known by their hash.
        indexes = [
            models.Index(fields=["received_on"], name="receipt_unplaced", condition=Q(unapplied_minor__gt=0)),
            models.Index(fields=["party"], name="receipt_waiting", condition=Q(waiting=True)),
            models.Index(fields=["received_on"], name="receipt_stopped", condition=Q(screening="hit")),
            models.Index(fields=["payer_hash", "received_on"], name="receipt_payer", condition=~Q(payer_hash=b"")),
            models.Index(fields=["account_hash", "received_on"], name="receipt_account", condition=~Q(account_hash=b"")),
        ]

    def __str__(self) -> str:
        return self.number


class ReceiptPart(models.Model):
    """What of a receipt is booked on a loan: one payment of its journal. Parts are ended and made anew, never changed.

    booked_on: the value date of the payment (later than the receipt's for money that waited for a debt to fall due).
    steps: which step gave it, [[step, minor units], …]: engine.apportion.Step by name, in order. Σ steps = amount.
    """

    receipt = models.ForeignKey(Receipt, on_delete=models.PROTECT, related_name="parts")
    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="receipt_parts")
    amount_minor = models.BigIntegerField()
    booked_on = models.DateField()
    steps = models.JSONField(default=list)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(name="receipt_part_positive", condition=Q(amount_minor__gt=0))]


class Refund(models.Model):
    """Money of a receipt on its way back to the account that it came from. Asked as an approval; made by its last grant.

    unapplied_minor: taken from what was not placed. from_loans: [[loan number, minor units, seq of the refund event], …], taken
    from credit balances. state: approved → sent → gone, or returned (then the money is here again).
    """

    STATES = [(s, s) for s in ("approved", "sent", "gone", "returned")]
    reference = models.CharField(max_length=20, unique=True)
    receipt = models.ForeignKey(Receipt, on_delete=models.PROTECT, related_name="refunds")
    approval = models.ForeignKey("core.Approval", on_delete=models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField()
    unapplied_minor = models.BigIntegerField(default=0)
    from_loans = models.JSONField(default=list)
    state = models.CharField(max_length=10, choices=STATES, default="approved")
    reason = models.CharField(max_length=300, blank=True)
    bank_reference = models.CharField(max_length=80, blank=True)
    approved_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_on = models.DateField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(name="refund_positive", condition=Q(amount_minor__gt=0))]
        indexes = [models.Index(fields=["state", "approved_at"], name="refund_by_state")]


class PayerAlert(models.Model):
    """Something about a payer that people look at: never a reason to refuse money by itself.

    kind: third_party, repeated, many_borrowers (lending/rules/payer.py) or watch_list. detail: counts and list names, no personal
    data. Closed once by compliance, with what came of it.
    """

    KINDS = [(k, k) for k in ("third_party", "repeated", "many_borrowers", "watch_list")]
    OUTCOMES = [(o, o) for o in ("plain", "explained", "reported")]
    receipt = models.ForeignKey(Receipt, on_delete=models.PROTECT, related_name="alerts")
    kind = models.CharField(max_length=16, choices=KINDS)
    detail = models.JSONField(default=dict)
    raised_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=80, blank=True)
    outcome = models.CharField(max_length=10, choices=OUTCOMES, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["receipt", "kind"], name="payer_alert_once")]
        indexes = [models.Index(fields=["raised_at"], name="payer_alert_open", condition=Q(closed_at__isnull=True))]


class WatchList(models.Model):
    """One file of a sanctions or watch list that the lender loaded; the newest of a name holds."""

    name = models.CharField(max_length=40)
    sha256 = models.BinaryField(max_length=32)
    names = models.IntegerField()
    loaded_at = models.DateTimeField()
    loaded_by = models.CharField(max_length=80)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name"], condition=Q(ended_at__isnull=True), name="watch_list_live_once")]


class WatchName(models.Model):
    """A name on a watch list: the keyed hash of its key (lending/rules/payer_names.py) and the list's own reference."""

    watch_list = models.ForeignKey(WatchList, on_delete=models.CASCADE, related_name="entries")
    name_hash = models.BinaryField(max_length=16, db_index=True)
    reference = models.CharField(max_length=60, blank=True)
