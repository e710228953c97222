"""Messages through the real outbox, killed workers and gateways that err: nothing reaches a person twice, nothing is misreported.

Small here; `python -m tests.contact.channels.fault_table` prints the whole table, scripts/soak.sh stores it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contact.channels.fault_table import head, markdown

ROOT = Path(__file__).resolve().parents[3]
MESSAGES = int(os.environ.get("TIDEOVER_FAULT_MESSAGES", "8"))


def rows(gateway: str, *faults: str, postgres: bool = False) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.contact.channels.fault_table", "--gateway", gateway, "--json", "--kills", "5"]
    command += ["--messages", str(MESSAGES)] + [x for fault in faults for x in ("--fault", fault)]
    if postgres:
        command = [sys.executable, str(ROOT / "scripts/with_postgres.py"), *command]
    environment = {k: v for k, v in os.environ.items() if k not in ("TIDEOVER_HOME", "TIDEOVER_DATABASE")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.stdout, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert all(r["messages"] == MESSAGES and r["other"] == 0 for r in found), found
    return found


@pytest.mark.parametrize("gateway", ["aliyun", "smtp", "robot"])
def test_nothing_is_doubled_and_nothing_misreported(gateway: str) -> None:
    (row,) = rows(gateway, "mix")
    assert (row["doubled"], row["wrong"], row["open"]) == (0, 0, 0), row


def test_an_answer_that_was_lost_is_settled_by_the_receipt() -> None:
    (row,) = rows("smpp", "drop_after")
    assert (row["doubled"], row["wrong"], row["open"]) == (0, 0, 0), row
    assert row["settled"] and row["unknown"] <= row["messages"] - row["reached"], row


def test_the_same_on_postgresql() -> None:
    for row in rows("smpp", "mix", "restart", postgres=True):
        assert (row["doubled"], row["wrong"], row["open"]) == (0, 0, 0), row


@pytest.mark.soak
@pytest.mark.parametrize("gateway", ["smpp", "aliyun", "tencent", "smtp", "wecom", "miniprogram", "robot", "push"])
@pytest.mark.parametrize("postgres", [False, True])
def test_every_fault_of_every_gateway(gateway: str, postgres: bool) -> None:
    found = rows(gateway, postgres=postgres)
    print("\n".join([head(found[0]), *map(markdown, found)]))
    for row in found:
        assert (row["doubled"], row["wrong"], row["open"]) == (0, 0, 0), row
