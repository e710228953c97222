"""People of a file, and what happened to them: contacts, promises, complaints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Model

from tideover.core.business_time import now
from tideover.core.sql import among, rows_read
from tideover.engine.terms import date_of
from tideover.lending.clock import stamp
from tideover.lending.imports.checks import Links
from tideover.lending.imports.frame import Frame
from tideover.lending.imports.loans import Progress
from tideover.lending.models import Complaint, ContactRecord, Party, Promise


def people_store(frame: Frame, links: Links, progress: Progress) -> tuple[int, int]:
    """Write new parties, some thousand a transaction; those who exist stay as they are. (written, already there)"""
    names = frame.values["borrower_id"].to_pylist()
    texts = ("kind", "name", "id_number", "phone", "address", "region", "industry", "language")
    columns = {n: frame.values[n].to_pylist() for n in texts if frame.has(n)}
    numbers = {n: frame.number(n, -1) for n in ("birth_year", "monthly_income")}
    known: set[str] = set()
    for start in range(0, len(names), 5000):
        named = among("reference", [n for n in names[start : start + 5000] if n])
        known |= {r for (r,) in rows_read(Party, ("reference",), *named)}
    new = [i for i in np.flatnonzero(frame.ok).tolist() if names[i] not in known]
    already = int(frame.ok.sum()) - len(new)
    for start in range(0, len(new), 2000):
        rows = [_party(names[i], i, columns, numbers, links) for i in new[start : start + 2000]]
        Party.objects.bulk_create(rows, batch_size=500)
        progress(len(rows))
    return len(new), already


def _party(name: str, i: int, columns: dict[str, list[Any]], numbers: dict[str, np.ndarray], links: Links) -> Party:
    texts = {n: column[i] or "" for n, column in columns.items()}
    party = Party(reference=name, branch=links.of("branch_code", i), created_at=now(), **texts)
    party.kind = texts.get("kind") or "person"
    party.language = texts.get("language") or "zh-hans"
    for n, attribute in (("birth_year", "birth_year"), ("monthly_income", "monthly_income_minor")):
        setattr(party, attribute, None if numbers[n][i] < 0 else int(numbers[n][i]))
    party.hash_fields()
    return party


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
