"""The demo lender: two entities, branches, staff for every role, borrowers, and 24 months of lived history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.contrib.auth.hashers import make_password
from django.db import transaction
from tqdm import tqdm

from tideover.core.action_log import log
from tideover.core.business_time import now, start_of_day
from tideover.core.models import Role, User
from tideover.core.packs.load import NoRule, fixing
from tideover.core.packs.rules.fixings import MissingFixing
from tideover.engine.batch import rows_many, standing_of
from tideover.engine.events import EventKind
from tideover.engine.presets import seasonal_rows
from tideover.engine.standing import Standing
from tideover.engine.terms import date_of, day
from tideover.lending.columns import loans_read, standings_of
from tideover.lending.imports.bulk import BulkEvent, append
from tideover.lending.models import Branch, Contract, Facility, LegalEntity, LoanParty, Party, Product, Staff, StandingRow
from tideover.lending.products import catalogue_load
from tideover.lending.selectors import standing_fields
from tideover.simulate.aftermath import acts, event, rows_left, securities
from tideover.simulate.contacts import contacts_lived
from tideover.simulate.debits import debits_lay
from tideover.simulate.messages import inbox_written, messages_written
from tideover.simulate.papers import papers
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
STAFF_NAMES = (
    ("沈岚", "Shen Lan"), ("陈明", "Chen Ming"), ("许文", "Xu Wen"), ("何静", "He Jing"), ("方毅", "Fang Yi"),
    ("周正", "Zhou Zheng"), ("钱悦", "Qian Yue"), ("冯立", "Feng Li"), ("蒋律", "Jiang Lü"), ("韩雪", "Han Xue"),
    ("杨帆", "Yang Fan"), ("秦川", "Qin Chuan"), ("尤敏", "You Min"), ("施然", "Shi Ran"), ("孔亮", "Kong Liang"),
    ("金玲", "Jin Ling"),
)  # fmt: skip
"""Names of the demo's staff, in the order of their roles: who decided must be told from who asked."""
BRANCH_ROLES = (Role.BRANCH_HEAD, Role.CUSTOMER_MANAGER, Role.TELLER)


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
        securities(contracts)
        _histories(contracts, as_of, rng, quiet=quiet)
        _standings(contracts, as_of)
        rows_left(as_of)
        debits_lay(as_of)
        contacts_lived(as_of)
        messages_written(as_of)
        _demo_borrower(as_of)
        papers(as_of)
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
        zh, en = STAFF_NAMES[n % len(STAFF_NAMES)]
        post = Staff.objects.create(
            user=user, number=f"{1000 + n}", name_zh=zh, name_en=en, valid_from=start,
            entity=entities["BANK"] if narrow else None, branch=branches[0] if narrow else None,
        )  # fmt: skip
        if role == Role.CUSTOMER_MANAGER:
            managers[branches[0].pk] = post
    second = User.objects.create(username="legal_2", role=Role.LEGAL, password=secret)  # a demand needs two of legal
    Staff.objects.create(user=second, number="1099", name_zh="严谨", name_en="Yan Jin", valid_from=start)
    for n, branch in enumerate(branches[1:]):
        user = User.objects.create(username=f"manager_{branch.code.lower()}", role=Role.CUSTOMER_MANAGER, password=secret)
        managers[branch.pk] = Staff.objects.create(
            user=user,
            number=f"{2000 + n}",
            name_zh="林静",
            name_en="Lin Jing",
            valid_from=start,
            entity=branch.entity,
            branch=branch,
        )
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
    out: list[Contract] = []
    facilities: dict[int, Facility] = {}
    for n in range(count):
        c = _contract(frame, borrowers[n % len(borrowers)], n, rng, as_of, facilities)
        out.append(c)
    Facility.objects.bulk_create(facilities.values(), batch_size=500)
    made = Contract.objects.bulk_create(out, batch_size=500)
    LoanParty.objects.bulk_create(
        [LoanParty(contract=c, party=c.borrower, role="borrower", valid_from=c.signed_on) for c in made], batch_size=1000
    )
    return made


SHOP_PRODUCTS = (
    ("sme-interest-only", 0.35),
    ("consumer-equal-principal", 0.2),
    ("drawdown", 0.2),
    ("sme-seasonal", 0.1),
    ("sme-lpr-floating", 0.15),
)
PERSON_PRODUCTS = (("consumer-annuity", 0.7), ("consumer-equal-principal", 0.2), ("short-bullet", 0.1))
SEASONS = ({10: 1, 11: 2}, {5: 1, 6: 1}, {1: 1})
SPREAD_PPM = 12_500


def _contract(
    frame: Frame, borrower: Party, n: int, rng: np.random.Generator, as_of: date, facilities: dict[int, Facility]
) -> Contract:
    start = as_of - timedelta(days=int(rng.integers(5, 730)))
    shop = borrower.kind == "enterprise"
    codes, shares = zip(*(SHOP_PRODUCTS if shop else PERSON_PRODUCTS), strict=True)
    code = str(rng.choice(codes, p=shares))
    if borrower.pk in facilities:
        code = "drawdown"
    rate = int(rng.choice([86_000, 108_000, 126_000, 144_000])) if not shop else int(rng.choice([43_500, 54_500, 66_000]))
    principal = (int(rng.integers(3, 41)) if not shop else int(rng.integers(20, 121))) * 100_000
    code, rate = _floating(code, rate, start)
    c = Contract(
        number=f"T-{10000 + n}", entity=borrower.branch.entity, branch=borrower.branch,
        manager=frame.managers.get(borrower.branch_id), product=frame.products[code], borrower=borrower, channel="app",
        purpose="turnover" if shop else "consumption", signed_on=start, disbursed_on=start,
        principal_minor=principal, annual_rate_ppm=rate, created_at=start_of_day(start),
        **_plan(code, start, principal, rng, as_of),
    )  # fmt: skip
    if code == "drawdown":
        c.facility = _facility(facilities, c)
    return c


def _floating(code: str, rate_ppm: int, signed_on: date) -> tuple[str, int]:
    """Product and rate: a floating loan is signed at the fixing of its day plus the spread, and only where there is one."""
    if code != "sme-lpr-floating":
        return code, rate_ppm
    try:
        return code, fixing("lpr_1y", signed_on) + SPREAD_PPM
    except (MissingFixing, NoRule):
        return "sme-interest-only", rate_ppm


def _plan(code: str, start: date, principal_minor: int, rng: np.random.Generator, as_of: date) -> dict[str, Any]:
    """The columns and overrides of a contract that say when it is paid."""
    soon = min(28, (as_of + timedelta(days=3)).day)
    day_of_month = int(rng.choice([5, 8, 12, 15, 20, 25, soon]))
    first = (start.replace(day=1) + timedelta(days=63 if start.day > day_of_month else 32)).replace(day=day_of_month)
    if code == "sme-seasonal":
        rows = seasonal_rows(principal_minor, day(first), 18, SEASONS[int(rng.integers(len(SEASONS)))])
        plan = [{"due_on": date_of(r.due_on).isoformat(), "principal_minor": r.principal_minor} for r in rows]
        return {"overrides": {"custom_rows": plan}}
    if code in ("sme-interest-only", "sme-lpr-floating", "short-bullet", "drawdown"):
        months = 12 if code.startswith("sme") else int(rng.choice([2, 3]))
        return {"maturity_on": start + timedelta(days=30 * months + 5), "due_day": 21 if code.startswith("sme") else 0}
    return {"instalments": int(rng.choice([6, 12, 18, 24])), "first_due_on": first, "due_day": day_of_month}


def _facility(facilities: dict[int, Facility], c: Contract) -> Facility:
    """The borrower's limit, wide enough for what is drawn and open on each day of drawing."""
    made = facilities.get(c.borrower_id)
    if made is None:
        made = facilities[c.borrower_id] = Facility(
            number=f"F-{c.borrower_id}", entity_id=c.entity_id, party=c.borrower, limit_minor=0, opened_on=c.signed_on,
            expires_on=c.signed_on + timedelta(days=1095),
        )  # fmt: skip
    made.limit_minor += c.principal_minor * 3 // 2
    made.opened_on = min(made.opened_on, c.signed_on)
    return made


def _histories(contracts: list[Contract], as_of: date, rng: np.random.Generator, *, quiet: bool) -> None:
    world, today = World(), day(as_of)
    batch: list[tuple[int, list[BulkEvent]]] = []
    rows, offsets = _plans(contracts)
    for n, c in enumerate(tqdm(contracts, desc="lives", unit="loan", disable=quiet)):
        own = rows[offsets[n] : offsets[n + 1]]
        due = list(zip(own["due_on"].tolist(), (own["principal"] + own["interest"]).tolist(), strict=True))
        person = person_draw(world, rng, enterprise=c.borrower.kind == "enterprise")
        if len(due) > 2 and due[-1][1] > 3 * due[0][1]:
            person.savings_minor += int(due[-1][1] * rng.uniform(0.6, 1.6))
        elif c.overrides:
            person.savings_minor += int(c.principal_minor * rng.uniform(0.5, 1.6))
        elif len(due) == 1:
            person.savings_minor += int(due[0][1] * rng.uniform(0.75, 1.8))
        else:
            person.income_minor = max(person.income_minor, int(due[0][1] * rng.uniform(2.2, 5)))
        paid = [p for p in life(world, person, due, today, rng) if p.on <= today - _stopped(n)]
        batch.append((c.pk, list(_events(c, paid, rng, today))))
        if len(batch) >= 500:
            append(batch, "demo")
            batch = []
    append(batch, "demo")


def _plans(contracts: list[Contract]) -> tuple[np.ndarray, np.ndarray]:
    """(records of ROW_OUT, offsets by loan): the instalments of these loans as signed."""
    loans = loans_read(np.array([c.pk for c in contracts], np.int64))
    _standings, offsets, rows = rows_many(loans.terms, loans.events, loans.disbursed)
    return rows, offsets


STOPS = (8, 45, 75, 130, 240, 330)
"""Days ago since when the payers of some loans are not heard of, so that every stage of lateness is met in a small book too."""


def _stopped(n: int) -> int:
    """How many days ago the payer of loan n fell silent; 0 for nearly everybody."""
    return STOPS[n % 120 // 2] if n % 120 < 2 * len(STOPS) else 0


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
        yield event(kind, on, start_of_day(on) + late_news, 0 if p.closes else p.amount_minor, key, "payments")
        if rng.random() < 0.004 and p.on + 6 < today and not p.closes:
            paid, seq = seq, seq + 1
            back = start_of_day(date_of(p.on + 5))
            yield event(EventKind.REVERSAL, on, back, 0, f"demo:{c.number}:{seq}", "payments", {"of_seq": paid})


def _standings(contracts: list[Contract], as_of: date) -> None:
    stood = _stood(contracts, as_of)
    extra = [(c.pk, events) for c in contracts if (events := list(acts(c, stood[c.pk], as_of)))]
    append(extra, "demo")
    changed = {pk for pk, _ in extra}
    stood |= _stood([c for c in contracts if c.pk in changed], as_of)
    StandingRow.objects.bulk_create(
        [StandingRow(contract=c, **standing_fields(stood[c.pk], c)) for c in contracts], batch_size=500
    )


def _stood(contracts: list[Contract], as_of: date) -> dict[int, Standing]:
    """The standings of these loans by id, all replayed together."""
    loans = loans_read(np.array([c.pk for c in contracts], np.int64))
    answer, _state = standings_of(loans, day(as_of))
    return {pk: standing_of(answer.table[i], day(as_of), answer.classes) for i, pk in enumerate(loans.ids.tolist())}


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
    inbox_written(user, as_of)
