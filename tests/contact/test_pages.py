"""The gate's pages: what is allowed and why, a call with the gate asked first, reviews, a borrower's own choices, exports."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests.contact.worlds import day_at
from tests.factories import House
from tests.web.test_pages import client_for
from tideover.contact.gate import verdict_ask
from tideover.contact.models import ContactPreference, VerdictRow
from tideover.contact.rules.model import Channel, Purpose
from tideover.core.approvals import approval_decide
from tideover.core.business_time import business_date, now
from tideover.core.models import ActionLog, Approval, User
from tideover.core.problems import Refused
from tideover.lending.models import ContactRecord, Hold
from tideover.lending.services_holds import hold_place
from tideover.lending.services_rows import help_request_open
from tideover.sources.models import Consent, ConsentAct
from tideover.sources.services import consent_give


@pytest.fixture
def noon(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The clause of the contract is agreed; the clock of the pages stands at eleven of a day to come."""
    consent_give(
        house.borrower, None, purpose="contact", given_how="contract_clause", evidence="§12", given_at=now() - timedelta(days=9),
        actor="t",
    )  # fmt: skip
    at = day_at(11)
    for module in ("contact.views", "contact.panels_gate"):
        monkeypatch.setattr(f"tideover.{module}.now", lambda: at)
    return house


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_a_person_and_a_loan_say_what_is_allowed_and_why_not(noon: House) -> None:
    c = client_for(noon, "collector")
    assert "not now" not in text(c, "/people/P-0001") and "clause of the contract" in text(c, "/people/P-0001")
    help_request_open(noon.borrower, noon.loan, reason="", actor="borrower")
    for address in ("/people/P-0001", "/loans/T-1"):
        page = text(c, address)
        assert "On hold: after a help request" in page and "In the app · " in page
    assert "暂停中：因求助" in text(client_for(noon, "collector", "zh-hans"), "/loans/T-1")


def test_a_call_is_asked_for_made_and_written_down(noon: House) -> None:
    c = client_for(noon, "collector")
    where = "/people/P-0001/call"
    assert c.post(where, {"act": "record", "direction": "out", "outcome": "unanswered"}).status_code == 422
    asked = c.post(where, {"act": "ask", "loan": ["T-1"]})
    verdict = VerdictRow.objects.get()
    assert asked["Location"] == f"{where}?verdict={verdict.pk}" and verdict.allowed and verdict.contract == noon.loan
    assert "19900000001" in text(c, asked["Location"])
    assert ActionLog.objects.filter(action="person.reveal", object_id="P-0001").count() == 1
    form = {"act": "record", "direction": "out", "verdict": str(verdict.pk), "outcome": "conversation", "note": "ill since May"}
    assert c.post(where, {**form, "seconds": "some"}).status_code == 422 and ContactRecord.objects.count() == 0
    assert c.post(where, {**form, "seconds": "95"}).status_code == 302
    row = ContactRecord.objects.get()
    assert (row.outcome, row.seconds, row.verdict_id, row.note, row.contract) == (
        "conversation", 95, verdict.pk, "ill since May", noon.loan,
    )  # fmt: skip
    assert c.post(where, {"act": "record", "direction": "in", "outcome": "conversation"}).status_code == 302
    assert ContactRecord.objects.filter(direction="in", verdict_id=None, purpose="reply").count() == 1


def test_a_blocked_call_is_shown_disabled_with_the_reason_and_its_decision_is_kept(noon: House) -> None:
    hold_place(noon.borrower, None, kind="cease_contact", starts_at=now(), actor="t")
    c = client_for(noon, "collector")
    page = text(c, "/people/P-0001/call")
    assert 'aria-disabled="true"' in page and "On hold: asked to be left alone" in page and "Ask, and keep" not in page
    answered = c.post("/people/P-0001/call", {"act": "ask"})
    page = text(c, answered["Location"])
    assert "Not allowed at" in page and "19900000001" not in page
    refused = c.post(
        "/people/P-0001/call",
        {"act": "record", "direction": "out", "verdict": str(VerdictRow.objects.get().pk), "outcome": "conversation"},
    )
    assert refused.status_code == 422 and ContactRecord.objects.count() == 0


def test_the_log_is_found_by_day_person_loan_way_rule_and_answer_and_exported(noon: House) -> None:
    ask: dict[str, Any] = {"purpose": Purpose.COLLECTION, "actor": "t", "party": noon.borrower}
    verdict_ask(**ask, contracts=[noon.loan], channel=Channel.CALL, at=day_at(11))
    verdict_ask(**ask, contracts=[noon.loan, noon.second_loan], channel=Channel.SMS, at=day_at(23))
    verdict_ask(**{**ask, "party": noon.other_borrower}, contracts=[noon.other_loan], channel=Channel.CALL, at=day_at(11, days=9))
    c, on = client_for(noon, "compliance"), business_date(day_at(11))
    for query, found in (
        ("", 3), (f"from={on}&to={on}", 2), ("person=P-0002", 1), ("loan=T-1", 2), ("loan=T-2", 1), ("loan=T-99", 0),
        ("channel=sms", 1), ("rule=contact.window.collection", 1), ("allowed=no", 2), ("allowed=yes", 1), ("from=gibberish", 3),
    ):  # fmt: skip
        page = text(c, f"/contact-log?{query}")
        assert page.count('class="lead"><a') == found, query
    answer = c.get(f"/contact-log/export?from={on}&to={on}")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [(r["person"], r["loans"], r["allowed"], r["rules"]) for r in rows] == [
        ("P-0001", "T-1", "True", ""), ("P-0001", "T-1 T-2", "False", "contact.window.collection"),
    ]  # fmt: skip
    assert "5.3" in rows[1]["sources"]
    lines = b"".join(c.get("/contact-log/export?format=jsonl").streaming_content).decode().splitlines()
    assert len(lines) == 3 and json.loads(lines[0])["facts"]["zone"] == "Asia/Shanghai"
    assert noon.borrower.phone not in "".join(lines) and ActionLog.objects.filter(action="contact.export").count() == 2
    assert client_for(noon, "collector").get("/contact-log").status_code == 403
    far = VerdictRow.objects.get(party=noon.other_borrower)
    assert client_for(noon, "branch_head").get(f"/contact-log/decisions/{far.pk}").status_code == 404


def test_a_decision_shows_rules_sources_and_facts(noon: House) -> None:
    row = verdict_ask(
        party=noon.borrower, contracts=[noon.loan], channel=Channel.CALL, purpose=Purpose.COLLECTION, at=day_at(22), actor="t"
    )
    page = text(client_for(noon, "compliance"), f"/contact-log/decisions/{row.pk}")
    for said in ("Only from 08:00 to 22:00", "GB/T 45251", "Beijing time", "the same today", "It opens at"):
        assert said in page, said


def test_a_hold_is_reviewed_on_its_page(noon: House) -> None:
    hold = hold_place(
        noon.borrower, noon.loan, kind="breathing_space", starts_at=now(), ends_at=now() + timedelta(days=9), actor="t"
    )
    Hold.objects.update(review_on=business_date() - timedelta(days=1))
    c = client_for(noon, "team_lead")
    assert (
        "1 to review" in text(c, "/holds")
        and "Review" not in text(client_for(noon, "risk"), "/holds").split("<main")[1].split("Review by")[1]
    )
    form = {"hold": str(hold.pk), "act": "extend", "reason": "ill"}
    for more, says in (
        ({"ends_on": "soon"}, "Enter a date"),
        ({"ends_on": str(business_date() + timedelta(days=90))}, "may not stand so long"),
        ({"ends_on": str(business_date() + timedelta(days=20)), "reason": " "}, "Say why"),
    ):
        answer = c.post("/holds", {**form, **more})
        assert answer.status_code == 422 and says in answer.content.decode()
    assert c.post("/holds", {**form, "ends_on": str(business_date() + timedelta(days=20))}).status_code == 302
    assert hold.reviews.get().act == "extend"
    assert client_for(noon, "risk").post("/holds", form).status_code == 404


def test_a_borrower_chooses_and_withdraws(noon: House) -> None:
    c = client_for(noon, "borrower")
    form = {"time": ["0", "2"], "way": ["call", "email"], "language": "en", "size": "large"}
    assert c.post("/my/contact", form).status_code == 302
    row = ContactPreference.objects.get()
    assert row.refused == ["ai_call", "mini_program", "push", "sms", "visit", "wecom"] and row.inconvenient == [
        [720, 840],
        [1080, 1320],
    ]
    noon.borrower.refresh_from_db()
    user = User.objects.get(pk=noon.borrower.user_id)
    assert (noon.borrower.language, user.language, user.large_type) == ("en", "en", True)
    page = text(c, "/my/contact")
    assert page.count(" checked") == 2 + 2 + 1 + 1 and 'data-size="large"' in page
    ask = {"party": noon.borrower, "purpose": Purpose.COLLECTION, "actor": "t"}
    assert verdict_ask(**ask, channel=Channel.SMS, at=day_at(15)).rules == ("preference.channel",)
    assert verdict_ask(**ask, channel=Channel.CALL, at=day_at(12)).next_at == day_at(14)
    consent = Consent.objects.get()
    c.post("/my/contact", {"act": "withdraw", "consent": str(consent.pk)})
    c.post("/my/contact", {"act": "withdraw", "consent": str(consent.pk)})
    assert [a.act for a in ConsentAct.objects.order_by("pk")] == ["given", "withdrawn"]
    assert verdict_ask(**ask, channel=Channel.CALL, at=day_at(15)).rules == ("contact.consent.private",)
    other = consent_give(noon.other_borrower, None, purpose="contact", given_how="app", given_at=now(), actor="t")
    c.post("/my/contact", {"act": "withdraw", "consent": str(other.pk)})
    assert Consent.objects.get(pk=other.pk).withdrawn_at is None


def test_a_demand_passes_a_hold_only_with_a_second_persons_grant(noon: House) -> None:
    hold_place(noon.borrower, noon.loan, kind="dispute", starts_at=now(), actor="t")
    demand: dict[str, Any] = {
        "party": noon.borrower, "contracts": [noon.loan], "channel": Channel.LETTER, "purpose": Purpose.COLLECTION,
        "saves_clock": True, "approved": True, "actor": "legal",
    }  # fmt: skip
    assert verdict_ask(**demand, at=day_at(11)).rules == ("contact.hold.dispute",)
    c = client_for(noon, "legal")
    assert c.post("/loans/T-1/clock", {"lapses_on": "x", "reason": "y"}).status_code == 422
    assert c.post("/loans/T-1/clock", {"lapses_on": "2027-01-15", "reason": "three years are nearly over"}).status_code == 200
    asked = Approval.objects.get()
    with pytest.raises(Refused):
        approval_decide(asked, grant=True, reason="me", actor=noon.staff["legal"])
    assert not verdict_ask(**demand, at=day_at(11)).allowed
    approval_decide(asked, grant=True, reason="right", actor=noon.staff["compliance"])
    row = verdict_ask(**demand, at=day_at(11))
    assert row.allowed and row.approved and row.approval == asked.reference
    assert not verdict_ask(**{**demand, "contracts": [noon.loan, noon.second_loan]}, at=day_at(11)).allowed
    assert not verdict_ask(**demand, at=day_at(11, days=15)).allowed, "two weeks after the grant it is over"
