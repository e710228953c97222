"""Documents of a loan: payoff letter, balance statement, repayment record, contract, each from live replay."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tideover.core.business_time import business_date
from tideover.core.documents import DocumentKind, document_issue, missing, register
from tideover.core.models import Document
from tideover.core.problems import refuse
from tideover.lending.documents.account import balance_data, payoff_data, record_data, settled_on
from tideover.lending.documents.agreement import contract_data
from tideover.lending.documents.common import loan_on
from tideover.lending.models import Contract

TEMPLATES = Path(__file__).parent / "templates"
HEAD = ("borrower", "loan", "principal", "disbursed_on")


def _of_loan(code: str, prefix: str, *needs: str, label: str) -> DocumentKind:
    return DocumentKind(code, prefix, label, TEMPLATES, lambda data: missing(data, *HEAD, *needs))


KINDS = (
    _of_loan("payoff_letter", "PL", "settled_on", "lines", label="Payoff letter"),
    _of_loan("balance_statement", "BS", "lines", "payoff", label="Balance statement"),
    _of_loan("repayment_record", "RR", "rows", "totals", label="Repayment record"),
    _of_loan("contract", "LC", "terms", "cost", "rows", label="Loan contract"),
)
"""The four, in the order of pages."""
CODES = tuple(k.code for k in KINDS)


def kinds_register() -> None:
    """Make the four kinds known to the kit."""
    for kind in KINDS:
        register(kind)


def loan_document_issue(contract: Contract, kind: str, *, language: str, as_of: date | None = None, actor: str) -> Document:
    """Issue one of the four about a loan (`contract` with its product, entity, branch and borrower), as of a day (today).

    A payoff letter is as of the day on which the loan was settled and a contract as of its signing, whenever it is asked for:
    so each has one number for good. Raises Refused: `not_paid_off`, `day_ahead`, `before_payout`, `unknown_kind`.
    """
    day = as_of or business_date()
    if kind == "contract":
        day, data = contract.signed_on, contract_data(contract, language)
    elif kind == "payoff_letter":
        day = settled_on(loan_on(contract, day, language))
        data = payoff_data(loan_on(contract, day, language))
    elif kind == "balance_statement":
        data = balance_data(loan_on(contract, day, language))
    elif kind == "repayment_record":
        data = record_data(loan_on(contract, day, language))
    else:
        raise refuse("unknown_kind", f"a loan has no document {kind}; choose {', '.join(CODES)}", "kind")
    return document_issue(kind, subject=("loan", contract.number), language=language, data=data, as_of=day, actor=actor)
