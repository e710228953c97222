"""Fineract #5853 and #5472: there is no table of locks and no second truth, so a killed writer leaves nothing to clean up.

A process that books money is killed (SIGKILL) at random instants and started again from the beginning; the book then equals the
book of an undisturbed run, every chain is whole, and nobody had to unlock anything. (tests/daily/test_kill.py kills the close.)
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from tests.databases import book_fresh
from tests.lending.test_two_writers import BUILD

SEED, KILLS, PAYMENTS = 20261125, 4, 160
CHECK = """
import django; django.setup()
from datetime import date
from tideover.lending.doctor import checks
from tideover.lending.models import Contract, LoanEvent, StandingRow
from tideover.lending.selectors import loan_standing
assert [c for c in checks() if not c.ok and c.name != "reference rates"] == [], checks()
for number in ("T-1", "T-2"):
    loan = Contract.objects.get(number=number)
    keys = loan.events.values_list("idempotency_key", flat=True)
    print(number, loan.events.count(), len(set(keys)), loan_standing(loan, date(2026, 5, 1)).payoff_minor)
"""


def book(folder: Path, env: dict[str, str], kills: int) -> str:
    """Pay everything, killed `kills` times on the way; what the book then says."""
    subprocess.run([sys.executable, "-c", BUILD], env=env, check=True)
    words, rng = [sys.executable, "-m", "tests.peers_book.payer", "0", str(PAYMENTS)], random.Random(SEED)
    for k in range(kills):
        # Somewhere in its own part of the work, and at any instant of a payment, however fast the machine is.
        last = rng.randrange(PAYMENTS * k // (kills + 1), PAYMENTS * (k + 1) // (kills + 1))
        with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            while int(process.stdout.readline()) < last:
                pass
            time.sleep(rng.uniform(0, 0.01))
            assert process.poll() is None, f"it was done before it was killed (seed {SEED})"
            process.kill()
    subprocess.run(words, env=env, check=True, timeout=120, stdout=subprocess.DEVNULL)
    return subprocess.run([sys.executable, "-c", CHECK], env=env, check=True, capture_output=True, text=True).stdout


def test_a_killed_writer_leaves_the_book_of_an_undisturbed_one(tmp_path: Path) -> None:
    said = []
    for name, kills in (("calm", 0), ("rough", KILLS)):
        folder = tmp_path / name
        folder.mkdir()
        said.append(book(folder, book_fresh(folder), kills))
    assert said[0] == said[1]
    assert said[0].split()[1::4] == [str(PAYMENTS // 2)] * 2
