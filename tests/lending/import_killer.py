"""Imports of people and loans that are killed (SIGKILL) at many points: `python -m tests.lending.import_killer KILLS SEED`.

Each attempt is a process of its own that dies at the N-th call that one of its threads makes. After each, whatever is there must
be whole: people with readable names, loans with role, opening events, chain and standing. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import models, transaction

from tests.factories import house_build
from tideover.lending.doctor import checks
from tideover.lending.imports import loans, people
from tideover.lending.imports.run import Result, import_file
from tideover.lending.models import Contract, ImportBatch, LoanEvent, LoanParty, Party, StandingRow
from tideover.lending.products import catalogue_load

LOANS, AT_ONCE = 300, 25
WRITING = (
    "imports/loans.py",
    "imports/people.py",
    "imports/bulk.py",
    "imports/standings.py",
    "core/sql",
    "django/db/transaction",
)
PEOPLE = "kind: people\ncolumns: {borrower_id: id, name: name, phone: phone, branch_code: {value: HZ}}\n"
TAPE = """
kind: tape
plan: balances
columns: {data_cut_off_date: cut, loan_id: loan, borrower_id: id, branch_code: {value: HZ},
  product_code: {value: consumer-annuity}, origination_date: start, next_payment_date: next,
  remaining_term: left, scheduled_payment: pay, channel: channel,
  original_principal_balance: amount, current_principal_balance: balance, accrued_interest: accrued, penalty_outstanding: penalty,
  interest_rate: {value: "0.12"}, arrears_principal: late, arrears_interest: {value: "0"}, days_past_due: dpd}
"""


def files(folder: Path) -> None:
    """People and loans; every second loan opens late, with a pause and a charge."""
    persons = [f"K{n},张{n},1380000{n:04}" for n in range(LOANS)]
    (folder / "people.csv").write_text("\n".join(["id,name,phone", *persons, ""]), "utf-8")
    head = "cut,loan,id,start,next,left,pay,channel,amount,balance,accrued,penalty,late,dpd"
    rows = [
        f"2025-06-30,K-{n},K{n},2025-01-15,2025-07-15,7,888.49,a\\b,10000.00,7610.80,30.00,{late * 5},{late * 800},{late * 46}"
        for n in range(LOANS)
        for late in [n % 2]
    ]
    (folder / "tape.csv").write_text("\n".join([head, *rows, ""]), "utf-8")


def take(folder: Path, what: str) -> Result:
    """One of the files, in small transactions."""
    loans.LOANS_AT_ONCE = people.PEOPLE_AT_ONCE = AT_ONCE
    return import_file(what, folder / f"{what}.csv", {"people": PEOPLE, "tape": TAPE}[what], actor="killer")


def take_until(folder: Path, what: str, last: int) -> int:
    """`take`, and die at the given call inside what writes; how many such calls were made."""
    made = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal made
        if event in ("call", "c_call") and any(part in frame.f_code.co_filename for part in WRITING):
            made += 1
            if made == last:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(count)
    sys.setprofile(count)
    try:
        take(folder, what)
    finally:
        sys.setprofile(None)
    return made


def calls_of(folder: Path, what: str) -> int:
    """How many calls an undisturbed `take` makes."""
    with transaction.atomic():
        made = take_until(folder, what, -1)
        transaction.set_rollback(True)
    return made


def mine() -> models.QuerySet[Contract]:
    """The loans of the file."""
    return Contract.objects.filter(number__startswith="K-")


def halves() -> list[str]:
    """What is half written."""
    count = mine().count()
    found = {
        "roles": LoanParty.objects.filter(contract__in=mine()).count(),
        "standings": StandingRow.objects.filter(contract__in=mine()).count(),
        "whole chunks": count // AT_ONCE * AT_ONCE,
    }
    out = [f"{n} {what} of {count} loans" for what, n in found.items() if n != count]
    out += [c.number for c in mine() if c.event_count != int(c.number[2:]) % 2 * 2 or c.channel != "a\\b"]
    out += [p.reference for p in Party.objects.filter(reference__startswith="K") if p.name != "张" + p.reference[1:]]
    return out + [f"doctor: {c.detail}" for c in checks() if not c.ok and c.name != "reference rates"]


def main(kills: int, seed: int) -> dict[str, Any]:
    house_build()
    catalogue_load()
    folder, rng = Path(os.environ["TIDEOVER_HOME"]), random.Random(seed)
    files(folder)
    died, seen, broken, states = 0, {}, list[str](), []
    for what, model in (("people", Party.objects.filter(reference__startswith="K")), ("tape", mine())):
        calls, seen[what] = int(attempt(folder, "count", what).stdout), set()
        for _ in range(kills):
            # Each attempt goes on where the last one died: together they must not reach the end of the file.
            died += attempt(folder, "take", what, rng.randrange(1, calls // kills)).returncode == -signal.SIGKILL
            broken += halves()
            seen[what].add(model.count())
        states.append(take(folder, what).state)
    events = LoanEvent.objects.filter(contract__in=mine()).count()
    return {
        "died": died, "seen": {k: sorted(v) for k, v in seen.items()}, "broken": broken + halves(), "states": states,
        "loans": mine().count(), "events": events, "batches": sorted(ImportBatch.objects.values_list("kind", "state")),
        "again": [take(folder, what).state for what in seen],
    }  # fmt: skip


def attempt(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """This module in a process of its own."""
    said = [sys.executable, "-m", "tests.lending.import_killer", str(folder), *map(str, words)]
    return subprocess.run(said, stdout=subprocess.PIPE, text=True, timeout=120)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, "count", what]:
            print(calls_of(Path(folder), what))
        case [folder, "take", what, last]:
            take_until(Path(folder), what, int(last))
        case [kills, seed]:
            print(json.dumps(main(int(kills), int(seed))))
