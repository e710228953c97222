"""Filters for money, rates and dates, and icons (UX: one filter out, always two decimals)."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django import template
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tideover.contact.words import cited
from tideover.core.act_words import act_words, thing_words
from tideover.core.business_time import business_date
from tideover.core.models import Role
from tideover.core.panels import shown
from tideover.core.written import MONTHS_EN, percent_text, rmb_capital
from tideover.engine.terms import NO_DAY, date_of
from tideover.lending.who import staff_names, who_words
from tideover.lending.words import money, word

register = template.Library()
ICONS = Path(__file__).resolve().parents[1] / "icons"
BRAND = "".join(f'<path d="M2 {y}q2.5 2 5 0t5 0 5 0 5 0"/>' for y in (12, 19, 5))
WEEKDAYS_ZH = "一二三四五六日"


register.filter(money)


@register.filter
def rate(ppm: int) -> str:
    """年化 15.2% / 15.2% a year of 152000 parts per million."""
    return f"年化 {percent_text(ppm)}" if _zh() else f"{percent_text(ppm)} a year"


@register.filter
def share(part: int, whole: int) -> str:
    """A share in percent with two decimals; a dash without a base."""
    return f"{100 * part / whole:.2f}%" if whole else "–"


@register.filter
def plain_money(minor: int | None) -> str:
    """1,273.63 of 127363, for tables with the unit in the header; a dash for none."""
    return money(minor).replace("¥", "")


@register.filter
def dash_money(minor: int | None) -> str:
    """Like plain_money, but a dash for nothing, so that what is there stands out."""
    return plain_money(minor or None)


@register.filter
def dash(count: int | None) -> str:
    """A count, or a dash for none."""
    return grouped(count) if count else "–"


@register.filter
def grouped(count: int) -> str:
    """A count with groups of three digits: 18,240."""
    return f"{count:,}"


@register.filter
def local_minute(at: datetime | None) -> str:
    """A moment in the business time zone as `2026-11-24 14:02`; a dash for none."""
    return "–" if at is None else localtime(at).strftime("%Y-%m-%d %H:%M")


@register.filter
def local_day(at: datetime | None) -> date | None:
    """The business date of a moment."""
    return None if at is None else localtime(at).date()


@register.filter
def gate_minute(second: int) -> str:
    """A moment given in whole seconds since 1970 UTC, as `2026-11-24 14:02` in the business time zone."""
    return local_minute(datetime.fromtimestamp(second, UTC))


@register.filter
def role_named(role: str) -> str:
    """The name of a role in the page's language; an unknown one reads as itself."""
    return str(Role(role).label) if role in Role.values else role


@register.filter
def act_named(act: str) -> str:
    """What was done, of a code of the action log; entries in a loan's journal by the word of their event."""
    kind = act.removeprefix("event.")
    return word(kind) if kind != act else act_words(act)


register.filter("thing_named", thing_words)


@register.filter
def dialled(number: str) -> str:
    """A telephone number as a link dials it: digits, perhaps after a +."""
    return re.sub(r"[^\d+]", "", number)


@register.filter
def zone_named(zone: str) -> str:
    """A time zone for people: Beijing time instead of Asia/Shanghai; others by their name."""
    return _("Beijing time") if zone == "Asia/Shanghai" else zone.replace("_", " ")


@register.filter
def source_named(source: str) -> str:
    """Where a rule is written, without the rule's own id before it: `books.vat.bank: 财税〔2016〕36号` as 财税〔2016〕36号."""
    return cited(re.sub(r"^[a-z_.]+: ", "", source))


@register.filter
def pack_named(pack: str) -> str:
    """A pack of law by its place: China instead of cn."""
    return {"cn": _("China"), "us": _("United States")}.get(pack, pack)


@register.filter
def index_named(index: str) -> str:
    """A published reference rate: one-year LPR instead of lpr_1y."""
    return {"lpr_1y": _("LPR, one year"), "lpr_5y": _("LPR, over five years")}.get(index, index)


@register.filter
def in_language(thing: Any) -> str:
    """The name of a product, branch or entity in the page's language."""
    return str(thing.name_zh if _zh() else thing.name_en)


@register.filter
def percent(part: float) -> str:
    """37.5% of 0.375; what is more than nothing never reads as nothing, nor less than all as all."""
    if 0 < part < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 <= part < 1 else f"{100 * part:.1f}%"


@register.filter
def engine_date(value: int | date | None) -> str:
    """ISO date of an engine day or a date; a dash for none."""
    if value is None or value == NO_DAY:
        return "–"
    return (value if isinstance(value, date) else date_of(value)).isoformat()


@register.filter
def kind_date(value: int | date | None) -> str:
    """The borrower's date: 12月12日（周六） / 12 December; with the year when it is not the current one."""
    if value is None or value == NO_DAY:
        return "–"
    d = value if isinstance(value, date) else date_of(value)
    other = d.year != business_date().year
    if _zh():
        return f"{f'{d.year}年' if other else ''}{d.month}月{d.day}日（周{WEEKDAYS_ZH[d.weekday()]}）"
    return f"{d.day} {MONTHS_EN[d.month - 1]}{f' {d.year}' if other else ''}"


register.filter(rmb_capital)


@register.filter
def named(code: str) -> str:
    """The word for a code (bucket, status, class, component …) in the page's language."""
    return word(code)


@register.filter
def pretty_json(value: Any) -> str:
    """JSON in lines, as it is stored."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)


@register.filter
def tag_class(bucket: str) -> str:
    """The tag's colour class of a bucket; the word always stands beside it."""
    if bucket in ("current", "closed"):
        return "tag--ok"
    return "" if bucket == "written_off" else "tag--over"


@register.simple_tag
def icon(name: str) -> SafeString:
    """An inlined icon; always beside words."""
    return mark_safe(f'<svg class="ic" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{_shapes(name)}</svg>')


@register.simple_tag(takes_context=True)
def panels(context: Context, slot: str, thing: Any) -> SafeString:
    """What features show in a slot of this page about a thing (core/panels.py)."""
    request = context["request"]
    pieces = [
        render_to_string(panel.template, {**values, "object": thing}, request=request)
        for panel, values in shown(slot, request.user, thing)
    ]
    return mark_safe("".join(pieces))


@register.simple_tag(takes_context=True)
def who(context: Context, actor: str) -> str:
    """The name of who did something, of a sign-in name; the names of the house are read once a page."""
    request = context["request"]
    names = getattr(request, "staff_names", None)
    if names is None:
        names = request.staff_names = staff_names()
    return who_words(actor, names, _zh())


@lru_cache(maxsize=64)
def _shapes(name: str) -> str:
    """The inside of a vendored Lucide icon; unknown names raise FileNotFoundError."""
    if name == "brand":
        return BRAND
    text = (ICONS / f"{name}.svg").read_text(encoding="utf-8")
    return " ".join(text.partition(">")[2].rpartition("</svg>")[0].split())


def _zh() -> bool:
    return (get_language() or "").startswith("zh")
