"""Money taken at a counter 柜台: tills, the slips that payers hold, every movement of a till's cash, and its count."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from tideover.core.fields import EncryptedTextField

METHODS = ("cash", "pos", "transfer")
"""How somebody pays at a counter: cash, a card on the terminal, a transfer that they show."""
TILL_STATES = ("open", "counted", "closed")
SLIP_STATES = ("awaiting", "booked", "cancelled", "returned")
MOVES = ("float", "taken", "cancelled", "returned", "difference", "bag", "vault")


class CounterSeries(models.Model):
    """The last number given at a branch in a year, for slips and for tills; its row is locked while one is given."""

    branch = models.ForeignKey("lending.Branch", on_delete=models.PROTECT)
    kind = models.CharField(max_length=4, choices=[("slip", "slip"), ("till", "till")])
    year = models.IntegerField()
    last = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["branch", "kind", "year"], name="counter_series_once")]


class Till(models.Model):
    """A teller's cash box 钱箱 of one business day: opened with a float, counted once, closed when its cash is handed over.

    state: open → counted (the count is entered; nothing more is taken) → closed. difference_reason and approval: why counted and
    expected cash differ, and the second person's decision above the tolerance. bag_minor goes to the bank under bag_number,
    vault_minor back to the vault: together what was counted.
    """

    number = models.CharField(max_length=40, unique=True)
    branch = models.ForeignKey("lending.Branch", on_delete=models.PROTECT, related_name="tills")
    teller = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="tills")
    day = models.DateField()
    float_minor = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=[(s, s) for s in TILL_STATES], default="open")
    idempotency_key = models.CharField(max_length=80, unique=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    difference_reason = models.CharField(max_length=300, blank=True)
    approval = models.CharField(max_length=40, blank=True)
    bag_number = models.CharField(max_length=40, blank=True)
    bag_minor = models.BigIntegerField(default=0)
    vault_minor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["teller"], condition=Q(state="open"), name="till_open_once"),
            models.UniqueConstraint(fields=["bag_number"], condition=~Q(bag_number=""), name="till_bag_once"),
            models.CheckConstraint(
                name="till_amounts", condition=Q(float_minor__gte=0, bag_minor__gte=0, vault_minor__gte=0)
            ),
        ]  # fmt: skip
        indexes = [models.Index(fields=["branch", "day"], name="till_by_day")]

    def __str__(self) -> str:
        return self.number


class Slip(models.Model):
    """One payment at a counter, numbered without gaps by branch and year. Never deleted: cancelled, or the money given back.

    state: booked (a receipt stands behind it); awaiting (the money is here, nothing is booked before a second person confirms);
    returned (never booked, given back); cancelled (its receipt was reversed on the day, the money given back). day: the business
    day on which the money was handed over, which is the receipt's. approval: the open or last question to the second person.
    payer_name empty: the borrower paid. designation: as of a receipt. code: what anybody can check at /verify.
    """

    number = models.CharField(max_length=40, unique=True)
    sequence = models.IntegerField()
    code = models.CharField(max_length=20, unique=True)
    till = models.ForeignKey(Till, on_delete=models.PROTECT, related_name="slips")
    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="slips")
    method = models.CharField(max_length=8, choices=[(m, m) for m in METHODS])
    amount_minor = models.BigIntegerField()
    designation = models.JSONField(null=True)
    payer_name = EncryptedTextField()
    payer_id = EncryptedTextField()
    reference = models.CharField(max_length=80, blank=True)
    note = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=9, choices=[(s, s) for s in SLIP_STATES])
    receipt = models.OneToOneField("lending.Receipt", null=True, on_delete=models.PROTECT, related_name="slip")
    approval = models.CharField(max_length=40, blank=True)
    day = models.DateField()
    taken_at = models.DateTimeField()
    taken_by = models.CharField(max_length=150)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True)
    end_reason = models.CharField(max_length=300, blank=True)
    idempotency_key = models.CharField(max_length=80, unique=True)
    body_hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = [
            models.CheckConstraint(name="slip_positive", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="slip_booked_or_not",
                condition=Q(state__in=("booked", "cancelled"), receipt__isnull=False)
                | Q(state__in=("awaiting", "returned"), receipt__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["party", "day"], name="slip_by_party"),
            models.Index(fields=["day"], name="slip_cash", condition=Q(method="cash")),
            models.Index(fields=["amount_minor"], name="slip_by_bank", condition=~Q(method="cash")),
            models.Index(fields=["taken_at"], name="slip_awaiting", condition=Q(state="awaiting")),
        ]

    def __str__(self) -> str:
        return self.number


class TillMove(models.Model):
    """One movement of a till's cash, in minor units: into the till positive, out of it negative. Append-only.

    The cash that a till should hold is the sum of its moves; that of a closed till is nothing.
    """

    till = models.ForeignKey(Till, on_delete=models.PROTECT, related_name="moves")
    kind = models.CharField(max_length=10, choices=[(m, m) for m in MOVES])
    amount_minor = models.BigIntegerField()
    slip = models.ForeignKey(Slip, null=True, on_delete=models.PROTECT, related_name="moves")
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slip", "kind"], condition=Q(slip__isnull=False), name="till_move_of_slip_once"),
            models.UniqueConstraint(fields=["till", "kind"], condition=Q(slip__isnull=True), name="till_move_once"),
        ]


class TillCount(models.Model):
    """What a teller counted at the end of the day, blind: expected_minor was fixed when the count was entered. Append-only.

    pieces: [[denomination in minor units, how many], …], the largest first. difference = counted − expected.
    """

    till = models.OneToOneField(Till, on_delete=models.PROTECT, related_name="count")
    pieces = models.JSONField()
    counted_minor = models.BigIntegerField()
    expected_minor = models.BigIntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)

    @property
    def difference_minor(self) -> int:
        """Over (positive) or short (negative)."""
        return self.counted_minor - self.expected_minor


class SlipPrint(models.Model):
    """One printing of a slip: the first of each form is the original, every later one a copy. Append-only."""

    slip = models.ForeignKey(Slip, on_delete=models.PROTECT, related_name="prints")
    form = models.CharField(max_length=9, choices=[("receipt", "receipt"), ("awaiting", "awaiting"), ("cancelled", "cancelled")])
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
