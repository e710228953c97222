"""Working breaks: taken, accepted by two people above a limit, mended by letting the journal follow; files that do not come."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.factories import House
from tests.lending.beside.books import BALANCES, MOVEMENTS
from tests.lending.beside.test_held import compared, core_file, overlay
from tideover.cli import main
from tideover.core.approvals import approval_decide
from tideover.core.business_time import business_date
from tideover.core.models import Approval, WorkItem
from tideover.engine.events import EventKind
from tideover.lending.beside.files import file_take
from tideover.lending.beside.policies import policy_publish
from tideover.lending.beside.selectors import by_loan, due_at, file_days
from tideover.lending.beside.services import break_accept, break_mend, broken_get, work_renew
from tideover.lending.desk.rows import desk_rows
from tideover.lending.models import Break, Contract, CoreBalance, CoreFile, LoanEvent
from tideover.lending.services import event_record

__all__ = ["overlay"]


def of(number: str) -> list[Break]:
    return list(Break.objects.filter(number=number, closed_at=None).select_related("entity", "contract"))


def test_a_difference_above_the_limit_is_accepted_by_a_second_person(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    policy_publish(overlay.entity, "accept_alone_minor: 100", valid_from=today, actor="test")
    compared(overlay, core_file(tmp_path, overlay, today, {"T-1": {"fee": 5_000}, "T-2": {"fee": 100}}))
    payments, finance = overlay.staff["payments"], overlay.staff["finance"]
    work_renew()
    assert {i.subject_id for i in WorkItem.objects.filter(kind="core.break", done_at=None)} == {"T-1", "T-2"}
    break_accept(broken_get(of("T-2")), reason="known", actor=payments)
    assert {b.state for b in of("T-2")} == {"accepted"}
    asked = break_accept(broken_get(of("T-1")), reason="known", actor=payments)
    assert isinstance(asked, Approval)
    assert {b.state for b in of("T-1")} == {"open"}
    approval_decide(asked, grant=True, reason="seen", actor=finance)
    assert {b.state for b in of("T-1")} == {"accepted"}
    assert not WorkItem.objects.filter(kind="core.break", done_at=None).exists()
    later = today + timedelta(days=0)
    file = CoreFile.objects.get(day=later)
    CoreBalance.objects.filter(file=file, contract__number="T-1").update(fee_minor=9_999)
    from tideover.lending.beside.compare import file_compare

    file_compare(file, actor="test")
    assert {b.state for b in of("T-1")} == {"open"}, "an accepted difference that moves is open again"
    assert {b.state for b in of("T-2")} == {"accepted"}


def test_the_journal_follows_the_core_with_one_press(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    loan = overlay.loan
    event_record(
        loan,
        kind=EventKind.PAYMENT,
        effective_on=today - timedelta(days=2),
        amount_minor=300_00,
        idempotency_key="own",
        actor="t",
    )
    moved = LoanEvent.objects.get(contract=loan, idempotency_key="own")
    movements = tmp_path / "mov.csv"
    value = today - timedelta(days=20)
    movements.write_text(
        f"loan,day,nr,kind,value_date,amount\nT-1,{today:%Y%m%d},M1,PAY,{value},300.00\nT-2,{today:%Y%m%d},M2,PAY,{today},77.00\n"
    )
    assert file_take(overlay.entity, movements, MOVEMENTS, actor="test").state == "taken"
    with_core(overlay, tmp_path, today, value)
    assert {(b.number, b.cause, b.mend) for b in Break.objects.all()} == {
        ("T-1", "value_date", "move_event"), ("T-2", "missing_event", "book_movement"),
    }  # fmt: skip
    client = Client()
    client.force_login(overlay.staff["payments"])
    client.cookies["django_language"] = "en"
    page = client.get("/breaks").content.decode()
    assert "value date" in page and "move ours" in page and "¥77.00" in page
    client.post("/breaks/T-1", {"act": "take"})
    client.post("/breaks/T-1", {"act": "mend"})
    assert break_mend(broken_get(of("T-2")), actor=overlay.staff["payments"])
    assert not Break.objects.filter(closed_at=None).exists()
    assert set(Break.objects.values_list("reason", flat=True)) == {"the journal was mended"}
    kinds = list(LoanEvent.objects.filter(contract=loan).order_by("seq").values_list("kind", "effective_on"))
    assert kinds == [(1, moved.effective_on), (5, moved.effective_on), (1, value)]


def with_core(house: House, folder: Path, today: date, value: date) -> None:
    """Balances of a core that has T-1's payment on another day, and one of T-2 that the journal lacks."""
    from tests.lending.beside import test_held
    from tideover.engine.events import Event
    from tideover.engine.replay import replay
    from tideover.engine.standing import Depth
    from tideover.engine.terms import day
    from tideover.lending.contract_terms import terms_for
    from tideover.lending.rules.breaks import figures_of

    pays = {"T-1": [Event(1, day(value), EventKind.PAYMENT, amount_minor=300_00)],
            "T-2": [Event(1, day(today), EventKind.PAYMENT, amount_minor=77_00)]}  # fmt: skip
    change = {}
    for number, events in pays.items():
        c = Contract.objects.select_related("product").get(number=number)
        own = figures_of(test_held.standing_replayed(c, list(c.events.order_by("seq")), today))
        core = figures_of(replay(terms_for(c), events, day(today), None, Depth.TOTALS))
        change[number] = {n: core[n] - own[n] for n in own}
    compared(house, core_file(folder, house, today, change))


def test_a_take_in_that_was_killed_is_begun_anew(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    path = core_file(tmp_path, overlay, today, {})
    first = file_take(overlay.entity, path, BALANCES, actor="test").file
    assert first is not None
    CoreFile.objects.filter(pk=first.pk).update(state="running", taken_at=None)
    CoreBalance.objects.filter(file=first).order_by("pk")[0].delete()
    again = file_take(overlay.entity, path, BALANCES, actor="test")
    assert (again.state, again.file) == ("taken", first)
    assert CoreBalance.objects.filter(file=first).count() == 3


def test_a_file_that_does_not_come_is_a_line_of_the_home(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    for back in (4, 2):
        on = today - timedelta(days=back)
        assert file_take(overlay.entity, core_file(tmp_path, overlay, on, {}), BALANCES, actor="test").state == "taken"
    CoreFile.objects.update(taken_at=due_at(today - timedelta(days=4), "08:00"))
    noon = datetime.combine(today, due_at(today, "12:00").timetz())
    states = {(today - f.day).days: f.state for f in file_days(overlay.entity, today, noon)}
    assert states == {4: "taken", 3: "missing", 2: "taken", 1: "missing"}
    files = next(r for kind, r in desk_rows(overlay.staff["payments"], today) if kind.target == "late_core")
    assert files.count >= 1 and files.oldest == today - timedelta(days=3) and files.late
    client = Client()
    client.force_login(overlay.staff["finance"])
    client.cookies["django_language"] = "en"
    assert "missing" in client.get("/core-files").content.decode()
    assert "Files of the core that have not come" in client.get("/").content.decode()
    house = overlay
    house.entity.book_mode = "record"
    house.entity.save()
    rows = {kind.target: r.count for kind, r in desk_rows(house.staff["payments"], today)}
    assert rows["late_core"] == rows["late_core_refused"] == rows["breaks"] == 0


def test_the_command_takes_in_compares_and_lists(overlay: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text(BALANCES)
    path = core_file(tmp_path, overlay, business_date(), {"T-1": {"fee": 700}})
    said = ["--entity", "BANK", "--json"]
    assert main(["beside", "take-in", str(path), "--mapping", str(mapping), *said]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "taken"
    assert main(["beside", "compare", *said]) == 1
    assert json.loads(capsys.readouterr().out)["opened"] == 1
    assert main(["beside", "breaks", *said]) == 0
    [found] = json.loads(capsys.readouterr().out)["breaks"]
    assert (found["loan_id"], found["component"], found["amount_minor"], found["cause"]) == ("T-1", "fee", 700, "unknown")
    assert main(["beside", "instructions", *said]) == 2
    client = Client()
    client.force_login(overlay.staff["auditor"])
    [item] = client.get("/api/v1/breaks").json()["items"]
    assert (item["amount"], item["age_days"]) == ("7.00", 0)
    assert client.get("/api/v1/breaks?age_days=1").json()["items"] == []
    assert client.get("/api/v1/breaks?age_days=-1").status_code == 422
    assert client.post(f"/api/v1/breaks/{item['id']}/mend", {}, content_type="application/json").status_code == 403
    assert len(by_loan(list(Break.objects.all()))) == 1
