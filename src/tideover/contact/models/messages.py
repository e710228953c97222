"""Messages: the wording (templates, versioned), the outbox with its life, letters, calls. Texts and addresses are encrypted."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from tideover.contact.rules.message import SETTLED, State
from tideover.contact.rules.model import Channel, Purpose, Recipient
from tideover.core.fields import EncryptedTextField

CHANNELS = [(c.value, c.name.lower()) for c in Channel]
PURPOSES = [(p.value, p.name.lower()) for p in Purpose]
RECIPIENTS = [(r.value, r.name.lower()) for r in Recipient]


class TemplateState(models.TextChoices):
    DRAFT = "draft", "draft"
    REVIEW = "review", "review"
    PUBLISHED = "published", "published"
    RETIRED = "retired", "retired"


class MessageTemplate(models.Model):
    """One version of a wording. A version never changes once it has been published; a change is a new version.

    variables: {name: {"type": one of wording.TYPES, "example": …}}. texts: {language: {variant: {"subject", "body"}}}; variants
    are app, sms, mail, letter, call. gateway_codes: {scheme of the gateway: its code for this text}. hours: how long a message of
    it may wait to be sent. discloses: whether it lets its reader know of a debt.
    """

    code = models.CharField(max_length=40)
    version = models.IntegerField()
    state = models.CharField(max_length=10, choices=TemplateState.choices, default=TemplateState.DRAFT)
    name_zh = models.CharField(max_length=60)
    name_en = models.CharField(max_length=60)
    purpose = models.SmallIntegerField(choices=PURPOSES)
    recipient = models.SmallIntegerField(choices=RECIPIENTS, default=Recipient.DEBTOR)
    variables = models.JSONField(default=dict)
    texts = models.JSONField(default=dict)
    gateway_codes = models.JSONField(default=dict)
    document_kind = models.CharField(max_length=40, blank=True)
    discloses = models.BooleanField(default=True)
    is_demand = models.BooleanField(default=False)
    is_adverse_notice = models.BooleanField(default=False)
    hours = models.IntegerField(default=72)
    note = models.CharField(max_length=200, blank=True)
    valid_from = models.DateField(null=True)
    valid_to = models.DateField(null=True)
    drafted_by = models.CharField(max_length=80)
    drafted_at = models.DateTimeField()
    approval = models.CharField(max_length=20, blank=True)
    published_by = models.CharField(max_length=80, blank=True)
    published_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code", "version"], name="message_template_version_once")]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"


class LetterBatch(models.Model):
    """Letters printed together: made by one person, handed to the carrier on one day."""

    number = models.CharField(max_length=20, unique=True)
    branch = models.ForeignKey("lending.Branch", null=True, on_delete=models.PROTECT)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=80)
    posted_on = models.DateField(null=True)
    carrier = models.CharField(max_length=40, blank=True)


class Message(models.Model):
    """One message to one person, written in the transaction of the decision that causes it.

    key: of who queued it; the same key is the same message. request_hash: of what was asked under it. verdict, last_verdict: the
    gate's rows at the decision and at the latest try. tries, asked: sends and inquiries so far. next_at: when the worker looks at
    it again; null once it is final. settled_at: the instant that the settling report named. delivered_on: the day of delivery,
    for limitation. names_claim: its text names the creditor, the loan and the sum.
    """

    reference = models.CharField(max_length=20, unique=True)
    key = models.CharField(max_length=120, unique=True)
    request_hash = models.BinaryField(max_length=32)
    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="messages")
    contracts: Any = models.ManyToManyField("lending.Contract", related_name="messages")
    branch = models.ForeignKey("lending.Branch", on_delete=models.PROTECT, related_name="+")
    channel = models.SmallIntegerField(choices=CHANNELS)
    purpose = models.SmallIntegerField(choices=PURPOSES)
    recipient = models.SmallIntegerField(choices=RECIPIENTS)
    template = models.ForeignKey(MessageTemplate, on_delete=models.PROTECT, related_name="messages")
    language = models.CharField(max_length=10)
    to_address = EncryptedTextField()
    to_hash = models.BinaryField(max_length=16, default=b"")
    subject = EncryptedTextField()
    body = EncryptedTextField()
    params = EncryptedTextField()
    sign_name = models.CharField(max_length=120, blank=True)
    body_sha256 = models.CharField(max_length=64, blank=True)
    is_demand = models.BooleanField(default=False)
    is_adverse_notice = models.BooleanField(default=False)
    names_claim = models.BooleanField(default=False)
    discloses = models.BooleanField(default=True)
    saves_clock = models.BooleanField(default=False)
    approved = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in State], default=State.DRAFTED)
    reason = models.CharField(max_length=80, blank=True)
    verdict = models.BigIntegerField(null=True)
    last_verdict = models.BigIntegerField(null=True)
    contact_record = models.ForeignKey("lending.ContactRecord", null=True, on_delete=models.PROTECT, related_name="+")
    gateway = models.CharField(max_length=20, blank=True)
    provider_id = models.CharField(max_length=120, blank=True)
    tries = models.IntegerField(default=0)
    asked = models.IntegerField(default=0)
    not_before = models.DateTimeField()
    expires_at = models.DateTimeField()
    next_at = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=60, blank=True)
    lease_until = models.DateTimeField(null=True)
    actor = models.CharField(max_length=80)
    created_at = models.DateTimeField(db_index=True)
    first_tried_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    final_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    delivered_on = models.DateField(null=True)
    batch = models.ForeignKey(LetterBatch, null=True, on_delete=models.PROTECT, related_name="letters")

    class Meta:
        indexes = [
            models.Index(fields=["next_at"], name="message_due", condition=Q(next_at__isnull=False)),
            models.Index(fields=["provider_id"], name="message_by_provider", condition=~Q(provider_id="")),
            models.Index(fields=["state", "-created_at"], name="message_by_state"),
            models.Index(fields=["party", "-created_at"], name="message_of_party"),
        ]
        constraints = [
            # A final state has a reason or speaks for itself, and nobody looks at it again.
            models.CheckConstraint(
                name="message_final_or_due",
                condition=Q(final_at__isnull=True, next_at__isnull=False) | Q(final_at__isnull=False, next_at__isnull=True),
            ),
            models.CheckConstraint(
                name="message_settled_is_final", condition=Q(final_at__isnull=False) | ~Q(state__in=sorted(SETTLED))
            ),
            models.CheckConstraint(name="message_final_has_reason", condition=Q(final_at__isnull=True) | ~Q(reason="")),
            models.CheckConstraint(name="message_tries_counted", condition=Q(tries__gte=0, asked__gte=0)),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def channel_name(self) -> str:
        return Channel(self.channel).name.lower()

    @property
    def purpose_name(self) -> str:
        return Purpose(self.purpose).name.lower()

    @property
    def masked_to(self) -> str:
        """The address with its middle hidden: 139****0001, a**@example.cn; a letter's first characters."""
        to = str(self.to_address)
        if "@" in to:
            name, _, host = to.partition("@")
            return f"{name[:1]}**@{host}"
        return f"{to[:3]}****{to[-4:]}" if len(to) >= 7 and to[-4:].isdigit() else f"{to[:6]}…" if len(to) > 6 else to


class MessageEvent(models.Model):
    """One thing that happened to a message. Append-only. detail: codes, numbers and instants; no text of the message."""

    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField()
    what = models.CharField(max_length=20)
    state = models.CharField(max_length=10)
    reason = models.CharField(max_length=80, blank=True)
    verdict = models.BigIntegerField(null=True)
    detail = models.JSONField(default=dict)
    actor = models.CharField(max_length=80)


class ParkedReport(models.Model):
    """A gateway's report about a message that is not known yet: the receipt was faster than the answer. Matched later."""

    provider_id = models.CharField(max_length=120, blank=True)
    key = models.CharField(max_length=120, blank=True)
    reference = models.IntegerField(null=True)
    to_hash = models.BinaryField(max_length=16, default=b"")
    state = models.CharField(max_length=10)
    reason = models.CharField(max_length=80, blank=True)
    at = models.DateTimeField()
    call = models.JSONField(null=True)
    received_at = models.DateTimeField()
    matched_at = models.DateTimeField(null=True)
    message = models.ForeignKey(Message, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [
            models.Index(fields=["received_at"], name="parked_waiting", condition=Q(matched_at__isnull=True)),
        ]


class AddressFault(models.Model):
    """An address of a person that its carrier refused: the gate lets nothing go there until it ends, or somebody clears it.

    refusals: how often since found_at; last_at: when last. ends_at null: it does not end by time. to_hash: contact/addresses.py.
    cleared_by: who verified it, or what proved it (a receipt, an answer from there).
    """

    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="address_faults")
    channel = models.SmallIntegerField(choices=CHANNELS)
    to_hash = models.BinaryField(max_length=16)
    reason = models.CharField(max_length=80)
    message = models.ForeignKey(Message, null=True, on_delete=models.PROTECT, related_name="+")
    found_at = models.DateTimeField()
    refusals = models.IntegerField(default=1)
    last_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    cleared_at = models.DateTimeField(null=True)
    cleared_by = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["party", "channel", "to_hash"], condition=Q(cleared_at__isnull=True), name="address_fault_open_once"
            )
        ]


class Subscription(models.Model):
    """How many messages of one of the gateway's templates a person agreed to and has not had yet (mini program).

    code: the gateway's id of the template, as in gateway_codes. told_at: instant of the newest word of the person, so that a
    gateway that repeats itself changes nothing.
    """

    point = models.ForeignKey("lending.ContactPoint", on_delete=models.PROTECT, related_name="subscriptions")
    code = models.CharField(max_length=80)
    left = models.IntegerField()
    told_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["point", "code"], name="subscription_once"),
            models.CheckConstraint(name="subscription_not_negative", condition=Q(left__gte=0)),
        ]


class InboundMessage(models.Model):
    """What a person sent to us. meaning: stop, start or reply. party null: the sender is not known to the book."""

    channel = models.SmallIntegerField(choices=CHANNELS)
    provider_id = models.CharField(max_length=120)
    party = models.ForeignKey("lending.Party", null=True, on_delete=models.PROTECT, related_name="inbound_messages")
    sender = EncryptedTextField()
    sender_hash = models.BinaryField(max_length=16)
    text = EncryptedTextField()
    meaning = models.CharField(max_length=10)
    at = models.DateTimeField()
    received_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    answered_by = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "provider_id"], name="inbound_once")]


class CallList(models.Model):
    """A list of people to call: who, why, with which script, until when it is allowed."""

    number = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=80)
    branch = models.ForeignKey("lending.Branch", null=True, on_delete=models.PROTECT)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=80)


class CallListLine(models.Model):
    """One person on a list. allowed_until: when the hours of calling end that day; null: it was not allowed, for `blocked`."""

    list = models.ForeignKey(CallList, on_delete=models.CASCADE, related_name="lines")
    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="+")
    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=120)
    template = models.ForeignKey(MessageTemplate, null=True, on_delete=models.PROTECT, related_name="+")
    script = EncryptedTextField()
    allowed_until = models.DateTimeField(null=True)
    blocked = models.CharField(max_length=200, blank=True)
    next_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    asked_by = models.CharField(max_length=80, blank=True)
    verdict = models.BigIntegerField(null=True)
    contact_record = models.ForeignKey("lending.ContactRecord", null=True, on_delete=models.PROTECT, related_name="+")
    done_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["list", "contract"], name="call_line_once")]


class CallRecord(models.Model):
    """One call as the telephone system recorded it. The recording lies there; here are its hash and until when it is kept."""

    call_id = models.CharField(max_length=60, unique=True)
    batch = models.ForeignKey("lending.ImportBatch", null=True, on_delete=models.PROTECT, related_name="+")
    party = models.ForeignKey("lending.Party", null=True, on_delete=models.PROTECT, related_name="call_records")
    line = models.ForeignKey(CallListLine, null=True, on_delete=models.PROTECT, related_name="calls")
    number_hash = models.BinaryField(max_length=16)
    number_masked = models.CharField(max_length=20)
    direction = models.CharField(max_length=3, choices=[("in", "in"), ("out", "out")])
    started_at = models.DateTimeField(db_index=True)
    seconds = models.IntegerField()
    talked = models.BooleanField()
    recording_sha256 = models.CharField(max_length=64, blank=True)
    retention_until = models.DateField(null=True)
    contact_record = models.ForeignKey("lending.ContactRecord", null=True, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="call_seconds", condition=Q(seconds__gte=0))]
