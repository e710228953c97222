"""The queue and approvals as pages and REST: who sees what, one person a case, clocks that come up the line, decisions."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests.factories import House
from tests.web.test_api import client, post
from tests.web.test_pages import client_for
from tideover.core import work_sources
from tideover.core.business_time import business_date, now
from tideover.core.models import Role, User, WorkItem
from tideover.core.work import work_claim, work_give, work_open, work_queue, work_snooze
from tideover.lending import services_holds, services_rows
from tideover.lending.models import Hold, Staff

WRITE_OFF = {"kind": "write_off", "effective_on": "2026-05-20", "reason": "no means"}


def item(key: str = "k", **given: Any) -> WorkItem:
    base: dict[str, Any] = {
        "subject": ("loan", "T-1"), "why": "Answer the complaint that came in on %(day)s.", "why_values": {"day": "2026-05-01"},
        "owner_role": Role.COLLECTOR, "due_at": now() + timedelta(days=1), "entity": "BANK", "branch": "HZ",
    }  # fmt: skip
    return work_open("complaint.answer", **(base | given), key=key, actor="t")


def queue(user: User) -> list[str]:
    return [i.key for i in work_queue(user, now())]


def test_a_queue_holds_the_role_s_items_within_reach(house: House) -> None:
    item("mine")
    item("elsewhere", branch="NB")
    item("house", entity="", branch="")
    item("legal", owner_role=Role.LEGAL)
    assert queue(house.staff["collector"]) == ["mine", "house"]
    c = client(house, "collector")
    reference = WorkItem.objects.get(key="elsewhere").reference
    assert c.get(f"/api/v1/queue/{reference}").status_code == 404
    assert post(c, f"/queue/{reference}/claim", {}).status_code == 404
    assert client_for(house, "collector").get(f"/queue/{reference}").status_code == 404


def test_late_work_comes_up_the_line(house: House) -> None:
    lead, head = house.staff["team_lead"], house.staff["branch_head"]
    late = item("late", due_at=now() - timedelta(minutes=1))
    item("in time")
    assert (queue(lead), queue(head)) == (["late"], [])
    WorkItem.objects.filter(pk=late.pk).update(due_at=now() - timedelta(days=2, minutes=1))
    assert (queue(lead), queue(head)) == (["late"], ["late"])
    assert client(house, "team_lead").get("/api/v1/queue?show=team").json()["items"][0]["escalated_to"] == "branch_head"


def test_asleep_until_it_wakes_and_given_to_one_person(house: House) -> None:
    mine, lead = house.staff["collector"], house.staff["team_lead"]
    it = work_claim(item(), actor=mine)
    work_snooze(it, until=now() + timedelta(days=1), reason="the person asked for it", actor=mine)
    assert queue(mine) == [] and it.claimed_by is None
    WorkItem.objects.filter(pk=it.pk).update(snoozed_until=now() - timedelta(seconds=1))
    assert queue(mine) == ["k"]
    other = User.objects.create_user("collector2", role=Role.COLLECTOR)
    Staff.objects.create(
        user=other, number="S9", name_zh="x", name_en="x", entity=house.entity, branch=house.branch, valid_from="2020-01-01"
    )
    assert queue(other) == ["k"]
    work_give(it, to=other, actor=lead)
    assert (queue(mine), queue(other)) == ([], ["k"])
    bad = post(client(house, "collector"), f"/queue/{it.reference}/give", {"to": "collector2"})
    assert bad.status_code == 404, "given to somebody else: no longer in this person's reach"
    assert post(client(house, "team_lead"), f"/queue/{it.reference}/give", {"to": "risk"}).status_code == 422


def test_sources_open_what_needs_somebody_and_settle_what_no_longer_does(house: House) -> None:
    today = business_date()
    hold = services_holds.hold_place(house.borrower, house.loan, kind="dispute", starts_at=now(), actor="t")
    Hold.objects.filter(pk=hold.pk).update(review_on=today, owner="legal")
    services_rows.complaint_open(house.borrower, None, source="phone", opened_on=today, subject="x", actor="t")
    assert work_sources.work_sync(today) == work_sources.Synced(2, 0)
    assert work_sources.work_sync(today) == work_sources.Synced(0, 0)
    found = {i.kind: (i.subject_id, i.owner_role, i.branch) for i in WorkItem.objects.all()}
    assert found == {"hold.review": ("T-1", "legal", "HZ"), "complaint.answer": ("P-0001", "complaints", "HZ")}
    services_holds.hold_review(Hold.objects.get(pk=hold.pk), act="lift", reason="settled", actor="t")
    assert work_sources.work_sync(today) == work_sources.Synced(0, 1)
    assert WorkItem.objects.get(kind="hold.review").outcome == "settled"


def test_rest_takes_finishes_and_goes_on(house: House) -> None:
    item("a")
    item("b", due_at=now() + timedelta(hours=1))
    c = client(house, "collector")
    first = post(c, "/queue/next", {}).json()["item"]
    assert "2026-05-01" in first["why"] and first["claimed_by"] == "collector"
    assert post(client(house, "team_lead"), f"/queue/{first['reference']}/claim", {}).json()["errors"][0]["code"] == "taken"
    done = post(c, f"/queue/{first['reference']}/done", {"outcome": "answered"}).json()
    assert (done["outcome"], done["done_by"]) == ("answered", "collector")
    assert post(c, f"/queue/{first['reference']}/done", {"outcome": "answered"}).status_code == 422
    for act, body in (("release", {}), ("snooze", {"until": "2026-01-01T00:00:00Z", "reason": "x"}), ("done", {"outcome": "no"})):
        assert post(c, f"/queue/{WorkItem.objects.get(key='a').reference}/{act}", body).status_code == 422


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_case_by_case_on_the_pages(house: House, language: str) -> None:
    c = client_for(house, "collector", language)
    assert c.get("/queue").status_code == 200
    first, second = item("a", due_at=now() + timedelta(hours=1)), item("b")
    page = c.get("/queue").content.decode()
    assert page.index(first.reference) < page.index(second.reference)
    assert c.post("/queue/next")["Location"] == f"/queue/{first.reference}"
    bad = c.post(f"/queue/{first.reference}", {"act": "done", "outcome": ""})
    assert bad.status_code == 422 and 'role="alert"' in bad.content.decode()
    done = c.post(f"/queue/{first.reference}", {"act": "done", "outcome": "answered", "note": "n"})
    assert done["Location"] == f"/queue/{second.reference}"
    waits = c.post(f"/queue/{second.reference}", {"act": "snooze", "days": "1", "reason": "asked"})
    assert waits["Location"] == f"/queue?after={second.reference}"
    assert "T-1" in c.get("/queue?show=asleep").content.decode() and "T-1" in c.get("/queue?show=done").content.decode()


def ask(house: House) -> tuple[str, Client]:
    finance = client(house, "finance")
    return str(post(finance, "/loans/T-1/events", WRITE_OFF, "w").json()["approval"]), finance


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_an_approval_is_read_in_words_and_decided_with_a_reason(house: House, language: str) -> None:
    reference, _rest = ask(house)
    risk, finance = client_for(house, "risk", language), client_for(house, "finance", language)
    words = re.sub(r"<[^>]+>", " ", risk.get(f"/approvals/{reference}").content.decode())
    assert ("write-off" if language == "en" else "核销") in words
    assert reference in risk.get("/approvals").content.decode()
    assert "/approvals" in risk.get("/").content.decode()
    assert risk.post(f"/approvals/{reference}", {"act": "grant", "reason": " "}).status_code == 422
    assert finance.post(f"/approvals/{reference}", {"act": "grant", "reason": "me"}).status_code == 422
    assert client_for(house, "collector").get(f"/approvals/{reference}").status_code == 404
    assert risk.post(f"/approvals/{reference}", {"act": "grant", "reason": "agreed"}).status_code == 302
    assert house.loan.events.count() == 1
    for show in ("asked", "done"):
        assert reference in finance.get(f"/approvals?show={show}").content.decode()


def test_rest_lists_decides_and_withdraws(house: House) -> None:
    reference, finance = ask(house)
    risk = client(house, "risk")
    assert [a["reference"] for a in risk.get("/api/v1/approvals?which=to_decide").json()["items"]] == [reference]
    whole = risk.get(f"/api/v1/approvals/{reference}").json()
    assert whole["approval"]["payload"]["kind"] == "write_off" and len(whole["changes"]) > 2
    assert post(finance, f"/approvals/{reference}/decide", {"grant": True, "reason": "x"}).status_code == 403
    assert post(finance, f"/approvals/{reference}/withdraw", {}).json()["state"] == "withdrawn"
    assert post(risk, f"/approvals/{reference}/decide", {"grant": True, "reason": "x"}).status_code == 422


def test_another_authority_table_needs_compliance(house: House) -> None:
    c, today = client(house, "risk"), business_date().isoformat()
    body = {"text": "event.record: [{steps: []}]", "valid_from": today, "reason": "for the test"}
    assert post(c, "/authority", {**body, "text": "x: [{steps: []}]"}).status_code == 422
    assert post(c, "/authority", {**body, "text": "authority.publish: [{steps: []}]"}).status_code == 422
    reference = post(c, "/authority", body).json()["reference"]
    assert post(client(house, "finance"), "/loans/T-1/events", WRITE_OFF).status_code == 202
    done = post(client(house, "compliance"), f"/approvals/{reference}/decide", {"grant": True, "reason": "ok"})
    assert done.json()["state"] == "granted"
    assert post(Client(headers={"authorization": "Bearer finance"}), "/loans/T-1/events", WRITE_OFF).status_code == 200
    page = client_for(house, "risk").get("/authority").content.decode()
    assert "event.record" in page and "nobody else" in page


def test_what_waits_for_somebody_else_is_listed_with_whose_turn_it_is(house: House) -> None:
    """Who may read it but not decide it sees the role that decides next, and no button."""
    reference, _finance = ask(house)
    page = client_for(house, "compliance").get("/approvals?show=others").content.decode()
    assert reference in page and "write-off" in page and "Risk manager" in page
    one = client_for(house, "compliance").get(f"/approvals/{reference}").content.decode()
    assert "It waits for: Risk manager" in one and 'value="grant"' not in one
