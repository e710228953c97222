"""Whose figure holds: the core's while a break is open over the threshold, for the cache, pages, REST, documents and the tape."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.factories import House
from tests.lending.beside.books import BALANCES
from tideover.core.business_time import business_date
from tideover.core.problems import Refused
from tideover.daily import doctor as daily_doctor
from tideover.daily.close import close_day
from tideover.daily.models import run_closed
from tideover.daily.reading import read_tape
from tideover.engine.events import EventKind
from tideover.lending import doctor
from tideover.lending.beside import doctor as beside_doctor
from tideover.lending.beside.compare import file_compare
from tideover.lending.beside.files import file_take
from tideover.lending.beside.policies import policy_publish
from tideover.lending.documents.account import balance_data
from tideover.lending.documents.common import loan_on
from tideover.lending.held import standing_held, standing_replayed
from tideover.lending.models import Break, Contract, CoreHold, StandingRow
from tideover.lending.rules.breaks import figures_of
from tideover.lending.rules.held import COMPONENTS
from tideover.lending.selectors import loan_standing
from tideover.lending.services import event_record


def core_file(folder: Path, house: House, on: date, change: dict[str, dict[str, int]], name: str = "") -> Path:
    """Balances of the house's three loans: replay's own, changed by loan and component."""
    path = folder / f"bal-{on}{name}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["loan", "day", *COMPONENTS, "dpd"])
        for c in Contract.objects.filter(entity=house.entity).order_by("pk"):
            own = figures_of(standing_replayed(c, list(c.events.order_by("seq")), on))
            own = {n: v + change.get(c.number, {}).get(n, 0) for n, v in own.items()}
            out.writerow(
                [c.number, f"{on:%Y%m%d}", *(f"{own[n] // 100}.{own[n] % 100:02d}" for n in COMPONENTS), own["days_past_due"]]
            )
    return path


def compared(house: House, path: Path) -> None:
    taken = file_take(house.entity, path, BALANCES, actor="test")
    assert taken.state == "taken", taken.rejects
    assert taken.file is not None
    file_compare(taken.file, actor="test")


@pytest.fixture
def overlay(house: House) -> House:
    house.entity.book_mode = "overlay"
    house.entity.save()
    house.loan.refresh_from_db()
    return house


def test_the_cores_figure_holds_everywhere_until_both_agree(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    yesterday = today - timedelta(days=1)
    compared(overlay, core_file(tmp_path, overlay, yesterday, {"T-1": {"fee": 123_45, "days_past_due": -3}}))
    loan = Contract.objects.get(number="T-1")
    rows = {b.component: b for b in Break.objects.filter(number="T-1")}
    assert {n: b.amount_minor for n, b in rows.items()} == {"fee": 123_45, "days_past_due": -3}
    held, own = standing_held(loan, today), standing_replayed(loan, list(loan.events.order_by("seq")), today)
    assert (held.source, held.core_on) == ("core", yesterday)
    assert held.standing.fee_minor == own.fee_minor + 123_45
    assert held.standing.payoff_minor == own.payoff_minor + 123_45
    assert held.standing.days_past_due == own.days_past_due - 3
    assert loan_standing(loan, today) == held.standing
    row = StandingRow.objects.get(contract=loan)
    assert (row.source, row.fee_minor, row.payoff_minor) == ("core", own.fee_minor + 123_45, own.payoff_minor + 123_45)
    assert StandingRow.objects.get(contract__number="T-2").source == "replay"
    client = Client()
    client.force_login(overlay.staff["payments"])
    said = client.get("/api/v1/loans/T-1").json()["standing"]
    assert (said["source"], said["core_day"]) == ("core", yesterday.isoformat())
    assert said["fee"] == "123.45"
    client.cookies["django_language"] = "en"
    assert "the core's figures" in client.get("/loans/T-1").content.decode()
    assert "the core's figures" not in client.get("/loans/T-2").content.decode()
    client.force_login(overlay.staff["borrower"])
    assert "account system" in client.get("/").content.decode()
    document = balance_data(loan_on(loan, today, "en"))
    assert document["payoff"].minor == held.standing.payoff_minor  # type: ignore[attr-defined]
    assert all(c.ok for c in [doctor._standings(), *beside_doctor.checks()])
    compared(overlay, core_file(tmp_path, overlay, today, {}))
    assert not Break.objects.filter(closed_at=None).exists()
    assert set(Break.objects.values_list("reason", flat=True)) == {"the core's figure moved"}
    assert standing_held(loan, today).source == "replay"
    assert standing_held(loan, yesterday).source == "core", "what held on a past day is still told"
    assert StandingRow.objects.get(contract=loan).source == "replay"
    assert all(c.ok for c in [doctor._standings(), *beside_doctor.checks()])


def test_money_booked_after_the_cores_file_is_never_asked_for_again(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    compared(overlay, core_file(tmp_path, overlay, today, {"T-1": {"fee": 50_00}}))
    before = standing_held(overlay.loan, today).standing
    event_record(
        overlay.loan, kind=EventKind.PAYMENT, effective_on=today, amount_minor=100_000, idempotency_key="k1", actor="test"
    )  # fmt: skip
    after = standing_held(overlay.loan, today)
    assert after.source == "core"
    assert after.standing.payoff_minor == before.payoff_minor - 100_000
    assert StandingRow.objects.get(contract=overlay.loan).payoff_minor == after.standing.payoff_minor


def test_a_break_below_the_policys_threshold_leaves_replays_figure(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    text = "hold_over_minor: 1000\ntolerance_minor: {accrued: 5}\n"
    policy_publish(overlay.entity, text, valid_from=today - timedelta(days=9), actor="test")
    compared(overlay, core_file(tmp_path, overlay, today, {"T-1": {"fee": 1000}, "T-2": {"accrued": 5}, "T-3": {"fee": 1001}}))
    assert {b.number for b in Break.objects.all()} == {"T-1", "T-3"}
    assert [h.contract.number for h in CoreHold.objects.all()] == ["T-3"]
    with pytest.raises(Refused, match="unknown key"):
        policy_publish(overlay.entity, "tolerances: 1", valid_from=today, actor="test")


def test_files_are_taken_whole_or_not_at_all_and_once(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    path = core_file(tmp_path, overlay, today, {})
    bad = tmp_path / "bad.csv"
    bad.write_text(path.read_text().replace("T-2", "T-1") + f"T-9,{today:%Y%m%d},x,0,0,0,0,0,0,0,0\n")
    refused = file_take(overlay.entity, bad, BALANCES, actor="test")
    assert refused.state == "refused"
    assert {(r.row, r.column) for r in refused.rejects} == {(2, "loan_id"), (4, "current_principal_balance")}
    assert refused.file is not None and refused.file.balances.count() == 0
    first = file_take(overlay.entity, path, BALANCES, actor="test")
    again = file_take(overlay.entity, path, BALANCES, actor="test")
    assert (first.state, again.state, again.file) == ("taken", "already", first.file)
    other = core_file(tmp_path, overlay, today, {"T-1": {"fee": 1}}, "b")
    with pytest.raises(Refused, match="already, from another file"):
        file_take(overlay.entity, other, BALANCES, actor="test")
    overlay.entity.book_mode = "record"
    with pytest.raises(Refused, match="keeps its own book"):
        file_take(overlay.entity, path, BALANCES, actor="test")


def test_loans_that_only_one_side_has_are_breaks(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    path = core_file(tmp_path, overlay, today, {})
    path.write_text(path.read_text().replace("T-3", "Z-3"))
    compared(overlay, path)
    found = {(b.number, b.component, b.mend) for b in Break.objects.all()}
    assert found == {("T-3", "loan", "ask_core"), ("Z-3", "loan", "open_loan")}


def test_the_tape_of_the_day_and_the_cache_after_it_are_the_cores(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    compared(overlay, core_file(tmp_path, overlay, today, {"T-1": {"fee": 123_45, "principal": -50_000, "days_past_due": -3}}))
    StandingRow.objects.filter(contract__number="T-1").update(as_of=today - timedelta(days=1), fee_minor=1)
    close_day(today, today=today)
    run = run_closed(today)
    assert run is not None
    rows = {r["loan_id"]: r for r in read_tape(run, "loans").to_pylist()}
    held = standing_held(overlay.loan, today).standing
    assert {n: r["standing_source"] for n, r in rows.items()} == {"T-1": "core", "T-2": "replay", "T-3": "replay"}
    told = [rows["T-1"][n] for n in ("fees_outstanding", "current_principal_balance", "total_balance", "days_past_due")]
    assert told == [held.fee_minor, held.principal_minor, held.payoff_minor, held.days_past_due]
    row = StandingRow.objects.get(contract__number="T-1")
    assert (row.source, row.fee_minor, row.payoff_minor, row.as_of) == ("core", held.fee_minor, held.payoff_minor, today)
    assert all(c.ok for c in daily_doctor.checks() if c.name == "tape = replay")
