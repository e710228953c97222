"""What a line is that takes money out of the lender's account, or that the bank marks as taking something back. Pure.

In this order: own transfer; returned payment (the bank says so, and exactly one earlier credit line is the one: by the end-to-end
id, the bank's id, or the same side and amount within RETURN_DAYS); refund gone out (reference, or account and amount of one that
waits); payout of a loan (its number and amount); a fee of the bank; else other, for somebody to look at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tideover.lending.rules.bank_match import Reason

Kind = Literal["own", "returned", "refund", "payout", "fee", "other"]
RETURN_DAYS = 35
RETURN_WORDS = re.compile(r"冲正|退票|退汇|撤销|抹账|RETURN|REVERSAL|CHARGEBACK", re.IGNORECASE)
FEE_WORDS = re.compile(
    r"手续费|账户管理费|账户维护费|工本费|短信费|网银服务费|汇划费|电汇费|\bFEE\b|\bNCHG\b|\bCHARGES?\b", re.IGNORECASE
)
COLLECTED_WORDS = re.compile(r"代扣|代收|批扣|批量扣|COLLECTION|DIRECT DEBIT", re.IGNORECASE)
BATCH_NUMBER = re.compile(r"B\d{8}-[0-9A-F]{8}")
FEE_MAX_MINOR = 100_000
"""A fee of the bank above this is looked at by somebody."""
REASONS = {
    "own": "the other side is our own account %(account)s",
    "returned": "the bank takes back line %(line)s",
    "returned_unknown": "the bank takes a payment back, and no single earlier line is the one",
    "refund": "it is refund %(refund)s",
    "payout": "it pays out loan %(loan)s",
    "fee": "the bank's own words call it a fee",
    "other": "nothing in it is known",
    "returned_refunded": "the bank takes back line %(line)s, whose money went back to its payer already",
    "returned_out": "money that we sent came back: nobody paid it in",
    "counter": "it is money of the counter: %(number)s",
    "refund_back": "refund %(refund)s came back",
    "refund_taken": "it looks like refund %(refund)s, which left by another line",
    "settlement": "it is the bank's one line for debit batch %(batch)s",
    "said": "somebody said so",
    "same_said": "somebody said that it is line %(line)s",
    "same_as": "it looks like line %(line)s, which came another way: the same, or a second payment?",
}


@dataclass(frozen=True, slots=True)
class Out:
    """A line as this rule sees it: what it says (reference, ids, text as one), the other side, whether it is a reversal."""

    amount_minor: int
    booked_on: date
    account: str
    words: frozenset[str]
    said: str
    reversal: bool


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier credit line that may be the one taken back."""

    line: str
    amount_minor: int
    booked_on: date
    account: str
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A refund or payout on its way: its own number, the amount, and the account that it goes to (empty: unknown)."""

    number: str
    amount_minor: int
    account: str = ""


@dataclass(frozen=True, slots=True)
class Became:
    """What the line is, and of which (line, refund or loan number; empty: none)."""

    kind: Kind
    of: str
    reason: Reason


def is_return(said: str, reversal: bool) -> bool:
    """Whether the bank says that a line takes another back: by its flag, or by its words."""
    return reversal or bool(RETURN_WORDS.search(unicodedata.normalize("NFKC", said)))


def batches_named(words: frozenset[str]) -> frozenset[str]:
    """Numbers of debit batches among the words of a line."""
    return frozenset(w for w in words if BATCH_NUMBER.fullmatch(w))


def may_settle(said: str, name: str, account: str) -> bool:
    """Whether a credit line that names no batch can be the bank's own for one: it speaks of collecting, or has no other side.

    Its amount must be what the batch took, and nobody who was debited may be the other side: a borrower whose debit failed pays
    the same amount by hand.
    """
    return bool(COLLECTED_WORDS.search(unicodedata.normalize("NFKC", said))) or not (name or account)


def came_back(out: Out, refunds: Sequence[Waiting]) -> Waiting | None:
    """The refund that a credit line brings back: named, or the only one of its amount to its account."""
    return _waiting(out, refunds, by_account=True)


def out_decide(
    out: Out, *, own: Sequence[str], earlier: Sequence[Earlier], refunds: Sequence[Waiting], payouts: Sequence[Waiting]
) -> Became:
    """What a debit line is. Nothing is guessed: of two that fit, neither is taken."""
    if out.account and out.account in own:
        return Became("own", out.account, Reason("own", {"account": out.account}))
    if is_return(out.said, out.reversal):
        back = taken_back(out, earlier)
        if back is None:
            return Became("other", "", Reason("returned_unknown"))
        return Became("returned", back.line, Reason("returned", {"line": back.line}))
    for kind, waiting in (("refund", refunds), ("payout", payouts)):
        found = _waiting(out, waiting, by_account=kind == "refund")
        if found is not None:
            code = {"refund": "refund", "payout": "loan"}[kind]
            return Became("refund" if kind == "refund" else "payout", found.number, Reason(kind, {code: found.number}))
    if FEE_WORDS.search(unicodedata.normalize("NFKC", out.said)) and out.amount_minor <= FEE_MAX_MINOR:
        return Became("fee", "", Reason("fee"))
    return Became("other", "", Reason("other"))


def taken_back(out: Out, earlier: Sequence[Earlier]) -> Earlier | None:
    """The one earlier line that a return takes back; None when none or several fit. The amount must be the same."""
    same = [e for e in earlier if e.amount_minor == out.amount_minor and e.booked_on <= out.booked_on]
    by_id = [e for e in same if e.ids & out.words]
    if by_id:
        return by_id[0] if len(by_id) == 1 else None
    near = [e for e in same if e.account and e.account == out.account and (out.booked_on - e.booked_on).days <= RETURN_DAYS]
    return near[0] if len(near) == 1 else None


def _waiting(out: Out, waiting: Sequence[Waiting], *, by_account: bool) -> Waiting | None:
    same = [w for w in waiting if w.amount_minor == out.amount_minor]
    said = out.said.upper()
    named = [w for w in same if w.number.upper() in out.words or w.number.upper() in said]
    if len(named) == 1:
        return named[0]
    if named or not by_account:
        return None
    to = [w for w in same if w.account and w.account == out.account]
    return to[0] if len(to) == 1 else None
