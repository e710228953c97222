"""Two importers at once, and a bank that errs against the real site: one receipt a payment. On the run's own database."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.databases import book_fresh
from tests.lending.statements.bank_faults import BUILD, FAULTS, row
from tests.lending.statements.samples import Paid, camt

COUNT = 15
IMPORTER = """
import django; django.setup()
import sys, time
from pathlib import Path
from tideover.lending.statements.services import statement_import
data, ready, go = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), Path(sys.argv[3])
ready.touch()
while not go.exists(): time.sleep(0.005)
print(statement_import(data, sys.argv[1], actor="ops").new_count)
"""
CHECK = """
import django; django.setup()
import json
from tideover.lending.models import BankLine, Match, Receipt
print(json.dumps([BankLine.objects.count(), Receipt.objects.count(), Match.objects.filter(undone_at=None).count()]))
"""


def test_two_importers_make_one_receipt_a_line(tmp_path: Path) -> None:
    """Two different files with the same lines, and the same file twice, by four processes that start together."""
    env, python = book_fresh(tmp_path), [sys.executable, "-c"]
    subprocess.run([*python, BUILD], env=env, check=True, capture_output=True)
    paid = [Paid(f"{10 + n}.00", "T-1", "李明", "6217000000000000001", f"S{n}") for n in range(COUNT)]
    for name, data in (("a", camt(*paid)), ("b", camt(*paid, version="08"))):
        (tmp_path / name).write_bytes(data)
    go = tmp_path / "go"
    running = [
        subprocess.Popen(
            [*python, IMPORTER, str(tmp_path / file), str(tmp_path / f"ready{n}"), str(go)],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n, file in enumerate("abab")
    ]  # fmt: skip
    while not all((tmp_path / f"ready{n}").exists() for n in range(4)):
        assert all(p.poll() is None for p in running), [p.communicate() for p in running if p.poll() is not None]
        time.sleep(0.02)  # a loop that spins takes the core that they need
    go.touch()
    said = [p.communicate(timeout=120) for p in running]
    assert [p.returncode for p in running] == [0] * 4, [s[1][-2000:] for s in said]
    found = subprocess.run([*python, CHECK], env=env, check=True, capture_output=True, text=True).stdout
    assert json.loads(found) == [COUNT, COUNT, COUNT]


def test_a_bank_that_errs(tmp_path: Path) -> None:
    found = row("drop_after", 9, tmp_path)
    assert (found["owed"], found["lost"], found["doubled"], found["off_minor"]) == (0, 0, 0, 0), found


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault(tmp_path: Path, fault: str) -> None:
    found = row(fault, 60, tmp_path)
    print(json.dumps(found))
    assert (found["owed"], found["lost"], found["doubled"], found["off_minor"]) == (0, 0, 0, 0), found
