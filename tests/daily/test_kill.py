"""The close is killed (SIGKILL) again and again, then run to its end: the same digest as an undisturbed close."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

KILLS = int(os.environ.get("TIDEOVER_KILLS", "6"))
EXPIRE = """
import django; django.setup()
from tideover.daily.models import CloseRun
CloseRun.objects.update(lease_until=None)
"""
AS_OF_SQL = "SELECT count(*) AS n, sum(total_balance) AS owed FROM loans"


def command(home: Path, *words: str, **kwargs) -> subprocess.CompletedProcess:
    env = {**os.environ, "TIDEOVER_HOME": str(home), "DJANGO_SETTINGS_MODULE": "tideover.web.settings"}
    env.pop("TIDEOVER_DATABASE", None)
    return subprocess.run([sys.executable, "-m", "tideover.cli", *words], env=env, capture_output=True, text=True, **kwargs)


@pytest.mark.skipif(os.environ.get("TIDEOVER_DATABASE", "").startswith("postgres"), reason="builds its own SQLite book")
def test_killed_anywhere(tmp_path: Path) -> None:
    seed = 7
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    built = command(calm, "demo", "--loans", "150", "--no-serve")
    assert built.returncode == 0, built.stderr
    shutil.copytree(calm, rough)
    day = (datetime.now().astimezone() - timedelta(days=3)).date().isoformat()
    expected = json.loads(command(calm, "close", "--as-of", day, "--json").stdout)
    rng, killed = random.Random(seed), 0
    for _ in range(KILLS):
        env = {**os.environ, "TIDEOVER_HOME": str(rough), "DJANGO_SETTINGS_MODULE": "tideover.web.settings"}
        env.pop("TIDEOVER_DATABASE", None)
        process = subprocess.Popen([sys.executable, "-m", "tideover.cli", "close", "--as-of", day], env=env)
        time.sleep(rng.uniform(0.3, 1.6))
        killed += process.poll() is None
        process.kill()
        process.wait()
        expire = (
            "import django; django.setup(); from tideover.daily.models import CloseRun as C; C.objects.update(lease_until=None)"
        )
        subprocess.run([sys.executable, "-c", expire], env=env, check=True)
    got = json.loads(command(rough, "close", "--as-of", day, "--json").stdout)
    assert killed > 0, f"no run was killed in time (seed {seed})"
    assert (got["digest"], got["loans"]) == (expected["digest"], expected["loans"])
    owed = [json.loads(command(h, "tape", "query", AS_OF_SQL, "--json").stdout)["rows"] for h in (calm, rough)]
    assert owed[0] == owed[1]
