"""What the screens say: homes by role, the book and its tapes, settings, receipts in words, icons, query counts."""

from __future__ import annotations

import json
import os
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.template import Context, Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from tests.factories import House, debit
from tests.web.test_pages import BANNED_EN, BANNED_ZH, client_for
from tideover.core.business_time import business_date, now
from tideover.core.models import ActionLog, Role
from tideover.daily.close import close_day
from tideover.engine.events import EventKind
from tideover.lending.models import Debit, HelpRequest, Hold, Promise, StandingRow
from tideover.lending.panels import EXCEPTIONS, book_figures, shown
from tideover.lending.services import event_record, standing_refresh
from tideover.web.book import PERCENT_FROM, rolls_table
from tideover.web.home import HOMES, home_rows
from tideover.web.house_rows import HOUSE_ROWS
from tideover.web.templatetags.tideover import ICONS, kind_date, money, percent, plain_money, rate, rmb_capital

HERE = Path(__file__).resolve().parent
COUNTS = HERE / "query_counts.json"


@pytest.fixture
def busy(house: House) -> House:
    """Standings of today; a row of most exceptions on the first loan; arrangements due today on the second, kept on the third."""
    today, at = business_date(), now()
    for contract in (house.loan, house.second_loan, house.other_loan):
        standing_refresh(contract, as_of=today)
    base: dict[str, Any] = {"party": house.borrower, "contract": house.loan, "actor": "t", "recorded_at": at}
    HelpRequest.objects.create(**base, number="H-1", opened_at=at)
    for days in (-2, 0):
        Promise.objects.create(**base, amount_minor=100, promised_on=today, due_on=today + timedelta(days=days))
    Promise.objects.create(**{**base, "contract": house.second_loan}, amount_minor=1, promised_on=today, due_on=today)
    kept = {**base, "contract": house.other_loan, "party": house.other_borrower}
    Promise.objects.create(**kept, amount_minor=1, promised_on=today, due_on=today - timedelta(days=1))
    StandingRow.objects.filter(contract=house.other_loan).update(days_past_due=0, bucket="current")
    Hold.objects.create(**base, kind="hardship_request", starts_at=at, review_on=today)
    debit(house.loan)
    return house


def test_every_staff_role_has_a_home_and_every_exception_is_read_by_somebody() -> None:
    assert set(HOMES) == set(Role) - {Role.BORROWER}
    assert {key for keys in HOMES.values() for key in keys} == set(EXCEPTIONS) | set(HOUSE_ROWS) | {"payments-desk"}


@pytest.mark.parametrize("key", sorted(k for k, kind in EXCEPTIONS.items() if kind.loans is not None))
def test_a_row_counts_the_loans_that_its_link_lists(busy: House, key: str) -> None:
    kind = EXCEPTIONS[key]
    from tideover.lending.selectors import contracts_visible

    visible = contracts_visible(busy.staff["risk"], business_date())
    counted = kind.rows(visible, business_date())
    field = "party__contracts" if key == "held" else "contract"
    loans = set(counted.values_list(field, flat=True))
    listed = shown(StandingRow.objects.filter(contract__in=visible), key, business_date())
    assert set(listed.values_list("pk", flat=True)) == loans
    if key in {"help", "missed", "promise", "debit", "bad"}:
        assert loans, key


def test_the_whole_house_is_counted_for_a_post_without_an_entity(busy: House) -> None:
    narrow = [r.count for r in home_rows(busy.staff["risk"], business_date())]
    busy.staff["risk"].posts.update(entity=None, branch=None)
    assert [r.count for r in home_rows(busy.staff["risk"], business_date())] == narrow
    assert sum(narrow) > 0


def test_exceptions_stop_at_the_edge_of_the_scope(busy: House) -> None:
    Promise.objects.update(contract=busy.other_loan, party=busy.other_borrower)
    StandingRow.objects.update(days_past_due=5)
    rows = {r.label: r.count for r in home_rows(busy.staff["branch_head"], business_date())}
    assert rows[EXCEPTIONS["missed"].label] == 0
    rows = {r.label: r.count for r in home_rows(busy.staff["team_lead"], business_date())}
    assert rows[EXCEPTIONS["missed"].label] == 2


def test_an_empty_home_says_so(db: None) -> None:
    from tideover.core.models import User

    client = Client(headers={"accept-language": "en"})
    client.force_login(User.objects.create_user(username="new", role=Role.COLLECTOR))
    assert "Nothing is waiting" in client.get("/").content.decode()


def test_the_engineer_gets_no_link_to_loans(busy: House) -> None:
    assert "/loans" not in client_for(busy, "engineer").get("/").content.decode()


@pytest.fixture
def two_closes(house: House, settings: Any, tmp_path: Path) -> House:
    """The last day of February and 20 March closed: the loans' second instalment fell due between them, one is paid."""
    settings.TAPE_DIR = tmp_path
    close_day(date(2026, 2, 28), today=date(2026, 4, 1))
    for contract, key in ((house.loan, "a"), (house.second_loan, "b")):
        event_record(
            contract, kind=EventKind.PAYOFF, effective_on=date(2026, 3, 2), amount_minor=0, idempotency_key=key, actor="a"
        )
    close_day(date(2026, 3, 20), today=date(2026, 4, 1))
    return house


def test_the_book_shows_where_loans_moved_and_only_inside_the_scope(two_closes: House) -> None:
    whole = client_for(two_closes, "risk").get("/book?by=count").content.decode()
    assert "2026-02-28" in whole and "2026-03-20" in whole
    table = whole.split('class="heat"')[1]
    assert re.findall(r"<td[^>]*>(\d+|–)</td>", table)[0] == "3"
    branch = client_for(two_closes, "branch_head").get("/book").content.decode().split('class="heat"')[1]
    assert re.findall(r"<td[^>]*>(\d+|–)</td>", branch)[0] == "2"


def test_the_book_without_a_close_says_what_is_missing(house: House) -> None:
    html = client_for(house, "risk").get("/book").content.decode()
    assert "No day has been closed yet" in html and "Two closed days are needed" in html


def test_roll_rates_add_up_and_small_rows_show_counts() -> None:
    found = [
        {"was": "current", "became": "current", "n": 30, "amount": 900},
        {"was": "current", "became": "d1_30", "n": 10, "amount": 100},
        {"was": "d1_30", "became": "d31_60", "n": PERCENT_FROM - 1, "amount": 50},
    ]
    rolls = rolls_table(date(2026, 2, 28), date(2026, 3, 31), found, by_count=False)
    assert rolls.columns == ("current", "d1_30", "d31_60")
    (_, n, amount, cells), (_, few, _, small) = rolls.rows
    assert (n, amount) == (40, 1000) and [c.share for c in cells] == [0.9, 0.1, 0.0]
    assert few == PERCENT_FROM - 1 and small[2].share is None and small[2].n == few
    assert rolls_table(rolls.first, rolls.last, found, by_count=True).rows[0][3][0].share == 0.75


def test_the_books_csv_agrees_with_the_page(busy: House) -> None:
    response = client_for(busy, "risk").get("/book.csv")
    lines = response.content.decode().splitlines()
    assert lines[0] == "as_of,bucket,loans,principal_minor,overdue_minor,bad_principal_minor"
    assert sum(int(line.split(",")[2]) for line in lines[1:]) == 3 and "attachment" in response["Content-Disposition"]


@pytest.mark.parametrize("query", ["", "?as_of=2026-03-01", "/what-if?kind=payoff&on=2026-03-01"])
def test_swaps_inside_an_open_loan_are_logged_once_a_day(house: House, query: str) -> None:
    client = client_for(house, "risk")
    for _ in range(2):
        client.get(f"/loans/T-1{query}", headers={"HX-Request": "true"})
    assert ActionLog.objects.filter(action="loan.read", actor="risk", object_id="T-1").count() == 1
    client_for(house, "collector").get(f"/loans/T-1{query}")
    assert ActionLog.objects.filter(action="loan.read", object_id="T-1").count() == 2


def test_chinese_pages_hold_no_english_sentence(two_closes: House) -> None:
    pages = {"risk": ("/", "/book", "/loans", "/loans/T-1?as_of=2026-03-05&known=then", "/people/P-0001", "/settings", "/no"),
             "borrower": ("/", "/my/receipts", "/my/schedule/T-1", "/settings")}  # fmt: skip
    for role, addresses in pages.items():
        client = client_for(two_closes, role, "zh-hans")
        for address in addresses:
            words = re.sub(r"<[^>]+>", " ", client.get(address).content.decode())
            assert re.findall(r"[A-Za-z]{2,} +[A-Za-z]{2,} +[A-Za-z]{2,}", words) == [], address


def test_dates_carry_the_year_when_it_is_not_this_one() -> None:
    year = business_date().year
    with override("en"):
        assert (kind_date(date(year, 12, 12)), kind_date(date(year - 1, 2, 1))) == ("12 December", f"1 February {year - 1}")
    with override("zh-hans"):
        assert kind_date(date(2019, 12, 14)) == "2019年12月14日（周六）"


def test_settings_stay_with_the_account(house: House) -> None:
    client = client_for(house, "risk")
    client.post("/settings", {"theme": "dark", "size": "large", "language": "zh-hans"})
    html = client.get("/settings").content.decode()
    assert 'data-theme="dark"' in html and 'data-size="large"' in html and 'lang="zh-Hans"' in html
    user = house.staff["risk"]
    user.refresh_from_db()
    assert (user.theme, user.large_type, user.language) == ("dark", True, "zh-hans")
    user.set_password("a-long-password-1")
    user.save()
    other = Client()
    other.post("/sign-in", {"username": "risk", "password": "a-long-password-1"})
    assert 'data-theme="dark"' in other.get("/").content.decode()
    client.post("/settings", {"theme": "<script>", "language": "xx"})
    user.refresh_from_db()
    assert (user.theme, user.language) == ("dark", "zh-hans")


def test_a_wrong_password_says_what_to_do(house: House) -> None:
    response = Client(headers={"accept-language": "en"}).post("/sign-in", {"username": "risk", "password": "no"})
    html = response.content.decode()
    assert "<title>Error:" in html and 'role="alert"' in html and 'value="risk"' in html


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_borrowers_card_in_every_state_uses_kind_words(busy: House, language: str) -> None:
    client = client_for(busy, "borrower", language)
    Debit.objects.update(amount_minor=10**9)
    seen = [client.get("/").content.decode()]
    Debit.objects.update(state="failed")
    seen.append(client.get("/").content.decode())
    event_record(busy.loan, kind=EventKind.PAYOFF, effective_on=business_date(), amount_minor=0, idempotency_key="x", actor="a")
    seen.append(client.get("/").content.decode())
    banned = BANNED_EN if language == "en" else BANNED_ZH
    for html in seen:
        words = re.sub(r"<[^>]+>|<!doctype html>", " ", html).lower()
        assert [b for b in banned if b in words] == []
        assert 'href="tel:' in html and 'id="help"' in html
    assert [html.count("tag--over") for html in seen] == [1, 2, 1]
    assert [html.count('href="#pay"') for html in seen] == [1, 2, 1], "money on its way is not asked for"


@pytest.mark.parametrize(("short_by", "state"), [(0, "on_its_way"), (1, "late")])
def test_only_a_debit_that_covers_what_is_due_says_to_wait(busy: House, short_by: int, state: str) -> None:
    from tideover.lending.panels_mine import my_loans

    mine = {m.contract.number: m for m in my_loans(busy.staff["borrower"])}
    Debit.objects.update(amount_minor=mine["T-1"].due_minor - short_by)
    mine = {m.contract.number: m for m in my_loans(busy.staff["borrower"])}
    assert (mine["T-1"].state, mine["T-2"].state) == (state, "late")


def test_staff_without_a_post_see_no_figure(busy: House) -> None:
    busy.staff["risk"].posts.update(valid_to=date(2021, 1, 1))
    rows = home_rows(busy.staff["risk"], business_date())
    assert {r.count for r in rows} == {0}
    assert book_figures(busy.staff["risk"], business_date()).loans == 0


def test_every_page_of_a_loan_that_is_opened_is_logged(house: House) -> None:
    client = client_for(house, "risk")
    for query in ("", "?as_of=2026-03-01", "?as_of=2026-03-01", "/what-if?kind=payoff&on=2026-03-01"):
        client.get(f"/loans/T-1{query}")
    assert ActionLog.objects.filter(action="loan.read", actor="risk", object_id="T-1").count() == 4


def test_the_parts_of_what_is_due_add_up(busy: House) -> None:
    from tideover.lending.panels_mine import my_loans

    for m in my_loans(busy.staff["borrower"]):
        assert sum(a for _, a in m.due_parts) == m.due_minor > 0
        assert m.due_minor == m.standing.total_overdue_minor


def test_whole_error_pages_and_robots(house: House) -> None:
    html = client_for(house, "collector").get("/action-log").content.decode()
    assert "another role" in html and "can grant access" in html
    from tideover.web.views import broken

    request = client_for(house, "collector").get("/").wsgi_request
    page = broken(request).content.decode()
    assert re.search(r"<strong>[0-9A-F]{8}</strong>", page)
    assert (settings.WHITENOISE_ROOT / "robots.txt").read_text().startswith("User-agent")


@pytest.mark.parametrize(("minor", "words"), [
    (127_363, "壹仟贰佰柒拾叁元陆角叁分"), (100_000_00, "壹拾万元整"), (1_000_105, "壹万零壹元零伍分"), (5, "伍分"),
    (0, "零元整"), (10_050_000_000, "壹亿零伍拾万元整"), (150, "壹元伍角整"),
])  # fmt: skip
def test_amounts_in_capital_numerals(minor: int, words: str) -> None:
    assert rmb_capital(minor) == words


def test_numbers_as_people_read_them() -> None:
    assert (money(127_363), money(-1_250), money(None), plain_money(127_363)) == ("¥1,273.63", "−¥12.50", "–", "1,273.63")
    assert (percent(0.00001), percent(0.99999), percent(1), percent(0.125)) == ("<0.1%", ">99.9%", "100.0%", "12.5%")
    assert rate(152_000) in ("年化 15.2%", "15.2% a year")


def test_every_icon_is_drawn_and_nothing_but_drawn() -> None:
    for path in sorted(ICONS.glob("*.svg")):
        html = Template(f"{{% icon '{path.stem}' %}}").render(Context())
        assert re.fullmatch(r'<svg class="ic"[^>]*>(\s*<(path|circle|rect|line|polyline)[^<>]*/>)+\s*</svg>', html), path.name


def test_query_counts_stay_at_their_baseline(busy: House) -> None:
    found = {}
    for role, addresses in {
        "risk": ("/", "/book", "/loans", "/loans/T-1", "/people/P-0001", "/settings"),
        "collector": ("/",),
        "compliance": (
            "/",
            "/contact-log",
            "/contact-log/proof?person=P-0001",
            "/holds",
            "/outbox",
            "/action-log",
            "/experiments",
            "/templates",
        ),
        "finance": ("/", "/books", "/books/periods", "/books/income", "/approvals", "/approvals?show=done"),
        "team_lead": ("/queue", "/calls", "/people/P-0001"),
        "borrower": ("/", "/my/receipts", "/my/schedule/T-1"),
    }.items():
        client = client_for(busy, role)
        client.get(addresses[0])
        for address in addresses:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            found[f"{role} {address}"] = len(queries)
    if os.environ.get("TIDEOVER_WRITE_QUERY_COUNTS"):
        COUNTS.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(COUNTS.read_text())
