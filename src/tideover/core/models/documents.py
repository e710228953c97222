"""Documents that were handed out, and signatures over them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tideover.core.fields import EncryptedTextField


class DocumentCount(models.Model):
    """The last number given in a kind and year; its row is locked while a document is made, so that no number is skipped."""

    kind = models.CharField(max_length=40)
    year = models.IntegerField()
    last = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "year"], name="document_count_once")]


class Document(models.Model):
    """One document as it was handed out: its bytes (sealed) are kept until `keep_until`, its number and hash for good.

    `subject_type`, `subject_id`: whom or what it is about (`loan` and its number), never a name. `issuer`: the lender as the
    public page names it. `fingerprint`: SHA-256 over kind, subject, language, day and data: the same again is the same document.
    """

    SEALED = {"content": "document"}
    kind = models.CharField(max_length=40)
    year = models.IntegerField()
    sequence = models.IntegerField()
    number = models.CharField(max_length=40, unique=True)
    code = models.CharField(max_length=20, unique=True)
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=64)
    language = models.CharField(max_length=10)
    as_of = models.DateField()
    issued_at = models.DateTimeField(db_index=True)
    issued_by = models.CharField(max_length=150)
    issuer = models.CharField(max_length=120)
    fingerprint = models.BinaryField(max_length=32)
    template_hash = models.BinaryField(max_length=32)
    sha256 = models.BinaryField(max_length=32, db_index=True)
    content = models.BinaryField()
    data = EncryptedTextField()
    keep_until = models.DateField(db_index=True)
    superseded_by = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="supersedes")
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=150, blank=True)
    cancel_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["subject_type", "subject_id", "-issued_at"])]
        constraints = [
            models.UniqueConstraint(fields=["kind", "year", "sequence"], name="document_number_once"),
            models.UniqueConstraint(fields=["fingerprint"], condition=models.Q(cancelled_at=None), name="document_same_is_same"),
        ]

    @property
    def state(self) -> str:
        """valid, superseded or cancelled."""
        return "cancelled" if self.cancelled_at else "superseded" if self.superseded_by_id else "valid"


class SignatureState(models.TextChoices):
    PENDING = "pending", _("waits for the signer")
    DRAFTED = "drafted", _("being prepared")
    SENT = "sent", _("sent to the signing service")
    SIGNED = "signed", _("signed")
    REFUSED = "refused", _("refused")
    UNKNOWN = "unknown", _("no answer yet")
    EXPIRED = "expired", _("not signed in time")


class Signature(models.Model):
    """One signature over one document: who, how, when, over which hash, and the evidence for it.

    `how`: ca (the lender's, by a certification authority), consent (a person's, by the same, who agreed to sign electronically
    and typed the code that the authority sent), ink (on paper: `content` is the scan, `approval` the second person's check).
    `over_sha256`: of the document's bytes. By an authority: `prepared` holds the PDF with the room for the signature (`field`)
    and `digest` what is asked to be signed, so that an answer that comes late still fits; `content` the signed PDF,
    `signed_sha256` its hash. `request_id` names the request at the authority: the same is never asked under two names. One
    request of a document is out at a time, because each signature goes over the ones before it. `expires_at`: a person may sign
    until then; `code_sent_at`: when the authority last sent a code.
    """

    SEALED = {"prepared": "document", "content": "document"}
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="signatures")
    signer = models.CharField(max_length=120)
    how = models.CharField(max_length=20, choices=[("ca", "ca"), ("consent", "consent"), ("ink", "ink")])
    state = models.CharField(max_length=10, choices=SignatureState.choices, default=SignatureState.DRAFTED)
    request_id = models.CharField(max_length=40, unique=True)
    field = models.CharField(max_length=20, default="Lender")
    over_sha256 = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32, default=b"")
    prepared = models.BinaryField(default=b"")
    room_start = models.IntegerField(default=0)
    room_end = models.IntegerField(default=0)
    content = models.BinaryField(default=b"")
    signed_sha256 = models.BinaryField(max_length=32, default=b"", db_index=True)
    evidence = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    expires_at = models.DateTimeField(null=True)
    code_sent_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    signed_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    approval = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["document", "signer"],
                condition=~models.Q(state__in=[SignatureState.REFUSED, SignatureState.EXPIRED]),
                name="signature_once",
            ),
            models.UniqueConstraint(
                fields=["document"],
                condition=models.Q(how__in=["ca", "consent"], state__in=["drafted", "sent", "unknown"]),
                name="signature_one_out",
            ),
        ]
