"""The database itself refuses to change the journal and the action log.

UPDATE and DELETE are refused on both databases, TRUNCATE on PostgreSQL, and on SQLite also INSERT OR REPLACE (which would
delete silently). Installed after every migrate, since SQLite drops triggers when it rebuilds a table. On PostgreSQL they fire
ALWAYS, also for a session that calls itself a replica.
"""

from __future__ import annotations

import re

from django.db import connections

APPEND_ONLY = {
    "lending_loanevent": (
        "id = NEW.id",
        "(contract_id = NEW.contract_id AND seq = NEW.seq)",
        "idempotency_key = NEW.idempotency_key",
    ),
    "core_actionlog": ("id = NEW.id",),
    "accounting_entry": (
        "id = NEW.id",
        "(entity_id = NEW.entity_id AND period = NEW.period AND voucher = NEW.voucher AND line = NEW.line)",
    ),
    "accounting_periodclose": ("id = NEW.id", "(entity_id = NEW.entity_id AND period = NEW.period)"),
    "lending_publishedrate": ("id = NEW.id", '("index" = NEW."index" AND published_on = NEW.published_on)'),
    "core_exposure": ("id = NEW.id", "(experiment_id = NEW.experiment_id AND reference = NEW.reference)"),
    "contact_messageevent": ("id = NEW.id",),
    "core_approvalstep": (
        "id = NEW.id",
        "(approval_id = NEW.approval_id AND step = NEW.step)",
        "(approval_id = NEW.approval_id AND decided_by_id = NEW.decided_by_id)",
    ),
    "lending_holdreview": ("id = NEW.id",),
    "lending_mandateact": ("id = NEW.id",),
    "lending_debitmove": ("id = NEW.id",),
    "lending_debitanswer": ("id = NEW.id",),
    "lending_tillmove": (
        "id = NEW.id",
        "(slip_id = NEW.slip_id AND kind = NEW.kind)",
        "(till_id = NEW.till_id AND kind = NEW.kind AND slip_id IS NULL AND NEW.slip_id IS NULL)",
    ),
    "lending_tillcount": ("id = NEW.id", "till_id = NEW.till_id"),
    "lending_slipprint": ("id = NEW.id",),
    "sources_consentact": ("id = NEW.id", "(consent_id = NEW.consent_id AND act = NEW.act)"),
    "contact_verdictrow": ("id = NEW.id", "(party_id = NEW.party_id AND seq = NEW.seq)"),
}
"""Table: what makes a row that is already there the same as the new one (its unique keys)."""
FUNCTION = "tideover_append_only"
FUNCTION_BODY = " BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END "
TIMES = {
    "sqlite": {"update": "BEFORE UPDATE", "delete": "BEFORE DELETE", "replace": "BEFORE INSERT"},
    "postgresql": {
        "update": "BEFORE UPDATE ON {t} FOR EACH ROW",
        "delete": "BEFORE DELETE ON {t} FOR EACH ROW",
        "truncate": "BEFORE TRUNCATE ON {t} FOR EACH STATEMENT",
    },
}


def expected(vendor: str) -> set[str]:
    """Names of the triggers that must exist."""
    return {f"{table}_no_{kind}" for table in APPEND_ONLY for kind in TIMES[vendor]}


def install(using: str = "default") -> None:
    """(Re)install every trigger whose table exists."""
    connection = connections[using]
    make = _postgresql if connection.vendor == "postgresql" else _sqlite
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for table in APPEND_ONLY:
            if table in tables:
                for statement in make(table):
                    cursor.execute(statement)


def installed(using: str = "default") -> set[str]:
    """Names of the append-only triggers that stand as installed; one that is disabled or changed is not among them."""
    connection = connections[using]
    read = _standing_postgresql if connection.vendor == "postgresql" else _standing_sqlite
    with connection.cursor() as cursor:
        return read(cursor)


def _sqlite_create(table: str, kind: str) -> str:
    when = TIMES["sqlite"][kind]
    if kind == "replace":
        condition = f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {' OR '.join(APPEND_ONLY[table])})"
        says = f"{table} is append-only: the row exists"
    else:
        condition, says = "", f"{table} is append-only"
    return f"CREATE TRIGGER {table}_no_{kind} {when} ON {table}{condition} BEGIN SELECT RAISE(ABORT, '{says}'); END"


def _sqlite(table: str) -> list[str]:
    out = []
    for kind in TIMES["sqlite"]:
        out += [f"DROP TRIGGER IF EXISTS {table}_no_{kind}", _sqlite_create(table, kind)]
    return out


def _standing_sqlite(cursor: object) -> set[str]:
    cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")  # type: ignore[attr-defined]
    found = dict(cursor.fetchall())  # type: ignore[attr-defined]
    wanted = {f"{table}_no_{kind}": _sqlite_create(table, kind) for table in APPEND_ONLY for kind in TIMES["sqlite"]}
    return {name for name, sql in wanted.items() if found.get(name) == sql}


def _postgresql(table: str) -> list[str]:
    out = [f"CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $${FUNCTION_BODY}$$"]
    for kind, when in TIMES["postgresql"].items():
        name = f"{table}_no_{kind}"
        out += [
            f"DROP TRIGGER IF EXISTS {name} ON {table}",
            f"CREATE TRIGGER {name} {when.format(t=table)} EXECUTE FUNCTION {FUNCTION}()",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
        ]
    return out


def _standing_postgresql(cursor: object) -> set[str]:
    cursor.execute(  # type: ignore[attr-defined]
        "SELECT t.tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
        "WHERE NOT t.tgisinternal AND t.tgenabled = 'A' AND p.proname = %s AND p.prosrc = %s",
        [FUNCTION, FUNCTION_BODY],
    )
    found = {name: re.sub(r" ON \w+\.", " ON ", sql) for name, sql in cursor.fetchall()}  # type: ignore[attr-defined]
    times = {f"{t}_no_{k}": (t, when) for t in APPEND_ONLY for k, when in TIMES["postgresql"].items()}
    return {
        name
        for name, (table, when) in times.items()
        if name in found and when.format(t=table) in found[name] and " WHEN " not in found[name]
    }
