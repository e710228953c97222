"""The demo's entity beside a core: differences of every cause, instructions at every state, its core's files in, all sound."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tideover.core.business_time import business_date
from tideover.core.models import Role, User
from tideover.lending import doctor
from tideover.lending.beside import doctor as beside_doctor
from tideover.lending.models import Break, CoreFile, Instruction
from tideover.lending.models.beside import CAUSES, INSTRUCTION_STATES
from tideover.lending.products import catalogue_load
from tideover.simulate.beside import CODE, COUNT, core_files_lay, loans_lay
from tideover.simulate.gateways import _ledger


@pytest.mark.parametrize("ago", [0, 11])
def test_the_entity_beside_a_core(db: None, tmp_path: Path, ago: int) -> None:
    as_of = business_date() - timedelta(days=ago)
    catalogue_load()
    User.objects.create(username="payments", role=Role.PAYMENTS)
    loans_lay(as_of, 1)
    core_files_lay(as_of, tmp_path)
    rows = Break.objects.filter(entity__code=CODE)
    assert set(rows.exclude(state="closed").values_list("cause", flat=True)) == set(CAUSES)
    assert {"book_movement", "tell_core", "move_event", "accept", "change_terms", "look", "open_loan"} == set(
        rows.values_list("mend", flat=True)
    )
    assert set(rows.values_list("state", flat=True)) == {"open", "accepted", "closed"}
    assert 8 <= len(set(rows.values_list("number", flat=True))) <= COUNT // 2, "a handful, not the book"
    assert set(Instruction.objects.values_list("state", flat=True)) == set(INSTRUCTION_STATES)
    assert Instruction.objects.exclude(problem="").count() == 1
    assert set(CoreFile.objects.values_list("state", flat=True)) == {"taken", "refused"}
    assert [c for c in [*doctor.checks(), *beside_doctor.checks()] if not c.ok and c.name != "reference rates"] == []
    newest = max(tmp_path.glob("balances-*.csv")).name
    assert newest == f"balances-{as_of - timedelta(days=1)}.csv"
    assert _ledger(sorted(tmp_path.glob("balances-*.csv")))[1].endswith(newest)
