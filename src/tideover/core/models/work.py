"""Work items: things that need somebody, one queue for the whole house."""

from __future__ import annotations

from django.db import models

from tideover.core.models.people import Role, User


class WorkItem(models.Model):
    """One thing that needs somebody. One open item a key; claimed by one person until the lease ends.

    `why` is an English sentence that may hold %(name)s places for `why_values`; pages translate it. `due_at`: the clock.
    `entity`, `branch`: codes of where it belongs; empty: the whole house. `owner`: a person it was given to; else the role's.
    """

    reference = models.CharField(max_length=20, unique=True)
    kind = models.CharField(max_length=60)
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=64)
    key = models.CharField(max_length=120)
    why = models.CharField(max_length=300)
    why_values = models.JSONField(default=dict)
    owner_role = models.CharField(max_length=20, choices=Role.choices)
    owner = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="work_given")
    entity = models.CharField(max_length=20, blank=True)
    branch = models.CharField(max_length=20, blank=True)
    amount_minor = models.BigIntegerField(null=True)
    opened_at = models.DateTimeField()
    opened_by = models.CharField(max_length=150)
    due_at = models.DateTimeField(null=True)
    claimed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="work_claimed")
    claimed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    done_by = models.CharField(max_length=150, blank=True)
    outcome = models.CharField(max_length=40, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=models.Q(done_at=None), name="work_open_once"),
        ]
        indexes = [
            models.Index(fields=["owner_role", "due_at"], condition=models.Q(done_at=None), name="work_open"),
            models.Index(fields=["subject_type", "subject_id"], name="work_subject"),
            models.Index(fields=["-done_at"], name="work_done"),
        ]

    @property
    def subject(self) -> tuple[str, str]:
        return self.subject_type, self.subject_id
