"""What a till is counted in, and when cash is reported: data, read once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import yaml

from tideover.core.packs.load import NoRule, rule
from tideover.core.problems import refuse


@dataclass(frozen=True, slots=True)
class CashRule:
    """From which amount of a day's cash a person is reported, and within how many working days."""

    threshold_minor: int
    report_working_days: int


@cache
def _denominations() -> dict[str, tuple[int, ...]]:
    said = yaml.safe_load(Path(__file__).with_name("policy.yaml").read_text(encoding="utf-8"))
    return {code: tuple(rows) for code, rows in said["denominations_minor"].items()}


def denominations(currency: str) -> tuple[int, ...]:
    """Notes and coins of a currency in minor units, the largest first. Raises Refused for one that no till is counted in."""
    if currency not in _denominations():
        raise refuse("no_cash", f"no till is kept in {currency}", "currency")
    return _denominations()[currency]


def cash_rule(jurisdiction: str, on: date) -> CashRule | None:
    """The rule about large cash in force on a day; None where the pack has none."""
    try:
        found = rule(jurisdiction, "aml.large_cash", on)
    except NoRule:
        return None
    return CashRule(int(found.values["threshold_minor"]), int(found.values["report_working_days"]))
