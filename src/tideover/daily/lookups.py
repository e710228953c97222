"""Small tables that a day's rows point into, read once: codes by id, and which loans and parties have a hold in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from django.conf import settings
from django.db.models import Q, QuerySet

from tideover.lending.held import Figure, figures_of_day
from tideover.lending.models import Branch, Facility, Hold, LegalEntity, Product, Staff
from tideover.lending.receipts.selectors import MONEY_HERE


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes by id. ids: int64[n], rising."""

    ids: np.ndarray
    texts: pa.Array

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, Any]], kind: pa.DataType | None = None) -> Codes:
        """Codes of (id, code) pairs."""
        ordered = sorted(pairs)
        return cls(np.array([i for i, _ in ordered], np.int64), pa.array([t for _, t in ordered], kind or pa.string()))

    def column(self, ids: np.ndarray) -> pa.Array:
        """The codes of these ids (dictionary-encoded); null for an id that is not there."""
        return pa.DictionaryArray.from_arrays(self.at(ids), self.texts)

    def at(self, ids: np.ndarray) -> pa.Array:
        """Index of each id (int32); null for an id that is not there."""
        if not len(self.ids):
            return pa.nulls(len(ids), pa.int32())
        found = np.searchsorted(self.ids, ids).astype(np.int32)
        found[found == len(self.ids)] = 0
        return pa.array(found, mask=self.ids[found] != ids)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many by id. ids: int64[n], rising."""

    ids: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, ids: Iterable[int]) -> Counts:
        """Occurrences of each id."""
        found, counts = np.unique(np.fromiter(ids, np.int64), return_counts=True)
        return cls(found, counts.astype(np.int32))

    def at(self, ids: np.ndarray) -> np.ndarray:
        """int32 by id; 0 for an id that is not there."""
        if not len(self.ids):
            return np.zeros(len(ids), np.int32)
        at = np.searchsorted(self.ids, ids)
        at[at == len(self.ids)] = 0
        return np.where(self.ids[at] == ids, self.counts[at], 0).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Lookups:
    """Everything small that a loan's row names. lenders: (jurisdiction, kind of lender) by legal entity. figures: the core's that
    hold on the day and on the day before it, by contract id. money_here: loans late only because money that is here waits."""

    conventions: Mapping[int, Mapping[str, Any]]
    products: Codes
    versions: Codes
    entities: Codes
    lenders: Mapping[int, tuple[str, str]]
    branches: Codes
    managers: Codes
    facilities: Codes
    held_loans: Counts
    held_parties: Counts
    money_here: Counts
    figures: Mapping[int, Figure]
    figures_before: Mapping[int, Figure]


def lookups_read(as_of: date, cut_off: datetime) -> Lookups:
    """The lookups of a day, as known at the cut-off."""
    products = list(Product.objects.values_list("pk", "code", "version", "conventions"))
    holds = list(holds_open(as_of, cut_off).values_list("contract_id", "party_id", "kind"))
    entities = list(LegalEntity.objects.values_list("pk", "code", "jurisdiction", "lender_type"))
    return Lookups(
        conventions={pk: conventions for pk, _, _, conventions in products},
        products=Codes.of((pk, code) for pk, code, _, _ in products),
        versions=Codes.of(((pk, version) for pk, _, version, _ in products), pa.int32()),
        entities=Codes.of((pk, code) for pk, code, _, _ in entities),
        lenders={pk: (jurisdiction, kind) for pk, _, jurisdiction, kind in entities},
        branches=Codes.of(Branch.objects.values_list("pk", "code")),
        managers=Codes.of(Staff.objects.values_list("pk", "number")),
        facilities=Codes.of(Facility.objects.values_list("pk", "number")),
        held_loans=Counts.of(contract for contract, _, _ in holds if contract is not None),
        held_parties=Counts.of(party for contract, party, _ in holds if contract is None),
        money_here=Counts.of(contract for contract, _, kind in holds if contract is not None and kind == MONEY_HERE),
        figures=figures_of_day(as_of, cut_off),
        figures_before=figures_of_day(as_of - timedelta(days=1), cut_off),
    )


def day_bounds(as_of: date) -> tuple[datetime, datetime]:
    """First instant of a business day, and of the next."""
    zone = ZoneInfo(settings.BUSINESS_TIME_ZONE)
    following = as_of + timedelta(days=1)
    return tuple(datetime(d.year, d.month, d.day, tzinfo=zone) for d in (as_of, following))  # type: ignore[return-value]


def holds_open(as_of: date, cut_off: datetime) -> QuerySet[Hold]:
    """Holds in force at the end of a day, or at the cut-off when that comes first; recorded by the cut-off."""
    at = min(cut_off, day_bounds(as_of)[1])
    holds = Hold.objects.filter(recorded_at__lte=cut_off, starts_at__lte=at)
    return holds.filter(Q(ends_at=None) | Q(ends_at__gt=at)).filter(Q(lifted_at=None) | Q(lifted_at__gt=at))
