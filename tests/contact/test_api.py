"""REST and commands of the gate."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.contact.worlds import day_at
from tests.factories import House
from tests.web.test_api import client, post
from tideover.cli import main
from tideover.contact import doctor
from tideover.contact.models import VerdictRow
from tideover.core.business_time import business_date, now
from tideover.lending.models import ContactRecord
from tideover.sources.services import consent_give


@pytest.fixture
def agreed(house: House) -> House:
    """The borrower agreed to be contacted."""
    consent_give(house.borrower, None, purpose="contact", given_how="app", given_at=now() - timedelta(days=1), actor="t")
    return house


def ask(house: House, who: Client | None = None, **more: Any) -> Any:
    return post(who or client(house, "collector"), "/verdicts", {**CALL, "at": day_at(11).isoformat(), **more})


CALL = {"party": "P-0001", "loans": ["T-1"], "channel": "call"}


def test_ask_record_settle_and_read(agreed: House) -> None:
    c = client(agreed, "collector")
    said = ask(agreed, c).json()
    assert said["allowed"] and said["loans"] == ["T-1"] and said["fired"] == []
    body = {**CALL, "outcome": "unanswered"}
    assert post(c, "/contacts", body).json()["errors"][0]["field"] == "verdict"
    made = post(c, "/contacts", {**body, "verdict": said["id"]}).json()
    assert made["verdict"] == said["id"]
    assert post(c, f"/contacts/{made['id']}/outcome", {"outcome": "conversation", "seconds": 40}).json()["seconds"] == 40
    assert ContactRecord.objects.get().outcome == "conversation"
    no = ask(agreed, c, at=day_at(22).isoformat()).json()
    assert not no["allowed"] and no["fired"][0]["article"] == "5.3" and no["next_at"]
    assert post(c, "/contacts", {**body, "verdict": no["id"]}).json()["errors"][0]["code"] == "not_allowed"
    lead = client(agreed, "compliance")
    listed = lead.get("/api/v1/verdicts?allowed=false&rule=contact.window.collection").json()["items"]
    assert [v["id"] for v in listed] == [no["id"]]
    assert lead.get(f"/api/v1/verdicts/{no['id']}").json()["facts"]["zone"] == "Asia/Shanghai"
    assert [x["outcome"] for x in lead.get("/api/v1/contacts?loan=T-1").json()["items"]] == ["conversation"]
    export = lead.get(f"/api/v1/contact-export?first={business_date(day_at(11))}&last={business_date(day_at(22))}&format=jsonl")
    assert len(b"".join(export.streaming_content).splitlines()) == 2
    assert lead.get("/api/v1/contact-export?format=xls").status_code == 422


@pytest.mark.parametrize("more", [{"channel": "fax"}, {"party": "P-9"}, {"loans": ["T-3"]}, {"at": "noon"}, {"purpose": ""}])
def test_bad_questions_are_refused_and_nothing_is_kept(agreed: House, more: dict[str, Any]) -> None:
    assert ask(agreed, **more).status_code == 422 and VerdictRow.objects.count() == 0


def test_preferences_by_rest(agreed: House) -> None:
    c, where = client(agreed, "counsellor"), "/parties/P-0001/contact-preferences"
    wishes = {"refused": ["sms"], "inconvenient": [[720, 840]], "zone": "Asia/Urumqi"}
    assert post(c, where, wishes).json() == {**wishes, "language": "zh-hans"}
    for wrong, field in (
        ({"refused": ["letter"]}, "refused"), ({"inconvenient": [[9, 8]]}, "inconvenient"), ({"zone": "Mars"}, "zone"),
        ({"language": "fr"}, "language"),
    ):  # fmt: skip
        assert post(c, where, wrong).json()["errors"][0]["field"] == field
    assert c.get(f"/api/v1{where}").json()["zone"] == "Asia/Urumqi"
    lines = c.get("/api/v1/parties/P-0001/contact").json()
    assert lines["zone"] == "Asia/Urumqi"
    sms = next(x for x in lines["channels"] if x["channel"] == "sms")
    assert not sms["allowed"] and "preference.channel" in [w["rule"] for w in sms["whys"]]


def test_check_and_export_on_the_command_line(agreed: House, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    late = f"{business_date(day_at(12))}T22:00"
    assert main(["contact", "check", "P-0001", "--channel", "call", "--at", f"{business_date(day_at(12))}T11:00"]) == 0
    assert main(["contact", "check", "P-0001", "--channel", "call", "--at", late]) == 1
    assert "contact.window.collection: Only from 08:00 to 22:00" in capsys.readouterr().out
    assert main(["contact", "check", "P-0001", "--at", late, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["channels"]) == 10
    assert main(["contact", "check", "P-7"]) == 2 and main(["contact", "check", "P-0001", "--loan", "T-3"]) == 2
    ask(agreed)
    days = ["--from", str(business_date(day_at(11))), "--to", str(business_date(day_at(11)))]
    capsys.readouterr()
    assert main(["contact", "export", *days, "--out", str(tmp_path / "log.csv")]) == 0
    assert (tmp_path / "log.csv").read_text(encoding="utf-8").count("\n") == 2
    assert [p.name for p in tmp_path.iterdir()] == ["log.csv"]
    assert main(["contact", "export", "--from", "2026-02-01", "--to", "2026-01-01"]) == 2


def test_doctor_gives_every_verdict_again(agreed: House) -> None:
    c = client(agreed, "collector")
    ask(agreed, c)
    ask(agreed, c, at=day_at(22).isoformat())
    assert [c.ok for c in doctor.checks()] == [True, True]
    false = VerdictRow.objects.get(seq=1)
    false.pk, false.seq, false.fired = None, 3, [{"rule": "contact.cap.visits"}]
    false.save(force_insert=True)
    assert [c.ok for c in doctor.checks()] == [False, False]
