"""Words of the desk: what a line became, and the reasons in the page's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.lending.rules import bank_match, bank_out
from tideover.lending.rules.bank_match import Reason

REASONS: dict[str, str] = {**bank_match.REASONS, **bank_out.REASONS}
KINDS = {
    "receipt": gettext_noop("receipt of a borrower"),
    "suspense": gettext_noop("unplaced receipt"),
    "settlement": gettext_noop("settlement of a debit batch"),
    "own": gettext_noop("own transfer"),
    "fee": gettext_noop("fee of the bank"),
    "refund": gettext_noop("refund gone out"),
    "returned": gettext_noop("returned payment"),
    "returned_out": gettext_noop("our payment came back"),
    "payout": gettext_noop("payout of a loan"),
    "other": gettext_noop("to look at"),
    "same": gettext_noop("the same as another line"),
    "doubt": gettext_noop("perhaps here already"),
}
STATES = {
    "storing": gettext_noop("coming in"),
    "done": gettext_noop("taken in"),
    "partly": gettext_noop("taken in, some rows not"),
    "refused": gettext_noop("refused"),
}
REFUSALS = {
    "entities": gettext_noop("The file declares a document type or entities. Banks do not send that; it is not read."),
    "not_xml": gettext_noop("The file is no sound XML in the encoding that it declares."),
    "not_camt": gettext_noop("The XML is no CAMT.053 statement."),
    "not_mt940": gettext_noop("The text is no MT940 statement."),
    "bad_line": gettext_noop("A line of the statement cannot be read."),
    "bad_balance": gettext_noop("A balance cannot be read."),
    "no_balance": gettext_noop("The opening or the closing balance is missing."),
    "no_direction": gettext_noop("An entry does not say whether money came or went."),
    "batch": gettext_noop("The payments of a batch entry do not come to its amount."),
    "unbalanced": gettext_noop("Opening balance and lines do not give the closing balance."),
    "currency": gettext_noop("The file is in a currency that this book does not keep."),
    "unknown_account": gettext_noop("The account is none of this lender's accounts."),
    "closed_account": gettext_noop("The account was closed before a line of the file."),
    "no_account": gettext_noop("The file does not say whose account it is. Choose the account."),
    "future": gettext_noop("A line is booked on a day that is still to come."),
    "empty": gettext_noop("The file is empty."),
    "encoding": gettext_noop("The text is neither UTF-8 nor GB18030."),
    "pdf": gettext_noop("A PDF is for people. Ask the bank for CAMT.053, MT940, CSV or XLS."),
    "not_sheet": gettext_noop("The workbook cannot be opened."),
    "unknown_layout": gettext_noop("No known layout has these columns. Say what they mean in a mapping."),
    "no_header": gettext_noop("The mapping names columns that the file does not have."),
    "bad_mapping": gettext_noop("The mapping cannot be used."),
    "too_large": gettext_noop("The file is too large."),
}


def masked(name: str) -> str:
    """The name of the other side as lists show it: its first character; what the bank hid stays hidden."""
    return f"{name[:1]}{'*' * min(3, len(name) - 1)}" if name else ""


def masked_account(account: str) -> str:
    """The last four digits of an account."""
    return f"**** {account[-4:]}" if account else ""


def kind_named(kind: str) -> str:
    """What a line is, in words."""
    return _(KINDS.get(kind, kind))


def reason_words(reasons: Sequence[Mapping[str, Any]]) -> str:
    """Reasons, as kept, in one sentence."""
    return "; ".join(_(REASONS[r["code"]]) % {k: v for k, v in r.items() if k != "code"} for r in reasons if r["code"] in REASONS)


def reasons_said(reasons: Sequence[Reason]) -> list[str]:
    """Reasons of a suggestion, each a sentence."""
    return [_(REASONS[r.code]) % r.values for r in reasons]


def reasons_english(reasons: Sequence[Reason]) -> str:
    """The same in English in one line: what is written down when somebody places money by them."""
    return "; ".join(REASONS[r.code] % r.values for r in reasons)
