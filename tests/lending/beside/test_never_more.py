"""Nobody is debited or asked for more than the core says while its figure holds: pages, debits, receipts, whatever it says."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

from django.test import Client

from tests.factories import House, loan, mandate
from tests.lending.beside.test_held import compared, core_file, overlay
from tests.lending.beside.test_writes import take
from tideover.core.business_time import business_date, now
from tideover.engine.events import Event, EventKind
from tideover.engine.standing import Standing
from tideover.engine.terms import day
from tideover.lending.debits.coming import coming
from tideover.lending.debits.planning import due_on_day, loan_facts
from tideover.lending.held import standing_held, standing_replayed
from tideover.lending.models import Contract
from tideover.lending.receipts.debts import claims_due
from tideover.lending.rules.breaks import figures_of
from tideover.lending.rules.held import ABSENT, COMPONENTS, SAID, standing_carried

__all__ = ["overlay"]


def owed(said: dict[str, int]) -> int:
    """Everything that the core's file says is owed, what is not due yet apart."""
    return sum(said[n] for n in COMPONENTS if n not in ("surplus", "accrued"))


def asked(s: Standing) -> int:
    """What is asked for today."""
    return due_on_day(s, business_date())


def standings(house: House) -> list[Standing]:
    """Replay today of loans that are late, fall due today, and are young."""
    today = business_date()
    loan("T-7", house.borrower, house.branch, disbursed_on=today - timedelta(days=40), first_due_on=today)
    loan("T-8", house.borrower, house.branch, disbursed_on=today - timedelta(days=40), first_due_on=today - timedelta(days=9))
    loan("T-9", house.borrower, house.branch, disbursed_on=today - timedelta(days=5), first_due_on=today + timedelta(days=25))
    rows = Contract.objects.filter(number__in=("T-1", "T-7", "T-8", "T-9")).select_related("product")
    return [standing_replayed(c, [], today) for c in rows.order_by("number")]


def test_whatever_the_core_says_no_more_is_asked_for(house: House) -> None:
    rng, today = random.Random(11), day(business_date())
    lower = 0
    for own in standings(house):
        for _draw in range(60):
            said = dict.fromkeys(SAID, ABSENT) | figures_of(own)
            for n in rng.sample(COMPONENTS, rng.randrange(1, 4)):
                said[n] = max(0, said[n] + rng.choice([-1, 1]) * rng.randrange(1, 400_000))
            if rng.random() < 0.3:
                said["days_past_due"] = rng.randrange(0, 90)
            held = standing_carried(said, today, own, own)
            assert {n: v for n, v in figures_of(held).items() if n != "days_past_due"} == {n: said[n] for n in COMPONENTS}
            assert asked(held) <= owed(said), (said, figures_of(own))
            assert held.total_overdue_minor <= owed(said)
            lower += asked(held) < asked(own)
    assert lower > 20, "the draws must say less than replay often enough"


def test_money_that_came_in_since_counts_in_full(house: House) -> None:
    rng, today = random.Random(12), business_date()
    contract = Contract.objects.select_related("product").get(number="T-1")
    own = standing_replayed(contract, [], today)
    for draw in range(80):
        said = dict.fromkeys(SAID, ABSENT) | figures_of(own)
        for n in rng.sample([c for c in COMPONENTS if c != "surplus"], 2):
            said[n] = max(0, said[n] + rng.choice([-1, 1]) * rng.randrange(1, 600_000))
        before = standing_carried(said, day(today), own, own)
        amount = rng.randrange(1, 1_500_000)
        paid = [Event(1, day(today), EventKind.PAYMENT, amount_minor=amount)]
        after = standing_carried(said, day(today), own, standing_replayed(contract, [], today, what_if=paid))
        assert after.payoff_minor == before.payoff_minor - amount, (draw, said, amount)
        assert asked(after) <= max(0, asked(before))


def test_readers_of_a_lower_figure_of_the_core(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    change = {"principal": -7_000_00, "interest": -20_00, "penalty": -1_00}
    compared(overlay, core_file(tmp_path, overlay, today, {"T-1": change}))
    held = standing_held(overlay.loan, today)
    own = standing_replayed(overlay.loan, [], today)
    assert held.is_core and held.standing.payoff_minor == own.payoff_minor - 7_021_00
    facts = loan_facts(overlay.loan, now())
    assert facts.owed_minor == held.standing.payoff_minor and facts.due_minor <= held.standing.payoff_minor
    assert sum(claims_due(held.standing, today).values()) <= held.standing.payoff_minor
    assert [c.on for c in coming(mandate(overlay.loan), now())] == [None, None], "the core takes the money itself"
    most = held.standing.payoff_minor
    receipt = take(overlay, own.payoff_minor, designation=[{"debt": "T-1"}])
    got = {p.contract.number: p.amount_minor for p in receipt.parts.all()}
    assert got["T-1"] == most, "a receipt meets the debt as the core has it"
    assert receipt.unapplied_minor + got.get("T-2", 0) == 7_021_00
    assert standing_held(overlay.loan, today).standing.payoff_minor == 0
    client = Client()
    client.force_login(overlay.staff["payments"])
    assert client.get(f"/receipts/{receipt.number}").status_code == 200
