"""The consent ledger: what somebody agreed to, and every act on it, kept for good."""

from __future__ import annotations

from django.db import models

from tideover.lending.models.plain import OfParty
from tideover.sources.rules.consents import GIVEN_HOW, PURPOSES


class Consent(OfParty):
    """One consent for one purpose, and its state. What was done about it is in its acts, which nobody can change.

    `scope`: what it reaches, in words of the text that was agreed to; `channel`: empty for every channel; `evidence`: where the
    proof is (number of the clause, hash of the recording).
    """

    purpose = models.CharField(max_length=40, choices=[(p, p) for p in PURPOSES])
    scope = models.CharField(max_length=200, blank=True)
    channel = models.CharField(max_length=20, blank=True)
    given_how = models.CharField(max_length=20, choices=[(g, g) for g in GIVEN_HOW])
    evidence = models.CharField(max_length=120, blank=True)
    given_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)


class ConsentAct(models.Model):
    """Given or withdrawn: when, by whom it was entered, how and with which evidence. Append-only."""

    ACTS = [(a, a) for a in ("given", "withdrawn")]
    consent = models.ForeignKey(Consent, on_delete=models.PROTECT, related_name="acts")
    act = models.CharField(max_length=10, choices=ACTS)
    at = models.DateTimeField()
    how = models.CharField(max_length=20)
    evidence = models.CharField(max_length=120, blank=True)
    actor = models.CharField(max_length=80)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["consent", "act"], name="consent_act_once")]
