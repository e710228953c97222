"""Databases of the tests: SQLite by default, the PostgreSQL that TIDEOVER_DATABASE names otherwise (scripts/with_postgres.py).

Nothing is ever flushed (the journal's triggers refuse it): each test rolls back.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("TIDEOVER_HOME", tempfile.mkdtemp(prefix="tideover-test-"))
# The browser's driver keeps an event loop of its own in the process; tests that come after it still use the database plainly.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
(Path(os.environ["TIDEOVER_HOME"]) / "static").mkdir(parents=True, exist_ok=True)

import pytest
from hypothesis import HealthCheck, settings

from tests.factories import House, house_build

LONG = (
    "tests/real_books/", "tests/browser/", "tests/daily/test_kill", "tests/accounting/test_kill", "tests/contact/test_faults",
    "tests/contact/channels/test_end_to_end", "tests/web/test_crawl", "tests/web/test_api_fuzz", "tests/peers_book/test_killed",
    "tests/engine/test_kernel.py", "tests/lending/test_import_killed",
    "tests/lending/debits/test_faults",
)  # fmt: skip
"""Files that take the longest; what is not named here runs after them in the usual order."""


# No test is about speed: a busy machine must not turn a property red.
settings.register_profile("tideover", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tideover")


def pytest_configure(config: pytest.Config) -> None:
    """A folder for what is made once a run (tests/databases.py); the workers of xdist take that of the one who started them."""
    if not hasattr(config, "workerinput"):
        os.environ["TIDEOVER_MIGRATED"] = tempfile.mkdtemp(prefix="tideover-templates-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing stays behind."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["TIDEOVER_MIGRATED"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONG))


@pytest.fixture
def house(db: None) -> House:
    """An entity with two branches, one member of staff a role, two borrowers with loans."""
    return house_build()
