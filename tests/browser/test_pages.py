"""The site in a real Chromium: a small demo lender in a process of its own, the pages driven as people drive them."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "tideover-demo"
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a served demo with 200 loans, of which some are late."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    home = tmp_path_factory.mktemp("site")
    env = {**os.environ, "TIDEOVER_HOME": str(home), "TIDEOVER_DATABASE": ""}
    command = [sys.executable, "-m", "tideover.cli"]
    subprocess.run([*command, "demo", "--loans", "200", "--no-serve"], env=env, check=True, capture_output=True)
    with subprocess.Popen(
        [*command, "serve", "--port", port], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            yield _ready(f"http://127.0.0.1:{port}", server)
        finally:
            server.terminate()


def _ready(address: str, server: subprocess.Popen[bytes]) -> str:
    for _ in range(150):
        assert server.poll() is None, "the server stopped"
        try:
            urllib.request.urlopen(f"{address}/sign-in", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return address
    raise AssertionError("the server did not answer within 15 s")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A running Chromium; the tests skip where none can be had."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = subprocess.run([sys.executable, str(ROOT / "scripts/chromium.py")], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(found.stderr.strip())
    with sync_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=found.stdout.strip(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def sign_in(site: str, chromium: Any) -> Iterator[Callable[..., Any]]:
    """Signs a role in and gives its page; any console error fails the test at its end."""
    contexts, errors = [], []

    def go(role: str, language: str = "en-US", width: int = 1440, **options: Any) -> Any:
        context = chromium.new_context(base_url=site, locale=language, viewport={"width": width, "height": 844}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto("/sign-in")
        page.fill("#id_username", role)
        page.fill("#id_password", PASSWORD)
        page.click("main button.btn--primary")
        page.wait_for_url(lambda url: "sign-in" not in url)
        page.locator("h1").wait_for()
        return page

    yield go
    for context in contexts:
        context.close()
    assert errors == []


def follow(page: Any, link: Any) -> None:
    """Click what leads to another page, and wait for that page: what is read next is never the page before."""
    with page.expect_navigation():
        link.click()


def first_loan(page: Any) -> str:
    """The number of a loan that is late."""
    page.goto("/loans?show=late")
    return str(page.locator("table.q tbody a").first.inner_text())


def test_from_the_desk_to_a_loan_and_through_its_days(sign_in: Callable[..., Any]) -> None:
    page = sign_in("risk")
    assert page.locator("table.home tbody tr").count() >= 5
    page.locator("table.home tbody a").first.click()
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


def test_what_if_answers_in_the_page(sign_in: Callable[..., Any]) -> None:
    page = sign_in("collector")
    page.goto(f"/loans/{first_loan(page)}")
    page.fill("#wa", "1,000元")
    page.click("text=Work it out")
    page.wait_for_selector("#what-if table")
    assert "Nothing was written" in page.inner_text("#what-if")


def test_a_person_is_found_without_a_trace_in_the_address(sign_in: Callable[..., Any]) -> None:
    page = sign_in("counsellor")
    first_loan(page)
    follow(page, page.locator("table.q tbody tr").first.locator("a").nth(1))
    masked = page.inner_text("main")
    follow(page, page.locator("text=Show in full"))
    phone = re.search(r"\b1\d{10}\b", page.inner_text("main"))
    assert phone is not None and phone[0] not in masked
    page.goto("/loans")
    page.fill("#personal", phone[0])
    follow(page, page.locator("text=Find a person"))
    assert page.locator("table.q tbody a").count() >= 2 and phone[0] not in page.url + page.content()


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


@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
def test_the_borrower_reads_pays_and_finds_help_on_a_small_phone(sign_in: Callable[..., Any], language: str) -> None:
    page = sign_in("borrower", language, 320)
    assert page.locator(".card .tag").first.is_visible() and page.locator("a[href='#help']").count() >= 1
    boxes = page.locator(".btns .btn").evaluate_all("all => all.slice(0, 2).map(b => b.getBoundingClientRect().height)")
    assert min(boxes) >= 44 and boxes[0] == boxes[1]
    page.locator("a[href='#pay']").first.click()
    assert page.locator("#pay").is_visible()
    follow(page, page.locator("a[href^='/my/schedule/']").first)
    assert page.locator("table.cards tbody tr").count() > 1
    page.goto("/my/receipts")
    assert page.locator("h1").is_visible()


@pytest.mark.parametrize("role", ["risk", "borrower"])
@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
def test_nothing_scrolls_sideways_at_320(sign_in: Callable[..., Any], role: str, language: str) -> None:
    page = sign_in(role, language, 320)
    addresses = ["/", "/settings"]
    if role == "borrower":
        addresses += ["/my/receipts", str(page.locator("a[href^='/my/schedule/']").first.get_attribute("href"))]
    else:
        addresses += ["/book", "/loans", f"/loans/{first_loan(page)}"]
    for address in addresses:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, address


def test_every_flow_works_without_javascript(sign_in: Callable[..., Any]) -> None:
    page = sign_in("risk", java_script_enabled=False)
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
