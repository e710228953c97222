"""The columnar close says of every loan what live replay says of it, cell by cell, on a random book of every kind of event."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import transaction

from tests.daily.books import AS_OF, book_build, instant
from tests.factories import House
from tideover.core.business_time import micros
from tideover.daily import close
from tideover.daily.close import close_day, read_tape, replay_book
from tideover.daily.loans import Moment, replayed
from tideover.daily.lookups import lookups_read
from tideover.daily.models import CloseRun
from tideover.daily.screens import FROM_TAPE
from tideover.engine.clocks import contractual_days_past_due
from tideover.engine.events import EventKind, EventRejected
from tideover.engine.terms import NO_DAY, date_of, day
from tideover.lending import sources
from tideover.lending.columns import Conventions
from tideover.lending.contract_terms import terms_for
from tideover.lending.journal import engine_events
from tideover.lending.models import Contract, StandingRow
from tideover.lending.selectors import loan_standing, standing_fields
from tideover.lending.sources import Book
from tideover.tape.digest import digest

TODAY = date(2026, 11, 24)
LOANS = 400


@pytest.fixture(autouse=True)
def tape_dir(settings, tmp_path: Path) -> None:
    settings.TAPE_DIR = tmp_path


def expected(contract: Contract, run: CloseRun) -> dict[str, object] | None:
    """Cells of the tape from live replay; None for a loan with an event that cannot apply."""
    try:
        s = loan_standing(contract, run.as_of, run.cut_off)
    except EventRejected:
        return None
    fields = standing_fields(s, contract)
    cells = {tape: fields[cache] for cache, tape in FROM_TAPE.items() if cache != "source"}
    return cells | {
        "standing_source": "replay",
        "arrears_principal": s.overdue_principal_minor,
        "paid_total": s.paid_total_minor,
        "shown_days_past_due": s.shown_days_past_due,
        "borrower_days_past_due": s.borrower_days_past_due,
        "contractual_days_past_due": contractual_days_past_due(
            terms_for(contract), engine_events(contract.events.all()), day(run.as_of), micros(run.cut_off)
        ),
        "debit_in_flight": s.in_flight_minor,
        "payments_due": s.due_count,
        "payments_made": sum(r.paid_on != NO_DAY for r in s.rows),
        "remaining_term": s.row_count - s.due_count,
        "maturity_date": date_of(max(r.due_on for r in s.rows)) if s.rows else None,
        "write_off_amount": sum(s.written_off_minor),
        "cumulative_recoveries": sum(s.recovered_minor),
        "guarantor_claim": sum(s.subrogated_minor),
        "event_count": sum(e.recorded_at <= run.cut_off for e in contract.events.all()),
    }


def test_every_cell_equals_live_replay(house: House) -> None:
    contracts = {c.number: c for c in book_build(house, LOANS, 11)}
    closed = close_day(AS_OF, today=TODAY)
    run = CloseRun.objects.get(as_of=AS_OF)
    rows = {r["loan_id"]: r for r in read_tape(run, "loans").to_pylist()}
    rejected = 0
    for number, contract in contracts.items():
        if contract.disbursed_on > AS_OF:
            assert number not in rows
            continue
        row, cells = rows[number], expected(contract, run)
        if cells is None:
            rejected += 1
            assert row["replay_state"] == "event_rejected" and row["rejected_event"] and row["total_balance"] is None, number
            continue
        assert row["replay_state"] == "ok", number
        assert {n: row[n] for n in cells} == cells, number
    kinds = {e.kind for c in contracts.values() for e in c.events.all()}
    assert kinds == {int(k) for k in EventKind}
    assert 0 < rejected < LOANS // 2 and closed.rejected == rejected == run.rejected_count
    statuses = {r["loan_status"] for r in rows.values()}
    assert statuses == {"active", "overdue", "paid_off", "written_off", None}


def test_partitions_threads_and_order_of_events_do_not_matter(house: House) -> None:
    book_build(house, 120, 5)
    cut_off = instant(TODAY)
    moment = Moment(AS_OF, micros(cut_off), micros(instant(AS_OF)))
    look = lookups_read(AS_OF, cut_off)
    made = [replay_book(Book(AS_OF, cut_off, size), look, moment, threads=n) for size, n in ((50_000, 1), (7, 3), (1, 2))]
    digests = {digest({"loans": m.loans}) for m in made}
    assert len(digests) == 1
    assert len({m.events for m in made}) == 1 and len({tuple(m.rejected) for m in made}) == 1
    assert len({tuple(m.corrections.rows.tolist()) for m in made}) == 1 and len(made[0].corrections.rows) > 0
    [whole] = Book(AS_OF, cut_off).partitions()
    backwards = sources.Partition(whole.contracts, whole.events.take(list(reversed(range(len(whole.events))))))
    part = replayed(backwards, Conventions(look.conventions), look, moment)
    assert digest({"loans": part.table}) in digests


def test_terms_and_events_that_cannot_be_read_are_named_and_stop_nothing(house: House) -> None:
    Contract.objects.filter(pk=house.loan.pk).update(overrides={"calendar": "nowhere@1999"})
    Contract.objects.filter(pk=house.second_loan.pk).update(principal_minor=0)
    close_day(AS_OF, today=TODAY)
    run = CloseRun.objects.get(as_of=AS_OF)
    rows = {r["loan_id"]: r for r in read_tape(run, "loans").to_pylist()}
    assert [rows[n]["replay_state"] for n in ("T-1", "T-2", "T-3")] == ["terms_impossible", "terms_impossible", "ok"]
    assert rows["T-1"]["loan_status"] is None and run.rejected == ["T-1", "T-2"]


def test_the_cache_follows_the_tape_but_not_over_later_news(house: House) -> None:
    book_build(house, 60, 3)
    close_day(AS_OF, today=TODAY)
    run = CloseRun.objects.get(as_of=AS_OF)
    rows = {r["loan_id"]: r for r in read_tape(run, "loans").to_pylist() if r["replay_state"] == "ok"}
    for s in StandingRow.objects.filter(contract__number__in=rows, as_of__lte=AS_OF).select_related("contract"):
        row = rows[s.contract.number]
        assert {c: getattr(s, c) for c in FROM_TAPE} == {c: row[t] for c, t in FROM_TAPE.items()}, s.contract.number
    known = dict(Contract.objects.filter(number__startswith="R-").values_list("number", "event_count"))
    fresh = {n for n, row in rows.items() if known.get(n) == row["event_count"]}
    assert fresh == set(StandingRow.objects.filter(contract__number__startswith="R-").values_list("contract__number", flat=True))
    newer = StandingRow.objects.get(contract=Contract.objects.get(number=min(fresh)))
    Contract.objects.filter(pk=newer.pk).update(event_count=99)  # an event came after the cut-off and wrote the row
    StandingRow.objects.filter(pk=newer.pk).update(payoff_minor=1)
    later = StandingRow.objects.exclude(pk=newer.pk).filter(contract__number__startswith="R-").first()
    StandingRow.objects.filter(pk=later.pk).update(as_of=AS_OF + timedelta(days=9), payoff_minor=2)
    wrong = StandingRow.objects.exclude(pk__in=[newer.pk, later.pk]).filter(contract__number__startswith="R-").first()
    StandingRow.objects.filter(pk=wrong.pk).update(payoff_minor=3)
    CloseRun.objects.update(state="running", steps_done=[], lease_until=None)
    with transaction.atomic():
        close_day(AS_OF, today=TODAY)
    left = dict(StandingRow.objects.values_list("pk", "payoff_minor"))
    assert (left[newer.pk], left[later.pk]) == (1, 2) and left[wrong.pk] == wrong.payoff_minor


def test_a_second_refresh_writes_nothing(house: House) -> None:
    book_build(house, 60, 3)
    close_day(AS_OF, today=TODAY)
    table = read_tape(CloseRun.objects.get(as_of=AS_OF), "loans", close.screens.TAPE_COLUMNS)
    assert close.screens.refresh(table) == 0
