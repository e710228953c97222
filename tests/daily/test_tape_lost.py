"""A tape that is lost or pruned: everything that reads tapes says so, and closing the day again brings a lost one back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.factories import House
from tideover.core.business_time import now
from tideover.core.models import ActionLog, ApiToken
from tideover.core.problems import Refused
from tideover.core.tokens import token_hash
from tideover.daily import backup, doctor, retention
from tideover.daily.close import close_day, read_tape, tape_folder
from tideover.daily.models import CloseRun
from tideover.daily.reading import TapeLost
from tideover.engine.events import EventKind
from tideover.lending.services import event_record
from tideover.web import tapes as web_tapes

DUE, TODAY = date(2026, 2, 20), date(2026, 11, 24)
LATE = DUE + timedelta(days=1)


@pytest.fixture(autouse=True)
def tape_dir(settings, tmp_path: Path) -> Path:
    settings.TAPE_DIR = tmp_path
    for cached in (web_tapes._rolls, web_tapes._moved, web_tapes._changes, web_tapes._shares):
        cached.cache_clear()
    return tmp_path


def missing(path: Path) -> None:
    path.unlink()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flipped(path: Path) -> None:
    """One byte in the middle of the data."""
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGE = [missing, cut_short, flipped, empty]


def closed(house: House) -> tuple[str, Path]:
    """Two closed days; the second one's digest and its file of loans."""
    close_day(DUE, today=TODAY)
    found = close_day(LATE, today=TODAY)
    return found.digest, next(tape_folder(LATE).glob("loans-*"))


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    from tideover.cli import main

    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("damage", DAMAGE)
def test_closing_the_day_again_restores_the_same_digest(
    house: House, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    digest, path = closed(house)
    event_record(house.loan, kind=EventKind.PAYMENT, effective_on=DUE, amount_minor=406_000, idempotency_key="p", actor="a")
    damage(path)
    with pytest.raises(TapeLost, match=f"the tape of {LATE} cannot be read"):
        read_tape(CloseRun.objects.get(as_of=LATE), "loans")
    code, out, err = run(capsys, "close", "--as-of", str(LATE), "--json")
    assert (code, json.loads(out)["digest"]) == (0, digest)
    assert "made again, with the same digest" in err
    assert len(read_tape(CloseRun.objects.get(as_of=LATE), "loans")) == 3
    assert len(list(tape_folder(LATE).glob("*.parquet"))) == 4, "the damaged file was left behind"
    detail = ActionLog.objects.get(action="tape.restore").detail
    assert detail["digest"] == detail["committed"] == digest


def test_a_lost_day_before_is_replayed_for_the_transitions(house: House) -> None:
    digest, path = closed(house)
    path.unlink()
    next(tape_folder(DUE).glob("loans-*")).unlink()
    assert close_day(LATE, today=TODAY).digest == digest
    assert close_day(DUE, today=TODAY).committed != ""


def test_what_has_changed_since_is_said(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    _digest, path = closed(house)
    path.unlink()
    house.loan.branch = house.other_branch
    house.loan.save()
    _code, _out, err = run(capsys, "close", "--as-of", str(LATE))
    assert "have changed since that day" in err


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_reader_names_the_day(house: House, client: Client, damage: Callable[[Path], None], capsys) -> None:
    _digest, path = closed(house)
    damage(path)
    code, _out, err = run(
        capsys, "tape", "query", f"SELECT sum(total_balance), max(loan_id) FROM loans WHERE data_cut_off_date = '{LATE}'"
    )
    assert code == 2 and f"tideover close --as-of {LATE}" in err
    code, _out, err = run(capsys, "tape", "show", "T-1")
    assert code == 2 and f"tideover close --as-of {LATE}" in err
    assert run(capsys, "tape", "query", "SELEC")[2].count("tideover close") == 0
    checks = {c.name: c for c in doctor.checks()}
    assert not checks["tape"].ok and str(LATE) in checks["tape"].detail
    assert checks["tapes"].ok == (damage is flipped) and (damage is flipped or str(LATE) in checks["tapes"].detail)

    risk = house.staff["risk"]
    ApiToken.objects.create(user=risk, name="t", token_hash=token_hash("secret"), created_at=now())
    answer = client.get(f"/api/v1/tape/{LATE}/loans", headers={"Authorization": "Bearer secret"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (503, "tape_lost"), answer.content
    client.force_login(risk)
    for address in (
        "/book",
        "/book/trend",
        "/book/loans?kind=rolled",
        "/book/loans?was=current&became=d1_30",
        "/book/trend?x",
    ):
        answer = client.get(address, headers={"HX-Request": "true"} if address.endswith("x") else {})
        assert answer.status_code in (200, 503) and f"--as-of {LATE}" in answer.content.decode(), address
    if damage is missing:
        with pytest.raises(Refused, match="files of tapes are missing"):
            backup._tapes()


def months_closed(house: House) -> list[date]:
    days = [date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 20), date(2026, 2, 27), date(2026, 3, 31), date(2026, 4, 1)]
    for on in days:
        close_day(on, today=TODAY)
    return days


def test_old_days_are_pruned_and_month_ends_stay(house: House, client: Client, settings, capsys, tmp_path: Path) -> None:
    settings.TAPE_MONTHS = 0
    months_closed(house)
    code, out, _err = run(capsys, "tape", "prune", "--dry-run", "--months", "1", "--json")
    assert code == 0 and json.loads(out)["days"] == ["2026-01-30", "2026-02-20"]
    assert tape_folder(date(2026, 1, 30)).exists()

    settings.TAPE_MONTHS = 2
    on = date(2026, 4, 2)
    close_day(on, today=TODAY)  # February and later are kept whole
    pruned = {r.as_of for r in CloseRun.objects.filter(pruned_at__isnull=False)}
    assert pruned == {date(2026, 1, 30)}
    assert not tape_folder(date(2026, 1, 30)).exists() and tape_folder(date(2026, 1, 31)).exists()

    code, _out, err = run(capsys, "tape", "show", "T-1", "--as-of", "2026-01-30")
    assert code == 2 and "was pruned on" in err and "2026-01-31" in err
    code, out, err = run(
        capsys, "tape", "query", "SELECT count(*) AS n FROM loans WHERE data_cut_off_date = '2026-01-30'", "--json"
    )
    assert (code, json.loads(out)["rows"]) == (0, [[0]]) and "2026-01-30 was pruned" in err
    risk = house.staff["risk"]
    ApiToken.objects.create(user=risk, name="t", token_hash=token_hash("secret"), created_at=now())
    bearer = {"Authorization": "Bearer secret"}
    answer = client.get("/api/v1/tape/2026-01-30/loans", headers=bearer)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (410, "tape_pruned")
    days = {d["as_of"]: d["pruned_at"] for d in client.get("/api/v1/tape/days", headers=bearer).json()["items"]}
    assert days["2026-01-30"] and days["2026-01-31"] is None
    checks = {c.name: c for c in doctor.checks()}
    assert checks["tapes"].ok and "1 more pruned" in checks["tapes"].detail and checks["tape"].ok
    client.force_login(house.staff["engineer"])
    assert ">pruned<" in client.get("/day", headers={"Accept-Language": "en"}).content.decode()
    assert close_day(date(2026, 1, 30), today=TODAY).loans == 3, "a pruned day stays closed as it was"
    assert not tape_folder(date(2026, 1, 30)).exists()


def test_pruning_killed_half_way_is_finished_by_the_next(house: House, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TAPE_MONTHS = 0
    months_closed(house)
    monkeypatch.setattr(retention.shutil, "rmtree", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        retention.prune(TODAY, actor="t", months=1)
    assert doctor.checks()[0].ok, "files of a pruned day are nobody's"
    monkeypatch.undo()
    settings.TAPE_DIR = tape_folder(DUE).parent
    retention.prune(TODAY, actor="t", months=1)
    assert not tape_folder(date(2026, 1, 30)).exists() and tape_folder(date(2026, 1, 31)).exists()


def test_the_first_day_that_is_kept() -> None:
    assert retention.first_kept(date(2026, 4, 2), 2) == date(2026, 2, 1)
    assert retention.first_kept(date(2026, 1, 31), 1) == date(2025, 12, 1)
    assert retention.first_kept(date(2026, 1, 1), 25) == date(2023, 12, 1)
