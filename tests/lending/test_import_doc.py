"""docs/import.md, run: its files written, its commands typed in order, what they print compared; and no key left out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tideover.cli import main
from tideover.lending.imports.mapping import OPTIONS, PLANS, TOP
from tideover.lending.imports.targets import KINDS, LEDGER_FIGURES
from tideover.lending.models import Contract

PAGE = Path(__file__).resolve().parents[2] / "docs" / "import.md"
BLOCK = re.compile(r"```(\w+) ?(\S*)\n(.*?)```", re.DOTALL)


def test_every_file_and_command_of_the_page(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = 0
    for kind, info, body in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        key, _, value = info.partition("=")
        if key == "file":
            (tmp_path / value).write_text(body, encoding="utf-8")
        elif key == "expect":
            assert (tmp_path / value).read_text(encoding="utf-8-sig").splitlines() == body.splitlines()
        else:
            assert kind == "console", info
            for step in body.split("$ ")[1:]:
                line, _, expected = step.partition("\n")
                assert main(shlex.split(line)[1:]) == int(value or 0), line
                pattern = ".*".join(re.escape(part) for part in expected.split("…"))
                assert re.match(pattern, capsys.readouterr().out), line
                commands += 1
    assert commands >= 15
    loan = Contract.objects.get(number="H-1")
    assert (loan.principal_minor, loan.annual_rate_ppm) == (1_200_000, 60_000)
    assert Contract.objects.get(number="V-1").overrides["custom_rows"][1]["interest_minor"] == 5_001


def test_every_key_kind_and_plan_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in (*TOP, *OPTIONS, *KINDS, *PLANS, "due_unpaid", "due_in_period", "paid_in_period"):
        assert f"`{name}`" in text, name
    assert {"due_unpaid", "due_in_period", "paid_in_period"} <= set(LEDGER_FIGURES)
