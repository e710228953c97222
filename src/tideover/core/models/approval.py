"""Maker-checker: what was asked for, frozen, and who decided each step of it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tideover.core.models.people import User


class ApprovalState(models.TextChoices):
    OPEN = "open", _("to decide")
    GRANTED = "granted", _("granted")
    REFUSED = "refused", _("refused")
    WITHDRAWN = "withdrawn", _("withdrawn")
    EXPIRED = "expired", _("expired")


class Approval(models.Model):
    """One act that needs a second person. What is applied is `payload` as it was asked: its hash is checked at each decision.

    `subject`: what it is about (type, id). `entity`, `branch`: codes of where it belongs; empty: the whole house.
    `stamp`: what the subject was when it was asked (the kind's own words); another stamp at the decision is a stale subject.
    `steps_needed`: frozen when asked; each step is decided by another person. No personal data in `payload`: references only.
    `deciders`: every role of `steps_needed`, as `|finance|risk|`, to search by.
    `key`: the asker's own (idempotency); the same key of a kind is the same request, for good.
    """

    reference = models.CharField(max_length=20, unique=True)
    kind = models.CharField(max_length=60)
    key = models.CharField(max_length=120, blank=True)
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=64)
    entity = models.CharField(max_length=20, blank=True)
    branch = models.CharField(max_length=20, blank=True)
    amount_minor = models.BigIntegerField(null=True)
    payload = models.JSONField()
    payload_hash = models.BinaryField(max_length=32)
    stamp = models.CharField(max_length=100, blank=True)
    reason = models.TextField()
    steps_needed = models.JSONField()
    deciders = models.CharField(max_length=300)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="approvals_asked")
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=ApprovalState.choices, default=ApprovalState.OPEN)
    closed_at = models.DateTimeField(null=True)
    closed_why = models.CharField(max_length=40, blank=True)
    outcome = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], condition=~models.Q(key=""), name="approval_key_once"),
        ]
        indexes = [
            models.Index(fields=["kind", "expires_at"], condition=models.Q(state="open"), name="approval_open"),
            models.Index(fields=["subject_type", "subject_id"], name="approval_subject"),
            models.Index(fields=["-closed_at"], name="approval_closed"),
        ]

    @property
    def subject(self) -> tuple[str, str]:
        return self.subject_type, self.subject_id


class ApprovalStep(models.Model):
    """One decision. The database holds that no person decides two steps of one approval, and no step is decided twice."""

    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="steps")
    step = models.PositiveSmallIntegerField()
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="approvals_decided")
    grant = models.BooleanField()
    reason = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["approval", "step"], name="approval_step_once"),
            models.UniqueConstraint(fields=["approval", "decided_by"], name="approval_person_once"),
        ]


class AuthorityVersion(models.Model):
    """The table of who may decide what, from a day on; the text is YAML (core/authority.py). The newest in force holds."""

    text = models.TextField()
    valid_from = models.DateField()
    recorded_at = models.DateTimeField()
    approval = models.ForeignKey(Approval, null=True, on_delete=models.PROTECT)
