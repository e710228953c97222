"""Posting is killed again and again: the books end as undisturbed, nothing twice, nothing lost; on both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.databases import ROOT, book_fresh

KILLS = int(os.environ.get("TIDEOVER_KILLS", "3"))


def test_killed_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.accounting.killer", str(KILLS), "7"]
    done = subprocess.run(command, env=book_fresh(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["died"] == KILLS and said["places"] >= 2, said
    assert said["same"] and said["failed"] == [] and said["runs"] == 1, said
    assert said["numbers"] == said["entries"] > 1000, said
