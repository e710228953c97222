"""How amounts, rates and days are written on paper: figures, capital numerals (人民币大写), dates with their year; no clock."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

DIGITS = "零壹贰叁肆伍陆柒捌玖"
PLACES = ("", "拾", "佰", "仟")
MONTHS_EN = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
CAPITAL_MAX = 10**16
"""Yuan: capital numerals are written below this (up to 仟万亿)."""


def money_text(minor: int, sign: str = "¥") -> str:
    """¥1,273.63 of 127363; −¥12.50 of -1250."""
    return f"{'−' if minor < 0 else ''}{sign}{Decimal(abs(minor)) / 100:,.2f}"


def percent_text(ppm: int) -> str:
    """15.2% of 152000 parts per million."""
    return f"{Decimal(ppm) / 10_000:f}".rstrip("0").rstrip(".") + "%" if ppm else "0%"


def day_text(on: date, language: str) -> str:
    """2026年11月25日 / 25 November 2026."""
    if language.startswith("zh"):
        return f"{on.year}年{on.month}月{on.day}日"
    return f"{on.day} {MONTHS_EN[on.month - 1]} {on.year}"


def rmb_capital(minor: int) -> str:
    """An amount in the capital numerals of Chinese receipts: 127363 → 壹仟贰佰柒拾叁元陆角叁分.

    Rules of 《支付结算办法》 annex 1: 整 after whole yuan or jiao, one 零 for any run of zeros inside. Raises ValueError from
    CAPITAL_MAX yuan on.
    """
    yuan, cents = divmod(abs(int(minor)), 100)
    if yuan >= CAPITAL_MAX:
        raise ValueError(f"{yuan} yuan has no capital numerals here")
    head = ("负" if minor < 0 else "") + (_capital(yuan) + "元" if yuan else "")
    jiao, fen = divmod(cents, 10)
    if not cents:
        return (head or "零元") + "整"
    middle = f"{DIGITS[jiao]}角" if jiao else ("零" if yuan else "")
    return head + middle + (f"{DIGITS[fen]}分" if fen else "整")


def _capital(n: int) -> str:
    """Capital numerals of a whole number below CAPITAL_MAX: groups of four digits (万, 亿, 万亿)."""
    out, gap = "", False
    for power in range(len(str(n)) - 1, -1, -1):
        digit = n // 10**power % 10
        if digit:
            out += ("零" if gap and out else "") + DIGITS[digit] + PLACES[power % 4]
            gap = False
        else:
            gap = True
        if power in (4, 12) and n // 10**power % 10_000:
            out += "万"
        if power == 8:
            out += "亿"
    return out
