"""What a document may say: plain values, and amounts, rates and days that are written out in its language.

A template computes nothing: it gets every amount as figures and as capital numerals, every day in words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.timezone import localtime

from tideover.core.written import day_text, money_text, percent_text, rmb_capital


@dataclass(frozen=True, slots=True)
class Amount:
    """Money in minor units; in a template: `.figure` (¥1,273.63), `.plain` (1,273.63), `.capital` (人民币壹仟…), `.minor`."""

    minor: int


@dataclass(frozen=True, slots=True)
class Rate:
    """A yearly rate in parts per million; in a template: `.text` (年化 15.2% / 15.2% a year), `.percent` (15.2%), `.ppm`."""

    ppm: int


def plain(value: object, language: str) -> Any:
    """The JSON form of a value as the template reads it. Raises TypeError for what a document cannot say."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Amount):
        figure = money_text(value.minor)
        return {
            "minor": value.minor, "figure": figure, "plain": figure.replace("¥", ""),
            "capital": f"人民币{rmb_capital(value.minor)}",
        }  # fmt: skip
    if isinstance(value, Rate):
        percent = percent_text(value.ppm)
        return {"ppm": value.ppm, "percent": percent, "text": f"年化 {percent}" if _zh(language) else f"{percent} a year"}
    if isinstance(value, datetime):
        local = localtime(value)
        return {"iso": value.isoformat(), "text": f"{day_text(local.date(), language)} {local:%H:%M} {local:%Z}"}
    if isinstance(value, date):
        return {"iso": value.isoformat(), "text": day_text(value, language)}
    if isinstance(value, Mapping):
        return {str(k): plain(v, language) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(v, language) for v in value]
    raise TypeError(f"a document cannot hold {type(value).__name__}")


def canonical(value: Any) -> str:
    """One text for one JSON value: sorted keys, no spaces."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _zh(language: str) -> bool:
    return language.startswith("zh")
