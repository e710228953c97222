"""A book of many loans for the benchmarks: written in bulk, with whole chains and the standings that replay gives.

Run: python -m bench._book LOANS, in a fresh database. Ten branches of two entities; a borrower has two loans; of a loan's 12
instalments those due are paid, but for one loan in ten, which stopped; a promise, a hold or a complaint on one loan in fifty.
"""

# ruff: noqa: E402
from __future__ import annotations

import sys
from datetime import date, timedelta
from typing import Any

import django

django.setup()

import numpy as np
from django.core.management import call_command
from django.db import transaction

from tideover.core.action_log import Entry, log_many
from tideover.core.business_time import business_date, now
from tideover.core.models import ApiToken, Role, User
from tideover.core.sql import rows_insert
from tideover.core.tokens import token_hash
from tideover.engine.batch import replay_many, standing_of
from tideover.engine.columns import event_columns, terms_columns
from tideover.engine.events import Event, EventKind
from tideover.engine.terms import day
from tideover.lending.contract_terms import terms_for
from tideover.lending.imports import bulk
from tideover.lending.models import (
    Branch,
    Complaint,
    Contract,
    Hold,
    LegalEntity,
    LoanParty,
    Party,
    Product,
    Promise,
    Staff,
    StandingRow,
)
from tideover.lending.products import CATALOGUE, product_load
from tideover.lending.selectors import standing_fields

PART = 5000
PASSWORD = "bench-password-1"


def organisation() -> tuple[list[Branch], dict[str, User]]:
    """Ten branches and one member of staff a role; the narrow roles belong to the first branch."""
    start = date(2020, 1, 1)
    branches, staff = [], {}
    for e in ("BANK", "SHOP"):
        entity = LegalEntity.objects.create(code=e, name_zh=e, name_en=e, valid_from=start)
        for n in range(5):
            code = f"{e}{n}"
            branches.append(Branch.objects.create(entity=entity, code=code, name_zh=code, name_en=code, valid_from=start))
    for n, role in enumerate(Role):
        user = User.objects.create_user(username=role.value, password=PASSWORD, role=role)
        staff[role.value] = user
        ApiToken.objects.create(user=user, name="bench", token_hash=token_hash(role.value), created_at=now())
        narrow = role in (Role.BRANCH_HEAD, Role.CUSTOMER_MANAGER, Role.COLLECTOR)
        if role != Role.BORROWER:
            Staff.objects.create(
                user=user, number=f"S{n}", name_zh=role.value, name_en=role.value, valid_from=start,
                branch=branches[0] if narrow else None,
            )  # fmt: skip
    return branches, staff


def parties(first: int, count: int, branches: list[Branch], user: User | None) -> list[Party]:
    """Borrowers `first` and on; the very first one signs in as the borrower."""
    made = []
    for n in range(first, first + count):
        p = Party(
            reference=f"P-{n:07d}", kind="person", name=f"Name {n % 50_000}", phone=f"199{n:08d}", id_number=f"{n:018d}",
            branch=branches[n % len(branches)], user=user if n == 0 else None, created_at=now(),
        )  # fmt: skip
        p.hash_fields()
        made.append(p)
    return Party.objects.bulk_create(made)


def loans(first: int, count: int, borrowers: list[Party], product: Product, manager: Staff, today: date) -> None:
    """Loans `first` and on, disbursed 1 to 11 months ago, their journals and standings."""
    made = []
    for n in range(first, first + count):
        begun = today - timedelta(days=30 + n * 7 % 300)
        due = begun + timedelta(days=31)
        p = borrowers[n % len(borrowers)]
        made.append(
            Contract(
                number=f"L-{n}", entity=p.branch.entity, branch=p.branch, manager=manager if n % 500 == 0 else None,
                product=product, borrower=p, signed_on=begun, disbursed_on=begun, principal_minor=1_200_000 + n % 1000 * 100,
                annual_rate_ppm=60_000, instalments=12, first_due_on=due.replace(day=20), due_day=20, created_at=now(),
            )
        )  # fmt: skip
    made = Contract.objects.bulk_create(made)
    LoanParty.objects.bulk_create(
        [LoanParty(contract=c, party=c.borrower, role="borrower", valid_from=c.signed_on) for c in made]
    )
    journals = [_payments(c, today) for c in made]
    batches = [(c.pk, j) for c, j in zip(made, journals, strict=True) if j]
    bulk.append(batches, "bench")
    _standings(made, journals, today)
    _rows(made[::50], today)


def _payments(c: Contract, today: date) -> list[bulk.BulkEvent]:
    stopped = int(c.number[2:]) % 10 == 3
    on, out = c.first_due_on or c.disbursed_on, []
    while on <= today and not (stopped and len(out) >= 2):
        key = f"{c.number}:{on}"
        out.append(bulk.BulkEvent(kind=int(EventKind.PAYMENT), on=day(on), amount_minor=c.principal_minor // 12 + 6000, key=key))
        on = (on + timedelta(days=31)).replace(day=20)
    return out


def _standings(made: list[Contract], journals: list[list[bulk.BulkEvent]], today: date) -> None:
    events = [
        [Event(n, e.on, EventKind.PAYMENT, recorded_at=0, amount_minor=e.amount_minor) for n, e in enumerate(j, 1)]
        for j in journals
    ]
    as_of = np.array([day(today)] * len(made))
    found = replay_many(terms_columns([terms_for(c) for c in made]), event_columns(events), as_of)
    rows = [
        StandingRow(contract=c, **standing_fields(standing_of(record, day(today), found.classes), c))
        for c, record in zip(made, found.table, strict=True)
    ]
    rows_insert(StandingRow, rows)


def _rows(some: list[Contract], today: date) -> None:
    base: dict[str, Any] = {"actor": "bench", "recorded_at": now()}
    Promise.objects.bulk_create(
        [
            Promise(party=c.borrower, contract=c, amount_minor=100_00, promised_on=today, due_on=today - timedelta(1), **base)
            for c in some
        ]
    )
    Hold.objects.bulk_create(
        [Hold(party=c.borrower, contract=c, kind="cease_contact", starts_at=now(), review_on=today, **base) for c in some[::2]]
    )
    Complaint.objects.bulk_create(
        [Complaint(party=c.borrower, contract=c, source="phone", opened_on=today, subject="tone", **base) for c in some[::3]]
    )


def build(count: int) -> None:
    """The whole book, one transaction a part."""
    call_command("migrate", verbosity=0)
    today = business_date()
    branches, staff = organisation()
    manager = Staff.objects.get(user=staff["customer_manager"])
    product = product_load((CATALOGUE / "consumer_equal_principal.yaml").read_text(encoding="utf-8"))
    for first in range(0, count, PART):
        n = min(PART, count - first)
        with transaction.atomic():
            people = parties(first // 2, (n + 1) // 2, branches, staff["borrower"] if first == 0 else None)
            loans(first, n, people, product, manager, today)
            log_many("bench", [Entry("loan.read", "loan", f"L-{k}") for k in range(first, first + n)])
    with transaction.atomic():
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


if __name__ == "__main__":
    build(int(sys.argv[1]))
