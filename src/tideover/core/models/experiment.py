"""Experiments: who is in which arm of what, since when, and who agreed to it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tideover.core.models.approval import Approval


class Experiment(models.Model):
    """One version of an experiment; it runs from `starts_on` to the day before `ends_on`, or until it is stopped.

    `surface`: what it is about (a code that the sender asks by). `arms`: [[code, share in ppm], …]. `excluded`: references of
    people who are left out. Nothing of it ever changes but its end.
    """

    code = models.CharField(max_length=40)
    version = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=200)
    design = models.CharField(max_length=10, choices=[("holdout", _("holdout")), ("split", _("split"))])
    surface = models.CharField(max_length=60)
    arms = models.JSONField()
    salt = models.CharField(max_length=40)
    excluded = models.JSONField(default=list)
    starts_on = models.DateField()
    ends_on = models.DateField()
    started_by = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="experiments_started")
    stopped_at = models.DateTimeField(null=True)
    stopped_why = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code", "version"], name="experiment_version_once")]
        indexes = [models.Index(fields=["surface", "starts_on"], name="experiment_surface")]


class Exposure(models.Model):
    """The first time that an assignment took effect on somebody: what they got, or were kept from. Append-only."""

    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="exposures")
    reference = models.CharField(max_length=40)
    arm = models.CharField(max_length=40)
    propensity_ppm = models.IntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experiment", "reference"], name="exposure_once")]
