"""Posting that is killed (SIGKILL) at many points: `python -m tests.accounting.killer KILLS SEED`. Prints one JSON object."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from typing import Any

import django

django.setup()

from django.db import transaction

from tests.accounting.books import ledger, post, sub_ledger
from tests.daily.books import AS_OF, START, book_build
from tests.factories import house_build
from tideover.accounting import doctor, posting
from tideover.accounting.models import BookRun, Entry
from tideover.engine.batch import replay_many
from tideover.engine.columns import event_columns, terms_columns
from tideover.engine.presets import consumer_annuity
from tideover.engine.terms import day

CALLS_MAX = 90_000
"""An undisturbed run makes some 200,000 calls into the database layer."""
PART = 6


def post_until(calls: int) -> None:
    """Post everything, and die at the given call into the database layer. The kernel is loaded before."""
    posting.PART, posting.LINES_AT_ONCE = PART, 200
    terms = consumer_annuity(1_000_000, 60_000, day("2025-01-01"), 12)
    replay_many(terms_columns([terms]), event_columns([[]]), day("2025-03-01"), moves=True)
    left = calls

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal left
        if event == "call" and "/django/db/" in frame.f_code.co_filename:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    post(AS_OF, first=START)
    sys.setprofile(None)


def main(kills: int, seed: int) -> None:
    rng = random.Random(seed)
    book_build(house_build(), 40, seed)
    with transaction.atomic():  # undisturbed, and taken back
        post(AS_OF, first=START)
        expected = (sorted(map(str, ledger().items())), sub_ledger())
        transaction.set_rollback(True)
    died, places = 0, set()
    for _ in range(kills * 3):
        if died == kills:
            break
        calls = str(rng.randint(50, CALLS_MAX))
        code = subprocess.run([sys.executable, "-m", "tests.accounting.killer", "child", calls]).returncode
        died += code == -signal.SIGKILL
        run = BookRun.objects.filter(state="running").first()
        places.add((run.done_to, str(run.posted_to)) if run else None)
    post(AS_OF)
    found = (sorted(map(str, ledger().items())), sub_ledger())
    failed = [f"{c.name}: {c.detail}" for c in doctor.checks() if not c.ok]
    numbers = Entry.objects.values("entity", "period", "voucher", "line").distinct().count()
    said = {
        "died": died, "places": len(places), "same": found == expected, "failed": failed, "runs": BookRun.objects.count(),
        "entries": Entry.objects.count(), "numbers": numbers,
    }  # fmt: skip
    print(json.dumps(said))


if __name__ == "__main__":
    post_until(int(sys.argv[2])) if sys.argv[1] == "child" else main(int(sys.argv[1]), int(sys.argv[2]))
