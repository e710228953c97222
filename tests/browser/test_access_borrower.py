"""Can borrowers, collectors, counsellors and underwriters use all of theirs: axe, narrow screens, keyboard, large type."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pytest

from tests.browser.conftest import follow
from tests.browser.test_access import RUN_AXE, TAGS, WIDER_THAN_THE_SCREEN

pytestmark = pytest.mark.browser
ROLES = ("borrower", "collector", "counsellor", "underwriter")
LARGE = "document.documentElement.dataset.size = 'large'; document.querySelectorAll('details').forEach(d => d.open = true)"
SMALL_TARGETS = """() => [...document.querySelectorAll('a, button, summary, input, select, label.choice')].filter(e => {
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    const aside = e.closest('p, li:not(.rows li), .choice') && style.display.startsWith('inline') && e.tagName === 'A';
    if (!box.width || aside || e.matches('.skip, .choice input, [type=hidden]')) return false;
    return box.height < 43.5;
}).map(e => e.outerHTML.slice(0, 90))"""
CUT_TEXT = """() => [...document.querySelectorAll('main *, footer *')].filter(e => {
    const s = getComputedStyle(e);
    if (e.closest('.vh, svg, thead')) return false;
    return s.overflowX !== 'visible' && s.overflowX !== 'auto' && e.scrollWidth > e.clientWidth + 1;
}).map(e => e.outerHTML.slice(0, 90))"""
EMPTY_HEADINGS = """() => [...document.querySelectorAll('main h1, main h2, main h3')].filter(h => {
    const next = h.nextElementSibling;
    return !h.textContent.trim() || (!next && !h.parentElement.matches('.head'));
}).map(h => h.outerHTML)"""
ISO_DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")


def address(link: Any) -> list[str]:
    """Where a link leads, or nothing where the page has no such link."""
    return [str(link.first.get_attribute("href"))] if link.count() else []


def pages_of(role: str, page: Any) -> list[str]:
    """Every kind of page that the role reaches from its home, in its usual, its empty and its error state."""
    page.goto("/")
    if role == "borrower":
        plan = address(page.locator("a[href^='/my/schedule/']")) + address(page.locator("a[href^='/my/payoff/']"))
        page.goto("/my/messages")
        message = address(page.locator("a[href^='/my/messages/']"))
        own = [
            "/",
            "/my/messages",
            *message,
            "/my/messages?page=9",
            "/my/documents",
            "/my/contact",
            "/my/contact?saved=withdrawn",
        ]
        return [
            *own,
            "/my/receipts",
            "/my/held",
            *plan,
            "/my/help",
            "/settings",
            "/settings?saved=1",
            "/nowhere",
            "/verify/V-0000-0000-000",
        ]
    page.goto("/loans?show=late")
    person, loan = (address(page.locator(f"main a[href^='/{kind}/']")) for kind in ("people", "loans"))
    more = [f"{loan[0]}/what-if?kind=payment&amount=abc&on=", f"{loan[0]}/what-if?kind=payment&amount=100&on=2026-11-01"]
    pages = ["/", "/queue", "/queue?show=done", "/loans?show=late", *loan, *more, *person, "/holds", "/settings", "/approvals"]
    if role == "underwriter":
        return [*pages, f"{person[0]}/call"]
    page.goto("/calls")
    lists = address(page.locator("main a[href^='/calls/']"))
    page.goto("/queue")
    return [*pages, f"{person[0]}/call", "/calls", *lists, "/outbox", "/answers", *address(page.locator("a[data-row]"))]


@pytest.fixture
def visit(sign_in: Callable[..., Any]) -> Callable[..., Any]:
    """The page of a role; pages that answer 403, 404 or 422 are among those visited."""
    return lambda role, language, width: sign_in(role, language, width, allow="status of 4")


@pytest.mark.parametrize("role", ROLES)
def test_axe_finds_nothing_in_either_theme_nor_in_large_type(visit: Callable[..., Any], axe: str, role: str) -> None:
    page, found = visit(role, "zh", 390 if role == "borrower" else 1440), []
    for where in pages_of(role, page):
        page.emulate_media(color_scheme="light")
        page.goto(where)
        page.evaluate(LARGE)
        page.evaluate(axe)
        found += [f"{where} {v}" for v in page.evaluate(RUN_AXE, [TAGS, None])]
        page.emulate_media(color_scheme="dark")
        found += [f"{where} dark {v}" for v in page.evaluate(RUN_AXE, [TAGS, ["color-contrast", "link-in-text-block"]])]
    assert found == []


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_cut_or_scrolls_sideways_in_large_type(visit: Callable[..., Any], role: str, language: str) -> None:
    page, wrong = visit(role, language, 390), []
    for where in pages_of(role, page):
        page.goto(where)
        page.evaluate(LARGE)
        for width in (390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            if (over := page.evaluate(WIDER_THAN_THE_SCREEN)) > 0:
                wrong.append((where, width, over))
        wrong += [(where, "cut", html) for html in page.evaluate(CUT_TEXT)]
    assert wrong == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_borrower_reads_no_empty_heading_no_iso_day_and_presses_nothing_small(visit: Callable[..., Any], language: str) -> None:
    page, wrong = visit("borrower", language, 390), []
    for where in pages_of("borrower", page):
        page.goto(where)
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        wrong += [(where, html) for html in page.evaluate(EMPTY_HEADINGS) + page.evaluate(SMALL_TARGETS)]
        if "/verify" not in where:
            wrong += [(where, day) for day in ISO_DAY.findall(page.inner_text("body"))]
        assert page.locator("footer a[href='/my/help']").is_visible(), where
    assert wrong == []


@pytest.mark.parametrize("role", ["borrower", "collector"])
def test_every_link_leads_somewhere(visit: Callable[..., Any], role: str) -> None:
    page, dead, seen = visit(role, "zh", 1440), [], set()
    for where in pages_of(role, page):
        page.goto(where)
        for href in page.evaluate("[...document.querySelectorAll('a[href^=\"/\"]')].map(a => a.getAttribute('href'))"):
            if href not in seen and not seen.add(href) and len(seen) < 90 and page.request.get(href).status >= 400:
                dead.append((where, href))
    assert dead == []


def _stops(page: Any, count: int) -> list[dict[str, Any]]:
    """What Tab reaches from the top: its words, whether its ring is seen, whether it is in sight."""
    seen = []
    for _ in range(count):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("""() => {
          const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
          return {name: e.id || e.name && `${e.name}=${e.value}` || e.textContent.trim().slice(0, 30),
                  ring: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2,
                  seen: box.bottom > 0 && box.top < innerHeight, end: e === document.body};
        }""")
        )
    return list(takewhile(lambda stop: not stop["end"], seen))


@pytest.mark.parametrize("where", ["/", "/my/contact", "/my/documents", "/my/help"])
def test_the_keyboard_alone_is_enough_for_a_borrower(visit: Callable[..., Any], where: str) -> None:
    page = visit("borrower", "en", 390)
    page.goto(where)
    stops = _stops(page, 60)
    assert [s["name"] for s in stops if not (s["ring"] and s["seen"])] == []
    words = " ".join(s["name"] for s in stops)
    wanted = {
        "/": "How to pay",
        "/my/contact": "way=wecom",
        "/my/documents": "kind=repayment_record",
        "/my/help": "Send the request",
    }
    assert wanted[where] in words and "Ask for help here" in words


def test_a_borrower_finds_fewer_calls_the_reason_of_the_amount_and_a_proof_by_clicking_only(visit: Callable[..., Any]) -> None:
    page = visit("borrower", "en", 390)
    page.click("summary:has-text('Why did the amount change?')")
    assert page.locator("dt:has-text('Due today')").first.is_visible()
    follow(page, page.locator("main a:has-text('How and when we may reach you')"))
    page.uncheck("input[name=time][value='3']")
    for box in page.locator("input[name=way]:not([value=wecom])").all():
        box.uncheck()
    follow(page, page.locator("button:has-text('Save how I am reached')"))
    assert page.locator("input[name=way]:checked").evaluate_all("boxes => boxes.map(b => b.value)") == ["wecom"]
    assert not page.is_checked("input[name=time][value='3']") and page.is_visible("[role=status]:has-text('Saved')")
    follow(page, page.locator("a.back:has-text('Back')"))
    follow(page, page.locator("main a:has-text('Letters and records')"))
    assert page.is_visible("text=for a landlord or a bank")
    follow(page, page.locator("button[value=repayment_record]").first)
    with page.expect_download() as file:
        page.click("[role=status] a")
    assert file.value.suggested_filename.startswith("RR-")


def test_a_collector_goes_from_call_to_call_without_looking_for_the_next(visit: Callable[..., Any]) -> None:
    page = visit("collector", "en", 1440)
    follow(page, page.locator("nav a:has-text('Calls')"))
    page.fill("#name", "Today")
    page.select_option("#show", "late")
    follow(page, page.locator("button:has-text('Make the list')"))
    lines = page.locator("section.panel")
    tags = [t for t in lines.locator("h2 .tag").all_inner_texts() if t]
    assert tags == sorted(tags, key=lambda t: t == "not now"), "who may be called stands first"
    for line in lines.filter(has=page.locator(".tag--stop")).all():
        assert len(line.locator("h2 + p").inner_text()) > 5, "a blocked line says why, and when it opens where time opens it"
    if not page.locator("a:has-text('Next:')").count():
        return  # the tests may run in the quiet hours: then nobody may be called
    first, second = page.locator("section.panel").nth(0), page.locator("section.panel").nth(1).get_attribute("id")
    who = str(first.get_attribute("id"))
    follow(page, first.locator("button:has-text('Ask the gate and call')"))
    assert page.locator(f"#{who} a[href^='tel:']").is_visible()
    page.select_option(f"#{who} select[name=outcome]", "conversation")
    page.fill(f"#{who} input[name=seconds]", "95")
    follow(page, page.locator(f"#{who} button:has-text('to the next')"))
    assert page.url.endswith(f"#{second}") and page.locator(f"#{second} [role=status]").is_visible()
