"""The lender's records, by subject: organisation, parties, contracts, the journal, money in, and rows that all features read."""

from tideover.lending.models.beside import Break, CoreBalance, CoreFile, CoreHold, CoreMovement, CorePolicy, Instruction
from tideover.lending.models.contract import Collateral, Contract, Facility, LoanParty, Product
from tideover.lending.models.debits import Debit
from tideover.lending.models.imports import ImportBatch
from tideover.lending.models.journal import BookClock, LoanEvent, StandingRow
from tideover.lending.models.organisation import Branch, LegalEntity, Staff, Team
from tideover.lending.models.party import ContactPoint, Party
from tideover.lending.models.plain import (
    Claim,
    Complaint,
    ContactRecord,
    Dispute,
    HelpRequest,
    Hold,
    HoldReview,
    Notice,
    Promise,
)
from tideover.lending.models.rates import PublishedRate, ResetNotice
from tideover.lending.models.receipts import Receipt, ReceiptPart

__all__ = [
    "BookClock", "Branch", "Break", "Claim", "Collateral", "Complaint", "ContactPoint", "ContactRecord", "Contract",
    "CoreBalance", "CoreFile", "CoreHold", "CoreMovement", "CorePolicy", "Debit", "Dispute", "Facility", "HelpRequest", "Hold",
    "HoldReview", "ImportBatch", "Instruction", "LegalEntity", "LoanEvent", "LoanParty", "Notice", "Party", "Product",
    "Promise", "PublishedRate", "Receipt", "ReceiptPart", "ResetNotice", "Staff", "StandingRow", "Team",
]  # fmt: skip
