"""The desk of payments: what a row counts is what its list shows; owners, days due, scope, REST, the empty state."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve

from tests.factories import House, debit
from tests.lending.statements.samples import ACCOUNT, Paid, camt
from tideover.core.business_time import business_date, now
from tideover.core.models import Role, User
from tideover.core.panels import ExceptionRow
from tideover.core.problems import Refused
from tideover.lending.debits.policy import reasons
from tideover.lending.desk.kinds import KINDS
from tideover.lending.desk.policy import targets
from tideover.lending.desk.rows import desk_rows
from tideover.lending.models import Break, CoreFile, Debit, DebitAnswer, DebitBatch, DebitFile, PayerAlert, Receipt
from tideover.lending.receipts.services import Payer, Source, receipt_record
from tideover.lending.statements.services import account_open, statement_import

TODAY = business_date()
LIST_OF = {"receipts": "rows", "suspense": "rows", "bank-lines": "lines", "breaks": "lines", "instructions": "lines",
           "late-files": "rows", "statements": "rows"}  # fmt: skip
"""Where the context of each page has its rows; that of debits depends on what is asked."""


def listed(client: Client, address: str) -> int:
    """How many rows the page of an address lists."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    name = resolve(address.partition("?")[0]).url_name
    if name == "debits":
        key = "batches" if "batches=" in address else "refused" if "show=files" in address else "rows"
    else:
        key = LIST_OF[name]
    return len(answer.context[key])


def rows_of(user: User) -> dict[str, ExceptionRow]:
    return {
        (row.label if kind.target == "debits_failed" and row.count else kind.target): row for kind, row in desk_rows(user, TODAY)
    }


def counted(house: House, role: str = "payments") -> dict[str, int]:
    """Counts by row, after each was compared with the list behind it."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(house.staff[role])
    rows = rows_of(house.staff[role])
    for name, row in rows.items():
        assert bool(row.address) == bool(row.count), name
        if row.count:
            assert listed(client, row.address) == row.count, (name, row.address)
            assert row.oldest is not None and row.act_by is not None, name
    return {name: row.count for name, row in rows.items()}


def money(house: House, rng: random.Random, n: int) -> None:
    """Receipts of every kind that waits."""
    for i in range(n):
        mine = rng.choice([None, house.borrower, house.other_borrower])
        on = TODAY - timedelta(days=rng.choice([1, 5, 45]))
        r = receipt_record(
            entity_id=house.entity.pk, party=mine, amount_minor=rng.randint(1, 9) * 100, received_on=on, payer=Payer("刘备"),
            source=Source("bank"), idempotency_key=f"k{n}-{i}", actor="t",
        )  # fmt: skip
        if rng.random() < 0.3:
            for kind in rng.sample(["third_party", "repeated"], rng.randint(1, 2)):
                PayerAlert.objects.get_or_create(receipt=r, kind=kind, defaults={"raised_at": now()})
        if rng.random() < 0.2:
            Receipt.objects.filter(pk=r.pk).update(reversed_at=now())


def batches(house: House, rng: random.Random, n: int) -> None:
    """Debits in every state, in batches in every state."""
    known = sorted({r.reason for r in reasons().values()})
    for i in range(n):
        d = debit(house.loan, "drafted", rng.randint(1, 9) * 100, f"D-{n}-{i}")
        state = rng.choice(["failed", "failed", "taken"])
        long_ago = now() - timedelta(days=rng.choice([0, 3, 30]))
        Debit.objects.filter(pk=d.pk).update(
            state=state, reason=rng.choice(known[:3]) if state == "failed" else "",
            settled_at=long_ago,
            sent_at=rng.choice([None, long_ago]) if state == "failed" else long_ago,
        )  # fmt: skip
        DebitBatch.objects.filter(pk=d.batch_id).update(state=rng.choice(["drafted", "ready", "handing", "out", "settled"]))
        if rng.random() < 0.3:
            for _ in range(2):
                DebitAnswer.objects.create(debit=d, source="file", reference=d.reference, code="00", effect="conflict", at=now())
    debit(house.second_loan, "in_flight", 700, f"D-{n}-way")
    debit(house.other_loan, "unknown", 600, f"D-{n}-what")
    DebitFile.objects.create(name="x", sha256=bytes([n]) * 32, state="refused", at=now())


@pytest.mark.parametrize("seed", range(2))
def test_every_row_counts_what_its_list_shows(house: House, seed: int) -> None:
    rng = random.Random(seed)
    money(house, rng, 8)
    batches(house, rng, 6)
    found = counted(house)
    assert sum(found.values()) > 10
    other = counted(house, "finance")
    assert set(other) < set(found) | {"debits_failed"} and other["suspense"] == found["suspense"]


def statement(on: date, opening: str = "1000.00", *paid: Paid) -> bytes:
    return camt(*paid, day=on.isoformat(), opening=opening)


def test_late_and_skipped_statements_and_files_of_a_core(house: House) -> None:
    account_open(entity=house.entity, number=ACCOUNT, name="a", bank="b", opened_on=TODAY - timedelta(20), due_hour=0, actor="t")
    for back, opening in ((9, "1000.00"), (7, "1000.00"), (5, "1200.00")):
        statement_import(statement(TODAY - timedelta(back), opening), f"{back}.xml", actor="t", entity_ids=None)
    found = counted(house)
    assert (found["late_statement"], found["late_gap"]) == (4, 1)
    row = rows_of(house.staff["payments"])["late_gap"]
    assert row.amount_minor == 20_000 and row.oldest == TODAY - timedelta(7)
    page = Client(headers={"accept-language": "en"})
    page.force_login(house.staff["payments"])
    text = page.get("/late-files").content.decode()
    assert f"{TODAY - timedelta(7)} → {TODAY - timedelta(5)}" in text and "200.00" in text
    assert page.get("/late-files?kind=gap").content.decode().count("data-row") == 1
    answer = page.get("/api/v1/late-files", {"kind": "gap"}).json()["items"]
    assert [(f["whose"], f["day"], f["until"], f["moved"]) for f in answer] == [
        (ACCOUNT, str(TODAY - timedelta(7)), str(TODAY - timedelta(5)), "200.00")
    ]


def test_an_account_of_working_days_and_one_that_is_not_known(house: House) -> None:
    said: dict[str, Any] = {"entity": house.entity, "name": "a", "bank": "b", "opened_on": TODAY, "actor": "t"}
    with pytest.raises(Refused, match="there is no calendar moon"):
        account_open(number=ACCOUNT, calendar="moon", **said)
    assert account_open(number=ACCOUNT, calendar="cn", **said).calendar == "cn"


def test_breaks_and_core_files(house: House) -> None:
    house.entity.book_mode = "overlay"
    house.entity.save()
    for n, on in ((4, 4), (2, 2)):
        CoreFile.objects.create(
            entity=house.entity, kind="balances", day=TODAY - timedelta(on), sha256=str(n), state="taken", started_at=now(),
            taken_at=now(), actor="t",
        )  # fmt: skip
    for component in ("principal", "interest"):
        Break.objects.create(
            entity=house.entity, contract=house.loan, number="T-1", component=component, amount_minor=-300, first_on=TODAY,
            core_minor=0, replay_minor=300, last_on=TODAY, opened_at=now(),
        )  # fmt: skip
    found = counted(house)
    assert found["breaks"] == 1 and found["late_core"] >= 1
    assert rows_of(house.staff["payments"])["breaks"].amount_minor == 600


def test_owners_and_days_come_from_the_policy_of_the_lender(house: House, settings: Any, tmp_path: Path) -> None:
    money(house, random.Random(1), 4)
    first = rows_of(house.staff["payments"])["suspense"]
    assert first.act_by == first.oldest + timedelta(days=3) if first.oldest else True
    file = tmp_path / "desk.yaml"
    file.write_text("suspense: {owner: finance, hours: 240}\n")
    settings.DESK_POLICY = str(file)
    targets.cache_clear()
    try:
        own = rows_of(house.staff["payments"])["suspense"]
        assert own.owner == str(Role.FINANCE.label) and own.oldest is not None and own.act_by == own.oldest + timedelta(days=10)
        for bad in (
            "nobody: {owner: finance, hours: 1}",
            "suspense: {owner: king, hours: 1}",
            "suspense: {owner: finance}",
            "- 1",
        ):
            file.write_text(bad)
            targets.cache_clear()
            with pytest.raises(Refused, match="cannot be used"):
                targets()
    finally:
        settings.DESK_POLICY = ""
        targets.cache_clear()
    assert set(targets()) == {k.target for k in KINDS}


def test_the_home_names_what_was_looked_at_and_rest_gives_every_row(house: House) -> None:
    client = Client(headers={"accept-language": "en"})
    client.force_login(house.staff["payments"])
    page = client.get("/").content.decode()
    assert "Looked at, and nothing there:" in page and "Refunds under way" in page
    assert "Every file that is due is here" in client.get("/late-files").content.decode()
    body = client.get("/api/v1/payments-desk").json()
    assert {r["kind"] for r in body["rows"]} == set(targets()) and not any(r["count"] for r in body["rows"])
    debit(house.loan, "unknown", 500)
    [row] = [r for r in client.get("/api/v1/payments-desk").json()["rows"] if r["kind"] == "debits_unknown"]
    assert (row["count"], row["amount"], row["owner"]) == (1, "5.00", "payments") and row["address"] == "/debits?show=unknown"
    page = client.get("/").content.decode()
    assert 'href="/debits?show=unknown"' in page and "grouphead" in page


def test_the_desk_asks_no_more_for_more_rows(house: House, django_assert_max_num_queries: Any) -> None:
    money(house, random.Random(2), 8)
    batches(house, random.Random(2), 6)
    client = Client(headers={"accept-language": "en"})
    client.force_login(house.staff["payments"])
    with django_assert_max_num_queries(38):  # one or two a row: each is an aggregate, and no row's query knows another's
        client.get("/")
