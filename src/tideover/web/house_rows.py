"""Exception rows that are about the house, not about loans: closes, files, reference data, the action log.

Each is one query, or none; the links lead to the page where the row can be read in full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Min
from django.urls import reverse

from tideover.core.access import can
from tideover.core.action_log import newest_breaks
from tideover.core.business_time import now, start_of_day
from tideover.core.models import ActionLog, Role, User
from tideover.core.packs.load import pack, pack_names
from tideover.core.packs.rules.calendars import calendar_versions, is_provisional
from tideover.core.packs.rules.fixings import MissingFixing
from tideover.core.panels import ExceptionRow
from tideover.daily.models import CloseRun
from tideover.lending import rates
from tideover.web.tapes import changes, closes_done

CHAIN_ENTRIES = 500
"""How many of the newest entries of the action log a page checks; `tideover doctor` checks them all."""


def _row(
    label: str, owner: Role, *, count: int, oldest: date | None, act_by: date | None, on: date, address: str
) -> ExceptionRow:
    late = bool(count) and act_by is not None and act_by < on
    return ExceptionRow(label, count, oldest, None, str(owner.label), act_by if count else None, late, address if count else "")


def _logged(label: str, action: str) -> Callable[[User, date], ExceptionRow]:
    """Entries of the action log written today, of one kind or of all."""

    def row(user: User, on: date) -> ExceptionRow:
        entries = ActionLog.objects.filter(at__gte=start_of_day(on))
        count = entries.filter(action=action).count() if action else entries.count()
        address = reverse("action-log") + (f"?action={action}" if action else "")
        return _row(label, Role.COMPLIANCE, count=count, oldest=on if count else None, act_by=None, on=on, address=address)

    return row


def _chain(user: User, on: date) -> ExceptionRow:
    broken = newest_breaks(CHAIN_ENTRIES)
    first = broken[0].at.date() if broken else None
    address = reverse("day")
    return _row(
        "Breaks in the chain of the action log", Role.ENGINEER, count=len(broken), oldest=first, act_by=on, on=on, address=address
    )


def _unclosed(user: User, on: date) -> ExceptionRow:
    done = closes_done().first()
    missed = 0 if done is None else max(0, (on - done.as_of).days - 1)
    first = None if done is None or not missed else done.as_of + timedelta(days=1)
    return _row("Days that are not closed", Role.ENGINEER, count=missed, oldest=first, act_by=first, on=on, address=_day(user))


def _stuck(user: User, on: date) -> ExceptionRow:
    found = CloseRun.objects.exclude(state="done").filter(lease_until__lt=now()).aggregate(n=Count("pk"), first=Min("as_of"))
    return _row(
        "Closes that stopped half-way",
        Role.ENGINEER,
        count=found["n"],
        oldest=found["first"],
        act_by=on,
        on=on,
        address=_day(user),
    )


def _fixings(user: User, on: date) -> ExceptionRow:
    missing = missing_fixings(on)
    first = min(missing.values(), default=None)
    return _row(
        "Published rates (LPR) that are missing",
        Role.ENGINEER,
        count=len(missing),
        oldest=first,
        act_by=first,
        on=on,
        address=_day(user),
    )


def _calendars(user: User, on: date) -> ExceptionRow:
    years = [date(year, 1, 1) for _name, year in provisional_calendars(on)]
    first = min(years, default=None)
    return _row(
        "Calendars of years not yet announced",
        Role.ENGINEER,
        count=len(years),
        oldest=first,
        act_by=first,
        on=on,
        address=_day(user),
    )


def _changed(label: str, kinds: tuple[str, ...]) -> Callable[[User, date], ExceptionRow]:
    """Loans that the latest close saw change, in the user's scope, with their principal."""

    def row(user: User, on: date) -> ExceptionRow:
        last, found = changes(user, on)
        mine = [c for c in found if c["kind"] in kinds]
        oldest = last.as_of if last and mine else None
        address = f"{reverse('book-loans')}?kind={kinds[0]}" if mine else ""
        return ExceptionRow(
            label,
            len(mine),
            oldest,
            sum(c["principal_minor"] for c in mine) if mine else None,
            str(Role.RISK.label),
            None,
            False,
            address,
        )

    return row


def _day(user: User) -> str:
    return reverse("day") if can(user, "day") else ""


def missing_fixings(on: date) -> dict[str, date]:
    """Reference rates that lack the fixing of a day, with the day on which it should have come."""
    out = {}
    for index in rates.indices():
        try:
            rates.fixing(index, on)
        except MissingFixing as error:
            out[index] = error.expected_on
    return out


def provisional_calendars(on: date) -> list[tuple[str, int]]:
    """Calendars of the packs whose days of this year or the next are not announced: name and year."""
    out = []
    for p in map(pack, pack_names()):
        names = {v.split("@")[0] for v in calendar_versions(p)}
        out += [
            (name, year) for name in sorted(names) for year in (on.year, on.year + 1) if is_provisional(p, name, date(year, 1, 1))
        ]
    return out


HOUSE_ROWS: dict[str, Callable[[User, date], ExceptionRow]] = {
    "unclosed": _unclosed,
    "stuck": _stuck,
    "fixing": _fixings,
    "calendar": _calendars,
    "chain": _chain,
    "actions": _logged("Acts logged today", ""),
    "reveals": _logged("People's files shown in full today", "person.reveal"),
    "searches": _logged("Searches for a person today", "person.search"),
    "became_late": _changed("Became late at the latest close", ("became_overdue",)),
    "rolled": _changed("Moved to a later bucket at the latest close", ("rolled",)),
}


def home_row(name: str) -> Callable[[User, date], Mapping[str, Any]]:
    """The context of one row about the house in the slot `home.rows`."""
    return lambda user, on: {"rows": [HOUSE_ROWS[name](user, on)]}
