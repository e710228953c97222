"""Real processes at once: two deciders apply an act once, two people never work one case, one key is one open item."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.databases import book_fresh

BUILD = """
from tests.core.racer import COUNT
from tests.factories import house_build
from tideover.core.approvals import approval_ask
from tideover.core.models import Role
from tideover.core.work import work_open
house = house_build()
for n in range(COUNT):
    approval_ask("t.race", subject=("s", f"S-{n}"), payload={"n": n}, reason="r", actor=house.staff["risk"])
    work_open("t.race", subject=("s", str(n)), why="w", owner_role=Role.COLLECTOR, due_at=None, key=f"k{n}", actor="t")
"""
CHECK = """
import django; django.setup()
from collections import Counter
from tideover.core.models import ActionLog, Approval, ApprovalStep, WorkItem
from tideover.core.action_log import first_break
applied = Counter(ActionLog.objects.filter(action="t.applied").values_list("object_id", flat=True))
print(len(applied), set(applied.values()), Approval.objects.filter(state="granted").count(), ApprovalStep.objects.count(),
      WorkItem.objects.filter(key__startswith="o").count(), first_break())
"""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("race")
    env = book_fresh(home)
    subprocess.run([sys.executable, "-c", BUILD], env=env, check=True)
    return env


def race(env: dict[str, str], act: str, people: tuple[str, ...]) -> list[set[str]]:
    """What each process won; all start at one moment."""
    command = [sys.executable, "-m", "tests.core.racer", act]
    runs = [
        subprocess.Popen([*command, who], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for who in people
    ]
    for run in runs:
        assert run.stdout and run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin
        run.stdin.write("\n")
        run.stdin.flush()
    said = [run.communicate(timeout=240)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs)
    return [set(words.split()) for words in said]


def test_each_case_has_one_winner(env: dict[str, str]) -> None:
    claimed = race(env, "claim", ("collector", "team_lead", "branch_head"))
    assert sum(map(len, claimed)) == len(set.union(*claimed)) == 20
    granted = race(env, "decide", ("finance", "payments"))
    assert sum(map(len, granted)) == len(set.union(*granted)) == 20
    opened = race(env, "open", ("collector", "team_lead"))
    assert all(len(found) == 20 for found in opened)
    said = subprocess.run([sys.executable, "-c", CHECK], env=env, check=True, capture_output=True, text=True).stdout
    assert said.split() == ["20", "{1}", "20", "20", "20", "None"]
