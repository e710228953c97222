"""The columns of the tapes: one row a loan, a change, a party or a facility at a date. Added only; never renamed or retyped.

Money: int64 minor units. Rates: ppm. Names are the field's own (loan-level reporting); ours are marked. A day that was written
before a column existed reads as null there: null is unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 3


@dataclass(frozen=True, slots=True)
class Column:
    """since: the schema version that brought the column."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str
    since: int = 1


MINOR, DAYS, CODE, DAY, COUNT, FLAG = "minor units", "days", "code", "date", "count", "yes or no"
LOANS = (
    Column("data_cut_off_date", pa.date32(), DAY, "business day of the row"),
    Column("loan_id", pa.string(), CODE, "number of the contract"),
    Column("borrower_id", pa.string(), CODE, "salted reference of the borrower"),
    Column("originator_id", pa.string(), CODE, "legal entity"),
    Column("branch", pa.string(), CODE, "booking branch (ours)"),
    Column("product_code", pa.string(), CODE, "product"),
    Column("product_version", pa.int32(), COUNT, "version under which the contract was signed (ours)"),
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
    Column("days_past_due", pa.int32(), DAYS, "days since the oldest counted unpaid due date, by the plan as it now stands"),
    Column("bucket", pa.string(), CODE, "current, d1_30, d31_60, d61_90, d91_180, d180p, written_off, closed (ours)"),
    Column("loan_status", pa.string(), CODE, "active, overdue, paid_off, written_off"),
    Column("five_category", pa.string(), CODE, "five-category class: normal, special_mention, substandard, doubtful, loss"),
    Column("channel", pa.string(), CODE, "how the loan came in", 2),
    Column("purpose", pa.string(), CODE, "what the money is for", 2),
    Column("customer_manager", pa.string(), CODE, "number of the customer manager's post (ours)", 2),
    Column("facility_id", pa.string(), CODE, "number of the revolving limit that the loan draws on (ours)", 2),
    Column("first_payment_date", pa.date32(), DAY, "first due date as signed", 2),
    Column("original_maturity_date", pa.date32(), DAY, "last due date, where the contract names it", 2),
    Column("maturity_date", pa.date32(), DAY, "due date of the last row of the plan as it now stands", 2),
    Column("original_term", pa.int32(), COUNT, "instalments as signed; null where the contract names none", 2),
    Column("remaining_term", pa.int32(), COUNT, "rows of the plan that have not fallen due", 2),
    Column("payments_due", pa.int32(), COUNT, "rows that fell due so far (ours)", 2),
    Column("payments_made", pa.int32(), COUNT, "rows whose principal and interest are settled", 2),
    Column("last_due_date", pa.date32(), DAY, "due date of the last row that fell due (ours)", 2),
    Column("amortisation_type", pa.string(), CODE, "annuity, equal_principal, interest_only, bullet, flat, custom", 2),
    Column("interest_rate_type", pa.string(), CODE, "fixed, or floating after a reference rate", 2),
    Column(
        "modification_flag",
        pa.bool_(),
        FLAG,
        "the plan is not as signed: deferred, extended, replaced, settled …",
        2,
    ),
    Column("paid_total", pa.int64(), MINOR, "money taken in so far (ours)", 2),
    Column("overdue_balance", pa.int64(), MINOR, "everything unpaid that fell due before the day, in all components (ours)", 2),
    Column("arrears_since", pa.date32(), DAY, "the oldest counted unpaid due date; null when not past due (ours)", 2),
    Column(
        "shown_days_past_due",
        pa.int32(),
        DAYS,
        "days past due that the customer is shown: 0 while money is in flight or here (ours)",
        2,
    ),
    Column("contractual_days_past_due", pa.int32(), DAYS, "days past due by the rows as signed, no reschedule counted (ours)", 2),
    Column("borrower_days_past_due", pa.int32(), DAYS, "the borrower's own lateness, a guarantor's payment put aside (ours)", 2),
    Column("debit_in_flight", pa.int64(), MINOR, "debits sent whose result is not known (ours)", 2),
    Column("guarantor_claim", pa.int64(), MINOR, "what a guarantor paid and the borrower owes him (ours)", 2),
    Column("write_off_date", pa.date32(), DAY, "day of the write-off; null when not written off", 2),
    Column("write_off_amount", pa.int64(), MINOR, "claims at the write-off, all components; 0 when not written off", 2),
    Column("cumulative_recoveries", pa.int64(), MINOR, "money since the write-off", 2),
    Column("holds_open", pa.int32(), COUNT, "holds in force on the loan, or on the borrower without naming a loan (ours)", 2),
    Column("is_held", pa.bool_(), FLAG, "whether any hold is in force (ours)", 2),
    Column("event_count", pa.int32(), COUNT, "events of the loan recorded by the cut-off (ours)", 2),
    Column("replay_state", pa.string(), CODE, "ok, event_rejected or terms_impossible; unless ok all figures are null (ours)", 2),
    Column("rejected_event", pa.int32(), COUNT, "seq of the event that cannot apply; null when replayed (ours)", 2),
    Column("standing_source", pa.string(), CODE, "whose figures these are: replay, or core while a break is open (ours)", 3),
)
TRANSITIONS = (
    Column("data_cut_off_date", pa.date32(), DAY, "business day of the close that saw it"),
    Column("loan_id", pa.string(), CODE, "number of the contract"),
    Column(
        "kind",
        pa.string(),
        CODE,
        "opened, became_due, became_overdue, rolled, cured, paid_off, written_off, reopened, corrected (the day before looks "
        "different now: from = as its tape says, to = as replay says today)",
    ),
    Column("from_bucket", pa.string(), CODE, "bucket on the day before; null for a new loan"),
    Column("to_bucket", pa.string(), CODE, "bucket on the day"),
    Column("originator_id", pa.string(), CODE, "legal entity", 2),
    Column("branch", pa.string(), CODE, "booking branch", 2),
    Column("from_days_past_due", pa.int32(), DAYS, "days past due on the day before", 2),
    Column("to_days_past_due", pa.int32(), DAYS, "days past due on the day", 2),
    Column("from_balance", pa.int64(), MINOR, "total_balance on the day before", 2),
    Column("to_balance", pa.int64(), MINOR, "total_balance on the day", 2),
)
PEOPLE = (
    Column("data_cut_off_date", pa.date32(), DAY, "business day of the row", 2),
    Column("party_id", pa.string(), CODE, "salted reference of the party", 2),
    Column("party_kind", pa.string(), CODE, "person or enterprise", 2),
    Column("branch", pa.string(), CODE, "branch where the party is registered", 2),
    Column("loans_as_borrower", pa.int32(), COUNT, "open loans as borrower or co-borrower", 2),
    Column("loans_as_guarantor", pa.int32(), COUNT, "open loans of others that the party stands for", 2),
    Column("loans_overdue", pa.int32(), COUNT, "open loans as borrower or co-borrower that are past due", 2),
    Column("worst_days_past_due", pa.int32(), DAYS, "most days past due as borrower or co-borrower", 2),
    Column("worst_days_past_due_guaranteed", pa.int32(), DAYS, "most days past due of the loans that the party stands for", 2),
    Column("exposure", pa.int64(), MINOR, "unpaid principal as borrower or co-borrower", 2),
    Column("exposure_guaranteed", pa.int64(), MINOR, "unpaid principal that the party stands for, up to each cap", 2),
    Column("arrears_balance", pa.int64(), MINOR, "unpaid principal and interest past due as borrower or co-borrower", 2),
    Column("worst_category", pa.string(), CODE, "worst five-category class as borrower or co-borrower; null without a loan", 2),
    Column("holds_open", pa.int32(), COUNT, "holds in force on the party or any loan of it", 2),
    Column("promises_live", pa.int32(), COUNT, "promises not withdrawn and not yet past their day", 2),
    Column("promised_amount", pa.int64(), MINOR, "what these promises add up to", 2),
    Column("disputes_open", pa.int32(), COUNT, "disputes not closed", 2),
    Column("complaints_open", pa.int32(), COUNT, "complaints not closed", 2),
    Column("help_requests_open", pa.int32(), COUNT, "help requests not closed", 2),
    Column("contacts_out_1d", pa.int32(), COUNT, "contacts that the lender made on the day", 2),
    Column("contacts_out_7d", pa.int32(), COUNT, "contacts that the lender made on the day and the six before", 2),
    Column("contacts_in_7d", pa.int32(), COUNT, "contacts that the party made on the day and the six before", 2),
)
FACILITIES = (
    Column("data_cut_off_date", pa.date32(), DAY, "business day of the row", 2),
    Column("facility_id", pa.string(), CODE, "number of the facility", 2),
    Column("party_id", pa.string(), CODE, "salted reference of the party that holds it", 2),
    Column("originator_id", pa.string(), CODE, "legal entity", 2),
    Column("limit_amount", pa.int64(), MINOR, "the limit", 2),
    Column("drawn", pa.int64(), MINOR, "unpaid principal of the loans under it", 2),
    Column("undrawn", pa.int64(), MINOR, "what can still be drawn: nothing when frozen or expired", 2),
    Column("drawdowns_open", pa.int32(), COUNT, "loans under it that are not closed", 2),
    Column("worst_days_past_due", pa.int32(), DAYS, "most days past due among them", 2),
    Column("is_frozen", pa.bool_(), FLAG, "whether drawing is stopped", 2),
    Column("opened_on", pa.date32(), DAY, "first day", 2),
    Column("expires_on", pa.date32(), DAY, "last day", 2),
)
TABLES = {"loans": LOANS, "transitions": TRANSITIONS, "people": PEOPLE, "facilities": FACILITIES}
SUBJECTS = {
    "loans": "One row a loan that was paid out by the day, in the order of the book.",
    "transitions": "What changed since the tape of the day before; nothing when that day is not closed.",
    "people": "One row a party that stands in a loan, holds a facility or has an open row of its own.",
    "facilities": "One row a revolving limit.",
}
ORDER = {"loans": ("loan_id",), "transitions": ("loan_id", "kind"), "people": ("party_id",), "facilities": ("facility_id",)}
"""What makes a row of a day unique; digests read a tape in this order."""


def arrow_schema(table: str) -> pa.Schema:
    """Arrow schema of a tape, with the schema version in its metadata."""
    fields = [pa.field(c.name, c.type) for c in TABLES[table]]
    return pa.schema(fields, metadata={"tideover.schema_version": str(SCHEMA_VERSION), "tideover.table": table})
