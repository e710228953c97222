"""Late work goes up the line by the clock, to the instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tideover.core.models import Role
from tideover.core.rules.escalation import LINE, STEP, below, escalated_to, level_of

DUE = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("late", "level", "role"),
    [
        (-TICK, 0, ""), (0 * TICK, 1, "team_lead"), (STEP - TICK, 1, "team_lead"),
        (STEP, 2, "branch_head"), (9 * STEP, 10, "branch_head"),
    ],
)  # fmt: skip
def test_up_the_line(late: timedelta, level: int, role: str) -> None:
    assert (level_of(DUE, DUE + late), escalated_to("collector", DUE, DUE + late)) == (level, role)


def test_without_a_clock_or_a_line_it_stays() -> None:
    assert (escalated_to("collector", None, DUE), escalated_to("auditor", DUE, DUE + STEP)) == ("", "")


def test_the_line_names_roles_and_has_no_circle() -> None:
    roles = set(Role.values) - {"borrower"}
    assert set(LINE) <= roles and {r for line in LINE.values() for r in line} <= roles
    assert all(owner not in line for owner, line in LINE.items())
    assert below("branch_head")["collector"] == 2 and below("team_lead")["collector"] == 1
