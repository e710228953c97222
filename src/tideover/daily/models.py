"""The day's runs: one row a close, with its cut-off, its progress and the manifest that commits its tape."""

from __future__ import annotations

from django.db import models


class CloseRun(models.Model):
    """One close of one business day. `cut_off` is fixed once; a restart reuses it. The tape exists when `manifest` is set."""

    as_of = models.DateField(unique=True)
    cut_off = models.DateTimeField()
    state = models.CharField(max_length=10, default="running", choices=[(s, s) for s in ("running", "done")])
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    loans = models.BigIntegerField(default=0)
    events = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)
    manifest = models.JSONField(null=True)
    steps_done = models.JSONField(default=list)
