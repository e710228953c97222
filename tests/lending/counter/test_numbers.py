"""Four processes take money at one branch: every number once, none left out, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.databases import book_fresh

COUNT, TELLERS = 6, ("teller", "teller_2", "teller_3", "teller_4")
BUILD = """
import django; django.setup()
from tests.factories import house_build
from tests.lending.counter.desk import teller
house = house_build()
for name in ("teller_2", "teller_3", "teller_4"): teller(house, name)
"""
CHECK = """
import django, json; django.setup()
from tideover.lending.counter.cash import expected_minor
from tideover.lending.models import *
print(json.dumps({
    "slips": sorted(Slip.objects.values_list("sequence", flat=True)), 
    "tills": sorted(Till.objects.values_list("number", flat=True)),
    "receipts": Receipt.objects.count(), "series": list(CounterSeries.objects.filter(kind="slip").values_list("last", flat=True)),
    "cash": sum(expected_minor(t) for t in Till.objects.all()), "paid": sum(s.amount_minor for s in Slip.objects.all()),
}))
"""


def test_numbers_have_no_gaps_under_four_processes(tmp_path: Path) -> None:
    env = book_fresh(tmp_path)
    subprocess.run([sys.executable, "-c", BUILD], env=env, check=True)
    payers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.lending.counter.payer", name, str(COUNT)], env=env, stderr=subprocess.PIPE, text=True
        )
        for name in TELLERS
    ]
    errors = [p.communicate(timeout=240)[1] for p in payers]
    assert [p.returncode for p in payers] == [0] * 4, errors
    said = json.loads(subprocess.run([sys.executable, "-c", CHECK], env=env, check=True, capture_output=True, text=True).stdout)
    taken = 4 * (COUNT - COUNT // 3)
    assert said["slips"] == list(range(1, taken + 1)) and said["series"] == [taken] and said["receipts"] == taken
    assert [t[-6:] for t in said["tills"]] == ["000001", "000002", "000003", "000004"]
    assert said["cash"] == said["paid"] + 4 * 100
