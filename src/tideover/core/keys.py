"""Exchanging the key of personal fields: which secret each row is under, and re-sealing rows under the one that writes.

State is in the rows themselves (each says its key id), so a rotation can be killed anywhere and run again, and two may run at
once: a batch is held by row locks, others skip it, and a dead process holds nothing. In between every row is readable under one
of the secrets, and nothing is ever stored or logged in clear.

Two kinds of value are sealed: EncryptedTextField of any model, and binary fields that a model names in SEALED {field: purpose}.
Search hashes and handles are made with random keys of their own that last, and are themselves such a value: see LastingKey.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from tideover.core.action_log import log
from tideover.core.crypto import FIELD, ID_BYTES, current_id, seal, secrets, unseal
from tideover.core.fields import EncryptedTextField
from tideover.core.models import LastingKey
from tideover.core.models.keys import LASTING

BATCH = 500
SEARCH, HANDLE = "search", "handle"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A table with sealed values: purpose by column."""

    model: type[models.Model]
    purposes: dict[str, str]

    @property
    def table(self) -> str:
        return str(self.model._meta.db_table)


@dataclass(frozen=True, slots=True)
class Status:
    """Sealed values of a table by key id in hexadecimal."""

    table: str
    by_key: dict[str, int]


def sealed_tables() -> list[Sealed]:
    """Every table with something sealed, by name."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        purposes = {str(f.column): FIELD for f in model._meta.concrete_fields if isinstance(f, EncryptedTextField)}
        purposes |= getattr(model, "SEALED", {})
        if purposes:
            found.append(Sealed(model, purposes))
    return sorted(found, key=lambda s: s.table)


def status() -> list[Status]:
    """How many values are under which key, by table."""
    out = []
    for sealed in sealed_tables():
        counts: Counter[str] = Counter()
        for column in sealed.purposes:
            with connection.cursor() as cursor:
                start = f"substr({column}, 1, {ID_BYTES})"
                cursor.execute(f"SELECT {start}, count(*) FROM {sealed.table} WHERE length({column}) > 0 GROUP BY 1")
                for name, count in cursor.fetchall():
                    counts[bytes(name).hex()] += count
        out.append(Status(sealed.table, dict(counts)))
    return out


def old_and_unknown(found: list[Status]) -> tuple[int, int]:
    """How many values wait for rotation, and how many are under a secret that this installation does not have."""
    known = {name.hex() for name in secrets()}
    old = sum(n for s in found for key, n in s.by_key.items() if key in known and key != current_id().hex())
    return old, sum(n for s in found for key, n in s.by_key.items() if key not in known)


def rotate(actor: str, said: Callable[[int], None] = lambda count: None) -> dict[str, int]:
    """Re-seal every value that is not under the secret that writes; how many rows by table. said: told rows after each batch.

    Rows under an unknown secret are left as they are. A table whose rows may not be changed (append-only) is left too.
    """
    done = {sealed.table: _table(sealed, said) for sealed in sealed_tables() if not _is_append_only(sealed.table)}
    done = {table: count for table, count in done.items() if count}
    if done:
        log(actor, "keys.rotate", "keys", current_id().hex(), {"rows": done})
    return done


def _is_append_only(table: str) -> bool:
    """Whether the database refuses UPDATE of a table: it has a trigger before it."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT 1 FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgtype & 16 <> 0 LIMIT 1", [table]
            )
        else:
            cursor.execute(
                "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s AND upper(sql) LIKE '%%BEFORE UPDATE%%'",
                [table],
            )
        return cursor.fetchone() is not None


def _table(sealed: Sealed, said: Callable[[int], None]) -> int:
    total, after = 0, 0
    while True:
        count, after = _batch(sealed, after)
        if not count:
            return total
        total += count
        said(count)


def _batch(sealed: Sealed, after: int) -> tuple[int, int]:
    """Re-seal the next rows above a key, in one transaction; how many, and the last key. (0, …): there are no more."""
    key, columns = str(sealed.model._meta.pk.column), list(sealed.purposes)  # type: ignore[union-attr]
    readable = [name for name in secrets() if name != current_id()]
    marks = ", ".join(["%s"] * len(readable))
    old = " OR ".join(f"(length({c}) > 0 AND substr({c}, 1, {ID_BYTES}) IN ({marks}))" for c in columns)
    lock = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    if not readable:
        return 0, after
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {key}, {', '.join(columns)} FROM {sealed.table} WHERE {key} > %s AND ({old}) "
            f"ORDER BY {key} LIMIT {BATCH} {lock}",
            [after, *readable * len(columns)],
        )
        rows = cursor.fetchall()
        changes: dict[tuple[str, ...], list[list[Any]]] = {}
        for pk, *values in rows:
            new = _again(sealed, dict(zip(columns, values, strict=True)))
            changes.setdefault(tuple(new), []).append([*new.values(), pk])
        for names, wanted in changes.items():
            cursor.executemany(f"UPDATE {sealed.table} SET {', '.join(f'{n} = %s' for n in names)} WHERE {key} = %s", wanted)
    return len(rows), int(rows[-1][0]) if rows else after


def _again(sealed: Sealed, row: dict[str, Any]) -> dict[str, bytes]:
    """What changes of a row: its readable values under the secret that writes."""
    blobs = {column: bytes(row[column] or b"") for column in sealed.purposes}
    return {
        c: seal(unseal(blob, sealed.purposes[c]), sealed.purposes[c]) for c, blob in blobs.items() if blob[:ID_BYTES] in secrets()
    }


def lasting_keys_make() -> None:
    """Make the keys that last where they are not there yet: after each migrate, so before anything is hashed."""
    for name in (SEARCH, HANDLE):
        LastingKey.objects.get_or_create(name=name, defaults={"sealed": seal(os.urandom(32), LASTING)})


@cache
def lasting_key(name: str) -> bytes:
    """32 random bytes that stay the same for good, whatever becomes of the master secret around them."""
    return unseal(LastingKey.objects.get(name=name).sealed, LASTING)
