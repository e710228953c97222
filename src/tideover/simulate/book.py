"""The demo lender: two entities, branches, staff for every role, borrowers, and 24 months of lived history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from django.contrib.auth.hashers import make_password
from django.db import transaction
from tqdm import tqdm

from tideover.core.action_log import log
from tideover.core.business_time import micros, now
from tideover.core.models import Role, User
from tideover.engine.events import EventKind
from tideover.engine.replay import schedule
from tideover.engine.terms import date_of, day
from tideover.lending.contract_terms import terms_for
from tideover.lending.imports.bulk import BulkEvent, append
from tideover.lending.models import (
    Branch,
    Contract,
    Debit,
    HelpRequest,
    Hold,
    LegalEntity,
    LoanParty,
    Party,
    Product,
    Promise,
    Staff,
    StandingRow,
)
from tideover.lending.products import catalogue_load
from tideover.lending.selectors import loan_standing, standing_fields
from tideover.simulate.rules.people import World, life, person_draw

DEMO_PASSWORD = "tideover-demo"
FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = ("明", "芳", "伟", "秀英", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "超", "霞", "平", "刚")
TRADES = ("餐饮店", "五金店", "服装厂", "茶叶行", "汽修店", "超市", "家具厂", "水产行")
BRANCHES = (
    ("BANK", "HZ", "杭州分行", "Hangzhou branch", "hangzhou"),
    ("BANK", "NB", "宁波分行", "Ningbo branch", "ningbo"),
    ("BANK", "WZ", "温州分行", "Wenzhou branch", "wenzhou"),
    ("BANK", "JX", "嘉兴分行", "Jiaxing branch", "jiaxing"),
    ("MICRO", "YW", "义乌营业部", "Yiwu office", "yiwu"),
    ("MICRO", "TZ", "台州营业部", "Taizhou office", "taizhou"),
)
ENTITIES = (("BANK", "潮生银行", "Tidewater Bank", "bank"), ("MICRO", "潮生小额贷款", "Tidewater Microcredit", "micro_lender"))
BRANCH_ROLES = (Role.BRANCH_HEAD, Role.CUSTOMER_MANAGER)


@dataclass(slots=True)
class Frame:
    """Organisation of the demo."""

    branches: list[Branch]
    managers: dict[int, Staff]
    products: dict[str, Product]


def build(loans: int, as_of: date, seed: int, *, quiet: bool = False) -> None:
    """Write the whole demo. `loans`: how many loans (about three for each two borrowers)."""
    rng = np.random.default_rng(seed)
    with transaction.atomic():
        frame = _organisation(as_of)
        borrowers = _borrowers(frame, max(2, loans * 2 // 3), rng, as_of)
        contracts = _contracts(frame, borrowers, loans, rng, as_of)
        _histories(contracts, as_of, rng, quiet=quiet)
        _standings(contracts, as_of, quiet=quiet)
        _plain_rows(as_of)
        _demo_borrower(as_of)
        log("demo", "demo.build", "book", "", {"loans": loans, "seed": seed, "as_of": as_of.isoformat()})


def _organisation(as_of: date) -> Frame:
    start = date(as_of.year - 5, 1, 1)
    entities = {
        c: LegalEntity.objects.create(code=c, name_zh=z, name_en=e, lender_type=t, valid_from=start) for c, z, e, t in ENTITIES
    }
    branches = [
        Branch.objects.create(entity=entities[e], code=c, name_zh=z, name_en=n, region=r, valid_from=start)
        for e, c, z, n, r in BRANCHES
    ]
    secret = make_password(DEMO_PASSWORD)
    managers: dict[int, Staff] = {}
    for n, role in enumerate(r for r in Role if r != Role.BORROWER):
        user = User.objects.create(username=role.value, role=role, password=secret)
        narrow = role in BRANCH_ROLES
        post = Staff.objects.create(
            user=user, number=f"{1000 + n}", name_zh="陈明", name_en="Chen Ming", valid_from=start,
            entity=entities["BANK"] if narrow else None, branch=branches[0] if narrow else None,
        )  # fmt: skip
        if role == Role.CUSTOMER_MANAGER:
            managers[branches[0].pk] = post
    return Frame(branches, managers, {p.code: p for p in catalogue_load()})


def _id_number(region: str, born: date, serial: int) -> str:
    """An identity number with a valid check digit (GB 11643) under a region code that is assigned to nobody."""
    body = f"{region}{born:%Y%m%d}{serial % 1000:03d}"
    weights = [pow(2, 17 - i, 11) for i in range(17)]
    return body + "10X98765432"[sum(int(c) * w for c, w in zip(body, weights, strict=True)) % 11]


def _borrowers(frame: Frame, count: int, rng: np.random.Generator, as_of: date) -> list[Party]:
    out = []
    for n in range(count):
        shop = rng.random() < 0.25
        branch = frame.branches[int(rng.integers(len(frame.branches)))]
        family, given = FAMILY[int(rng.integers(len(FAMILY)))], GIVEN[int(rng.integers(len(GIVEN)))]
        name = f"{branch.name_zh[:2]}{family}记{TRADES[int(rng.integers(len(TRADES)))]}" if shop else family + given
        born = date(int(rng.integers(1965, 2003)), int(rng.integers(1, 13)), int(rng.integers(1, 28)))
        p = Party(
            reference=f"P{100000 + n}", kind="enterprise" if shop else "person", name=name, phone=f"100{n:08d}",
            id_number=_id_number("339900", born, n), region=branch.region, branch=branch, birth_year=born.year,
            address=f"浙江省{branch.name_zh[:2]}市示范路 {n + 1} 号", created_at=now(),
        )  # fmt: skip
        p.hash_fields()
        out.append(p)
    return Party.objects.bulk_create(out, batch_size=500)


def _contracts(frame: Frame, borrowers: list[Party], count: int, rng: np.random.Generator, as_of: date) -> list[Contract]:
    out = []
    for n in range(count):
        borrower = borrowers[n % len(borrowers)]
        out.append(_contract(frame, borrower, n, rng, as_of))
    made = Contract.objects.bulk_create(out, batch_size=500)
    LoanParty.objects.bulk_create(
        [LoanParty(contract=c, party=c.borrower, role="borrower", valid_from=c.signed_on) for c in made], batch_size=1000
    )
    return made


def _contract(frame: Frame, borrower: Party, n: int, rng: np.random.Generator, as_of: date) -> Contract:
    start = as_of - timedelta(days=int(rng.integers(5, 730)))
    shop = borrower.kind == "enterprise"
    code = str(
        rng.choice(["sme-interest-only", "consumer-equal-principal", "drawdown"], p=[0.5, 0.3, 0.2])
        if shop
        else rng.choice(["consumer-annuity", "consumer-equal-principal", "short-bullet"], p=[0.7, 0.2, 0.1])
    )
    rate = int(rng.choice([86_000, 108_000, 126_000, 144_000])) if not shop else int(rng.choice([43_500, 54_500, 66_000]))
    thousands = int(rng.integers(3, 41)) if not shop else int(rng.integers(20, 121))
    term = int(rng.choice([6, 12, 18, 24]))
    day_of_month = int(rng.choice([5, 8, 12, 15, 20, 25]))
    first = (start.replace(day=1) + timedelta(days=63 if start.day > day_of_month else 32)).replace(day=day_of_month)
    columns: dict[str, Any] = {"instalments": term, "first_due_on": first, "due_day": day_of_month}
    if code in ("sme-interest-only", "short-bullet", "drawdown"):
        months = 12 if code == "sme-interest-only" else int(rng.choice([2, 3]))
        columns = {"maturity_on": start + timedelta(days=30 * months + 5), "due_day": 21 if code == "sme-interest-only" else 0}
    return Contract(
        number=f"T-{10000 + n}", entity_id=borrower.branch.entity_id, branch=borrower.branch,
        manager=frame.managers.get(borrower.branch_id), product=frame.products[code], borrower=borrower, channel="app",
        purpose="turnover" if shop else "consumption", signed_on=start, disbursed_on=start,
        principal_minor=thousands * 100_000, annual_rate_ppm=rate, created_at=_noon(start), **columns,
    )  # fmt: skip


def _noon(on: date) -> datetime:
    return datetime(on.year, on.month, on.day, 4, 0, tzinfo=UTC)


def _histories(contracts: list[Contract], as_of: date, rng: np.random.Generator, *, quiet: bool) -> None:
    world, today = World(), day(as_of)
    batch: list[tuple[int, list[BulkEvent]]] = []
    for c in tqdm(contracts, desc="lives", unit="loan", disable=quiet):
        due = [(r.due_on, r.principal_minor + r.interest_minor) for r in schedule(terms_for(c))]
        person = person_draw(world, rng, enterprise=c.borrower.kind == "enterprise")
        if len(due) > 2 and due[-1][1] > 3 * due[0][1]:
            person.savings_minor += int(due[-1][1] * rng.uniform(0.6, 1.6))
        elif len(due) == 1:
            person.savings_minor += int(due[0][1] * rng.uniform(0.75, 1.8))
        else:
            person.income_minor = max(person.income_minor, int(due[0][1] * rng.uniform(2.2, 5)))
        batch.append((c.pk, list(_events(c, life(world, person, due, today, rng), rng, today))))
        if len(batch) >= 500:
            append(batch, "demo")
            batch = []
    append(batch, "demo")


def _event(
    kind: EventKind, on: date, at: datetime, amount_minor: int, key: str, actor: str, extra: dict[str, Any] | None = None
) -> BulkEvent:
    return BulkEvent(int(kind), day(on), amount_minor, key, extra, micros(at), actor)


def _events(c: Contract, payments: list[Any], rng: np.random.Generator, today: int) -> Iterator[BulkEvent]:
    seq = 0
    for p in payments:
        on = date_of(p.on)
        if p.on > today or on < c.disbursed_on:
            continue
        seq += 1
        kind = EventKind.PAYOFF if p.closes else EventKind.PAYMENT
        late_news = timedelta(days=int(rng.integers(1, 4))) if rng.random() < 0.02 and p.on + 4 < today else timedelta()
        key = f"demo:{c.number}:{seq}"
        yield _event(kind, on, _noon(on) + late_news, 0 if p.closes else p.amount_minor, key, "payments")
        if rng.random() < 0.004 and p.on + 6 < today and not p.closes:
            paid, seq = seq, seq + 1
            back = _noon(date_of(p.on + 5))
            yield _event(EventKind.REVERSAL, on, back, 0, f"demo:{c.number}:{seq}", "payments", {"of_seq": paid})


def _standings(contracts: list[Contract], as_of: date, *, quiet: bool) -> None:
    rows, extra = [], []
    for c in tqdm(
        Contract.objects.select_related("product", "entity").order_by("pk"), total=len(contracts), desc="replay", disable=quiet
    ):
        standing = loan_standing(c, as_of)
        events = list(_aftermath(c, standing.days_past_due, as_of))
        if events:
            extra.append((c.pk, events))
        else:
            rows.append(StandingRow(contract=c, **standing_fields(standing, c)))
    append(extra, "demo")
    for c in Contract.objects.select_related("product", "entity").filter(pk__in=[pk for pk, _ in extra]).order_by("pk"):
        rows.append(StandingRow(contract=c, **standing_fields(loan_standing(c, as_of), c)))
    StandingRow.objects.bulk_create(rows, batch_size=500)


def _aftermath(c: Contract, days_past_due: int, as_of: date) -> Iterator[BulkEvent]:
    """What the lender did on loans in arrears: write-offs, deferrals, waivers, by the loan's own number so that it repeats."""
    pick, key, at = c.pk % 10, f"demo:{c.number}:after", _noon(as_of)
    if days_past_due > 270 and pick < 5:
        yield _event(EventKind.ACCELERATION, as_of - timedelta(days=30), at, 0, key + "1", "legal")
        yield _event(EventKind.WRITE_OFF, as_of - timedelta(days=20), at, 0, key + "2", "finance")
    elif 30 < days_past_due <= 120 and pick < 3 and c.instalments:
        extra = {"rows": 3, "defer_interest": "spread"}
        yield _event(EventKind.DEFER, as_of - timedelta(days=2), at, 0, key + "1", "counsellor", extra)
        yield _event(EventKind.WAIVER, as_of - timedelta(days=2), at, -1, key + "2", "counsellor", {"component": "penalty"})


def _plain_rows(as_of: date) -> None:
    late = list(StandingRow.objects.filter(days_past_due__gt=0).select_related("contract__borrower").order_by("contract_id"))
    at = _noon(as_of)
    for n, row in enumerate(late):
        base = {"party": row.contract.borrower, "contract": row.contract, "recorded_at": at}
        if n % 5 == 0:
            Promise.objects.create(
                **base, actor="collector", amount_minor=max(100, row.overdue_minor // 2),
                promised_on=as_of - timedelta(days=5), due_on=as_of + timedelta(days=n % 7 - 3),
            )  # fmt: skip
        if n % 11 == 0:
            HelpRequest.objects.create(**base, actor="borrower", number=f"H-{2000 + n}", opened_at=at - timedelta(days=n % 4))
            Hold.objects.create(**base, actor="borrower", kind="help_request", starts_at=at, review_on=as_of + timedelta(days=14))
        if n % 23 == 0:
            Debit.objects.create(
                contract=row.contract, reference=f"D-{n:05d}", amount_minor=row.overdue_minor, state="unknown", sent_at=at
            )


def _demo_borrower(as_of: date) -> None:
    """The borrower who signs in: somebody a few days late with more instalments to come."""
    late = StandingRow.objects.filter(
        days_past_due__range=(3, 25), contract__borrower__kind="person", contract__instalments__gt=5
    )
    row = late.order_by("days_past_due", "contract_id").first() or StandingRow.objects.order_by("contract_id").first()
    assert row is not None
    user = User.objects.create(username="borrower", role=Role.BORROWER, password=make_password(DEMO_PASSWORD))
    party = row.contract.borrower
    party.user = user
    party.save(update_fields=["user"])
