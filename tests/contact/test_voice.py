"""Calls: lists with the gate before each, and the telephone system's records."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.contact.test_outbox import NIGHT, NOON, SHANGHAI, help_asked, ready
from tests.factories import House
from tideover.contact.call_records import BadFile, calls_import, rejects_write
from tideover.contact.loan_values import LOAN_NEEDS
from tideover.contact.models import CallList, CallListLine, CallRecord
from tideover.contact.rules.hours import open_until
from tideover.contact.rules.model import Channel, Facts, Proposal, Purpose
from tideover.contact.rules.policy import policy_read
from tideover.contact.voice import call_begin, call_end, call_list_make
from tideover.contact.zones import zone
from tideover.core.packs.load import pack
from tideover.core.problems import Refused
from tideover.lending.models import ContactRecord, Contract, ImportBatch

__all__ = ["ready"]
HEAD = "call_id,number,direction,started_at,seconds,talked,recording_sha256,retention_until\n"
SHA = "ab" * 32


def make(at: datetime = NOON) -> CallList:
    loans = Contract.objects.select_related(*LOAN_NEEDS).filter(number__in=["T-1", "T-3"])
    return call_list_make(
        "today", loans, why="Loans that are late", template="late.one_payment", branch=None, at=at, actor="collector"
    )


def line_of(made: CallList, number: str = "T-1") -> CallListLine:
    return made.lines.get(contract__number=number)


@pytest.mark.parametrize(
    ("day", "clock", "ends"),
    [
        ("2026-05-12", "08:00:00", "22:00:00"), ("2026-05-12", "21:59:59", "22:00:00"), ("2026-05-12", "22:00:00", None),
        ("2026-05-12", "07:59:59", None), ("2026-05-12", "00:00:00", None), ("2026-10-01", "10:00:00", "20:00:00"),
        ("2026-10-01", "09:59:59", None), ("2026-10-01", "20:00:00", None),
    ],
)  # fmt: skip
def test_until_when_calls_are_allowed_to_the_second(day: str, clock: str, ends: str | None) -> None:
    at = datetime.fromisoformat(f"{day}T{clock}+08:00")
    facts, asked = Facts(zone("Asia/Shanghai")), Proposal(int(at.timestamp()), Channel.CALL, Purpose.COLLECTION)
    found = open_until(policy_read(pack("cn"), at.date()), facts, asked)
    assert found == (None if ends is None else int(datetime.fromisoformat(f"{day}T{ends}+08:00").timestamp()))
    wish = Facts(facts.zone, inconvenient=((21 * 60, 24 * 60),))
    if ends == "22:00:00" and clock < "21":
        assert open_until(policy_read(pack("cn"), at.date()), wish, asked) == found - 3600


def test_a_list_says_whom_why_with_which_words_and_until_when(ready: House) -> None:
    line = line_of(make())
    assert line.why == "Loans that are late" and line.allowed_until == NOON.replace(hour=22)
    assert "潮银行" in line.script and "陈明" in line.script and "录音" in line.script


def test_at_night_the_list_says_when_it_opens(ready: House) -> None:
    line = line_of(make(NIGHT))
    assert line.allowed_until is None and line.blocked.startswith("contact.window")
    assert line.next_at == datetime(2026, 5, 13, 8, 0, tzinfo=SHANGHAI)


def test_a_call_is_asked_for_written_down_and_ended(ready: House) -> None:
    line = call_begin(line_of(make()), at=NOON, actor="collector")
    assert not line.blocked and ContactRecord.objects.get().outcome == "unanswered"
    with pytest.raises(Refused, match="call ends as"):
        call_end(line, outcome="whatever", seconds=None, at=NOON, actor="collector")
    with pytest.raises(Refused, match="lasts"):
        call_end(line, outcome="conversation", seconds=-1, at=NOON, actor="collector")
    call_end(line, outcome="conversation", seconds=240, at=NOON, actor="collector")
    assert ContactRecord.objects.get().outcome == "conversation"
    with pytest.raises(Refused, match="has been made"):
        call_begin(line, at=NOON, actor="collector")


def test_a_hold_placed_after_the_list_was_made_stops_the_call(ready: House) -> None:
    line = line_of(make())
    help_asked(ready)
    assert call_begin(line, at=NOON, actor="collector").blocked == "contact.hold.hardship_request"
    assert ContactRecord.objects.filter(channel="call").count() == 0


def test_a_list_needs_a_name_loans_and_words_for_a_call(ready: House) -> None:
    loans = Contract.objects.filter(number="T-1")
    given = {"why": "x", "branch": None, "at": NOON, "actor": "t"}
    with pytest.raises(Refused, match="name"):
        call_list_make(" ", loans, template="late.one_payment", **given)
    with pytest.raises(Refused, match="1 to 200"):
        call_list_make("x", [], template="late.one_payment", **given)
    with pytest.raises(Refused, match="no words for a call"):
        call_list_make("x", loans, template="payment.received", **given)


def row(**changes: str) -> str:
    given = {
        "call_id": "c1", "number": "+86 199 0000 0001", "direction": "out", "started_at": "2026-05-12T12:00:20+08:00",
        "seconds": "95", "talked": "yes", "recording_sha256": SHA, "retention_until": "2031-05-12",
    }  # fmt: skip
    return ",".join({**given, **changes}.values()) + "\n"


def test_a_record_settles_the_call_that_was_begun_from_a_list_and_counts_once(ready: House) -> None:
    line = call_begin(line_of(make()), at=NOON, actor="collector")
    for _ in range(2):
        result = calls_import((HEAD + row()).encode(), file_name="calls.csv", actor="t")
    assert (result.stored, result.already) == (0, 1)
    record, contact = CallRecord.objects.get(), ContactRecord.objects.get()
    line.refresh_from_db()
    assert (record.line, record.party, record.contact_record) == (line, ready.borrower, contact)
    assert (contact.outcome, line.outcome) == ("conversation", "conversation") and line.done_at is not None
    assert ImportBatch.objects.filter(kind="calls", state="done").count() == 2


def test_a_call_outside_every_list_is_written_down_so_that_caps_count_it(ready: House) -> None:
    calls_import(
        (HEAD + row(talked="no", seconds="0", recording_sha256="", retention_until="")).encode(), file_name="c", actor="t"
    )
    contact = ContactRecord.objects.get()
    assert (contact.outcome, contact.direction, contact.party) == ("unanswered", "out", ready.borrower)


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"call_id": ""}, "call_id"), ({"number": "12"}, "number"), ({"direction": "up"}, "direction"),
        ({"seconds": "-5"}, "seconds"),
        ({"started_at": "2026-05-12 12:00"}, "started_at"), ({"started_at": "2199-01-01T00:00:00+08:00"}, "started_at"),
        ({"seconds": "1e3"}, "seconds"), ({"seconds": "99999"}, "seconds"), ({"seconds": "0"}, "seconds"),
        ({"talked": "maybe"}, "talked"),
        ({"recording_sha256": "xyz"}, "recording_sha256"), ({"retention_until": ""}, "retention_until"),
        ({"retention_until": "2026-05-11"}, "retention_until"), ({"seconds": "９"}, "seconds"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_are_refused_by_column_and_the_rest_is_stored(
    ready: House, changes: dict[str, str], column: str, tmp_path: Path
) -> None:
    data = HEAD + row(**changes) + row(call_id="good")
    result = calls_import(data.encode(), file_name="c", actor="t")
    assert (result.rows, result.stored, [r.column for r in result.rejects]) == (2, 1, [column])
    rejects_write(tmp_path / "rejects.csv", result)
    written = (tmp_path / "rejects.csv").read_text("utf-8")
    assert f"2,{column}," in written and "19900000001" not in written


def test_files_that_are_none_and_numbers_that_nobody_has(ready: House) -> None:
    for data in (b"\xff\xfe\x00x", b"", b"a,b\n1,2\n", b"call_id\0"):
        with pytest.raises(BadFile):
            calls_import(data, file_name="c", actor="t")
    result = calls_import((HEAD + row(number="13800000000")).encode("gb18030"), file_name="c", actor="t")
    assert (result.stored, result.unmatched) == (1, 1) and CallRecord.objects.get().party is None
    twice = calls_import((HEAD + row(call_id="x") + row(call_id="x")).encode(), file_name="c", actor="t")
    assert [r.reason for r in twice.rejects] == ["stands twice in this file"]
    assert timedelta(0) <= datetime.now(SHANGHAI) - CallRecord.objects.earliest("pk").recorded_at < timedelta(minutes=1)
