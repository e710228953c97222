"""Two processes append to one loan at once: nothing lost, no fork, never «database is locked»."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.databases import book_fresh

COUNT = 60
CHECK = """
import django; django.setup()
from tideover.lending.models import Contract
from tideover.lending.journal import chain_break
loan = Contract.objects.get(number="T-1")
seqs = sorted(loan.events.values_list("seq", flat=True))
print(loan.events.count(), chain_break(loan), seqs == list(range(1, loan.event_count + 1)))
"""
BUILD = """
import django; django.setup()
from tests.factories import house_build
house_build()
"""


def test_two_processes_one_loan(tmp_path: Path) -> None:
    env = book_fresh(tmp_path)
    python = [sys.executable, "-c"]
    subprocess.run([*python, BUILD], env=env, check=True)
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.lending.writer", name, str(COUNT)], env=env, stderr=subprocess.PIPE, text=True
        )
        for name in ("ann", "ben")
    ]
    errors = [w.communicate(timeout=240)[1] for w in writers]
    assert [w.returncode for w in writers] == [0, 0], errors
    said = subprocess.run([*python, CHECK], env=env, check=True, capture_output=True, text=True).stdout.split()
    assert said == [str(2 * COUNT), "None", "True"]
