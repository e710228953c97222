"""Cells of the scenarios' tables as text in one form, and figures that several comparisons need."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tideover.conform.cn import money
from tideover.engine.standing import Standing
from tideover.engine.terms import NO_DAY, date_of


def number(value: Any) -> str:
    """A number as text in one form: no trailing zeros."""
    return format(Decimal(str(value)).normalize(), "f")


def plain(value: Any) -> str:
    """A cell as text: numbers in one form, other values as they are."""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return number(value) if is_number else str(value)


def text(minor: int) -> str:
    """Money as text in the same form."""
    return number(money(minor))


def iso(on: int) -> str | None:
    return None if on == NO_DAY else date_of(on).isoformat()


def outstanding_of(s: Standing) -> int:
    """All that is still owed, due or not, charges included (minor units)."""
    return sum(
        r.outstanding_minor + r.charged_fee_minor + r.charged_penalty_minor - r.paid_charges_minor - r.waived_charges_minor
        for r in s.rows
    )
