"""People and enterprises. Personal fields are encrypted; each searchable one has a keyed hash beside it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from tideover.core.crypto import search_hash
from tideover.core.fields import EncryptedTextField


class PartyKind(models.TextChoices):
    PERSON = "person", "person"
    ENTERPRISE = "enterprise", "enterprise"


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
