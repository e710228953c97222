"""Positions are what replay says, sorted: over random loans principal, claims and money held come back to the cent."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.strategies import random_loan, wide_loan
from tideover.accounting.rules import positions as P
from tideover.engine import reference
from tideover.engine.events import EventRejected
from tideover.engine.moves import Cause
from tideover.engine.standing import Standing
from tideover.engine.terms import Component

SEEDS = range(400)
NAMES = (
    "principal",
    "overdue_principal",
    "interest",
    "accrued",
    "penalty",
    "compound",
    "fee",
    "third_party_fee",
    "recovery_cost",
)


def standings() -> list[tuple[int, Standing, Standing]]:
    """(seed, standing, standing on the day of the write-off or the same)."""
    out = []
    for seed in SEEDS:
        terms, events, as_of = (wide_loan if seed % 2 else random_loan)(random.Random(seed))
        if list(terms.problems()):
            continue
        try:
            s = reference.replay(terms, events, as_of)
            written = [e.on for e in reference.effective(events, None) if e.kind.name == "WRITE_OFF" and e.on <= as_of]
            out.append((seed, s, reference.replay(terms, events, max(written)) if s.is_written_off else s))
        except EventRejected:
            continue
    return out


FOUND = standings()


def facts(nonaccrual: bool, share_ppm: int) -> P.Facts:
    n = len(FOUND)
    return P.Facts(
        {name: np.array([getattr(s, f"{name}_minor") for _, s, _ in FOUND]) for name in NAMES},
        np.array([sum(s.subrogated_minor) for _, s, _ in FOUND]), np.array([s.moves for _, s, _ in FOUND]),
        np.array([w.moves for _, _, w in FOUND]), np.array([w.principal_minor for _, _, w in FOUND]),
        np.full(n, nonaccrual), np.array([s.is_written_off for _, s, _ in FOUND]), np.full(n, share_ppm), np.zeros(n, np.int64),
        np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64),
    )  # fmt: skip


@pytest.mark.parametrize("nonaccrual", [False, True])
@pytest.mark.parametrize("share_ppm", [0, 333_333])
def test_claims_come_back_to_the_cent(nonaccrual: bool, share_ppm: int) -> None:
    f = facts(nonaccrual, share_ppm)
    a = P.positions_of(f)
    assert sum(f.written_off) > 5 and len(FOUND) > 300
    partner = a[:, P.PLACE["off.partner_principal"]]
    assert (P.principal_claimed(a) + partner == f.standing["principal"]).all()
    own = f.moves[:, Cause.CAPITALISED][:, Component.FEE : len(Component)].sum(
        axis=1
    )  # fees that joined principal are the lender's alone
    assert (np.abs(partner - P.share_of(f.standing["principal"] - own, f.share_ppm)) <= 20 + own // 3).all()
    assert (np.abs(partner - P.share_of(f.standing["principal"], f.share_ppm)) <= 20)[own == 0].all()
    claimed = sum(P.claimed_of(a, c) for c in P.INTEREST_LIKE) + a[:, P.PLACE["off.partner_interest"]]
    assert (claimed == sum(P.open_of(f, c) for c in P.INTEREST_LIKE)).all()
    held = np.array([s.surplus_minor for _, s, _ in FOUND])
    assert (P.held_on_books(a) == held).all()
    cost = P.claim_on_books(a, Component.RECOVERY_COST) + a[:, P.PLACE["recovery_cost.written_off"]]
    assert (cost == f.standing["recovery_cost"]).all()


def test_nothing_of_interest_stands_on_the_balance_sheet_of_a_loan_on_non_accrual() -> None:
    f = facts(True, 0)
    a = P.positions_of(f)
    for component in P.INTEREST_LIKE:
        assert (P.claim_on_books(a, component) == 0).all(), component
        assert (a[:, P.PLACE[f"off.{P.NAMES[component]}"]] == P.open_of(f, component)).all()
    assert (a[:, P.PLACE["interest.due"]] == a[:, P.PLACE["interest.recognised"]]).all()
    assert (P.principal_on_books(a)[~f.written_off] == f.standing["principal"][~f.written_off]).all()


def test_a_loan_written_off_stands_on_no_account_but_allowance_and_memoranda() -> None:
    f = facts(False, 0)
    a = P.positions_of(f)
    off = f.written_off
    assert (P.principal_on_books(a)[off] == 0).all()
    assert (a[off, P.PLACE["off.principal"]] == f.standing["principal"][off]).all()
    loss = a[off, P.PLACE["principal.written_off"]] - a[off, P.PLACE["principal.recovered"]]
    came = f.principal_written_off[off] - loss
    assert (came >= 0).all() and came.any()


def test_a_share_is_rounded_towards_zero_on_both_sides() -> None:
    assert P.share_of(np.array([100, -100, 1]), np.array([333_333] * 3)).tolist() == [33, -33, 0]
