"""Files that were taken in."""

from __future__ import annotations

from django.db import models


class ImportBatch(models.Model):
    """One file that was taken in: kind, name, SHA-256, who, when, counts. The rejects file's name when rows were refused."""

    kind = models.CharField(max_length=20)
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    actor = models.CharField(max_length=80)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=12, default="running")
    accepted = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
