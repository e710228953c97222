"""Two processes send the same writes under the same keys at once: each happens once and both get the same answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.databases import book_fresh

COUNT = 30
BUILD = """
import django; django.setup()
from tests.factories import house_build
from tideover.core.models import ApiToken
from tideover.core.business_time import now
from tideover.core.tokens import token_hash
house = house_build()
ApiToken.objects.create(user=house.staff["complaints"], name="s", token_hash=token_hash("sender"), created_at=now())
"""
CHECK = """
import django; django.setup()
from tideover.core.action_log import first_break
from tideover.core.models import StoredAnswer
from tideover.lending.models import Hold
print(Hold.objects.count(), Hold.objects.values("reason").distinct().count(), StoredAnswer.objects.count(), first_break())
"""


def test_the_same_requests_from_two_processes_happen_once(tmp_path: Path) -> None:
    env = book_fresh(tmp_path)
    subprocess.run([sys.executable, "-c", BUILD], env=env, check=True)
    sender = [sys.executable, "-m", "tests.lending.sender", str(COUNT)]
    both = [subprocess.Popen(sender, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [p.communicate(timeout=240) for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    one, other = (out.splitlines() for out, _ in said)
    assert one == other and len(one) == COUNT and all(line.startswith("200 ") for line in one)
    done = subprocess.run([sys.executable, "-c", CHECK], env=env, check=True, capture_output=True, text=True).stdout.split()
    assert done == [str(COUNT), str(COUNT), str(COUNT), "None"]
