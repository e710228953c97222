"""`tideover conform` as a person runs it: totals, differing cells, bad files, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CN = Path(__file__).parents[1] / "cases" / "cn.json"


def conform(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tideover.cli", "conform", *map(str, words)], capture_output=True, text=True)


def test_all_equal() -> None:
    done = conform(CN, "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 0 and (said["cases"], said["passed"], said["differences"]) == (128, 128, 0)


def test_a_differing_cell_is_named(tmp_path: Path) -> None:
    case = json.loads(CN.read_text())[0]
    case["expect"][0]["rows"][1]["interest"] = "440.88"
    (tmp_path / "any name.json").write_text(json.dumps([case, {"id": "x", "kind": "unheard_of"}]))
    done = conform(tmp_path / "any name.json", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 1 and said["not_compared"] == {"kind unheard_of": 1}
    assert said["failed"] == [{"id": "cn-ann-01", "cell": "2026-01-20 row 2 interest", "expected": "440.88", "got": "440.87"}]


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "line 1, column 2"), ("{}", "expected a JSON list"), ('[{"kind": "irr"}]', "case number 1: KeyError")],
)
def test_a_bad_file_says_where(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    done = conform(tmp_path / "bad.json")
    assert done.returncode == 2 and words in done.stderr and done.stdout == ""


def test_a_missing_file_is_bad_input() -> None:
    assert conform("nowhere.json").returncode == 2
