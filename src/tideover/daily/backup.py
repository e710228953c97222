"""A backup in one file, and its way back into an empty installation.

A tar file: the database as of one moment (SQLite's own backup; on PostgreSQL every table by COPY in one snapshot), the committed
tapes, and last the manifest with the SHA-256 of every part. Field keys are never inside: without TIDEOVER_FIELD_KEY personal
fields of a restored book cannot be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.models import User
from tideover.core.problems import refuse
from tideover.daily.models import runs_kept
from tideover.lending.models import Contract, LoanEvent, Party

FORMAT = 1
MANIFEST = "manifest.json"
PART = re.compile(r"database\.sqlite3|tables/[a-z_0-9]+\.csv|tape/\d{4}-\d\d-\d\d/[\w.-]+\.parquet")
LEFT_OUT = frozenset({"django_migrations", "django_session"})
"""Tables of PostgreSQL that are not copied: the restored database has its own migrations, and people sign in again."""
MADE_BY_MIGRATE = ("auth_permission", "django_content_type", "core_lastingkey")


def backup(path: Path, *, actor: str) -> dict[str, Any]:
    """Write a backup and return its manifest. Raises Refused when the file exists; nothing half-written is left behind."""
    if path.exists():
        raise refuse("file_exists", f"{path} exists already", "file")
    log(actor, "backup.make", "book", path.name)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup-") as folder:
        root = Path(folder)
        _sqlite_out(root) if connection.vendor == "sqlite" else _postgresql_out(root)
        # After the database: a day closed meanwhile brings a file too many, never one too few.
        parts = {str(p.relative_to(root)): p for p in sorted(root.rglob("*")) if p.is_file()} | _tapes()
        said = {
            "format": FORMAT, "made_at": now().isoformat(), "database": connection.vendor, "migrations": _migrations(),
            "loans": Contract.objects.count(), "events": LoanEvent.objects.count(),
            "files": {name: {"sha256": _digest(p), "bytes": p.stat().st_size} for name, p in parts.items()},
        }  # fmt: skip
        (root / MANIFEST).write_text(json.dumps(said, indent=1), encoding="utf-8")
        whole = root / "whole.tar"
        with tarfile.open(whole, "w") as tar:
            for name, p in (parts | {MANIFEST: root / MANIFEST}).items():
                tar.add(p, name, recursive=False)
        os.replace(whole, path)
    return said


def restore(path: Path, *, actor: str) -> dict[str, Any]:
    """Put a backup into an empty installation and return its manifest.

    Raises Refused, and changes nothing: a file that is no backup, a part whose digest differs, another kind of database, other
    migrations, a database that holds loans or users, a tape folder that is not empty.
    """
    with tempfile.TemporaryDirectory(dir=Path(settings.DATA_DIR), prefix=".restore-") as folder:
        root = Path(folder)
        said = _unpacked(path, root)
        if said["database"] != connection.vendor:
            raise refuse("other_database", f"the backup is of {said['database']}, this is {connection.vendor}", "file")
        tapes = Path(settings.TAPE_DIR)
        if tapes.exists() and any(tapes.rglob("*.parquet")):
            raise refuse("not_empty", f"{tapes} holds tapes already", "file")
        _refuse_a_book()
        _sqlite_in(root, said) if connection.vendor == "sqlite" else _postgresql_in(root, said)
        if (root / "tape").exists():
            tapes.parent.mkdir(parents=True, exist_ok=True)
            if tapes.exists():
                tapes.rmdir()
            os.replace(root / "tape", tapes)
    log(actor, "backup.restore", "book", path.name)
    return said


def keys_fit() -> bool:
    """Whether this installation's field key reads the personal fields of the book (true when there are none)."""
    try:
        Party.objects.order_by("pk").first()
    except InvalidTag:
        return False
    return True


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _migrations() -> list[list[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations ORDER BY app, name")
        return [list(row) for row in cursor.fetchall()]


def _tapes() -> dict[str, Path]:
    """The files that the manifests of closed days name."""
    home, out = Path(settings.TAPE_DIR), {}
    for run in runs_kept():
        for file in (f for files in (run.manifest or {}).values() for f in files):
            out[f"tape/{run.as_of.isoformat()}/{file}"] = home / run.as_of.isoformat() / file
    lost = [name for name, p in out.items() if not p.exists()]
    if lost:
        raise refuse("tape_lost", f"{len(lost)} files of tapes are missing, such as {lost[0]}; see `tideover doctor`", "tape")
    return out


def _unpacked(path: Path, root: Path) -> dict[str, Any]:
    """The manifest of a backup whose parts lie under `root`, every digest verified."""
    try:
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            names = [m.name for m in members]
            known = all(m.isreg() and (m.name == MANIFEST or PART.fullmatch(m.name)) for m in members)
            if not known or MANIFEST not in names:
                raise refuse("no_backup", f"{path} is no backup of Tideover", "file")
            for member in members:
                _unpack_one(tar, member, root / member.name)
        said: dict[str, Any] = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        if said.get("format") != FORMAT or set(said["files"]) != set(names) - {MANIFEST}:
            raise refuse("no_backup", f"{path} is not a whole backup of format {FORMAT}", "file")
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        raise refuse("no_backup", f"{path} cannot be read as a backup: {error}", "file") from error
    for name, part in said["files"].items():
        if _digest(root / name) != part["sha256"]:
            raise refuse("digest", f"{name} in {path} is not what was backed up", "file")
    return said


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    """One plain file; neither links nor modes nor owners are taken from the archive (its filters came with Python 3.11.4)."""
    found = tar.extractfile(member)
    assert found is not None  # a regular file has content
    to.parent.mkdir(parents=True, exist_ok=True)
    with found, to.open("wb") as out:
        shutil.copyfileobj(found, out)


def _refuse_a_book() -> None:
    """Refuse a database in which somebody has been; one without tables is empty."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    for model in (User, Contract):
        if model._meta.db_table in tables and model.objects.exists():
            raise refuse("not_empty", "this database holds users or loans; restore into an empty one", "file")


def _sqlite_out(root: Path) -> None:
    connection.ensure_connection()
    with closing(sqlite3.connect(root / "database.sqlite3")) as copy:
        connection.connection.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")


def _sqlite_in(root: Path, said: dict[str, Any]) -> None:
    found = root / "database.sqlite3"
    with closing(sqlite3.connect(found)) as copy:
        if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise refuse("digest", "the database inside is damaged", "file")
    target = Path(settings.DATABASES["default"]["NAME"])
    connection.close()
    for beside in ("-wal", "-shm"):
        target.with_name(target.name + beside).unlink(missing_ok=True)
    os.replace(found, target)
    call_command("migrate", verbosity=0)


def _columns(cursor: Any, table: str) -> list[str]:
    return [c.name for c in connection.introspection.get_table_description(cursor, table)]


def _tables(cursor: Any) -> list[str]:
    return sorted(set(connection.introspection.table_names(cursor)) - LEFT_OUT)


def _postgresql_out(root: Path) -> None:
    (root / "tables").mkdir()
    with transaction.atomic(), connection.cursor() as cursor:
        if not connection.savepoint_ids:  # a test's own transaction has read something already
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for table in _tables(cursor):
            with open(root / "tables" / f"{table}.csv", "wb") as out, cursor.copy(_copy(cursor, table, "TO STDOUT")) as rows:
                for block in rows:
                    out.write(block)


def _copy(cursor: Any, table: str, way: str) -> str:
    names = ", ".join(f'"{c}"' for c in _columns(cursor, table))
    return f'COPY "{table}" ({names}) {way} (FORMAT csv, HEADER)'


def _postgresql_in(root: Path, said: dict[str, Any]) -> None:
    call_command("migrate", verbosity=0)
    if _migrations() != said["migrations"]:
        raise refuse("other_version", "the backup was made by another version of the database", "file")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            for table in MADE_BY_MIGRATE:
                cursor.execute(f'DELETE FROM "{table}"')
            for table in _tables(cursor):
                with cursor.copy(_copy(cursor, table, "FROM STDIN")) as rows:
                    for block in _blocks(root / "tables" / f"{table}.csv"):
                        rows.write(block)
            for sql in connection.ops.sequence_reset_sql(_style(), _models()):
                cursor.execute(sql)
    except DatabaseError as error:
        raise refuse("not_empty", f"the database does not take the backup: {str(error).strip()}", "file") from error


def _blocks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            yield block


def _models() -> list[Any]:
    from django.apps import apps

    return list(apps.get_models(include_auto_created=True))


def _style() -> Any:
    from django.core.management.color import no_style

    return no_style()
