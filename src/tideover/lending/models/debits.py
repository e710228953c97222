"""Debits 代扣: the mandate that allows them, the batches that carry them, and what the bank answered."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from tideover.core.fields import EncryptedTextField
from tideover.lending.rules.debits import OPEN, State

STATES = [(s.value, s.value) for s in State]


class Mandate(models.Model):
    """A borrower's leave to take what is due from their accounts 代扣授权. Without `contracts` it is about every loan of theirs
    with the entity. `valid_to`: its last day; null: until it is withdrawn. `payday`: day of the month on which pay comes in.
    `words_hash`: SHA-256 of the words that were agreed to, in the language in which they were shown."""

    reference = models.CharField(max_length=20, unique=True)
    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="mandates")
    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT)
    contracts = models.ManyToManyField("lending.Contract", related_name="mandates")
    signed_at = models.DateTimeField()
    signed_by = models.CharField(max_length=80)
    signed_how = models.CharField(max_length=10, choices=[(h, h) for h in ("app", "paper", "telephone")])
    valid_from = models.DateField()
    valid_to = models.DateField(null=True)
    cap_take_minor = models.BigIntegerField()
    cap_month_minor = models.BigIntegerField()
    part_allowed = models.BooleanField(default=False)
    payday = models.IntegerField(null=True)
    words_hash = models.BinaryField(max_length=32)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["party", "entity"], condition=Q(withdrawn_at=None), name="mandate_live_once"),
        ]


class MandateAct(models.Model):
    """Somebody gave, changed or withdrew a mandate. Append-only: the record of the consent."""

    ACTS = [(a, a) for a in ("given", "accounts", "withdrawn")]
    mandate = models.ForeignKey(Mandate, on_delete=models.PROTECT, related_name="acts")
    act = models.CharField(max_length=10, choices=ACTS)
    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    how = models.CharField(max_length=10)
    reason = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)


class DebitAccount(models.Model):
    """An account of a mandate; the one with the lowest `rank` is asked first. `fault`: why the bank takes nothing from it."""

    mandate = models.ForeignKey(Mandate, on_delete=models.PROTECT, related_name="accounts")
    rank = models.IntegerField()
    bank_code = models.CharField(max_length=12)
    bank_name = models.CharField(max_length=80)
    holder = EncryptedTextField()
    number = EncryptedTextField()
    number_hash = models.BinaryField(max_length=16, db_index=True)
    fault = models.CharField(max_length=30, blank=True)
    ended_at = models.DateTimeField(null=True)

    @property
    def masked(self) -> str:
        """The last four digits, as banks print them."""
        return f"**** {str(self.number)[-4:]}"


class DebitBatch(models.Model):
    """What goes to the bank at once. drafted → ready (what it says is fixed) → handing (about to leave) → out → settled.

    A worker that dies in `handing` leaves a batch of which nobody knows whether it left. `content_hash`: SHA-256 of the file or
    body as it went out. `cut_off_at`: the bank takes nothing of it that arrives later. `taken_minor`: what its debits took,
    summed up when it settles and with every later result. `credited_minor`: what statements say came for it (one line, and
    a second one for what the bank took late); `credited_on`, `credited_by`: day and reference of the last such line.
    """

    STATES = [(s, s) for s in ("drafted", "ready", "handing", "out", "settled")]
    number = models.CharField(max_length=24, unique=True)
    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT)
    channel = models.CharField(max_length=4, choices=[(c, c) for c in ("file", "http")])
    state = models.CharField(max_length=8, choices=STATES, default="drafted")
    debit_on = models.DateField()
    cut_off_at = models.DateTimeField()
    count = models.IntegerField(default=0)
    total_minor = models.BigIntegerField(default=0)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=80)
    content_hash = models.BinaryField(max_length=32, default=b"")
    out_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    taken_minor = models.BigIntegerField(default=0)
    credited_minor = models.BigIntegerField(default=0)
    credited_on = models.DateField(null=True)
    credited_by = models.CharField(max_length=80, blank=True)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)

    @property
    def state_word(self) -> str:
        """The code under which its state has a word (lending/words.py)."""
        return f"batch_{self.state}"

    @property
    def hash_hex(self) -> str:
        return bytes(self.content_hash).hex()

    @property
    def hash_groups(self) -> str:
        """The hash in groups of eight, so that it wraps on a telephone."""
        return " ".join(self.hash_hex[n : n + 8] for n in range(0, 64, 8))

    class Meta:
        indexes = [
            models.Index(fields=["made_at"], name="batch_open", condition=~Q(state="settled")),
            models.Index(
                fields=["debit_on"], name="batch_uncredited", condition=Q(state="settled") & ~Q(taken_minor=F("credited_minor"))
            ),
        ]  # fmt: skip


class Debit(models.Model):
    """One debit of one loan. `due_on`: the due day for which it tries; `attempt`: which try of that day's it is, from 1.
    `taken_minor`: what the bank took; `value_date`: the day on which it left the account, in the lender's time zone."""

    reference = models.CharField(max_length=40, unique=True)
    contract = models.ForeignKey("lending.Contract", on_delete=models.PROTECT, related_name="debits")
    mandate = models.ForeignKey(Mandate, on_delete=models.PROTECT, related_name="debits")
    account = models.ForeignKey(DebitAccount, on_delete=models.PROTECT, related_name="debits")
    batch = models.ForeignKey(DebitBatch, on_delete=models.PROTECT, related_name="debits")
    due_on = models.DateField()
    debit_on = models.DateField()
    attempt = models.IntegerField()
    amount_minor = models.BigIntegerField()
    part_allowed = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=STATES, default=State.DRAFTED.value)
    reason = models.CharField(max_length=30, blank=True)
    taken_minor = models.BigIntegerField(default=0)
    value_date = models.DateField(null=True)
    bank_reference = models.CharField(max_length=40, blank=True)
    drafted_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    inquire_at = models.DateTimeField(null=True)
    inquiries = models.IntegerField(default=0)

    class Meta:
        constraints = [
            # The database itself refuses a second debit of a loan while one has no result.
            models.UniqueConstraint(fields=["contract"], condition=Q(state__in=OPEN), name="debit_open_once"),
        ]
        indexes = [
            models.Index(fields=["state", "inquire_at"], name="debit_to_ask", condition=Q(inquire_at__isnull=False)),
            models.Index(fields=["contract", "due_on"], name="debit_tries"),
        ]


class DebitMove(models.Model):
    """A debit went from one state to another: who, why, when. Append-only."""

    debit = models.ForeignKey(Debit, on_delete=models.PROTECT, related_name="moves")
    at = models.DateTimeField()
    before = models.CharField(max_length=10, blank=True)
    after = models.CharField(max_length=10)
    reason = models.CharField(max_length=30, blank=True)
    actor = models.CharField(max_length=80)
    detail = models.JSONField(default=dict)


class DebitFile(models.Model):
    """A result file as it came. The same bytes are read once. A file that is not whole, or whose totals do not match, is refused
    whole; `problem` says why."""

    STATES = [(s, s) for s in ("reading", "applied", "refused")]
    name = models.CharField(max_length=120)
    sha256 = models.BinaryField(max_length=32, unique=True)
    state = models.CharField(max_length=8, choices=STATES)
    problem = models.CharField(max_length=200, blank=True)
    batch = models.ForeignKey(DebitBatch, null=True, on_delete=models.PROTECT, related_name="files")
    lines = models.IntegerField(default=0)
    at = models.DateTimeField()


class DebitAnswer(models.Model):
    """What the bank said about one debit, and what that did. Append-only. `debit` null: a reference that is not ours.

    effect: applied; repeated (the same again); conflict (against what stands: money that left is booked, nothing is taken back).
    """

    debit = models.ForeignKey(Debit, null=True, on_delete=models.PROTECT, related_name="answers")
    source = models.CharField(max_length=8, choices=[(s, s) for s in ("file", "http", "inquiry")])
    file = models.ForeignKey(DebitFile, null=True, on_delete=models.PROTECT, related_name="answers")
    reference = models.CharField(max_length=40)
    code = models.CharField(max_length=8)
    amount_minor = models.BigIntegerField(default=0)
    taken_at = models.DateTimeField(null=True)
    bank_reference = models.CharField(max_length=40, blank=True)
    effect = models.CharField(max_length=10, choices=[(e, e) for e in ("applied", "repeated", "conflict", "stranger")])
    at = models.DateTimeField()
