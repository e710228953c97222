"""The checkout itself: nothing left for later, no clock in rules, no dead ends, quick help."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(p for p in (ROOT / "src").rglob("*.py") if "migrations" not in p.parts)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_left_for_later(path: Path) -> None:
    marks = re.findall(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b", path.read_text())
    assert marks == []


@pytest.mark.parametrize("path", [p for p in SOURCES if {"engine", "rules"} & set(p.parts)], ids=lambda p: p.name)
def test_rules_read_no_clock_file_or_chance(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"open", "date.today", "datetime.now", "time.time"}, f"{path}:{node.lineno} calls {called}"
            assert not called.startswith("np.random."), f"{path}:{node.lineno} calls {called}"


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(p.relative_to(ROOT))
        for p in SOURCES
        if p.read_text().strip() and p.name != "apps.py" and ast.get_docstring(ast.parse(p.read_text())) is None
    ]
    assert silent == []


def test_help_is_quick_and_names_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tideover.cli", "--help"], capture_output=True, text=True, check=True
    )
    for heavy in ("numba", "duckdb", "pyarrow", "django.db", "numpy"):
        assert f" {heavy}\n" not in done.stderr, f"--help imports {heavy}"
    for command in ("demo", "serve", "close", "tape", "doctor", "conform"):
        assert command in done.stdout


def test_every_folder_of_rules_is_typed_strictly_and_kept_pure() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    rules = {p.parent for p in (ROOT / "src").rglob("rules/__init__.py")}
    typed = [ROOT / f for f in config["mypy"]["files"]]
    assert config["mypy"]["strict"]
    assert [str(r) for r in rules if not any(r == t or t in r.parents for t in typed)] == []
    pure = next(c for c in config["importlinter"]["contracts"] if c["name"].startswith("Rules are pure"))
    dotted = {".".join(r.relative_to(ROOT / "src").parts) for r in rules}
    assert set(pure["source_modules"]) == dotted


def test_the_layers_know_every_folder_and_every_feature_has_its_inner_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    house, inside = contracts[0], contracts[1]
    assert house["exhaustive"] and house["containers"] == ["tideover"]
    named = {word.strip("() ") for layer in house["layers"] for word in layer.split("|")}
    package = ROOT / "src/tideover"
    there = {p.parent.name for p in package.glob("*/__init__.py")} | {p.stem for p in package.glob("[a-z]*.py")}
    assert named == there
    layered = {c.removeprefix("tideover.") for c in inside["containers"]}
    with_django = {p.parent.name for p in package.glob("*/apps.py")}
    assert with_django <= layered
