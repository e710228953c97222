"""The gate's rows: every verdict with the rules and facts behind it; a person's preferences; third persons who refused."""

from __future__ import annotations

from typing import Any

from django.db import models


class VerdictRow(models.Model):
    """One answer of the gate, allowed or not. Append-only, numbered and hash-chained per person (contact/chain.py).

    channel, purpose, recipient: names of the gate's enumerations in lower case. `at`: the instant asked about. `about`: ids of
    the loans between bars; `contract` when there is exactly one. `fired`: [{rule, until, instrument, article, status}] of every
    rule that forbids it; `fired_ids`: the same ids between bars, to look for. `facts`: what the gate knew, enough to give the
    verdict again, without personal data. `pack_hash`: SHA-256 of the contact rules of the pack in force on `pack_on`.
    """

    STAGES = [(s, s) for s in ("decision", "sending", "check")]
    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="verdicts")
    contract = models.ForeignKey("lending.Contract", null=True, on_delete=models.PROTECT, related_name="verdicts")
    about = models.TextField(blank=True)
    seq = models.IntegerField()
    at = models.DateTimeField(db_index=True)
    recorded_at = models.DateTimeField()
    stage = models.CharField(max_length=10, choices=STAGES)
    actor = models.CharField(max_length=80)
    channel = models.CharField(max_length=12)
    purpose = models.CharField(max_length=12)
    recipient = models.CharField(max_length=12)
    number_hash = models.BinaryField(max_length=16, default=b"")
    discloses = models.BooleanField()
    saves_clock = models.BooleanField()
    approved = models.BooleanField()
    approval = models.CharField(max_length=40, blank=True)
    allowed = models.BooleanField()
    next_at = models.DateTimeField(null=True)
    fired = models.JSONField()
    fired_ids = models.TextField(blank=True)
    exempt = models.JSONField()
    facts = models.JSONField()
    pack = models.CharField(max_length=10)
    pack_on = models.DateField()
    pack_hash = models.BinaryField(max_length=32)
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["party", "seq"], name="verdict_seq_once")]

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of the rules that forbid it, in the pack's order."""
        return tuple(f["rule"] for f in self.fired)


class ContactPreference(models.Model):
    """How a person wants to be reached. refused: names of channels; inconvenient: [from, to] minutes of the local day; zone:
    where they live when it is not the usual one of their region. Nobody has a row before they choose."""

    party = models.OneToOneField("lending.Party", on_delete=models.PROTECT, related_name="contact_preference")
    refused = models.JSONField(default=list)
    inconvenient = models.JSONField(default=list)
    zone = models.CharField(max_length=40, blank=True)
    changed_at = models.DateTimeField()
    actor = models.CharField(max_length=80)

    def values(self) -> dict[str, Any]:
        """What was chosen, as the gate reads it."""
        return {"refused": self.refused, "inconvenient": self.inconvenient, "zone": self.zone}


class ThirdRefusal(models.Model):
    """A third person who asked not to be contacted again: for good, whoever the debtor is. Kept as the number's keyed hash."""

    number_hash = models.BinaryField(max_length=16, unique=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
