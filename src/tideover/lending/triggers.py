"""The database itself refuses to change the journal and the action log.

UPDATE and DELETE are refused on both databases, TRUNCATE on PostgreSQL, and on SQLite also INSERT OR REPLACE (which would
delete silently). Installed after every migrate, since SQLite drops triggers when it rebuilds a table.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

APPEND_ONLY = {
    "lending_loanevent": ("contract_id = NEW.contract_id AND seq = NEW.seq", "idempotency_key"),
    "core_actionlog": None,
}


def expected(vendor: str) -> set[str]:
    """Names of the triggers that must exist."""
    kinds = ("update", "delete", "truncate") if vendor == "postgresql" else ("update", "delete", "replace")
    return {f"{table}_no_{kind}" for table in APPEND_ONLY for kind in kinds}


def install(using: str = "default", **_: Any) -> None:
    """(Re)install every trigger whose table exists."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    make = _postgresql if connection.vendor == "postgresql" else _sqlite
    with connection.cursor() as cursor:
        for table in APPEND_ONLY:
            if table in tables:
                for statement in make(table):
                    cursor.execute(statement)


def installed(using: str = "default") -> set[str]:
    """Names of the append-only triggers found in the database."""
    connection = connections[using]
    sql = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return {row[0] for row in cursor.fetchall()} & expected(connection.vendor)


def _sqlite(table: str) -> list[str]:
    same = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"
    if table == "lending_loanevent":
        same = (
            f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id OR (contract_id = NEW.contract_id AND seq = NEW.seq)"
            " OR idempotency_key = NEW.idempotency_key)"
        )
    out = []
    for kind, when in (("update", "BEFORE UPDATE"), ("delete", "BEFORE DELETE")):
        out += [
            f"DROP TRIGGER IF EXISTS {table}_no_{kind}",
            f"CREATE TRIGGER {table}_no_{kind} {when} ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
        ]
    return [
        *out,
        f"DROP TRIGGER IF EXISTS {table}_no_replace",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {same} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: the row exists'); END",
    ]


def _postgresql(table: str) -> list[str]:
    out = [
        "CREATE OR REPLACE FUNCTION tideover_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    ]
    for kind, each in (("update", "ROW"), ("delete", "ROW"), ("truncate", "STATEMENT")):
        out += [
            f"DROP TRIGGER IF EXISTS {table}_no_{kind} ON {table}",
            f"CREATE TRIGGER {table}_no_{kind} BEFORE {kind.upper()} ON {table} "
            f"FOR EACH {each} EXECUTE FUNCTION tideover_append_only()",
        ]
    return out
