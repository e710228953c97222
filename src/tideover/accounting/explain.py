"""Why an entry was posted: the loans behind it, valued again on its day and the day before, and what their journals say of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tideover.accounting.models import BookRun, Entry, ReceiptPosition
from tideover.accounting.posting import entities_booked, part_for
from tideover.accounting.rules.positions import PLACE, SUSPENSE
from tideover.accounting.valuation import NO, day_of, since_on, value
from tideover.lending.columns import loans_read
from tideover.lending.models import Contract, LoanEvent, Receipt

LOANS_MAX = 20_000
"""More loans than this in one branch and product are not valued for a page."""
SHOWN_MAX = 100


@dataclass(slots=True)
class Because:
    """One loan's part of an entry (minor units, always the side of the entry), and its events that speak of the day."""

    contract: Contract
    amount_minor: int
    events: list[LoanEvent] = field(default_factory=list)


@dataclass(slots=True)
class Explained:
    """rows: the loans with the largest parts; count, total_minor: of all of them; whole: whether they give the entry's amount."""

    rows: list[Because]
    count: int
    total_minor: int
    whole: bool
    receipts: list[Receipt] = field(default_factory=list)


def explain(entry: Entry) -> Explained | None:
    """The loans behind an entry; None where it cannot be told loan by loan (opening and restated entries, very many loans)."""
    if entry.contract is not None:
        row = Because(entry.contract, entry.amount_minor, _events([entry.contract.pk], entry).get(entry.contract.pk, []))
        return Explained([row], 1, entry.amount_minor, True)
    if entry.position == SUSPENSE:
        return _suspense(entry)
    if entry.kind != "regular" or entry.position == "":
        return None
    ids = _ids(entry)
    if not 0 < len(ids) <= LOANS_MAX:
        return None
    moved = _moved(entry, ids)
    found = sorted(((a, pk) for pk, a in moved.items() if (a < 0) == entry.turned and a), key=lambda x: -abs(x[0]))
    shown = found[:SHOWN_MAX]
    contracts = Contract.objects.select_related("borrower", "product").in_bulk([pk for _, pk in shown])
    events = _events(list(contracts), entry)
    rows = [Because(contracts[pk], abs(a), events.get(pk, [])) for a, pk in shown]
    total = sum(abs(a) for a, _ in found)
    return Explained(rows, len(found), total, total == entry.amount_minor)


def _ids(entry: Entry) -> np.ndarray:
    rows = Contract.objects.filter(branch=entry.branch, product=entry.product, currency=entry.currency)
    rows = rows.filter(disbursed_on__lte=entry.booked_on, created_at__lte=entry.run.cut_off)
    return np.array(list(rows.order_by("pk").values_list("pk", flat=True)[: LOANS_MAX + 1]), np.int64)


def _moved(entry: Entry, ids: np.ndarray) -> dict[int, int]:
    """By how much the entry's position of each loan moved on the day, as known to the run that posted it."""
    loans = loans_read(ids)
    part = part_for(loans, entities_booked(), entry.run.last_day, entry.run.cut_off, known=True)
    on, place = day_of(entry.booked_on), PLACE[entry.position]
    every = np.arange(len(ids))
    old = every[loans.disbursed < on]
    before, since = np.zeros(len(ids), np.int64), np.full(len(ids), NO, np.int64)
    if len(old):
        since[old] = since_on(part, old, on - 1)
        was = value(part, old, np.full(len(old), on - 1, np.int64), since[old])
        before[old] = np.where(was.ok, was.amounts[:, place], 0)
    now = value(part, every, np.full(len(ids), on, np.int64), since)
    delta = np.where(now.ok, now.amounts[:, place] - before, 0)
    return {int(ids[n]): int(delta[n]) for n in np.flatnonzero(delta)}


def _events(contracts: list[int], entry: Entry) -> dict[int, list[LoanEvent]]:
    """Events of these loans that the run knew and that speak of the entry's day of effect."""
    rows = LoanEvent.objects.filter(contract__in=contracts, recorded_at__lte=entry.run.cut_off)
    if entry.kind == "adjusting":
        before = BookRun.objects.filter(pk__lt=entry.run_id).order_by("-pk").first()
        rows = rows.filter(recorded_at__gt=before.cut_off) if before is not None else rows
    else:
        rows = rows.filter(effective_on=entry.effective_on)
    out: dict[int, list[LoanEvent]] = {}
    for e in rows.order_by("contract_id", "seq"):
        out.setdefault(e.contract_id, []).append(e)
    return {pk: events[-5:] for pk, events in out.items()}


def _suspense(entry: Entry) -> Explained:
    rows = ReceiptPosition.objects.filter(entity=entry.entity, branch=entry.branch).select_related("receipt__party")
    receipts = [r.receipt for r in rows.filter(receipt__received_on__lte=entry.booked_on).order_by("-receipt__received_on")[:50]]
    return Explained([], 0, entry.amount_minor, True, receipts)
