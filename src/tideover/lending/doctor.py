"""What must always be true of the book, checked on demand: triggers, chains, standing = replay."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Max, Min

from tideover.core import action_log
from tideover.core.business_time import business_date
from tideover.lending import triggers
from tideover.lending.journal import chain_breaks
from tideover.lending.models import Contract, StandingRow
from tideover.lending.resets import missing_fixings
from tideover.lending.selectors import loan_standing, standing_fields

CHAINS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str


def checks() -> list[Check]:
    """Every check, the cheap ones first."""
    return [_triggers(), _actions(), _chains(), _fixings(), _standings()]


def _triggers() -> Check:
    missing = triggers.expected(connection.vendor) - triggers.installed()
    return Check("triggers", not missing, f"missing: {', '.join(sorted(missing))}" if missing else "all stand")


def _actions() -> Check:
    broken = action_log.first_break()
    return Check("action log chain", broken is None, "whole" if broken is None else f"broken at entry {broken}")


def _chains() -> Check:
    ids = Contract.objects.aggregate(first=Min("pk"), last=Max("pk"), count=Count("pk"))
    spans = range(ids["first"] or 0, (ids["last"] or -1) + 1, CHAINS_AT_ONCE)
    broken = [f"{number} at {seq}" for at in spans for number, seq in chain_breaks(at, at + CHAINS_AT_ONCE - 1)]
    said = f"broken: {', '.join(broken[:10])}" if broken else f"{ids['count']} whole"
    return Check("journal chains", not broken, said)


def _fixings() -> Check:
    missing = missing_fixings(business_date())
    return Check("LPR fixing missing", not missing, "; ".join(missing[:10]) if missing else "none")


def _standings() -> Check:
    rows = StandingRow.objects.select_related("contract__product", "contract__entity").order_by("pk").iterator(chunk_size=500)
    wrong, seen = [], 0
    for row in rows:
        seen += 1
        fields = standing_fields(loan_standing(row.contract, row.as_of), row.contract)
        found = [name for name, value in fields.items() if getattr(row, name) != value]
        if found:
            wrong.append(f"{row.contract.number} ({', '.join(found)})")
    return Check("standing = replay", not wrong, f"differs: {'; '.join(wrong[:10])}" if wrong else f"{seen} equal")
