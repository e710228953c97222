"""Every command that reads the book says in one line that there is none, and exits with 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tideover import cli

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


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("clsoe", "there is no 'clsoe'; did you mean close?"),
        ("zzz", "there is no 'zzz'; there are demo, serve, close"),
        ("close --as-of tomorrow", "--as-of: 'tomorrow' is not a date like 2026-11-25"),
        ("serve --port abc", "--port: 'abc' is not a port, a whole number from 1 to 65535"),
        ("demo --loans many", "--loans: 'many' is not a whole number"),
        ("import payments f.csv", "required: --mapping"),
    ],
)
def test_a_wrong_argument_is_answered_in_words_with_the_way_to_the_help(
    words: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(words.split())
    said = capsys.readouterr()
    assert left.value.code == 2 and said.out == ""
    assert says in said.err and "--help` explains" in said.err and "invalid" not in said.err


def test_a_database_that_cannot_be_is_named_without_its_password(tmp_path: Path) -> None:
    for url, says in (
        ("oracle://x", "TIDEOVER_DATABASE begins with oracle://; it takes postgresql://… or sqlite:///path"),
        ("postgresql://nobody:secret-word@127.0.0.1:1/none", "the database 127.0.0.1:1/none answered"),
        ("", f"the database {tmp_path}/tideover.sqlite3 answered"),
    ):
        env = {**os.environ, "TIDEOVER_HOME": str(tmp_path), "TIDEOVER_DATABASE": url}
        command = [sys.executable, "-m", "tideover.cli", "close"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and says in done.stderr and "secret-word" not in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
