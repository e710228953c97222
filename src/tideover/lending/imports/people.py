"""People of a file, and what happened to them: contacts, promises, complaints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import transaction
from django.db.models import Model

from tideover.core.business_time import now
from tideover.core.crypto import encrypt, search_hash
from tideover.core.sql import among, rows_read
from tideover.core.sql_columns import columns_insert
from tideover.engine.terms import date_of
from tideover.lending.clock import stamp
from tideover.lending.imports.checks import POINTS, Links
from tideover.lending.imports.frame import Frame
from tideover.lending.imports.writers import Progress, write_all
from tideover.lending.models import Complaint, ContactPoint, ContactRecord, Party, Promise
from tideover.lending.services_points import point_hash
from tideover.lending.services_rows import imported_hold

ASKED_AT_ONCE = 5_000
PEOPLE_AT_ONCE = 2_000


def people_store(frame: Frame, links: Links, progress: Progress) -> tuple[int, int]:
    """Write new parties, some thousand a transaction; those who exist stay as they are. (written, already there)"""
    names = frame.values["borrower_id"].to_pylist()
    known: set[str] = set()
    for start in range(0, len(names), ASKED_AT_ONCE):
        named = among("reference", [n for n in names[start : start + ASKED_AT_ONCE] if n])
        known |= {r for (r,) in rows_read(Party, ("reference",), *named)}
    new = np.array([i for i in np.flatnonzero(frame.ok).tolist() if names[i] not in known], np.int64)
    parts = (_parties(frame, links, new[k : k + PEOPLE_AT_ONCE]) for k in range(0, len(new), PEOPLE_AT_ONCE))

    def write(part: dict[str, Any]) -> int:
        points = part.pop("points")
        with transaction.atomic():
            columns_insert(Party, part)
            _points_write(points)
        return len(part["reference"])

    return write_all(parts, write, progress), int(frame.ok.sum()) - len(new)


def _parties(frame: Frame, links: Links, at: np.ndarray) -> dict[str, Any]:
    """Columns of the parties of some rows (int64), personal fields encrypted and hashed."""
    rows = pa.array(at)

    def text(name: str, otherwise: str = "") -> pa.Array:
        found = frame.values[name].take(rows) if frame.has(name) else pa.nulls(len(at), pa.string())
        found = pc.fill_null(found, otherwise)
        return pc.if_else(pc.equal(found, ""), otherwise, found)

    def number(name: str) -> pa.Array:
        values = frame.number(name, -1)[at]
        return pa.array(values, mask=values < 0)

    out: dict[str, Any] = {
        "reference": text("borrower_id"),
        "kind": text("kind", "person"),
        "language": text("language", "zh-hans"),
    }
    for name, hashed in (("name", "name_hash"), ("id_number", "id_hash"), ("phone", "phone_hash"), ("address", "")):
        plain = text(name).to_pylist()
        out[name] = pa.array([encrypt(t) if t else b"" for t in plain], pa.binary())
        if hashed:
            out[hashed] = pa.array([search_hash(t) for t in plain], pa.binary())
    references = out["reference"].to_pylist()
    out["points"] = {c: dict(zip(references, text(name).to_pylist(), strict=True)) for name, c in POINTS.items()}
    branch = pa.array([None if b is None else b.pk for b in links.things["branch_code"]], pa.int64())
    return out | {
        "region": text("region"), "industry": text("industry"), "birth_year": number("birth_year"),
        "monthly_income_minor": number("monthly_income"), "branch_id": branch.take(pa.array(links.at["branch_code"][at])),
        "created_at": now(),
    }  # fmt: skip


def _points_write(found: Mapping[str, Mapping[str, str]]) -> None:
    """Contact points of new parties, by channel and reference; an empty address is none."""
    named = {r for of in found.values() for r, address in of.items() if address}
    if not named:
        return
    ids = dict(rows_read(Party, ("reference", "id"), *among("reference", sorted(named))))
    ContactPoint.objects.bulk_create(
        ContactPoint(
            party_id=ids[r], channel=channel, address=address, address_hash=point_hash(address), source="import", added_at=now(),
            added_by="import",
        )
        for channel, of in found.items() for r, address in of.items() if address
    )  # fmt: skip


def records_store(frame: Frame, links: Links, actor: str, progress: Progress) -> int:
    """Contacts, promises or complaints, in the caller's transaction: they have no keys, so they come whole or not at all."""
    model, fields = RECORDS[frame.mapping.kind]
    texts = {n: frame.values[n].to_pylist() for n in fields if frame.has(n) and not isinstance(frame.values[n], np.ndarray)}
    numbers = {n: frame.values[n] for n in fields if frame.has(n) and isinstance(frame.values[n], np.ndarray)}
    rows, recorded_at = [], stamp()
    for i in np.flatnonzero(frame.ok).tolist():
        values: dict[str, Any] = {n: column[i] or "" for n, column in texts.items()}
        for n, column in numbers.items():
            values[_ATTRIBUTE.get(n, n)] = None if frame.empty[n][i] else _plain(n, int(column[i]))
        loan = links.of("loan_id", i) if frame.has("loan_id") and not frame.empty["loan_id"][i] else None
        rows.append(
            model(
                party_id=links.of("borrower_id", i),
                contract_id=loan[0] if loan else None,
                actor=actor,
                recorded_at=recorded_at,
                **values,
            )
        )
    model._default_manager.bulk_create(rows, batch_size=1000)
    for row in rows:
        if isinstance(row, Promise | Complaint):
            imported_hold(row)
    progress(len(rows))
    return len(rows)


_ATTRIBUTE = {"amount": "amount_minor"}


def _plain(name: str, value: int) -> Any:
    if name == "at":
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
    return date_of(value) if name.endswith("_on") else value


RECORDS: dict[str, tuple[type[Model], tuple[str, ...]]] = {
    "contacts": (ContactRecord, ("at", "direction", "channel", "outcome", "seconds")),
    "promises": (Promise, ("amount", "promised_on", "due_on")),
    "complaints": (Complaint, ("source", "opened_on", "closed_on", "subject")),
}
