"""Filters for money, rates and dates, and icons (UX: one filter out, always two decimals)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django import template
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tideover.engine.terms import NO_DAY, date_of

register = template.Library()
ICONS = {
    "brand": "".join(f'<path d="M2 {y}q2.5 2 5 0t5 0 5 0 5 0"/>' for y in (12, 19, 5)),
    "right": '<path d="m9 18 6-6-6-6"/>',
}
WEEKDAYS_ZH = "一二三四五六日"


@register.filter
def money(minor: int | None) -> str:
    """¥1,273.63 of 127363; a dash for none."""
    if minor is None:
        return "–"
    return f"{'−' if minor < 0 else ''}¥{Decimal(abs(int(minor))) / 100:,.2f}"


@register.filter
def rate(ppm: int) -> str:
    """年化 15.2% / 15.2% a year of 152000 parts per million."""
    percent = f"{Decimal(ppm) / 10_000:f}".rstrip("0").rstrip(".")
    return f"年化 {percent}%" if _zh() else f"{percent}% a year"


@register.filter
def share(part: int, whole: int) -> str:
    """A share in percent with two decimals; a dash without a base."""
    return f"{100 * part / whole:.2f}%" if whole else "–"


@register.filter
def engine_date(value: int | date | None) -> str:
    """ISO date of an engine day or a date; a dash for none."""
    if value is None or value == NO_DAY:
        return "–"
    return (value if isinstance(value, date) else date_of(value)).isoformat()


@register.filter
def kind_date(value: int | date | None) -> str:
    """The borrower's date: 12月12日（周六） / 12 December."""
    if value is None or value == NO_DAY:
        return "–"
    d = value if isinstance(value, date) else date_of(value)
    if _zh():
        return f"{d.month}月{d.day}日（周{WEEKDAYS_ZH[d.weekday()]}）"
    return f"{d.day} {d:%B}"


@register.filter
def named(code: str) -> str:
    """The word for a code (bucket, status, class, component …) in the page's language."""
    return _(NAMES.get(code, code))


@register.simple_tag
def icon(name: str) -> SafeString:
    """An inlined icon; always beside words."""
    return mark_safe(f'<svg class="ic" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{ICONS[name]}</svg>')


def _zh() -> bool:
    return (get_language() or "").startswith("zh")


NAMES = {
    "current": "up to date",
    "d1_30": "1–30 days late",
    "d31_60": "31–60 days late",
    "d61_90": "61–90 days late",
    "d91_180": "91–180 days late",
    "d180p": "over 180 days late",
    "closed": "paid off",
    "paid_off": "paid off",
    "written_off": "written off",
    "active": "up to date",
    "overdue": "late",
    "normal": "normal",
    "special_mention": "special mention",
    "substandard": "substandard",
    "doubtful": "doubtful",
    "loss": "loss",
    "principal": "principal",
    "interest": "interest",
    "penalty": "interest on the late part",
    "compound": "interest on late interest",
    "fee": "fee",
    "third_party_fee": "third-party fee",
    "recovery_cost": "recovery cost",
    "held": "held for the next payment",
    "payment": "payment",
    "payoff": "pay-off",
    "reversal": "reversal",
    "defer": "payments moved later",
    "waiver": "waiver",
    "acceleration": "whole loan made due",
    "write_off": "write-off",
    "charge": "charge",
    "prepayment": "early payment",
    "rate_change": "rate change",
    "extension": "extension",
    "reamortise": "new plan",
    "debit": "debit",
}
