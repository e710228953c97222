"""The day on a page: which days are closed, which files came in, whether reference data and the action log are sound."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tideover.core.access import require
from tideover.core.action_log import newest_breaks
from tideover.core.business_time import business_date
from tideover.daily.models import CloseRun
from tideover.lending.models import ImportBatch
from tideover.web.house_rows import CHAIN_ENTRIES, missing_fixings, provisional_calendars

ROWS = 31


@require("day")
def page(request: HttpRequest) -> HttpResponse:
    """The latest closes and imports, and the checks that a page can afford."""
    today = business_date()
    context = {
        "today": today,
        "closes": CloseRun.objects.order_by("-as_of")[:ROWS],
        "imports": ImportBatch.objects.order_by("-started_at")[:ROWS],
        "fixings": sorted(missing_fixings(today).items()),
        "calendars": provisional_calendars(today),
        "broken": newest_breaks(CHAIN_ENTRIES),
        "chain_entries": CHAIN_ENTRIES,
    }
    return render(request, "web/day.html", context)
