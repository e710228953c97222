"""The sub-ledger against the tape of the same day: component by component, loan by loan, and in all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from tideover.accounting.models import BookRun, LoanPosition
from tideover.accounting.posting import entities_booked
from tideover.accounting.rules import positions as P
from tideover.engine.terms import Component
from tideover.lending.models import Contract

TAPE = {
    "principal": ("current_principal_balance",),
    "interest": ("interest_due", "accrued_interest"),
    "penalty": ("penalty_outstanding",),
    "compound": ("compound_outstanding",),
    "fee": ("fees_outstanding",),
    "recovery_cost": ("recovery_cost_outstanding",),
    "held": ("surplus",),
    "guarantor_claim": ("guarantor_claim",),
}
"""What is compared: columns of the loan tape whose sum it is."""
TAPE_COLUMNS = ("loan_id", "originator_id", "replay_state", *(c for names in TAPE.values() for c in names))
NAMED_MAX = 50


@dataclass(frozen=True, slots=True)
class Break:
    """One component of one loan on which the two differ (minor units)."""

    loan: str
    component: str
    books_minor: int
    tape_minor: int


@dataclass(frozen=True, slots=True)
class Compared:
    """loans: how many were compared; totals: (books, tape) by component; breaks: every difference."""

    loans: int
    totals: dict[str, tuple[int, int]]
    breaks: list[Break]


def matrix(rows: Iterable[Mapping[str, int]]) -> np.ndarray:
    """Amounts by position as int64[n, len(POSITIONS)]."""
    given = list(rows)
    out = np.zeros((len(given), len(P.POSITIONS)), np.int64)
    for n, row in enumerate(given):
        for name, amount in row.items():
            out[n, P.PLACE[name]] = amount
    return out


def claims(amounts: np.ndarray) -> dict[str, np.ndarray]:
    """What the positions of n loans say of each thing that the tape says too: the lender's and its partners' together."""
    off = {
        name: amounts[:, P.PLACE[f"off.{name}"]] for name in ("partner_principal", "partner_interest", "fee", "guarantor_claim")
    }
    fees = P.claim_on_books(amounts, Component.FEE) + P.claim_on_books(amounts, Component.THIRD_PARTY_FEE)
    cost = P.claim_on_books(amounts, Component.RECOVERY_COST) + amounts[:, P.PLACE["recovery_cost.written_off"]]
    return {
        "principal": P.principal_claimed(amounts) + off["partner_principal"],
        "interest": P.claimed_of(amounts, Component.INTEREST) + off["partner_interest"],
        "penalty": P.claimed_of(amounts, Component.PENALTY),
        "compound": P.claimed_of(amounts, Component.COMPOUND),
        "fee": fees + off["fee"],
        "recovery_cost": cost,
        "held": P.held_on_books(amounts),
        "guarantor_claim": off["guarantor_claim"],
    }


def compare(tape: pa.Table) -> Compared:
    """The whole sub-ledger against a loan tape (TAPE_COLUMNS) of the day that it stands on."""
    booked, listed = {e.code for e in entities_booked().values()}, set(tape["loan_id"].to_pylist())
    keep = np.array([e in booked for e in tape["originator_id"].to_pylist()], bool)
    keep &= np.array([s == "ok" for s in tape["replay_state"].to_pylist()], bool)
    tape = tape.filter(pa.array(keep))
    numbers = dict(Contract.objects.values_list("pk", "number"))
    rows = {numbers[pk]: amounts for pk, amounts in LoanPosition.objects.values_list("pk", "amounts")}
    names = tape["loan_id"].to_pylist()
    amounts = matrix(rows.get(n, {}) for n in names)
    found = claims(amounts)
    said = {k: sum(tape[c].to_numpy(zero_copy_only=False).astype(np.int64) for c in columns) for k, columns in TAPE.items()}
    partner = amounts[:, P.PLACE["off.partner_interest"]] != 0
    for name in ("penalty", "compound"):  # a partner's part of all three kinds of interest is one figure
        found["interest"] = np.where(partner, found["interest"] + found[name], found["interest"])
        said["interest"] = np.where(partner, said["interest"] + said[name], said["interest"])
        found[name], said[name] = np.where(partner, 0, found[name]), np.where(partner, 0, said[name])
    breaks = [
        Break(names[n], name, int(found[name][n]), int(said[name][n]))
        for name in TAPE
        for n in np.flatnonzero(found[name] != said[name]).tolist()
    ]
    breaks += [Break(n, "loan", 1, 0) for n in sorted(set(rows) - listed) if any(rows[n].values())]
    return Compared(len(names), {k: (int(found[k].sum()), int(np.sum(said[k]))) for k in TAPE}, breaks)


def note(tape: pa.Table, as_of: date) -> Compared | None:
    """Compare with the tape of a day and note the answer with the run that posted it; None when the books stand elsewhere."""
    run = BookRun.objects.filter(state="done").order_by("-last_day", "-pk").first()
    if run is None or run.last_day != as_of:
        return None
    found = compare(tape)
    run.compared, run.break_count = found.loans, len(found.breaks)
    run.breaks = [asdict(b) for b in found.breaks[:NAMED_MAX]]
    run.totals = {k: list(v) for k, v in found.totals.items()}
    run.save(update_fields=["compared", "break_count", "breaks", "totals"])
    return found


def totals_line(found: Compared) -> str:
    """One line of a comparison."""
    worst = "; ".join(f"{b.loan} {b.component} {b.books_minor} is not {b.tape_minor}" for b in found.breaks[:5])
    return f"{found.loans} loans equal" if not found.breaks else f"{len(found.breaks)} breaks: {worst}"
