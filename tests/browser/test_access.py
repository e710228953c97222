"""Can everybody use it: axe on every page in both languages and themes, narrow screens, keyboard alone, paper."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise, takewhile
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.browser.conftest import first_loan
from tests.browser.kinds import ELSEWHERE, KINDS, USERS, addresses

pytestmark = pytest.mark.browser
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ROLES = ("risk", "borrower", "-", *KINDS)
RUN_AXE = """([tags, rules]) => axe.run(document, {
    resultTypes: ['violations'], runOnly: rules ? {type: 'rule', values: rules} : {type: 'tag', values: tags},
}).then(found => found.violations.map(v => v.id + ': ' + v.nodes[0].target + ' — ' + v.nodes[0].failureSummary))"""
FOCUS_SHOWN = """() => {
    const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
    const ringed = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2;
    return [e.outerHTML.slice(0, 80), e === document.body || (ringed && box.bottom > 0 && box.top < innerHeight)];
}"""
WIDER_THAN_THE_SCREEN = "document.documentElement.scrollWidth - window.innerWidth"


def pages_of(role: str, page: Any) -> list[str]:
    """Every kind of page that a role reaches, in its usual, its empty and its error state."""
    if role == "-":
        return ["/sign-in", "/sign-in?next=/book"]
    if role == "borrower":
        page.goto("/")
        return ["/", "/my/receipts", str(page.locator("a[href^='/my/schedule/']").first.get_attribute("href")), "/settings"]
    if role in KINDS:
        return addresses(page, role)
    loan = f"/loans/{first_loan(page)}"
    person = str(page.locator("a[href^='/people/']").first.get_attribute("href"))
    page.goto(loan)
    payment = page.locator("#journal a[href*='/payments/']")
    more = [str(payment.first.get_attribute("href"))] if payment.count() else []
    asked = [f"{loan}/what-if?kind=payment&amount=abc&on=", f"{loan}/what-if?kind=payment&amount=100&on=2026-11-01"]
    books = ["/", "/book", "/book/loans?was=current&became=current", "/loans?show=late", "/loans?show=reversed", "/nowhere"]
    return [*books, f"{loan}?as_of=2026-06-30&known=then", f"{loan}?as_of=soon", *more, *asked, person]


@pytest.fixture
def visit(sign_in: Callable[..., Any], site: str, chromium: Any) -> Callable[..., Any]:
    """A page of a role, or of a stranger ("-"); pages that answer 404 or 422 are among those visited."""

    def go(role: str, language: str, width: int) -> Any:
        if role == "-":
            return chromium.new_context(base_url=site, locale={"zh": "zh-CN", "en": "en-US"}[language],
                                        viewport={"width": width, "height": 844}).new_page()  # fmt: skip
        return sign_in(USERS.get(role, role), language, width, allow="status of 4")

    return go


def _names(patterns: list[URLPattern | URLResolver]) -> set[str]:
    found: set[str] = set()
    for p in patterns:
        if isinstance(p, URLPattern):
            found |= {str(p.name)}
        elif p.namespace is None:
            found |= _names(p.url_patterns)
    return found


def test_every_kind_of_page_is_walked() -> None:
    walked = {name for steps in KINDS.values() for name, _start, _links in steps}
    assert walked & ELSEWHERE == set()
    assert _names(get_resolver().url_patterns) == walked | ELSEWHERE


@pytest.mark.parametrize("role", ROLES)
def test_axe_finds_nothing_on_any_page_in_either_theme(visit: Callable[..., Any], axe: str, role: str) -> None:
    page, found = visit(role, "zh", 1440), []
    for address in pages_of(role, page):
        page.emulate_media(color_scheme="light")
        page.goto(address)
        page.evaluate(axe)
        found += [f"{address} {v}" for v in page.evaluate(RUN_AXE, [TAGS, None])]
        page.emulate_media(color_scheme="dark")
        found += [f"{address} dark {v}" for v in page.evaluate(RUN_AXE, [TAGS, ["color-contrast", "link-in-text-block"]])]
    assert found == []


@pytest.mark.parametrize("role", ["risk", "borrower"])
def test_axe_finds_nothing_on_a_phone_in_english(visit: Callable[..., Any], axe: str, role: str) -> None:
    page, found = visit(role, "en", 390), []
    for address in [a for a in pages_of(role, page) if "/loans" in a or "/my/" in a][:4]:
        page.goto(address)
        page.evaluate(axe)
        found += [f"{address} {v}" for v in page.evaluate(RUN_AXE, [TAGS, None])]
    assert found == []


@pytest.mark.parametrize(
    ("role", "language"), [(r, lang) for r in ROLES for lang in ("zh", "en") if lang == "en" or r not in KINDS]
)
def test_nothing_scrolls_sideways_on_a_phone(visit: Callable[..., Any], role: str, language: str) -> None:
    page, wide = visit(role, language, 390), []
    for address in pages_of(role, page):
        page.goto(address)
        for width in (390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            if (over := page.evaluate(WIDER_THAN_THE_SCREEN)) > 0:
                wide.append((address, width, over))
    assert wide == []


def test_the_keyboard_alone_is_enough_on_a_loan(sign_in: Callable[..., Any]) -> None:
    page = sign_in("risk")
    page.goto(f"/loans/{first_loan(page)}")
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("e => e === document.activeElement && e.getBoundingClientRect().left >= 0")
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("""() => {
          const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
          return [e.id || e.textContent.trim().slice(0, 20), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2,
                  box.bottom > 0 && box.top < innerHeight, e === document.body];
        }""")
        )
    seen = list(takewhile(lambda stop: not stop[3], seen))
    assert [name for name, ringed, shown, _end in seen if not (ringed and shown)] == []
    names = [name for name, *_ in seen]
    for needed in ("find", "day-range", "as_of", "show-day", "wk", "wa", "wo", "work-it-out"):
        assert needed in names, needed


@pytest.mark.parametrize("role", list(KINDS))
def test_the_keyboard_reaches_the_first_act_of_every_page_and_shows_where_it_is(sign_in: Callable[..., Any], role: str) -> None:
    page, hidden = sign_in(USERS.get(role, role), allow="status of 4"), []
    for address in addresses(page, role):
        page.goto(address)
        first = page.locator("#main a, #main button, #main input:not([type=hidden]), #main select, #main textarea, #main summary")
        if not first.count():
            continue  # a page to read only
        first.first.focus()
        for key in ("Shift+Tab", "Tab", "Tab"):
            page.keyboard.press(key)
            seen = page.evaluate(FOCUS_SHOWN)
            if not seen[1]:
                hidden.append((address, key, seen[0]))
    assert hidden == []


def test_the_slider_moves_by_arrow_keys_keeps_the_focus_and_says_the_day(sign_in: Callable[..., Any]) -> None:
    page = sign_in("risk")
    page.goto(f"/loans/{first_loan(page)}")
    page.focus("#day-range")
    for _ in range(2):
        before = page.input_value("#as_of")
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(
            "b => document.querySelector('#as_of').value < b && location.search.includes(document.querySelector('#as_of').value)"
            " && document.querySelector('#said').textContent.startsWith(document.querySelector('#as_of').value)",
            arg=before,
        )
        assert page.evaluate("document.activeElement.id") == "day-range"


def test_paper_holds_the_schedule_and_no_navigation(sign_in: Callable[..., Any]) -> None:
    page = sign_in("borrower")
    page.goto(str(page.locator("a[href^='/my/schedule/']").first.get_attribute("href")))
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("table.plan").is_visible()
    assert [s for s in (".top", ".foot", ".back") if page.locator(s).first.is_visible()] == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page = sign_in("risk")
    page.goto(f"/loans/{first_loan(page)}")
    page.emulate_media(media="print")
    assert page.locator("#schedule table").is_visible()
    assert [s for s in (".rail", ".bar", ".slider") if page.locator(s).first.is_visible()] == []


@pytest.mark.parametrize("role", ["risk", "borrower"])
def test_the_first_visit_stays_within_the_weight_of_the_guide(sign_in: Callable[..., Any], role: str) -> None:
    page = sign_in(role, width=390)
    seen: list[tuple[str, int]] = []
    page.on("requestfinished", lambda r: seen.append((r.url, r.sizes()["responseBodySize"])))
    page.goto("/")
    page.wait_for_load_state("networkidle")
    assert len(seen) <= 5 and sum(size for _, size in seen) <= (50_000 if role == "borrower" else 60_000), seen


def test_less_motion_is_respected_and_headings_are_in_order(sign_in: Callable[..., Any]) -> None:
    page = sign_in("risk", reduced_motion="reduce")
    for address in ("/", "/book", f"/loans/{first_loan(page)}", "/day"):
        page.goto(address)
        levels = [int(tag[1]) for tag in page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => h.tagName)")]
        assert levels[0] == 1 and levels.count(1) == 1, (address, levels)
        assert all(b - a <= 1 for a, b in pairwise(levels)), (address, levels)
        moving = "[...document.querySelectorAll('*')].filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
        assert page.evaluate(moving) == 0
    policy = json.dumps(page.evaluate("[...document.querySelectorAll('[style],script:not([src])')].map(e => e.outerHTML)"))
    assert re.sub(r"\s", "", policy) == "[]"
