"""Loans and their journals as the columns of the engine: no Python step a loan, a few for each convention that loans share.

The one way from stored rows to many standings: the close, imports, the doctor and comparisons all read the book so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tideover.core.packs.rules.fixings import reference_read
from tideover.engine.batch import STATUS_OK, Standings, replay_many
from tideover.engine.columns import NO, STANDING, EventColumns, TermsColumns
from tideover.engine.columns_bulk import SAYS_MORE, events_bulk, terms_bulk, unsound
from tideover.engine.events import Event, EventKind
from tideover.engine.terms import Method, Terms, date_of, day
from tideover.lending.contract_terms import terms_build
from tideover.lending.models import Product
from tideover.lending.rules.events import engine_event_of
from tideover.lending.sources import Partition, partition_of

OWN = ("principal_minor", "annual_rate_ppm", "disbursed_on", "instalments", "first_due_on", "due_day", "maturity_on")
PLAIN = Terms(1, 0, Method.BULLET)
MORE = np.array([int(k) for k in SAYS_MORE])


@dataclass(frozen=True, slots=True)
class Convention:
    """What loans share: the terms without their own columns and rows, whether the rate follows an index, the ladder of classes
    that the product names beside its lender's (empty for none).

    error: why no terms could be made of it; then `terms` is a plain loan that is never replayed.
    """

    terms: Terms
    is_floating: bool
    ladder: str = ""
    error: str = ""


@dataclass(slots=True)
class Conventions:
    """Conventions by product, currency and overrides, each made once a close. products: conventions by product id."""

    products: Mapping[int, Mapping[str, Any]]
    known: dict[tuple[int, str, str], Convention] = field(default_factory=dict)

    @classmethod
    def of_book(cls) -> Conventions:
        """Those of every product version that is stored."""
        return cls(dict(Product.objects.values_list("pk", "conventions")))

    def get(self, product: int, currency: str, overrides: str) -> tuple[Convention, np.ndarray]:
        """The convention of these three, and the rows that they write out (int64[k, 3]: due day, principal, interest).

        `overrides` is the JSON as stored. Loans that differ in their rows alone share a convention.
        """
        rows: Any = self.products[product].get("custom_rows", ())
        if '"custom_rows"' in overrides:
            own = json.loads(overrides)
            rows, overrides = own.pop("custom_rows"), json.dumps(own, sort_keys=True)
        key = (product, currency, overrides)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._make(product, currency, json.loads(overrides or "{}"))
        try:
            return found, rows_read(rows)
        except (ValueError, TypeError, KeyError) as error:
            return Convention(PLAIN, False, error=f"custom_rows: {error}"), rows_read(())

    def _make(self, product: int, currency: str, overrides: dict[str, Any]) -> Convention:
        given = {**self.products[product], **overrides}
        own = {name: getattr(PLAIN, name) for name in OWN}
        try:
            terms = terms_build(self.products[product], {**own, "currency": currency}, overrides)
            floating = given.get("reference") is not None and bool(reference_read(given["reference"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return Convention(PLAIN, False, error=str(error))
        return Convention(terms, floating, str(given.get("ladder", "")))


def rows_read(rows: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """Rows as a contract stores them, as int64[k, 3]. Raises ValueError, TypeError or KeyError for what cannot be read."""
    said = [(day(r["due_on"]), r["principal_minor"], r.get("interest_minor", -1)) for r in rows]
    return np.array(said, np.int64).reshape(-1, 3)


@dataclass(slots=True)
class Loans:
    """A partition as the engine reads it. ids, disbursed: int64[n], the contracts' ids rising; convention: index into
    `conventions` by loan. refused: seq of the event that cannot be read, 0 for impossible terms, -1 for loans that can be
    replayed; the engine gets such loans without their events."""

    partition: Partition
    ids: np.ndarray
    terms: TermsColumns
    events: EventColumns
    conventions: list[Convention]
    convention: np.ndarray
    refused: np.ndarray

    @property
    def disbursed(self) -> np.ndarray:
        """Day of payout of each loan (int64[n])."""
        return np.asarray(self.terms.loans["disbursed_on"])

    def names(self) -> list[str]:
        """The loans' numbers."""
        return list(self.partition.contracts["number"].to_pylist())


OK, REJECTED, IMPOSSIBLE = range(3)
"""State of a loan: replayed; an event cannot be read or cannot apply; impossible terms."""


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


def loans_read(ids: np.ndarray, shared: Conventions | None = None) -> Loans:
    """The loans with these ids (int64) and all that is known of them, by rising id."""
    return columns_of(partition_of(ids), shared or Conventions.of_book())


def columns_of(partition: Partition, shared: Conventions, custom: tuple[np.ndarray, np.ndarray] | None = None) -> Loans:
    """Columns of a partition; the loans in its order, their events grouped by loan.

    custom: rows (int64[k, 3]) and offsets by loan, where they are known without reading them from the overrides.
    """
    contracts = partition.contracts
    keys, which = _grouped(contracts)
    found = [shared.get(*key) for key in keys]
    conventions = list({id(c): c for c, _ in found}.values())
    place = {id(c): i for i, c in enumerate(conventions)}
    rows, offsets = custom or _custom([rows for _, rows in found], which)
    convention = np.array([place[id(c)] for c, _ in found], np.int64)[which] if found else which
    own = {name: numbers(contracts[name], NO if name.endswith("_on") else 0) for name in OWN}
    terms = terms_bulk(own, [c.terms for c in conventions], convention, rows, offsets)
    broken = np.array([bool(c.error) for c in conventions], bool)
    refused = np.full(len(contracts), -1, np.int64)
    refused[unsound(terms) | (broken[convention] if len(broken) else False)] = 0
    return Loans(partition, numbers(contracts["id"]), terms, _events(partition, refused), conventions, convention, refused)


def with_events(loans: Loans, more: pa.Table) -> Loans:
    """The same loans with events (a table of sources.EVENTS) after those that are stored."""
    partition = Partition(loans.partition.contracts, pa.concat_tables([loans.partition.events, more]))
    refused = np.where(loans.refused == 0, 0, -1)
    return replace(loans, partition=partition, events=_events(partition, refused), refused=refused)


def event_counts(loans: Loans) -> np.ndarray:
    """How many events each loan has (int64[n]), those that cannot be read included."""
    of = numbers(loans.partition.events["contract_id"])
    ordered = of if len(of) < 2 or bool((of[1:] >= of[:-1]).all()) else np.sort(of)
    return np.searchsorted(ordered, loans.ids, side="right") - np.searchsorted(ordered, loans.ids, side="left")


def standings_of(
    loans: Loans, as_of: int | np.ndarray, known_us: int | None = None, chosen: np.ndarray | None = None
) -> tuple[Standings, np.ndarray]:
    """Standings of loans (all, or those at the indices `chosen`) on `as_of` (int day, one or one a loan chosen; never before
    the payout), from events known by `known_us`; and the state of each (OK, REJECTED, IMPOSSIBLE; int64).

    Impossible loans are not shown to the kernel; their records are zero. `status_seq` names the event that is to blame.
    """
    chosen = np.arange(len(loans.ids)) if chosen is None else chosen
    refused = loans.refused[chosen]
    sound = np.flatnonzero(refused < 0)
    every = len(sound) == len(loans.ids)
    terms, events = (loans.terms, loans.events) if every else subset(loans, chosen[sound])
    days = np.broadcast_to(as_of, len(chosen))[sound]
    answer = replay_many(terms, events, np.maximum(days, terms.loans["disbursed_on"]), known_us)
    state = np.where(refused == 0, IMPOSSIBLE, np.where(refused > 0, REJECTED, OK))
    state[sound[answer.table["status"] != STATUS_OK]] = REJECTED
    if every:
        return answer, state
    table = np.zeros(len(chosen), STANDING).view(np.recarray)
    table[sound] = answer.table
    table["status_seq"] = np.where(refused > 0, refused, table["status_seq"])
    return Standings(table, answer.classes, answer.by_reference), state


def _grouped(contracts: pa.Table) -> tuple[list[tuple[int, str, str]], np.ndarray]:
    """Distinct (product, currency, overrides), and which of them each loan has."""
    product = numbers(contracts["product_id"])
    currency, overrides = (contracts[n].combine_chunks().dictionary_encode() for n in ("currency", "overrides"))
    code = (product * len(currency.dictionary) + currency.indices.to_numpy()) * max(1, len(overrides.dictionary))
    _, first, which = np.unique(code + overrides.indices.to_numpy(), return_index=True, return_inverse=True)
    keys = [(int(product[i]), currency[int(i)].as_py(), overrides[int(i)].as_py()) for i in first]
    return keys, which.astype(np.int64)


def _custom(rows: list[np.ndarray], which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Custom rows loan after loan, and where each loan's begin. which: index into `rows` by loan."""
    sizes = np.array([len(r) for r in rows], np.int64)
    offsets = np.zeros(len(which) + 1, np.int64)
    if not sizes.any():
        return np.empty((0, 3), np.int64), offsets
    np.cumsum(sizes[which], out=offsets[1:])
    return np.concatenate([rows[i] for i in which if sizes[i]]), offsets


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
