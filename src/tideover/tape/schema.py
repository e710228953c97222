"""The columns of the loan tape: one row a loan at a date. Columns are added, never renamed, retyped or dropped.

Money: int64 minor units. Rates: ppm. Names are the field's own (loan-level reporting); ours are marked.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: pa.DataType
    unit: str
    meaning: str


MINOR, DAYS, CODE, DAY = "minor units", "days", "code", "date"
LOANS = (
    Column("data_cut_off_date", pa.date32(), DAY, "business day of the row"),
    Column("loan_id", pa.string(), CODE, "number of the contract"),
    Column("borrower_id", pa.string(), CODE, "salted reference of the borrower"),
    Column("originator_id", pa.string(), CODE, "legal entity"),
    Column("branch", pa.string(), CODE, "booking branch (ours)"),
    Column("product_code", pa.string(), CODE, "product"),
    Column("product_version", pa.int32(), "count", "version under which the contract was signed (ours)"),
    Column("currency", pa.string(), CODE, "ISO 4217"),
    Column("origination_date", pa.date32(), DAY, "day of payout"),
    Column("original_principal_balance", pa.int64(), MINOR, "principal paid out"),
    Column("current_principal_balance", pa.int64(), MINOR, "all unpaid principal"),
    Column("interest_due", pa.int64(), MINOR, "unpaid interest of rows that fell due (ours)"),
    Column("accrued_interest", pa.int64(), MINOR, "interest of rows not yet due"),
    Column("penalty_outstanding", pa.int64(), MINOR, "unpaid penalty interest"),
    Column("compound_outstanding", pa.int64(), MINOR, "unpaid compound interest (ours)"),
    Column("fees_outstanding", pa.int64(), MINOR, "unpaid fees, third-party fees included"),
    Column("recovery_cost_outstanding", pa.int64(), MINOR, "unpaid recovery cost (ours)"),
    Column("surplus", pa.int64(), MINOR, "money held for the next payment (ours)"),
    Column("total_balance", pa.int64(), MINOR, "what pays the loan off on the day"),
    Column("interest_rate", pa.int32(), "ppm a year", "contract rate at signing"),
    Column("next_payment_date", pa.date32(), DAY, "next row not yet due"),
    Column("next_payment_amount", pa.int64(), MINOR, "what that row asks for"),
    Column("arrears_balance", pa.int64(), MINOR, "arrears_principal + arrears_interest"),
    Column("arrears_principal", pa.int64(), MINOR, "unpaid principal of rows due before the day"),
    Column("arrears_interest", pa.int64(), MINOR, "unpaid interest of rows due before the day"),
    Column("days_past_due", pa.int32(), DAYS, "days since the oldest counted unpaid due date"),
    Column("bucket", pa.string(), CODE, "delinquency bucket (ours)"),
    Column("loan_status", pa.string(), CODE, "active, overdue, paid_off, written_off"),
    Column("five_category", pa.string(), CODE, "five-category class"),
)
TRANSITIONS = (
    Column("data_cut_off_date", pa.date32(), DAY, "business day of the close that saw it"),
    Column("loan_id", pa.string(), CODE, "number of the contract"),
    Column("kind", pa.string(), CODE, "opened, became_overdue, rolled, cured, paid_off, corrected"),
    Column("from_bucket", pa.string(), CODE, "bucket on the day before; null for a new loan"),
    Column("to_bucket", pa.string(), CODE, "bucket on the day"),
)
TABLES = {"loans": LOANS, "transitions": TRANSITIONS}


def arrow_schema(table: str) -> pa.Schema:
    """Arrow schema of a tape, with the schema version in its metadata."""
    fields = [pa.field(c.name, c.type) for c in TABLES[table]]
    return pa.schema(fields, metadata={"tideover.schema_version": str(SCHEMA_VERSION), "tideover.table": table})
