"""Work items: one open item a key, one person a case."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.factories import House
from tideover.core import work
from tideover.core.business_time import now
from tideover.core.models import Role, WorkItem
from tideover.core.problems import Refused
from tideover.core.work import WorkKind, work_claim, work_done, work_open, work_release


@pytest.fixture(autouse=True)
def kinds() -> Iterator[None]:
    kept = dict(work._kinds)
    work.register(WorkKind("t.call", "call", outcomes={"done": "done", "moved": "moved"}))
    yield
    work._kinds.clear()
    work._kinds.update(kept)


def item(key: str = "k", **given: Any) -> WorkItem:
    base: dict[str, Any] = {"subject": ("loan", "T-1"), "why": "call back", "owner_role": Role.COLLECTOR, "due_at": None}
    return work_open("t.call", **(base | given), key=key, actor="t")


def test_one_open_item_a_key(house: House) -> None:
    first = item()
    assert item().pk == first.pk and WorkItem.objects.count() == 1
    work_done(work_claim(first, actor=house.staff["collector"]), actor=house.staff["collector"])
    assert item().pk != first.pk


def test_one_person_a_case_until_the_lease_ends(house: House) -> None:
    it, mine, other = item(), house.staff["collector"], house.staff["team_lead"]
    work_claim(it, actor=mine)
    work_claim(it, actor=mine)
    for act in (work_claim, work_release, work_done):
        with pytest.raises(Refused):
            act(it, actor=other)
    WorkItem.objects.filter(pk=it.pk).update(lease_until=now() - timedelta(seconds=1))
    assert work_claim(it, actor=other).claimed_by == other
    with pytest.raises(Refused):
        work_done(it, actor=mine)
    with pytest.raises(Refused):
        work_done(it, actor=other, outcome="nonsense")
    assert work_done(it, actor=other, outcome="moved", note="n").outcome == "moved"
