"""Whose money a credit line is: placed only by certainty, else candidates in order with the reasons in words. Pure.

Certain (`decide`):
  M-1  the payer's words name loans, all of one borrower, and the payer's name is the borrower's or a co-borrower's;
  M-2  they name a pay-off quote of a loan, the amount fits the quote on that day, and the name fits as in M-1;
  M-3  they name nothing, and every earlier receipt from the same account was placed for one and the same borrower.
Nothing else places money: an equal amount, a like name, a masked name are reasons of a suggestion. A guarantor's name never
places: it may be a guarantor payment 代偿, which is another event.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tideover.lending.rules.payer_names import RANK, best_fit

SURE = ("same", "pinyin")
PIECES_MAX = 8
WORD = re.compile(r"[A-Z0-9]+(?:[-_/.][A-Z0-9]+)*")
SUGGESTED_MAX = 5
WORTH_SAYING = 20
POINTS = {
    "reference": 50, "quote": 45, "account": 40, "name_same": 30, "amount_overdue": 25, "amount_party": 25, "name_pinyin": 22,
    "amount_instalment": 20, "amount_payoff": 20, "guarantor": 15, "name_masked": 15, "name_near": 8,
}  # fmt: skip
REASONS = {
    "reference": "the payer's words name loan %(loan)s",
    "quote": "the payer's words name pay-off quote %(quote)s of loan %(loan)s",
    "quote_amount": "the amount is not that of quote %(quote)s",
    "account": "%(count)s earlier receipts from this account were theirs",
    "account_shared": "money from this account was placed for %(count)s people before",
    "name_same": "the payer's name is theirs",
    "name_pinyin": "the payer's name is theirs in pinyin",
    "name_masked": "what is shown of the payer's name fits theirs",
    "name_near": "the payer's name is like theirs",
    "name_other": "the payer's name is not theirs",
    "name_hidden": "the payer's name is not told in full",
    "guarantor": "the payer's name is that of a guarantor: it may be a guarantor payment",
    "amount_overdue": "the amount is what is overdue on loan %(loan)s",
    "amount_instalment": "the amount is an instalment of loan %(loan)s",
    "amount_payoff": "the amount pays off loan %(loan)s",
    "amount_party": "the amount is what is overdue on all their loans",
    "several": "the payer's words name loans of several people",
    "nothing": "nothing in it names a loan or a person that is known",
}
"""Reasons by code, as sentences (English msgid with places)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: its code in REASONS, and what its sentence names (no personal data)."""

    code: str
    values: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """As it is kept."""
        return {"code": self.code, **self.values}


@dataclass(frozen=True, slots=True)
class Loan:
    """A loan that the money could be for. Amounts in minor units on the day of the line; 0: nothing of the kind."""

    number: str
    party_id: int
    names: tuple[str, ...]
    guarantors: tuple[str, ...] = ()
    instalment_minor: int = 0
    overdue_minor: int = 0
    payoff_minor: int = 0


@dataclass(frozen=True, slots=True)
class Quote:
    """A pay-off quote whose number stands in the payer's words; `fits`: its amount, within its tolerance, on its days."""

    number: str
    loan: str
    fits: bool


@dataclass(frozen=True, slots=True)
class Money:
    """A credit line as matching sees it. `words`: from `words_of`. `account_of`: by party, how many receipts from the same
    account were placed before."""

    amount_minor: int
    name: str
    words: frozenset[str]
    account_of: Mapping[int, int] = field(default_factory=dict)
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Placing:
    """Certain: whose it is, the loans that the payer named, and why."""

    party_id: int
    loans: tuple[str, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A candidate with its points (the more the likelier) and reasons, the strongest first."""

    party_id: int
    loans: tuple[str, ...]
    points: int
    reasons: tuple[Reason, ...]


def words_of(*texts: str) -> frozenset[str]:
    """Every run of letters and digits in what a payer wrote, and every part of it between hyphens: E2E-LN0001-03 has LN0001.

    Half-width, upper case. Runs without a digit, single characters and bare numbers of fewer than five digits name nothing.
    """
    out = set()
    for text in texts:
        for run in WORD.findall(unicodedata.normalize("NFKC", text).upper()):
            pieces = re.split(r"([-_/.])", run)[: 2 * PIECES_MAX - 1]
            for a in range(0, len(pieces), 2):
                for b in range(a, len(pieces), 2):
                    out.add("".join(pieces[a : b + 1]))
    return frozenset(w for w in out if len(w) > 2 and any(c.isdigit() for c in w) and not (w.isdigit() and len(w) < 5))


def decide(money: Money, loans: Sequence[Loan]) -> Placing | None:
    """Whose money it certainly is (M-1 to M-3), or None."""
    named = [n for n in loans if n.number.upper() in money.words]
    quoted = {q.loan: q for q in money.quotes}
    if any(not q.fits for q in quoted.values()):
        return None
    wanted = named + [n for n in loans if n.number in quoted and n not in named]
    if wanted:
        if len({n.party_id for n in wanted}) != 1:
            return None
        fit = min((best_fit(money.name, n.names) for n in wanted), key=RANK.__getitem__)
        if fit not in SURE:
            return None
        reasons = [Reason("quote", {"quote": q.number, "loan": q.loan}) for q in money.quotes]
        reasons += [Reason("reference", {"loan": n.number}) for n in named]
        numbers = tuple(n.number for n in wanted)
        return Placing(wanted[0].party_id, numbers, (*reasons, Reason(f"name_{fit}")))
    if len(money.account_of) == 1:
        [(party_id, count)] = money.account_of.items()
        return Placing(party_id, (), (Reason("account", {"count": str(count)}),))
    return None


def why_unplaced(money: Money, loans: Sequence[Loan]) -> tuple[Reason, ...]:
    """Why nothing was certain, for the line's own record."""
    named = [n for n in loans if n.number.upper() in money.words or n.number in {q.loan for q in money.quotes}]
    out = [Reason("quote_amount", {"quote": q.number}) for q in money.quotes if not q.fits]
    if len({n.party_id for n in named}) > 1:
        out.append(Reason("several"))
    elif named:
        out.append(Reason("reference", {"loan": named[0].number}))
        fit = best_fit(money.name, [x for n in named for x in n.names])
        hidden = not money.name or fit == "masked"
        out.append(Reason("guarantor" if _guaranteed(money, named) else "name_hidden" if hidden else "name_other"))
    if not named and len(money.account_of) > 1:
        out.append(Reason("account_shared", {"count": str(len(money.account_of))}))
    return tuple(out) or (Reason("nothing"),)


def _guaranteed(money: Money, loans: Sequence[Loan]) -> bool:
    return any(best_fit(money.name, n.guarantors) in SURE for n in loans)


def suggest(money: Money, loans: Sequence[Loan]) -> list[Suggestion]:
    """Candidates, the likeliest first; at most SUGGESTED_MAX, and none that only a like name speaks for."""
    by_party: dict[int, list[Loan]] = {}
    for loan in loans:
        by_party.setdefault(loan.party_id, []).append(loan)
    found = [_suggestion(money, party_id, theirs) for party_id, theirs in by_party.items()]
    worth = [s for s in found if s.points >= WORTH_SAYING]
    return sorted(worth, key=lambda s: (-s.points, s.party_id))[:SUGGESTED_MAX]


def _suggestion(money: Money, party_id: int, loans: Sequence[Loan]) -> Suggestion:
    reasons: list[Reason] = []
    named: list[str] = []
    for loan in loans:
        if loan.number.upper() in money.words:
            named.append(loan.number)
            reasons.append(Reason("reference", {"loan": loan.number}))
    for quote in money.quotes:
        if quote.loan in {n.number for n in loans}:
            named.append(quote.loan)
            reasons.append(Reason("quote", {"quote": quote.number, "loan": quote.loan}))
    if count := money.account_of.get(party_id):
        reasons.append(Reason("account", {"count": str(count)}))
    fit = best_fit(money.name, [n for loan in loans for n in loan.names])
    if fit:
        reasons.append(Reason(f"name_{fit}"))
    if _guaranteed(money, loans):
        reasons.append(Reason("guarantor"))
    reasons += _amounts(money.amount_minor, loans)
    reasons.sort(key=lambda r: -POINTS[r.code])
    points = sum({r.code: POINTS[r.code] for r in reasons}.values())
    return Suggestion(party_id, tuple(dict.fromkeys(named)), points, tuple(reasons))


def _amounts(amount_minor: int, loans: Sequence[Loan]) -> list[Reason]:
    """What the amount is equal to: the strongest reason of each loan."""
    out = []
    for loan in loans:
        for code, said in (
            ("amount_overdue", loan.overdue_minor), ("amount_instalment", loan.instalment_minor),
            ("amount_payoff", loan.payoff_minor),
        ):  # fmt: skip
            if said and said == amount_minor:
                out.append(Reason(code, {"loan": loan.number}))
                break
    overdue = [n.overdue_minor for n in loans if n.overdue_minor]
    if len(overdue) > 1 and sum(overdue) == amount_minor:
        out.append(Reason("amount_party"))
    return out
