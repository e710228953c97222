"""Plain rows that every feature reads: holds, promises, disputes, complaints, help requests, notices, claims, contacts."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models

from tideover.core.fields import EncryptedTextField


class OfParty(models.Model):
    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="%(class)ss")
    contract = models.ForeignKey("lending.Contract", null=True, blank=True, on_delete=models.PROTECT, related_name="%(class)ss")
    actor = models.CharField(max_length=80)
    recorded_at = models.DateTimeField()

    class Meta:
        abstract = True


class Hold(OfParty):
    """A stop on unrequested contact; placed in the transaction of what causes it, lifted in that of what ends it.

    Without a contract it is about the person. `cause`: the row or event behind it, as `promise:12`; empty: placed by hand.
    `ends_at`: never beyond the longest length of its kind (lending/rules/holds.py). `owner`: the role that reviews it.
    """

    kind = models.CharField(max_length=30)
    owner = models.CharField(max_length=20, default="team_lead")
    cause = models.CharField(max_length=60, blank=True, db_index=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    review_on = models.DateField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=80, blank=True)
    lifted_why = models.CharField(max_length=200, blank=True)


class HoldReview(models.Model):
    """Somebody looked at a hold: kept it, moved its end, or lifted it, and why. Append-only."""

    ACTS = [(a, a) for a in ("keep", "extend", "lift")]
    hold = models.ForeignKey(Hold, on_delete=models.PROTECT, related_name="reviews")
    act = models.CharField(max_length=10, choices=ACTS)
    reason = models.CharField(max_length=200)
    ends_at = models.DateTimeField(null=True)
    review_on = models.DateField(null=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=80)


class Promise(OfParty):
    """Money promised by a day. `kept_at`: when so much had come in; it is live until kept, withdrawn or past its day."""

    amount_minor = models.BigIntegerField()
    promised_on = models.DateField()
    due_on = models.DateField()
    withdrawn_at = models.DateTimeField(null=True)
    kept_at = models.DateTimeField(null=True)


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


class Notice(OfParty):
    """What the lender was told and that stops contact by itself: a death, lost capacity, a petition in insolvency, a request
    to be left alone, a breathing space granted. `source`: who said it; `reference`: where the paper is."""

    KINDS = ("death", "incapacity", "insolvency", "cease_contact", "breathing_space")
    kind = models.CharField(max_length=30, choices=[(k, k) for k in KINDS])
    received_on = models.DateField()
    until = models.DateField(null=True)
    source = models.CharField(max_length=40)
    reference = models.CharField(max_length=80, blank=True)
    closed_at = models.DateTimeField(null=True)


class ContactRecord(OfParty):
    """One contact that happened, in or out; caps count these.

    `party` is the person reached, or for a third person the one whom they were asked about. `contract` is set when it was about
    exactly one loan; `about` holds the ids of all of them between bars (`|12|15|`), empty: about the person as such. channel,
    purpose, recipient, outcome: names of the gate's enumerations in lower case. `number_hash`: keyed hash of the number or
    address that was reached. `verdict_id`: the stored verdict that allowed it. `recording_until`: how long the recording is kept.
    """

    at = models.DateTimeField(db_index=True)
    direction = models.CharField(max_length=3, choices=[("in", "in"), ("out", "out")])
    channel = models.CharField(max_length=20)
    purpose = models.CharField(max_length=12, default="collection")
    recipient = models.CharField(max_length=12, default="debtor")
    number_hash = models.BinaryField(max_length=16, default=b"")
    about = models.TextField(blank=True)
    outcome = models.CharField(max_length=30, blank=True)
    seconds = models.IntegerField(null=True)
    consented = models.BooleanField(default=False)
    verdict_id = models.BigIntegerField(null=True, db_index=True)
    settled_at = models.DateTimeField(null=True)
    note = EncryptedTextField()
    recording_hash = models.BinaryField(max_length=32, default=b"")
    recording_until = models.DateField(null=True)

    class Meta:
        indexes = [models.Index(fields=["party", "at"], name="contact_of_party")]


def about_of(contract_ids: Iterable[int]) -> str:
    """Ids of loans between bars, in order, for `ContactRecord.about`; empty for none."""
    ids = sorted(set(contract_ids))
    return f"|{'|'.join(map(str, ids))}|" if ids else ""


def ids_about(about: str) -> list[int]:
    """The ids of loans in an `about`."""
    return [int(i) for i in about.split("|") if i]
