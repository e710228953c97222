"""Plain SQL for the paths where building a query in the ORM costs more than the database's own work.

Values still go through the fields' own converters and adapters (dates, instants, JSON, encryption), so what is read and stored
is what the ORM would read and store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)
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


class Asked(NamedTuple):
    """One statement, and how each row of its answer is read: (place, converter, column expression) of what is converted."""

    sql: str
    params: Sequence[Any] = ()
    converters: Sequence[tuple[int, Any, Any]] = ()


def answers(*asked: Asked) -> list[list[tuple[Any, ...]]]:
    """The rows of each statement, in order: on PostgreSQL by one round trip, each seeing what was committed before it began."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("; ".join(a.sql for a in asked), [p for a in asked for p in a.params])
            return [_rows(cursor, a, more=n > 0) for n, a in enumerate(asked)]
        out = []
        for a in asked:
            cursor.execute(a.sql, a.params)
            out.append(_rows(cursor, a))
        return out


def _rows(cursor: Any, asked: Asked, *, more: bool = False) -> list[tuple[Any, ...]]:
    """The rows of the cursor's answer, or of its next one; none of a statement that answers nothing."""
    if more:
        cursor.nextset()
    found = cursor.fetchall() if cursor.description else []
    if not asked.converters:
        return list(found)
    rows = [list(row) for row in found]
    for at, convert, column in asked.converters:
        for row in rows:
            row[at] = convert(row[at], column, connection)
    return [tuple(row) for row in rows]


def to_read(model: type[models.Model], names: tuple[str, ...], where: str, params: Sequence[Any] = (), tail: str = "") -> Asked:
    """Asks for columns `names` (as attributes: `contract_id`) of the rows for which `where` holds; `tail`: ORDER BY, LIMIT."""
    columns, converters = _reading(connection.vendor, model, names)
    return Asked(f"SELECT {columns} FROM {model._meta.db_table} WHERE {where} {tail}", params, converters)


def rows_read(
    model: type[models.Model], names: tuple[str, ...], where: str, params: Sequence[Any] = (), tail: str = ""
) -> Iterator[tuple[Any, ...]]:
    """The rows of `to_read`, asked for alone."""
    return iter(answers(to_read(model, names, where, params, tail))[0])


def whole(model: type[models.Model]) -> tuple[str, ...]:
    """All columns of a model, for `to_read`; `objects` makes its rows into objects."""
    return tuple(f.attname for f in model._meta.concrete_fields)


def objects(model: type[M], rows: Iterable[tuple[Any, ...]]) -> list[M]:
    """Objects of rows that were read with the columns `whole(model)`."""
    names = whole(model)
    return [model.from_db(connection.alias, names, row) for row in rows]


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
    """INSERT rows, many by one statement. Signals are not sent and keys are not read back.

    replace_on: a unique field; a row that is there already is overwritten, but for the fields in `keep`.
    """
    if rows:
        asked = to_insert(model, rows, replace_on=replace_on, keep=keep)
        with connection.cursor() as cursor:
            if len(asked) == 1:
                cursor.execute(asked[0].sql, asked[0].params)
            elif connection.vendor == "postgresql":
                cursor.execute(*_as_arrays(model, asked))
            else:
                cursor.executemany(asked[0].sql, [a.params for a in asked])


def _as_arrays(model: type[models.Model], asked: Sequence[Asked]) -> tuple[str, list[str]]:
    """One statement that takes a column as one array: a third of the work of as many statements as there are rows."""
    kinds = [str(f.db_type(connection)) for f in _written(model)]
    # A cast to varchar(n) would cut a text that is too long; as text the column itself refuses it.
    marks = ", ".join(f"%s::{'text' if k.startswith('varchar') else k}[]" for k in kinds)
    said = f"VALUES ({', '.join(['%s'] * len(kinds))})"
    values = zip(*(a.params for a in asked), strict=True)
    return asked[0].sql.replace(said, f"SELECT * FROM unnest({marks})", 1), [_array(column) for column in values]


def _array(values: Sequence[Any]) -> str:
    """PostgreSQL's literal of an array of adapted values."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):  # also true and false
        return str(value)
    plain = getattr(value, "obj", value)  # the driver's wrappers of JSON and bytes
    if isinstance(plain, bytes | memoryview):
        return f'"\\\\x{plain.hex()}"'
    text = str(value) if plain is value else (value.dumps or json.dumps)(plain)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def to_insert(
    model: type[models.Model], rows: Sequence[models.Model], *, replace_on: str = "", keep: Sequence[str] = ()
) -> list[Asked]:
    """The statements of `rows_insert`, one a row, for `answers`."""
    columns = [_adapted(f, [getattr(r, f.attname) for r in rows]) for f in _written(model)]
    said = _statement(model, replace_on, tuple(keep))
    return [Asked(said, values) for values in zip(*columns, strict=True)]


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
