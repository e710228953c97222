"""The books: charts, runs of posting, the sub-ledger, entries, turnovers by day, and closed periods.

Entries and closed periods are append-only (lending/triggers.py); an entry of a closed period is refused by the database
(accounting/triggers.py). The sub-ledger is what has been posted of each loan; it moves only with a run.
"""

from __future__ import annotations

from django.db import models

KINDS = ("regular", "opening", "adjusting", "restated", "chart")
"""Why an entry was posted: the day itself; a loan that the books took over; news of an earlier day; the rules or a pack changed;
another chart."""


class Chart(models.Model):
    """A lender's own chart of accounts, from `valid_from` on; without one the built-in chart holds."""

    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT, related_name="charts")
    name = models.CharField(max_length=40)
    valid_from = models.DateField()
    source_yaml = models.TextField()
    loaded_at = models.DateTimeField()
    actor = models.CharField(max_length=80)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entity", "valid_from"], name="chart_once")]


class BookRun(models.Model):
    """One run of posting: the booking days first_day..last_day (first_day after last_day: news of last_day alone), from what
    was recorded by `cut_off`. Killed and run again it goes on: `done_to` is the last contract of a finished part, `posted_to`
    the last day whose entries stand. skipped: how many loans could not be valued, and the numbers of the first. compared: how
    many loans were compared with the day's tape (null: none was), with the breaks found and both totals by component."""

    first_day = models.DateField()
    last_day = models.DateField(db_index=True)
    cut_off = models.DateTimeField()
    state = models.CharField(max_length=10, default="running", choices=[(s, s) for s in ("running", "done")])
    owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    done_to = models.BigIntegerField(default=0)
    posted_to = models.DateField(null=True)
    loans = models.IntegerField(default=0)
    entries = models.IntegerField(default=0)
    skipped_count = models.IntegerField(default=0)
    skipped = models.JSONField(default=list)
    compared = models.IntegerField(null=True)
    break_count = models.IntegerField(default=0)
    breaks = models.JSONField(default=list)
    totals = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="running"), name="book_run_one_at_a_time")
        ]


class RunPart(models.Model):
    """What a part of the book moves, summed by day and place: written with its sub-ledger rows, read when the run ends."""

    run = models.ForeignKey(BookRun, on_delete=models.CASCADE, related_name="parts")
    lines = models.JSONField()


class LoanPosition(models.Model):
    """The sub-ledger: what has been posted of one loan. amounts: minor units by position (rules/positions.py), zero left out.

    as_of, cut_off: day and knowledge they follow from. event_count: how many events were known. at_rest: nothing can move without
    a new event.
    """

    contract = models.OneToOneField("lending.Contract", primary_key=True, on_delete=models.PROTECT, related_name="position")
    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT)
    branch = models.ForeignKey("lending.Branch", on_delete=models.PROTECT)
    product = models.ForeignKey("lending.Product", on_delete=models.PROTECT, db_index=False)
    currency = models.CharField(max_length=3)
    as_of = models.DateField()
    event_count = models.IntegerField()
    at_rest = models.BooleanField()
    nonaccrual_since = models.DateField(null=True)
    written_off = models.BooleanField(default=False)
    amounts = models.JSONField()

    class Meta:
        indexes = [
            models.Index(fields=["entity", "branch", "product"], name="position_place"),
            models.Index(
                fields=["nonaccrual_since"], name="position_nonaccrual", condition=models.Q(nonaccrual_since__isnull=False)
            ),
        ]


class ReceiptPosition(models.Model):
    """The sub-ledger of suspense: what of a receipt is posted as not yet placed."""

    receipt = models.OneToOneField("lending.Receipt", primary_key=True, on_delete=models.PROTECT, related_name="position")
    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT)
    branch = models.ForeignKey("lending.Branch", null=True, on_delete=models.PROTECT)
    amount_minor = models.BigIntegerField()


class Entry(models.Model):
    """One amount from a credit to a debit account. Append-only.

    voucher, line: voucher numbers of an entity run without a gap in each period (month of booked_on). effective_on: the day on
    which what moved took effect (earlier than booked_on for news of an earlier day). contract: the loan, for adjusting entries;
    others are sums over the loans of branch and product. turned: the position fell, so that its accounts are turned round.
    """

    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT, db_index=False)
    period = models.DateField()
    voucher = models.IntegerField()
    line = models.IntegerField()
    booked_on = models.DateField()
    effective_on = models.DateField()
    kind = models.CharField(max_length=10, choices=[(k, k) for k in KINDS])
    branch = models.ForeignKey("lending.Branch", null=True, on_delete=models.PROTECT, db_index=False)
    product = models.ForeignKey("lending.Product", null=True, on_delete=models.PROTECT, db_index=False)
    contract = models.ForeignKey("lending.Contract", null=True, on_delete=models.PROTECT, db_index=False)
    currency = models.CharField(max_length=3)
    position = models.CharField(max_length=40)
    turned = models.BooleanField()
    debit = models.CharField(max_length=20)
    credit = models.CharField(max_length=20)
    amount_minor = models.BigIntegerField()
    run = models.ForeignKey(BookRun, on_delete=models.PROTECT, db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entity", "period", "voucher", "line"], name="entry_number_once"),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="entry_amount_positive"),
            models.CheckConstraint(condition=~models.Q(debit=models.F("credit")), name="entry_two_accounts"),
        ]
        indexes = [
            models.Index(fields=["entity", "booked_on"], name="entry_by_day"),
            models.Index(fields=["contract"], name="entry_of_loan", condition=models.Q(contract__isnull=False)),
        ]


class Turnover(models.Model):
    """Sums of the entries of a day by account: trial balances read these. Written with the entries; `doctor` compares."""

    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT, db_index=False)
    booked_on = models.DateField()
    currency = models.CharField(max_length=3)
    account = models.CharField(max_length=20)
    debit_minor = models.BigIntegerField(default=0)
    credit_minor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entity", "booked_on", "account", "currency"], name="turnover_once"),
        ]


class PeriodClose(models.Model):
    """A month of an entity that is closed: no entry is booked into it any more. Append-only.

    asked_by and decided_by are two persons (core/approvals). vouchers: the last number. digest: SHA-256 over the month's entries.
    """

    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT, related_name="closed_periods")
    period = models.DateField()
    closed_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150)
    decided_by = models.CharField(max_length=150)
    approval = models.CharField(max_length=40)
    vouchers = models.IntegerField()
    entries = models.IntegerField()
    debit_minor = models.BigIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entity", "period"], name="period_closed_once")]
