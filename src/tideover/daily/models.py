"""The day's runs: one row a close, with its cut-off, its progress and the manifest that commits its tapes."""

from __future__ import annotations

from datetime import date

from django.db import models


class CloseRun(models.Model):
    """One close of one business day. `cut_off` is fixed once; a restart reuses it. The tapes exist when `manifest` is set.

    manifest: file names by tape. steps_done: steps after the manifest that need not be run again. rejected: how many loans could
    not be replayed, and the numbers of the first of them. counts: what steps did, by name. pruned_at: when its tapes were deleted
    by the retention rule; the row stays and says so.
    """

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
    rejected_count = models.BigIntegerField(default=0)
    rejected = models.JSONField(default=list)
    counts = models.JSONField(default=dict)
    pruned_at = models.DateTimeField(null=True)


def runs_closed() -> models.QuerySet[CloseRun]:
    """Days whose tapes are committed, pruned ones too, oldest first."""
    return CloseRun.objects.filter(manifest__isnull=False).order_by("as_of")


def runs_kept() -> models.QuerySet[CloseRun]:
    """Closed days whose tapes have not been pruned, oldest first."""
    return runs_closed().filter(pruned_at__isnull=True)


def run_closed(as_of: date) -> CloseRun | None:
    """The run of a day whose tapes are committed; None when it is not closed."""
    return runs_closed().filter(as_of=as_of).first()
