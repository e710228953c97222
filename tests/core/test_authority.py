"""The authority table: the shipped one can be read; first line that fits; every mistake of a new one is named."""

from __future__ import annotations

from datetime import date

import pytest

from tests.factories import House
from tideover.core import approvals
from tideover.core.access import EVENT_ROLES
from tideover.core.authority import SHIPPED, Line, lines_in_force, one_of, steps_of, table_read
from tideover.core.business_time import now
from tideover.core.models import AuthorityVersion, Role
from tideover.core.problems import Refused

HEAD, RISK = frozenset({Role.BRANCH_HEAD}), frozenset({Role.RISK})


def test_the_shipped_table_speaks_of_kinds_and_events_that_exist() -> None:
    table = table_read(SHIPPED.read_text(encoding="utf-8"), [k.code for k in approvals.kinds()])
    parts = {name.removeprefix("event.record.") for name in table if name.startswith("event.record.")}
    assert parts and parts <= set(EVENT_ROLES)


@pytest.mark.parametrize(
    ("amount", "entity", "branch", "expected"),
    [
        (100, "A", "HZ", ()),
        (100, "A", "NB", (HEAD,)),
        (-1_000, "A", "NB", (HEAD,)),
        (1_000, "A", "NB", (HEAD,)),
        (1_001, "A", "NB", (HEAD, RISK)),
        (None, "A", "NB", (HEAD, RISK)),
        (1_001, "B", "HZ", None),
    ],
)
def test_the_first_line_that_fits(amount: int | None, entity: str, branch: str, expected: object) -> None:
    lines = (Line((), 100, "A", "HZ"), Line((HEAD,), 1_000, "A"), Line((HEAD, RISK), None, "A"))
    assert steps_of(lines, amount, entity, branch) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "the table names kinds"),
        ("x: {", "not YAML"),
        ("x.y: [{steps: []}]", "no such kind"),
        ("t: []", "a list of lines"),
        ("t: [5]", "a line has steps"),
        ("t: [{steps: [[borrower]]}]", "each step is a list of roles of staff"),
        ("t: [{up_to: 500, steps: []}]", "an amount in quotes"),
        ("t: [{up_to: '1.5', steps: []}]", "an amount in quotes"),
        ("t: [{colour: red, steps: []}]", "unknown word colour"),
        ("t: [{up_to: '1'}]", "each step is a list"),
        ("t: [{steps: []}, {up_to: '1', steps: []}]", "line 2: the lines before it"),
    ],
)
def test_every_mistake_is_named(text: str, said: str) -> None:
    with pytest.raises(Refused) as error:
        table_read(text, ["t"])
    assert any(said in p.message for p in error.value.problems)


def test_the_newest_version_in_force_holds_and_a_part_falls_back_on_its_kind(house: House) -> None:
    own = one_of(Role.FINANCE)
    for text, on in (("k: [{steps: [[risk]]}]", date(2026, 1, 1)), ("k.p: [{steps: []}]", date(2026, 3, 1))):
        AuthorityVersion.objects.create(text=text, valid_from=on, recorded_at=now())
    assert lines_in_force("k.q", own, date(2026, 2, 1)) == (Line((RISK,)),)
    assert lines_in_force("k.p", own, date(2026, 3, 1)) == (Line(()),)
    assert lines_in_force("k", own, date(2026, 3, 1)) == own
    assert lines_in_force("k", own, date(2025, 1, 1)) == own
