"""The page of late files: what ought to be here and is not."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tideover.core.access import require
from tideover.core.business_time import business_date
from tideover.lending.desk.late import KINDS, late_files
from tideover.lending.views import user_of

SHOWN_MAX = 200


@require("late-files")
def late(request: HttpRequest) -> HttpResponse:
    """Files that are late, of one kind or all, the oldest first."""
    kind = request.GET.get("kind", "")
    kind = kind if kind in KINDS else ""
    rows = late_files(user_of(request), business_date(), kind=kind)
    context = {
        "rows": rows[:SHOWN_MAX], "more": len(rows) > SHOWN_MAX, "kind": kind, "kinds": KINDS,
        "gaps": any(f.kind == "gap" for f in rows),
    }  # fmt: skip
    return render(request, "lending/desk/late_files.html", context)
