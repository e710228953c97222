"""Changes leave as instructions: in force when the core confirmed them, never booked twice, never lost; a core as a process."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import House
from tideover.core.business_time import business_date, now
from tideover.core.problems import Refused
from tideover.engine.events import EventKind
from tideover.lending.approvals import event_ask
from tideover.lending.beside import doctor
from tideover.lending.beside.core_link import Answer, CoreLink
from tideover.lending.beside.files import file_take
from tideover.lending.beside.instructions import (
    answer_apply,
    instruction_request,
    instructions_reflect,
    instructions_work,
)
from tideover.lending.models import Contract, CoreFile, Instruction, LoanEvent
from tideover.lending.services import event_record

MOVEMENTS = """
kind: core_movements
columns: {loan_id: loan, data_cut_off_date: day, reference: nr, kind: kind, effective_on: value_date, amount: amount,
  instruction: instruction}
"""


def _port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Core:
    """The sandbox core, started as a process."""

    def __init__(self, folder: Path, *faults: str) -> None:
        self.port, self.control, self.record, self.files = _port(), _port(), folder / "booked.jsonl", folder / "out"
        ledger = folder / "ledger.csv"
        ledger.write_text("loan,principal,fee\nT-1,12000.00,0.00\n")
        command = [sys.executable, "-m", "tideover.sandbox.core_bank", "--port", str(self.port), "--control", str(self.control)]
        command += ["--record", str(self.record), "--files", str(self.files), "--ledger", str(ledger), "--receipt-after", "0.1"]
        self.process = subprocess.Popen([*command, *(x for f in faults for x in ("--fault", f))], stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.05)

    @property
    def link(self) -> CoreLink:
        return CoreLink(f"http://127.0.0.1:{self.port}")

    def faults(self, **chances: float) -> None:
        self.post(self.control, "/faults", chances)

    def post(self, port: int, path: str, body: Any) -> None:
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode()), timeout=5)

    def booked(self) -> list[str]:
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [json.loads(line)["key"] for line in lines]


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    started = Core(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


@pytest.fixture
def overlay(house: House) -> House:
    house.entity.book_mode = "overlay"
    house.entity.save()
    house.loan = Contract.objects.select_related("entity", "branch", "product", "borrower").get(pk=house.loan.pk)
    return house


def ask(house: House, key: str = "w1", **more: Any) -> Instruction:
    values: dict[str, Any] = {
        "kind": EventKind.CHARGE, "amount_minor": 500, "extra": {"component": "fee", "until": "2026-12-01"}, **more,
    }  # fmt: skip
    on = max(business_date(), house.loan.disbursed_on)
    return instruction_request(
        house.loan, effective_on=on, idempotency_key=key, reason="agreed", actor="payments", **values
    )  # fmt: skip


def rounds(house: House, core: Core, count: int = 12) -> None:
    """Rounds of work, each a while after the one before, as a worker would do them."""
    at = now()
    for n in range(count):
        instructions_work(house.entity, link=core.link, at=at + timedelta(minutes=31 * n))
        if not Instruction.objects.filter(state__in=("requested", "sent")).exists():
            return
        time.sleep(0.15)


def test_a_change_is_in_force_when_the_core_has_confirmed_it(overlay: House, core: Core) -> None:
    with pytest.raises(Refused, match="keeps this loan"):
        event_record(
            overlay.loan, kind=EventKind.WAIVER, effective_on=business_date(), amount_minor=1, extra={"component": "fee"},
            idempotency_key="no", actor="test",
        )  # fmt: skip
    row = ask(overlay)
    assert ask(overlay) == row
    client = Client()
    client.force_login(overlay.staff["payments"])
    client.cookies["django_language"] = "en"
    page = client.get("/loans/T-1").content.decode()
    assert "requested" in page and "not in force until the core confirms it" in page
    assert row.reference in client.get("/instructions").content.decode()
    client.force_login(overlay.staff["borrower"])
    assert "until then everything stays as it is" in client.get("/").content.decode()
    assert not LoanEvent.objects.filter(contract=overlay.loan, kind=EventKind.CHARGE).exists()
    counts = instructions_work(overlay.entity, link=core.link)
    row.refresh_from_db()
    assert (counts.sent, row.state) == (1, "sent")
    assert not LoanEvent.objects.filter(contract=overlay.loan, kind=EventKind.CHARGE).exists()
    time.sleep(0.4)
    assert instructions_work(overlay.entity, link=core.link).confirmed == 1
    row.refresh_from_db()
    assert row.state == "confirmed" and row.event is not None and row.event.kind == EventKind.CHARGE
    assert all(c.ok for c in doctor.checks())


def test_it_is_reflected_when_the_cores_next_file_names_it(overlay: House, core: Core, tmp_path: Path) -> None:
    row = ask(overlay)
    rounds(overlay, core)
    today = business_date()
    core.post(core.port, "/day", {"day": today.isoformat()})
    taken = file_take(overlay.entity, core.files / f"movements-{today}.csv", MOVEMENTS, actor="test")
    assert taken.state == "taken", taken.rejects
    file = CoreFile(entity=overlay.entity, kind="balances", day=today)
    assert instructions_reflect(file) == 1
    row.refresh_from_db()
    assert (row.state, row.reflected_on) == ("reflected", today)


@pytest.mark.parametrize(
    "fault", ["lose", "drop_before", "drop_after", "garbage", "receipt_twice", "reject"], ids=lambda f: f"fault {f}"
)  # fmt: skip
def test_whatever_the_wire_does_nothing_is_booked_twice_and_nothing_is_lost(overlay: House, core: Core, fault: str) -> None:
    core.faults(**{fault: 1.0})
    rows = [ask(overlay, f"k{n}") for n in range(3)]
    instructions_work(overlay.entity, link=core.link)
    core.faults(**({} if fault != "receipt_twice" else {fault: 1.0}))
    rounds(overlay, core)
    booked, events = core.booked(), LoanEvent.objects.filter(contract=overlay.loan, kind=EventKind.CHARGE)
    states = [r.state for r in Instruction.objects.order_by("pk")]
    if fault == "reject":
        assert (states, booked, events.count()) == (["rejected"] * 3, [], 0)
        assert set(Instruction.objects.values_list("answer", flat=True)) == {"R17 not allowed on this account"}
        return
    assert states == ["confirmed"] * 3
    again = 2 if fault in ("lose", "drop_before") else 1
    assert [r.attempts for r in Instruction.objects.all()] == [again] * 3, "sent again only where the core did not know it"
    assert sorted(booked) == sorted(r.reference for r in rows), "each once"
    assert events.count() == 3


def test_a_worker_that_died_after_marking_asks_before_it_sends_again(overlay: House, core: Core) -> None:
    row = ask(overlay)
    Instruction.objects.filter(pk=row.pk).update(state="sent", attempts=1, sent_at=now())
    counts = instructions_work(overlay.entity, link=core.link)
    assert (counts.asked, counts.lost, counts.sent) == (1, 1, 1)
    rounds(overlay, core)
    assert core.booked() == [row.reference]


def test_a_second_answer_that_contradicts_the_first_changes_nothing(overlay: House) -> None:
    row = ask(overlay)
    assert answer_apply(row, Answer(row.reference, "rejected", reason="R1"), now()) == "rejected"
    assert answer_apply(row, Answer(row.reference, "confirmed", "C1"), now()) == ""
    row.refresh_from_db()
    assert (row.state, row.problem) == ("rejected", "the core said confirmed after rejected")
    assert row.event is None


def test_peoples_door_sends_changes_to_the_core_and_books_money(overlay: House) -> None:
    user, on = overlay.staff["finance"], business_date()
    done = event_ask(
        overlay.loan, kind=EventKind.CHARGE, effective_on=on, amount_minor=100, idempotency_key="c", actor=user, reason="r",
        extra={"component": "fee", "until": "2026-12-01"},
    )  # fmt: skip
    assert isinstance(done, Instruction)
    money = event_ask(
        overlay.loan, kind=EventKind.PAYMENT, effective_on=on, amount_minor=100, idempotency_key="p", actor=user, reason="r"
    )  # fmt: skip
    assert isinstance(money, LoanEvent)
