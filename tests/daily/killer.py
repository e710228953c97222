"""A close that is killed (SIGKILL) at many points while a writer commits late: `python -m tests.daily.killer KILLS SEED`.

Each attempt is a process of its own: it dies at the N-th call that its main thread makes, wherever that is (before a
statement, a write, an fsync, a commit), or from outside after a random time. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from typing import Any

import django

django.setup()

from django.db import transaction

from tests.daily.books import AS_OF, book_build
from tests.factories import house_build
from tideover.daily.close import close_day, read_tape, tape_folder
from tideover.daily.models import CloseRun
from tideover.engine.batch import replay_many
from tideover.engine.columns import event_columns, terms_columns
from tideover.engine.events import EventKind
from tideover.engine.presets import consumer_annuity
from tideover.engine.terms import day
from tideover.lending.models import Contract, LoanEvent, StandingRow
from tideover.lending.selectors import loan_standing, standing_fields
from tideover.lending.services import event_record

TODAY = AS_OF + timedelta(days=30)
DAYS = [AS_OF, AS_OF + timedelta(days=1)]
CALLS_MAX = 47_000
"""About as many calls as an undisturbed close makes."""
TRIES_MAX = 4
"""Attempts for each kill that is asked for, at most."""


def spawned(*words: object) -> subprocess.Popen[bytes]:
    """This module in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "tests.daily.killer", *map(str, words)])


def close_until(on: date, calls: int) -> None:
    """Close a day, and die at the given call. The kernel is loaded before, which would be most of the calls."""
    terms = consumer_annuity(1_000_000, 60_000, day("2025-01-01"), 12)
    replay_many(terms_columns([terms]), event_columns([[]]), day("2025-03-01"))
    left = calls

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal left
        if event in ("call", "c_call"):
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    try:
        close_day(on, today=TODAY)
    finally:
        sys.setprofile(None)


def write_late() -> None:
    """Pay one loan after another, each in a transaction that stays open for a while after its event is stamped."""
    rng, n = random.Random(os.getpid()), 0
    numbers = list(Contract.objects.filter(number__startswith="T-").values_list("number", flat=True))
    while True:
        n += 1
        loan = Contract.objects.get(number=rng.choice(numbers))
        on = AS_OF - timedelta(days=rng.randint(0, 5))
        with transaction.atomic():
            key = f"late:{os.getpid()}:{n}"
            event_record(loan, kind=EventKind.PAYMENT, effective_on=on, amount_minor=n, idempotency_key=key, actor="late")
            time.sleep(rng.uniform(0, 0.05))
        time.sleep(rng.uniform(0, 0.05))


def killed(on: date, kills: int, rng: random.Random) -> int:
    """Close a day until so many attempts have died; how many did. The day is closed when this returns."""
    died = n = 0
    while died < kills:
        n += 1
        if n > TRIES_MAX * kills:
            raise SystemExit(f"{n - 1} attempts, and only {died} died")
        from_outside = n % 3 == 2
        attempt = spawned("close", on, 10**9 if from_outside else rng.randrange(1, CALLS_MAX))
        if from_outside:
            time.sleep(rng.uniform(1.0, 4.0))
            attempt.kill()
        code = attempt.wait(timeout=120)
        died += code == -signal.SIGKILL
        if code > 0:
            raise SystemExit(f"attempt {n} failed with {code}")
        if code == 0:
            reopen(on)  # it got through before its shot: the next one must have something to kill
    close_day(on, today=TODAY)
    return died


def reopen(on: date) -> None:
    """Make a closed day look like one whose close was killed just before its commit point."""
    CloseRun.objects.filter(as_of=on).update(state="running", manifest=None, digest="", steps_done=[], lease_until=None)


def again(on: date) -> str:
    """The digest of the same day closed once more, undisturbed, at the same cut-off."""
    reopen(on)
    return close_day(on, today=TODAY).digest


def wrong_screens(run: CloseRun) -> list[str]:
    """Loans whose cached standing is not what replay says of the day that the row names."""
    out = []
    rejected = {
        r["loan_id"] for r in read_tape(run, "loans", ["loan_id", "replay_state"]).to_pylist() if r["replay_state"] != "ok"
    }
    for row in StandingRow.objects.select_related("contract__product", "contract__entity"):
        if row.contract.number not in rejected:
            fields = standing_fields(loan_standing(row.contract, row.as_of), row.contract)
            out += [row.contract.number for name, value in fields.items() if getattr(row, name) != value][:1]
    return out


def main(kills: int, seed: int) -> dict[str, Any]:
    with transaction.atomic():
        book_build(house_build(), 80, seed)
    rng, told = random.Random(seed), []
    writer = spawned("write")
    try:
        for on in DAYS:
            died = killed(on, kills, rng)
            run = CloseRun.objects.get(as_of=on)
            told.append({"as_of": str(on), "died": died, "digest": run.digest, "files": len(list(tape_folder(on).glob("*")))})
    finally:
        writer.kill()
        writer.wait()
    undisturbed = [again(on) for on in DAYS]
    runs = list(CloseRun.objects.order_by("as_of"))
    return {
        "days": told,
        "again": undisturbed,
        "late": LoanEvent.objects.filter(actor="late").count(),
        "seen": [LoanEvent.objects.filter(actor="late", recorded_at__lte=r.cut_off).count() for r in runs],
        "corrected": sum(k == "corrected" for k in read_tape(runs[1], "transitions")["kind"].to_pylist()),
        "wrong_screens": wrong_screens(runs[1]),
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["close", on, calls]:
            close_until(date.fromisoformat(on), int(calls))
        case ["write"]:
            write_late()
        case [kills, seed]:
            print(json.dumps(main(int(kills), int(seed))))
