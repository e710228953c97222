"""Two workers of the outbox that are killed with SIGKILL again and again, with the outbox's waits made short.

    python -m tests.contact.channels.fault_worker WORKERS SEED

One line on standard input, the number of kills to come, starts them; each kill hits one worker at a random moment, and another
takes its place at once (a fork, so that Django is loaded once). "done" is printed after the last kill; end of input ends it all.
Nothing of the outbox's logic is changed: only how many seconds it waits.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import time
from datetime import timedelta

import django

LEASE_S, DEADLINE_S, PAUSE_S, CALL_S = 3.0, 15.0, 0.05, 0.8
INQUIRE_S = (0.5, 1.0, 1.0, 1.0, 1.5, 1.5)
"""The last look comes well before the deadline, as 24 hours come before the days in which a receipt is waited for."""


def waits_short() -> None:
    """Seconds for minutes and days, wherever the outbox has taken the constants to."""
    from tideover.contact.channels import aliyun, http
    from tideover.contact.outbox import life, receipts, work
    from tideover.contact.rules import message

    for module in (message, receipts, life, work):
        for name, value in (
            ("INQUIRE_AFTER_S", INQUIRE_S),
            ("RECEIPT_DAYS", {}),
            ("DEFAULT_DAYS", DEADLINE_S / 86_400),
            ("LEASE", timedelta(seconds=LEASE_S)),
            ("BACK_OFF_S", 1),
            ("BACK_OFF_MAX_S", 1),
        ):
            if hasattr(module, name):
                setattr(module, name, value)
    plain = work.after_answer

    def soon(*values: object, retry_after_s: int | None, **more: object) -> message.Move:
        return plain(*values, retry_after_s=min(retry_after_s or 0, 1), **more)  # type: ignore[arg-type]

    work.after_answer = soon  # type: ignore[assignment]
    http.request.__kwdefaults__["timeout_s"] = CALL_S
    aliyun.NOT_FOUND_AFTER = timedelta(seconds=2)


def worker() -> int:
    """Fork one worker; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    from tideover.contact.outbox.worker import run

    run(batch=5, once=False, parent=0, pause_s=PAUSE_S, stopped=lambda: os.getppid() == 1)
    os._exit(0)


def main() -> None:
    """Serve until standard input ends."""
    django.setup()
    waits_short()
    count, chance = int(sys.argv[1]), random.Random(int(sys.argv[2]))
    pids = [worker() for _ in range(count)]
    try:
        while line := sys.stdin.readline():
            for _ in range(int(line)):
                time.sleep(chance.uniform(0.05, 0.6))
                one = chance.randrange(count)
                os.kill(pids[one], signal.SIGKILL)
                os.waitpid(pids[one], 0)
                pids[one] = worker()
            print("done", flush=True)
            select.select([sys.stdin], [], [])
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
