"""Pay-off 提前结清: quotes, what came of them, and what a borrower wants done with money that no loan takes."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class PayoffQuote(models.Model):
    """A promise of what pays a loan off on each day from `first_on` to `valid_until`.

    `tip`: how many events the journal had. `days`: [[ISO day, minor units, {component: minor units}, compensation], …]. Ended by
    a person (withdrawn), a newer quote (replaced), or the money (used); that its days are over is seen by comparing dates.
    """

    ENDED = [(e, e) for e in ("", "withdrawn", "replaced", "used")]
    number = models.CharField(max_length=12, unique=True)
    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="payoff_quotes")
    account = models.ForeignKey("lending.BankAccount", null=True, on_delete=models.PROTECT, related_name="+")
    first_on = models.DateField()
    valid_until = models.DateField()
    tip = models.IntegerField()
    days = models.JSONField()
    saved_minor = models.BigIntegerField()
    held_minor = models.BigIntegerField(default=0)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=80)
    ended = models.CharField(max_length=10, choices=ENDED, blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=80, blank=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contract"], condition=Q(ended=""), name="payoff_quote_open_once")]

    def __str__(self) -> str:
        return self.number


class PayoffUse(models.Model):
    """Money paid a loan off under a quote: the part of its receipt, what was asked and owed, what was waived by which rule.

    `events`: seqs of what was booked around the pay-off (compensation, charges that fell away, what was waived). Ended when the
    money was taken back: then all of them are reversed, too.
    """

    RULES = [(r, r) for r in ("exact", "more", "tolerance", "promise")]
    quote = models.ForeignKey(PayoffQuote, on_delete=models.PROTECT, related_name="uses")
    part = models.OneToOneField("lending.ReceiptPart", on_delete=models.PROTECT, related_name="payoff")
    on = models.DateField()
    rule = models.CharField(max_length=10, choices=RULES)
    asked_minor = models.BigIntegerField()
    owed_minor = models.BigIntegerField()
    waived_minor = models.BigIntegerField(default=0)
    events = models.JSONField(default=list)
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)


class HeldWish(models.Model):
    """What a borrower wants done with money of theirs that no loan takes: keep it for the next instalment, or send it back."""

    WISHES = [(w, w) for w in ("keep", "send_back")]
    receipt = models.OneToOneField("lending.Receipt", on_delete=models.PROTECT, related_name="held_wish")
    wish = models.CharField(max_length=10, choices=WISHES)
    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
