"""Databases of the tests: SQLite by default; tests marked `postgres` run in a process of their own against a real PostgreSQL.

Nothing is ever flushed (the journal's triggers refuse it): each test rolls back.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("TIDEOVER_HOME", tempfile.mkdtemp(prefix="tideover-test-"))
# The browser's driver keeps an event loop of its own in the process; tests that come after it still use the database plainly.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
(Path(os.environ["TIDEOVER_HOME"]) / "static").mkdir(parents=True, exist_ok=True)

import pytest

from tests.factories import House, house_build


@pytest.fixture
def house(db: None) -> House:
    """An entity with two branches, one member of staff a role, two borrowers with loans."""
    return house_build()
