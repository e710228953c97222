"""Plain rows that every feature reads: holds, promises, disputes, complaints, help requests, claims, contacts, consents."""

from __future__ import annotations

from django.db import models


class OfParty(models.Model):
    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="%(class)ss")
    contract = models.ForeignKey("lending.Contract", null=True, blank=True, on_delete=models.PROTECT, related_name="%(class)ss")
    actor = models.CharField(max_length=80)
    recorded_at = models.DateTimeField()

    class Meta:
        abstract = True


class Hold(OfParty):
    """A stop on unrequested contact or another act; placed in the transaction of what causes it."""

    kind = models.CharField(max_length=30)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    review_on = models.DateField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    lifted_at = models.DateTimeField(null=True)


class Promise(OfParty):
    amount_minor = models.BigIntegerField()
    promised_on = models.DateField()
    due_on = models.DateField()
    withdrawn_at = models.DateTimeField(null=True)


class Dispute(OfParty):
    opened_on = models.DateField()
    closed_on = models.DateField(null=True)
    subject = models.CharField(max_length=80)


class Complaint(OfParty):
    source = models.CharField(max_length=30)
    opened_on = models.DateField()
    closed_on = models.DateField(null=True)
    subject = models.CharField(max_length=80)


class HelpRequest(OfParty):
    number = models.CharField(max_length=20, unique=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=40, blank=True)


class Claim(OfParty):
    """A claim outside the loan's own components (court costs advanced, guarantor's recourse …)."""

    kind = models.CharField(max_length=30)
    amount_minor = models.BigIntegerField()
    arose_on = models.DateField()
    settled_on = models.DateField(null=True)


class ContactRecord(OfParty):
    """One contact that happened, in or out; caps count these."""

    at = models.DateTimeField(db_index=True)
    direction = models.CharField(max_length=3, choices=[("in", "in"), ("out", "out")])
    channel = models.CharField(max_length=20)
    outcome = models.CharField(max_length=30, blank=True)
    seconds = models.IntegerField(null=True)


class Consent(OfParty):
    purpose = models.CharField(max_length=40)
    channel = models.CharField(max_length=20, blank=True)
    given_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
