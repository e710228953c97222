"""A backup comes back whole into an empty installation, and into nothing else; a changed byte is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.databases import book_fresh
from tests.lending.test_two_writers import BUILD

SAY = """
import django; django.setup()
import json
from tideover.core.models import ActionLog
from tideover.daily.models import CloseRun
from tideover.lending.models import LoanEvent, Party, StandingRow
print(json.dumps([
    sorted(Party.objects.values_list("name", "phone")), list(LoanEvent.objects.order_by("pk").values_list("hash")),
    list(CloseRun.objects.values_list("digest")), list(StandingRow.objects.order_by("pk").values_list("payoff_minor")),
    ActionLog.objects.filter(action="backup.restore").count(),
], default=lambda v: bytes(v).hex()))
"""
WRITE = """
import django; django.setup()
from datetime import date
from tests.peers_book.history import HISTORY, enter
from tideover.daily.close import close_day
from tideover.lending.models import Contract
enter(Contract.objects.get(number="T-1"), range(len(HISTORY)))
close_day(date(2026, 7, 1), today=date(2026, 7, 1))
"""
APPEND = """
import django; django.setup()
from tests.peers_book.history import enter
from tideover.lending.models import Contract
enter(Contract.objects.get(number="T-2"), [0])
print(Contract.objects.get(number="T-2").event_count)
"""


def python(code: str, env: dict[str, str]) -> str:
    return subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout


def command(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tideover.cli", *words], env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A book with a history and a closed day, and its backup."""
    folder = tmp_path_factory.mktemp("book")
    env = book_fresh(folder)
    python(BUILD, env)
    python(WRITE, env)
    done = command(env, "backup", str(folder / "book.tar"), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["loans"], said["events"]) == (3, 7)
    return folder / "book.tar", env


def test_it_comes_back_whole_and_is_written_on(made: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    file, was = made
    env = book_fresh(tmp_path, migrated=False)
    done = command(env, "restore", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    before, after = json.loads(python(SAY, was)), json.loads(python(SAY, env))
    assert after[:-1] == before[:-1] and (before[-1], after[-1]) == (0, 1)
    assert len(before[1]) == 7 and before[2]
    checks = json.loads(command(env, "doctor", "--json").stdout)["checks"]
    assert [c for c in checks if not c["ok"]] == []
    assert python(APPEND, env).strip() == "1"


def test_a_book_is_never_overwritten(made: tuple[Path, dict[str, str]]) -> None:
    file, env = made
    before = python(SAY, env)
    assert command(env, "restore", str(file)).returncode == 2
    shutil.rmtree(Path(env["TIDEOVER_HOME"]) / "tape")
    done = command(env, "restore", str(file))
    assert done.returncode == 2 and "holds users or loans" in done.stderr and python(SAY, env) == before
    done = command(env, "backup", str(file))
    assert done.returncode == 2 and "exists already" in done.stderr
    done = command(env, "backup", str(file.with_name("other.tar")))
    assert done.returncode == 2 and "files of tapes are missing" in done.stderr
    assert not file.with_name("other.tar").exists() and not list(file.parent.glob(".backup-*"))


def test_a_changed_byte_a_lost_part_and_a_foreign_file_are_refused(made: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    file, _ = made
    env = book_fresh(tmp_path, migrated=False)
    whole = tmp_path / "whole"
    with tarfile.open(file) as tar:
        tar.extractall(whole)
    part = next(p for p in sorted(whole.rglob("*.parquet")))
    good = part.read_bytes()

    def packed(name: str) -> Path:
        with tarfile.open(tmp_path / name, "w") as tar:
            for p in sorted(whole.rglob("*")):
                if p.is_file():
                    tar.add(p, str(p.relative_to(whole)))
        return tmp_path / name

    part.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert "is not what was backed up" in command(env, "restore", str(packed("changed.tar"))).stderr
    part.unlink()
    assert "not a whole backup" in command(env, "restore", str(packed("lost.tar"))).stderr
    part.write_bytes(good)
    (whole / "extra.txt").write_text("x")
    assert "is no backup" in command(env, "restore", str(packed("foreign.tar"))).stderr
    assert "cannot be read" in command(env, "restore", __file__).stderr
    assert command(env, "restore", str(tmp_path / "nowhere.tar")).returncode == 2
    assert not (Path(env["TIDEOVER_HOME"]) / "tape").exists() and not list(tmp_path.glob(".restore-*"))


def test_another_field_key_is_said(made: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    env = book_fresh(tmp_path, migrated=False) | {"TIDEOVER_FIELD_KEY": "another key of at least thirty-two characters"}
    done = command(env, "restore", str(made[0]))
    assert done.returncode == 0 and "TIDEOVER_FIELD_KEY is not the key of this book" in done.stderr
    assert os.environ.get("TIDEOVER_FIELD_KEY") != env["TIDEOVER_FIELD_KEY"]
