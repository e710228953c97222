"""Two processes draw on one facility at once: it is drawn to its limit and never past it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.databases import book_fresh

BUILD = """
import django; django.setup()
from datetime import date
from tests.factories import house_build
from tideover.lending.services import facility_open
h = house_build()
facility_open(number="F-1", party=h.borrower, entity=h.entity, limit_minor=1_050_000, opened_on=date(2026, 1, 1),
    expires_on=date(2027, 1, 1), actor="t")
"""
CHECK = """
import django; django.setup()
from tideover.lending.models import Contract, Facility
from tideover.lending.selectors import facility_available
print(Contract.objects.filter(facility__number="F-1").count(), facility_available(Facility.objects.get()))
"""


def test_two_processes_one_facility(tmp_path: Path) -> None:
    env = book_fresh(tmp_path)
    subprocess.run([sys.executable, "-c", BUILD], env=env, check=True)
    drawers = [
        subprocess.Popen([sys.executable, "-m", "tests.lending.drawer", name, "8"], env=env, stderr=subprocess.PIPE, text=True)
        for name in ("ann", "ben")
    ]
    errors = [d.communicate(timeout=120)[1] for d in drawers]
    assert [d.returncode for d in drawers] == [0, 0], errors
    said = subprocess.run([sys.executable, "-c", CHECK], env=env, check=True, capture_output=True, text=True).stdout.split()
    assert said == ["10", "50000"]
