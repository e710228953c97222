"""Lenient reading of what people type: amounts with ¥, 元, commas or full-width digits; dates with 年月日."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal, InvalidOperation


def amount_read(text: str) -> int:
    """Minor units of a typed amount. Raises ValueError with a sentence a person can act on."""
    plain = unicodedata.normalize("NFKC", text).replace(",", "").replace("¥", "").replace("元", "").replace(" ", "").strip("￥")
    try:
        value = Decimal(plain) * 100
    except InvalidOperation:
        raise ValueError("amount") from None
    if value != value.to_integral_value() or not 0 < value <= 10**13:
        raise ValueError("amount")
    return int(value)


def date_read(text: str) -> date:
    """A date typed as 2026-12-05, 2026/12/5 or 2026年12月5日. Raises ValueError."""
    plain = unicodedata.normalize("NFKC", text).strip()
    found = re.fullmatch(r"(\d{4})\D+(\d{1,2})\D+(\d{1,2})\D*", plain)
    if not found:
        raise ValueError("date")
    return date(*(int(x) for x in found.groups()))
