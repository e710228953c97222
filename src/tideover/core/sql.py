"""Plain SQL for the paths where building a query in the ORM costs more than the database's own work.

Values still go through the fields' own converters and adapters (dates, instants, JSON, encryption), so what is read and stored
is what the ORM would read and store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from django.db import connection, models

PLAIN = (models.IntegerField, models.CharField, models.BooleanField, models.ForeignKey)
"""Fields whose Python value is what both drivers store."""


def array_text(values: Sequence[Any]) -> str:
    """PostgreSQL's literal of an array of integers or texts: one parameter, made much faster than a list of thousands."""
    if not values or isinstance(values[0], int):
        return "{" + ",".join(map(str, values)) + "}"
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') > 2 * (len(values) - 1):
        joined = '","'.join(v.replace("\\", "\\\\").replace('"', '\\"') for v in values)
    return '{"' + joined + '"}'


def among(column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    """(SQL condition, its parameters): the column holds one of any number of integers or texts, as one parameter."""
    if connection.vendor == "postgresql":
        kind = "bigint" if not values or isinstance(values[0], int) else "text"
        return f"{column} = ANY(%s::{kind}[])", [array_text(values)]
    return f"{column} IN (SELECT value FROM json_each(%s))", [json.dumps(list(values))]


def rows_read(
    model: type[models.Model], names: tuple[str, ...], where: str, params: Sequence[Any] = (), tail: str = ""
) -> Iterator[tuple[Any, ...]]:
    """Columns `names` (as attributes: `contract_id`) of the rows for which `where` holds; `tail`: ORDER BY, LIMIT."""
    columns, converters = _reading(connection.vendor, model, names)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {model._meta.db_table} WHERE {where} {tail}", params)
        found = cursor.fetchall()
    for row in found:
        values = list(row)
        for at, convert, column in converters:
            values[at] = convert(values[at], column, connection)
        yield tuple(values)


@cache
def _reading(vendor: str, model: type[models.Model], names: tuple[str, ...]) -> tuple[str, list[tuple[int, Any, Any]]]:
    """The select list, and (place, converter, column expression) of each value that is not taken as it comes."""
    by_name = {f.attname: f for f in model._meta.concrete_fields}
    columns, converters = [], []
    for at, name in enumerate(names):
        col = by_name[name].get_col(model._meta.db_table)
        columns.append(str(by_name[name].column))
        said = [*connection.ops.get_db_converters(col), *col.get_db_converters(connection)]
        converters += [(at, convert, col) for convert in said]
    return ", ".join(columns), converters


def rows_insert(
    model: type[models.Model], rows: Sequence[models.Model], *, replace_on: str = "", keep: Sequence[str] = ()
) -> None:
    """INSERT rows by one prepared statement. Signals are not sent and keys are not read back.

    replace_on: a unique field; a row that is there already is overwritten, but for the fields in `keep`.
    """
    if not rows:
        return
    columns = [_adapted(f, [getattr(r, f.attname) for r in rows]) for f in _written(model)]
    said, values = _statement(model, replace_on, tuple(keep)), list(zip(*columns, strict=True))
    with connection.cursor() as cursor:
        if len(values) == 1:
            cursor.execute(said, values[0])
        else:
            cursor.executemany(said, values)


def tuples_insert(model: type[models.Model], names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    """INSERT rows given as values of the attributes `names`, by one prepared statement."""
    if not rows:
        return
    fields = {f.attname: f for f in model._meta.concrete_fields}
    columns = [_adapted(fields[n], list(values)) for n, values in zip(names, zip(*rows, strict=True), strict=True)]
    said = ", ".join(str(fields[n].column) for n in names)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {model._meta.db_table} ({said}) VALUES ({', '.join(['%s'] * len(names))})",
            list(zip(*columns, strict=True)),
        )


@cache
def _written(model: type[models.Model]) -> list[Any]:
    return [f for f in model._meta.concrete_fields if not isinstance(f, models.AutoField | models.BigAutoField)]


def _adapted(field: Any, values: list[Any]) -> list[Any]:
    if type(field) is models.BinaryField:
        return [None if v is None else bytes(v) for v in values]
    if isinstance(field, PLAIN):
        return values
    adapt: Callable[[Any, Any], Any] = field.get_db_prep_save
    seen: dict[Any, Any] = {}
    if isinstance(field, models.DateField):  # and instants: few different ones, adapted once each
        for v in values:
            if v not in seen:
                seen[v] = adapt(v, connection)
        return [seen[v] for v in values]
    return [None if v is None else adapt(v, connection) for v in values]


@cache
def _statement(model: type[models.Model], replace_on: str, keep: tuple[str, ...]) -> str:
    fields = _written(model)
    columns = [str(f.column) for f in fields]
    said = f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
    if not replace_on:
        return said
    key = str(model._meta.get_field(replace_on).column)
    moved = [c for f, c in zip(fields, columns, strict=True) if c != key and f.name not in keep]
    return f"{said} ON CONFLICT ({key}) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in moved)}"


def lock_until_commit(lock_id: int) -> None:
    """Keep others who take this lock waiting until the transaction ends (on SQLite every writer is alone anyway)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_id])
