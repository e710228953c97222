"""Chinese loan arithmetic, every case to the fen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tideover.conform.cn import run_case
from tideover.engine import reference, replay

CASES = json.loads((Path(__file__).parents[1] / "cases" / "cn.json").read_text())
ENGINES = {"reference": reference.replay, "replay": replay.replay}


@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_case(case: dict[str, Any], engine: str) -> None:
    result = run_case(case, ENGINES[engine])
    assert result.differences == []
    assert result.compared_cells > 0
