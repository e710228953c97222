"""The close is killed (SIGKILL) again and again while a writer commits around the cut-off: the same digest as undisturbed."""

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
def test_killed_anywhere_with_late_writers(vendor: str, tmp_path: Path) -> None:
    seed = 7
    (tmp_path / "static").mkdir()
    env = {
        **os.environ,
        "TIDEOVER_HOME": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "tideover.web.settings",
        "TIDEOVER_DATABASE": "",
    }
    command = [sys.executable, "-m", "tests.daily.killer", str(KILLS), str(seed)]
    if vendor == "postgresql":
        command = [sys.executable, str(ROOT / "scripts" / "with_postgres.py"), *command]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert [d["died"] for d in said["days"]] == [KILLS, KILLS], said
    assert [d["digest"] for d in said["days"]] == said["again"], said
    assert [d["files"] for d in said["days"]] == [4, 4], "a killed close left files behind"
    assert said["wrong_screens"] == []
    assert said["late"] > said["seen"][1] > said["seen"][0], "the writer did not write around the cut-offs"
    assert said["corrected"] > 0
