"""The lender's records, by subject: organisation, parties, contracts, the journal, money in, and rows that all features read."""

from tideover.lending.models.beside import Break, CoreBalance, CoreFile, CoreHold, CoreMovement, CorePolicy, Instruction
from tideover.lending.models.contract import Collateral, Contract, Facility, LoanParty, Product
from tideover.lending.models.counter import CounterSeries, Slip, SlipPrint, Till, TillCount, TillMove
from tideover.lending.models.debits import (
    Debit,
    DebitAccount,
    DebitAnswer,
    DebitBatch,
    DebitFile,
    DebitMove,
    Mandate,
    MandateAct,
)
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
from tideover.lending.models.receipts import PayerAlert, Receipt, ReceiptPart, Refund, WatchList, WatchName
from tideover.lending.models.statements import (
    BankAccount,
    BankLine,
    HookNonce,
    HookSecret,
    LineSeen,
    Match,
    StatementBalance,
    StatementFile,
)

__all__ = [
    "BankAccount", "BankLine", "BookClock", "Branch", "Break", "Claim", "Collateral", "Complaint", "ContactPoint",
    "ContactRecord", "Contract", "CoreBalance", "CoreFile", "CoreHold", "CoreMovement", "CorePolicy", "CounterSeries", "Debit",
    "DebitAccount", "DebitAnswer", "DebitBatch", "DebitFile", "DebitMove", "Dispute", "Facility", "HelpRequest", "Hold",
    "HoldReview", "HookNonce", "HookSecret", "ImportBatch", "Instruction", "LegalEntity", "LineSeen", "LoanEvent",
    "LoanParty", "Mandate", "MandateAct", "Match", "Notice", "Party", "PayerAlert", "Product", "Promise", "PublishedRate",
    "Receipt", "ReceiptPart", "Refund", "ResetNotice", "Slip", "SlipPrint", "Staff", "StandingRow", "StatementBalance",
    "StatementFile", "Team", "Till", "TillCount", "TillMove", "WatchList", "WatchName",
]  # fmt: skip
