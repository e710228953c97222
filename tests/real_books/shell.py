"""A fresh lender in a folder of its own, filled from an example book by the commands that a lender types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TIDEOVER_SHARED", ROOT.parent / "shared")) / "data"
FILES = (("people", "people"), ("tape", "contracts"), ("payments", "payments"))


@dataclass(frozen=True)
class Book:
    """An imported example book: its folder of files and its lender's home. said: what each import printed."""

    name: str
    files: Path
    home: Path
    said: dict[str, Any]

    def run(self, *line: str, codes: tuple[int, ...] = (0,)) -> str:
        """Standard output of one command."""
        env = {**os.environ, "TIDEOVER_HOME": str(self.home), "DJANGO_SETTINGS_MODULE": "tideover.web.settings"}
        env.pop("TIDEOVER_DATABASE", None)
        done = subprocess.run(list(line), env=env, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode in codes, done.stderr
        return done.stdout

    def tideover(self, *line: str, codes: tuple[int, ...] = (0,)) -> Any:
        """The object that `tideover … --json` prints."""
        return json.loads(self.run(sys.executable, "-m", "tideover.cli", *line, "--json", codes=codes))

    def conform(self, ledger: Path, mapping: str, *, codes: tuple[int, ...] = (0,)) -> Any:
        """Compare a ledger with the book; the mapping is the text of a YAML file."""
        path = self.home / "ledger.yaml"
        path.write_text(mapping, encoding="utf-8")
        return self.tideover("conform", str(ledger), "--mapping", str(path), codes=codes)


def book_import(name: str, folder: Path) -> Book:
    """Prepare an example book from the shared data and import it."""
    example = ROOT / "examples" / name
    book = Book(name, folder / "files", folder / "home", {})
    book.home.mkdir(parents=True)
    prepare = str(ROOT / "examples" / "prepare.py")
    book.run(sys.executable, prepare, name, "--data", str(DATA), "--out", str(book.files))
    book.tideover("lender", "init", str(example / "lender.yaml"))
    for what, file in FILES:
        line = ("import", what, str(book.files / f"{file}.csv"), "--mapping", str(example / f"{file}.yaml"))
        book.said[file] = book.tideover(*line)
    return book
