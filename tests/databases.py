"""Migrated books for tests whose processes share a database on disk: migrated once a run, copied for each test.

The run's own database says which kind: a file of SQLite, or a database on the PostgreSQL that TIDEOVER_DATABASE names
(scripts/with_postgres.py starts one). So a test of this kind is written once, and runs on both by running it twice.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]


def on_postgresql() -> bool:
    """Whether this run stands on PostgreSQL."""
    return os.environ.get("TIDEOVER_DATABASE", "").startswith("postgres")


def book_fresh(home: Path, *, migrated: bool = True) -> dict[str, str]:
    """The environment of processes that share an empty book of their own; `home` is their TIDEOVER_HOME.

    `migrated=False`: not even its tables are there.
    """
    (home / "static").mkdir(parents=True, exist_ok=True)
    known = {"TIDEOVER_HOME": str(home), "DJANGO_SETTINGS_MODULE": "tideover.web.settings"}
    known["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    if on_postgresql():
        known["TIDEOVER_DATABASE"] = _copied(_made(_template_postgresql) if migrated else "template1")
        return {**os.environ, **known}
    if migrated:
        shutil.copy(_made(_template_sqlite), home / "tideover.sqlite3")
    return {**os.environ, **known, "TIDEOVER_DATABASE": ""}


def book_copy(env: dict[str, str], home: Path) -> dict[str, str]:
    """The same for a copy of a book that no process has open."""
    copy = book_fresh(home, migrated=False)
    if on_postgresql():
        return {**copy, "TIDEOVER_DATABASE": _copied(urlsplit(env["TIDEOVER_DATABASE"]).path[1:])}
    shutil.copy(Path(env["TIDEOVER_HOME"]) / "tideover.sqlite3", home / "tideover.sqlite3")
    return copy


def _copied(template: str) -> str:
    name = f"book_{uuid4().hex[:12]}"
    _execute(f'CREATE DATABASE {name} TEMPLATE "{template}"')
    return _address(name)


def _made(make: Callable[[Path], str]) -> str:
    """What `make` makes, once for all processes of the run."""
    folder = Path(os.environ["TIDEOVER_MIGRATED"])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = folder / make.__name__
        if not said.exists():
            said.write_text(make(folder), encoding="utf-8")
    return said.read_text(encoding="utf-8")


def _template_sqlite(folder: Path) -> str:
    path = folder / "template.sqlite3"
    _migrate(f"sqlite:///{path}")
    return str(path)


def _template_postgresql(folder: Path) -> str:
    name = f"template_{folder.name[-8:].lower()}"
    _execute(f'CREATE DATABASE "{name}"')
    _migrate(_address(name))
    return name


def _migrate(address: str) -> None:
    env = {**os.environ, "TIDEOVER_DATABASE": address, "DJANGO_SETTINGS_MODULE": "tideover.web.settings"}
    subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], env=env, check=True)


def _address(name: str) -> str:
    return urlunsplit(urlsplit(os.environ["TIDEOVER_DATABASE"])._replace(path=f"/{name}"))


def _execute(sql: str) -> None:
    import psycopg

    with psycopg.connect(os.environ["TIDEOVER_DATABASE"], autocommit=True) as connection:
        connection.execute(sql)
