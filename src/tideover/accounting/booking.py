"""Numbered entries of days: lines of a run become vouchers, accounts come from the chart of each day, sums by account are kept.

Called inside a transaction that holds the books' lock, so that voucher numbers run without a gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db.models import Max, Sum

from tideover.accounting.charts import charts_of
from tideover.accounting.models import Entry, PeriodClose, Turnover
from tideover.accounting.rules.chart import Chart
from tideover.core.problems import refuse
from tideover.core.sql import rows_insert, tuples_insert

COLUMNS = (
    "entity_id", "period", "voucher", "line", "booked_on", "effective_on", "kind", "branch_id", "product_id", "contract_id",
    "currency", "position", "turned", "debit", "credit", "amount_minor", "run_id",
)  # fmt: skip
CHART = "chart"


def book(days: Mapping[date, Sequence[tuple[Any, ...]]], run: int) -> int:
    """Write the entries of these days in order, and their sums by account; how many entries.

    A line is (effective day ISO, kind, entity, branch, product, currency, contract, position, turned, amount). Raises Refused for
    a day in a closed period.
    """
    books = _Books(days, run)
    for on in sorted(days):
        books.day(on, days[on])
    books.write()
    books.sums_write()
    return books.made


class _Books:
    """What booking some days needs to know, read once."""

    def __init__(self, days: Mapping[date, Sequence[tuple[Any, ...]]], run: int) -> None:
        self.run = run
        entities = {line[2] for lines in days.values() for line in lines}
        self.charts = {entity: charts_of(entity) for entity in entities}
        self.closed = set(PeriodClose.objects.filter(period__gte=min(days).replace(day=1)).values_list("entity_id", flat=True))
        before = Entry.objects.filter(entity__in=entities, booked_on__lt=min(days))
        self.last_day = dict(before.order_by().values_list("entity").annotate(last=Max("booked_on")))
        self.numbers: dict[tuple[int, date], int] = {}
        self.sums: dict[tuple[date, int, str, str], list[int]] = defaultdict(lambda: [0, 0])
        self.rows: list[tuple[Any, ...]] = []
        self.made = 0

    def write(self) -> None:
        """Insert the entries made since the last time."""
        tuples_insert(Entry, COLUMNS, self.rows)
        self.made, self.rows = self.made + len(self.rows), []

    def day(self, on: date, lines: Sequence[tuple[Any, ...]]) -> None:
        """Make one day's entries: one voucher for each entity, branch, kind, day of effect and loan."""
        period = on.replace(day=1)
        charts = {entity: _chart(self.charts[entity], on) for entity in {line[2] for line in lines}}
        if self.closed & charts.keys():
            raise refuse("period_closed", f"the period of {on} is closed")
        lines = [*self._to_new_charts(on, charts), *lines]
        last: tuple[Any, ...] = ()
        at = 0
        for line in sorted(lines, key=_by_voucher):
            effective, kind, entity, branch, product, currency, contract, position, turned, amount = line
            if (voucher := (entity, branch, kind, effective, contract)) != last:
                last, at, number = voucher, 0, self._next(entity, period)
            at += 1
            # A change of charts names its two accounts itself.
            pair = position if isinstance(position, tuple) else charts[entity].entries[position]
            debit, credit = pair[::-1] if turned else pair
            self.rows.append(
                (
                    entity, period, number, at, on, date.fromisoformat(effective), kind, branch or None, product or None,
                    contract or None, currency, "" if isinstance(position, tuple) else position, turned, debit, credit, amount,
                    self.run,
                )
            )  # fmt: skip
            self.sums[on, entity, currency, debit][0] += amount
            self.sums[on, entity, currency, credit][1] += amount
        self.last_day |= dict.fromkeys(charts, on)

    def _next(self, entity: int, period: date) -> int:
        if (entity, period) not in self.numbers:
            found = Entry.objects.filter(entity_id=entity, period=period).aggregate(last=Max("voucher"))
            self.numbers[entity, period] = found["last"] or 0
        self.numbers[entity, period] += 1
        return self.numbers[entity, period]

    def _to_new_charts(self, on: date, charts: Mapping[int, Chart]) -> list[tuple[Any, ...]]:
        """Where an entity's chart is another than that of its last booked day: every balance moves to its new account."""
        out: list[tuple[Any, ...]] = []
        for entity, chart in charts.items():
            last = self.last_day.get(entity)
            if last is not None and (old := _chart(self.charts[entity], last)) is not chart:
                self.write()  # what was made on earlier days is among the balances
                out += _reclassed(on, entity, old, chart)
        return out

    def sums_write(self) -> None:
        """Add what was booked to the days' sums by account."""
        there = {
            (t.booked_on, t.entity_id, t.currency, t.account): t
            for t in Turnover.objects.filter(booked_on__in={k[0] for k in self.sums})
        }
        new = []
        for (on, entity, currency, account), (debit, credit) in sorted(self.sums.items()):
            row = there.get((on, entity, currency, account))
            if row is None:
                new.append(
                    Turnover(
                        entity_id=entity, booked_on=on, currency=currency, account=account, debit_minor=debit, credit_minor=credit
                    )
                )
            else:
                row.debit_minor, row.credit_minor = row.debit_minor + debit, row.credit_minor + credit
                row.save(update_fields=["debit_minor", "credit_minor"])
        rows_insert(Turnover, new)


def _chart(charts: Sequence[Chart], on: date) -> Chart:
    """The newest of an entity's charts (oldest first) that holds on a day."""
    return [c for c in charts if c.valid_from <= on][-1]


def _by_voucher(line: tuple[Any, ...]) -> tuple[Any, ...]:
    effective, kind, entity, branch, product, _currency, contract, position, turned, _amount = line
    return entity, branch, kind, effective, contract, product, str(position), turned


def _reclassed(on: date, entity: int, old: Chart, new: Chart) -> list[tuple[Any, ...]]:
    by = ("branch", "product", "currency", "position", "turned")
    rows = Entry.objects.filter(entity_id=entity).exclude(position="").order_by().values_list(*by).annotate(Sum("amount_minor"))
    nets: dict[tuple[Any, ...], int] = defaultdict(int)
    for branch, product, currency, position, turned, total in rows:
        nets[branch or 0, product or 0, currency, position] += -total if turned else total
    out: list[tuple[Any, ...]] = []
    for (branch, product, currency, position), net in sorted(nets.items()):
        for was, will, is_debit in zip(old.entries[position], new.entries[position], (True, False), strict=True):
            if net and was != will:
                pair = (will, was) if is_debit else (was, will)
                out.append((on.isoformat(), CHART, entity, branch, product, currency, 0, pair, net < 0, abs(net)))
    return out
