"""Fineract #5445: a payment at 00:05 that comes before the close of the day just ended gives the same books as one after it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import House
from tests.peers_book.history import payment_record, said
from tideover.core import business_time
from tideover.daily.close import close_day, tapes
from tideover.lending import clock, journal
from tideover.lending.doctor import checks
from tideover.lending.models import Contract

DAY = date(2026, 3, 5)
NEXT = DAY + timedelta(days=1)
FIVE_PAST_MIDNIGHT = datetime(2026, 3, 5, 16, 5, tzinfo=UTC)
"""00:05 of the 6th in Shanghai."""
OWN = {"loan_id", "customer_manager", "event_count"}
"""Names, and how many events were known at the cut-off: no figure of the book."""


@pytest.fixture(autouse=True)
def tape_dir(settings: Any, tmp_path: Path) -> None:
    settings.TAPE_DIR = tmp_path


def at(monkeypatch: pytest.MonkeyPatch, instant: datetime) -> None:
    for module in (business_time, clock):
        monkeypatch.setattr(module, "now", lambda: instant)


@pytest.fixture
def old_house(house: House) -> House:
    """The factory's house as if its loans had been entered when they were signed."""
    Contract.objects.update(created_at=datetime(2026, 1, 20, 4, tzinfo=UTC))
    return house


def rows(loan: str) -> list[dict[str, Any]]:
    """The rows of a loan on all closed days, without its number."""
    return [{k: v for k, v in r.items() if k not in OWN} for r in tapes()["loans"].to_table().to_pylist() if r["loan_id"] == loan]


def test_before_the_close_or_after_it(old_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def pay(loan: Any) -> None:
        payment_record(loan, amount_minor=250_000, received_on=NEXT, idempotency_key=loan.number, actor="a", as_of=NEXT)

    house = old_house
    at(monkeypatch, FIVE_PAST_MIDNIGHT)
    assert business_time.business_date(FIVE_PAST_MIDNIGHT) == NEXT
    pay(house.loan)
    at(monkeypatch, FIVE_PAST_MIDNIGHT + timedelta(minutes=10))
    close_day(DAY, today=NEXT)
    at(monkeypatch, FIVE_PAST_MIDNIGHT + timedelta(minutes=20))
    pay(house.second_loan)
    at(monkeypatch, FIVE_PAST_MIDNIGHT + timedelta(days=1))
    close_day(NEXT, today=NEXT)
    house.loan.refresh_from_db()
    first, second = rows("T-1"), rows("T-2")
    assert first == second and [r["days_past_due"] for r in first] == [13, 14]
    assert first[0]["arrears_balance"] == 406_000, "money of the 6th pays nothing on the 5th"
    assert first[1]["arrears_balance"] < first[0]["arrears_balance"]
    assert said(house.loan) == said(house.second_loan)
    assert [c.name for c in checks() if not c.ok and c.name != "reference rates"] == []


def test_the_stamp_of_the_later_one_lies_above_the_cut_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, FIVE_PAST_MIDNIGHT)
    close_day(DAY, today=NEXT)
    payment_record(house.loan, amount_minor=1, received_on=NEXT, idempotency_key="k", actor="a", as_of=NEXT)
    cut = clock.cut_off()
    assert cut is not None and journal.LoanEvent.objects.get().recorded_at > cut
