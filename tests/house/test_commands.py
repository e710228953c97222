"""Every command that reads the book says in one line that there is none, and exits with 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    "close", "doctor", "doctor --json", "tape show T-1", "tape query SELECT+1", "token list", "backup {home}/b.tar",
    "serve --port 18999", "import payments {home}/p.csv --mapping {home}/m.yaml", "conform {home}/p.csv --mapping {home}/m.yaml",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_book_a_command_says_so_in_one_line(command: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("loan,amount,on,reference\nL-1,1.00,2026-01-05,r\n", encoding="utf-8")
    columns = "columns: {loan_id: loan, amount: amount, received_on: on, reference: reference}"
    (tmp_path / "m.yaml").write_text(f"kind: payments\n{columns}\n", encoding="utf-8")
    env = {**os.environ, "TIDEOVER_HOME": str(tmp_path), "TIDEOVER_DATABASE": ""}
    words = [w.replace("+", " ").format(home=tmp_path) for w in command.split()]
    done = subprocess.run([sys.executable, "-m", "tideover.cli", *words], env=env, capture_output=True, text=True, timeout=60)
    said = [line for line in done.stderr.splitlines() if "Warning" not in line and line.strip() and not line.startswith(" ")]
    assert done.returncode == 2 and done.stdout == "", done
    assert len(said) == 1 and said[0].startswith(words[0]), said
