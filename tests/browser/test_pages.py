"""The site in a real Chromium: the pages driven as people drive them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import first_loan, follow

pytestmark = pytest.mark.browser


def test_from_the_desk_to_a_loan_and_through_its_days(sign_in: Callable[..., Any]) -> None:
    page = sign_in("risk")
    assert page.locator("table.home tbody tr").count() >= 5
    page.locator("table.home tbody a[href*=loans]").first.click()
    page.locator("table.q tbody a").first.click()
    today = page.input_value("#as_of")
    page.click("text=Previous event")
    earlier = page.input_value("#as_of")
    assert earlier < today and page.locator(".notice").count() == 1
    page.evaluate("""() => {
      const range = document.querySelector('#day-range');
      range.value = 3;
      range.dispatchEvent(new Event('change', {bubbles: true}));
    }""")
    page.wait_for_function("""() => {
      const chosen = document.querySelector('#as_of').value;
      return location.search.includes(chosen) && document.querySelector('.notice').innerText.includes(chosen);
    }""")
    assert page.input_value("#as_of") < earlier and page.input_value("#day-range") == "3"
    assert page.locator("#ledger").count() == 1 and page.locator("nav.rail").count() == 1
    page.check("input[name=known][value=then]")
    page.click("text=Show >> nth=-1")
    page.wait_for_url("**known=then**")


def test_the_trend_arrives_after_the_figures_and_has_a_page_without_javascript(sign_in: Callable[..., Any]) -> None:
    page = sign_in("risk")
    page.goto("/book")
    page.wait_for_selector("#h-shares")
    assert page.locator("[aria-busy=true]").count() == 0
    page = sign_in("risk", java_script_enabled=False)
    page.goto("/book")
    follow(page, page.locator("a[href='/book/trend']"))
    assert page.locator("#h-flows").count() == 1


def test_a_borrower_asks_for_help_in_two_taps(sign_in: Callable[..., Any]) -> None:
    page = sign_in("borrower", width=390)
    follow(page, page.locator("a[href='/my/help']").first)
    follow(page, page.locator("main form button"))
    number = re.search(r"H-\w+", page.inner_text(".notice--care"))
    assert number is not None
    follow(page, page.locator("a.back").first)
    assert number[0] in page.inner_text("main")


def test_what_if_answers_in_the_page(sign_in: Callable[..., Any]) -> None:
    page = sign_in("collector", allow="422")
    page.goto(f"/loans/{first_loan(page)}")
    page.fill("#wa", "abc")
    page.click("text=Work it out")
    page.wait_for_selector("#e_wa")
    assert page.input_value("#wa") == "abc" and page.get_attribute("#wa", "aria-describedby") == "e_wa"
    page.fill("#wa", "1,000元")
    page.click("text=Work it out")
    page.wait_for_selector("#what-if table")
    assert "Nothing was written" in page.inner_text("#what-if") and page.input_value("#wa") == "1,000元"
    page.select_option("#wk", "payoff")
    page.click("text=Work it out")
    page.wait_for_function("() => document.querySelector('#answer tbody td:last-child').innerText === '¥0.00'")


def test_a_person_is_found_without_a_trace_in_the_address(sign_in: Callable[..., Any]) -> None:
    page = sign_in("counsellor")
    first_loan(page)
    follow(page, page.locator("table.q tbody tr").first.locator("a[href^='/people/']"))
    masked = page.inner_text("main")
    follow(page, page.locator("text=Show in full"))
    phone = re.search(r"\b1\d{10}\b", page.inner_text("main"))
    assert phone is not None and phone[0] not in masked
    number = page.locator("table.q tbody a").first.inner_text()
    page.goto("/")
    page.fill("#find", phone[0])
    follow(page, page.locator("header >> text=Find"))
    assert page.locator("table.q tbody a").count() >= 2 and phone[0] not in page.url + page.content()
    page.fill("#find", number.lower())
    follow(page, page.locator("header >> text=Find"))
    assert page.url.endswith(f"/loans/{number}")


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_of_the_api_is_read_without_scrolling_sideways(sign_in: Callable[..., Any], width: int) -> None:
    page = sign_in("engineer", width=width)
    page.goto("/api/docs")
    assert page.inner_text("h1").startswith("Tideover REST API")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_language_and_looks_stay(sign_in: Callable[..., Any]) -> None:
    page = sign_in("branch_head")
    follow(page, page.locator("header >> text=中文"))
    assert page.get_attribute("html", "lang") == "zh-Hans" and page.inner_text("h1") == "我的工作台"
    page.goto("/settings")
    page.check("input[name=theme][value=dark]")
    page.check("input[name=size][value=large]")
    page.check("input[name=language][value=en]")
    follow(page, page.locator("main button"))
    assert page.get_attribute("html", "data-theme") == "dark" and page.inner_text("h1").startswith("Language")
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "19px"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_borrower_reads_pays_and_finds_help_on_a_small_phone(sign_in: Callable[..., Any], language: str) -> None:
    page = sign_in("borrower", language, 320)
    assert page.locator(".card .tag").first.is_visible() and page.locator("a[href='/my/help']").count() >= 1
    boxes = page.locator(".btns .btn").evaluate_all("all => all.slice(0, 2).map(b => b.getBoundingClientRect().height)")
    assert min(boxes) >= 44 and boxes[0] == boxes[1]
    page.locator("a[href='#pay']").first.click()
    assert page.locator("#pay").is_visible()
    follow(page, page.locator("a[href^='/my/schedule/']").first)
    assert page.locator("table.cards tbody tr").count() > 1
    page.goto("/my/receipts")
    assert page.locator("h1").is_visible()


def test_every_flow_works_without_javascript(sign_in: Callable[..., Any]) -> None:
    page = sign_in("risk", fresh=True, java_script_enabled=False)
    number = first_loan(page)
    page.goto(f"/loans/{number}")
    page.fill("#as_of", "2026-06-30")
    follow(page, page.locator(".slider button"))
    assert "as_of=2026-06-30" in page.url and page.locator("h1").inner_text() == number
    page.fill("#wa", "100")
    follow(page, page.locator("text=Work it out"))
    assert page.locator("#answer table").count() == 1
    follow(page, page.locator("header >> text=中文"))
    assert page.get_attribute("html", "lang") == "zh-Hans"
    follow(page, page.locator("text=退出"))
    assert "/sign-in" in page.url
