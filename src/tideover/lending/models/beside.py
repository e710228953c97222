"""Life beside a core bank: its daily files, what differs from replay, whose figure holds, and what was asked of it."""

from __future__ import annotations

from django.db import models

FILE_KINDS = ("balances", "movements")
BREAK_STATES = ("open", "accepted", "closed")
CAUSES = ("rounding", "day_count", "missing_event", "value_date", "unknown")
INSTRUCTION_STATES = ("requested", "sent", "confirmed", "rejected", "reflected")


class CorePolicy(models.Model):
    """What an entity's policy says about its core from a day on (lending/rules/beside_policy.py); a later row replaces it."""

    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT, related_name="core_policies")
    valid_from = models.DateField()
    data = models.JSONField(default=dict)
    published_at = models.DateTimeField()
    actor = models.CharField(max_length=80)


class CoreFile(models.Model):
    """A file of the core for one business day. state: running (rows are coming in), taken, refused.

    rejects: the first rows refused, as [row, column, value, reason]. compared_at: when its balances were compared.
    """

    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT, related_name="core_files")
    kind = models.CharField(max_length=10, choices=[(k, k) for k in FILE_KINDS])
    day = models.DateField(null=True)
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=10, default="running")
    started_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=80)
    row_count = models.IntegerField(default=0)
    reject_count = models.IntegerField(default=0)
    rejects = models.JSONField(default=list)
    unknown = models.JSONField(default=list)
    """Numbers of loans in it that the book does not have."""
    compared_at = models.DateTimeField(null=True)
    compared_count = models.IntegerField(default=0)
    break_count = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entity", "kind", "sha256"], name="core_file_once"),
            models.UniqueConstraint(
                fields=["entity", "kind", "day"], condition=models.Q(state__in=("running", "taken")), name="core_file_day_once"
            ),
        ]


class CoreBalance(models.Model):
    """A loan as the core has it at the end of a day, minor units; null where the file does not say.

    Kept: the newest day, and the days on which the core's figure held.
    """

    file = models.ForeignKey(CoreFile, on_delete=models.PROTECT, related_name="balances")
    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="core_balances", db_index=False)
    day = models.DateField()
    principal_minor = models.BigIntegerField(null=True)
    interest_minor = models.BigIntegerField(null=True)
    accrued_minor = models.BigIntegerField(null=True)
    penalty_minor = models.BigIntegerField(null=True)
    compound_minor = models.BigIntegerField(null=True)
    fee_minor = models.BigIntegerField(null=True)
    recovery_cost_minor = models.BigIntegerField(null=True)
    surplus_minor = models.BigIntegerField(null=True)
    days_past_due = models.IntegerField(null=True)
    overdue_principal_minor = models.BigIntegerField(null=True)
    overdue_interest_minor = models.BigIntegerField(null=True)
    next_due_on = models.DateField(null=True)
    next_due_minor = models.BigIntegerField(null=True)
    compared_at = models.DateTimeField(null=True)
    """When this loan alone was compared again after its file."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contract", "day"], name="core_balance_once")]


class CoreMovement(models.Model):
    """Money that the core booked on a loan, with its split where the file gives one (component: minor units)."""

    file = models.ForeignKey(CoreFile, on_delete=models.PROTECT, related_name="movements")
    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="core_movements", db_index=False)
    reference = models.CharField(max_length=60)
    kind = models.SmallIntegerField()
    effective_on = models.DateField()
    amount_minor = models.BigIntegerField()
    instruction = models.CharField(max_length=40, blank=True)
    """The reference of the instruction that the core names as its cause."""
    parts = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contract", "reference"], name="core_movement_once")]


class Break(models.Model):
    """A component of a loan on which core and replay differ by more than the tolerance.

    number: the loan as the file names it; contract: null where the book has no such loan. component: one of rules/held.py, or
    `loan` where only one side has it at all. amount_minor: core less replay on last_on (days for days_past_due). cause: of
    CAUSES. mend: what would make both agree (rules/breaks.py), with what it takes in `mend_with`.
    """

    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT, related_name="breaks")
    contract = models.ForeignKey("lending.Contract", null=True, on_delete=models.PROTECT, related_name="breaks")
    number = models.CharField(max_length=30)
    component = models.CharField(max_length=20)
    first_on = models.DateField()
    last_on = models.DateField()
    core_minor = models.BigIntegerField(null=True)
    replay_minor = models.BigIntegerField(null=True)
    amount_minor = models.BigIntegerField()
    cause = models.CharField(max_length=20, choices=[(c, c) for c in CAUSES], default="unknown")
    cause_on = models.DateField(null=True)
    """The day of the event that explains it."""
    mend = models.CharField(max_length=30, blank=True)
    mend_with = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=[(s, s) for s in BREAK_STATES], default="open")
    opened_at = models.DateTimeField()
    closed_on = models.DateField(null=True)
    closed_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    accepted_by = models.CharField(max_length=80, blank=True)
    accepted_minor = models.BigIntegerField(null=True)

    @property
    def days(self) -> int:
        """The size of a difference of days."""
        return abs(self.amount_minor)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["entity", "number", "component"], condition=models.Q(closed_at=None), name="break_open_once"
            ),
        ]
        indexes = [models.Index(fields=["first_on"], condition=models.Q(closed_at=None), name="break_open_by_age")]


class CoreHold(models.Model):
    """From when to when the core's figure of a loan holds, and when each was learned (lending/held.py)."""

    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="core_holds")
    from_on = models.DateField()
    held_at = models.DateTimeField()
    until_on = models.DateField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["contract"], condition=models.Q(ended_at=None), name="core_hold_open_once"),
        ]


class Instruction(models.Model):
    """A change that the core is asked to make: requested → sent → confirmed or rejected → reflected.

    What it changes enters the journal when the core confirms it, not before. attempts: how often it was handed over; it is
    handed over again only after the core said that it has no such key. problem: why a confirmed one could not be booked.
    """

    reference = models.CharField(max_length=40, unique=True)
    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="instructions")
    kind = models.SmallIntegerField()
    effective_on = models.DateField()
    amount_minor = models.BigIntegerField(default=0)
    extra = models.JSONField(null=True)
    idempotency_key = models.CharField(max_length=80, unique=True)
    body_hash = models.BinaryField(max_length=32)
    reason = models.CharField(max_length=300)
    actor = models.CharField(max_length=80)
    state = models.CharField(max_length=10, choices=[(s, s) for s in INSTRUCTION_STATES], default="requested")
    attempts = models.IntegerField(default=0)
    requested_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    confirmed_on = models.DateField(null=True)
    answer_nr = models.IntegerField(default=0)
    """The number of the answer in the core's list of answers."""
    core_reference = models.CharField(max_length=60, blank=True)
    answer = models.CharField(max_length=300, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    reflected_on = models.DateField(null=True)
    event = models.ForeignKey("lending.LoanEvent", null=True, on_delete=models.PROTECT, related_name="instructions")
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["requested_at"],
                condition=models.Q(state__in=("requested", "sent", "confirmed")),
                name="instruction_on_its_way",
            ),
        ]
