"""A book beside a core, and the core's own ledger: the same loans, but for discrepancies that are planted on a given day."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from tests.factories import House
from tideover.core.business_time import micros
from tideover.engine.events import Event, EventKind
from tideover.engine.replay import replay
from tideover.engine.standing import Depth
from tideover.engine.terms import DayCount, Terms, date_of, day
from tideover.lending.columns import Conventions, Loans, columns_of, standings_of
from tideover.lending.imports.bulk import BulkEvent, append
from tideover.lending.imports.standings import standings_refresh
from tideover.lending.imports.targets import CORE_COMPONENTS
from tideover.lending.models import Contract, LoanParty
from tideover.lending.products import CATALOGUE, product_load
from tideover.lending.rules.breaks import figures_of
from tideover.lending.rules.held import COMPONENTS, component_of
from tideover.lending.sources import partition_of

DAYS = [date(2026, 6, 20), date(2026, 6, 21), date(2026, 6, 22)]
"""The days whose files come in."""
START = date(2025, 12, 20)
BALANCES = """
kind: core_balances
columns:
  loan_id: loan
  data_cut_off_date: {from: day, date: "%Y%m%d"}
  current_principal_balance: principal
  interest_due: interest
  accrued_interest: accrued
  penalty_outstanding: penalty
  compound_outstanding: compound
  fees_outstanding: fee
  recovery_cost_outstanding: recovery_cost
  surplus: surplus
  days_past_due: dpd
"""
MOVEMENTS = """
kind: core_movements
columns:
  loan_id: loan
  data_cut_off_date: {from: day, date: "%Y%m%d"}
  reference: nr
  kind: {from: kind, map: {PAY: payment, FEE: charge}}
  effective_on: value_date
  amount: amount
"""
CAUSES = ("rounding", "day_count", "missing_event", "value_date", "unknown")


@dataclass
class Planted:
    """A discrepancy: on which loan, from which day on, of which class, and the loan as the core has it then."""

    number: str
    cause: str
    on: date
    terms: Terms
    events: list[Event]
    add: dict[str, int] = field(default_factory=dict)
    moves: list[Event] = field(default_factory=list)
    """What the core's file of movements of that day says of it, beside the journal's own payments."""
    lost: bool = False
    """Whether the core lacks the journal's payment of that day."""


def book_build(house: House, count: int, seed: int = 5) -> Loans:
    """Loans of an entity in overlay: annuities paid up to June, one in eight late since April. Their journals as columns."""
    house.entity.book_mode = "overlay"
    house.entity.save()
    rng = random.Random(seed)
    product = product_load((CATALOGUE / "consumer_annuity.yaml").read_text(encoding="utf-8"))
    at = datetime(2025, 12, 20, 4, tzinfo=UTC)
    common = {"entity": house.entity, "branch": house.branch, "product": product, "borrower": house.borrower, "created_at": at}
    made = Contract.objects.bulk_create(
        [
            Contract(
                number=f"B-{n:05d}", signed_on=START, disbursed_on=START, principal_minor=rng.randrange(100, 5000) * 1000,
                annual_rate_ppm=rng.choice([72_000, 108_000, 144_000]), instalments=rng.choice([12, 24]),
                first_due_on=date(2026, 1, 20), due_day=20, **common,
            )
            for n in range(count)
        ],
        batch_size=2000,
    )  # fmt: skip
    LoanParty.objects.bulk_create(
        [LoanParty(contract=c, party=c.borrower, role="borrower", valid_from=START) for c in made], batch_size=2000
    )
    append([(c.pk, _payments(n, c)) for n, c in enumerate(made)], "core")
    ids = np.array([c.pk for c in made], np.int64)
    standings_refresh(ids.tolist())
    return columns_of(partition_of(ids), Conventions.of_book())


def _payments(n: int, c: Contract) -> list[BulkEvent]:
    """One payment a month, a little more than an instalment is likely to ask for; the late ones stop in March."""
    months = 3 if n % 8 == 0 else 6
    amount = c.principal_minor // c.instalments + c.principal_minor // 90
    out = []
    for m in range(1, months + 1):
        on = date(2026, m, 20) if m < 6 or n % 3 else DAYS[n % 2 + 1]
        at = micros(datetime(on.year, on.month, on.day, 4, tzinfo=UTC))
        out.append(BulkEvent(int(EventKind.PAYMENT), day(on), amount, f"{c.number}:{m}", None, at))
    return out


def plant(loans: Loans, each: int, seed: int = 7) -> list[Planted]:
    """`each` discrepancies of every class, spread over DAYS and over the book."""
    rng = random.Random(seed)
    names = loans.names()
    at = rng.sample(range(len(names)), each * len(CAUSES))
    out = []
    for k, i in enumerate(at):
        cause, on = CAUSES[k % len(CAUSES)], DAYS[(k // len(CAUSES)) % len(DAYS)]
        terms, events = loans.terms.at(i), loans.events.at(i)
        p = Planted(names[i], cause, on, terms, events)
        _PLANT[cause](p, k, rng)
        out.append(p)
    return out


def _rounding(p: Planted, k: int, rng: random.Random) -> None:
    p.add = {"accrued" if k % 2 else "interest": 1 if k % 4 < 2 else 2}


def _day_count(p: Planted, k: int, rng: random.Random) -> None:
    p.terms = p.terms.with_(day_count=DayCount.ACT_365F if k % 2 else DayCount.ACT_360)


def _missing(p: Planted, k: int, rng: random.Random) -> None:
    """A payment that the journal lacks, or one of June's that the core lacks."""
    own = [e for e in p.events if e.on == day(p.on)]
    if own:
        p.events, p.lost = [e for e in p.events if e not in own], True
    else:
        p.moves = [Event(99, day(p.on), EventKind.PAYMENT, amount_minor=rng.randrange(5_000, 90_000))]
        p.events = [*p.events, *p.moves]


def _value_date(p: Planted, k: int, rng: random.Random) -> None:
    last = max((e for e in p.events if e.on < day(DAYS[0])), key=lambda e: e.on)
    moved = Event(last.seq, last.on + rng.choice([3, 5, 8]), last.kind, amount_minor=last.amount_minor)
    p.events = [moved if e.seq == last.seq else e for e in p.events]
    p.moves = [moved]


def _unknown(p: Planted, k: int, rng: random.Random) -> None:
    p.add = {rng.choice(["fee", "penalty", "principal"]): rng.randrange(1_000, 80_000) * 10 + 3}


_PLANT = {
    "rounding": _rounding, "day_count": _day_count, "missing_event": _missing, "value_date": _value_date, "unknown": _unknown,
}  # fmt: skip


def core_figures(p: Planted, on: date) -> dict[str, int]:
    """The planted loan as the core has it."""
    figures = figures_of(replay(p.terms, p.events, day(on), None, Depth.TOTALS))
    return {n: v + p.add.get(n, 0) for n, v in figures.items()}


def files_write(folder: Path, loans: Loans, planted: Sequence[Planted], on: date) -> tuple[Path, Path]:
    """The core's balances and movements of a day."""
    table, by = standings_of(loans, day(on))[0].table, {p.number: p for p in planted if p.on <= on}
    balances, movements, names = folder / f"bal-{on}.csv", folder / f"mov-{on}.csv", loans.names()
    columns = {n: component_of(table, n).tolist() for n in (*COMPONENTS, "days_past_due")}
    with balances.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["loan", "day", *COMPONENTS, "dpd"])
        for i, name in enumerate(names):
            own = {n: c[i] for n, c in columns.items()} if name not in by else core_figures(by[name], on)
            money = [f"{own[n] // 100}.{own[n] % 100:02d}" for n in COMPONENTS]
            out.writerow([name, f"{on:%Y%m%d}", *money, own["days_past_due"]])
    with movements.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["loan", "day", "nr", "kind", "value_date", "amount"])
        e = loans.events.events
        at = np.flatnonzero(e["on"] == day(on))
        of = np.searchsorted(loans.events.offsets, at, side="right") - 1
        lines = [(names[i], day(on), int(a)) for i, a in zip(of.tolist(), e["amount"][at].tolist(), strict=True)]
        lost = {p.number for p in planted if p.lost and p.on == on}
        lines = [line for line in lines if line[0] not in lost]
        lines += [(p.number, m.on, m.amount_minor) for p in planted if p.on == on for m in p.moves]
        for nr, (name, value, amount) in enumerate(lines):
            row = [name, f"{on:%Y%m%d}", f"{on}-{nr}", "PAY", date_of(value).isoformat(), f"{amount // 100}.{amount % 100:02d}"]
            out.writerow(row)
    return balances, movements


assert set(CORE_COMPONENTS) == set(COMPONENTS)
