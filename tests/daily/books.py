"""A random book in the database: every product, every kind of event, backdated, reversed, rejected, paid off, written off."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.factories import House
from tideover.core.business_time import micros
from tideover.engine.events import EventKind as K
from tideover.engine.terms import day
from tideover.lending.imports.bulk import BulkEvent, append
from tideover.lending.models import Contract, LoanParty
from tideover.lending.products import CATALOGUE, product_load
from tideover.lending.rules.events import SHAPES, Money

START, AS_OF = date(2025, 1, 10), date(2026, 3, 1)
SAYS: dict[K, dict[str, Any] | None] = {
    K.PREPAYMENT: {"prepay_mode": "shorten"}, K.RATE_CHANGE: {"rate_ppm": 48_000, "later_rows": "reamortise"},
    K.CHARGE: {"component": "fee"}, K.WAIVER: {"component": "penalty"}, K.DEFER: {"rows": 2, "defer_interest": "spread"},
    K.EXTENSION: {"until": "2027-06-20"}, K.REAMORTISE: {"rows": 6, "from_day": "2026-03-20"},
    K.RESTRUCTURE: {"class_min": "substandard"}, K.GUARANTOR_PAYMENT: {"shares": [["principal", 1, 2], ["interest", 1, 1]]},
    K.PAY_GUARANTOR: {"components": ["principal", "interest"]}, K.DEBIT: {"debit_id": "D-1", "debit_status": "unknown"},
    K.PAUSE: {"until": "2026-04-01", "pause_what": 7},
    K.NEW_ROWS: {"new_rows": [{"due_on": "2026-05-20", "principal_minor": 600_000}]},
    K.JUDGMENT: {"judgment": {"principal_minor": 500_000, "performance_due_on": "2026-02-01"}},
}  # fmt: skip
NO_MONEY = {kind for kind, shape in SHAPES.items() if shape.money is Money.NONE}
AGAINST = {K.REVERSAL, K.CHARGEBACK, K.ADJUSTMENT}


def instant(on: date, hours: int = 4) -> datetime:
    return datetime(on.year, on.month, on.day, tzinfo=UTC) + timedelta(hours=hours)


def book_build(house: House, loans: int, seed: int) -> list[Contract]:
    """Loans with up to 14 events each. Some are paid out after AS_OF, some have plans of their own."""
    rng = random.Random(seed)
    products = [product_load(p.read_text(encoding="utf-8")) for p in sorted(CATALOGUE.glob("*.yaml"))]
    made = Contract.objects.bulk_create([_contract(house, n, rng.choice(products), rng) for n in range(loans)])
    LoanParty.objects.bulk_create(
        [LoanParty(contract=c, party=c.borrower, role="borrower", valid_from=c.signed_on) for c in made]
    )
    append([(c.pk, _events(c, rng)) for c in made], "test")
    return list(Contract.objects.filter(pk__in=[c.pk for c in made]).select_related("product").order_by("pk"))


def _contract(house: House, n: int, product: Any, rng: random.Random) -> Contract:
    paid_out = START + timedelta(days=rng.choice([0, 3, 40, 200, 300, 500]))
    first = (paid_out.replace(day=1) + timedelta(days=62)).replace(day=20)
    columns: dict[str, Any] = {"instalments": rng.choice([3, 6, 12]), "first_due_on": first, "due_day": 20}
    overrides: dict[str, Any] = {}
    if product.conventions["method"] in ("interest_only", "bullet"):
        columns = {"maturity_on": paid_out + timedelta(days=rng.choice([60, 365])), "due_day": rng.choice([0, 21])}
    elif n % 7 == 0 or product.conventions["method"] == "custom":
        rows = [{"due_on": str(first), "principal_minor": 400_000}, {"due_on": "2026-09-20", "principal_minor": 600_000}]
        overrides, columns = {"method": "custom", "custom_rows": rows}, {"maturity_on": date(2026, 9, 20)}
        if first >= date(2026, 9, 20):
            rows[1]["due_on"] = "2027-09-20"
    elif n % 7 == 1:
        overrides = {"dpd": {"grace_days": 3}}
    return Contract(
        number=f"R-{n}", entity=house.entity, branch=rng.choice([house.branch, house.other_branch]), product=product,
        borrower=rng.choice([house.borrower, house.other_borrower]), signed_on=paid_out, disbursed_on=paid_out,
        principal_minor=1_000_000, annual_rate_ppm=rng.choice([0, 60_000, 144_000]), overrides=overrides,
        created_at=instant(paid_out), **columns,
    )  # fmt: skip


def _events(c: Contract, rng: random.Random) -> list[BulkEvent]:
    out: list[BulkEvent] = []
    on, recorded = c.disbursed_on, instant(c.disbursed_on)
    plain = rng.random() < 0.5
    for seq in range(1, rng.randint(0, 14) + 1):
        on += timedelta(days=rng.randint(0, 50))
        recorded = max(recorded, instant(on)) + timedelta(microseconds=rng.randint(0, 10**6))
        kind = K.PAYMENT if plain or rng.random() < 0.4 else rng.choice([k for k in K if k not in AGAINST])
        extra = SAYS.get(kind)
        if out and rng.random() < 0.15:
            kind, extra = rng.choice(sorted(AGAINST)), {"of_seq": rng.randint(1, seq - 1)}
        backdated = on - timedelta(days=rng.randint(0, 60)) if rng.random() < 0.2 else on
        amount = 0 if kind in NO_MONEY else rng.choice([1, 5_000, 90_000, 350_000, 1_100_000])
        out.append(
            BulkEvent(int(kind), day(max(backdated, c.disbursed_on)), amount, f"{c.number}:{seq}", extra, micros(recorded))
        )
    return out
