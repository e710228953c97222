"""Files that ought to be here: statements of the lender's accounts, gaps between them, files of a core. One list for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.urls import reverse

from tideover.core.business_time import now
from tideover.core.models import User
from tideover.lending.beside.selectors import entities_overlay, file_days, files_refused
from tideover.lending.models import LegalEntity
from tideover.lending.statements.selectors import statement_gaps, statements_missing

KINDS = ("statement", "gap", "core", "core_refused")
"""statement: a day without one; gap: two that do not meet; core: a file of a core that did not come; core_refused: nor fitted."""


@dataclass(frozen=True, slots=True)
class LateFile:
    """One file that is missing, or the place where one is. whose: account or entity; what: the kind of a core's file.

    day: of which day; until: the first day after a gap; off_minor: what moved in a gap without a statement; address: where it
    is worked (empty: not by this reader).
    """

    kind: str
    whose: str
    entity: LegalEntity
    day: date
    due_at: datetime | None
    what: str = ""
    until: date | None = None
    off_minor: int | None = None
    address: str = ""


def _statements(user: User) -> list[LateFile]:
    return [
        LateFile("statement", a.number, a.entity, day, due, address=reverse("bank-account", args=[a.number]))
        for a, day, due in statements_missing(user, now())
    ]


def _gaps(user: User, on: date) -> list[LateFile]:
    out = []
    for a, gap in statement_gaps(user, on):
        address = f"{reverse('bank-account', args=[a.number])}?to={gap.before.isoformat()}"
        out.append(
            LateFile("gap", a.number, a.entity, gap.after, None, until=gap.before, off_minor=gap.off_minor, address=address)
        )
    return out


def _core(entities: Iterable[LegalEntity], on: date) -> list[LateFile]:
    """Files of a core that are due and not here, and those that were refused and not replaced."""
    here, out = reverse("core-files"), []
    for e in entities:
        days = [f for f in file_days(e, on) if f.state in ("missing", "running")]
        out += [LateFile("core", e.code, e, f.day, f.due_at, what=f.kind, address=here) for f in days]
        refused = files_refused(e, on)
        out += [LateFile("core_refused", e.code, e, f.day or on, f.started_at, what=f.kind, address=here) for f in refused]
    return out


def late_files(user: User, on: date, *, kind: str = "") -> list[LateFile]:
    """Everything that is late, of one kind or all; the oldest first."""
    out: list[LateFile] = []
    if kind in ("", "statement"):
        out += _statements(user)
    if kind in ("", "gap"):
        out += _gaps(user, on)
    if kind in ("", "core", "core_refused"):
        out += [f for f in _core(entities_overlay(user, on), on) if kind in ("", f.kind)]
    return sorted(out, key=lambda f: (f.day, f.kind, f.whose, f.what))
