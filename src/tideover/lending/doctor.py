"""What must always be true of the book, checked on demand: triggers, chains, standing = replay."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from tideover.core import action_log
from tideover.core.business_time import business_date
from tideover.lending import triggers
from tideover.lending.journal import chain_break
from tideover.lending.models import Contract, StandingRow
from tideover.lending.resets import missing_fixings
from tideover.lending.selectors import loan_standing, standing_fields


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
    loans = Contract.objects.order_by("pk").iterator(chunk_size=500)
    broken = [f"{c.number} at {at}" for c in loans if (at := chain_break(c)) is not None]
    return Check(
        "journal chains", not broken, f"broken: {', '.join(broken[:10])}" if broken else f"{Contract.objects.count()} whole"
    )


def _fixings() -> Check:
    missing = missing_fixings(business_date())
    return Check("LPR fixing missing", not missing, "; ".join(missing[:10]) if missing else "none")


def _standings() -> Check:
    rows = StandingRow.objects.select_related("contract__product").order_by("pk").iterator(chunk_size=500)
    wrong, seen = [], 0
    for row in rows:
        seen += 1
        fields = standing_fields(loan_standing(row.contract, row.as_of))
        found = [name for name, value in fields.items() if getattr(row, name) != value]
        if found:
            wrong.append(f"{row.contract.number} ({', '.join(found)})")
    return Check("standing = replay", not wrong, f"differs: {'; '.join(wrong[:10])}" if wrong else f"{seen} equal")
