"""People and enterprises. Personal fields are encrypted; each searchable one has a keyed hash beside it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from tideover.core.crypto import search_hash
from tideover.core.fields import EncryptedTextField


class PartyKind(models.TextChoices):
    PERSON = "person", "person"
    ENTERPRISE = "enterprise", "enterprise"


class PointChannel(models.TextChoices):
    """Channels whose address is a contact point of its own; telephone and postal address are the party's."""

    EMAIL = "email", "email"
    WECOM = "wecom", "wecom"
    MINI_PROGRAM = "mini_program", "mini_program"


POINT_SOURCES = ("import", "staff", "borrower", "binding")
"""Who said that an address is a person's: a file, somebody of the house, the person, or the channel when they bound it."""
ONE_PERSON = (PointChannel.WECOM, PointChannel.MINI_PROGRAM)
"""Channels on which an address is one person's: never that of two."""


class Party(models.Model):
    """A person or an enterprise. `reference` is the salted public handle: the only name of a party in tapes, logs and URLs."""

    reference = models.CharField(max_length=20, unique=True)
    kind = models.CharField(max_length=10, choices=PartyKind.choices)
    name = EncryptedTextField()
    name_hash = models.BinaryField(max_length=16, db_index=True)
    id_number = EncryptedTextField()
    id_hash = models.BinaryField(max_length=16, db_index=True)
    phone = EncryptedTextField()
    phone_hash = models.BinaryField(max_length=16, db_index=True)
    address = EncryptedTextField()
    region = models.CharField(max_length=40, blank=True)
    industry = models.CharField(max_length=40, blank=True)
    birth_year = models.IntegerField(null=True)
    monthly_income_minor = models.BigIntegerField(null=True)
    language = models.CharField(max_length=10, default="zh-hans")
    branch = models.ForeignKey("lending.Branch", on_delete=models.PROTECT, related_name="parties")
    user = models.OneToOneField(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="party")
    created_at = models.DateTimeField()

    def hash_fields(self) -> None:
        """Set the search hashes from the plain fields; call before saving or in bulk creation."""
        self.name_hash = search_hash(self.name)
        self.id_hash = search_hash(self.id_number)
        self.phone_hash = search_hash(self.phone)

    @property
    def masked_name(self) -> str:
        """李明 → 李*; Ann Lee → A**; enterprises keep their first two characters."""
        keep = 2 if self.kind == PartyKind.ENTERPRISE else 1
        return self.name[:keep] + "*" * min(3, max(1, len(self.name) - keep))

    @property
    def masked_phone(self) -> str:
        return f"{self.phone[:3]}****{self.phone[-4:]}" if len(self.phone) >= 7 else "****"

    @property
    def masked_id_number(self) -> str:
        return f"{self.id_number[:3]}***********{self.id_number[-2:]}" if len(self.id_number) > 5 else "****"


class ContactPoint(models.Model):
    """An address of a party on one channel: mail, WeCom's external_userid, the mini program's openid. A new one ends the old.

    address_hash: keyed hash of the address in lower case. That a person may be written to there is said by the consents alone.
    """

    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="points")
    channel = models.CharField(max_length=12, choices=PointChannel.choices)
    address = EncryptedTextField()
    address_hash = models.BinaryField(max_length=16, db_index=True)
    source = models.CharField(max_length=10, choices=[(s, s) for s in POINT_SOURCES])
    added_at = models.DateTimeField()
    added_by = models.CharField(max_length=80)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["party", "channel"], condition=Q(ended_at__isnull=True), name="point_live_once"),
            models.UniqueConstraint(
                fields=["channel", "address_hash"],
                condition=Q(ended_at__isnull=True, channel__in=[c.value for c in ONE_PERSON]),
                name="point_of_one_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} of {self.party_id}"

    @property
    def masked(self) -> str:
        """a**@example.cn; the first and the last characters of an id."""
        to = str(self.address)
        name, at, host = to.partition("@")
        return f"{name[:1]}**@{host}" if at else f"{to[:3]}…{to[-3:]}" if len(to) > 8 else f"{to[:2]}…"
