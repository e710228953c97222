"""Messages through the real outbox, killed workers and gateways that err: nothing reaches a person twice, nothing is misreported.

Small here; `python -m tests.contact.channels.fault_table` prints the whole table, scripts/soak.sh stores it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.contact.channels.fault_table import head, markdown
from tests.databases import ROOT

KILLS = os.environ.get("TIDEOVER_FAULT_KILLS", "5")
MESSAGES = int(os.environ.get("TIDEOVER_FAULT_MESSAGES", "8"))


def rows(gateway: str, *faults: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.contact.channels.fault_table", "--gateway", gateway, "--json", "--kills", KILLS]
    command += ["--messages", str(MESSAGES)] + [x for fault in faults for x in ("--fault", fault)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3600)
    assert done.stdout, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert all(r["messages"] == MESSAGES and r["other"] == 0 for r in found), found
    return found


@pytest.mark.parametrize(("gateway", "faults"), [("aliyun", "mix"), ("smpp", "mix restart")])
def test_nothing_is_doubled_and_nothing_misreported(gateway: str, faults: str) -> None:
    for row in rows(gateway, *faults.split()):
        assert (row["doubled"], row["wrong"], row["open"]) == (0, 0, 0), row


def test_an_answer_that_was_lost_is_settled_by_the_receipt() -> None:
    (row,) = rows("smpp", "drop_after")
    assert (row["doubled"], row["wrong"], row["open"]) == (0, 0, 0), row
    assert row["settled"] and row["unknown"] <= row["messages"] - row["reached"], row


@pytest.mark.soak
@pytest.mark.parametrize("gateway", ["smpp", "aliyun", "tencent", "smtp", "wecom", "miniprogram", "robot", "push"])
def test_every_fault_of_every_gateway(gateway: str) -> None:
    found = rows(gateway)
    print("\n".join([head(found[0]), *map(markdown, found)]))
    for row in found:
        assert (row["doubled"], row["wrong"], row["open"]) == (0, 0, 0), row
