"""The database refuses an entry of a period that is closed, whoever asks."""

from __future__ import annotations

from django.db import connections

TABLE, CLOSED, NAME = "accounting_entry", "accounting_periodclose", "accounting_entry_open_period"
CONDITION = f"SELECT 1 FROM {CLOSED} c WHERE c.entity_id = NEW.entity_id AND c.period >= NEW.period"
SQLITE = (
    f"CREATE TRIGGER {NAME} BEFORE INSERT ON {TABLE} WHEN EXISTS ({CONDITION}) "
    "BEGIN SELECT RAISE(ABORT, 'the period is closed'); END"
)
BODY = f" BEGIN IF EXISTS ({CONDITION}) THEN RAISE EXCEPTION 'the period is closed'; END IF; RETURN NEW; END "
FUNCTION = "tideover_open_period"


def install(using: str = "default") -> None:
    """(Re)install the trigger where its tables exist."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if not {TABLE, CLOSED} <= set(connection.introspection.table_names(cursor)):
            return
        if connection.vendor == "postgresql":
            cursor.execute(f"CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $${BODY}$$")
            cursor.execute(f"DROP TRIGGER IF EXISTS {NAME} ON {TABLE}")
            cursor.execute(f"CREATE TRIGGER {NAME} BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION {FUNCTION}()")
            cursor.execute(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {NAME}")
        else:
            cursor.execute(f"DROP TRIGGER IF EXISTS {NAME}")
            cursor.execute(SQLITE)


def is_installed(using: str = "default") -> bool:
    """Whether the trigger stands as installed."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT 1 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgname = %s AND t.tgenabled = 'A' "
                "AND p.prosrc = %s",
                [NAME, BODY],
            )
        else:
            cursor.execute("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = %s AND sql = %s", [NAME, SQLITE])
        return cursor.fetchone() is not None
