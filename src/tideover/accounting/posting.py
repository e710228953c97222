"""Posting: the difference between what replay says now and what has been posted, into the open period.

A run goes through the book in parts; each part's sub-ledger rows and the sums of what it moves are written in one short
transaction. When all parts are done the days are booked one after the other, in short transactions too. A run that was killed
goes on where it stopped with the same days and the same knowledge; a run that finds nothing moved posts nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Min, Q, Sum

from tideover.accounting.booking import book
from tideover.accounting.charts import chart_on
from tideover.accounting.law import Lender
from tideover.accounting.lease import books_lock, claim, renew, running
from tideover.accounting.models import BookRun, LoanPosition, PeriodClose, ReceiptPosition, RunPart
from tideover.accounting.moving import ADJUSTING, REGULAR, Line, Places, moved, summed
from tideover.accounting.rules.positions import SUSPENSE
from tideover.accounting.rules.tax import Relief, Taxed
from tideover.accounting.valuation import Part, part_of
from tideover.core.business_time import micros, now
from tideover.core.lease import owner_new
from tideover.core.sql import rows_insert
from tideover.lending.columns import Conventions, Loans, columns_of, numbers
from tideover.lending.models import Contract, LegalEntity, LoanParty, Receipt
from tideover.lending.models.organisation import BookMode
from tideover.lending.sources import Book, Partition

PART = 1_500
"""Loans in one part: what is written of it takes well under a second."""
LINES_AT_ONCE = 4_000
"""Entries booked in one transaction, whole days at a time."""
NAMED_MAX = 100


@dataclass(frozen=True, slots=True)
class Posted:
    """What a run says of itself."""

    first_day: date
    last_day: date
    loans: int
    entries: int
    skipped: int
    seconds: float


def last_posted() -> date | None:
    """The last day that is posted; None before the books begin."""
    row = BookRun.objects.filter(state="done").order_by("-last_day", "-pk").first()
    return None if row is None else row.last_day


def books_post(
    through: date, *, cut_off: datetime, first: date | None = None, said: Callable[[int], None] = lambda loans: None
) -> Posted | None:
    """Post every day after the last posted one up to `through`, from what was recorded by `cut_off`; then its news.

    first: the first day of the books, when they begin (default: `through`); what lies before it comes in as opening entries.
    None when `through` lies before what is posted, or in a closed period. Raises Refused while another run is alive.
    """
    started, before = now(), last_posted()
    unfinished = running()
    if unfinished is None:
        begin = through if before is None else before + timedelta(days=1)
        if before is None and first is not None:
            begin = min(first, through)
        if before is not None and (through < before or (through == before and _is_closed(through))):
            return None
        if not entities_booked():
            return None
    else:
        begin = unfinished.first_day
    run = claim(begin, through, cut_off, owner_new())
    try:
        _parts(run, said)
        _entries(run)
        _finish(run)
    finally:
        BookRun.objects.filter(pk=run.pk, owner=run.owner).update(lease_until=None)
    if unfinished is not None and run.last_day < through:
        return books_post(through, cut_off=cut_off, said=said)
    return Posted(run.first_day, run.last_day, run.loans, run.entries, run.skipped_count, (now() - started).total_seconds())


def first_payout() -> date | None:
    """The day on which the oldest loan was paid out."""
    found: date | None = Contract.objects.aggregate(first=Min("disbursed_on"))["first"]
    return found


def entities_booked() -> dict[int, LegalEntity]:
    """Entities whose ledger these books are: those in overlay keep it in their core system."""
    return {e.pk: e for e in LegalEntity.objects.filter(book_mode=BookMode.RECORD)}


def _is_closed(on: date) -> bool:
    return PeriodClose.objects.filter(period__gte=on.replace(day=1)).exists()


# --- the parts ---------------------------------------------------------------------------------------------------------


def _parts(run: BookRun, said: Callable[[int], None]) -> None:
    if run.posted_to is not None:
        return
    if run.done_to == 0:
        _suspense(run)
    entities, shared = entities_booked(), Conventions.of_book()
    for partition in Book(run.last_day, run.cut_off, PART, after=run.done_to).partitions():
        last = int(numbers(partition.contracts["id"])[-1]) if len(partition.contracts) else run.done_to
        part, places = booked_part(partition, shared, entities, run)
        stored = {p.pk: p for p in LoanPosition.objects.filter(pk__in=part.loans.ids.tolist())} if len(part.loans.ids) else {}
        found = moved(part, places, run, stored)
        with transaction.atomic():
            renew(run)
            rows_insert(LoanPosition, found.rows, replace_on="contract")
            RunPart.objects.create(run=run, lines=found.lines)
            run.done_to, run.loans = last, run.loans + len(found.rows)
            run.skipped_count += len(found.skipped)
            run.skipped = [*run.skipped, *found.skipped][:NAMED_MAX]
            run.save(update_fields=["done_to", "loans", "skipped_count", "skipped"])
        said(len(part.loans.ids))


def booked_part(partition: Partition, shared: Conventions, entities: dict[int, LegalEntity], run: BookRun) -> tuple[Part, Places]:
    """The loans of a partition whose entities these books keep, ready to be valued, and where they are booked."""
    keep = np.isin(numbers(partition.contracts["entity_id"]), np.array(list(entities), np.int64))
    if not keep.all():
        partition = Partition(partition.contracts.filter(keep), partition.events)
    loans = columns_of(partition, shared)
    return part_for(loans, entities, run.last_day, run.cut_off), places_of(partition)


def part_for(loans: Loans, entities: dict[int, LegalEntity], on: date, cut_off: datetime, known: bool = False) -> Part:
    """These loans with their lender and their co-lenders' shares; `known`: only what was recorded by the cut-off counts."""
    entity = numbers(loans.partition.contracts["entity_id"])
    own = _reliefs(loans.ids, entities, on)
    under = [
        Lender(e.jurisdiction, e.lender_type, own.get(pk, ()))
        for pk, e in zip(loans.ids.tolist(), map(entities.__getitem__, entity.tolist()), strict=True)
    ]
    kinds = list(dict.fromkeys(under))
    at = {kind: n for n, kind in enumerate(kinds)}
    lender = np.array([at[u] for u in under], np.int64)
    return part_of(loans, kinds, lender, _shares(loans.ids, on, cut_off), micros(cut_off) if known else None)


def _reliefs(ids: np.ndarray, entities: dict[int, LegalEntity], on: date) -> dict[int, tuple[Relief, ...]]:
    """The lines of their lender's tax table that speak of these loans, where there are any. The table is that of the chart of the
    day; each line says itself from when to when it holds."""
    tables = {pk: chart_on(pk, on).vat for pk in entities}
    with_own = [pk for pk, table in tables.items() if table]
    out: dict[int, tuple[Relief, ...]] = {}
    for first in range(0, len(ids) if with_own else 0, PART):
        rows = Contract.objects.filter(pk__in=ids[first : first + PART].tolist(), entity__in=with_own)
        names = ("product__code", "borrower__kind", "borrower__industry", "purpose", "principal_minor")
        for pk, entity, *looked_at in rows.values_list("pk", "entity_id", *names):
            if found := tuple(line for line in tables[entity] if line.fits(Taxed(*looked_at))):
                out[pk] = found
    return out


def places_of(partition: Partition) -> Places:
    """Where the loans of a partition are booked."""
    c = partition.contracts
    columns = [numbers(c[n]).tolist() for n in ("entity_id", "branch_id", "product_id")]
    keys = list(zip(*columns, c["currency"].to_pylist(), strict=True))
    rows = sorted(set(keys))
    at = {key: n for n, key in enumerate(rows)}
    return Places(rows, np.array([at[k] for k in keys], np.int64))


def _shares(ids: np.ndarray, on: date, cut_off: datetime) -> np.ndarray:
    """The co-lenders' share of each loan (ppm), known by the cut-off and in force on the day; it holds for its whole life."""
    out = np.zeros(len(ids), np.int64)
    rows = LoanParty.objects.filter(role="co_lender", share_ppm__gt=0, valid_from__lte=on)
    rows = rows.filter(Q(valid_to=None) | Q(valid_to__gt=on), Q(recorded_at=None) | Q(recorded_at__lte=cut_off))
    for contract, share in rows.values_list("contract").annotate(share=Sum("share_ppm")).values_list("contract", "share"):
        at = np.searchsorted(ids, contract)
        if at < len(ids) and ids[at] == contract:
            out[at] = min(share, 1_000_000)
    return out


def _suspense(run: BookRun) -> None:
    """Receipts with money that is not yet placed (or is on its way back), against what is posted of them."""
    entities = list(entities_booked())
    posted = {p.pk: p for p in ReceiptPosition.objects.all()}
    open_ = Receipt.objects.filter(Q(unapplied_minor__gt=0) | Q(refunding_minor__gt=0), entity__in=entities)
    open_ = open_.filter(received_on__lte=run.last_day)
    open_ = open_.filter(recorded_at__lte=run.cut_off, reversed_at=None).select_related("party", "entity")
    rows = {r.pk: r for r in open_} | {r.pk: r for r in Receipt.objects.filter(pk__in=posted).select_related("party", "entity")}
    lines: list[Line] = []
    changed: list[ReceiptPosition] = []
    for pk, r in sorted(rows.items()):
        branch = r.party.branch if r.party is not None else None
        row = posted.get(pk) or ReceiptPosition(receipt=r, entity=r.entity, branch=branch, amount_minor=0)
        held = r.unapplied_minor + r.refunding_minor
        wanted = 0 if r.reversed_at is not None and r.reversed_at <= run.cut_off else held
        delta = wanted - row.amount_minor
        if not delta:
            continue
        new = pk not in posted
        booked = min(max(r.received_on, run.first_day), run.last_day) if new else run.last_day
        effective = min(r.received_on, booked) if new else booked
        kind = REGULAR if effective == booked else ADJUSTING
        days = booked.isoformat(), effective.isoformat()
        where = r.entity_id, row.branch_id or 0, 0, r.entity.currency
        lines.append(Line(*days, kind, *where, 0, SUSPENSE, delta < 0, abs(delta)))
        row.amount_minor = wanted
        changed.append(row)
    with transaction.atomic():
        renew(run)
        rows_insert(ReceiptPosition, changed, replace_on="receipt")
        RunPart.objects.filter(run=run).delete()
        RunPart.objects.create(run=run, lines=lines)
        run.done_to = -1
        run.save(update_fields=["done_to"])


# --- the entries -------------------------------------------------------------------------------------------------------


def _entries(run: BookRun) -> None:
    """Entries of every day of the run that is not booked yet, in order, a few thousand a transaction."""
    by_day: dict[date, list[tuple[Any, ...]]] = defaultdict(list)
    for key, amount in sorted(summed(line for p in run.parts.order_by("pk") for line in p.lines).items()):
        by_day[date.fromisoformat(key[0])].append((*key[1:], amount))
    days = [d for d in sorted(by_day) if run.posted_to is None or d > run.posted_to]
    for group in _groups(days, by_day):
        with transaction.atomic():
            books_lock()
            renew(run)
            made = book({on: by_day[on] for on in group}, run.pk)
            run.posted_to, run.entries = group[-1], run.entries + made
            run.save(update_fields=["posted_to", "entries"])


def _groups(days: list[date], by_day: dict[date, list[Any]]) -> Iterator[list[date]]:
    group: list[date] = []
    size = 0
    for on in days:
        if group and size + len(by_day[on]) > LINES_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(on)
        size += len(by_day[on])
    if group:
        yield group


def _finish(run: BookRun) -> None:
    with transaction.atomic():
        renew(run)
        run.parts.all().delete()
        run.state, run.finished_at = "done", now()
        run.save(update_fields=["state", "finished_at"])
