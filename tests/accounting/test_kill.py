"""Posting is killed again and again: the books end as undisturbed, nothing twice, nothing lost; on both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("TIDEOVER_KILLS", "4"))
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_killed_anywhere(vendor: str, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    env = {
        **os.environ,
        "TIDEOVER_HOME": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "tideover.web.settings",
        "TIDEOVER_DATABASE": "",
    }
    command = [sys.executable, "-m", "tests.accounting.killer", str(KILLS), "7"]
    if vendor == "postgresql":
        command = [sys.executable, str(ROOT / "scripts" / "with_postgres.py"), *command]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["died"] == KILLS and said["places"] >= 2, said
    assert said["same"] and said["failed"] == [] and said["runs"] == 1, said
    assert said["numbers"] == said["entries"] > 1000, said
