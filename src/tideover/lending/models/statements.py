"""Bank statements: the lender's accounts, the files of banks, their lines, and what each line became."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from tideover.core.fields import EncryptedTextField


class BankAccount(models.Model):
    """An account of the lender at a bank. `due_hour`: a day's statement should be here by this hour of the next day (-1: none).
    `calendar`: the working days that have a statement, a calendar of a pack; empty: every day has one.

    Its row is locked while lines of it are stored: two importers of one account wait for one another.
    """

    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT, related_name="bank_accounts")
    number = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    bank = models.CharField(max_length=80, blank=True)
    currency = models.CharField(max_length=3, default="CNY")
    due_hour = models.SmallIntegerField(default=9)
    calendar = models.CharField(max_length=20, blank=True, default="")
    opened_on = models.DateField()
    closed_on = models.DateField(null=True)

    def __str__(self) -> str:
        return self.number


class HookSecret(models.Model):
    """A secret with which a bank signs its calls. Several may hold at once, so that they can be exchanged without a gap."""

    key_id = models.CharField(max_length=20, unique=True)
    bank = models.CharField(max_length=40)
    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT, related_name="+")
    secret = EncryptedTextField()
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=80)
    ends_at = models.DateTimeField(null=True)


class HookNonce(models.Model):
    """A call that was taken: the same nonce of a key again is a replay. Kept longer than a time may be off."""

    secret = models.ForeignKey(HookSecret, on_delete=models.PROTECT, related_name="nonces")
    nonce = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["secret", "nonce"], name="hook_nonce_once")]


class StatementFile(models.Model):
    """A file of a bank, or one call of its webhook. The bytes of a file are kept, sealed.

    `state`: storing (killed here, the same file again finishes it), done, partly (rows in `rejects`), or refused (`problem`,
    `place`).
    `rejects`: JSON list of {place, reason, raw}; sealed, for raw rows name people. `options`: how it was read (mapping, account).
    """

    SEALED = {"content": "statement"}
    STATES = [(s, s) for s in ("storing", "done", "partly", "refused")]
    reference = models.CharField(max_length=20, unique=True)
    entity = models.ForeignKey("lending.LegalEntity", null=True, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=12)
    sha256 = models.CharField(max_length=64, db_index=True)
    content = models.BinaryField(default=b"")
    state = models.CharField(max_length=10, choices=STATES, default="storing")
    code = models.CharField(max_length=30, blank=True)
    problem = models.CharField(max_length=500, blank=True)
    place = models.CharField(max_length=200, blank=True)
    rejects = EncryptedTextField()
    options = models.JSONField(default=dict)
    lines_count = models.IntegerField(default=0)
    new_count = models.IntegerField(default=0)
    known_count = models.IntegerField(default=0)
    rejected_count = models.IntegerField(default=0)
    pending_count = models.IntegerField(default=0)
    received_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    """When somebody said that a refused or partly read file needs nothing more."""
    actor = models.CharField(max_length=80)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sha256"], condition=~Q(state="refused"), name="statement_file_once"),
        ]
        indexes = [
            models.Index(fields=["-received_at"], name="statement_file_new"),
            models.Index(fields=["received_at"], name="statement_file_cut", condition=Q(state="storing")),
        ]


class StatementBalance(models.Model):
    """The balances that a file says of an account: opening on a day, closing on a day."""

    file = models.ForeignKey(StatementFile, on_delete=models.PROTECT, related_name="balances")
    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="balances")
    number = models.CharField(max_length=40, blank=True)
    first_on = models.DateField()
    last_on = models.DateField()
    opening_minor = models.BigIntegerField()
    closing_minor = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "account", "number"], name="statement_balance_once")]
        indexes = [models.Index(fields=["account", "last_on"], name="statement_balance_day")]


class BankLine(models.Model):
    """One booked line of an account: there once, however many files and calls bring it.

    `fingerprint`: keyed hash of what it is known by (lending/rules/fingerprint.py); `base_key`: the same without the number
    that tells equal lines apart. `words`: the payer's own. `reference`: L-…, the line's public name.
    """

    reference = models.CharField(max_length=20, unique=True)
    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="lines")
    file = models.ForeignKey(StatementFile, on_delete=models.PROTECT, related_name="lines")
    place = models.CharField(max_length=200)
    booked_on = models.DateField()
    value_on = models.DateField()
    amount_minor = models.BigIntegerField()
    direction = models.CharField(max_length=6, choices=[("credit", "credit"), ("debit", "debit")])
    name = EncryptedTextField()
    counter_account = EncryptedTextField()
    counter_bank = models.CharField(max_length=80, blank=True)
    counter_hash = models.BinaryField(max_length=16, default=b"")
    words = EncryptedTextField()
    end_to_end = models.CharField(max_length=80, blank=True)
    text = EncryptedTextField()
    bank_id = models.CharField(max_length=80, blank=True)
    entry_id = models.CharField(max_length=80, blank=True)
    is_reversal = models.BooleanField(default=False)
    balance_minor = models.BigIntegerField(null=True)
    fingerprint = models.BinaryField(max_length=16, unique=True)
    base_key = models.BinaryField(max_length=16)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="bank_line_positive", condition=Q(amount_minor__gt=0))]
        indexes = [
            models.Index(fields=["account", "booked_on", "amount_minor"], name="bank_line_day"),
            models.Index(fields=["base_key"], name="bank_line_base"),
            models.Index(fields=["account", "entry_id"], name="bank_line_entry", condition=~Q(entry_id="")),
            models.Index(fields=["counter_hash"], name="bank_line_counter", condition=~Q(counter_hash=b"")),
        ]

    @property
    def signed_minor(self) -> int:
        return self.amount_minor if self.direction == "credit" else -self.amount_minor


class LineSeen(models.Model):
    """A file or call in which a line stands: the first, and each that brought it again.

    `bank_id`: the id with which it came there; webhook and file of one bank may name a line differently.
    """

    line = models.ForeignKey(BankLine, on_delete=models.PROTECT, related_name="seen")
    file = models.ForeignKey(StatementFile, on_delete=models.PROTECT, related_name="seen")
    place = models.CharField(max_length=200)
    bank_id = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "place"], name="line_seen_once")]
        indexes = [models.Index(fields=["bank_id"], name="line_seen_id", condition=~Q(bank_id=""))]


OPEN = Q(undone_at__isnull=True, seen_at__isnull=True, kind__in=("other", "returned_out", "doubt"))
"""Lines that somebody must look at."""


class Match(models.Model):
    """What a line became. One at a time; undoing ends it and makes the next one. Its reasons are codes of lending/rules.

    credit: settlement (of a debit batch), receipt (somebody's, placed by certainty), suspense (a receipt of nobody yet),
    returned_out, own. debit: refund, returned (its receipt was reversed), payout, fee, own, other. same: a line that somebody
    said is another; doubt: perhaps one.
    """

    KINDS = [
        (k, k)
        for k in (
            "settlement", "receipt", "suspense", "own", "fee", "refund", "returned", "returned_out",
            "payout", "other", "same", "doubt",
        )
    ]  # fmt: skip
    line = models.ForeignKey(BankLine, on_delete=models.PROTECT, related_name="matches")
    kind = models.CharField(max_length=12, choices=KINDS)
    receipt = models.ForeignKey("lending.Receipt", null=True, on_delete=models.PROTECT, related_name="bank_matches")
    of = models.CharField(max_length=60, blank=True)
    """The batch, refund, loan, account or line that it is about."""
    reasons = models.JSONField(default=list)
    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=80, blank=True)
    undone_why = models.CharField(max_length=300, blank=True)
    seen_at = models.DateTimeField(null=True)
    """When somebody said that a line of kind other needs nothing more."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["line"], condition=Q(undone_at__isnull=True), name="bank_match_live_once"),
            # A refund leaves by one line, and comes back by one.
            models.UniqueConstraint(
                fields=["kind", "of"],
                condition=Q(undone_at__isnull=True, kind__in=("refund", "returned_out")) & ~Q(of=""),
                name="bank_refund_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["kind", "at"],
                name="bank_match_open",
                condition=OPEN,
            )
        ]

    @property
    def became(self) -> str:
        """What the line is: an unplaced receipt that somebody placed since is a borrower's."""
        return "receipt" if self.kind == "suspense" and self.receipt is not None and self.receipt.party_id else self.kind
