"""Four processes ask about one person at once, about two loans: the cap of three holds, and the chain of verdicts is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.databases import book_fresh

BUILD = """
import django; django.setup()
from datetime import timedelta
from tests.factories import house_build
from tideover.core.business_time import now
from tideover.sources.services import consent_give
house = house_build()
consent_give(house.borrower, None, purpose="contact", given_how="app", given_at=now() - timedelta(days=1), actor="t")
"""
CHECK = """
import django; django.setup()
from tideover.contact.chain import breaks
from tideover.contact.models import VerdictRow
from tideover.lending.models import ContactRecord
rows = VerdictRow.objects.all()
print(ContactRecord.objects.count(), rows.count(), rows.filter(allowed=True).count(), len(list(breaks())))
"""
WORKERS, EACH = 4, 6


def test_four_workers_cannot_overshoot_a_cap(tmp_path: Path) -> None:
    env = book_fresh(tmp_path)
    python = [sys.executable, "-c"]
    subprocess.run([*python, BUILD], env=env, check=True)
    ask = [sys.executable, "-m", "tests.contact.caller"]
    workers = [
        subprocess.Popen([*ask, f"w{n}", str(EACH)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(WORKERS)
    ]
    said = [w.communicate(timeout=240) for w in workers]
    assert [w.returncode for w in workers] == [0] * WORKERS, said
    assert sum(int(out) for out, _err in said) == 3
    found = subprocess.run([*python, CHECK], env=env, check=True, capture_output=True, text=True).stdout.split()
    assert found == ["3", str(WORKERS * EACH), "3", "0"]
