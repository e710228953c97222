"""The demo's third entity lives beside a core bank: its loans, the core's files of two days, differences of every cause, and
instructions at every state."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from django.contrib.auth.hashers import make_password

from tideover.core.business_time import now, start_of_day
from tideover.core.models import Role, User
from tideover.engine.events import Event, EventKind
from tideover.engine.replay import replay
from tideover.engine.standing import Depth
from tideover.engine.terms import DayCount, Terms, date_of, day
from tideover.lending.beside.compare import file_compare
from tideover.lending.beside.core_link import Answer
from tideover.lending.beside.files import file_take
from tideover.lending.beside.instructions import answer_apply, instruction_request, instructions_work
from tideover.lending.beside.policies import policy_publish
from tideover.lending.beside.services import break_accept, broken_get
from tideover.lending.columns import Conventions, Loans, columns_of
from tideover.lending.imports.bulk import BulkEvent, append
from tideover.lending.imports.standings import standings_refresh
from tideover.lending.models import Branch, Break, Contract, CoreFile, Instruction, LegalEntity, LoanParty, Party, Product, Staff
from tideover.lending.models.organisation import BookMode
from tideover.lending.rules.breaks import figures_of
from tideover.lending.rules.held import COMPONENTS
from tideover.lending.services import event_record
from tideover.lending.sources import partition_of
from tideover.simulate.aftermath import event
from tideover.simulate.book import DEMO_PASSWORD, FAMILY, GIVEN

CODE, COUNT = "VILLAGE", 36
POLICY = "files: [balances, movements]\ndue: '09:00'\naccept_alone_minor: 1000\n"
BALANCES = "kind: core_balances\ncolumns:\n  loan_id: loan\n  data_cut_off_date: day\n" + "".join(
    f"  {column}: {name}\n"
    for column, name in (
        ("current_principal_balance", "principal"), ("interest_due", "interest"), ("accrued_interest", "accrued"),
        ("penalty_outstanding", "penalty"), ("compound_outstanding", "compound"), ("fees_outstanding", "fee"),
        ("recovery_cost_outstanding", "recovery_cost"), ("surplus", "surplus"), ("days_past_due", "dpd"),
    )
)  # fmt: skip
MOVEMENTS = (
    "kind: core_movements\ncolumns:\n  loan_id: loan\n  data_cut_off_date: day\n  reference: nr\n  kind: kind\n"
    "  effective_on: value_date\n  amount: amount\n  instruction: instruction\n"
)
MOVED = ("loan", "day", "nr", "kind", "value_date", "amount", "instruction")


# --- the loans ---------------------------------------------------------------------------------------------------------


def loans_lay(as_of: date, seed: int) -> None:
    """An entity in overlay with its branch, manager, borrowers and annuities that are paid month by month; some are days late."""
    start = date(as_of.year - 5, 1, 1)
    entity = LegalEntity.objects.create(
        code=CODE, name_zh="潮生村镇银行", name_en="Tidewater Village Bank", lender_type="bank", valid_from=start,
        book_mode=BookMode.OVERLAY,
    )  # fmt: skip
    branch = Branch.objects.create(
        entity=entity, code="AJ", name_zh="安吉支行", name_en="Anji branch", region="huzhou", valid_from=start
    )
    secret = make_password(DEMO_PASSWORD)
    user = User.objects.create(username="manager_aj", role=Role.CUSTOMER_MANAGER, password=secret)
    names = {"name_zh": "林静", "name_en": "Lin Jing"}
    manager = Staff.objects.create(user=user, number="2900", **names, valid_from=start, entity=entity, branch=branch)
    policy_publish(entity, POLICY, valid_from=start, actor="demo")
    loans = _contracts(branch, manager, _people(branch, seed), as_of)
    append([(c.pk, _payments(n, c, as_of)) for n, c in enumerate(loans)], "demo")
    standings_refresh([c.pk for c in loans])
    party = loans[UNKNOWN].borrower
    party.user = User.objects.create(username="borrower_core", role=Role.BORROWER, password=secret)
    party.save(update_fields=["user"])


def _people(branch: Branch, seed: int) -> list[Party]:
    out = []
    for n in range(COUNT):
        p = Party(
            reference=f"V{100000 + n}", kind="person", phone=f"101{n:08d}", id_number=f"339901198{n % 10}0101{n:03d}X",
            name=FAMILY[(n * 7 + seed) % len(FAMILY)] + GIVEN[(n * 3 + seed) % len(GIVEN)], region=branch.region, branch=branch,
            birth_year=1980 + n % 10, address=f"浙江省安吉县示范路 {n + 1} 号", created_at=now(),
        )  # fmt: skip
        p.hash_fields()
        out.append(p)
    return Party.objects.bulk_create(out)


def _contracts(branch: Branch, manager: Staff, people: list[Party], as_of: date) -> list[Contract]:
    """Loans of last winter; the instalments of some fell due some days ago."""
    signed = as_of.replace(day=10) - timedelta(days=300)
    product = Product.objects.get(code="consumer-annuity")
    out = []
    for n, p in enumerate(people):
        due_day = (as_of - timedelta(days=3 + n % 18)).day
        first = (signed.replace(day=1) + timedelta(days=45)).replace(day=min(28, due_day))
        plan = {"instalments": 24, "first_due_on": first, "due_day": first.day, "signed_on": signed, "disbursed_on": signed}
        c = Contract(
            number=f"V-{1001 + n}", entity=branch.entity, branch=branch, manager=manager, product=product, borrower=p,
            channel="branch", purpose="consumption", principal_minor=(12 + 5 * n % 40) * 100_000,
            annual_rate_ppm=(72_000, 96_000, 108_000)[n % 3], created_at=start_of_day(signed), **plan,
        )  # fmt: skip
        out.append(c)
    made = Contract.objects.bulk_create(out)
    LoanParty.objects.bulk_create([LoanParty(contract=c, party=c.borrower, role="borrower", valid_from=signed) for c in made])
    return made


def _payments(n: int, c: Contract, as_of: date) -> list[BulkEvent]:
    """One payment a month on the due day, a little more than is asked for; one loan in six has not paid the last one."""
    amount, on, out = c.principal_minor // 22, c.first_due_on, []
    assert on is not None
    while on <= as_of - timedelta(days=3):
        out.append(event(EventKind.PAYMENT, on, start_of_day(on), amount, f"demo:{c.number}:{on}", "core"))
        on = (on.replace(day=1) + timedelta(days=32)).replace(day=on.day)
    return out[:-1] if n % 6 == 5 else out


# --- the core's ledger -------------------------------------------------------------------------------------------------


@dataclass
class Ledger:
    """One loan as the core has it: its own terms and events, what it adds, and what its movements say."""

    number: str
    terms: Terms
    events: list[Event]
    add: dict[str, int] = field(default_factory=dict)
    moved: list[Event] = field(default_factory=list)

    def last(self) -> Event:
        """The newest payment."""
        return max((e for e in self.events if e.kind == EventKind.PAYMENT), key=lambda e: e.on)


def _rounding(one: Ledger, on: int) -> None:
    one.add = {"accrued": 1}


def _day_count(one: Ledger, on: int) -> None:
    one.terms = one.terms.with_(day_count=DayCount.ACT_360)


def _core_only(one: Ledger, on: int) -> None:
    one.moved = [Event(999, on, EventKind.PAYMENT, amount_minor=42_000)]
    one.events = [*one.events, *one.moved]


def _value_date(one: Ledger, on: int) -> None:
    paid = one.last()
    one.moved = [Event(paid.seq, min(on, paid.on + 2), paid.kind, amount_minor=paid.amount_minor)]
    one.events = [*(e for e in one.events if e.seq != paid.seq), *one.moved]


def _unknown(one: Ledger, on: int) -> None:
    one.add = {"fee": 35_00, "penalty": 4_20}


UNKNOWN = 11
PLANTED: dict[int, Callable[[Ledger, int], None]] = {
    2: _rounding, 9: _rounding, 14: _day_count, 4: _core_only, 20: _core_only, 7: _value_date, 26: _value_date,
    UNKNOWN: _unknown, 31: _unknown, 15: _unknown,
}  # fmt: skip
"""By place of a loan: what the core has otherwise."""
GONE = 15
"""The place that differed the day before yesterday and agrees again."""
FIRST_DAY = (2, 7, UNKNOWN, 14, GONE)
"""The places that differ since the day before yesterday; the others since yesterday."""
TOLD = 17
"""The place of a loan with money of yesterday of which the core has not heard."""


def core_files_lay(as_of: date, folder: Path) -> None:
    """Instructions at every state, and the core's files of the last two days, taken in and compared."""
    entity = LegalEntity.objects.get(code=CODE)
    contracts = list(Contract.objects.filter(entity=entity).select_related("product", "entity", "borrower").order_by("pk"))
    folder.mkdir(parents=True, exist_ok=True)
    before, yesterday = as_of - timedelta(days=2), as_of - timedelta(days=1)
    _instructions(entity, contracts, before)
    _told(contracts[TOLD], yesterday)
    _refused(entity, folder, before)
    for on, places in ((before, FIRST_DAY), (yesterday, tuple(n for n in PLANTED if n != GONE))):
        loans = columns_of(partition_of(np.array([c.pk for c in contracts], np.int64)), Conventions.of_book())
        for path, mapping in _files(folder, loans, on, places, on == yesterday):
            taken = file_take(entity, path, mapping, actor="core")
            assert taken.state == "taken", taken.rejects[:3]
            if taken.file is not None and taken.file.kind == "balances":
                file_compare(taken.file, actor="core")
            due = start_of_day(on + timedelta(days=1)) + timedelta(hours=6 if on == yesterday else 11)
            CoreFile.objects.filter(pk=taken.file and taken.file.pk).update(started_at=due, taken_at=due)
    _accepted(entity)


def _accepted(entity: LegalEntity) -> None:
    """The rounding of one loan is accepted with its reason."""
    payments = User.objects.filter(role=Role.PAYMENTS).order_by("pk")[0]
    rows = list(Break.objects.filter(entity=entity, cause="rounding", state="open").select_related("entity", "contract"))
    if rows:
        own = [b for b in rows if b.number == rows[0].number]
        break_accept(broken_get(own), reason="系统按日取整，差一分", actor=payments)


def _told(contract: Contract, on: date) -> None:
    event_record(
        contract, kind=EventKind.PAYMENT, effective_on=on, amount_minor=50_000, idempotency_key=f"demo:{contract.number}:told",
        actor="payments",
    )  # fmt: skip


def _refused(entity: LegalEntity, folder: Path, on: date) -> None:
    """A file that came first with a row that could not be read, and was refused whole."""
    path = folder / f"balances-{on}-1.txt"
    path.write_text(
        f"loan,day,principal,interest,accrued,penalty,compound,fee,recovery_cost,surplus,dpd\nV-1001,{on},--,0,0,0,0,0,0,0,0\n"
    )
    file_take(entity, path, BALANCES, actor="core")


def _files(folder: Path, loans: Loans, on: date, places: tuple[int, ...], newest: bool) -> list[tuple[Path, str]]:
    """The core's movements and balances of a day, movements first."""
    names, lines, moved = loans.names(), [], []
    for i, name in enumerate(names):
        one = Ledger(name, loans.terms.at(i), [e for e in loans.events.at(i) if not (i == TOLD and e.on == day(on) and newest)])
        moved += [(name, e) for e in one.events if e.on == day(on) and e.kind == EventKind.PAYMENT]
        if i in places:
            PLANTED[i](one, day(on) - (i in FIRST_DAY and newest))
            moved += [(name, e) for e in one.moved if newest != (i in FIRST_DAY)]
        figures = figures_of(replay(one.terms, one.events, day(on), None, Depth.TOTALS))
        lines.append([name, *(_money(figures[n] + one.add.get(n, 0)) for n in COMPONENTS), figures["days_past_due"], on])
    if newest:
        lines.append(["V-0999", "8000.00", *["0.00"] * (len(COMPONENTS) - 1), 0, on])
    balances = _csv(folder / f"balances-{on}.csv", ("loan", *COMPONENTS, "dpd", "day"), lines)
    rows = [
        [name, on, f"C{on:%m%d}{k:03}", "payment", date_of(e.on), _money(e.amount_minor), ""] for k, (name, e) in enumerate(moved)
    ]
    return [(_csv(folder / f"movements-{on}.csv", MOVED, rows), MOVEMENTS), (balances, BALANCES)]


def _money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def _csv(path: Path, names: tuple[str, ...], rows: list[list[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(names)
        out.writerows(rows)
    return path


# --- instructions ------------------------------------------------------------------------------------------------------


class _Desk:
    """A core that takes everything and answers later."""

    def send(self, body: dict[str, Any]) -> Answer:
        return Answer(str(body["key"]), "received")

    def ask(self, key: str) -> Answer:
        return Answer(key, "received")

    def answers(self, after: int) -> list[Answer]:
        return []


def _instructions(entity: LegalEntity, loans: list[Contract], on: date) -> None:
    """Two that wait, two on their way, one confirmed, one rejected, one that the next files show, one that was answered twice."""
    for n, (place, kind, amount, extra, reason) in enumerate(ASKED):
        instruction_request(
            loans[place], kind=kind, effective_on=on - timedelta(days=1), amount_minor=amount, extra=extra, reason=reason,
            idempotency_key=f"demo:instruction:{n}", actor="branch_head",
        )  # fmt: skip
    rows = list(Instruction.objects.filter(contract__entity=entity).order_by("pk"))
    at = start_of_day(on) + timedelta(hours=10)
    Instruction.objects.filter(pk__in=[r.pk for r in rows]).update(requested_at=at)
    instructions_work(entity, limit=len(rows) - 2, link=_Desk(), at=at + timedelta(minutes=1))  # type: ignore[arg-type]
    said: list[tuple[int, str, str]] = [(0, "confirmed", ""), (1, "rejected", "R17 该账户不允许展期"), (3, "rejected", "R02")]
    for n, state, why in said:
        answer_apply(rows[n], Answer(rows[n].reference, state, f"CB{n:06}", why, f"{on - timedelta(days=1)}"), _later(at, n))
    answer_apply(rows[3], Answer(rows[3].reference, "confirmed", "CB000009"), _later(at, 9))
    confirmed = Answer(rows[2].reference, "confirmed", "CB000002", on=f"{on + timedelta(days=2)}")
    answer_apply(rows[2], confirmed, _later(at, 5))


def _later(at: datetime, minutes: int) -> datetime:
    return at + timedelta(minutes=20 + minutes)


_WAIVED: dict[str, Any] = {"component": "interest"}
ASKED: tuple[tuple[int, EventKind, int, dict[str, Any], str], ...] = (
    (1, EventKind.WAIVER, 10_00, _WAIVED, "系统故障期间多计利息"),
    (5, EventKind.DEFER, 0, {"rows": 1, "defer_interest": "spread"}, "收入暂断，下期恢复"),
    (8, EventKind.WAIVER, 20_00, _WAIVED, "投诉处理约定"),
    (12, EventKind.CHARGE, 30_00, {"component": "fee", "until": "2099-01-01"}, "补打对账单"),
    (23, EventKind.DEFER, 0, {"rows": 1, "defer_interest": "spread"}, "住院治疗"),
    (29, EventKind.DEFER, 0, {"rows": 2, "defer_interest": "spread"}, "待岗两个月"),
    (UNKNOWN, EventKind.WAIVER, 15_00, _WAIVED, "首期宣传口径有误"),
    (35, EventKind.DEFER, 0, {"rows": 1, "defer_interest": "spread"}, "家人病故"),
)
