"""A process that races others: `python -m tests.core.racer decide|claim|open USERNAME`; it waits for a line on its input."""

from __future__ import annotations

import sys

import django

django.setup()

from tideover.core import approvals, work
from tideover.core.action_log import log
from tideover.core.approvals import ApprovalKind, approval_decide
from tideover.core.authority import one_of
from tideover.core.models import Approval, Role, User, WorkItem
from tideover.core.problems import Refused

COUNT = 20


def applied(a: Approval, actor: User) -> None:
    log(actor.username, "t.applied", "approval", a.reference)


approvals.register(
    ApprovalKind("t.race", "race", frozenset({Role.RISK}), one_of(Role.FINANCE, Role.PAYMENTS), applied, lambda a: [])
)
work.register(work.WorkKind("t.race", "race"))


def done(act: str, me: User, n: int) -> bool:
    """One attempt; whether it was mine."""
    try:
        if act == "decide":
            approval_decide(Approval.objects.get(subject_id=f"S-{n}"), grant=True, reason="r", actor=me)
        elif act == "claim":
            work.work_claim(WorkItem.objects.get(key=f"k{n}"), actor=me)
        else:
            work.work_open(
                "t.race", subject=("s", str(n)), why="w", owner_role=Role.COLLECTOR, due_at=None, key=f"o{n}", actor="t"
            )
    except Refused:
        return False
    return True


if __name__ == "__main__":
    act, me = sys.argv[1], User.objects.get(username=sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    print(*(n for n in range(COUNT) if done(act, me, n)))
