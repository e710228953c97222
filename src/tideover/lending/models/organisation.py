"""Legal entity → branch → team → staff, effective-dated: a row holds from `valid_from` to the day before `valid_to`."""

from __future__ import annotations

from datetime import date

from django.conf import settings
from django.db import models


class BookMode(models.TextChoices):
    RECORD = "record", "record"
    OVERLAY = "overlay", "overlay"


class EffectiveDated(models.Model):
    valid_from = models.DateField()
    valid_to = models.DateField(null=True, blank=True)

    class Meta:
        abstract = True

    def holds_on(self, on: date) -> bool:
        """Whether the row is in force on a day."""
        return self.valid_from <= on and (self.valid_to is None or on < self.valid_to)


class LegalEntity(EffectiveDated):
    code = models.CharField(max_length=20, unique=True)
    name_zh = models.CharField(max_length=120)
    name_en = models.CharField(max_length=120)
    lender_type = models.CharField(max_length=30, default="bank")
    jurisdiction = models.CharField(max_length=10, default="cn")
    currency = models.CharField(max_length=3, default="CNY")
    book_mode = models.CharField(max_length=10, choices=BookMode.choices, default=BookMode.RECORD)


class Branch(EffectiveDated):
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="branches")
    code = models.CharField(max_length=20, unique=True)
    name_zh = models.CharField(max_length=120)
    name_en = models.CharField(max_length=120)
    region = models.CharField(max_length=40, blank=True)


class Team(EffectiveDated):
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="teams")
    code = models.CharField(max_length=20, unique=True)
    name_zh = models.CharField(max_length=120)
    name_en = models.CharField(max_length=120)


class Staff(EffectiveDated):
    """One person's post. Scope: `branch` set → that branch; only `entity` set → all its branches; neither → the whole house."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="posts")
    number = models.CharField(max_length=20, unique=True)
    name_zh = models.CharField(max_length=60)
    name_en = models.CharField(max_length=60)
    entity = models.ForeignKey(LegalEntity, null=True, blank=True, on_delete=models.PROTECT)
    branch = models.ForeignKey(Branch, null=True, blank=True, on_delete=models.PROTECT)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT)
