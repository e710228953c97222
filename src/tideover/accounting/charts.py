"""Which chart of accounts an entity books by on a day."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

from django.db import transaction

from tideover.accounting.models import Chart as StoredChart
from tideover.accounting.models import Entry
from tideover.accounting.rules.chart import Account, Chart, ChartError, chart_read
from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.problems import Problem, Refused, refuse
from tideover.lending.models import LegalEntity

FOLDER = Path(__file__).parent / "charts"
BUILT_IN = "cn"


@cache
def built_in() -> Chart:
    """The chart of the package."""
    return chart_read((FOLDER / f"{BUILT_IN}.yaml").read_text(encoding="utf-8"), f"{BUILT_IN}.yaml")


@cache
def _read(pk: int, text: str) -> Chart:
    return chart_read(text, f"chart {pk}")


def charts_of(entity: int) -> list[Chart]:
    """The charts of an entity, oldest first: the built-in one, then its own."""
    own = StoredChart.objects.filter(entity_id=entity).order_by("valid_from").values_list("pk", "source_yaml")
    return [built_in(), *(_read(pk, text) for pk, text in own)]


def chart_on(entity: int, on: date) -> Chart:
    """The chart of an entity on a booking day: its own newest one, else the built-in."""
    return [c for c in charts_of(entity) if c.valid_from <= on][-1]


def accounts_known(entity: int) -> dict[str, Account]:
    """Every account of every chart that the entity ever had; the newest meaning of a code."""
    return {code: a for chart in charts_of(entity) for code, a in chart.accounts.items()}


def chart_load(entity: LegalEntity, text: str, source: str, *, actor: str) -> StoredChart:
    """Store an entity's own chart; balances move to its accounts on the first day that is booked under it.

    The same text again changes nothing. Raises Refused with every problem of the chart, or when days under it are booked already.
    """
    try:
        chart = chart_read(text, source)
    except ChartError as error:
        raise Refused(*(Problem("bad_chart", p, "chart") for p in error.problems)) from error
    with transaction.atomic():
        same = StoredChart.objects.filter(entity=entity, valid_from=chart.valid_from).first()
        if same is not None:
            if same.source_yaml == text:
                return same
            raise refuse("chart_exists", f"{entity.code} has another chart from {chart.valid_from}; choose a later day")
        booked = Entry.objects.filter(entity=entity, booked_on__gte=chart.valid_from).order_by("-booked_on").first()
        if booked is not None:
            raise refuse("days_booked", f"{entity.code} is booked through {booked.booked_on}: valid_from must be later")
        row = StoredChart.objects.create(
            entity=entity, name=chart.name, valid_from=chart.valid_from, source_yaml=text, loaded_at=now(), actor=actor
        )
        log(actor, "books.chart", "entity", entity.code, {"chart": chart.name, "valid_from": chart.valid_from.isoformat()})
    return row
