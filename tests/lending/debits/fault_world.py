"""A book whose loans fall due today, workers that are killed, a bank that errs: who was taken from twice, and what was lost.

    python -m tests.lending.debits.fault_world LOANS KILLS SEED LEDGER killed|steps

Workers are forks of this process, so that one costs little. The judge is the bank's own ledger, held against the journal.
lost: taken by the bank, not booked by us (or the other way). doubled: more taken from a loan than fell due.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any
from unittest import mock

import django

django.setup()

from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Sum

from tests.factories import house_build, loan, mandate, party
from tideover.core import business_time
from tideover.core.business_time import business_date
from tideover.core.lease import owner_new
from tideover.engine.events import EventKind
from tideover.lending.debits import bank, worker
from tideover.lending.models import Contract, Debit, LoanEvent, Receipt
from tideover.lending.selectors import loan_standing

DAY = date(2026, 11, 25)
FINISH = (0.0, 0.1, 24, 72)
"""Hours by which the world's clock jumps at its end: leases end, then the cut-off passes, then three days of asking."""
ahead = timedelta()


def clock() -> datetime:
    """An evening of the world's day that goes by as the wall clock does: (the wall clock less the start that all share)."""
    began = float(os.environ["DEBIT_WORLD_BEGAN"])
    evening = datetime(DAY.year, DAY.month, DAY.day, 10, 30, tzinfo=UTC)  # 18:30 in Beijing
    return evening + timedelta(seconds=time.time() - began) + ahead


def build(count: int) -> None:
    """Loans that fall due on the day, each of a borrower of its own; payday and accounts in order."""
    house = house_build()
    for n in range(count):
        who = party(f"P-1{n:03}", f"借款人{n}", house.branch, f"1880000{n:04}")
        contract = loan(f"F-{n:03}", who, house.branch, disbursed_on=DAY - timedelta(days=30), first_due_on=DAY)
        mandate(contract, valid_from=DAY - timedelta(days=9))


def work(seconds: float, *, plans: bool = True) -> None:
    """Rounds until the time is over and nothing is left to do; the clock runs on from the evening."""
    until, owner = time.time() + seconds, owner_new()
    while True:
        try:
            counts = worker.round_work(clock(), owner=owner, plans=plans)
        except OperationalError:
            continue
        if not counts.any():
            if time.time() >= until:
                return
            time.sleep(0.02)


def fork(does: Callable[[], None]) -> int:
    """A worker in a process of its own; its id. The parent has no connection to a database when it forks."""
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            does()
        os._exit(0)
    return pid


def killed(count: int, dice: random.Random) -> None:
    """Two workers at once, killed at random moments and begun anew; in the end both are."""
    running = [fork(lambda: work(600)) for _ in range(2)]
    for n in range(count):
        time.sleep(dice.uniform(0.0, 0.5))
        end(running[n % 2])
        running[n % 2] = fork(lambda: work(600))
    time.sleep(0.3)
    for pid in running:
        end(pid)


def end(pid: int) -> None:
    """Kill a worker."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def steps(count: int) -> None:
    """Workers one after the other: the n-th dies with its n-th step, which is a commit, a file that appears, or a word with the
    bank."""
    for n in range(1, count + 1):
        os.waitpid(fork(partial(_steps, n)), 0)


def _steps(left: int) -> None:
    def dies(does: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(does)
        def done(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            try:
                return does(*args, **kwargs)
            finally:
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

        return done

    BaseDatabaseWrapper.commit = dies(BaseDatabaseWrapper.commit)  # type: ignore[method-assign]
    os.rename, bank._call = dies(os.rename), dies(bank._call)
    work(1)


def finish() -> None:
    """One worker that is left alone; the clocks of both sides jump."""
    global ahead
    for hours in FINISH:
        ahead = timedelta(hours=hours)
        body = json.dumps({"offset_s": (clock() - datetime.now(UTC)).total_seconds()}).encode()
        urllib.request.urlopen(f"{os.environ['TIDEOVER_BANK']}/sandbox/clock", body, timeout=5).close()
        work(1.2 if ahead else 2, plans=not ahead)


def check(ledger: Path) -> None:
    """Say what the ledger and the book have in common, as JSON."""
    taken: dict[str, int] = {}
    presented: dict[str, int] = {}
    for line in ledger.read_text("utf-8").splitlines() if ledger.exists() else []:
        said = json.loads(line)
        taken[said["reference"]] = taken.get(said["reference"], 0) + said["amount"]
        presented[said["reference"]] = presented.get(said["reference"], 0) + 1
    booked: dict[str, int] = {}
    for event in LoanEvent.objects.filter(kind=EventKind.DEBIT):
        if event.extra["debit_status"] == "success":
            reference = event.extra["debit_id"]
            booked[reference] = booked.get(reference, 0) + event.amount_minor
    assert booked == dict(Receipt.objects.values_list("source_reference").annotate(Sum("amount_minor")))
    debits = {d.reference: d for d in Debit.objects.select_related("contract")}
    lost = [r for r, n in taken.items() if booked.get(r, 0) != n] + [r for r in booked if r not in taken]
    by_loan: dict[str, int] = {}
    for reference, amount in taken.items():
        number = debits[reference].contract.number
        by_loan[number] = by_loan.get(number, 0) + amount
    due = 406_000
    states: dict[str, int] = {}
    for d in debits.values():
        states[d.state] = states.get(d.state, 0) + 1
    late = [c.number for c in Contract.objects.filter(number__startswith="F-") if _late(c, by_loan)]
    said = {
        "loans": Contract.objects.filter(number__startswith="F-").count(), "debits": len(debits), "taken": len(taken),
        "lost": len(lost), "why": [_life(debits[r]) for r in lost if r in debits],
        "doubled": sum(n > due for n in by_loan.values()) + sum(n > 1 for n in presented.values()),
        "wrong": len(late) + sum(d.state == "taken" and d.reference not in taken for d in debits.values()),
        "open": sum(d.state in ("drafted", "sent", "in_flight", "unknown") for d in debits.values()), "states": states,
        "journal": LoanEvent.objects.filter(kind=EventKind.DEBIT).count(),
    }  # fmt: skip
    print(json.dumps(said))


def _life(d: Debit) -> list[str]:
    """Everything that happened to a debit, to find out where its money was lost."""
    moves = [f"{m.at:%d %H:%M:%S} {m.before}>{m.after} {m.reason}" for m in d.moves.order_by("pk")]
    answers = [f"{a.at:%d %H:%M:%S} {a.source} {a.code} {a.amount_minor} {a.effect}" for a in d.answers.order_by("pk")]
    return [d.reference, f"asked {d.inquiries} times, next {d.inquire_at}", *moves, *answers]


def _late(contract: Contract, by_loan: dict[str, int]) -> bool:
    """Whether a loan whose money the bank took on the day counts as late, or bears penalty, ten days later."""
    if by_loan.get(contract.number, 0) < 406_000:
        return False
    s = loan_standing(contract, DAY + timedelta(days=10))
    return bool(s.days_past_due or s.penalty_minor)


def main() -> None:
    """Build, kill, finish, judge."""
    loans, kills, seed, ledger, how = sys.argv[1:]
    with mock.patch.object(business_time.timezone, "now", clock):
        assert business_date() >= DAY
        build(int(loans))
        connections.close_all()
        if how == "steps":
            steps(int(kills))
        else:
            killed(int(kills), random.Random(int(seed)))
        finish()
        check(Path(ledger))


if __name__ == "__main__":
    main()
