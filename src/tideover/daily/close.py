"""The close of a day: replay every loan as known at the cut-off, say what changed, write the tape, refresh the screens.

Killed anywhere and run again it reuses its cut-off and gives the same tape. Files are named by the run and count only once the
run's manifest row names them, so a half-written tape is never seen. A lease keeps two closes apart; a dead one's runs out.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from tideover.core.business_time import now
from tideover.core.problems import refuse
from tideover.daily.models import CloseRun
from tideover.engine.standing import Standing
from tideover.lending.clock import cut_off_take
from tideover.lending.models import Contract, StandingRow
from tideover.lending.resets import resets_run
from tideover.lending.selectors import loan_standing, standing_fields
from tideover.tape import store

LEASE = timedelta(seconds=60)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Closed:
    """What a close says of itself (DESIGN §7)."""

    as_of: date
    loans: int
    events: int
    seconds: float
    tape: str
    digest: str


def tape_folder(as_of: date) -> Path:
    """Where the tapes of a day lie."""
    return Path(settings.TAPE_DIR) / as_of.isoformat()


def close_day(as_of: date, *, today: date) -> Closed:
    """Close one business day. Raises Refused for a day that has not come, or while another close holds the lease."""
    if as_of > today:
        raise refuse("day_not_come", f"{as_of} has not come yet; today is {today}", "as_of")
    started = time.perf_counter()
    if not CloseRun.objects.filter(as_of=as_of).exists():
        resets_run(as_of)  # before the cut-off is taken, so that the day is closed at its own rate
    run = _claim(as_of)
    if run.state == "done":
        return _closed(run, 0.0)
    before = _buckets(as_of - timedelta(days=1))
    loans, transitions, events = [], [], 0
    for contract, standing, count in _replayed(run):
        fields = standing_fields(standing, contract)
        loans.append(_tape_row(contract, standing, fields))
        events += count
        transitions += _transition(contract, fields["bucket"], before, as_of, run)
    tables = {"loans": store.table_of("loans", loans), "transitions": store.table_of("transitions", transitions)}
    names = {name: f"{name}-{run.pk}-{int(run.cut_off.timestamp() * 1000)}.parquet" for name in tables}
    for name, table in tables.items():
        store.write(tape_folder(as_of), names[name], table)
    run.loans, run.events, run.digest = len(loans), events, store.digest(tables.values())
    run.manifest = {name: [file] for name, file in names.items()}
    run.state, run.finished_at, run.lease_until = "done", now(), None
    run.save()
    _sweep(as_of, set(names.values()))
    return _closed(run, time.perf_counter() - started)


def close_through(first: date, last: date, *, today: date) -> Iterator[Closed]:
    """Close every day from `first` to `last`, skipping none."""
    for n in range((last - first).days + 1):
        yield close_day(first + timedelta(days=n), today=today)


def _claim(as_of: date) -> CloseRun:
    me = f"{socket.gethostname()}:{os.getpid()}"
    with transaction.atomic():
        run = CloseRun.objects.select_for_update().filter(as_of=as_of).first()
        if run is not None and run.state == "done":
            return run
        if run is not None and run.lease_until is not None and run.lease_until > now() and run.owner != me:
            raise refuse("close_running", f"{run.owner} is closing {as_of}; its lease ends at {run.lease_until:%H:%M:%S}")
        if run is None:
            run = CloseRun(as_of=as_of, cut_off=cut_off_take(), started_at=now())
        run.owner, run.lease_until = me, now() + LEASE
        run.save()
    return run


def _replayed(run: CloseRun) -> Iterator[tuple[Contract, Standing, int]]:
    loans = Contract.objects.filter(disbursed_on__lte=run.as_of, created_at__lte=run.cut_off)
    loans = loans.select_related("product", "borrower", "branch", "entity").prefetch_related("events").order_by("pk")
    last = 0
    while batch := list(loans.filter(pk__gt=last)[:BATCH]):
        rows = []
        for contract in batch:
            standing = loan_standing(contract, run.as_of, run.cut_off)
            rows.append((contract, standing_fields(standing, contract)))
            yield contract, standing, contract.event_count
        _screens(rows, run.cut_off)
        CloseRun.objects.filter(pk=run.pk).update(lease_until=now() + LEASE)
        last = batch[-1].pk


def _screens(rows: Iterable[tuple[Contract, dict[str, Any]]], cut_off: datetime) -> None:
    """Rewrite the standing cache, but not where a later day or an event after the cut-off has written it."""
    given = list(rows)
    with transaction.atomic():
        locked = Contract.objects.select_for_update().filter(pk__in=[c.pk for c, _ in given]).order_by("pk")
        counts = dict(locked.values_list("pk", "event_count"))
        newer = set(StandingRow.objects.filter(pk__in=counts, as_of__gt=given[0][1]["as_of"]).values_list("pk", flat=True))
        fresh = [
            StandingRow(contract=c, **fields)
            for c, fields in given
            if c.pk not in newer and counts[c.pk] == sum(e.recorded_at <= cut_off for e in c.events.all())
        ]
        columns = [f.name for f in StandingRow._meta.concrete_fields if not f.primary_key]
        StandingRow.objects.bulk_create(fresh, update_conflicts=True, unique_fields=["contract"], update_fields=columns)


def _buckets(on: date) -> dict[str, str] | None:
    """Bucket of each loan on the day before, from its tape; None when that day was not closed."""
    run = CloseRun.objects.filter(as_of=on, state="done").first()
    if run is None:
        return None
    table = store.read(tape_folder(on), "loans", run.manifest["loans"])
    return dict(zip(table["loan_id"].to_pylist(), table["bucket"].to_pylist(), strict=True))


ORDER = ("current", "d1_30", "d31_60", "d61_90", "d91_180", "d180p", "written_off")


def _transition(c: Contract, bucket: str, before: dict[str, str] | None, as_of: date, run: CloseRun) -> list[dict[str, Any]]:
    """What changed since the day before. A past day that looks different now is stated as `corrected`."""
    if before is None:
        return []
    base = {"data_cut_off_date": as_of, "loan_id": c.number, "to_bucket": bucket}
    if c.number not in before:
        return [{**base, "kind": "opened", "from_bucket": None}]
    out, old = [], before[c.number]
    if any(e.effective_on < as_of and e.recorded_at > _cut_off_of(as_of - timedelta(days=1)) for e in c.events.all()):
        yesterday = standing_fields(loan_standing(c, as_of - timedelta(days=1), run.cut_off), c)["bucket"]
        if yesterday != old:
            out.append({**base, "kind": "corrected", "from_bucket": old, "to_bucket": yesterday})
            old = yesterday
    if bucket == old:
        return out
    if bucket == "closed":
        kind = "paid_off"
    elif old == "current":
        kind = "became_overdue"
    elif bucket == "current" or (bucket in ORDER and old in ORDER and ORDER.index(bucket) < ORDER.index(old)):
        kind = "cured"
    else:
        kind = "rolled"
    return [*out, {**base, "kind": kind, "from_bucket": old}]


def _cut_off_of(on: date) -> datetime:
    return CloseRun.objects.values_list("cut_off", flat=True).get(as_of=on)


def _tape_row(c: Contract, s: Standing, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "data_cut_off_date": fields["as_of"],
        "loan_id": c.number,
        "borrower_id": c.borrower.reference,
        "originator_id": c.entity.code,
        "branch": c.branch.code,
        "product_code": c.product.code,
        "product_version": c.product.version,
        "currency": c.currency,
        "origination_date": c.disbursed_on,
        "original_principal_balance": c.principal_minor,
        "current_principal_balance": s.principal_minor,
        "interest_due": s.interest_minor,
        "accrued_interest": s.accrued_minor,
        "penalty_outstanding": s.penalty_minor,
        "compound_outstanding": s.compound_minor,
        "fees_outstanding": fields["fee_minor"],
        "recovery_cost_outstanding": s.recovery_cost_minor,
        "surplus": s.surplus_minor,
        "total_balance": s.payoff_minor,
        "interest_rate": c.annual_rate_ppm,
        "next_payment_date": fields["next_due_on"],
        "next_payment_amount": s.next_due_minor,
        "arrears_balance": s.overdue_principal_minor + s.overdue_interest_minor,
        "arrears_principal": s.overdue_principal_minor,
        "arrears_interest": s.overdue_interest_minor,
        "days_past_due": s.days_past_due,
        "bucket": fields["bucket"],
        "loan_status": fields["loan_status"],
        "five_category": fields["five_category"],
    }


def _sweep(as_of: date, keep: set[str]) -> None:
    """Remove files of this day that no manifest names: what a killed run left behind."""
    for path in tape_folder(as_of).glob("*.parquet"):
        if path.name not in keep:
            path.unlink()


def _closed(run: CloseRun, seconds: float) -> Closed:
    return Closed(run.as_of, run.loans, run.events, seconds, str(tape_folder(run.as_of)), run.digest)


def tapes(last: date | None = None) -> dict[str, Any]:
    """Every committed tape up to a day, as Arrow tables by name."""
    import pyarrow as pa

    runs = CloseRun.objects.filter(state="done").order_by("as_of")
    runs = runs.filter(as_of__lte=last) if last else runs
    out = {}
    for name in ("loans", "transitions"):
        parts = [store.read(tape_folder(r.as_of), name, r.manifest[name]) for r in runs]
        out[name] = pa.concat_tables(parts) if parts else store.table_of(name, [])
    return out
