"""The close is killed (SIGKILL) again and again while a writer commits around the cut-off: the same digest as undisturbed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.databases import ROOT, book_fresh

KILLS = int(os.environ.get("TIDEOVER_KILLS", "3"))


def test_killed_anywhere_with_late_writers(tmp_path: Path) -> None:
    seed = 7
    command = [sys.executable, "-m", "tests.daily.killer", str(KILLS), str(seed)]
    done = subprocess.run(command, env=book_fresh(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert [d["died"] for d in said["days"]] == [KILLS, KILLS], said
    assert [d["digest"] for d in said["days"]] == said["again"], said
    assert [d["files"] for d in said["days"]] == [4, 4], "a killed close left files behind"
    assert said["wrong_screens"] == []
    assert said["late"] > said["seen"][1] > said["seen"][0], "the writer did not write around the cut-offs"
    assert said["corrected"] > 0
