"""The close: same digest again, corrections stated, one at a time, nothing from after the cut-off, no half tapes."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.factories import House
from tideover.core.business_time import now
from tideover.core.problems import Refused
from tideover.daily.close import close_day, tape_folder, tapes
from tideover.daily.models import CloseRun
from tideover.engine.events import EventKind
from tideover.lending.services import event_record
from tideover.tape import store
from tideover.tape.digest import digest

DUE, TODAY = date(2026, 2, 20), date(2026, 11, 24)


@pytest.fixture(autouse=True)
def tape_dir(settings, tmp_path: Path) -> Path:
    settings.TAPE_DIR = tmp_path
    return tmp_path


def pay(house: House, amount: int = 406_000) -> None:
    event_record(house.loan, kind=EventKind.PAYMENT, effective_on=DUE, amount_minor=amount, idempotency_key="p", actor="a")


def rows(name: str, on: date) -> list[dict]:
    return [r for r in tapes()[name].to_table().to_pylist() if r["data_cut_off_date"] == on]


def test_a_row_a_loan_equal_to_live_replay(house: House) -> None:
    closed = close_day(DUE + timedelta(days=1), today=TODAY)
    tape = rows("loans", closed.as_of)
    assert closed.loans == 3 and [r["days_past_due"] for r in tape] == [1, 1, 1]
    assert all(r["arrears_balance"] == r["arrears_principal"] + r["arrears_interest"] == 406_000 for r in tape)


def test_transitions_and_a_backdated_payment_as_correction(house: House) -> None:
    close_day(DUE, today=TODAY)
    late = close_day(DUE + timedelta(days=1), today=TODAY).as_of
    assert {r["kind"] for r in rows("transitions", late)} == {"became_overdue"}
    digest = CloseRun.objects.get(as_of=late).digest
    pay(house)
    following = close_day(late + timedelta(days=1), today=TODAY).as_of
    said = [(r["loan_id"], r["kind"], r["from_bucket"], r["to_bucket"]) for r in rows("transitions", following)]
    assert said == [("T-1", "corrected", "d1_30", "current")]
    assert close_day(late, today=TODAY).digest == digest


def test_killed_before_the_manifest_and_run_again_gives_the_same_tape(house: House) -> None:
    first = close_day(DUE, today=TODAY)
    run = CloseRun.objects.get(as_of=DUE)
    store.write(tape_folder(DUE), "loans-left-behind.parquet", store.table_of("loans", []))
    CloseRun.objects.filter(pk=run.pk).update(state="running", manifest=None, digest="", lease_until=None)
    pay(house)
    again = close_day(DUE, today=TODAY)
    assert again.digest == first.digest
    assert len(list(tape_folder(DUE).glob("*.parquet"))) == 4


def test_two_closes_cannot_run_at_once_and_a_dead_one_locks_nothing(house: House) -> None:
    close_day(DUE, today=TODAY)
    CloseRun.objects.update(state="running", owner="other:1", lease_until=now() + timedelta(seconds=30))
    with pytest.raises(Refused, match="is closing"):
        close_day(DUE, today=TODAY)
    CloseRun.objects.update(lease_until=now() - timedelta(seconds=1))
    assert close_day(DUE, today=TODAY).loans == 3


def test_a_day_that_has_not_come_is_refused(house: House) -> None:
    with pytest.raises(Refused, match="has not come"):
        close_day(TODAY + timedelta(days=1), today=TODAY)


def test_digest_does_not_depend_on_the_order_of_rows(house: House) -> None:
    close_day(DUE, today=TODAY)
    table = tapes()["loans"].to_table()
    assert digest({"loans": table}) == digest({"loans": table.take(list(reversed(range(len(table)))))})


def test_queries_reach_the_tapes_and_nothing_else(house: House) -> None:
    close_day(DUE, today=TODAY)
    assert store.query("SELECT count(*) AS n FROM loans", tapes()).to_pylist() == [{"n": 3}]
    with pytest.raises(store.QueryRefused):
        store.query("SELECT * FROM read_csv('/etc/passwd')", tapes())


def test_an_old_tape_without_a_column_reads_as_unknown(house: House, tmp_path: Path) -> None:
    close_day(DUE, today=TODAY)
    store.write(tmp_path, "old.parquet", tapes()["loans"].to_table().drop_columns(["compound_outstanding"]))
    assert store.read(tmp_path, "loans", ["old.parquet"])["compound_outstanding"].null_count == 3
