"""Who signs in: people, their tokens, their failed attempts."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """Every role of the house (docs/roles.md); what each may do is in core/access.py."""

    BORROWER = "borrower", _("Borrower")
    UNDERWRITER = "underwriter", _("Underwriter")
    COLLECTOR = "collector", _("Account adviser")
    TEAM_LEAD = "team_lead", _("Team lead")
    COUNSELLOR = "counsellor", _("Counsellor")
    CUSTOMER_MANAGER = "customer_manager", _("Customer manager")
    BRANCH_HEAD = "branch_head", _("Branch head")
    PAYMENTS = "payments", _("Payments operations")
    FINANCE = "finance", _("Finance")
    LEGAL = "legal", _("Legal officer")
    BUREAU = "bureau", _("Bureau officer")
    COMPLAINTS = "complaints", _("Complaints officer")
    RISK = "risk", _("Risk manager")
    COMPLIANCE = "compliance", _("Compliance officer")
    AUDITOR = "auditor", _("Auditor")
    ENGINEER = "engineer", _("Engineer")
    TELLER = "teller", _("Teller")


class User(AbstractUser):
    """A sign-in. `role` decides the home page and, with the staff row's entity and branch, what is visible."""

    role = models.CharField(max_length=20, choices=Role.choices, default=Role.BORROWER)
    language = models.CharField(max_length=10, default="zh-hans")
    theme = models.CharField(max_length=10, default="auto", choices=[("auto", "auto"), ("light", "light"), ("dark", "dark")])
    large_type = models.BooleanField(default=False)
    shortcuts = models.BooleanField(default=True)
    memo: dict[str, Any] | None = None
    """What one request has asked of this person already; None outside a request (`core.access.remember`)."""


class ApiToken(models.Model):
    """A bearer token for REST; only its SHA-256 is stored."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    token_hash = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)


class SignInFailure(models.Model):
    """One failed sign-in, under a keyed hash of the account and another of the address (core/sign_in.py)."""

    who = models.BinaryField(max_length=16)
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["who", "at"])]
