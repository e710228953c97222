"""Loans and their journals read in bulk as the engine's columns, without an object a loan.

One reading of `lending_contract` and one of `lending_loanevent` a batch. Conventions (product version, currency, overrides) are
built once each; only custom rows and the rarer kinds of event pass through Python one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection

from tideover.core.sql import among
from tideover.engine.columns import EVENT, LOAN, EventColumns, EventPacker, TermsColumns, TermsPacker
from tideover.engine.events import EventKind
from tideover.engine.terms import NO_DAY, date_of, day
from tideover.lending.contract_terms import terms_build
from tideover.lending.imports.bulk import EventBatch
from tideover.lending.models import Product
from tideover.lending.rules.events import engine_event_of

LOAN_COLUMNS = (
    "id", "number", "product_id", "currency", "principal_minor", "annual_rate_ppm", "instalments", "due_day", "overrides",
    "event_count", "entity_id",
)  # fmt: skip
LOAN_DAYS = ("disbursed_on", "first_due_on", "maturity_on")


@dataclass(slots=True)
class LoanColumns:
    """Loans by ascending id: their numbers, terms, and how many events each has. ids, event_counts, disbursed: int64[n].

    lenders: (entity id, the ladder of classes that the product names beside its lender's); lender_of: int64[n] into it.
    """

    ids: np.ndarray
    numbers: list[str]
    terms: TermsColumns
    event_counts: np.ndarray
    disbursed: np.ndarray
    lenders: list[tuple[int, str]]
    lender_of: np.ndarray


class TermsReader:
    """Conventions of products, read once each and shared by every loan that this reader packs."""

    def __init__(self) -> None:
        self.packer = TermsPacker()
        self.products: dict[int, Product] = {}
        self.found: dict[tuple[int, str, str], int] = {}

    def product(self, pk: int) -> Product:
        """One product version."""
        if pk not in self.products:
            self.products[pk] = Product.objects.get(pk=pk)
        return self.products[pk]

    def convention(self, product: Product, currency: str, overrides: str) -> int:
        """The convention row of a product version under overrides (JSON, without custom rows)."""
        key = (product.pk, currency, overrides)
        if key not in self.found:
            own = {"principal_minor": 1, "disbursed_on": 0, "currency": currency}
            self.found[key] = self.packer.convention(terms_build(product.conventions, own, json.loads(overrides)))
        return self.found[key]


def loans_load(ids: np.ndarray, reader: TermsReader | None = None) -> LoanColumns:
    """The loans with these ids (ascending, each once). Raises ValueError for terms that do not exist."""
    reader = reader or TermsReader()
    days = ", ".join(f"{_sql_day(c)}" for c in LOAN_DAYS)
    sql = f"SELECT {', '.join(LOAN_COLUMNS)}, {days} FROM lending_contract WHERE {{}} ORDER BY id"
    rows = list(_rows(sql, "id", ids))
    made = np.zeros(len(rows), LOAN)
    lenders: dict[tuple[int, str], int] = {}
    lender_of = np.zeros(len(rows), np.int64)
    if rows:
        columns = list(zip(*rows, strict=True))
        named = dict(zip((*LOAN_COLUMNS, *LOAN_DAYS), columns, strict=True))
        for target, source in (("principal", "principal_minor"), ("rate", "annual_rate_ppm"), ("instalments", "instalments"),
                               ("due_day", "due_day")):  # fmt: skip
            made[target] = named[source]
        for target in LOAN_DAYS:
            made[target] = [NO_DAY if d is None else d for d in named[target]]
        ladders = _conventions(made, named, reader)
        pairs = zip(named["entity_id"], ladders, strict=True)
        lender_of = np.array([lenders.setdefault(p, len(lenders)) for p in pairs], np.int64)
    return LoanColumns(
        np.array([r[0] for r in rows], np.int64), [r[1] for r in rows], reader.packer.columns(made),
        np.array([r[9] for r in rows], np.int64), made["disbursed_on"].copy(),
        list(lenders), lender_of,
    )  # fmt: skip


def _conventions(made: np.ndarray, named: dict[str, Any], reader: TermsReader) -> list[str]:
    """Fill convention and custom rows; the ladder that each loan's product (or its overrides) names."""
    ladders: list[str] = []
    custom = reader.packer.custom
    plain: dict[tuple[int, str], int] = {}
    for i, (product, currency, overrides) in enumerate(
        zip(named["product_id"], named["currency"], named["overrides"], strict=True)
    ):
        if overrides == "{}":
            if (product, currency) not in plain:
                plain[product, currency] = reader.convention(reader.product(product), currency, "{}")
            made["convention"][i] = plain[product, currency]
            ladders.append(str(reader.product(product).conventions.get("ladder", "")))
            continue
        own = json.loads(overrides)
        rows = own.pop("custom_rows", ())
        made["custom_at"][i], made["custom_count"][i] = len(custom), len(rows)
        custom += [(day(r["due_on"]), r["principal_minor"], r.get("interest_minor", -1)) for r in rows]
        made["convention"][i] = reader.convention(reader.product(product), currency, json.dumps(own, sort_keys=True))
        ladders.append(str({**reader.product(product).conventions, **own}.get("ladder", "")))
    return ladders


@dataclass(slots=True)
class Journal:
    """Events of loans: index of the loan (int64[n]) and records of EVENT, with the packer of their details.

    `recorded_at` is left out: these columns answer what is known now.
    """

    loan_of: np.ndarray
    records: np.ndarray
    packer: EventPacker

    def columns(self, loan_count: int) -> EventColumns:
        """The engine's columns over all loans."""
        order = np.argsort(self.loan_of, kind="stable")
        offsets = np.zeros(loan_count + 1, np.int64)
        np.cumsum(np.bincount(self.loan_of, minlength=loan_count), out=offsets[1:])
        return self.packer.columns(offsets, self.records[order])


def journal_load(ids: np.ndarray) -> Journal:
    """The stored events of the loans with these ids (ascending); `loan_of` indexes `ids`."""
    sql = f"SELECT contract_id, seq, kind, {_sql_day('effective_on')}, amount_minor, extra FROM lending_loanevent WHERE {{}}"
    rows = list(_rows(sql, "contract_id", ids))
    packer = EventPacker()
    records = np.zeros(len(rows), EVENT)
    if not rows:
        return Journal(np.zeros(0, np.int64), records, packer)
    of, seq, kind, on, amount, extra = zip(*rows, strict=True)
    records["seq"], records["kind"], records["on"], records["amount"] = seq, kind, on, amount
    for i, said in enumerate(extra):
        if said is not None and said != "null":
            records[i] = _record(packer, seq[i], kind[i], on[i], amount[i], json.loads(said))
    return Journal(np.searchsorted(ids, np.array(of, np.int64)), records, packer)


def journal_extend(journal: Journal, batch: EventBatch, loans: LoanColumns) -> Journal:
    """The journal with the events of a batch after what is stored. Raises ValueError naming what an event says wrongly."""
    loan_of = np.searchsorted(loans.ids, batch.contract_ids)
    starts = np.concatenate([[True], np.diff(loan_of) != 0]) if len(batch) else np.zeros(0, bool)
    first = np.maximum.accumulate(np.where(starts, np.arange(len(batch)), 0))
    records = np.zeros(len(batch), EVENT)
    records["seq"] = loans.event_counts[loan_of] + np.arange(len(batch)) - first + 1
    records["kind"], records["on"], records["amount"] = batch.kinds, batch.days, batch.amounts_minor
    for i, said in enumerate(batch.extras or ()):
        if said:
            records[i] = _record(
                journal.packer, int(records["seq"][i]), int(batch.kinds[i]), int(batch.days[i]), int(batch.amounts_minor[i]), said
            )
    return Journal(np.concatenate([journal.loan_of, loan_of]), np.concatenate([journal.records, records]), journal.packer)


def _record(packer: EventPacker, seq: int, kind: int, on: int, amount: int, extra: dict[str, Any]) -> tuple[int, ...]:
    return packer.record(engine_event_of(seq, EventKind(kind), date_of(on), amount, extra, recorded_us=0))


def _sql_day(column: str) -> str:
    if connection.vendor == "postgresql":
        return f"{column} - DATE '1970-01-01'"
    return f"CAST(julianday({column}) - 2440587.5 AS INTEGER)"


def _rows(sql: str, column: str, ids: np.ndarray) -> Iterator[tuple[Any, ...]]:
    named, bound = among(column, ids.tolist())
    with connection.cursor() as cursor:
        cursor.execute(sql.format(named), bound)
        yield from cursor.fetchall()
