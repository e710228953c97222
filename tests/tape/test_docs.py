"""docs/tape.md says what the schema says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tideover.tape.schema import ORDER, SCHEMA_VERSION, SUBJECTS, TABLES

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_current() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "tape_docs.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_tape_has_a_subject_and_an_order_and_no_column_is_from_the_future() -> None:
    assert set(TABLES) == set(SUBJECTS) == set(ORDER)
    for name, columns in TABLES.items():
        names = [c.name for c in columns]
        assert len(names) == len(set(names)) and set(ORDER[name]) <= set(names)
        assert max(c.since for c in columns) <= SCHEMA_VERSION
        assert all(c.meaning and c.unit for c in columns)
