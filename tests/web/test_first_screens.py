"""Sign-in that tires, error pages, search, paging, help in two taps, the trend, the day's page."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import House
from tests.web.test_pages import client_for
from tideover.core.action_log import log, newest_breaks
from tideover.core.business_time import business_date, now
from tideover.core.models import ActionLog
from tideover.daily.close import close_day
from tideover.lending.models import Complaint, HelpRequest, Hold, StandingRow
from tideover.lending.panels import loans_shown
from tideover.lending.services import standing_refresh
from tideover.web.book import PERCENT_FROM, flow_rates
from tideover.web.charts import percent_chart
from tideover.web.home import home_rows
from tideover.web.house_rows import missing_fixings, provisional_calendars


def try_sign_in(client: Client, name: str, password: str) -> Any:
    return client.post("/sign-in", {"username": name, "password": password})


def test_a_name_that_fails_too_often_reads_when_it_may_come_back(house: House) -> None:
    client = Client(headers={"accept-language": "en"})
    seen = [try_sign_in(client, "risk", "wrong") for _ in range(20)]
    turned_away = seen[-1]
    assert (seen[0].status_code, turned_away.status_code) == (422, 429)
    html = turned_away.content.decode()
    assert "Too many tries" in html and "can sign in again at" in html and "tel:" in html


@pytest.mark.parametrize(("name", "beside"), [("", ["e_username", "e_password"]), ("x", ["e_password"])])
def test_an_empty_field_is_named_and_not_counted(db: None, name: str, beside: list[str]) -> None:
    html = try_sign_in(Client(), name, "").content.decode()
    for name in beside:
        assert f'id="{name}"' in html and f'aria-describedby="{name}"' in html
    assert ActionLog.objects.count() == 0


@pytest.mark.parametrize(("language", "words"), [
    ("en", ("nothing at this address", "another role", "open for too long")), ("zh-hans", ("没有", "授权", "太久")),
])  # fmt: skip
def test_error_pages_in_both_languages(house: House, language: str, words: tuple[str, str, str]) -> None:
    client = client_for(house, "collector", language)
    strict = Client(headers={"accept-language": language}, enforce_csrf_checks=True)
    pages = [(client.get("/nowhere"), 404), (client.get("/action-log"), 403), (strict.post("/sign-in", {"username": "x"}), 403)]
    for (page, status), word in zip(pages, words, strict=True):
        assert page.status_code == status and word in page.content.decode(), word


def test_even_without_a_database_somebody_gets_an_answer(monkeypatch: pytest.MonkeyPatch, rf: Any) -> None:
    from tideover.web import views

    monkeypatch.setattr(views, "_message", lambda *a, **k: 1 / 0)
    page = views.broken(rf.get("/"))
    assert page.status_code == 500 and "编号" in page.content.decode() and "400-000-0000" in page.content.decode()


def test_the_one_box_opens_a_number_finds_a_person_and_keeps_to_the_scope(house: House) -> None:
    client = client_for(house, "branch_head")
    for contract in (house.loan, house.other_loan):
        standing_refresh(contract, as_of=business_date())
    assert client.post("/loans", {"find": " t-1 "})["Location"] == "/loans/T-1"
    assert client.post("/loans", {"find": "p-0001"})["Location"] == "/people/P-0001"
    assert "T-1" in client.post("/loans", {"find": "李明"}).content.decode()
    for elsewhere in ("T-3", "P-0002", "王芳", "19900000002", ""):
        response = client.post("/loans", {"find": elsewhere})
        assert response.status_code == 200 and "Nothing fits" in response.content.decode()
        assert "T-3" not in response.content.decode()


def test_pages_of_a_list_miss_and_repeat_nothing(house: House) -> None:
    contracts = [house.loan, house.second_loan, house.other_loan]
    for n, contract in enumerate(contracts):
        standing_refresh(contract, as_of=business_date())
        StandingRow.objects.filter(contract=contract).update(days_past_due=(20, 20, 5)[n], bucket="d1_30")
    from tideover.lending.panels import order_of
    from tideover.lending.views import _after, _key

    rows, order = loans_shown(house.staff["risk"], business_date(), bucket="d1_30"), order_of("", "d1_30")
    walked, key = [], ""
    while page := list(_after(rows, order, key)[:1]):
        walked.append(page[0].pk)
        key = _key(page[0], order)
    assert walked == [c.pk for c in contracts]
    for nonsense in ("x", "1~2~3", "a~1", "~"):
        assert _after(rows, order, nonsense).count() == 3


def test_help_is_asked_for_once_and_pauses_reminders(house: House) -> None:
    client = client_for(house, "borrower")
    assert "Send the request" in client.get("/my/help").content.decode()
    for _ in range(2):
        assert client.post("/my/help").status_code == 302
    request = HelpRequest.objects.get()
    assert (request.party, request.contract) == (house.borrower, house.loan) or request.contract == house.second_loan
    assert Hold.objects.get().kind == "hardship_request"
    assert request.number in client.get("/my/help").content.decode() and request.number in client.get("/").content.decode()
    assert client_for(house, "counsellor").post("/my/help").status_code == 403


def test_rows_that_name_no_loan_count_and_lead_to_the_borrowers_loans(house: House) -> None:
    standing_refresh(house.loan, as_of=business_date())
    standing_refresh(house.other_loan, as_of=business_date())
    old = business_date() - timedelta(days=20)
    Complaint.objects.create(party=house.borrower, source="x", opened_on=old, subject="S", actor="t", recorded_at=now())
    [row] = [r for r in home_rows(house.staff["complaints"], business_date()) if r.label == "Open complaints"]
    assert (row.count, row.oldest, row.late) == (1, old, True)
    html = client_for(house, "complaints").get(row.address).content.decode()
    assert "T-1" in html and "T-3" not in html
    inside = home_rows(house.staff["branch_head"], business_date())
    Complaint.objects.update(party=house.other_borrower)
    outside = home_rows(house.staff["branch_head"], business_date())
    assert [r.count for r in inside if r.label == row.label] == [1] and [r.count for r in outside if r.label == row.label] == [0]


def test_a_listed_complaint_shows_by_when_it_must_be_answered(house: House) -> None:
    standing_refresh(house.loan, as_of=business_date())
    old = business_date() - timedelta(days=20)
    Complaint.objects.create(
        party=house.borrower, contract=house.loan, source="x", opened_on=old, subject="S", actor="t", recorded_at=now()
    )
    html = client_for(house, "complaints").get("/loans?show=complaint").content.decode()
    assert (old + timedelta(days=15)).isoformat() in html and "past" in html


def test_flows_need_thirty_loans() -> None:
    found = [
        {"was": "current", "became": "current", "n": PERCENT_FROM - 1, "amount": 900},
        {"was": "current", "became": "d1_30", "n": 1, "amount": 100},
        {"was": "d1_30", "became": "d31_60", "n": PERCENT_FROM - 1, "amount": 50},
    ]
    assert flow_rates(found) == [(PERCENT_FROM, 0.1), (PERCENT_FROM - 1, None), (0, None)]


def test_a_chart_starts_at_nothing_and_leaves_gaps_open() -> None:
    chart = percent_chart("t", "%", ["a", "b", "c"], [("late", [0.05, None, 0.1]), ("few", [None, None, 0.2])])
    assert chart is not None and [len(line.dots) for line in chart.lines] == [2, 1]
    assert chart.y_ticks[0][1] == "0" and float(chart.y_ticks[-1][1]) >= 20
    heights = [y for _, y in chart.lines[0].dots]
    assert heights[0] > heights[1]
    assert percent_chart("t", "%", ["a"], [("late", [0.05])]) is None
    assert percent_chart("t", "%", ["a", "b"], [("late", [0.0, 0.0])]) is not None


def test_the_trend_stands_in_a_table_and_a_chart_and_keeps_to_the_scope(house: House, settings: Any, tmp_path: Path) -> None:
    settings.TAPE_DIR = tmp_path
    for on in (date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)):
        close_day(on, today=date(2026, 5, 2))
    html = client_for(house, "risk").get("/book/trend").content.decode()
    assert html.count('<svg viewBox="0 0 480') == 1 and "2026-04-30" in html and "100.00%" in html
    part = client_for(house, "risk").get("/book/trend", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part and "2026-04-30" in part
    branch = client_for(house, "branch_head").get("/book/trend").content.decode()
    assert '<td class="num">2</td>' in branch and '<td class="num">3</td>' not in branch


def test_the_day_names_what_is_missing_and_where_the_log_is_broken(house: House) -> None:
    log("a", "x")
    log("a", "y")
    assert newest_breaks(10) == []
    html = client_for(house, "engineer").get("/day").content.decode()
    assert "chain whole" in html
    forged = ActionLog(at=now(), actor="b", action="z", prev_hash=bytes(32), hash=bytes(32))
    forged.save(force_insert=True)
    assert [e.pk for e in newest_breaks(10)] == [forged.pk]
    assert "chain broken" in client_for(house, "engineer").get("/day").content.decode()
    rows = {r.label: r.count for r in home_rows(house.staff["auditor"], business_date())}
    assert rows["Breaks in the chain of the action log"] == 1


def test_missing_fixings_and_years_not_announced_are_named(db: None) -> None:
    assert missing_fixings(date(2026, 5, 25)) == {}
    assert missing_fixings(date(2026, 7, 1)) == {"lpr_1y": date(2026, 6, 22), "lpr_5y": date(2026, 6, 22)}
    assert ("cn", 2027) in provisional_calendars(date(2026, 6, 1)) and ("cn", 2026) not in provisional_calendars(date(2026, 6, 1))


def test_days_that_were_not_closed_are_counted_from_the_last_close(house: House, settings: Any, tmp_path: Path) -> None:
    settings.TAPE_DIR = tmp_path
    today = business_date()
    close_day(today - timedelta(days=4), today=today)
    row = next(r for r in home_rows(house.staff["engineer"], today) if r.label == "Days that are not closed")
    assert (row.count, row.oldest, row.address) == (3, today - timedelta(days=3), "/day")
    close_day(today - timedelta(days=1), today=today)
    assert next(r for r in home_rows(house.staff["engineer"], today) if r.label == row.label).count == 0
