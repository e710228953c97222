"""The people and facilities tapes: one person over many loans, guarantors, holds, contacts; nothing personal."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.factories import House, party
from tideover.core.business_time import now
from tideover.daily.close import close_day, read_tape
from tideover.daily.models import CloseRun
from tideover.lending.models import Complaint, ContactRecord, Contract, Facility, Hold, LoanParty, Promise

AS_OF, TODAY = date(2026, 3, 1), date(2026, 11, 24)


@pytest.fixture(autouse=True)
def tape_dir(settings, tmp_path: Path) -> None:
    settings.TAPE_DIR = tmp_path


def at(on: date, hour: int = 12) -> datetime:
    return datetime(on.year, on.month, on.day, hour, tzinfo=ZoneInfo("Asia/Shanghai"))


def people() -> dict[str, dict]:
    close_day(AS_OF, today=TODAY)
    return {r["party_id"]: r for r in read_tape(CloseRun.objects.get(as_of=AS_OF), "people").to_pylist()}


def loans() -> dict[str, dict]:
    return {r["loan_id"]: r for r in read_tape(CloseRun.objects.get(as_of=AS_OF), "loans").to_pylist()}


def test_a_borrower_is_one_person_over_all_loans(house: House) -> None:
    mine, tape = people()["P-0001"], loans()
    two = [tape["T-1"], tape["T-2"]]
    assert (mine["loans_as_borrower"], mine["loans_overdue"], mine["loans_as_guarantor"]) == (2, 2, 0)
    assert mine["exposure"] == sum(r["current_principal_balance"] for r in two) == 2_400_000
    assert mine["arrears_balance"] == sum(r["arrears_balance"] for r in two)
    assert mine["worst_days_past_due"] == 9 and mine["worst_category"] == "special_mention"


def test_a_guarantor_is_liable_up_to_the_cap_and_only_while_it_lasts(house: House) -> None:
    for role, cap in (("guarantor_joint", 500_000), ("co_borrower", None)):
        LoanParty.objects.create(contract=house.loan, party=house.other_borrower, role=role, cap_minor=cap, valid_from=AS_OF)
    past = {"valid_from": date(2026, 1, 20), "valid_to": AS_OF}
    LoanParty.objects.create(contract=house.second_loan, party=house.other_borrower, role="guarantor_general", **past)
    other = people()["P-0002"]
    assert (other["loans_as_borrower"], other["loans_as_guarantor"], other["exposure_guaranteed"]) == (2, 1, 500_000)
    assert other["worst_days_past_due_guaranteed"] == 9 and other["exposure"] == 2_400_000


def test_rows_of_a_person_count_as_known_and_in_force_on_the_day(house: House) -> None:
    base = {"party": house.borrower, "actor": "a", "recorded_at": at(AS_OF)}
    Hold.objects.create(**base, kind="help", starts_at=at(AS_OF))
    Hold.objects.create(**base, kind="lifted", starts_at=at(AS_OF), lifted_at=at(AS_OF, 13))
    Hold.objects.create(**base, kind="later", starts_at=at(AS_OF + timedelta(days=1)))
    Hold.objects.create(**base, contract=house.loan, kind="one loan", starts_at=at(AS_OF))
    Hold.objects.create(**base | {"recorded_at": now() + timedelta(days=1)}, kind="not known", starts_at=at(AS_OF))
    Promise.objects.create(**base, amount_minor=700, promised_on=AS_OF, due_on=AS_OF)
    Promise.objects.create(**base, amount_minor=900, promised_on=date(2026, 2, 1), due_on=date(2026, 2, 28))
    Complaint.objects.create(**base, source="phone", opened_on=AS_OF, subject="x")
    for days, direction in ((0, "out"), (0, "in"), (6, "out"), (7, "out"), (-1, "out")):
        ContactRecord.objects.create(**base, at=at(AS_OF - timedelta(days=days), 9), direction=direction, channel="phone")
    mine = people()["P-0001"]
    assert (mine["holds_open"], mine["promises_live"], mine["promised_amount"], mine["complaints_open"]) == (2, 1, 700, 1)
    assert (mine["contacts_out_1d"], mine["contacts_out_7d"], mine["contacts_in_7d"]) == (1, 2, 1)
    assert [loans()[n]["holds_open"] for n in ("T-1", "T-2", "T-3")] == [2, 1, 0]
    assert [loans()[n]["is_held"] for n in ("T-1", "T-3")] == [True, False]


def test_only_who_has_a_part_in_something_has_a_row_and_nothing_personal_is_in_it(house: House) -> None:
    party("P-0003", "赵云", house.branch, "19900000003")
    rows = people()
    assert set(rows) == {"P-0001", "P-0002"}
    assert not {"李明", "19900000001"} & {str(v) for v in rows["P-0001"].values()}


def test_facilities_are_drawn_by_their_loans(house: House) -> None:
    base = {"entity": house.entity, "party": house.borrower, "opened_on": date(2026, 1, 1)}
    drawn = Facility.objects.create(**base, number="F-1", limit_minor=2_000_000, expires_on=date(2026, 12, 31))
    Facility.objects.create(**base, number="F-2", limit_minor=900, frozen=True, expires_on=date(2026, 12, 31))
    Facility.objects.create(**base, number="F-3", limit_minor=900, expires_on=date(2026, 2, 28))
    Facility.objects.create(**base | {"opened_on": date(2026, 3, 2)}, number="F-4", limit_minor=900, expires_on=date(2027, 1, 1))
    Contract.objects.filter(pk=house.loan.pk).update(facility=drawn)
    close_day(AS_OF, today=TODAY)
    rows = read_tape(CloseRun.objects.get(as_of=AS_OF), "facilities").to_pylist()
    assert [(r["facility_id"], r["drawn"], r["undrawn"]) for r in rows] == [
        ("F-1", 1_200_000, 800_000),
        ("F-2", 0, 0),
        ("F-3", 0, 0),
    ]
    assert rows[0]["worst_days_past_due"] == 9 and rows[0]["drawdowns_open"] == 1 and rows[0]["party_id"] == "P-0001"
