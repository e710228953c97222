"""Reference rates that the lender published to itself, and what borrowers are told before a reset."""

from __future__ import annotations

from django.db import models


class PublishedRate(models.Model):
    """One fixing that the packs do not have, entered by one person and agreed by another. Append-only."""

    index = models.CharField(max_length=20)
    published_on = models.DateField()
    rate_ppm = models.IntegerField()
    recorded_at = models.DateTimeField()
    approval = models.ForeignKey("core.Approval", on_delete=models.PROTECT)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["index", "published_on"], name="published_rate_once")]


class ResetNotice(models.Model):
    """What a borrower is told about one reset, before it: old and new rate (ppm a year) and instalment (minor units).

    `message`: the outbox's key once the notice was queued; empty while it waits to be taken.
    """

    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="reset_notices")
    reset_on = models.DateField()
    old_rate_ppm = models.IntegerField()
    new_rate_ppm = models.IntegerField()
    old_instalment_minor = models.BigIntegerField()
    new_instalment_minor = models.BigIntegerField()
    first_due_on = models.DateField()
    made_at = models.DateTimeField()
    message = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contract", "reset_on"], name="reset_notice_once")]
