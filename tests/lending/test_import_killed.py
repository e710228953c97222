"""Imports of people and loans are killed (SIGKILL) again and again: nothing is half written, the same command finishes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.databases import ROOT, book_fresh

KILLS = int(os.environ.get("TIDEOVER_KILLS", "2"))


def test_killed_anywhere_nothing_is_half_written(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.lending.import_killer", str(KILLS), "11"]
    done = subprocess.run(command, env=book_fresh(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["died"] == 2 * KILLS and said["broken"] == [], said
    for what, counts in said["seen"].items():
        assert any(0 < n < 300 for n in counts), f"no kill came between two chunks of {what}: {said}"
    assert (said["loans"], said["events"], said["states"], said["again"]) == (300, 300, ["done"] * 2, ["already"] * 2), said
    assert said["batches"] == [["people", "done"], ["tape", "done"]]
