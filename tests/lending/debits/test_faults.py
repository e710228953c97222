"""A few rows of the fault table, small: workers that are killed, a bank that errs; its own ledger is the judge."""

from __future__ import annotations

import pytest

from tests.lending.debits.fault_table import FAULTS, row

ZERO = ("lost", "doubled", "wrong", "open")


@pytest.mark.parametrize(("channel", "fault"), [("file", "mix"), ("http", "steps")])
def test_never_two_takes_never_a_lost_one(channel: str, fault: str) -> None:
    kills = 12 if fault == "steps" else 1
    said = row(channel, fault, loans=8, kills=kills, seed=3)
    assert {k: said[k] for k in ZERO} == dict.fromkeys(ZERO, 0), said
    assert said["loans"] == 8 and said["taken"] > 0 and said["kills"] == kills


@pytest.mark.soak
@pytest.mark.parametrize(("channel", "fault"), [(c, f) for c, faults in FAULTS.items() for f in faults])
def test_every_fault(channel: str, fault: str) -> None:
    said = row(channel, fault, loans=40, kills=15, seed=1)
    print(said)
    assert {k: said[k] for k in ZERO} == dict.fromkeys(ZERO, 0), said
