"""What was agreed: products (versioned), contracts and their parties, facilities, collateral."""

from __future__ import annotations

from django.db import models


class Product(models.Model):
    """One version of a product. `conventions`: engine terms by name (values of engine.terms enumerations as lower-case names);
    a contract keeps the version under which it was signed. `fees`: lending/rules/fees.py."""

    code = models.CharField(max_length=40)
    version = models.IntegerField()
    name_zh = models.CharField(max_length=120)
    name_en = models.CharField(max_length=120)
    conventions = models.JSONField()
    limits = models.JSONField(default=dict)
    fees = models.JSONField(default=list)
    source_yaml = models.TextField()
    valid_from = models.DateField()
    valid_to = models.DateField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code", "version"], name="product_version_once")]


class Facility(models.Model):
    """A revolving limit 随借随还; each drawdown is a contract under it."""

    number = models.CharField(max_length=30, unique=True)
    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT)
    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="facilities")
    limit_minor = models.BigIntegerField()
    frozen = models.BooleanField(default=False)
    opened_on = models.DateField()
    expires_on = models.DateField()


class Contract(models.Model):
    """One loan. Its terms = the product version's conventions + these columns + `overrides` (rare, by engine term name).

    `event_count` and `chain_hash` are the journal's tip, changed only under this row's lock (lending/journal.py).
    """

    number = models.CharField(max_length=30, unique=True)
    entity = models.ForeignKey("lending.LegalEntity", on_delete=models.PROTECT)
    branch = models.ForeignKey("lending.Branch", on_delete=models.PROTECT, related_name="contracts")
    manager = models.ForeignKey("lending.Staff", null=True, on_delete=models.PROTECT, related_name="contracts")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    facility = models.ForeignKey(Facility, null=True, on_delete=models.PROTECT, related_name="drawdowns")
    borrower = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="contracts")
    currency = models.CharField(max_length=3, default="CNY")
    channel = models.CharField(max_length=20, blank=True)
    purpose = models.CharField(max_length=40, blank=True)
    signed_on = models.DateField()
    disbursed_on = models.DateField()
    principal_minor = models.BigIntegerField()
    annual_rate_ppm = models.IntegerField()
    instalments = models.IntegerField(default=0)
    first_due_on = models.DateField(null=True)
    due_day = models.IntegerField(default=0)
    maturity_on = models.DateField(null=True)
    overrides = models.JSONField(default=dict)
    imported_from = models.ForeignKey("lending.ImportBatch", null=True, on_delete=models.PROTECT)
    created_at = models.DateTimeField()
    event_count = models.IntegerField(default=0)
    chain_hash = models.BinaryField(max_length=32, default=b"")

    class Meta:
        indexes = [models.Index(fields=["branch", "number"]), models.Index(fields=["entity", "number"])]


class LoanParty(models.Model):
    """Who stands in a loan, and how: guarantor with cap and period, co-lender with a share, heir …"""

    ROLES = [
        (r, r)
        for r in (
            "borrower", "co_borrower", "guarantor_general", "guarantor_joint", "guarantee_company", "insurer", "co_lender",
            "controller", "heir", "administrator", "proxy",
        )
    ]  # fmt: skip
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="parties")
    party = models.ForeignKey("lending.Party", on_delete=models.PROTECT, related_name="loan_roles")
    role = models.CharField(max_length=20, choices=ROLES)
    cap_minor = models.BigIntegerField(null=True)
    share_ppm = models.IntegerField(null=True)
    valid_from = models.DateField()
    valid_to = models.DateField(null=True)
    recorded_at = models.DateTimeField(null=True)
    """When we learned it; null: with the contract."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["contract", "party", "role", "valid_from"], name="loan_party_once"),
        ]


class Collateral(models.Model):
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="collateral")
    kind = models.CharField(max_length=30)
    value_minor = models.BigIntegerField()
    valued_on = models.DateField()
    recorded_at = models.DateTimeField(null=True)
    """When we learned it; null: with the contract."""
