"""What must always be true of the book, checked on demand: triggers, chains, reference rates, standing = replay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Count, F, Max, Min, Q, Sum
from django.db.models.functions import Coalesce

from tideover.core.business_time import business_date
from tideover.core.doctor import Check
from tideover.core.packs.rules.fixings import fixings_missing
from tideover.engine.terms import NO_DAY, date_of, day
from tideover.lending import triggers
from tideover.lending.columns import IMPOSSIBLE, OK, REJECTED, Conventions, loans_read, standings_of
from tideover.lending.counter.doctor import tills_check
from tideover.lending.held import CORE, REPLAY, Figure, figures_held, held_into
from tideover.lending.imports.standings import standing_columns
from tideover.lending.journal import chain_breaks
from tideover.lending.models import Contract, Receipt, StandingRow
from tideover.lending.rates import pack_here
from tideover.lending.resets import contracts_following, missing_fixings, reference_of

LOANS_AT_ONCE = 5000
NAMED_MAX = 10


def checks() -> list[Check]:
    """The checks of the book, the cheap ones first."""
    return [_triggers(), _rates(), _receipts(), tills_check(), _chains(), _standings()]


def _triggers() -> Check:
    missing = triggers.expected(connection.vendor) - triggers.installed()
    return Check("triggers", not missing, f"missing: {', '.join(sorted(missing))}" if missing else "all stand")


def _receipts() -> Check:
    """Every receipt's parts that stand add up to what it says is placed."""
    live = Coalesce(Sum("parts__amount_minor", filter=Q(parts__ended_at=None)), 0)
    wrong = Receipt.objects.annotate(live=live).exclude(live=F("placed_minor")).order_by("pk").values_list("number", flat=True)
    named = list(wrong[:NAMED_MAX])
    return Check("receipts = parts", not named, f"not: {', '.join(named)}" if named else "all add up")


def _rates() -> Check:
    """Fixings that should be out and are neither in the pack nor published here. A fault once a loan follows the index."""
    today = business_date()
    followed = {r.index for r in map(reference_of, contracts_following()) if r is not None}
    said, faults = [], False
    for index, days in fixings_missing(pack_here("cn"), today).items():
        if days:
            said.append(f"{index} lacks {', '.join(f'{d:%Y-%m}' for d in days)}")
            faults |= index in followed
    waiting = missing_fixings(today)
    if waiting:
        said.append(f"{len(waiting)} loans wait for a rate: {'; '.join(waiting[:3])}")
    if said and not faults:
        said.append("no loan follows them")
    return Check("reference rates", not faults, "; ".join(said) or "every fixing published so far is there")


def _spans() -> Iterator[tuple[int, int]]:
    ids = Contract.objects.aggregate(first=Min("pk"), last=Max("pk"))
    for at in range(ids["first"] or 0, (ids["last"] or -1) + 1, LOANS_AT_ONCE):
        yield at, at + LOANS_AT_ONCE - 1


def _chains() -> Check:
    broken = [f"{number} at {seq}" for span in _spans() for number, seq in chain_breaks(*span)]
    count = Contract.objects.aggregate(count=Count("pk"))["count"]
    said = f"broken: {', '.join(broken[:NAMED_MAX])}" if broken else f"{count} whole"
    return Check("journal chains", not broken, said)


COLUMNS = tuple(f.attname for f in StandingRow._meta.concrete_fields if f.attname != "contract_id")


def _standings() -> Check:
    """Every cached standing against replay on its day (or the core's figures where they hold), in batches; a loan without a
    standing is named too."""
    wrong: list[str] = []
    seen, shared = 0, Conventions.of_book()
    for first, last in _spans():
        rows = list(
            StandingRow.objects.filter(contract_id__gte=first, contract_id__lte=last)
            .order_by("pk")
            .values_list("contract_id", *COLUMNS)
        )
        bare = Contract.objects.filter(pk__range=(first, last), standing=None).values_list("number", flat=True)
        wrong += [f"{number} (no standing)" for number in bare]
        seen += len(rows)
        if rows:
            wrong += _differences(rows, shared)
    said = f"differs: {'; '.join(wrong[:NAMED_MAX])}" if wrong else f"{seen} equal"
    return Check("standing = replay", not wrong, said)


def _differences(rows: list[tuple[Any, ...]], shared: Conventions) -> list[str]:
    cached = dict(zip(("id", *COLUMNS), map(_plain, zip(*rows, strict=True)), strict=True))
    loans = loans_read(cached["id"], shared)
    as_of = np.maximum(cached["as_of"], loans.disbursed)
    found, state = standings_of(loans, as_of)
    core = held_into(found, state, loans, as_of, None, _figures(loans.ids, as_of, cached["source"] == CORE))
    made = standing_columns(found, as_of, loans) | {"source": np.where(core, CORE, REPLAY)}
    differs = {name: np.asarray(made[name]) != cached[name] for name in COLUMNS}
    out, numbers = [], loans.names()
    for i in np.flatnonzero(np.any(list(differs.values()), axis=0) | (state != OK)):
        names = [name for name in COLUMNS if differs[name][i]]
        if state[i] == REJECTED:
            names = [f"event {int(found.table['status_seq'][i])} cannot happen"]
        elif state[i] == IMPOSSIBLE:
            names = ["impossible terms"]
        out.append(f"{numbers[i]} ({', '.join(names)})")
    return out


def _figures(ids: np.ndarray, as_of: np.ndarray, core: np.ndarray) -> dict[int, Figure]:
    """The core's figures on each loan's day. One whose row says replay is asked on the latest of the days."""
    out = figures_held(ids.tolist(), date_of(int(as_of.max())))
    for on in np.unique(as_of[core]).tolist():
        out |= figures_held(ids[core & (as_of == on)].tolist(), date_of(on))
    return out


def _plain(column: tuple[Any, ...]) -> np.ndarray:
    """A column as the engine has it: dates as days, no date as NO_DAY."""
    if any(isinstance(v, date) for v in column):
        return np.array([NO_DAY if v is None else day(v) for v in column], np.int64)
    return np.array([NO_DAY if v is None else v for v in column])
