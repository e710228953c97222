"""A partition of the book as the columns of the engine: no Python step a loan, a few for each convention that loans share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tideover.core.packs.rules.fixings import reference_read
from tideover.daily.sources import Partition
from tideover.engine.columns import NO, EventColumns, TermsColumns
from tideover.engine.columns_bulk import SAYS_MORE, events_bulk, terms_bulk, unsound
from tideover.engine.events import Event, EventKind
from tideover.engine.terms import Method, Terms, date_of
from tideover.lending.contract_terms import terms_build
from tideover.lending.rules.events import engine_event_of

OWN = ("principal_minor", "annual_rate_ppm", "disbursed_on", "instalments", "first_due_on", "due_day", "maturity_on")
PLAIN = Terms(1, 0, Method.BULLET)
MORE = np.array([int(k) for k in SAYS_MORE])


@dataclass(frozen=True, slots=True)
class Convention:
    """What loans share: the terms without their own columns, custom rows (int64[k, 3]), whether the rate follows an index, the
    ladder of classes that the product names beside its lender's (empty for none).

    error: why no terms could be made of it; then `terms` is a plain loan that is never replayed.
    """

    terms: Terms
    custom: np.ndarray
    is_floating: bool
    ladder: str = ""
    error: str = ""


@dataclass(slots=True)
class Conventions:
    """Conventions by product, currency and overrides, each made once a close. products: conventions by product id."""

    products: Mapping[int, Mapping[str, Any]]
    known: dict[tuple[int, str, str], Convention] = field(default_factory=dict)

    def get(self, product: int, currency: str, overrides: str) -> Convention:
        """The convention of these three; `overrides` is the JSON as stored."""
        key = (product, currency, overrides)
        found = self.known.get(key)
        if found is None:
            found = self._make(product, currency, json.loads(overrides or "{}"))
            if not len(found.custom):  # a plan of its own is one loan's: keeping it would keep the whole book
                self.known[key] = found
        return found

    def _make(self, product: int, currency: str, overrides: dict[str, Any]) -> Convention:
        given = {**self.products[product], **overrides}
        own = {name: getattr(PLAIN, name) for name in OWN}
        try:
            terms = terms_build(self.products[product], {**own, "currency": currency}, overrides)
            floating = given.get("reference") is not None and bool(reference_read(given["reference"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return Convention(PLAIN, np.empty((0, 3), np.int64), False, error=str(error))
        rows = [(r.due_on, r.principal_minor, r.interest_minor) for r in terms.custom_rows]
        return Convention(terms, np.array(rows, np.int64).reshape(-1, 3), floating, str(given.get("ladder", "")))


@dataclass(slots=True)
class Loans:
    """A partition as the engine reads it. convention: index into `conventions` by loan. refused: seq of the event that cannot be
    read, 0 for impossible terms, -1 for loans that can be replayed; the engine gets such loans without their events."""

    terms: TermsColumns
    events: EventColumns
    conventions: list[Convention]
    convention: np.ndarray
    refused: np.ndarray


def numbers(column: pa.ChunkedArray, absent: int = 0) -> np.ndarray:
    """An Arrow column as int64; dates as days since 1970-01-01, instants as microseconds; `absent` where null."""
    kind = column.type
    if pa.types.is_date32(kind):
        column = column.cast(pa.int32())
    elif pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    if column.null_count:
        column = column.cast(pa.int64()).fill_null(absent)
    return column.to_numpy()


def columns_of(partition: Partition, shared: Conventions) -> Loans:
    """Columns of a partition; the loans in its order, their events grouped by loan."""
    contracts = partition.contracts
    keys, convention = _grouped(contracts)
    conventions = [shared.get(*key) for key in keys]
    custom, offsets = _custom(conventions, convention)
    own = {name: numbers(contracts[name], NO if name.endswith("_on") else 0) for name in OWN}
    terms = terms_bulk(own, [c.terms for c in conventions], convention, custom, offsets)
    broken = np.array([bool(c.error) for c in conventions], bool)
    refused = np.full(len(contracts), -1, np.int64)
    refused[unsound(terms) | (broken[convention] if len(broken) else False)] = 0
    return Loans(terms, _events(partition, refused), conventions, convention, refused)


def _grouped(contracts: pa.Table) -> tuple[list[tuple[int, str, str]], np.ndarray]:
    """Distinct (product, currency, overrides), and which of them each loan has."""
    product = numbers(contracts["product_id"])
    currency, overrides = (contracts[n].combine_chunks().dictionary_encode() for n in ("currency", "overrides"))
    code = (product * len(currency.dictionary) + currency.indices.to_numpy()) * max(1, len(overrides.dictionary))
    _, first, which = np.unique(code + overrides.indices.to_numpy(), return_index=True, return_inverse=True)
    keys = [(int(product[i]), currency[int(i)].as_py(), overrides[int(i)].as_py()) for i in first]
    return keys, which.astype(np.int64)


def _custom(conventions: list[Convention], which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Custom rows loan after loan, and where each loan's begin."""
    sizes = np.array([len(c.custom) for c in conventions], np.int64)
    offsets = np.zeros(len(which) + 1, np.int64)
    if not sizes.any():
        return np.empty((0, 3), np.int64), offsets
    np.cumsum(sizes[which], out=offsets[1:])
    return np.concatenate([conventions[i].custom for i in which if sizes[i]]), offsets


def _events(partition: Partition, refused: np.ndarray) -> EventColumns:
    """Events sorted by loan. A loan with an event that cannot be read is marked in `refused` and gets none."""
    ids, events = numbers(partition.contracts["id"]), partition.events
    of = numbers(events["contract_id"])
    order = None if len(of) < 2 or bool((of[1:] >= of[:-1]).all()) else np.argsort(of, kind="stable")
    loan = np.searchsorted(ids, of)
    loan[loan == len(ids)] = 0
    known = ids[loan] == of if len(ids) else np.zeros(len(of), bool)
    if not known.all():
        order = np.flatnonzero(known) if order is None else order[known[order]]
    given = {name: numbers(events[name]) for name in ("seq", "kind", "effective_on", "amount_minor", "recorded_at")}
    extra = events["extra"].combine_chunks()
    if order is not None:
        given, loan, extra = {n: a[order] for n, a in given.items()}, loan[order], extra.take(pa.array(order))
    special = _special(given, extra, loan, refused)
    if (refused >= 0).any():
        keep = refused[loan] < 0
        moved = np.cumsum(keep) - 1
        special = [(int(moved[at]), e) for at, e in special if keep[at]]
        given, loan = {n: a[keep] for n, a in given.items()}, loan[keep]
    offsets = np.searchsorted(loan, np.arange(len(ids) + 1))
    given["on"] = given.pop("effective_on")
    return events_bulk(offsets, special=special, **given)


def _special(given: dict[str, np.ndarray], extra: pa.Array, loan: np.ndarray, refused: np.ndarray) -> list[tuple[int, Event]]:
    """(index, event) of the rare events that say more than day, kind and amount."""
    says = np.isin(given["kind"], MORE)
    if extra.null_count < len(extra):
        says |= pc.is_valid(extra).to_numpy(zero_copy_only=False)
    out = []
    for at in np.flatnonzero(says).tolist():
        text = extra[at].as_py()
        seq, on = int(given["seq"][at]), date_of(int(given["effective_on"][at]))
        try:
            kind, said = EventKind(int(given["kind"][at])), json.loads(text) if text else None
            amount, at_us = int(given["amount_minor"][at]), int(given["recorded_at"][at])
            out.append((at, engine_event_of(seq, kind, on, amount, said, recorded_us=at_us)))
        except ValueError:
            refused[loan[at]] = seq
    return out


def subset(loans: Loans, chosen: np.ndarray) -> tuple[TermsColumns, EventColumns]:
    """Columns of some loans (int indices)."""
    terms, events = loans.terms, loans.events
    sizes = np.diff(events.offsets)[chosen]
    offsets = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    at = np.repeat(events.offsets[chosen] - offsets[:-1], sizes) + np.arange(offsets[-1])
    return replace(terms, loans=terms.loans[chosen]), replace(events, offsets=offsets, events=events.events[at])
