"""REST of payments operations' desk: its rows as the home shows them, and the files that are late."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.business_time import business_date
from tideover.core.rest import Amount, decimal, route
from tideover.lending.desk.late import LateFile, late_files
from tideover.lending.desk.policy import targets
from tideover.lending.desk.rows import desk_rows

router = Router(tags=["payments desk"])


class DeskRowOut(Schema):
    """One row. `kind`: its name in the desk policy; `late`: it should have been settled by now."""

    kind: str
    group: str
    label: str
    count: int
    oldest: date | None
    amount: Amount | None
    owner: str = Field(description="the role that answers")
    due: date | None
    late: bool
    address: str = Field(description="the page that lists exactly these; empty when there are none")


class DeskOut(Schema):
    as_of: date
    rows: list[DeskRowOut]


class LateFileOut(Schema):
    """One file that is missing. `until`, `moved`: of a gap, the first day after it and what moved without a statement."""

    kind: Literal["statement", "gap", "core", "core_refused"]
    whose: str
    entity: str
    what: str
    day: date
    due_at: datetime | None
    until: date | None
    moved: Amount | None


class LateFilesOut(Schema):
    items: list[LateFileOut]


@route(router.get, "/payments-desk", "payments-desk", DeskOut)
def payments_desk(request: HttpRequest) -> dict[str, Any]:
    """What waits of debits, money in, files and refunds, as far as you may see it; rows that count nothing too."""
    today = business_date()
    rows = [
        {
            "kind": kind.target,
            "group": kind.group,
            "label": row.label,
            "count": row.count,
            "oldest": row.oldest,
            "amount": None if row.amount_minor is None else decimal(row.amount_minor),
            "owner": targets()[kind.target].owner.value,
            "due": row.act_by,
            "late": row.late,
            "address": row.address,
        }
        for kind, row in desk_rows(request.user, today)
    ]
    return {"as_of": today, "rows": rows}


@route(router.get, "/late-files", "late-files-list", LateFilesOut)
def late_files_list(request: HttpRequest, kind: Literal["", "statement", "gap", "core", "core_refused"] = "") -> dict[str, Any]:
    """Files that ought to be here and are not, in your scope, the oldest first. At most 30 days back."""
    return {"items": [_out(f) for f in late_files(request.user, business_date(), kind=kind)]}


def _out(f: LateFile) -> dict[str, Any]:
    moved = None if f.off_minor is None else decimal(f.off_minor)
    said = {n: getattr(f, n) for n in ("kind", "whose", "what", "day", "due_at", "until")}
    return {**said, "entity": f.entity.code, "moved": moved}
