"""What a lender decides about its core: tolerances, whose figure holds, who may accept a break, when files are due. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tideover.lending.rules.held import COMPARED

TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
KEYS = (
    "tolerance_minor", "tolerance_days", "hold_over_minor", "hold_over_days", "rounding_minor", "accept_alone_minor", "files",
    "due", "reflect_days", "inquire_after_minutes", "fewer_percent",
)  # fmt: skip


class BadPolicy(ValueError):
    """One sentence that names the key."""


@dataclass(frozen=True, slots=True)
class BesidePolicy:
    """tolerance: what a component may differ by without being a break (minor units; days for days_past_due; 0 where absent).

    hold_over_minor, hold_over_days: above them the core's figure holds while the break is open; -1: replay's always does.
    rounding_minor: up to here on every component a break is called rounding. accept_alone_minor: up to here one person
    accepts a break. files: which kinds the core sends every day. due: by when on the next day, in the business time zone.
    reflect_days: how many core days a confirmed instruction may take until it is seen. inquire_after_minutes: when an
    instruction without an answer is asked after. fewer_percent: a file of balances with so many per cent fewer loans than the
    one before breaks off, and is refused.
    """

    tolerance: Mapping[str, int] = field(default_factory=dict)
    hold_over_minor: int = 0
    hold_over_days: int = 0
    rounding_minor: int = 2
    accept_alone_minor: int = 0
    files: tuple[str, ...] = ("balances",)
    due: str = "09:00"
    reflect_days: int = 2
    inquire_after_minutes: int = 30
    fewer_percent: int = 10

    def tolerance_of(self, component: str) -> int:
        """The tolerance of a compared component."""
        return self.tolerance.get(component, 0)

    def holds(self, component: str, amount: int) -> bool:
        """Whether a break of this size hands the figure to the core."""
        over = self.hold_over_days if component == "days_past_due" else self.hold_over_minor
        return over >= 0 and component != "loan" and abs(amount) > over


def policy_read(data: Mapping[str, Any]) -> BesidePolicy:
    """The policy in a YAML mapping; what it leaves out is the default. Raises BadPolicy."""
    for key in data:
        if key not in KEYS:
            raise BadPolicy(f"unknown key {key}; known: {', '.join(KEYS)}")
    tolerance = data.get("tolerance_minor", {})
    if not isinstance(tolerance, Mapping):
        raise BadPolicy("tolerance_minor is component: minor units")
    money = [c for c in COMPARED if c != "days_past_due"]
    for name in tolerance:
        if name not in money:
            raise BadPolicy(f"tolerance_minor: {name} is not one of {', '.join(money)}")
    allowed = {str(n): _number(f"tolerance_minor.{n}", v) for n, v in tolerance.items()}
    allowed["days_past_due"] = _number("tolerance_days", data.get("tolerance_days", 0))
    files = data.get("files", ["balances"])
    if not isinstance(files, list) or not files or any(f not in ("balances", "movements") for f in files):
        raise BadPolicy("files is a list of balances and movements")
    due = data.get("due", "09:00")
    if not isinstance(due, str) or not TIME.fullmatch(due):
        raise BadPolicy('due is a time like "09:00"')
    return BesidePolicy(
        allowed, _number("hold_over_minor", data.get("hold_over_minor", 0), -1),
        _number("hold_over_days", data.get("hold_over_days", 0), -1), _number("rounding_minor", data.get("rounding_minor", 2)),
        _number("accept_alone_minor", data.get("accept_alone_minor", 0)), tuple(files), due,
        _number("reflect_days", data.get("reflect_days", 2), 1),
        _number("inquire_after_minutes", data.get("inquire_after_minutes", 30)),
        _number("fewer_percent", data.get("fewer_percent", 10), 1),
    )  # fmt: skip


def _number(name: str, value: Any, low: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise BadPolicy(f"{name} is a whole number from {low} on")
    return value
