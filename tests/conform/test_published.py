"""Published day counts, yearly costs and internal rates, read from the shared cases where they are present."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType

import pytest

from tideover.conform import apr, dates, daycount, irr

SHARED = Path(os.environ.get("TIDEOVER_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.mark.parametrize(
    ("name", "module", "least"),
    [("daycount", daycount, 368), ("daycount", dates, 158), ("apr", apr, 74), ("irr", irr, 99)],
)
def test_every_compared_case_agrees(name: str, module: ModuleType, least: int) -> None:
    path = SHARED / "cases" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{path} is not here: set TIDEOVER_SHARED to the folder of shared cases")
    results = [module.run_case(c) for c in json.loads(path.read_text()) if c["kind"] in module.KINDS]
    assert [d for r in results for d in r.differences] == []
    assert sum(r.not_compared is None for r in results) >= least
