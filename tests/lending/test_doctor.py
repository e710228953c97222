"""The doctor finds what it is there to find."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.factories import House
from tests.peers_book.history import HISTORY, enter
from tideover.core import doctor as core_doctor
from tideover.core.packs.load import FOLDER
from tideover.daily import doctor as daily_doctor
from tideover.daily.close import close_day, tape_folder
from tideover.daily.models import CloseRun
from tideover.lending import triggers
from tideover.lending.doctor import checks
from tideover.lending.models import Contract, StandingRow
from tideover.lending.services import standing_refresh

DAY = date(2026, 7, 1)


def failing() -> list[str]:
    return [c.name for module in (core_doctor.checks, checks, daily_doctor.checks) for c in module() if not c.ok]


def said(name: str) -> str:
    return next(c.detail for module in (core_doctor.checks, checks, daily_doctor.checks) for c in module() if c.name == name)


@pytest.fixture
def closed(house: House, settings: Any, tmp_path: Path) -> House:
    """A house with a history and a closed day."""
    settings.TAPE_DIR = tmp_path
    enter(house.loan, range(len(HISTORY)))
    close_day(DAY, today=DAY)
    return house


def test_a_sound_book(house: House) -> None:
    assert failing() == []


def test_a_sound_book_with_a_history_and_a_tape(closed: House) -> None:
    assert failing() == []
    assert said("standing = replay") == "3 equal" and said("tape = replay") == "2026-07-01: 3 rows equal"


@pytest.mark.parametrize(
    ("field", "value"),
    [("payoff_minor", 1), ("five_category", "loss"), ("oldest_due_on", date(2026, 1, 2)), ("next_due_on", None)],
)
def test_a_changed_standing_is_named(house: House, field: str, value: object) -> None:
    StandingRow.objects.filter(contract=house.loan).update(**{field: value})
    standing_refresh(house.second_loan, as_of=date(2026, 1, 25))
    if field == "next_due_on":
        standing_refresh(house.loan, as_of=date(2026, 1, 25))
        StandingRow.objects.filter(contract=house.loan).update(next_due_on=None)
    assert failing() == ["standing = replay"]
    assert f"T-1 ({field})" in said("standing = replay")


def test_a_missing_standing_is_named(house: House) -> None:
    StandingRow.objects.filter(contract=house.loan).delete()
    assert failing() == ["standing = replay"] and "T-1 (no standing)" in said("standing = replay")


def test_a_missing_trigger_is_named(house: House) -> None:
    on = " ON lending_loanevent" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER lending_loanevent_no_delete{on}")
    assert failing() == ["triggers"]
    triggers.install()


def test_a_tape_that_is_not_what_was_committed_is_named(closed: House) -> None:
    CloseRun.objects.update(digest="0" * 64)
    assert failing() == ["tape"] and "2026-07-01" in said("tape")
    for path in tape_folder(DAY).glob("loans*.parquet"):
        path.write_bytes(b"nothing")
    assert failing() == ["tapes", "tape", "tape = replay", "sub-ledger = tape"]


def test_a_tape_that_replay_does_not_give_is_named(closed: House) -> None:
    Contract.objects.filter(number="T-3").update(annual_rate_ppm=61_000)
    assert "tape = replay" in failing()
    assert "T-3 (" in said("tape = replay") and "interest_rate" in said("tape = replay")


def test_a_pack_that_cannot_be_read_is_named(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cn").mkdir()
    (tmp_path / "cn" / "price.yaml").write_text("pack: us\nrules: []\n")
    monkeypatch.setattr(core_doctor, "FOLDER", tmp_path)
    monkeypatch.setattr(core_doctor, "pack_names", lambda: ["cn"])
    assert tmp_path != FOLDER and failing() == ["packs"] and "cn/price.yaml:1" in said("packs")


def test_the_command_says_one_object(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    from tideover.cli import main

    assert main(["doctor", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] and {"name", "ok", "detail"} == set(answer["checks"][0])
    assert {c["name"] for c in answer["checks"]} == {
        "installed", "packs", "action log chain", "triggers", "reference rates", "receipts = parts",
        "tills = slips = receipts", "journal chains",
        "standing = replay", "tape", "tape = replay", "approvals", "documents", "outbox", "texts of messages", "tapes",
        "sub-ledger = tape", "books: closed periods", "books", "field keys", "contact decisions chain",
        "beside a core", "contact decisions = facts",
    }  # fmt: skip
    StandingRow.objects.all().delete()
    assert main(["doctor"]) == 1 and "FAIL standing = replay" in capsys.readouterr().out
