"""What must always be true of the gate's rows: chains whole, and every verdict is what its facts and its pack say."""

from __future__ import annotations

from tideover.contact.chain import breaks
from tideover.contact.facts import policy_on, seconds
from tideover.contact.models import VerdictRow
from tideover.contact.rules.encode import verdict_again
from tideover.contact.zones import zone
from tideover.core.doctor import Check

NEWEST = 2_000
NAMED_MAX = 10


def checks() -> list[Check]:
    """The checks of the contact log."""
    return [_chains(), _again()]


def _chains() -> Check:
    broken = [row.pk for row, _ in zip(breaks(), range(NAMED_MAX), strict=False)]
    said = f"broken at {', '.join(map(str, broken))}" if broken else f"{VerdictRow.objects.count()} decisions, whole"
    return Check("contact decisions chain", not broken, said)


def _again() -> Check:
    """The newest verdicts given again from their facts; those under a text of the pack that is gone cannot be."""
    wrong, other, seen = [], 0, 0
    for row in VerdictRow.objects.order_by("-pk")[:NEWEST]:
        policy = policy_on(row.pack, row.pack_on)
        if policy.hash != bytes(row.pack_hash):
            other += 1
            continue
        seen += 1
        again = verdict_again(policy, row.facts, zone(row.facts["zone"]))
        same = again.next_at == (seconds(row.next_at) if row.next_at else None)
        if not same or tuple(f.rule for f in again.fired) != row.rules:
            wrong.append(row.pk)
    said = f"differ: {', '.join(map(str, wrong[:NAMED_MAX]))}" if wrong else f"the newest {seen} follow from their facts"
    return Check("contact decisions = facts", not wrong, said + (f"; {other} under another text of the pack" if other else ""))
