"""Who looks after work that is late: the owner until it is due, then up the line, one level every two days.

Pure: the role that owns it, when it was due and when it is asked in; roles out. At read time, so that nothing has to run.
"""

from __future__ import annotations

from datetime import datetime, timedelta

STEP = timedelta(days=2)
LINE: dict[str, tuple[str, ...]] = {
    "collector": ("team_lead", "branch_head"),
    "counsellor": ("team_lead", "branch_head"),
    "customer_manager": ("branch_head",),
    "team_lead": ("branch_head",),
    "underwriter": ("branch_head",),
    "payments": ("finance",),
    "teller": ("branch_head", "payments"),
    "finance": ("risk",),
    "legal": ("branch_head",),
    "bureau": ("compliance",),
    "complaints": ("compliance",),
    "compliance": ("auditor",),
    "engineer": ("risk",),
    "risk": ("compliance",),
    "branch_head": ("risk",),
}
"""Role → who answers for its late work, nearest first. A role that is not listed has nobody above it."""


def level_of(due_at: datetime | None, at: datetime) -> int:
    """0 until it is due, 1 from then on, one more every two days; work without a clock stays at 0."""
    if due_at is None or at < due_at:
        return 0
    return 1 + (at - due_at) // STEP


def escalated_to(owner_role: str, due_at: datetime | None, at: datetime) -> str:
    """The highest role that it has reached; empty while it is the owner's alone."""
    line, level = LINE.get(owner_role, ()), level_of(due_at, at)
    return line[min(level, len(line)) - 1] if line and level else ""


def below(role: str) -> dict[str, int]:
    """Roles whose late work reaches this one, with the level at which it does."""
    return {owner: line.index(role) + 1 for owner, line in LINE.items() if role in line}
