"""Published day counts, yearly costs and internal rates, read from the shared cases where they are present."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType

import pytest

from tideover.conform import apr, dates, daycount, irr, schedule

SHARED = Path(os.environ.get("TIDEOVER_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.mark.parametrize(
    ("name", "module", "least"),
    [("daycount", daycount, 368), ("daycount", dates, 159), ("apr", apr, 95), ("irr", irr, 99), ("schedule", schedule, 22)],
)
def test_every_compared_case_agrees(name: str, module: ModuleType, least: int) -> None:
    path = SHARED / "cases" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{path} is not here: set TIDEOVER_SHARED to the folder of shared cases")
    results = [module.run_case(c) for c in json.loads(path.read_text()) if c["kind"] in module.KINDS]
    assert [d for r in results for d in r.differences] == []
    assert sum(r.not_compared is None for r in results) >= least


def test_a_table_that_the_engine_has_no_terms_for_is_named_and_never_guessed() -> None:
    inputs = {"principal": 1000, "annual_rate": 0.06, "periods": 12, "method": "sum_of_digits"}
    found = schedule.run_case({"id": "x", "kind": "amortization_table", "inputs": inputs, "rows": [], "tolerance": 0.01})
    assert found.not_compared == "method sum_of_digits"
    other = {"id": "y", "kind": "schedule_fact", "inputs": {"principal": 1, "duration": 2}, "expected": {}, "tolerance": 0.01}
    assert schedule.run_case(other).not_compared == "a fact of duration, principal"


def test_one_wrong_cent_is_found() -> None:
    row = {"period": 1, "interest": 10.0, "principal": 80.62, "payment": 90.62, "balance": 919.38}
    inputs = {"principal": 1000, "annual_rate": 0.12, "periods": 12, "method": "level"}
    case = {"id": "z", "kind": "amortization_table", "inputs": inputs, "rows": [row], "tolerance": 0.0151}
    assert [d.cell for d in schedule.run_case(case).differences] == ["row 1 principal", "row 1 payment", "row 1 balance"]
