"""What must always be true of the counter: tills hold what slips say, slips are what receipts say, no number is missing."""

from __future__ import annotations

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Coalesce

from tideover.core.doctor import Check
from tideover.lending.models import CounterSeries, Slip, Till

NAMED_MAX = 10


def tills_check() -> Check:
    """Tills, slips and their numbers, in a few queries whatever their number."""
    wrong = [*_tills(), *_slips(), *_series()]
    return Check("tills = slips = receipts", not wrong, f"not: {', '.join(wrong[:NAMED_MAX])}" if wrong else "all agree")


def _tills() -> list[str]:
    """A closed till is empty; a counted one expects what its moves were then; the cash taken is that of the slips."""
    moved = Till.objects.annotate(
        held=Coalesce(Sum("moves__amount_minor"), 0),
        taken=Coalesce(Sum("moves__amount_minor", filter=Q(moves__kind="taken")), 0),
    )
    full = moved.filter(state="closed").exclude(held=0) | moved.filter(state="counted").exclude(held=F("count__expected_minor"))
    out = list(full.order_by("pk").values_list("number", flat=True)[:NAMED_MAX])
    taken = dict(moved.values_list("number", "taken"))
    cash = Till.objects.annotate(cash=Coalesce(Sum("slips__amount_minor", filter=Q(slips__method="cash")), 0))
    return out + [n for n, minor in cash.order_by("pk").values_list("number", "cash") if taken[n] != minor]


def _slips() -> list[str]:
    """A booked slip and its receipt are of one amount, person and day; a cancelled one's receipt is reversed."""
    same = Q(receipt__amount_minor=F("amount_minor"), receipt__received_on=F("day"))
    rows = Slip.objects.filter(receipt__isnull=False)
    wrong = rows.exclude(same) | rows.filter(state="cancelled", receipt__reversed_at=None)
    return list(wrong.order_by("pk").values_list("number", flat=True)[:NAMED_MAX])


def _series() -> list[str]:
    out = []
    for s in CounterSeries.objects.filter(kind="slip").select_related("branch"):
        found = Slip.objects.filter(till__branch=s.branch, day__year=s.year).aggregate(n=Count("pk"), top=Max("sequence"))
        if (found["n"], found["top"] or 0) != (s.last, s.last):
            out.append(f"{s.branch.code} {s.year}")
    return out
