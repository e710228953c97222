"""A small demo lender served by a process of its own, a real Chromium, and roles that sign in."""

from __future__ import annotations

import os
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
LANGUAGES = {"zh": "zh-CN", "en": "en-US"}


@pytest.fixture(scope="session")
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
    """A running Chromium; the tests skip where none can be had.

    Closed after each file: while it is open an event loop runs in this process, and other tests could not begin their own.
    """
    sync_api = pytest.importorskip("playwright.sync_api")
    path = _script("chromium.py")
    with sync_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core; the tests skip where it cannot be had."""
    return Path(_script("axe.py")).read_text(encoding="utf-8")


def _script(name: str) -> str:
    found = subprocess.run([sys.executable, str(ROOT / "scripts" / name)], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(found.stderr.strip())
    return found.stdout.strip()


@pytest.fixture(scope="session")
def signed_in() -> dict[str, Any]:
    """Cookies of the roles that have signed in, so that each signs in once."""
    return {}


@pytest.fixture
def sign_in(site: str, chromium: Any, signed_in: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """Gives the page of a role; any console error or broken content policy fails the test at its end.

    `fresh`: sign in again, for a test that signs out. `allow`: words of console errors that the test provokes.
    """
    contexts, errors, allowed = [], [], []

    def go(role: str, language: str = "en", width: int = 1440, *, fresh: bool = False, allow: str = "", **options: Any) -> Any:
        state = None if fresh else signed_in.get(role)
        view = {"width": width, "height": 844}
        context = chromium.new_context(base_url=site, locale=LANGUAGES[language], viewport=view, storage_state=state, **options)
        contexts.append(context)
        allowed.extend([allow] if allow else [])
        page = context.new_page()
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        if state is not None:
            page.goto("/")
            return page
        page.goto("/sign-in")
        page.fill("#id_username", role)
        page.fill("#id_password", PASSWORD)
        page.click("main button.btn--primary")
        page.wait_for_url(lambda url: "sign-in" not in url)
        page.locator("h1").wait_for()
        if not fresh:
            signed_in[role] = context.storage_state()
        return page

    yield go
    for context in contexts:
        context.close()
    assert [e for e in errors if not any(a in e for a in allowed)] == []


def follow(page: Any, link: Any) -> None:
    """Click what leads to another page, and wait for that page: what is read next is never the page before."""
    with page.expect_navigation():
        link.click()


def first_loan(page: Any) -> str:
    """The number of a loan that is late."""
    page.goto("/loans?show=late")
    return str(page.locator("table.q tbody a").first.inner_text())
